package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

const (
	contextEnv  = "SHOAL_CONTEXT"
	contextsMax = 1 << 20 // bytes of the file
)

// contextName is what a context may be called: something that a shell takes without quotes.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// savedContext is a cluster under a name: where it is, and how to ask there.
type savedContext struct {
	Servers     []string `json:"servers"`
	Consistency string   `json:"consistency,omitempty"` // a level; empty: the cluster's
	TimeoutMS   int64    `json:"timeout_ms,omitempty"`  // 0: the client's default
	Namespace   string   `json:"namespace,omitempty"`   // empty: the default one
}

func (s *savedContext) timeout() time.Duration {
	if s.TimeoutMS == 0 {
		return client.DefaultTimeout
	}
	return time.Duration(s.TimeoutMS) * time.Millisecond
}

// level reads what readContexts has checked.
func (s *savedContext) level() client.Level {
	if s.Consistency == "" {
		return client.LevelDefault
	}
	l, err := wire.ParseLevel(s.Consistency)
	if err != nil {
		return client.LevelDefault
	}
	return l
}

// check refuses what a hand may have put into the file, and completes addresses without a port.
func (s *savedContext) check() error {
	if len(s.Servers) == 0 {
		return errors.New("no servers: name at least one, as host:port")
	}
	addrs, err := servers(s.Servers)
	if err != nil {
		return fmt.Errorf("servers %q: use host:port", s.Servers)
	}
	s.Servers = addrs
	if s.TimeoutMS < 0 || s.TimeoutMS > int64(24*time.Hour/time.Millisecond) {
		return fmt.Errorf("timeout_ms %d: use 1 to a day", s.TimeoutMS)
	}
	if s.Consistency != "" {
		if _, err := wire.ParseLevel(s.Consistency); err != nil {
			return err
		}
	}
	if s.Namespace != "" {
		return checkNamespace(s.Namespace, "namespace")
	}
	return nil
}

// contexts is the file that holds all of them, and the one in use. Whoever writes it last wins: two commands that
// change it at the same moment are not merged.
type contexts struct {
	Current  string                   `json:"current,omitempty"`
	Contexts map[string]*savedContext `json:"contexts"`
}

func (s *contexts) names() []string { return slices.Sorted(maps.Keys(s.Contexts)) }

// contextsPath is where the file is, in the directory that the system has for the user's configuration.
func contextsPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", usage("contexts have no place: %v", err)
	}
	return filepath.Join(dir, "shoal", "contexts.json"), nil
}

// readContexts returns what the file holds, or nothing where there is none. Errors are *usageError.
func readContexts() (*contexts, error) {
	path, err := contextsPath()
	if err != nil {
		return nil, err
	}
	all := &contexts{Contexts: map[string]*savedContext{}}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, usage("contexts: %v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, contextsMax+1))
	switch {
	case err != nil:
		return nil, usage("contexts: %v", err)
	case len(b) > contextsMax:
		return nil, usage("contexts: %s is larger than %s", path, formatSize(contextsMax))
	}
	if err := json.Unmarshal(b, all); err != nil {
		return nil, usage("contexts: %s: %v: mend it, or remove it and add them again", path, err)
	}
	for name, s := range all.Contexts {
		if s == nil || !contextName.MatchString(name) {
			return nil, usage("contexts: %s: %q is no context: mend it, or remove the file and add them again", path, name)
		}
		if err := s.check(); err != nil {
			return nil, usage("contexts: %s: %s: %v", path, name, err)
		}
	}
	return all, nil
}

// write replaces the file as a whole, so that nobody ever reads half of it, and for the user alone: the addresses of
// clusters are nobody else's business.
func (s *contexts) write() error {
	path, err := contextsPath()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if len(b) >= contextsMax {
		return usage("contexts: more than %s of them: remove some with shoal ctx rm", formatSize(contextsMax))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return &outputError{err}
	}
	return replaceFile(path, append(b, '\n'))
}

// replaceFile gives path the content b, with mode 0600: readers see the old file or the new one, also after a crash.
// Errors name path, not the file that would have become it.
func replaceFile(path string, b []byte) error {
	err := func() error {
		f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name()) // unless it has got its name
		_, err = f.Write(b)
		if err == nil {
			err = f.Sync()
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		return err
	}()
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%s: %w", path, failed.Err)
	}
	if err != nil {
		return &outputError{err}
	}
	return nil
}

// findContext returns the context of that name; from says where the name comes from.
func findContext(name, from string) (*savedContext, error) {
	all, err := readContexts()
	if err != nil {
		return nil, err
	}
	if s := all.Contexts[name]; s != nil {
		return s, nil
	}
	return nil, usage("%s: %v", from, all.unknown(name))
}

// contextInUse returns the context that the variable names, else the one in use, else one that says nothing: also where
// the user has no directory for contexts, as a service or a container may not.
func contextInUse() (*savedContext, error) {
	if name := os.Getenv(contextEnv); name != "" {
		return findContext(name, "$"+contextEnv)
	}
	if _, err := contextsPath(); err != nil {
		return &savedContext{}, nil
	}
	all, err := readContexts()
	if err != nil || all.Current == "" {
		return &savedContext{}, err
	}
	return findContext(all.Current, "the context in use")
}

func (s *contexts) unknown(name string) error {
	if len(s.Contexts) == 0 {
		return usage("unknown context %q: there are none: add one, with shoal ctx add NAME -s HOST:PORT", name)
	}
	return unknown("context", name, s.names())
}

package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shoalcache/shoal/internal/session"
	"github.com/shoalcache/shoal/wire"
)

// A Session is one caller's view of the cluster (Terry et al., "Session Guarantees for Weakly Consistent Replicated Data",
// 1994): calls that are given it WithSession read what the session has written, and never something older than it has read,
// whatever nodes they go to and whatever level they ask for. Where the first answer is older, owners are asked again, more of
// them and in the end all; what cannot be met by then is a *SessionError. A miss counts as an answer only if all owners say
// so, or one cannot rule out that the cluster has forgotten the key.
//
// It keeps a stamp for each of the last keys that it has met. It may be used by any number of goroutines, and by any client of
// the cluster that it was used with first.
type Session struct {
	mu      sync.Mutex
	cluster uint64
	memory  session.Memory // by namespace and key
}

// SessionKeysDefault is how many keys a session remembers, for sure, that is told nothing else.
const SessionKeysDefault = 10_000

// NewSession makes a session that remembers the last keys it has met, so many at least and at most twice as many; 0 for
// SessionKeysDefault. Of others it knows nothing, as if it had never met them.
func NewSession(keys int) *Session {
	if keys <= 0 {
		keys = SessionKeysDefault
	}
	return &Session{memory: session.New(keys)}
}

// WithSession makes the call one of a session.
func WithSession(s *Session) CallOption {
	return func(o *callOptions) { o.session = s }
}

// SessionError is returned for a call of a session that no owners could answer as the session has to be.
type SessionError struct {
	Key string
	Err error // of the last try; nil where that was older than what the session has met
}

// Error says so.
func (e *SessionError) Error() string {
	why := "every answer is older than what it has met"
	if e.Err != nil {
		why = e.Err.Error()
	}
	return fmt.Sprintf("client: %q cannot be read in this session: %s: try again, or begin another session", e.Key, why)
}

// Unwrap returns the error of the last try.
func (e *SessionError) Unwrap() error { return e.Err }

// ErrSession is returned for a session that belongs to another cluster.
var ErrSession = errors.New("client: the session was used with another cluster: begin one for this cluster")

// bind makes the session one of that cluster, unless it is another's; 0 is not known.
func (s *Session) bind(cluster uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == 0 {
		s.cluster = cluster
	}
	if cluster != 0 && s.cluster != cluster {
		return ErrSession
	}
	return nil
}

// met is the greatest stamp that the session has met of a key.
func (s *Session) met(name string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.Met(name)
}

// meet notes that the session has met a version of a key.
func (s *Session) meet(name string, stamp uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Meet(name, stamp)
}

// read judges what a read was told after so many tries.
func (s *Session) read(name string, tries int, told *wire.Item) session.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.Read(name, tries, session.Answer{Stamp: told.Stamp, Missing: told.Status == wire.StatusNotFound, Forgotten: told.Forgotten})
}

// sessionName tells the keys of namespaces apart.
func sessionName(namespace string, key []byte) string { return namespace + "\x00" + string(key) }

// sessionPause is how long the last try waits for what is on its way.
const sessionPause = 50 * time.Millisecond

// keep holds the answer of a call against its session, and asks again where that has met something later.
func (v *verbs) keep(ctx context.Context, k *call) error {
	s, r := k.options.session, &k.response
	name := sessionName(k.options.namespace, k.request.Key)
	switch {
	case r.Status != wire.StatusOK && r.Status != wire.StatusNotFound:
		return nil
	case k.request.Op.Writes():
		s.meet(name, r.Stamp)
		return nil
	case k.request.Op == wire.OpMGet:
		return v.keepAll(ctx, k)
	case k.request.Op != wire.OpGet && k.request.Op != wire.OpHead:
		return nil
	}
	it := wire.Item{Status: r.Status, Stamp: r.Stamp, Forgotten: r.Forgotten}
	if err := v.renew(ctx, k, string(k.request.Key), it, k.request.Op, func(again *call) { k.response = again.response }); err != nil {
		return err
	}
	return nil
}

// keepAll is keep for each key of a multi-get.
func (v *verbs) keepAll(ctx context.Context, k *call) error {
	if len(k.response.Items) != len(k.request.Keys) {
		return nil // it fails for that
	}
	for i, key := range k.request.Keys {
		it := &k.response.Items[i]
		if it.Status != wire.StatusOK && it.Status != wire.StatusNotFound {
			continue
		}
		err := v.renew(ctx, k, string(key), *it, wire.OpGet, func(again *call) {
			r := &again.response
			*it = wire.Item{Status: r.Status, Stamp: r.Stamp, Value: r.Value, Deadline: r.Deadline, Forgotten: r.Forgotten}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// renew asks for a key again, of more owners each time, until the answer is not older than what the session has met, and
// then has it taken; it is not called where the first answer will do.
func (v *verbs) renew(ctx context.Context, k *call, key string, first wire.Item, op wire.Op, take func(again *call)) error {
	s, name := k.options.session, sessionName(k.options.namespace, []byte(key))
	told := first
	for i := 0; ; i++ {
		switch s.read(name, i, &told) {
		case session.Take:
			return nil
		case session.Fail:
			return &SessionError{Key: key}
		}
		if i == len(session.Levels)-1 {
			select {
			case <-ctx.Done():
				return &SessionError{Key: key, Err: ctx.Err()}
			case <-time.After(sessionPause):
			}
		}
		again := calls.Get().(*call)
		again.options = k.options
		again.options.session, again.options.level = nil, session.Levels[i]
		again.keys = append(again.keys[:0], key...)
		again.request.Op, again.request.Key = op, again.keys
		err := v.backend.do(ctx, again)
		r := &again.response
		told = wire.Item{Status: r.Status, Stamp: r.Stamp, Forgotten: r.Forgotten}
		if err == nil {
			take(again)
		}
		again.release()
		if err != nil {
			return &SessionError{Key: key, Err: err}
		}
	}
}

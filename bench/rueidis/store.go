package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/internal/ports"
)

const (
	nodes    = 3
	startMax = 60 * time.Second // for servers to serve
	poll     = 20 * time.Millisecond
)

// servers are the processes of one store.
type servers struct {
	dir    string
	shoal  bool
	pids   []int
	logs   []string
	procs  sync.WaitGroup
	cancel context.CancelFunc
	ctx    context.Context
}

func newServers() (*servers, error) {
	dir, err := os.MkdirTemp("", "rueidis-*")
	if err != nil {
		return nil, err
	}
	s := &servers{dir: dir}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// end stops the processes and removes what they left.
func (s *servers) end() {
	s.cancel()
	s.procs.Wait()
	_ = os.RemoveAll(s.dir)
}

// start runs a program until end, which kills it: nothing that it would save is needed.
func (s *servers) start(program string, args ...string) error {
	log, err := os.CreateTemp(s.dir, "log-*")
	if err != nil {
		return err
	}
	defer log.Close()
	p := exec.CommandContext(s.ctx, program, args...)
	p.Dir, p.Stdout, p.Stderr = s.dir, log, log
	if err := p.Start(); err != nil {
		return err
	}
	s.pids, s.logs = append(s.pids, p.Process.Pid), append(s.logs, log.Name())
	s.procs.Go(func() { _ = p.Wait() })
	return nil
}

// said is what the logs end with.
func (s *servers) said() string {
	var all strings.Builder
	for _, name := range s.logs {
		b, _ := os.ReadFile(name)
		all.Write(b[max(0, len(b)-1024):])
	}
	return all.String()
}

// processorTime is what the processes have taken, on Linux.
func (s *servers) processorTime() (sum time.Duration) {
	const tick = 10 * time.Millisecond // of these figures, whatever the kernel's own
	for _, pid := range s.pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, _ := strings.Cut(string(b), ") ") // the name in brackets may hold anything
		if fields := strings.Fields(after); len(fields) > 12 {
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			sum += time.Duration(user+system) * tick
		}
	}
	return sum
}

// await polls until ready says so.
func await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it does not serve: %w", err)
		}
	}
}

type redisStore struct{ client rueidis.Client }

func startRedis(ctx context.Context, _ *options, s *servers) (store, error) {
	addrs, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addrs[0])
	if err := s.start("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"); err != nil {
		return nil, err
	}
	var c rueidis.Client
	err = await(ctx, func(context.Context) (err error) {
		c, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: addrs, DisableCache: true})
		return err
	})
	return redisStore{c}, err
}

func (r redisStore) set(ctx context.Context, key string, value []byte) error {
	return r.client.Do(ctx, r.client.B().Set().Key(key).Value(rueidis.BinaryString(value)).Build()).Error()
}

func (r redisStore) get(ctx context.Context, key string) error {
	_, err := r.client.Do(ctx, r.client.B().Get().Key(key).Build()).AsBytes()
	return err
}

func (r redisStore) close() { r.client.Close() }

type shoalStore struct{ client *client.Client }

// startNodes starts a cluster with as many replicas as nodes, at the default level, quorum.
func startNodes(ctx context.Context, o *options, s *servers, opts ...client.Option) (store, error) {
	s.shoal = true
	program, err := filepath.Abs(o.shoal)
	if err != nil {
		return nil, err
	}
	addrs, err := ports.Free(3 * nodes)
	if err != nil {
		return nil, err
	}
	var seeds []string
	var c *client.Client
	for i := range nodes { // one after the other, as the first founds the cluster
		at := addrs[3*i:]
		seeds = append(seeds, at[0])
		args := []string{
			"server", "--name", fmt.Sprint("n", i+1), "--client-addr", at[0], "--resp-addr", "none", "--peer-addr", at[1], "--gossip-addr", at[2],
			"--data-dir", filepath.Join(s.dir, fmt.Sprint("n", i+1)), "--replicas", strconv.Itoa(nodes), "--log-level", "warn",
		}
		if i > 0 {
			args = append(args, "--join", addrs[2])
		}
		if err := s.start(program, args...); err != nil {
			return nil, err
		}
		err := await(ctx, func(ctx context.Context) (err error) {
			if c == nil {
				if c, err = client.Dial(ctx, addrs[:1], opts...); err != nil {
					return err
				}
			}
			return joined(ctx, c, seeds)
		})
		if err != nil {
			return nil, err
		}
	}
	return shoalStore{c}, nil
}

// joined reports why the nodes are not one cluster yet; nil when they are, and have recovered.
func joined(ctx context.Context, c *client.Client, addrs []string) error {
	for _, addr := range addrs {
		st, err := c.Stats(ctx, addr)
		if err != nil {
			return err
		}
		if st.Nodes != len(addrs) || st.State != "active" {
			return errors.New("the nodes have not all joined and recovered")
		}
	}
	return nil
}

func (s shoalStore) set(ctx context.Context, key string, value []byte) error {
	return s.client.Set(ctx, key, value)
}

func (s shoalStore) get(ctx context.Context, key string) error {
	_, err := s.client.Get(ctx, key)
	return err
}

func (s shoalStore) close() { s.client.Close() }

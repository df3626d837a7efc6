package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/internal/ports"
	"github.com/shoalcache/shoal/wire"
)

const nodes = 3

// cluster is three processes that own every key.
type cluster struct {
	dir   string
	args  [nodes][]string
	procs [nodes]*exec.Cmd
	gone  [nodes]chan struct{} // closed when the process has ended
	logs  [nodes]string
	addrs []string
	*client.Client
}

// begin starts a cluster and returns when it is whole.
func begin(ctx context.Context, o *options, flags ...string) (c *cluster, err error) {
	c = &cluster{}
	if c.dir, err = os.MkdirTemp("", "repair-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.end()
		}
	}()
	shoal, err := filepath.Abs(o.shoal)
	if err != nil {
		return c, err
	}
	at, err := ports.Free(4 * nodes)
	if err != nil {
		return c, err
	}
	for i := range nodes {
		c.addrs = append(c.addrs, at[4*i])
		c.args[i] = append([]string{
			shoal, "server", "--name", fmt.Sprint("n", i+1), "--client-addr", at[4*i], "--peer-addr", at[4*i+1], "--gossip-addr", at[4*i+2], "--resp-addr", at[4*i+3],
			"--data-dir", filepath.Join(c.dir, fmt.Sprint("n", i+1)), "--log-level", "warn",
		}, flags...)
		if i > 0 {
			c.args[i] = append(c.args[i], "--join", at[2])
		}
		if err := c.start(i); err != nil {
			return c, err
		}
	}
	for c.Client == nil {
		if c.Client, err = client.Dial(ctx, c.addrs); err != nil {
			if err := pause(ctx); err != nil {
				return c, err
			}
		}
	}
	return c, c.await(ctx, "the cluster is whole", c.whole)
}

func (c *cluster) start(i int) error {
	log, err := os.Create(filepath.Join(c.dir, fmt.Sprintf("n%d-%d.log", i+1, time.Now().UnixNano())))
	if err != nil {
		return err
	}
	defer log.Close()
	p := exec.Command(c.args[i][0], c.args[i][1:]...)
	p.Stdout, p.Stderr = log, log
	c.procs[i], c.gone[i], c.logs[i] = p, make(chan struct{}), log.Name()
	if err := p.Start(); err != nil {
		return err
	}
	gone := c.gone[i]
	go func() {
		_ = p.Wait()
		close(gone)
	}()
	return nil
}

func (c *cluster) signal(i int, s syscall.Signal) error { return c.procs[i].Process.Signal(s) }

// kill ends a process at once.
func (c *cluster) kill(i int) {
	_ = c.procs[i].Process.Kill()
	<-c.gone[i]
}

func (c *cluster) end() {
	if c.Client != nil {
		c.Close()
	}
	for i, p := range c.procs {
		if p != nil && p.Process != nil {
			_ = c.signal(i, syscall.SIGCONT)
			c.kill(i)
		}
	}
	_ = os.RemoveAll(c.dir)
}

// pause is the time between two looks.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}

// await looks until something is so, for five minutes.
func (c *cluster) await(ctx context.Context, what string, ok func(context.Context) bool) error {
	say("waiting until %s", what)
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, fmt.Errorf("after five minutes still not so: %s", what))
	defer cancel()
	for !ok(ctx) {
		for i, gone := range c.gone {
			select {
			case <-gone:
				b, _ := os.ReadFile(c.logs[i])
				return fmt.Errorf("n%d has ended: %s", i+1, b[max(0, len(b)-1000):])
			default:
			}
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say is progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// stats are those of all nodes that answer.
func (c *cluster) stats(ctx context.Context) (all []wire.NodeStats) {
	for _, addr := range c.addrs {
		within, cancel := context.WithTimeout(ctx, time.Second)
		if s, err := c.Stats(within, addr); err == nil {
			all = append(all, s)
		}
		cancel()
	}
	return all
}

func (c *cluster) whole(ctx context.Context) bool {
	all := c.stats(ctx)
	for _, s := range all {
		if s.NodesUp != nodes || s.State != "active" || s.PartitionsRecovering > 0 {
			return false
		}
	}
	return len(all) == nodes
}

// unowed reports whether nobody is owed a hint.
func (c *cluster) unowed(ctx context.Context) bool {
	all := c.stats(ctx)
	for _, s := range all {
		if s.HintsOwed > 0 {
			return false
		}
	}
	return len(all) == nodes
}

// state is what all exchanges have done.
func (c *cluster) state(ctx context.Context, begin bool) (sum wire.RepairState, err error) {
	for _, addr := range c.addrs {
		s, err := c.Repair(ctx, addr, wire.Repair{Begin: begin})
		if err != nil {
			return sum, err
		}
		sum.Pending += s.Pending
		sum.Compared += s.Compared
		sum.Differing += s.Differing
		sum.Given += s.Given
		sum.Merged += s.Merged
		sum.False += s.False
		sum.SentBytes += s.SentBytes
		sum.ReceivedBytes += s.ReceivedBytes
		sum.Failed += s.Failed
	}
	return sum, nil
}

// compareAll lets every pair of nodes compare everything, and returns what that came to.
func (c *cluster) compareAll(ctx context.Context) (did wire.RepairState, err error) {
	before, err := c.state(ctx, true)
	if err != nil {
		return did, err
	}
	var after wire.RepairState
	err = c.await(ctx, "every exchange is over", func(ctx context.Context) bool {
		after, err = c.state(ctx, false)
		return err == nil && after.Pending == 0
	})
	return minus(after, before), err
}

func minus(a, b wire.RepairState) wire.RepairState {
	a.Compared -= b.Compared
	a.Differing -= b.Differing
	a.Given -= b.Given
	a.Merged -= b.Merged
	a.False -= b.False
	a.SentBytes -= b.SentBytes
	a.ReceivedBytes -= b.ReceivedBytes
	a.Failed -= b.Failed
	return a
}

// each calls f for numbers below n from many goroutines, a batch at a time; the first error ends it.
func each(n, batch int, f func(from, to int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	next := make(chan int)
	over := make(chan struct{})
	for range 16 {
		wg.Go(func() {
			for from := range next {
				if err := f(from, min(from+batch, n)); err != nil {
					once.Do(func() { failed = err; close(over) })
				}
			}
		})
	}
feed:
	for from := 0; from < n; from += batch {
		select {
		case next <- from:
		case <-over:
			break feed
		}
	}
	close(next)
	wg.Wait()
	return failed
}

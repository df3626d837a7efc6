package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// This file owns the processes of a run, and what they say of themselves.

const (
	memory    = "64MiB"     // of each node: many times what the load writes, so that nothing is evicted
	startPoll = time.Second // between two starts of a node that found none to join
	startsMax = 60          // of them
	askMax    = time.Second // for a node to tell its state
	stopMax   = 20 * time.Second
)

// cluster is that of a run. Its nodes' methods are called by whoever holds the node.
type cluster struct {
	world  *world
	shoal  string // the program
	nodes  []*node
	status *client.Client

	mu       sync.Mutex
	problems []string // what no fault explains
	starts   int      // made again, since there was none to join
}

// node is one process after the other.
type node struct {
	sync.Mutex // held by a fault of its process or disk, as long as that lasts
	at         int
	addr       string // for clients
	dir        string // of its data
	args       []string
	join       []string

	process *exec.Cmd
	ended   chan struct{} // closed when the process has
	wanted  *bool         // that it ends, under cluster.mu
}

// newCluster starts a cluster and returns once it is well.
func newCluster(ctx context.Context, w *world, shoal string) (*cluster, error) {
	c := &cluster{world: w, shoal: shoal}
	var addrs, gossips []string
	for i := range w.nodes {
		at, peer, gossip := w.addrs(i)
		addrs, gossips = append(addrs, at), append(gossips, gossip)
		c.nodes = append(c.nodes, &node{at: i, addr: at, dir: filepath.Join(w.disk(i), "data"), args: []string{
			"server", "--name", fmt.Sprint("n", i+1), "--client-addr", at, "--peer-addr", peer, "--gossip-addr", gossip, "--resp-addr", "none",
			"--data-dir", filepath.Join(w.disk(i), "data"), "--memory", memory, "--shards", "4", "--cluster-name", "chaos",
		}})
	}
	for i, n := range c.nodes {
		for k, gossip := range gossips {
			if k != i {
				n.join = append(n.join, gossip)
			}
		}
		if err := c.start(n, 0, i > 0); err != nil {
			return c, err
		}
	}
	var err error
	for c.status == nil {
		if c.status, err = client.Dial(ctx, addrs, client.WithoutRouting(), client.WithRetries(0)); err != nil && ctx.Err() != nil {
			return c, err
		}
	}
	return c, c.await(ctx, func() string { return c.unwell(ctx) })
}

// await waits until nothing is missing, or says what is.
func (c *cluster) await(ctx context.Context, missing func() string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		what := missing()
		if what == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New(what)
		case <-tick.C:
		}
	}
}

// start starts the node's process with a clock that is off, and lets it join the others unless it is the one that founds.
func (c *cluster) start(n *node, offset time.Duration, join bool) error {
	args := append([]string{}, n.args...)
	if offset != 0 {
		args = append(args, "--clock-offset", offset.String())
	}
	if join {
		args = append(args, "--join", strings.Join(n.join, ","))
	}
	log, err := os.OpenFile(c.log(n), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "-- chaos: starts shoal %s\n", strings.Join(args, " "))
	p := c.world.command(n.at, c.shoal, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SHOAL_") {
			p.Env = append(p.Env, v)
		}
	}
	p.Stdout, p.Stderr, p.SysProcAttr = log, log, attributes()
	if err := p.Start(); err != nil {
		return err
	}
	ended, wanted := make(chan struct{}), new(bool)
	n.process, n.ended, n.wanted = p, ended, wanted
	go c.wait(n, p, ended, wanted, func() error { return c.start(n, offset, join) })
	return nil
}

func (c *cluster) log(n *node) string {
	return filepath.Join(c.world.dir, fmt.Sprintf("n%d.log", n.at+1))
}

// noCluster is what a node exits with that found nobody to join: whoever runs one starts it again, and so does wait.
const noCluster = 3

// wait notices the end of a process that nobody wanted.
func (c *cluster) wait(n *node, p *exec.Cmd, ended chan struct{}, wanted *bool, again func() error) {
	err := p.Wait()
	close(ended)
	c.mu.Lock()
	expected := *wanted
	c.starts++
	tooMany := c.starts > startsMax
	if expected {
		c.starts--
	}
	c.mu.Unlock()
	if expected {
		return
	}
	if p.ProcessState.ExitCode() != noCluster || tooMany {
		c.problem(fmt.Sprintf("n%d ended by itself: %v, see %s", n.at+1, err, filepath.Base(c.log(n))))
		return
	}
	time.Sleep(startPoll)
	n.Lock()
	defer n.Unlock()
	if n.process != p {
		return // a fault was faster
	}
	if err := again(); err != nil {
		c.problem(err.Error())
	}
}

func (c *cluster) problem(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, text)
}

// stop ends the node's process by a signal.
func (c *cluster) stop(n *node, by syscall.Signal) {
	c.mu.Lock()
	*n.wanted = true
	c.mu.Unlock()
	_ = n.process.Process.Signal(by)
	select {
	case <-n.ended:
	case <-time.After(stopMax):
		c.problem(fmt.Sprintf("n%d did not end within %v of %v", n.at+1, stopMax, by))
		_ = n.process.Process.Kill()
		<-n.ended
	}
}

// end ends all that runs.
func (c *cluster) end() {
	if c.status != nil {
		c.status.Close()
	}
	for _, n := range c.nodes {
		n.Lock()
		if n.process != nil {
			c.stop(n, syscall.SIGKILL)
			n.process = nil
		}
		n.Unlock()
	}
}

// stats asks every node, at once; who does not answer is nil.
func (c *cluster) stats(ctx context.Context) []*wire.NodeStats {
	all := make([]*wire.NodeStats, len(c.nodes))
	var asked sync.WaitGroup
	for i, n := range c.nodes {
		asked.Go(func() {
			if s, err := c.status.Stats(ctx, n.addr, client.WithTimeout(askMax)); err == nil {
				all[i] = &s
			}
		})
	}
	asked.Wait()
	return all
}

// unwell is what keeps all nodes from having all of their memory, or "".
func (c *cluster) unwell(ctx context.Context) string {
	all := c.stats(ctx)
	for i, s := range all {
		name := fmt.Sprint("n", i+1)
		switch {
		case s == nil:
			return name + " does not answer"
		case s.State != "active":
			return name + " is " + s.State
		case s.Nodes != len(all) || s.NodesUp != len(all):
			return fmt.Sprintf("%s knows %d nodes, %d of them up", name, s.Nodes, s.NodesUp)
		case s.PartitionsOwned == 0 || s.PartitionsRecovering > 0:
			return fmt.Sprintf("%s recovers %d of %d partitions", name, s.PartitionsRecovering, s.PartitionsOwned)
		case s.MapHash != all[0].MapHash:
			return name + " holds another map than n1"
		}
	}
	return ""
}

// unsettled is unwell, or who owes hints.
func (c *cluster) unsettled(ctx context.Context) string {
	if what := c.unwell(ctx); what != "" {
		return what
	}
	for i, s := range c.stats(ctx) {
		switch {
		case s == nil:
			return fmt.Sprintf("n%d does not answer", i+1)
		case s.HintsOwed > 0:
			return fmt.Sprintf("n%d owes %d hints", i+1, s.HintsOwed)
		}
	}
	return ""
}

// evicted is how many records made room: of each node since its last start. A node that does not tell counts as a lot.
func (c *cluster) evicted(ctx context.Context) (sum int64) {
	for _, s := range c.stats(ctx) {
		if s == nil {
			return math.MaxInt64
		}
		n, err := strconv.ParseInt(fmt.Sprint(s.Packages["storage"]["evicted"]), 10, 64)
		if err != nil {
			return math.MaxInt64
		}
		sum += n
	}
	return sum
}

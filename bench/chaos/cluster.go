package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/client"
)

// This file owns the processes of a run.

const (
	memory    = "64MiB"     // of each node: many times what the load writes, so that nothing is evicted
	startPoll = time.Second // between two starts of a node that found none to join
	startsMax = 60          // of them
	stopMax   = 20 * time.Second
)

// cluster is that of a run. Its nodes' methods are called by whoever holds the node.
type cluster struct {
	world  *world
	shoal  string  // the program
	nodes  []*node // those first that are part of it
	status *client.Client

	mu       sync.Mutex
	size     int      // how many are
	problems []string // what no fault explains
	starts   int      // made again, since there was none to join
}

// node is one process after the other.
type node struct {
	sync.Mutex // held by a fault of its process or disk, as long as that lasts
	at         int
	addr       string // for clients
	dir        string // of its data
	wrote      int64  // in its log, when it was last started
	args       []string
	join       []string

	process *exec.Cmd
	ended   chan struct{} // closed when the process has
	wanted  *bool         // that it ends, under cluster.mu
}

// newCluster starts a cluster of so many nodes and returns once it is well.
func newCluster(ctx context.Context, w *world, shoal string, size int) (*cluster, error) {
	c := &cluster{world: w, shoal: shoal, size: size}
	var addrs, gossips []string
	for i := range w.nodes {
		a := w.addrs(i)
		addrs, gossips = append(addrs, a.dial), append(gossips, a.join)
		n := &node{at: i, addr: a.dial, dir: filepath.Join(w.disk(i), "data")}
		n.args = []string{
			"server", "--name", fmt.Sprint("n", i+1), "--client-addr", a.client, "--peer-addr", a.peer, "--gossip-addr", a.gossip, "--resp-addr", "none",
			"--data-dir", n.dir, "--memory", memory, "--shards", "4", "--cluster-name", "chaos",
		}
		if a.host != "" {
			n.args = append(n.args, "--advertise-host", a.host)
		}
		c.nodes = append(c.nodes, n)
	}
	for i, n := range c.nodes {
		for k, gossip := range gossips {
			if k != i && k < size {
				n.join = append(n.join, gossip)
			}
		}
		if i >= size {
			continue
		}
		if err := c.start(n, 0, i > 0); err != nil {
			return c, err
		}
	}
	var err error
	for c.status == nil {
		if c.status, err = client.Dial(ctx, addrs[:size], client.WithoutRouting(), client.WithRetries(0)); err != nil && ctx.Err() != nil {
			return c, err
		}
	}
	return c, c.await(ctx, func() string { return c.unwell(ctx) })
}

// members are the nodes that are part of it.
func (c *cluster) members() []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[:c.size]
}

// add starts the next node, which joins.
func (c *cluster) add(n *node) error {
	c.mu.Lock()
	c.size = n.at + 1
	c.mu.Unlock()
	return c.start(n, 0, true)
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
	fmt.Fprintf(log, "-- chaos: starts shoal %s\n", strings.Join(args, " "))
	if at, err := log.Seek(0, io.SeekCurrent); err == nil {
		n.wrote = at
	}
	p := c.world.command(n.at, c.shoal, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SHOAL_") {
			p.Env = append(p.Env, v)
		}
	}
	out := struct{ io.Writer }{log} // by a pipe, which takes what is said when the process may write no files
	p.Stdout, p.Stderr, p.SysProcAttr = out, out, attributes()
	if err := p.Start(); err != nil {
		_ = log.Close()
		return err
	}
	ended, wanted := make(chan struct{}), new(bool)
	n.process, n.ended, n.wanted = p, ended, wanted
	go func() {
		c.wait(n, p, ended, wanted, func() error { return c.start(n, offset, join) })
		_ = log.Close()
	}()
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

// want says whether the node's process is expected to end by itself.
func (c *cluster) want(n *node, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n.wanted = end
}

// notWritten is what a node exits with that may not start, and says of a disk that takes nothing.
const (
	notAllowed = 6
	notWritten = "data directory cannot be read and written"
)

// attempt starts a node on a disk that takes nothing. The error is that it ended without saying so in one line.
func (c *cluster) attempt(ctx context.Context, n *node, until time.Time) error {
	if err := c.start(n, 0, true); err != nil {
		return err
	}
	c.want(n, true)
	during, over := context.WithDeadline(ctx, until)
	defer over()
	select {
	case <-n.ended:
	case <-during.Done(): // it may just be about to end, of what will be mended in a moment
		c.stop(n, syscall.SIGKILL)
		return nil
	}
	log, err := os.ReadFile(c.log(n))
	if err != nil {
		return err
	}
	said := strings.Split(strings.TrimSpace(string(log[min(n.wrote, int64(len(log))):])), "\n")
	if last := said[len(said)-1]; n.process.ProcessState.ExitCode() != notAllowed || !strings.HasPrefix(last, "shoal: ") || !strings.Contains(last, notWritten) {
		return fmt.Errorf("n%d ended on a disk that takes nothing, with exit code %d, and said: %s", n.at+1, n.process.ProcessState.ExitCode(), last)
	}
	return nil
}

// stop ends the node's process by a signal.
func (c *cluster) stop(n *node, by syscall.Signal) {
	c.want(n, true)
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

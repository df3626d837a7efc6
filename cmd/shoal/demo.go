package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
	"github.com/urfave/cli/v2"
)

const (
	demoNodes  = 3
	demoVictim = 0 // the node that is killed: the one that founded the cluster and that the others joined
	demoKeys   = 100_000
	demoReads  = 200_000
	demoRoom   = 1 << 10 // bytes of memory a node has for a key at least: nothing may be evicted

	demoUsual = 75 * time.Second // what takes longer says so
	demoMax   = 10 * time.Minute // for all of it

	// Ports are sought below those that systems give to whoever asks for any: while the node is down, nobody may get its.
	demoPortFirst, demoPortBlocks, demoPortTries = 10_000, 900, 100
)

// demo is a cluster of processes under load, one of which is killed and brought back, while every answer is checked.
type demo struct {
	*dev
	load  *demoLoad
	reads int // to check at least

	self    string
	running []*process
	exits   chan int
	dying   bool // the victim, whose end is none of a surprise
	client  *client.Client
	traffic sync.WaitGroup

	progress io.Writer
	began    time.Time
	slow     bool // and that was said
}

// demo runs the show from end to end and leaves nothing behind.
func (t *tool) demo(c *cli.Context) (err error) {
	for _, flag := range []string{"nodes", "base-port", "in-process", "data-dir", "replicas"} {
		if c.IsSet(flag) {
			return usage("--%s does not go with --demo, which has a cluster of its own", flag)
		}
	}
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shoal-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	keys, reads := max(c.Int("demo-keys"), 1), max(c.Int("demo-reads"), 1)
	d := &demo{reads: reads, load: newDemoLoad(keys), exits: make(chan int, demoNodes+1), progress: t.out, began: time.Now()}
	if format == formatJSON || format == formatJSONLines {
		d.progress = t.err
	}
	if d.dev, err = t.planDemo(c, dir); err != nil {
		return err
	}
	if need := demoRoom * int64(keys); d.nodes[0].Memory < need {
		return usage("--memory %s: give the demo's nodes at least %s, since none may evict a key", c.String("memory"), formatSize(need))
	}
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	logs := &tail{}
	if d.log = logs; c.IsSet("log-level") {
		d.log = t.err
	}
	if err := d.run(c.Context); err != nil {
		if c.Context.Err() == nil {
			logs.print(t.err)
		}
		return err
	}
	return d.verdict(format)
}

// planDemo finds ports for the nodes.
func (t *tool) planDemo(c *cli.Context, dir string) (d *dev, err error) {
	for range demoPortTries {
		if d, err = t.plan(c, demoPortFirst+portStep*rand.IntN(demoPortBlocks), dir); err != nil {
			return nil, err
		}
		if err = d.checkPorts(); !errors.Is(err, server.ErrInUse) {
			break
		}
	}
	return d, err
}

// tail keeps the last lines that the nodes log, for when the show does not come to its end: in between its own lines they
// would only disturb.
type tail struct {
	mu    sync.Mutex
	lines []string
}

// Write takes one line, as prefixed writes them.
func (t *tail) Write(b []byte) (int, error) {
	const most = 60
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, string(b))
	t.lines = t.lines[max(len(t.lines)-most, 0):]
	return len(b), nil
}

func (t *tail) print(to io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(to, strings.Join(t.lines, ""))
}

// run starts the nodes, plays, and ends them. Children live as long as the thread that started them, so this goroutine
// keeps its own.
func (d *demo) run(parent context.Context) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(parent, demoMax)
	defer func() {
		cancel()
		d.traffic.Wait()
		if d.client != nil {
			d.client.Close()
		}
		for _, p := range d.running {
			_ = p.Process.Kill() // nobody will miss what it holds
			<-p.exited
		}
		if parent.Err() != nil {
			err = fmt.Errorf("interrupted, and nothing left behind: %w", parent.Err())
		}
	}()
	if d.running, err = d.launch(ctx, d.self, d.exits); err != nil {
		return err
	}
	var addrs []string
	for _, n := range d.nodes {
		addrs = append(addrs, n.ClientAddr)
	}
	// Without retries of its own: the demo counts first tries.
	if d.client, err = client.Dial(ctx, addrs, client.WithRetries(0), client.WithDefaults(client.WithTimeout(tryTime))); err != nil {
		return err
	}
	d.load.store = d.client
	return d.play(ctx)
}

// play is the show, act by act.
func (d *demo) play(ctx context.Context) error {
	l, goal := d.load, d.reads
	d.say(text.FgGreen, "%d nodes, each a process of its own: %s was first, and the others joined it", len(d.nodes), d.nodes[demoVictim].Name)
	d.heads()
	if err := d.until(ctx, func(s *demoSight) bool { return s.settled }); err != nil {
		return err
	}

	d.say(text.FgGreen, "%d keys are written, each acknowledged by two of its three owners", len(l.ledger))
	if err := d.through(ctx, l.every(true), client.WithRW(2, 2)); err != nil {
		return err
	}

	d.say(text.FgGreen, "reads and writes at quorum, every read checked")
	limit := d.steadily(ctx)
	if err := d.until(ctx, func(*demoSight) bool { return l.sum().Reads >= goal/4 }); err != nil {
		return err
	}

	victim := d.running[demoVictim]
	d.say(text.FgRed, "%s is killed (SIGKILL to process %d)", d.nodes[demoVictim].Name, victim.Process.Pid)
	d.dying = true
	_ = victim.Process.Kill()
	<-victim.exited
	l.setDown(true)
	err := d.until(ctx, func(s *demoSight) bool {
		t := l.sum()
		// No matter how many reads are still to come, a tenth of all will have been these.
		return s.hints > 0 && t.ReadsDown >= goal/3 && 9*t.ReadsDown >= t.Reads+goal+len(l.ledger)
	})
	if err != nil {
		return err
	}

	l.setDown(false)
	limit.Store(int64(l.sum().Reads + goal))
	again, err := d.spawn(demoVictim, d.nodes[demoVictim].options, d.self, d.exits)
	if err != nil {
		return err
	}
	d.running[demoVictim] = again
	d.say(text.FgGreen, "%s is started again, empty (process %d)", d.nodes[demoVictim].Name, again.Process.Pid)
	if err := d.until(ctx, func(s *demoSight) bool { return s.up == len(d.nodes) }); err != nil {
		return err
	}
	d.say(text.FgGreen, "%s serves, and recovers what it held from the others", d.nodes[demoVictim].Name)
	if err := d.until(ctx, func(s *demoSight) bool { return s.settled && s.hints == 0 && l.sum().Reads >= goal }); err != nil {
		return err
	}
	limit.Store(0)

	d.say(text.FgGreen, "it has recovered; now every key is read once more")
	if err := d.through(ctx, l.every(false)); err != nil {
		return err
	}
	return d.until(ctx, func(s *demoSight) bool { return s.settled && s.hints == 0 })
}

// steadily starts the steady traffic, which ends once as many reads were checked as what it returns says.
func (d *demo) steadily(ctx context.Context) *atomic.Int64 {
	limit := new(atomic.Int64)
	limit.Store(math.MaxInt64)
	over := func() bool { return int64(d.load.sum().Reads) >= limit.Load() }
	d.traffic.Go(func() { d.load.drive(ctx, d.load.steady(ctx, over), client.WithLevel(client.LevelQuorum)) })
	return limit
}

// through drives what next hands out to its end.
func (d *demo) through(ctx context.Context, next demoSource, opts ...client.CallOption) error {
	d.traffic.Wait()
	var done atomic.Bool
	d.traffic.Go(func() {
		d.load.drive(ctx, next, opts...)
		done.Store(true)
	})
	return d.until(ctx, func(*demoSight) bool { return done.Load() })
}

// until prints a line a second until enough says so of what it shows.
func (d *demo) until(ctx context.Context, enough func(*demoSight) bool) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t := d.load.sum()
			return fmt.Errorf("not done after %v, with %d of %d reads checked and %d hints owed: this machine is too slow or too busy, or nodes do not recover",
				demoMax, t.Reads, d.reads, t.HintsOwedEnd)
		case i := <-d.exits:
			if i != demoVictim || !d.dying {
				return fmt.Errorf("%s ended by itself: %s", d.nodes[i].Name, d.running[i].fate())
			}
			d.dying = false
		case <-tick.C:
			s := d.look(ctx)
			d.line(&s)
			if enough(&s) {
				return nil
			}
			if !d.slow && time.Since(d.began) > demoUsual {
				d.slow = true
				d.say(text.FgYellow, "slower than usual: it goes on until %d reads are checked and nothing is owed, for at most %v", d.reads, demoMax)
			}
		}
	}
}

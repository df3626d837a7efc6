package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/client"
)

const (
	readyPoll = 25 * time.Millisecond
	readyMax  = time.Minute // a node without a directory waits out the skew bound first
)

// process is one node of dev as a child.
type process struct {
	*exec.Cmd
	exited chan struct{} // closed when it has, and err is set
	err    error
}

// runProcesses runs every node in a process of its own until ctx ends. The kernel ties children to the thread
// that started them, so this goroutine keeps its thread for as long as they should live.
func (d *dev) runProcesses(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var running []*process
	defer func() { d.stopAll(running) }()
	exits := make(chan int, len(d.nodes))
	running, err = d.launch(ctx, self, exits)
	if err != nil || ctx.Err() != nil {
		return err
	}
	var pids []int
	for _, p := range running {
		pids = append(pids, p.Process.Pid)
	}
	if err := d.banner(pids); err != nil {
		return err
	}
	for left := len(running); left > 0; left-- {
		select {
		case <-ctx.Done():
			return nil
		case i := <-exits:
			if err := d.epitaph(i, running[i]); err != nil {
				return err
			}
		}
	}
	return errors.New("no node is left")
}

// launch starts all nodes and waits until they answer, or ctx ends; what it started is returned with an error, too.
func (d *dev) launch(ctx context.Context, self string, exits chan<- int) (running []*process, err error) {
	for i := range d.nodes {
		p, err := d.spawn(i, d.founding(i), self, exits)
		if err != nil {
			return running, err
		}
		running = append(running, p)
		if i == 0 || i == len(d.nodes)-1 { // the first must be there to be joined
			for at, p := range running {
				if err := d.ready(ctx, at, p); err != nil {
					return running, err
				}
			}
		}
		if ctx.Err() != nil {
			return running, nil
		}
	}
	return running, nil
}

// spawn starts node i as o says, and tells exits when it has ended. Its environment is this one's without our own variables: the
// flags say everything, and nothing else should.
func (d *dev) spawn(i int, o options, self string, exits chan<- int) (*process, error) {
	p := &process{Cmd: exec.Command(self, command(&o)...), exited: make(chan struct{})}
	p.Args[0] = os.Args[0]
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SHOAL_") {
			p.Env = append(p.Env, v)
		}
	}
	out := &prefixed{to: d.log, prefix: d.colour(d.nodes[i].colour, o.Name) + " "}
	p.Stdout, p.Stderr = out, out
	p.SysProcAttr = childAttributes()
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", o.Name, err)
	}
	go func() {
		p.err = p.Wait()
		close(p.exited)
		exits <- i
	}()
	return p, nil
}

// ready waits until node i answers. That ctx ended is no error.
func (d *dev) ready(ctx context.Context, i int, p *process) error {
	limit := time.After(readyMax)
	for {
		c, err := client.Dial(ctx, []string{d.nodes[i].ClientAddr}, client.WithoutRouting())
		if err == nil {
			err = c.Ping(ctx)
			c.Close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.exited:
			return &childError{fmt.Errorf("%s did not start, see above", d.nodes[i].Name), max(p.ProcessState.ExitCode(), 1)}
		case <-limit:
			return fmt.Errorf("%s does not answer after %v: %w", d.nodes[i].Name, readyMax, err)
		case <-time.After(readyPoll):
		}
	}
}

// childError is a node that did not start; it says itself why, and its exit code is passed on.
type childError struct {
	error
	code int
}

// fate is how a process that has exited did.
func (p *process) fate() string {
	if p.err != nil {
		return p.err.Error()
	}
	return "exit status 0"
}

// epitaph says how a node ended and how to bring it back.
func (d *dev) epitaph(i int, p *process) error {
	line := []string{quote(os.Args[0])}
	for _, arg := range command(&d.nodes[i].options) {
		line = append(line, quote(arg))
	}
	_, err := fmt.Fprintf(d.err, "\n%s exited (%s). Start it again with:\n  %s\n\n", d.nodes[i].Name, p.fate(), strings.Join(line, " "))
	return err
}

// stopAll lets the nodes drain one after the other, since each takes its leave of those that are still there: all at
// once they would wait for answers that do not come. Another signal kills those that are left.
func (d *dev) stopAll(running []*process) {
	again, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	for _, p := range running {
		_ = p.Process.Signal(syscall.SIGTERM) // one that has ended already needs none
		select {
		case <-p.exited:
		case <-again.Done():
			_ = p.Process.Kill()
			<-p.exited
		}
	}
}

// quote makes one word of the shell's of s.
func quote(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lineMax is how much of a line is held back until it ends, in bytes.
const lineMax = 64 << 10

// prefixed writes whole lines, each behind a prefix, so that those of several writers do not mix.
type prefixed struct {
	to     io.Writer
	prefix string

	mu   sync.Mutex
	rest []byte
}

// Write takes all of b; what the other side refuses is lost, as a log may be.
func (w *prefixed) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 && len(w.rest) < lineMax {
			return len(b), nil
		}
		line := w.rest
		if end >= 0 {
			line = w.rest[:end]
		}
		_, _ = fmt.Fprintf(w.to, "%s%s\n", w.prefix, line)
		w.rest = append(w.rest[:0], w.rest[min(len(line)+1, len(w.rest)):]...)
	}
}

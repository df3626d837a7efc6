package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
)

var rollingKeys = flag.Int("rolling.keys", 3000, "keys loaded before every node is killed in turn")

// victim is one node as an operator runs it.
type victim struct {
	name string
	args []string
	addr string
	cmd  *exec.Cmd
}

func (p *victim) start(t *testing.T, binary string) {
	t.Helper()
	p.cmd = exec.Command(binary, p.args...)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (p *victim) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// rollingPorts reserves ports by binding them and letting go.
func rollingPorts(t *testing.T, n int) []string {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out
}

// Every node is killed (SIGKILL) and restarted in turn, while a tenth of the keys is written anew through
// the others; then every key is read at quorum. No call fails, nothing is missing, nothing is stale.
func TestEveryNodeKilledInTurnLosesNothing(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "shoal")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	ports := rollingPorts(t, 9)
	var nodes []*victim
	for i := range 3 {
		p := &victim{name: fmt.Sprint("n", i+1), addr: ports[3*i]}
		p.args = []string{
			"server", "--name", p.name, "--client-addr", ports[3*i], "--resp-addr", "none", "--peer-addr", ports[3*i+1], "--gossip-addr", ports[3*i+2],
			"--data-dir", filepath.Join(dir, p.name), "--memory", "512MiB", "--partitions", "512", "--log-level", "error",
		}
		if i > 0 {
			p.args = append(p.args, "--join", ports[2])
		}
		p.start(t, binary)
		t.Cleanup(p.kill)
		nodes = append(nodes, p)
		waitRecovered(t, nodes)
	}
	version := make([]atomic.Int64, *rollingKeys)
	write := func(through []*victim, step int) {
		c := connect(t, through)
		parallel(t, *rollingKeys, func(i int) error {
			if i%step != 0 {
				return nil
			}
			v := version[i].Load() + 1
			if err := c.Set(context.Background(), fmt.Sprint("key:", i), []byte(strconv.FormatInt(v, 10))); err != nil {
				return err
			}
			version[i].Store(v)
			return nil
		})
		c.Close()
	}
	read := func(through []*victim) {
		c := connect(t, through)
		var missing, stale atomic.Int64
		parallel(t, *rollingKeys, func(i int) error {
			b, err := c.Get(context.Background(), fmt.Sprint("key:", i))
			if errors.Is(err, client.ErrNotFound) {
				missing.Add(1)
				return nil
			}
			if err == nil && string(b) != strconv.FormatInt(version[i].Load(), 10) {
				stale.Add(1)
			}
			return err
		})
		c.Close()
		if missing.Load() > 0 || stale.Load() > 0 {
			t.Fatalf("through %s: %d keys missing, %d stale", through[0].name, missing.Load(), stale.Load())
		}
	}
	write(nodes, 1)
	for i, p := range nodes {
		p.kill()
		others := append(append([]*victim{}, nodes[:i]...), nodes[i+1:]...)
		began := time.Now()
		write(others[:1], 10)
		read(others[1:])
		down := time.Since(began)
		p.start(t, binary)
		began = time.Now()
		waitRecovered(t, nodes)
		t.Logf("%s killed: %d keys written and %d read meanwhile (%v); recovered %v after its restart",
			p.name, (*rollingKeys+9)/10, *rollingKeys, down.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		for _, q := range nodes {
			read([]*victim{q})
		}
	}
}

func connect(t *testing.T, through []*victim) *client.Client {
	t.Helper()
	var addrs []string
	for _, p := range through {
		addrs = append(addrs, p.addr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, addrs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// parallel calls f for 0…n−1 from many goroutines and fails on the first error.
func parallel(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	const workers = 64
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					errs <- fmt.Errorf("key %d: %w", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
}

// waitRecovered waits until all nodes are there, agree on the map, and have recovered.
func waitRecovered(t *testing.T, nodes []*victim) {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	why := ""
	for range tick.C {
		if why = recovered(nodes); why == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not recovered after two minutes: %s", why)
		}
	}
}

// recovered says what is still missing; "" when all is well.
func recovered(nodes []*victim) string {
	var waits []string
	hash := uint64(0)
	for _, p := range nodes {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		c, err := client.Dial(ctx, []string{p.addr}, client.WithoutRouting())
		if err == nil {
			s, err2 := c.Stats(ctx, p.addr)
			switch {
			case err2 != nil:
				err = err2
			case s.Nodes != len(nodes) || hash != 0 && s.MapHash != hash:
				waits = append(waits, p.name+" has another map")
			case s.State != "active":
				waits = append(waits, p.name+" is "+s.State)
			}
			hash = s.MapHash
			c.Close()
		}
		cancel()
		if err != nil {
			waits = append(waits, p.name+": "+err.Error())
		}
	}
	return strings.Join(waits, ", ")
}

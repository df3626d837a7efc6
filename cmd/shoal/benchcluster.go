package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/internal/ports"
	"github.com/shoalcache/shoal/server"
)

const (
	benchReplicas = 3
	// benchPartitions is how many a cluster has that is told of no other number.
	benchPartitions = 4096
)

// withCluster runs a cluster of its own while use does: each node in a process of its own, so that neither its collector
// nor its scheduler is the generator's, on free ports and in a directory that is removed. The kernel ties
// children to the thread that started them, so this goroutine keeps its thread and another one runs use.
func (t *tool) withCluster(ctx context.Context, nodes int, memory int64, use func(ctx context.Context, addrs []string) error) error {
	dir, err := os.MkdirTemp("", "shoal-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, addrs, err := t.ownNodes(dir, nodes, memory)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	exits := make(chan int, nodes)
	running, err := d.launch(ctx, self, exits)
	defer d.stopAll(running)
	if err != nil || ctx.Err() != nil {
		return cmp.Or(err, ctx.Err())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		err := whole(ctx, addrs, memory)
		if err == nil {
			err = use(ctx, addrs)
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-exits:
		cancel(errNodeEnded)
		<-done
		return errNodeEnded
	}
}

// ownNodes plans nodes on ports that are free now.
func (t *tool) ownNodes(dir string, nodes int, memory int64) (d *dev, addrs []string, err error) {
	free, err := ports.Free(3 * nodes)
	if err != nil {
		return nil, nil, err
	}
	d = &dev{tool: t, log: t.err, logLevel: "warn"}
	for i := range nodes {
		n := devNode{}
		n.Name = "n" + strconv.Itoa(i+1)
		n.ClientAddr, n.PeerAddr, n.GossipAddr = free[3*i], free[3*i+1], free[3*i+2]
		n.DataDir, n.Memory, n.Replicas, n.logLevel = filepath.Join(dir, n.Name), memory, benchReplicas, d.logLevel
		n.RespAddr = "none" // the word for it on a command line, where nothing would be the default
		if i > 0 {
			n.Join = []string{free[2]}
		}
		d.nodes, addrs = append(d.nodes, n), append(addrs, n.ClientAddr)
	}
	return d, addrs, nil
}

// whole waits until every node knows all of them and has nothing to recover, and checks that their storage has what it
// should.
func whole(ctx context.Context, addrs []string, memory int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyMax, fmt.Errorf("the nodes did not become a cluster within %v", readyMax))
	defer cancel()
	cl, err := client.Dial(ctx, addrs)
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := 0; i < len(addrs); {
		s, err := cl.Stats(ctx, addrs[i])
		switch {
		case err == nil && s.Nodes == len(addrs) && s.PartitionsRecovering == 0 && s.PartitionsOwned > 0:
			if want := float64(server.StorageOf(memory, benchPartitions)); math.Abs(float64(s.MemoryLimit)-want) > want/100 {
				return fmt.Errorf("%s: its storage has %s of %s: not the share that the replay was planned with", s.Name, formatSize(s.MemoryLimit), formatSize(memory))
			}
			i++
			continue
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(readyPoll):
		}
	}
	return nil
}

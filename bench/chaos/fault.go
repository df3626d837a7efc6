package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
)

// This file owns what each kind of fault does.

// forgotten ends the node's process and starts it again.
func (r *runner) forgotten(ctx context.Context, n *node, f *fault) error {
	signal := syscall.SIGKILL
	if f.Kind == restart || f.Kind == clock {
		signal = syscall.SIGTERM
	}
	r.cluster.stop(n, signal)
	wait(ctx, f.For)
	if f.Kind == wipe {
		if err := os.RemoveAll(n.dir); err != nil {
			return err
		}
	}
	return r.cluster.start(n, f.Offset, true)
}

// held stops the node's process, or its disk, for a while.
func (r *runner) held(ctx context.Context, n *node, f *fault) (err error) {
	if f.Kind == fullDisk {
		err = r.world.fill(f.Node)
		wait(ctx, f.For)
		return errors.Join(err, r.world.empty(f.Node))
	}
	_ = n.process.Process.Signal(syscall.SIGSTOP) // who has just ended by itself is told of elsewhere
	wait(ctx, f.For)
	_ = n.process.Process.Signal(syscall.SIGCONT)
	return nil
}

// parted changes the network for a while.
func (r *runner) parted(ctx context.Context, f *fault) (err error) {
	if f.Kind == slow {
		err = r.world.slow(f.Node, f.Rate)
		wait(ctx, f.For)
		return errors.Join(err, r.world.fast(f.Node))
	}
	links := f.cuts(r.plan.Nodes)
	for _, l := range links {
		err = errors.Join(err, r.world.cut(l[0], l[1]))
	}
	wait(ctx, f.For)
	for _, l := range links {
		err = errors.Join(err, r.world.join(l[0], l[1]))
	}
	return err
}

// cuts are the links that a part of so many nodes cuts, each from one node to another.
func (f *fault) cuts(nodes int) (links [][2]int) {
	if f.Kind == oneWay {
		for _, to := range f.Others {
			links = append(links, [2]int{f.Node, to})
		}
		return links
	}
	side := append([]int{f.Node}, f.Others...)
	for from := range nodes {
		for to := range nodes {
			if slices.Contains(side, from) != slices.Contains(side, to) {
				links = append(links, [2]int{from, to})
			}
		}
	}
	return links
}

package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"time"
)

// This file owns what each kind of fault does.

// forgotten ends the node's process and starts it again.
func (r *runner) forgotten(ctx context.Context, n *node, f *fault) error {
	signal := syscall.SIGKILL
	if f.Kind == restart || f.Kind == clock {
		signal = syscall.SIGTERM
	}
	r.cluster.stop(n, signal)
	if f.Kind == badDisk {
		return r.cannotStart(ctx, n, f)
	}
	wait(ctx, f.For)
	if f.Kind == wipe {
		if err := os.RemoveAll(n.dir); err != nil {
			return err
		}
	}
	return r.cluster.start(n, f.Offset, true)
}

// retry is when a node that could not start is started again, as whoever runs one does.
const retry = time.Second

// cannotStart starts the node again and again on a disk that takes nothing, and at last on one that does. Until then it has to say why
// it does not start, or to run.
func (r *runner) cannotStart(ctx context.Context, n *node, f *fault) (err error) {
	spoil, mend := r.world.protect, r.world.release
	if f.Full {
		spoil, mend = r.world.fill, r.world.empty
	}
	err = spoil(f.Node)
	end := time.Now().Add(f.For)
	for err == nil && ctx.Err() == nil && time.Now().Before(end) {
		if err = r.cluster.attempt(ctx, n, end); err == nil {
			wait(ctx, min(retry, time.Until(end)))
		}
	}
	return errors.Join(err, mend(f.Node), r.cluster.start(n, 0, true))
}

// held stops the node's process, or its disk, for a while.
func (r *runner) held(ctx context.Context, n *node, f *fault) (err error) {
	switch f.Kind {
	case fullDisk:
		before := r.cluster.pressed(ctx, n)
		err = r.world.fill(f.Node)
		during, over := context.WithTimeout(ctx, f.For)
		r.load.flood(during, f.Node)
		over()
		r.press(before, r.cluster.pressed(ctx, n))
		return errors.Join(err, r.world.empty(f.Node))
	case readOnly:
		err = refuse(n.process.Process.Pid, true)
		wait(ctx, f.For)
		return errors.Join(err, refuse(n.process.Process.Pid, false))
	}
	_ = n.process.Process.Signal(syscall.SIGSTOP) // who has just ended by itself is told of elsewhere
	wait(ctx, f.For)
	_ = n.process.Process.Signal(syscall.SIGCONT)
	return nil
}

// press notes what came of a full disk.
func (r *runner) press(before, after pressed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pressed.Owed += max(0, after.Owed-before.Owed)
	r.pressed.Refused += max(0, after.Refused-before.Refused)
	r.pressed.Dropped += max(0, after.Dropped-before.Dropped)
}

// joins adds a node, while nothing is wrong with the network, and waits until it is refilled.
func (r *runner) joins(ctx context.Context, n *node, f *fault) error {
	r.whole.Lock()
	defer r.whole.Unlock()
	n.Lock()
	r.begin(f)
	r.open()
	err := r.cluster.add(n)
	r.started()
	n.Unlock()
	if err == nil && !r.recovered(ctx) && ctx.Err() == nil {
		err = errors.New("it has not joined and recovered " + recoverMax.String() + " later: " + r.cluster.unwell(ctx))
	}
	if err == nil && ctx.Err() == nil {
		err = r.load.join(ctx, n)
	}
	return err
}

// parted changes the network for a while.
func (r *runner) parted(ctx context.Context, f *fault) (err error) {
	r.whole.RLock()
	defer r.whole.RUnlock()
	r.begin(f)
	if f.Kind == slow {
		err = r.world.slow(f.Node, f.Rate)
		wait(ctx, f.For)
		return errors.Join(err, r.world.fast(f.Node))
	}
	links := f.cuts(len(r.cluster.members()))
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

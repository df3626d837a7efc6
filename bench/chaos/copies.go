package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// This file owns the comparison of copies: when nothing is asked any more each owner of each key is asked for its own, and
// all that hold the key must come to hold the same version.

const (
	sameMax    = 30 * time.Second // until they do: what I4 promises
	repairMax  = time.Minute      // for an exchange of everything that was asked for
	differsMax = 5                // keys that are told of
)

// copies is what was found.
type copies struct {
	Compared  int           `json:"copies_compared"`
	Differing int           `json:"copies_that_differ"`      // keys whose owners hold different versions, or of which some hold none and have not forgotten it
	Forgotten int           `json:"copies_forgotten"`        // keys of which an owner says that it may have forgotten them
	Same      time.Duration `json:"same_ns"`                 // until they did not differ
	Exchanged int64         `json:"exchanged_that_differed"` // partitions in which the first exchange of everything found something to do
	After     int64         `json:"exchanged_that_differ"`   // partitions that the next exchange found to differ still
}

// held is what one node holds: the stamps of its keys.
type held map[string]uint64

// compared compares until all is the same or should have been, and tells problems.
func (r *runner) compared(ctx context.Context) copies {
	var c copies
	began, whole := time.Now(), ctx
	ctx, cancel := context.WithTimeout(ctx, 2*sameMax+2*repairMax)
	defer cancel()
	differ, err := r.differing(ctx, &c)
	for err == nil && len(differ) > 0 && time.Since(began) < sameMax && ctx.Err() == nil {
		wait(ctx, lookEvery)
		differ, err = r.differing(ctx, &c)
	}
	c.Same = time.Since(began)
	for i, d := range differ {
		if r.load.do(r.load.routed, "all, at all", get, d.key, client.WithLevel(client.LevelAll)).Forgotten {
			c.Forgotten++
			continue
		}
		c.Differing++
		if i < differsMax {
			r.cluster.problem(fmt.Sprintf("the owners of %s hold different versions after %.1fs: %s", d.key, c.Same.Seconds(), d.text))
		}
	}
	if err == nil {
		c.Exchanged, err = r.exchanged(ctx)
	}
	if err == nil {
		c.After, err = r.exchanged(ctx)
	}
	if whole.Err() != nil {
		return c // the run was ended
	}
	if err == nil && c.Compared == 0 {
		err = errors.New("nobody has any")
	}
	if err != nil {
		r.cluster.problem(fmt.Sprintf("comparing copies: %v", err))
	}
	if c.After > 0 {
		r.cluster.problem(fmt.Sprintf("%d partitions differ right after they were exchanged", c.After))
	}
	return c
}

// difference is a key whose owners do not hold the same.
type difference struct{ key, text string }

// differing asks every owner what it holds.
func (r *runner) differing(ctx context.Context, c *copies) (all []difference, err error) {
	m, err := r.cluster.status.Map(ctx)
	if err != nil {
		return nil, err
	}
	table, err := ring.Compile(m, xxhash.Sum64)
	if err != nil {
		return nil, err
	}
	holds, nodes := make([]held, len(table.Nodes())), table.Nodes()
	for i := range nodes {
		if holds[i], err = scan(ctx, nodes[i].ClientAddr, uint16(i), table); err != nil {
			return nil, fmt.Errorf("%s: %w", nodes[i].Name, err)
		}
	}
	keys := r.load.history.used()
	c.Compared = 0
	for _, key := range keys {
		var owners []string
		var stamps []uint64
		for _, owner := range table.Owners(table.Partition(ring.Slot([]byte(key)))) {
			owners, stamps = append(owners, nodes[owner.Node].Name), append(stamps, holds[owner.Node][key])
		}
		c.Compared += len(stamps)
		if text := apart(owners, stamps); text != "" {
			all = append(all, difference{key, text})
		}
	}
	return all, nil
}

// apart is what owners hold, by the stamps of their versions, or "" if it is the same.
func apart(owners []string, stamps []uint64) string {
	if slices.Min(stamps) == slices.Max(stamps) {
		return ""
	}
	var text []string
	for i, stamp := range stamps {
		what := fmt.Sprintf("%s %x", owners[i], stamp)
		if stamp == 0 {
			what = owners[i] + " none"
		}
		text = append(text, what)
	}
	return strings.Join(text, ", ")
}

// scan asks a node for all keys of the partitions that it owns, which it tells from its own memory.
func scan(ctx context.Context, addr string, node uint16, table *ring.Table) (held, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	h, at := held{}, wire.ScanCursor{}
	for {
		for at.At == 0 && at.Partition < table.Partitions() && !owns(table, at.Partition, node) {
			at.Partition++
		}
		if at.Partition >= table.Partitions() {
			return h, nil
		}
		answer, err := c.ask(&wire.Request{Op: wire.OpScan, ID: 1, Key: at.Append(nil)})
		if err != nil {
			return nil, err
		}
		for _, i := range answer.Items {
			h[string(i.Value)] = i.Stamp
		}
		if len(answer.Value) == 0 {
			return h, nil
		}
		if at, err = wire.ParseScanCursor(answer.Value); err != nil {
			return nil, err
		}
	}
}

func owns(table *ring.Table, partition uint32, node uint16) bool {
	return slices.ContainsFunc(table.Owners(partition), func(p ring.Place) bool { return p.Node == node })
}

// exchanged lets all nodes exchange everything, and returns in how many partitions two owners differed.
func (r *runner) exchanged(ctx context.Context) (differed int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, repairMax)
	defer cancel()
	for _, n := range r.cluster.members() {
		state, err := r.cluster.status.Repair(ctx, n.addr, wire.Repair{}, client.WithTimeout(askMax))
		if err == nil {
			differed -= state.Differing
			_, err = r.cluster.status.Repair(ctx, n.addr, wire.Repair{Begin: true}, client.WithTimeout(askMax))
		}
		if err != nil {
			return 0, fmt.Errorf("n%d: %w", n.at+1, err)
		}
	}
	for _, n := range r.cluster.members() {
		var state wire.RepairState
		err := r.cluster.await(ctx, func() string {
			var err error
			if state, err = r.cluster.status.Repair(ctx, n.addr, wire.Repair{}, client.WithTimeout(askMax)); err != nil {
				return err.Error()
			}
			if state.Pending > 0 {
				return fmt.Sprintf("n%d has %d exchanges before it", n.at+1, state.Pending)
			}
			return ""
		})
		if err != nil {
			return 0, err
		}
		differed += state.Differing
	}
	return differed, nil
}

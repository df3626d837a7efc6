package main

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// hintsOff lets a node keep next to no hints.
var hintsOff = []string{"--hints-memory", "256KiB", "--hints-disk", "none"}

func name(i int) string { return fmt.Sprintf("key-%012d", i) }

// fill writes the keys from one number on and below another, with values of a generation.
func (c *cluster) fill(ctx context.Context, from, to, generation int, opts ...client.CallOption) error {
	say("writing %d keys", to-from)
	value := make([]byte, 100)
	copy(value, fmt.Sprint(generation))
	return each(to-from, 200, func(a, b int) error {
		pairs := make([]client.Pair, 0, b-a)
		for i := a; i < b; i++ {
			pairs = append(pairs, client.Pair{Key: name(from + i), Value: value})
		}
		return c.MSet(ctx, pairs, opts...)
	})
}

// entryBytes is what a key, its value and its version are on the wire, about.
const entryBytes = 16 + 100 + 40

// exchange measures what an exchange alone brings back.
func exchange(ctx context.Context, o *options, out io.Writer) error {
	c, err := begin(ctx, o, hintsOff...)
	if err != nil {
		return err
	}
	defer c.end()
	before, err := c.miss(ctx, o)
	if err != nil {
		return err
	}
	began := time.Now()
	took := time.Duration(0) // until the last that was brought
	var now wire.RepairState
	if err = c.await(ctx, "nothing more is brought", func(ctx context.Context) bool {
		state, err := c.state(ctx, false)
		if err == nil && minus(state, before).Merged > now.Merged {
			now, took = minus(state, before), time.Since(began)
		}
		return err == nil && took > 0 && time.Since(began) > took+quiet && c.alike(ctx)
	}); err != nil {
		return err
	}
	differ := int64(o.keys/100)*entryBytes + int64(o.keys/200)*(entryBytes-100)
	bytes := now.SentBytes + now.ReceivedBytes
	fmt.Fprintf(out, "  to agreement       %v\n", took.Round(100*time.Millisecond))
	fmt.Fprintf(out, "  on the wire        %d bytes, %.2f times what differs, %d bytes; allowed are 3 times and a fiftieth of all, %d\n",
		bytes, float64(bytes)/float64(differ), differ, 3*differ+int64(o.keys)*entryBytes/50)
	fmt.Fprintf(out, "  brought            %d of the %d that changed: the rest still was in the connections; false repairs %d\n", now.Merged, o.keys/100+o.keys/200, now.False)
	return c.atRest(ctx, out)
}

// quiet is how long nothing must come for all to have come: more than lies between two exchanges of a node that is back.
const quiet = 20 * time.Second

// alike reports whether all nodes hold as many keys.
func (c *cluster) alike(ctx context.Context) bool {
	all := c.stats(ctx)
	for _, s := range all {
		if s.Keys != all[0].Keys {
			return false
		}
	}
	return len(all) == nodes
}

// miss fills a cluster, lets its last node stand still while things change, and go on.
func (c *cluster) miss(ctx context.Context, o *options) (before wire.RepairState, err error) {
	if err := c.fill(ctx, 0, o.keys, 1); err != nil {
		return before, err
	}
	if err := c.await(ctx, "no hints are owed", c.unowed); err != nil {
		return before, err
	}
	expiring := o.keys / 200
	if err := c.fill(ctx, o.keys-expiring, o.keys, 1, client.WithTTL(15*time.Second)); err != nil {
		return before, err
	}
	time.Sleep(12 * time.Second) // what was written is old enough to be compared
	if before, err = c.compareAll(ctx); err != nil {
		return before, err
	}
	if before, err = c.state(ctx, false); err != nil {
		return before, err
	}
	if err := c.signal(nodes-1, syscall.SIGSTOP); err != nil {
		return before, err
	}
	if err := c.await(ctx, "the others know that it stands still", func(ctx context.Context) bool {
		for _, s := range c.stats(ctx) {
			if s.NodesUp == nodes {
				return false
			}
		}
		return true
	}); err != nil {
		return before, err
	}
	rewritten, deleted := o.keys/100, o.keys/200
	if err := c.fill(ctx, 0, rewritten, 2); err != nil {
		return before, err
	}
	if err := each(deleted, 50, func(a, b int) error {
		for i := a; i < b; i++ {
			if err := c.Delete(ctx, name(rewritten+i)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return before, err
	}
	time.Sleep(15 * time.Second) // what expires has
	return before, c.signal(nodes-1, syscall.SIGCONT)
}

// atRest measures what comparing costs once nothing differs.
func (c *cluster) atRest(ctx context.Context, out io.Writer) error {
	did, err := c.compareAll(ctx)
	if err != nil {
		return err
	}
	const pairs = nodes * (nodes - 1) / 2
	fmt.Fprintf(out, "  at rest            %d bytes for each comparison of two nodes, %d partitions of %d differ, false repairs %d\n",
		(did.SentBytes+did.ReceivedBytes)/pairs, did.Differing, did.Compared, did.False)
	return nil
}

// hinted measures what hints bring back, and that exchanges have nothing to do then.
func hinted(ctx context.Context, o *options, out io.Writer) error {
	c, err := begin(ctx, o)
	if err != nil {
		return err
	}
	defer c.end()
	before, err := c.miss(ctx, o)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := c.await(ctx, "no hints are owed", c.unowed); err != nil {
		return err
	}
	fmt.Fprintf(out, "  hints are through  %v\n", time.Since(began).Round(100*time.Millisecond))
	time.Sleep(12 * time.Second)
	if err := c.atRest(ctx, out); err != nil {
		return err
	}
	now, err := c.state(ctx, false)
	if err != nil {
		return err
	}
	now = minus(now, before)
	fmt.Fprintf(out, "  exchanges brought  %d, false repairs %d\n", now.Merged, now.False)
	return nil
}

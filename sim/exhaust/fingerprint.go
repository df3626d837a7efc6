package exhaust

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// This file owns what tells two states apart.

// mix is a hash of numbers in their order.
func mix(numbers ...uint64) uint64 {
	var b [64]byte
	s := b[:0]
	for _, n := range numbers {
		s = binary.LittleEndian.AppendUint64(s, n)
	}
	return xxhash.Sum64(s)
}

// look asks a node what it knows, as another owner would, which changes nothing of it; and notes whether that
// follows from what it knew, and whether it owes other hints than before.
func (w *world) look(i int) {
	n := &w.nodes[i]
	pull := wire.Message{Kind: wire.KindPull, ID: 1, Partition: w.partition, Limit: 1 << 20}
	k, _, _ := n.core.Route(n.core.View(), &pull, nil)
	var out replica.Outbox
	w.shard(i).Receive(w.clock(i), uint64(i+1), n.core.View().Placement, k, &pull, nil, &out)
	frame, _, err := wire.NextFrame(out.Peers[0].Frames, &w.limits)
	if err != nil {
		panic(err)
	}
	var reply wire.Message
	w.decode(frame, &reply)
	now := knowledge{hash: mix(xxhash.Sum64(frame), n.boot), mark: reply.Floor, floor: reply.Known.Stamp}
	page := wire.NewPage(reply.Body, &w.limits)
	var e wire.PageEntry
	for {
		more, err := page.Next(&e)
		if err != nil {
			panic(err)
		}
		if !more {
			break
		}
		now.ghost = max(now.ghost, e.Ghost.Stamp)
		now.record = max(now.record, e.Set.Dot.Stamp)
	}
	if n.known.hash != 0 {
		if wrong := now.follows(&n.known); wrong != "" {
			w.blame("n" + string(rune('1'+i)) + " " + wrong)
		}
	}
	n.known = now

	var stats replica.Stats
	w.shard(i).Add(&stats)
	if stats.Hints != n.hints {
		n.hints = stats.Hints
		for c := range w.calls {
			if w.calls[c].node == i {
				n.hinted = mix(n.hinted, w.calls[c].history)
			}
		}
		n.hinted = mix(n.hinted, now.hash, uint64(w.now))
	}
	w.settle(i, stats.Busy)
}

// settle notes which calls of a node are over: all that were answered, where no more are under way than wait for
// an answer, and every read that was.
func (w *world) settle(i, busy int) {
	for c := range w.calls {
		if w.calls[c].node == i && w.judged[c].outcome == asked {
			busy--
		}
	}
	for c := range w.calls {
		if w.calls[c].node == i && w.judged[c].outcome == answered && (busy == 0 || w.judged[c].kind == Get) {
			w.calls[c].live = false
		}
	}
}

// fingerprint is a hash of everything that can change what happens next, or what the judge thinks of it.
func (w *world) fingerprint() uint64 {
	var s []byte
	add := func(n uint64) { s = binary.LittleEndian.AppendUint64(s, n) }
	for _, n := range []int{w.evictions, w.drops, w.restarts, w.losses, w.passes, int(w.now)} {
		add(uint64(n))
	}
	if w.restarts < w.slice.Restarts {
		add(uint64(w.greatest))
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		add(n.known.hash)
		add(uint64(n.issued))
		for _, d := range n.owed {
			if add(uint64(d.replies)); d.replies > 0 {
				add(uint64(d.since))
			}
		}
		if add(uint64(n.hints.Owed)); n.hints.Owed > 0 {
			for o := range w.nodes {
				add(uint64(w.shard(i).OwedTo(uint64(o + 1))))
			}
			add(n.hinted)
		}
		if w.shard(i).Recovering() > 0 && n.known.floor != 0 {
			add(n.pulled)
		}
	}
	for i := range w.judged {
		r := &w.judged[i]
		add(uint64(r.outcome) | uint64(r.before)<<8)
		if r.acked {
			add(uint64(r.stamp))
		}
		if w.calls[i].live {
			add(w.calls[i].history)
		}
	}
	names := make([]uint64, 0, 16)
	for p := range w.flying {
		names = append(names, w.flying[p].name)
	}
	slices.Sort(names)
	for _, name := range names {
		add(name)
	}
	return xxhash.Sum64(s)
}

package exhaust

import (
	"fmt"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file owns what may happen next, and makes it happen.

// act is a kind of choice.
type act uint8

const (
	begin   act = iota // operation at
	arrive             // packet
	lose               // packet
	evict              // at node at
	drop               // at node at
	restart            // node at
	pass               // time
)

// choice is one thing that may happen. A packet is named by what it says: of two that say the same it does not matter
// which arrives.
type choice struct {
	act    act
	at     int
	packet uint64
}

const (
	passTime    = 6 * time.Second       // more than the longest timeout, after which a recovery begins
	restartTime = 20 * time.Millisecond // in which a clock passes what its node had promised
	fillersMax  = 200                   // stores, by which any node of this memory has forgotten anything
)

// choices are all that may happen now.
func (w *world) choices(dst []choice) []choice {
	for i := range w.judged {
		if w.mayBegin(i) {
			dst = append(dst, choice{act: begin, at: i})
		}
	}
	spare := w.evictions+w.drops+w.restarts+w.losses < w.slice.FaultsMax
	for p := range w.flying {
		if w.find(w.flying[p].name) != p {
			continue
		}
		dst = append(dst, choice{act: arrive, packet: w.flying[p].name})
		if spare && w.losses < w.slice.Losses {
			dst = append(dst, choice{act: lose, packet: w.flying[p].name})
		}
	}
	for i := range w.nodes {
		switch k := &w.nodes[i].known; {
		case !spare:
		case k.record != 0 && w.evictions < w.slice.Evictions:
			dst = append(dst, choice{act: evict, at: i})
		case k.ghost != 0 && w.drops < w.slice.Drops:
			dst = append(dst, choice{act: drop, at: i})
		}
		if spare && w.restarts < w.slice.Restarts {
			dst = append(dst, choice{act: restart, at: i})
		}
	}
	if w.passes < w.slice.Passes && len(w.flying) == 0 {
		dst = append(dst, choice{act: pass})
	}
	return dst
}

// mayBegin reports whether an operation has not begun and waits for no other.
func (w *world) mayBegin(i int) bool {
	after := w.slice.Ops[i].After
	return w.judged[i].outcome == idle && (after == 0 || w.judged[after-1].outcome > asked)
}

// find is the place of a message among those under way; -1 if it is not there.
func (w *world) find(name uint64) int {
	for p := range w.flying {
		if w.flying[p].name == name {
			return p
		}
	}
	return -1
}

// take lets a choice happen; false where it cannot. A panic of the core is a promise broken.
func (w *world) take(c choice) (happened bool) {
	defer func() {
		if p := recover(); p != nil {
			w.blame(fmt.Sprintf("panic: %v", p))
			happened = true
		}
	}()
	switch c.act {
	case begin:
		if !w.mayBegin(c.at) {
			return false
		}
		w.say("op %d, a %v, begins at n%d", c.at+1, w.slice.Ops[c.at].Kind, w.slice.Ops[c.at].Node+1)
		w.ask(c.at)
	case arrive, lose:
		at := w.find(c.packet)
		if at < 0 {
			return false
		}
		p := w.flying[at]
		w.flying = append(w.flying[:at], w.flying[at+1:]...)
		if c.act == lose {
			w.losses++
			w.say("lost: %s", w.text(&p))
			break
		}
		w.say("%s", w.text(&p))
		w.deliver(&p)
	case evict:
		if w.nodes[c.at].known.record == 0 {
			return false
		}
		w.evictions++
		w.say("n%d evicts the key", c.at+1)
		w.push(c.at, func(k *knowledge) bool { return k.record == 0 })
	case drop:
		if w.nodes[c.at].known.ghost == 0 {
			return false
		}
		w.drops++
		w.say("n%d drops the ghost of the key", c.at+1)
		w.push(c.at, func(k *knowledge) bool { return k.ghost == 0 })
	case restart:
		w.say("n%d starts again without its memory", c.at+1)
		w.restarts++
		w.restart(c.at)
	case pass:
		if len(w.flying) > 0 {
			return false
		}
		w.say("%v pass", passTime)
		w.passes++
		w.pass()
	}
	w.rest()
	return true
}

// text tells of a message.
func (w *world) text(p *packet) string {
	var m wire.Message
	w.decode(p.frame, &m)
	s := fmt.Sprintf("n%d to n%d: %v", p.from+1, p.to+1, m.Kind)
	if p.call >= 0 {
		s += fmt.Sprintf(" of op %d, round %d", p.call+1, m.ID&roundMask)
	}
	switch m.Kind {
	case wire.KindFetchReply:
		s += fmt.Sprintf(", %v %q, floor %v", m.Set.Dot.Stamp, m.Set.Value, m.Floor)
	case wire.KindStore:
		s += fmt.Sprintf(", %v %q", m.Set.Dot.Stamp, m.Set.Value)
	case wire.KindStoreReply:
		s += fmt.Sprintf(", %v, knows %v", m.Outcome, m.Known.Stamp)
	}
	return s
}

// push stores records of another partition until what a node knows of the key has changed as wanted: limits are of
// all its memory, and marks of one partition. Each is read once, or what was in use before would outlast them all.
func (w *world) push(i int, done func(*knowledge) bool) {
	n := &w.nodes[i]
	for range fillersMax {
		w.fillers++
		m := wire.Message{Kind: wire.KindStore, Pass: wire.PassRepair, Key: fmt.Appendf(nil, "%s%d", w.filler, w.fillers), Set: vclock.Set{
			Dot:   vclock.Dot{Actor: vclock.Actor{Node: 9, Boot: 1}, Stamp: vclock.StampAt(w.clock(i).Wall+5000) + vclock.Stamp(w.fillers)},
			Value: make([]byte, fillerBytes),
		}}
		k, _, _ := n.core.Route(n.core.View(), &m, nil)
		w.shard(i).Receive(w.clock(i), uint64(i+1), n.core.View().Placement, k, &m, nil, &w.out)
		m = wire.Message{Kind: wire.KindFetch, Key: m.Key}
		w.shard(i).Receive(w.clock(i), uint64(i+1), n.core.View().Placement, k, &m, nil, &w.out)
		w.out.Reset()
		if w.look(i); done(&n.known) {
			return
		}
	}
	panic(fmt.Sprintf("n%d does not forget: %+v", i+1, n.known))
}

// restart ends a node's process and starts another. What was on the way to it is gone, and its clients never hear.
func (w *world) restart(i int) {
	kept := w.flying[:0]
	for _, p := range w.flying {
		if p.to != i {
			kept = append(kept, p)
		}
	}
	w.flying = kept
	for c := range w.calls {
		if w.calls[c].node == i {
			w.calls[c].live = false
			if w.judged[c].outcome == asked {
				w.judged[c].outcome = hungUp
			}
		}
	}
	w.seen(i, false)
	w.now += restartTime
	w.start(i, w.greatest+1)
	w.look(i)
	w.seen(i, true)
}

// seen tells the other nodes that one is up, or no longer.
func (w *world) seen(i int, up bool) {
	for o := range w.nodes {
		if o == i {
			continue
		}
		n := &w.nodes[o]
		if !up {
			n.owed[i] = debt{}
			w.shake(o, uint64(i+1))
		}
		n.core.SetUp(uint64(i+1), up)
		w.shard(o).SetView(w.clock(o), n.core.View(), &w.out)
		w.flush(o, -1)
		w.look(o)
	}
}

// shake notes that all that is under way at a node may have changed.
func (w *world) shake(i int, why uint64) {
	n := &w.nodes[i]
	for c := range w.calls {
		if w.calls[c].node == i {
			w.calls[c].history = mix(w.calls[c].history, why, n.known.hash, uint64(w.now))
		}
	}
	n.pulled = mix(n.pulled, why, uint64(w.now))
	n.hinted = mix(n.hinted, why, uint64(w.now))
}

// pass lets the time of every timeout pass on every node.
func (w *world) pass() {
	w.now += passTime
	for i := range w.nodes {
		w.shake(i, 0)
		w.shard(i).Tick(w.clock(i), &w.out)
		w.flush(i, -1)
		w.look(i)
	}
	for i := range w.judged {
		if w.judged[i].outcome == asked {
			w.blame(fmt.Sprintf("op %d is not answered after %v", i+1, passTime))
		}
	}
}

// rest judges a state in which nothing more comes by itself: unless a message was lost, all is answered.
func (w *world) rest() {
	if len(w.flying) > 0 || w.losses > 0 {
		return
	}
	for i := range w.judged {
		if w.judged[i].outcome == asked {
			w.blame(fmt.Sprintf("op %d waits for nothing that is on its way", i+1))
		}
	}
}

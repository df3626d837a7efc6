package coordinator

import (
	"slices"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
	"pgregory.net/rapid"
)

// putOracle counts a put's acknowledgements as a person would: by the stamp they are for.
type putOracle struct {
	asked    uint64 // the id of what was sent last; 0: nothing is under way
	stamp    vclock.Stamp
	spoke    map[uint64]bool // nodes whose reply, or silence for ever, is known
	acked    map[uint64]bool // owners that have it, or for which a fallback keeps a hint that counts
	stored   map[uint64]bool // owners that have it
	down     map[uint64]bool // lost in this ownership
	hinted   int
	answered bool
	ok       bool
}

func (o *putOracle) round() {
	o.spoke, o.acked, o.stored, o.hinted = map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}, 0
	for n := range o.down {
		o.spoke[n] = true
	}
}

func (o *putOracle) replied(c *chaos, to *Send, m *wire.Message) {
	if o.asked == 0 || m.ID != o.asked || o.spoke[to.To] || !o.answered && c.env.Now.Mono >= c.call.Until {
		return
	}
	o.spoke[to.To] = true
	switch {
	case m.Outcome == wire.OutcomeOK && to.Message.Kind == wire.KindStore:
		o.acked[to.To], o.stored[to.To] = true, true
	case m.Outcome == wire.OutcomeHinted && to.Message.Kind == wire.KindOwe:
		o.acked[to.Message.Target] = true
		o.hinted++
	case (m.Outcome == wire.OutcomeSuperseded || m.Outcome == wire.OutcomeBehind) && to.Message.Kind == wire.KindStore:
		if !o.answered && m.Known.Stamp >= o.stamp {
			o.asked = 0 // whatever comes now is for a stamp that is given up
		}
	}
}

func (o *putOracle) lost(node uint64) {
	if o.down == nil {
		o.down = map[uint64]bool{}
	}
	o.down[node] = true
	if o.spoke != nil {
		o.spoke[node] = true
	}
}

func (o *putOracle) restarted(peers []Peer) {
	o.asked, o.down = 0, nil
	stored := o.stored
	o.round()
	if o.answered { // who stays an owner has it still
		for _, p := range peers {
			if p.Owner && stored[p.Node] {
				o.stored[p.Node] = true
			}
		}
	}
}

func (o *putOracle) effects(c *chaos, what string) {
	for i := range c.eff.Sends {
		m := &c.eff.Sends[i].Message
		if m.ID != o.asked && m.Kind == wire.KindStore || o.asked == 0 {
			o.asked, o.stamp = m.ID, m.Set.Dot.Stamp
			o.round()
		}
		if string(m.Set.Value) != "value" || m.Set.Context.Floor >= m.Set.Dot.Stamp || m.Set.Dot.Stamp != o.stamp {
			c.t.Fatalf("%v %+v is sent in the round of stamp %v", m.Kind, m.Set, o.stamp)
		}
	}
	if o.asked == 0 && len(c.eff.Hints) > 0 && c.eff.Hints[0].Set.Dot.Stamp > o.stamp {
		// A round that found nobody left to ask shows in its hints alone.
		o.stamp = c.eff.Hints[0].Set.Dot.Stamp
		o.round()
	}
	for i := range c.eff.Answers {
		r := &c.eff.Answers[i].Response
		o.answered, o.ok = true, r.Status == wire.StatusOK
		if !o.ok {
			continue
		}
		if !enough(c.ask, c.peers, o.acked) || c.env.Now.Mono >= c.call.Until {
			c.t.Fatalf("on %s acknowledged with %v of %+v under %+v", what, o.acked, c.peers, c.ask)
		}
		if r.Stamp != uint64(o.stamp) || int(r.Hinted) != o.hinted {
			c.t.Fatalf("acknowledged %v with %d hints, want %v with %d", vclock.Stamp(r.Stamp), r.Hinted, o.stamp, o.hinted)
		}
	}
	if !o.answered && o.asked != 0 && c.env.Now.Mono < c.call.Until && enough(c.ask, c.peers, o.acked) {
		c.t.Fatalf("on %s not acknowledged though %v are enough", what, o.acked)
	}
	if c.m.Done() && !c.over {
		o.checkHints(c)
	}
}

// checkHints is the last look: who has it is owed nothing, who was silent or away is owed it once.
func (o *putOracle) checkHints(c *chaos) {
	owed := map[uint64]int{}
	for i := range c.eff.Hints {
		h := &c.eff.Hints[i]
		owed[h.Target]++
		if string(h.Set.Value) != "value" || o.stamp != 0 && h.Set.Dot.Stamp != o.stamp || string(h.Key) != "key" {
			c.t.Fatalf("a hint of %+v", h)
		}
	}
	for _, p := range c.peers {
		want := -1 // it refused: for good, or not
		switch {
		case !p.Owner || p.Node == c.env.Self.Node || o.stored[p.Node]:
			want = 0
		case o.ok && !o.spoke[p.Node]:
			want = 1
		}
		if owed[p.Node] > 1 || want >= 0 && owed[p.Node] != want {
			c.t.Fatalf("n%d is owed %d hints, want %d (stored %v)", p.Node, owed[p.Node], want, o.stored)
		}
	}
}

// Invariants 1 to 5 and 9, and I1.
func TestAPutIsAcknowledgedWithWhatTheLevelAsksNeitherLessNorLater(t *testing.T) {
	put := new(Put)
	var acked, refused, hinted int
	rapid.Check(t, func(t *rapid.T) {
		o := new(putOracle)
		if c, ok := newChaos(t, put, wire.OpSet, o); ok {
			c.run()
			switch {
			case o.ok && o.hinted > 0:
				hinted++
			case o.ok:
				acked++
			default:
				refused++
			}
		}
	})
	if acked == 0 || refused == 0 || hinted == 0 {
		t.Errorf("%d acknowledged, %d with hints, %d not: the test proves less than it says", acked, hinted, refused)
	}
}

// getOracle remembers every reply that was for the present round, and what each owner has since.
type getOracle struct {
	asked   map[uint64]uint64 // node → id of the fetch
	replies map[uint64]*wire.Message
	has     map[uint64]vclock.Set // what it replied that it holds, was asked whether it holds, or was sent
	down    map[uint64]bool
}

func (o *getOracle) replied(c *chaos, to *Send, m *wire.Message) {
	if c.over || o.asked[to.To] != m.ID || o.down[to.To] || o.replies[to.To] != nil {
		return
	}
	kept := *m
	kept.Set.Value = append([]byte(nil), m.Set.Value...)
	if kept.Outcome == wire.OutcomeOK {
		o.has[to.To] = m.Set
	}
	o.replies[to.To] = &kept
}

func (o *getOracle) lost(node uint64) {
	if o.down == nil {
		o.down = map[uint64]bool{}
	}
	o.down[node] = true
}

func (o *getOracle) restarted([]Peer) {
	o.asked, o.replies, o.has, o.down = map[uint64]uint64{}, map[uint64]*wire.Message{}, map[uint64]vclock.Set{}, nil
}

// best is the newest version among the replies; voters are the owners that it lets vote.
func (o *getOracle) best() (best vclock.Set, served, voters map[uint64]bool) {
	served, voters = map[uint64]bool{}, map[uint64]bool{}
	for _, m := range o.replies {
		if m.Outcome == wire.OutcomeOK {
			best, _ = vclock.Merge(&best, &m.Set)
		}
	}
	for n, m := range o.replies {
		if m.Outcome == wire.OutcomeOK {
			served[n] = true
			voters[n] = best.Dot.Stamp >= m.Floor
			if m.Set.IsZero() && m.Digest == vclock.Digest(best.Dot, m.Gone) && m.Gone.Compare(best.Deadline) > 0 {
				best.Deadline = m.Gone
			}
		}
	}
	return best, served, voters
}

func (o *getOracle) effects(c *chaos, what string) {
	if o.asked == nil {
		o.restarted(nil)
	}
	if c.over {
		return
	}
	repairs := map[uint64]*wire.Message{}
	best, served, voters := o.best()
	for i := range c.eff.Sends {
		s := &c.eff.Sends[i]
		if s.Message.Kind != wire.KindFetch {
			repairs[s.To] = &s.Message
			continue
		}
		if o.asked[s.To] != 0 {
			c.t.Fatalf("n%d is asked twice", s.To)
		}
		o.asked[s.To] = s.Message.ID
		if s.Message.Check {
			o.has[s.To] = best
		}
		needless := func(p Peer) bool { return p.Node == s.To && (p.Slow || p.Datacenter != c.ask.Local) }
		if s.Message.Check != (c.answers > 0) || s.Message.Check && (!c.call.Spare || slices.ContainsFunc(c.peers, needless)) {
			c.t.Fatalf("on %s n%d is asked, which it need not: %+v", what, s.To, s.Message)
		}
	}
	if c.answers == 0 {
		if c.env.Now.Mono < c.call.Until && enough(c.ask, c.peers, voters) {
			c.t.Fatalf("on %s no answer though %v are enough", what, voters)
		}
		if len(repairs) > 0 {
			c.t.Fatal("repairs before the answer")
		}
		return
	}
	voted := enough(c.ask, c.peers, voters)
	if len(c.eff.Answers) > 0 {
		o.answer(c, what, &best, served, voters)
		voted = voted && c.eff.Answers[0].Response.Status != wire.StatusTimeout
	}
	for _, p := range c.peers {
		m, has := o.replies[p.Node], o.has[p.Node]
		replied := m != nil && (m.Outcome == wire.OutcomeOK || m.Outcome == wire.OutcomeSame)
		want := wire.Kind(0)
		switch {
		case !voted || !replied || best.IsZero():
		case has.Dot == best.Dot:
			if has.Deadline.Compare(best.Deadline) < 0 { // of before
				want = wire.KindRetime
			}
		case has.Dot.Compare(best.Dot) < 0 && m.Floor < best.Dot.Stamp && !best.Deadline.Passed(c.env.Now.Wall):
			want = wire.KindStore
		}
		got := wire.Kind(0)
		if r := repairs[p.Node]; r != nil {
			got, o.has[p.Node] = r.Kind, best
			if r.Set.Dot != best.Dot || r.Set.Deadline != best.Deadline || got == wire.KindStore && string(r.Set.Value) != string(best.Value) {
				c.t.Fatalf("n%d is repaired with %+v, best %+v", p.Node, r.Set, best)
			}
		}
		if got != want {
			c.t.Fatalf("on %s n%d is sent %v, want %v: it has %+v, replied %+v, best %+v", what, p.Node, got, want, has, m, best)
		}
	}
}

// answer checks what a client is told.
func (o *getOracle) answer(c *chaos, what string, best *vclock.Set, served, voters map[uint64]bool) {
	r := &c.eff.Answers[0].Response
	voted, live := enough(c.ask, c.peers, voters), !best.IsZero() && !best.Tombstone && !best.Deadline.Passed(c.env.Now.Wall)
	might := map[uint64]bool{} // owners that have replied, or still may
	for _, p := range c.peers {
		m := o.replies[p.Node]
		might[p.Node] = m != nil && m.Outcome == wire.OutcomeOK || m == nil && p.Up && !o.down[p.Node]
	}
	right := false
	switch {
	case r.Status == wire.StatusOK:
		right = voted && live && string(r.Value) == string(best.Value) && r.Stamp == uint64(best.Dot.Stamp) && r.Deadline == best.Deadline.At
	case r.Status == wire.StatusNotFound && !r.Forgotten:
		right = voted && !live && r.Stamp == map[bool]uint64{true: uint64(best.Dot.Stamp)}[best.Tombstone]
	case r.Status == wire.StatusNotFound:
		right = !voted && enough(c.ask, c.peers, served) && r.Stamp == 0
	case r.Status == wire.StatusQuorum:
		right = !voted && !enough(c.ask, c.peers, might)
	case r.Status == wire.StatusTimeout:
		right = c.env.Now.Mono >= c.call.Until && !enough(c.ask, c.peers, served)
	}
	if !right {
		c.t.Fatalf("on %s the answer is %+v, with %+v of %v, voters %v, under %+v", what, r, best, served, voters, c.ask)
	}
}

// Invariants 1, 2, 6 and 9, I8's and I2's share of a coordinator.
func TestAGetAnswersTheNewestThatEnoughOwnersVoteForAndRepairsTheOthers(t *testing.T) {
	get := new(Get)
	var late, checked int
	rapid.Check(t, func(t *rapid.T) {
		if c, ok := newChaos(t, get, wire.OpGet, new(getOracle)); ok {
			c.run()
			late += c.eff.RepairsLate
			checked += c.eff.RepairsChecked
		}
	})
	if !testing.Short() && (late == 0 || checked == 0) {
		t.Errorf("%d repairs found by late replies, %d by chance: the test proves less than it says", late, checked)
	}
}

package coordinator

import (
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// shelf is what the coordinator itself holds, as the test says.
type shelf struct {
	set   vclock.Set
	floor vclock.Stamp
}

func (h *shelf) Holding(uint64, []byte) (vclock.Set, vclock.Stamp) { return h.set, h.floor }

// overtake starts an update of n1, which stores what it sends and is overtaken at n2, whose floor is beyond it.
type overtake struct {
	*stage
	own   *shelf
	u     *Update
	sent  vclock.Set
	floor vclock.Stamp
}

func newOvertake(t *testing.T, c Call, there *vclock.Set) *overtake {
	o := &overtake{stage: newStage(t), own: &shelf{set: *there}, u: new(Update)}
	o.env.Own = o.own
	q, err := Resolve(Ask{Level: wire.LevelQuorum}, o.peers)
	if err != nil {
		t.Fatal(err)
	}
	c.ID, c.Key, c.Quorum, c.Reads, c.Peers, c.Until, c.ValueMax = stageID, []byte("k"), q, q, o.peers, time.Second, 1000
	o.u.Start(&o.env, &c)
	o.fetched(there, 0, 1, 2)
	o.sent = o.stored(t)
	o.own.set, _ = vclock.Merge(there, &o.sent)
	o.own.set = clone(o.own.set)
	o.floor = o.sent.Dot.Stamp + 100
	id := o.u.write.id | o.u.write.round
	o.u.Reply(&o.env, 1, &wire.Message{Kind: wire.KindStoreReply, ID: id})
	o.u.Reply(&o.env, 2, &wire.Message{Kind: wire.KindStoreReply, ID: id, Outcome: wire.OutcomeBehind, Known: vclock.Dot{Stamp: o.floor}})
	o.eff.Sends = nil
	return o
}

func clone(s vclock.Set) vclock.Set {
	s.Value, s.Context = append([]byte(nil), s.Value...), s.Context.CopyInto(nil)
	return s
}

func (o *overtake) fetched(s *vclock.Set, floor vclock.Stamp, nodes ...uint64) {
	for _, n := range nodes {
		m := wire.Message{Kind: wire.KindFetchReply, ID: o.u.read.id | o.u.read.round, Set: clone(*s), Floor: floor}
		o.u.Reply(&o.env, n, &m)
	}
}

// stored is the version last sent, which must be.
func (o *overtake) stored(t *testing.T) vclock.Set {
	t.Helper()
	for i := len(o.eff.Sends) - 1; i >= 0; i-- {
		if m := &o.eff.Sends[i].Message; m.Kind == wire.KindStore {
			return clone(m.Set)
		}
	}
	t.Fatalf("nothing was stored; answers %+v", o.eff.Answers)
	return vclock.Set{}
}

// What its node alone has taken, and its owners have forgotten, is neither acknowledged nor superseded.
func TestAnUpdateThatTheOwnersForgotIsNotAnsweredAsSuperseded(t *testing.T) {
	o := newOvertake(t, Call{Op: wire.OpSet, Value: []byte("v"), Condition: wire.Absent}, &vclock.Set{})
	o.fetched(&o.own.set, 0, 1)
	o.fetched(&vclock.Set{}, o.floor, 2, 3)
	if s := o.stored(t); string(s.Value) != "v" || s.Dot.Stamp <= o.floor || len(o.eff.Answers) > 0 {
		t.Errorf("%+v, %+v", s, o.eff.Answers)
	}
}

// Nor is it answered as not done, where what is there by then does not meet the condition: somebody may have met it.
func TestAnUpdateThatWasSentIsNeverAnsweredAsNotMet(t *testing.T) {
	o := newOvertake(t, Call{Op: wire.OpSet, Value: []byte("v"), Condition: wire.Present}, &vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: 5}, Value: []byte("w")})
	o.own.set = vclock.Set{}
	o.fetched(&o.own.set, 0, 1)
	o.fetched(&vclock.Set{}, o.floor, 2, 3)
	if a := o.eff.Answers; len(a) != 1 || a[0].Response.Status != wire.StatusQuorum {
		t.Errorf("%+v", a)
	}
}

// A sum that was sent and forgotten is not part of what the counter stands at when it begins anew.
func TestAnAdditionThatTheOwnersForgotIsAddedAnew(t *testing.T) {
	o := newOvertake(t, Call{Op: wire.OpIncr, By: 7}, &vclock.Set{})
	o.fetched(&o.own.set, 0, 1)
	o.fetched(&vclock.Set{}, o.floor, 2, 3)
	s := o.stored(t)
	if n, _, _ := s.Total(); n != 7 {
		t.Errorf("stands at %d", n)
	}
}

// Nor is one that ran out with its counter while the write was overtaken.
func TestAnAdditionToWhatExpiredSinceIsAddedAnew(t *testing.T) {
	there, err := new(vclock.Set).Add(2, vclock.StampAt(900), 3, 1500)
	if err != nil {
		t.Fatal(err)
	}
	o := newOvertake(t, Call{Op: wire.OpIncr, By: 7}, &there)
	o.env.Now.Wall = 1600
	o.fetched(&o.own.set, 0, 1)
	o.fetched(&vclock.Set{}, o.floor, 2)
	o.fetched(&o.own.set, 0, 3)
	s := o.stored(t)
	if n, _, _ := s.Total(); n != 7 {
		t.Errorf("stands at %d", n)
	}
}

// One that stands is only stamped again.
func TestAnAdditionThatStandsIsNotAddedTwice(t *testing.T) {
	o := newOvertake(t, Call{Op: wire.OpIncr, By: 7}, &vclock.Set{})
	o.fetched(&o.own.set, 0, 1)
	o.fetched(&vclock.Set{}, o.floor, 2)
	o.fetched(&o.own.set, 0, 3)
	s := o.stored(t)
	if n, _, _ := s.Total(); n != 7 {
		t.Errorf("stands at %d", n)
	}
}

// A sibling whose reader has replaced it does not come back.
func TestASiblingThatWasSupersededIsNotWrittenAgain(t *testing.T) {
	o := newOvertake(t, Call{Op: wire.OpSet, Value: []byte("v"), Siblings: true, Condition: wire.Always, Previous: true}, &vclock.Set{})
	seen := o.own.set.Heard(64)
	next, _ := o.own.set.Supersede(vclock.Version{Dot: vclock.Dot{Actor: vclock.Actor{Node: 3, Boot: 1}, Stamp: o.floor + 1}, Value: []byte("w")}, &seen, 16, 0)
	o.own.set = clone(next)
	o.fetched(&next, 0, 1, 2)
	for _, x := range o.eff.Sends {
		for _, v := range x.Message.Set.Versions() {
			if x.Message.Kind == wire.KindStore && string(v.Value) == "v" {
				t.Fatal("v is back beside w, whose writer had seen it")
			}
		}
	}
}

// A change of owners, or of none, in the midst of it does not let the update forget that it may be held.
func TestARestartedUpdateStillMayBeHeld(t *testing.T) { // I19, I21
	for _, restarts := range []bool{false, true} {
		o := newOvertake(t, Call{Op: wire.OpAppend, Value: []byte("v"), Siblings: true}, &vclock.Set{})
		if restarts {
			c := o.u.call
			c.Peers = o.peers
			o.u.Restart(&o.env, &c)
		}
		next := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 3, Boot: 1}, Stamp: o.floor + 1}, Context: vclock.Context{Floor: o.floor}, Value: []byte("v!")}
		o.own.set = clone(next)
		o.eff.Sends = nil
		o.fetched(&next, 0, 1, 2, 3)
		for _, x := range o.eff.Sends {
			if x.Message.Kind == wire.KindStore && strings.Contains(string(x.Message.Set.Value), "v!v") {
				t.Fatalf("restarted %t: it is appended to what has it already", restarts)
			}
		}
		if a := o.eff.Answers; len(a) != 1 || a[0].Response.Status != wire.StatusQuorum {
			t.Errorf("restarted %t: %+v, sends %+v", restarts, a, o.eff.Sends)
		}
	}
}

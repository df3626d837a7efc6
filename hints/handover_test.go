package hints

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// leaving is a queue that hands over what it owes, to nodes 2 and 3 in this order.
func leaving(takers ...uint64) *Queue {
	c := small()
	c.Taker = func(target uint64, _ uint32, _ string, nth int) (uint64, bool) {
		up := slices.DeleteFunc(slices.Clone(takers), func(n uint64) bool { return n == target })
		if nth >= len(up) {
			return 0, false
		}
		return up[nth], true
	}
	q := New(c)
	q.HandOver(true)
	return q
}

func answer(q *Queue, now vclock.Now, s Send, o wire.Outcome) []Send {
	return q.Ack(now, Reply{From: s.To, ID: s.ID, Outcome: o}, nil)
}

func TestWhatIsOwedToANodeThatIsDownGoesToAnotherAndToOneThatIsUpAsEver(t *testing.T) {
	q := leaving(2, 3)
	owe(q, 9, "a", write(1, "v"))
	owe(q, 8, "b", write(1, "v"))
	sends := q.Tick(at(0), func(n uint64) bool { return n == 8 }, nil)
	if len(sends) != 2 || sends[0].To != 8 || sends[1].To != 2 || sends[1].Target != 9 || string(sends[1].Key) != "a" {
		t.Fatalf("%+v", sends)
	}
	answer(q, at(0), sends[0], wire.OutcomeOK)
	answer(q, at(0), sends[1], wire.OutcomeHinted)
	if s := q.Stats(); s.Owed != 0 || s.Delivered != 1 || s.HandedOver != 1 {
		t.Errorf("%+v", s)
	}
	if d := q.AddDebts(nil); len(d) != 2 || d[0].HandedOver != 0 || d[1].HandedOver != 1 || d[1].Delivered != 0 {
		t.Errorf("%+v", d)
	}
}

func TestNothingIsHandedOverWithoutBeingTold(t *testing.T) {
	q := leaving(2)
	q.HandOver(false)
	owe(q, 9, "a", write(1, "v"))
	if sends := q.Tick(at(0), nobody, nil); len(sends) != 0 {
		t.Errorf("%+v", sends)
	}
	q.HandOver(true)
	if sends := q.Tick(at(0), nobody, nil); len(sends) != 1 {
		t.Errorf("then %+v", sends)
	}
}

func TestAHintStaysUntilTheVeryVersionThatIsOwedIsKeptByAnother(t *testing.T) {
	q := leaving(2)
	owe(q, 9, "a", write(1, "v"))
	sends := q.Tick(at(0), nobody, nil)
	owe(q, 9, "a", write(2, "w"))
	if answer(q, at(0), sends[0], wire.OutcomeHinted); q.OwedTo(9) != 1 {
		t.Fatal("it is gone though less was kept")
	}
	for range 2 { // a second time it was asked already, and was silent
		sends = q.Tick(at(2*time.Second), nobody, nil)
	}
	if len(sends) != 0 || q.Stats().Full != 1 {
		t.Fatalf("sent %+v, %+v", sends, q.Stats())
	}
	if sends = q.Tick(at(4*time.Second), nobody, nil); len(sends) != 1 || string(sends[0].Set.Value) != "w" {
		t.Fatalf("sent %+v", sends)
	}
	if answer(q, at(4*time.Second), sends[0], wire.OutcomeHinted); q.OwedTo(9) != 0 {
		t.Error("it is owed still")
	}
}

func TestWhoDoesNotKeepAHintIsFollowedByTheNextAndThenThereIsAPause(t *testing.T) {
	q := leaving(2, 3)
	owe(q, 9, "a", write(1, "v"))
	owe(q, 9, "b", write(1, "v"))
	asked := []uint64{}
	for sends := q.Tick(at(0), nobody, nil); len(sends) > 0 && len(asked) < 10; {
		asked = append(asked, sends[0].To)
		sends = append(sends[1:], answer(q, at(0), sends[0], wire.OutcomeFull)...)
	}
	if fmt.Sprint(asked) != "[2 2 3 3]" {
		t.Errorf("asked %v", asked)
	}
	if s := q.Stats(); s.Owed != 2 || s.Full != 2 || s.NotTaken != 4 {
		t.Errorf("%+v", s)
	}
	if sends := q.Tick(at(900*time.Millisecond), nobody, nil); len(sends) != 0 {
		t.Errorf("asked again at once: %+v", sends)
	}
	// Where there is room again the first who takes one brings the others with it.
	sends := q.Tick(at(2*time.Second), nobody, nil)
	if len(sends) != 1 || sends[0].To != 2 {
		t.Fatalf("%+v", sends)
	}
	if sends = answer(q, at(2*time.Second), sends[0], wire.OutcomeHinted); len(sends) != 1 || string(sends[0].Key) != "b" {
		t.Errorf("%+v", sends)
	}
}

func TestWhoIsSilentIsFollowedByTheNextAndMayAnswerLate(t *testing.T) {
	q := leaving(2, 3)
	owe(q, 9, "a", write(1, "v"))
	first := q.Tick(at(0), nobody, nil)
	second := q.Tick(at(2*time.Second), nobody, nil)
	if len(second) != 1 || first[0].To != 2 || second[0].To != 3 {
		t.Fatalf("%+v, %+v", first, second)
	}
	if answer(q, at(2*time.Second), first[0], wire.OutcomeFull); q.Stats().NotTaken != 0 {
		t.Error("a late no counts for who is asked now")
	}
	if answer(q, at(2*time.Second), first[0], wire.OutcomeHinted); q.OwedTo(9) != 0 {
		t.Error("it is kept twice and owed still")
	}
}

func TestWhereNobodyIsThereNothingIsSentUntilSomebodyIs(t *testing.T) {
	q := leaving()
	oweMany(q, 9, 20)
	if sends := q.Tick(at(0), nobody, nil); len(sends) != 0 || q.Stats().Full != 0 {
		t.Fatalf("%+v, %+v", sends, q.Stats())
	}
	q.cfg.Taker = func(uint64, uint32, string, int) (uint64, bool) { return 2, true }
	taken := 0
	for sends := q.Tick(at(0), nobody, nil); len(sends) > 0 && taken < 100; taken++ {
		if len(sends) > q.cfg.WindowMax {
			t.Fatalf("%d are on their way", len(sends))
		}
		sends = append(sends[1:], answer(q, at(0), sends[0], wire.OutcomeHinted)...)
	}
	if taken != 20 || q.OwedTo(9) != 0 {
		t.Errorf("%d taken, %d owed", taken, q.OwedTo(9))
	}
}

func TestOneThatIsHandedOverIsRefusedForWantOfRoomAndCountedWhereItIsKept(t *testing.T) {
	c := small()
	c.BytesMax, c.Log = 4*(entryOverhead+logOverhead+2)/3+1, true
	q := New(c)
	for i, want := range []bool{true, false} {
		if got := q.Add(Owed{Target: 9, Key: fmt.Append(nil, i), Set: write(1, "v"), Handed: true}); got != want {
			t.Errorf("%d: kept %v", i, got)
		}
	}
	if s := q.Stats(); s.Taken != 1 || s.Owed != 1 || s.Dropped != 0 || q.AddDebts(nil)[0].Taken != 1 {
		t.Errorf("%+v", s)
	}
}

// parting is nodes of which some leave: 1 to 3 keep hints for 9.
type parting struct {
	queues map[uint64]*Queue
	up     map[uint64]bool
	leaves map[uint64]bool
	way    []onWay
	mono   time.Duration
	boots  uint64

	owed    map[string]vclock.Stamp // what node 1 has taken upon itself
	held    map[string]vclock.Stamp // what node 9 has
	refused map[string]vclock.Stamp // what it has forgotten, and refuses for good
	excused map[string]bool         // keys of which something was to expire
}

// onWay is a message: a send, or the answer to one.
type onWay struct {
	from  uint64
	send  *Send
	to    uint64
	reply Reply
}

func newParting() *parting {
	p := &parting{
		queues: map[uint64]*Queue{}, up: map[uint64]bool{1: true, 2: true, 3: true}, leaves: map[uint64]bool{},
		owed: map[string]vclock.Stamp{}, held: map[string]vclock.Stamp{}, refused: map[string]vclock.Stamp{}, excused: map[string]bool{},
	}
	for n := range uint64(3) {
		p.boot(n + 1)
	}
	return p
}

// boot starts a node that has on its disk all that it owed.
func (p *parting) boot(n uint64) {
	c := Config{First: p.boots << 32, BytesMax: 1 << 20, WindowMax: 3, Rate: 20_000, RetryPeriod: 200 * time.Millisecond}
	if p.boots++; n == 3 {
		c.BytesMax = 3 * (entryOverhead + 100) // it is soon full
	}
	c.Taker = func(_ uint64, _ uint32, _ string, nth int) (uint64, bool) {
		for _, x := range []uint64{3, 2, 1} {
			if x == n || !p.up[x] {
				continue
			}
			if nth == 0 {
				return x, true
			}
			nth--
		}
		return 0, false
	}
	q := New(c)
	q.HandOver(p.leaves[n])
	if old := p.queues[n]; old != nil {
		for _, l := range old.lanes {
			for _, key := range slices.Sorted(maps.Keys(l.byKey)) {
				q.Add(Owed{Target: l.target, Key: []byte(key), Set: &l.byKey[key].set, Must: true})
			}
		}
	}
	p.queues[n] = q
}

func (p *parting) post(from uint64, sends []Send) {
	for _, s := range sends {
		p.way = append(p.way, onWay{from: from, send: &s})
	}
}

// tick lets time pass on a node.
func (p *parting) tick(n uint64) {
	if p.up[n] {
		p.post(n, p.queues[n].Tick(at(p.mono), func(x uint64) bool { return p.up[x] }, nil))
	}
}

// arrive lets a message arrive, if anybody is there.
func (p *parting) arrive(m onWay) {
	if m.send == nil {
		if p.up[m.to] {
			p.post(m.to, p.queues[m.to].Ack(at(p.mono), m.reply, nil))
		}
		return
	}
	s := m.send
	if !p.up[s.To] {
		return
	}
	r, key, stamp := Reply{From: s.To, ID: s.ID}, string(s.Key), s.Set.Dot.Stamp
	switch {
	case s.To == 9 && stamp <= p.refused[key]:
		r.Outcome = wire.OutcomeBehind
	case s.To == 9:
		p.held[key] = max(p.held[key], stamp)
	case p.leaves[s.To]:
		r.Outcome = wire.OutcomeNotReady
	case p.queues[s.To].Add(Owed{Target: s.Target, Key: s.Key, Set: &s.Set, Handed: true}):
		r.Outcome = wire.OutcomeHinted
	default:
		r.Outcome = wire.OutcomeFull
	}
	p.way = append(p.way, onWay{to: m.from, reply: r})
}

// lost is a key that is owed by nobody any more, though its target does not know of it.
func (p *parting) lost() string {
	for key, stamp := range p.owed {
		known := max(p.held[key], p.refused[key])
		for _, q := range p.queues {
			if l := q.lane(9); l != nil && l.byKey[key] != nil {
				known = max(known, l.byKey[key].set.Dot.Stamp)
			}
		}
		if known < stamp && !p.excused[key] {
			return fmt.Sprintf("%s: %v was owed, and %v is all that is known", key, stamp, known)
		}
	}
	return ""
}

// TestWhatIsHandedOverIsLostNowhere: whatever is owed when a node begins to part with it is owed by somebody after, is delivered, is
// refused by its target, or has expired; though messages are lost, doubled and late, and nodes are full, down, restart or leave as well.
func TestWhatIsHandedOverIsLostNowhere(t *testing.T) { // I1
	rapid.Check(t, func(t *rapid.T) {
		p := newParting()
		draw := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		for range draw("operations", 80) {
			switch draw("operation", 11) {
			case 0, 1, 2:
				key := fmt.Sprint("key", draw("key", 9))
				set := write(vclock.Stamp(1+draw("stamp", 5)), "value")
				if key == "key9" {
					set.Deadline = vclock.Deadline{At: wall + p.mono.Milliseconds() + int64(draw("ttl", 500)), Stamp: set.Dot.Stamp}
					p.excused[key] = true
				}
				if p.up[1] && p.queues[1].Add(Owed{Target: 9, Key: []byte(key), Set: set, Must: true}) {
					p.owed[key] = max(p.owed[key], set.Dot.Stamp)
				}
			case 3, 4:
				p.mono += time.Duration(draw("ms", 150)) * time.Millisecond
				p.tick(uint64(1 + draw("node", 2)))
			case 5, 6, 7:
				if len(p.way) == 0 {
					break
				}
				i := draw("message", len(p.way)-1)
				m := p.way[i]
				if draw("doubled", 4) > 0 {
					p.way = slices.Delete(p.way, i, i+1)
				}
				if draw("lost", 4) > 0 {
					p.arrive(m)
				}
			case 8:
				n := []uint64{1, 2, 3, 9}[draw("node", 3)]
				p.up[n] = !p.up[n]
			case 9:
				p.boot(uint64(1 + draw("node", 2)))
			case 10:
				n := uint64(1 + draw("node", 2))
				p.leaves[n] = !p.leaves[n]
				p.queues[n].HandOver(p.leaves[n])
			case 11:
				key := fmt.Sprint("key", draw("key", 9))
				p.refused[key] = max(p.refused[key], vclock.Stamp(draw("stamp", 3)))
			}
			if lost := p.lost(); lost != "" {
				t.Fatal(lost)
			}
		}
		// Whatever happened: who leaves while all others are there owes nothing in the end; and then the target gets all of it.
		settle := func() {
			for range 100 {
				p.mono += 300 * time.Millisecond
				for n := range uint64(3) {
					p.tick(n + 1)
				}
				for i := 0; len(p.way) > 0 && i < 1000; i++ {
					m := p.way[0]
					p.way = p.way[1:]
					p.arrive(m)
				}
			}
		}
		for n := range uint64(3) {
			p.up[n+1], p.leaves[n+1] = true, n == 0
			p.queues[n+1].HandOver(n == 0)
		}
		p.up[9] = false
		if settle(); p.queues[1].Stats().Owed != 0 {
			t.Fatalf("the node that leaves still owes: %+v", p.queues[1].Stats())
		}
		if lost := p.lost(); lost != "" {
			t.Fatal(lost)
		}
		p.up[9] = true
		settle()
		for n, q := range p.queues {
			if q.Stats().Owed != 0 {
				t.Fatalf("node %d still owes: %+v", n, q.Stats())
			}
		}
		if lost := p.lost(); lost != "" {
			t.Fatal(lost)
		}
	})
}

// Partitions have other nodes that may keep a hint: a lane is not held up by what nobody may keep, neither as long as its target is
// down, nor once that is back.
func TestWhatNobodyMayKeepIsInNobodysWay(t *testing.T) {
	q := leaving()
	q.cfg.Taker = func(_ uint64, _ uint32, key string, nth int) (uint64, bool) { return 2, key[0] == 'k' && nth == 0 }
	for i := range 3 * q.cfg.WindowMax {
		owe(q, 9, fmt.Sprint("nobody", i), write(1, "v"))
	}
	for i := range q.cfg.WindowMax {
		owe(q, 9, fmt.Sprint("key", i), write(1, "v"))
	}
	var sends []Send
	now := time.Duration(0)
	for range 10 {
		now += 100 * time.Millisecond
		sends = append(sends, q.Tick(at(now), nobody, nil)...)
	}
	if len(sends) != q.cfg.WindowMax {
		t.Fatalf("%d were sent", len(sends))
	}
	// Node 2 keeps silent, and node 9 is back.
	for range 100 {
		now += time.Second
		for sends := q.Tick(at(now), func(n uint64) bool { return n == 9 }, nil); len(sends) > 0; {
			sends = append(sends[1:], answer(q, at(now), sends[0], wire.OutcomeOK)...)
		}
	}
	if q.OwedTo(9) != 0 {
		t.Errorf("%d are owed still", q.OwedTo(9))
	}
}

func TestWhatItsTargetLeftUnansweredIsNotInTheWayOfWhatAnotherKeeps(t *testing.T) {
	q := leaving()
	q.cfg.Taker = func(_ uint64, _ uint32, key string, nth int) (uint64, bool) { return 2, key[0] == 'k' && nth == 0 }
	for i := range q.cfg.WindowMax {
		owe(q, 9, fmt.Sprint("nobody", i), write(1, "v"))
	}
	owe(q, 9, "key", write(1, "v"))
	if sends := q.Tick(at(0), func(n uint64) bool { return n == 9 }, nil); len(sends) != q.cfg.WindowMax {
		t.Fatalf("%d were sent", len(sends))
	}
	if sends := q.Tick(at(2*time.Second), nobody, nil); len(sends) != 1 || string(sends[0].Key) != "key" {
		t.Errorf("then %+v", sends)
	}
}

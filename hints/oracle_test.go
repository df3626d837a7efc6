package hints

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// ledger is a queue made as plainly as can be: a list that is searched from the front and counted anew
// each time. It is told what the queue sent, and says whether it might.
type ledger struct {
	cfg   Config
	hints []*debt // in the order in which they were first added
	sends []sent
	dirty map[lost]bool
	stats Stats
}

type debt struct {
	target    uint64
	partition uint32
	key       string
	set       vclock.Set
	asked     int // times sent, as it is owed now or as it was before
	last      time.Duration
	aside     bool // the target had no room
	revived   bool // and might have for what it is now, a deletion
}

// sent is one send, for ever.
type sent struct {
	id     uint64
	target uint64
	of     *debt
	set    vclock.Set
	at     time.Duration
	bytes  int64
}

func (l *ledger) find(target uint64, key string) *debt {
	for _, d := range l.hints {
		if d.target == target && d.key == key {
			return d
		}
	}
	return nil
}

func (d *debt) bytes() int64 {
	return int64(entryOverhead + len(d.key) + len(d.set.Value) + 24*len(d.set.Context.Seen))
}

func (l *ledger) bytes() (n int64) {
	for _, d := range l.hints {
		n += d.bytes()
	}
	return n
}

func (l *ledger) drop(gone *debt) {
	l.hints = slices.DeleteFunc(l.hints, func(d *debt) bool { return d == gone })
}

func (l *ledger) add(o Owed) bool {
	d := l.find(o.Target, string(o.Key))
	known := d != nil
	if !known {
		d = &debt{target: o.Target, partition: o.Partition, key: string(o.Key), set: *o.Set}
		l.hints = append(l.hints, d)
	}
	old := *d
	d.set, _ = vclock.Merge(&old.set, o.Set)
	if l.bytes() > l.cfg.BytesMax {
		if known {
			*d = old
		} else {
			l.drop(d)
		}
		if !o.Must {
			l.stats.Dropped++
			l.dirty[lost{o.Target, o.Partition}] = true
		}
		return false
	}
	if known {
		l.stats.Merged++
		d.revived = d.revived || d.aside && d.set.Tombstone && !old.set.Tombstone
	} else {
		l.stats.Added++
	}
	return true
}

// took hears of a send, and says what is wrong with it.
func (l *ledger) took(now vclock.Now, s Send, up func(uint64) bool) string {
	d := l.find(s.Target, string(s.Key))
	switch {
	case !up(s.Target):
		return "it went to a node that is down"
	case d == nil:
		return "it is not owed"
	case d.set.Compare(&s.Set) != vclock.Equal || d.set.Deadline != s.Set.Deadline || !d.set.Context.Equal(&s.Set.Context):
		return "it is not what is owed"
	case d.set.Deadline.Passed(now.Wall):
		return "it has expired"
	case d.asked > 0 && !d.revived && now.Mono-d.last < l.cfg.RetryPeriod:
		return "it was sent again too soon"
	}
	if d.asked == 0 {
		flying := 0
		for _, x := range l.hints {
			if x.target == d.target && x.asked > 0 && !x.aside && !x.set.Deadline.Passed(now.Wall) { // else it may be gone
				flying++
			}
		}
		if flying >= l.cfg.WindowMax {
			return "the window was full"
		}
		for _, x := range l.hints {
			if x == d {
				break
			}
			if x.target == d.target && x.asked == 0 && !x.set.Deadline.Passed(now.Wall) {
				return fmt.Sprintf("%q is older", x.key)
			}
		}
	}
	d.asked++
	d.last, d.aside, d.revived = now.Mono, false, false
	s.Set.Value = bytes.Clone(s.Set.Value)
	l.sends = append(l.sends, sent{s.ID, s.Target, d, s.Set, now.Mono, d.bytes()})
	// In any stretch that ends now, what went before this send was paid for.
	before := int64(0)
	for i := len(l.sends) - 2; i >= 0; i-- {
		x := &l.sends[i]
		if x.target != s.Target {
			continue
		}
		before += x.bytes
		allowed := float64(l.cfg.Rate) * (now.Mono - x.at + 100*time.Millisecond).Seconds()
		if float64(before) > allowed+1 {
			return fmt.Sprintf("%d bytes within %v", before, now.Mono-x.at)
		}
	}
	return ""
}

// ack ends the debt if the answer is to what is owed now.
func (l *ledger) ack(r Reply) {
	for i := range l.sends {
		x := &l.sends[i]
		d := x.of
		if x.id != r.ID || x.target != r.From || !slices.Contains(l.hints, d) {
			continue
		}
		if d.set.Compare(&x.set) != vclock.Equal || d.set.Deadline != x.set.Deadline || !d.set.Context.Equal(&x.set.Context) {
			continue
		}
		switch r.Outcome {
		case wire.OutcomeOK, wire.OutcomeSuperseded:
			l.stats.Delivered++
		case wire.OutcomeBehind, wire.OutcomeTooLarge:
			l.stats.Refused++
		case wire.OutcomeFull:
			d.aside = true
			return
		default:
			return
		}
		l.drop(d)
		return
	}
}

// compare is what the queue holds against what it should; hints that it expired of its own leave here.
func (l *ledger) compare(t *rapid.T, q *Queue, now vclock.Now) {
	for _, d := range slices.Clone(l.hints) {
		lane := q.lane(d.target)
		if lane == nil || lane.byKey[d.key] == nil {
			if !d.set.Deadline.Passed(now.Wall) {
				t.Fatalf("%q for %d is no longer owed", d.key, d.target)
			}
			l.stats.Expired++
			l.drop(d)
		}
	}
	want := l.stats
	want.Owed, want.Bytes, want.BytesMax = len(l.hints), l.bytes(), l.cfg.BytesMax
	got := q.Stats()
	if want.Full = got.Full; got != want {
		t.Fatalf("stats %+v, want %+v", got, want)
	}
	if want.Bytes > want.BytesMax {
		t.Fatalf("%d bytes over %d", want.Bytes, want.BytesMax)
	}
	for p := range uint32(4) {
		for n := range uint64(3) {
			if got := q.Dirty(n, p); got != l.dirty[lost{n, p}] {
				t.Fatalf("partition %d dirty for %d: %v", p, n, got)
			}
		}
	}
	ids := 0
	for _, lane := range q.lanes {
		flying := 0
		for _, e := range lane.byKey {
			if e.flying {
				flying++
			}
		}
		ids += len(lane.byID)
		if e := lane.look; e != nil && lane.byKey[e.Value.(*entry).key] != e.Value || e != nil && !e.Value.(*entry).full {
			t.Fatalf("lane of %d: looks at %q, which is not set aside", lane.target, e.Value.(*entry).key)
		}
		if flying != lane.flying || lane.owed() != len(lane.byKey) {
			t.Fatalf("lane of %d: %d flying counted as %d, %d listed of %d", lane.target, flying, lane.flying, lane.owed(), len(lane.byKey))
		}
	}
	if ids != want.Owed {
		t.Fatalf("%d ids for %d hints", ids, want.Owed)
	}
}

// All invariants of the package, after any operations.
func TestTheQueueAgreesWithADumbLedger(t *testing.T) {
	actors := []vclock.Actor{{Node: 100, Boot: 1}, {Node: 101, Boot: 1}}
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			BytesMax: 3000, WindowMax: rapid.IntRange(1, 3).Draw(t, "window"), Rate: rapid.SampledFrom([]int64{2000, 20_000, 1 << 30}).Draw(t, "rate"),
			RetryPeriod: 200 * time.Millisecond,
		}
		q := New(c)
		l := &ledger{cfg: c, dirty: map[lost]bool{}}
		mono, isUp := time.Duration(0), map[uint64]bool{1: true, 2: true}
		up := func(n uint64) bool { return isUp[n] }
		heard := func(sends []Send) {
			for _, s := range sends {
				if wrong := l.took(at(mono), s, up); wrong != "" {
					t.Fatalf("at %v sent %q to %d: %s", mono, s.Key, s.Target, wrong)
				}
			}
		}
		draw := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		for range draw("operations", 60) {
			switch draw("operation", 10) {
			case 0, 1, 2:
				key := fmt.Sprint("key", draw("key", 4))
				stamp := vclock.Stamp(1 + draw("stamp", 5))
				set := vclock.Set{Dot: vclock.Dot{Actor: actors[stamp%2], Stamp: stamp}, Value: make([]byte, 150*int(stamp*7%5)), Tombstone: stamp == 5}
				if draw("deadline", 3) == 0 {
					set.Deadline = vclock.Deadline{At: wall + mono.Milliseconds() + int64(draw("ttl", 500)), Stamp: stamp}
				}
				o := Owed{Target: uint64(1 + draw("target", 1)), Partition: uint32(key[3] % 4), Key: []byte(key), Set: &set, Must: draw("must", 1) == 1}
				if got, want := q.Add(o), l.add(o); got != want {
					t.Fatalf("kept %q: %v, want %v", key, got, want)
				}
			case 3, 4, 5:
				mono += time.Duration(draw("ms", 120)) * time.Millisecond
				heard(q.Tick(at(mono), up, nil))
			case 6, 7:
				if len(l.sends) == 0 {
					break
				}
				s := l.sends[len(l.sends)-1-draw("send", min(5, len(l.sends)-1))] // late, double and out of order
				if !isUp[s.target] {
					break
				}
				r := Reply{From: s.target, ID: s.id, Outcome: rapid.SampledFrom([]wire.Outcome{
					wire.OutcomeOK, wire.OutcomeOK, wire.OutcomeSuperseded, wire.OutcomeBehind, wire.OutcomeTooLarge, wire.OutcomeNotReady, wire.OutcomeNotOwner,
					wire.OutcomeFull,
				}).Draw(t, "outcome")}
				if draw("stranger", 9) == 0 {
					r.From = 3 - r.From
				}
				sends := q.Ack(at(mono), r, nil)
				l.ack(r)
				heard(sends)
			case 8:
				n := uint64(1 + draw("node", 1))
				isUp[n] = !isUp[n]
			case 10:
				n := uint64(1 + draw("node", 1))
				q.Clean(n)
				maps.DeleteFunc(l.dirty, func(at lost, _ bool) bool { return at.target == n })
			case 9:
				n, p := uint64(1+draw("node", 1)), uint32(draw("partition", 3))
				gone := func(target uint64, partition uint32, key string) bool {
					return target == n && partition == p || key == "key4"
				}
				q.Forget(gone)
				maps.DeleteFunc(l.dirty, func(at lost, _ bool) bool { return gone(at.target, at.partition, "") })
				for _, d := range slices.Clone(l.hints) {
					if gone(d.target, d.partition, d.key) {
						l.stats.Dropped++
						l.drop(d)
					}
				}
			}
			l.compare(t, q, at(mono))
		}
		// Whatever happened: once all are up and answer, everything is delivered.
		isUp[1], isUp[2] = true, true
		for range 100 {
			mono += 300 * time.Millisecond
			for sends := q.Tick(at(mono), up, nil); len(sends) > 0; sends = sends[1:] {
				heard(sends[:1])
				r := Reply{From: sends[0].Target, ID: sends[0].ID}
				more := q.Ack(at(mono), r, nil)
				l.ack(r)
				sends = append(sends, more...)
			}
			l.compare(t, q, at(mono))
		}
		if n := q.Stats().Owed; n != 0 || len(q.lanes) != 0 {
			t.Fatalf("%d hints and %d lanes are left", n, len(q.lanes))
		}
	})
}

package hints

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// tiny is the value that fits into a target that is full.
const tiny = "gone"

// fullFor answers sends of a target that has room for tiny values only, and returns how many it was asked of each kind.
func fullFor(q *Queue, now time.Duration, sends []Send) (refused, taken int) {
	for len(sends) > 0 {
		o := wire.OutcomeFull
		if string(sends[0].Set.Value) == tiny {
			o = wire.OutcomeOK
			taken++
		} else {
			refused++
		}
		sends = append(sends[1:], ack(q, at(now), sends[0], o)...)
	}
	return refused, taken
}

func TestHintsForWhichATargetHasNoRoomDoNotStandBeforeOthers(t *testing.T) {
	q := New(small()) // with a window of 4
	oweMany(q, 1, 20)
	owe(q, 1, "deletion", write(2, tiny))
	if refused, taken := fullFor(q, 0, q.Tick(at(0), everyone, nil)); refused != 20 || taken != 1 {
		t.Errorf("%d refused and %d taken, want each asked once", refused, taken)
	}
	if s := q.Stats(); s.Owed != 20 || s.Full != 20 || s.Delivered != 1 || q.OwedTo(1) != 20 {
		t.Errorf("%+v", s)
	}
}

func TestATargetThatStaysFullIsAskedOncePerRetryPeriod(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 20)
	fullFor(q, 0, q.Tick(at(0), everyone, nil))
	asked := 0
	for ms := time.Duration(10); ms <= 10_000; ms += 10 {
		refused, _ := fullFor(q, ms*time.Millisecond, q.Tick(at(ms*time.Millisecond), everyone, nil))
		asked += refused
	}
	if asked < 9 || asked > 10 {
		t.Errorf("asked %d times in ten periods", asked)
	}
	if q.OwedTo(1) != 20 {
		t.Errorf("%d owed", q.OwedTo(1))
	}
}

func TestOnceThereIsRoomAllThatWasRefusedFollows(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 100)
	fullFor(q, 0, q.Tick(at(0), everyone, nil))
	delivered := map[string]bool{}
	for sends := q.Tick(at(time.Second), everyone, nil); len(sends) > 0; {
		delivered[string(sends[0].Key)] = true
		sends = append(sends[1:], ack(q, at(time.Second), sends[0], wire.OutcomeOK)...)
	}
	if len(delivered) != 100 || q.OwedTo(1) != 0 {
		t.Errorf("%d delivered, %d owed", len(delivered), q.OwedTo(1))
	}
}

func TestAHintThatIsSetAsideIsMergedAndForgottenAsAnyOther(t *testing.T) {
	q := New(small())
	for i := range 3 {
		owe(q, 1, fmt.Sprint("k", i), write(1, "old"))
	}
	fullFor(q, 0, q.Tick(at(0), everyone, nil))
	owe(q, 1, "k1", write(2, tiny))
	q.Forget(func(_ uint64, _ uint32, key string) bool { return key == "k0" })
	if s := q.Stats(); s.Owed != 2 || s.Full != 2 || s.Merged != 1 || s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
	if sends := q.Tick(at(time.Second), everyone, nil); keys(sends) != "k1" || string(sends[0].Set.Value) != tiny {
		t.Errorf("sent %q", keys(sends))
	}
}

func TestAHintThatIsSetAsideGivesItsRoomBackOnceItHasExpired(t *testing.T) {
	c := small()
	c.BytesMax = 200 * (entryOverhead + 5)
	q := New(c)
	for i := range 200 { // every second one is for ever
		set := write(1, "v")
		if i%2 == 0 {
			set.Deadline.At = wall + 10
		}
		owe(q, 1, fmt.Sprint("k", 100+i), set)
	}
	fullFor(q, 0, q.Tick(at(0), everyone, nil))
	if s := q.Stats(); s.Full != 200 || owe(q, 1, "k999", write(1, "v")) {
		t.Fatalf("%+v, want 200 set aside and no room", s)
	}
	for range 200 / c.WindowMax { // RetryPeriod does not pass
		before := q.OwedTo(1)
		if sends := q.Tick(at(10*time.Millisecond), everyone, nil); len(sends) != 0 || before-q.OwedTo(1) > c.WindowMax {
			t.Fatalf("one tick sent %q and dropped %d, more than a window", keys(sends), before-q.OwedTo(1))
		}
	}
	if s := q.Stats(); s.Owed != 100 || s.Full != 100 || s.Expired != 100 || s.Bytes != c.BytesMax/2 {
		t.Errorf("%+v, want those that have no deadline, and half of the room", s)
	}
	if !owe(q, 1, "k999", write(1, "v")) {
		t.Error("no room for another")
	}
}

// I6 of the package: hints to send and hints set aside share what a tick may look at.
func TestATickLooksAtTwoWindowsHoweverManyHaveExpiredOnEitherList(t *testing.T) {
	q := New(small())
	for i := range 100 {
		set := write(1, "v")
		set.Deadline.At = wall + 10
		owe(q, 1, fmt.Sprint("k", i), set)
		if i == 49 {
			fullFor(q, 0, q.Tick(at(0), everyone, nil))
		}
	}
	for ticks := 1; q.OwedTo(1) > 0; ticks++ {
		before := q.OwedTo(1)
		q.Tick(at(10*time.Millisecond), everyone, nil)
		if gone := before - q.OwedTo(1); gone > 8 || ticks > 20 {
			t.Fatalf("tick %d dropped %d, two windows are 8", ticks, gone)
		}
	}
}

func TestAHintThatIsSetAsideAndBecomesADeletionIsSentAtOnce(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 20)
	fullFor(q, 0, q.Tick(at(0), everyone, nil))
	deletion := write(2, "")
	deletion.Tombstone = true
	owe(q, 1, "k00019", deletion) // the last of those that were refused
	sends := q.Tick(at(time.Millisecond), everyone, nil)
	if keys(sends) != "k00019" || !sends[0].Set.Tombstone {
		t.Fatalf("sent %q, want the deletion alone", keys(sends))
	}
	// One for which there was no room either waits as any other, and a later deletion with it.
	ack(q, at(time.Millisecond), sends[0], wire.OutcomeFull)
	later := write(3, "")
	later.Tombstone = true
	owe(q, 1, "k00019", later)
	if sends := q.Tick(at(2*time.Millisecond), everyone, nil); len(sends) != 0 || q.Stats().Full != 20 {
		t.Errorf("then sent %q, %+v", keys(sends), q.Stats())
	}
}

package hints

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// TestMain lets the laws run a few thousand cases, within seconds; -rapid.checks=N on the command line wins.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1") // the same cases each time; make laws draws others
	_ = flag.Set("rapid.checks", "3000")
	flag.Parse()
	if testing.Short() {
		_ = flag.Set("rapid.checks", "100")
	}
	os.Exit(m.Run())
}

const wall = 1_700_000_000_000

var alice = vclock.Actor{Node: 100, Boot: 1}

// at is a moment, as long after the start.
func at(mono time.Duration) vclock.Now {
	return vclock.Now{Mono: time.Hour + mono, Wall: wall + mono.Milliseconds()}
}

func everyone(uint64) bool { return true }

func nobody(uint64) bool { return false }

// small is a queue for a few hints whose rate never stands in the way.
func small() Config {
	return Config{BytesMax: 1 << 20, WindowMax: 4, Rate: 1 << 40, RetryPeriod: time.Second}
}

func write(stamp vclock.Stamp, value string) *vclock.Set {
	return &vclock.Set{Dot: vclock.Dot{Actor: alice, Stamp: stamp}, Value: []byte(value)}
}

// owe adds a hint for a node; its partition is 7.
func owe(q *Queue, target uint64, key string, set *vclock.Set) bool {
	return q.Add(Owed{Target: target, Partition: 7, Key: []byte(key), Set: set})
}

// oweMany adds n hints with keys in the order of their names.
func oweMany(q *Queue, target uint64, n int) {
	for i := range n {
		owe(q, target, fmt.Sprintf("k%05d", i), write(1, "v"))
	}
}

func keys(sends []Send) string {
	var s []string
	for _, x := range sends {
		s = append(s, string(x.Key))
	}
	return strings.Join(s, " ")
}

func ack(q *Queue, now vclock.Now, s Send, o wire.Outcome) []Send {
	return q.Ack(now, Reply{From: s.Target, ID: s.ID, Outcome: o}, nil)
}

// I1 of the package.
func TestOneHintIsOwedPerTargetAndKeyTheMergeOfAll(t *testing.T) {
	q := New(small())
	owe(q, 1, "a", write(5, "newer"))
	owe(q, 1, "a", write(3, "older"))
	owe(q, 2, "a", write(3, "older"))
	owe(q, 1, "b", write(1, "b"))
	if s := q.Stats(); s.Owed != 3 || s.Added != 3 || s.Merged != 1 {
		t.Errorf("%+v", s)
	}
	sends := q.Tick(at(0), everyone, nil)
	if keys(sends) != "a b a" || string(sends[0].Set.Value) != "newer" || string(sends[2].Set.Value) != "older" {
		t.Errorf("sent %q: %q, %q", keys(sends), sends[0].Set.Value, sends[2].Set.Value)
	}
	if q.OwedTo(1) != 2 || q.OwedTo(2) != 1 || q.OwedTo(3) != 0 {
		t.Errorf("owed %d, %d, %d", q.OwedTo(1), q.OwedTo(2), q.OwedTo(3))
	}
}

func TestTheQueueCopiesWhatItKeeps(t *testing.T) {
	q := New(small())
	key, set := []byte("a"), write(5, "value")
	set.Context.Add(vclock.Dot{Actor: vclock.Actor{Node: 9}, Stamp: 2})
	q.Add(Owed{Target: 1, Key: key, Set: set})
	key[0], set.Value[0], set.Context.Seen[0].Stamp = 'X', 'X', 1
	got := q.Tick(at(0), everyone, nil)[0]
	if string(got.Key) != "a" || string(got.Set.Value) != "value" || got.Set.Context.Seen[0].Stamp != 2 {
		t.Errorf("sent %q, %q, %v", got.Key, got.Set.Value, got.Set.Context)
	}
}

func TestAHintOverTheCapIsDroppedCountedAndItsPartitionDirty(t *testing.T) {
	c := small()
	c.BytesMax = 2 * (entryOverhead + 2)
	q := New(c)
	if !owe(q, 1, "a", write(1, "1")) || !owe(q, 2, "b", write(1, "1")) || q.Dirty(1, 7) {
		t.Fatal("two hints do not fit")
	}
	if owe(q, 1, "c", write(1, "1")) {
		t.Error("a third is kept")
	}
	if s := q.Stats(); s.Dropped != 1 || s.Owed != 2 || s.Bytes != c.BytesMax || !q.Dirty(1, 7) || q.Dirty(1, 8) {
		t.Errorf("%+v, dirty %v %v", s, q.Dirty(1, 7), q.Dirty(1, 8))
	}
}

func TestAHintThatCountsTowardsWIsRefusedNotDropped(t *testing.T) {
	c := small()
	c.BytesMax = entryOverhead + 2
	q := New(c)
	must := func(key string, v string) bool {
		return q.Add(Owed{Target: 1, Partition: 7, Key: []byte(key), Set: write(1, v), Must: true})
	}
	if !must("a", "1") || must("b", "1") {
		t.Error("want room for one")
	}
	if s := q.Stats(); s.Dropped != 0 || q.Dirty(1, 7) {
		t.Errorf("%+v: refusing is not dropping", s)
	}
}

func TestAMergeOverTheCapIsDroppedAndWhatWasOwedStays(t *testing.T) {
	for _, must := range []bool{false, true} {
		c := small()
		c.BytesMax = entryOverhead + 10
		q := New(c)
		owe(q, 1, "a", write(1, "old"))
		if q.Add(Owed{Target: 1, Partition: 7, Key: []byte("a"), Set: write(2, "too long to fit"), Must: must}) {
			t.Error("kept over the cap")
		}
		if s := q.Stats(); s.Bytes > c.BytesMax || s.Dropped == 1 == must || q.Dirty(1, 7) == must {
			t.Errorf("must %v: %+v, dirty %v", must, s, q.Dirty(1, 7))
		}
		if got := q.Tick(at(0), everyone, nil); keys(got) != "a" || string(got[0].Set.Value) != "old" {
			t.Errorf("sent %+v", got)
		}
	}
}

func TestAMergeThatDoesNotGrowIsKeptEvenInAFullQueue(t *testing.T) {
	c := small()
	c.BytesMax = entryOverhead + 4
	q := New(c)
	owe(q, 1, "a", write(1, "old"))
	if !owe(q, 1, "a", write(2, "new")) || !owe(q, 1, "a", write(3, "")) {
		t.Error("refused though it needs no room")
	}
}

func TestAnAnswerToLessThanWhatIsOwedKeepsItOwed(t *testing.T) {
	for _, o := range []wire.Outcome{wire.OutcomeOK, wire.OutcomeSuperseded, wire.OutcomeBehind, wire.OutcomeTooLarge} {
		q := New(small())
		owe(q, 1, "a", write(1, "old"))
		first := q.Tick(at(0), everyone, nil)[0]
		owe(q, 1, "a", write(2, "new"))
		ack(q, at(1), first, o)
		if q.OwedTo(1) != 1 {
			t.Errorf("%v for the older version ended the newer", o)
			continue
		}
		second := q.Tick(at(2*time.Second), everyone, nil)
		if len(second) != 1 || string(second[0].Set.Value) != "new" {
			t.Fatalf("then sent %+v", second)
		}
		if ack(q, at(2*time.Second), first, o); q.OwedTo(1) != 1 {
			t.Errorf("%v for the older version, come late, ended the newer while it was on its way", o)
		}
		if ack(q, at(2*time.Second), second[0], wire.OutcomeOK); q.OwedTo(1) != 0 {
			t.Error("the answer to what is owed did not count")
		}
	}
}

func TestAHintIsOwedNoMoreOnceItIsDeliveredOrRefusedForGood(t *testing.T) {
	for o, want := range map[wire.Outcome]Stats{
		wire.OutcomeOK:         {Delivered: 1},
		wire.OutcomeSuperseded: {Delivered: 1},
		wire.OutcomeBehind:     {Refused: 1},
		wire.OutcomeTooLarge:   {Refused: 1},
		wire.OutcomeNotOwner:   {Owed: 1}, // two maps that differ for a moment: Forget is told by this node's
		wire.OutcomeAhead:      {Owed: 1},
		wire.OutcomeNotReady:   {Owed: 1},
		wire.OutcomeFull:       {Owed: 1},
		99:                     {Owed: 1},
	} {
		q := New(small())
		owe(q, 1, "a", write(1, "v"))
		s := q.Tick(at(0), everyone, nil)[0]
		ack(q, at(1), s, o)
		ack(q, at(1), s, o) // a reply that comes twice counts once
		got := q.Stats()
		if (Stats{Owed: got.Owed, Delivered: got.Delivered, Refused: got.Refused}) != want || got.Dropped != 0 {
			t.Errorf("%v: %+v, want %+v", o, got, want)
		}
		if want.Owed == 1 && keys(q.Tick(at(time.Second), everyone, nil)) != "a" {
			t.Errorf("%v: not sent again", o)
		}
	}
}

func TestOnlyTheTargetsAnswerCounts(t *testing.T) { // I18
	q := New(small())
	owe(q, 1, "a", write(1, "v"))
	owe(q, 2, "b", write(1, "v"))
	sends := q.Tick(at(0), everyone, nil)
	for _, from := range []uint64{2, 3} {
		q.Ack(at(1), Reply{From: from, ID: sends[0].ID}, nil)
	}
	if q.OwedTo(1) != 1 || q.OwedTo(2) != 1 {
		t.Errorf("owed %d and %d after another node's answers", q.OwedTo(1), q.OwedTo(2))
	}
}

func TestAHintNotYetSentCannotBeAnswered(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 5)
	sends := q.Tick(at(0), everyone, nil)
	last := sends[len(sends)-1]
	last.ID++ // the first beyond the window
	if ack(q, at(1), last, wire.OutcomeOK); q.OwedTo(1) != 5 {
		t.Error("it was")
	}
}

func TestNothingIsSentToANodeThatIsDown(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 3)
	if got := q.Tick(at(0), nobody, nil); len(got) != 0 {
		t.Errorf("sent %q", keys(got))
	}
	if got := q.Tick(at(1), everyone, nil); len(got) != 3 {
		t.Errorf("sent %q once it is back", keys(got))
	}
}

func TestHintsAreSentOldestFirstAWindowAtATimeAndEachAckDrawsTheNext(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 7)
	sends := q.Tick(at(0), everyone, nil)
	if keys(sends) != "k00000 k00001 k00002 k00003" {
		t.Fatalf("sent %q", keys(sends))
	}
	if got := q.Tick(at(1), everyone, nil); len(got) != 0 {
		t.Errorf("sent %q over the window", keys(got))
	}
	owe(q, 1, "k00005", write(2, "merged")) // keeps its place
	for i, want := range []string{"k00004", "k00005", "k00006", ""} {
		if got := ack(q, at(2), sends[i], wire.OutcomeOK); keys(got) != want {
			t.Errorf("ack %d drew %q, want %q", i, keys(got), want)
		}
	}
}

func TestAnswersToAnEarlierBootsHintsFindNothing(t *testing.T) {
	cfg := small()
	earlier := New(cfg)
	oweMany(earlier, 1, 3)
	cfg.First = 1 << 20
	q := New(cfg)
	oweMany(q, 1, 3)
	if sends := q.Tick(at(0), everyone, nil); sends[0].ID <= cfg.First {
		t.Errorf("a hint has number %d, which an earlier boot may have given", sends[0].ID)
	}
	for _, s := range earlier.Tick(at(0), everyone, nil) {
		ack(q, at(1), s, wire.OutcomeOK)
	}
	if q.OwedTo(1) != 3 {
		t.Errorf("%d owed, want all 3: none of them was answered", q.OwedTo(1))
	}
}

func TestTheWindowIsOfEachTarget(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 9)
	oweMany(q, 2, 9)
	if got := q.Tick(at(0), everyone, nil); len(got) != 8 {
		t.Errorf("sent %d", len(got))
	}
}

func TestHintsBehindAWindowThatIsNeverAnsweredAreNotStarvedByItsRepeats(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 100)
	silent := map[string]bool{"k00000": true, "k00001": true, "k00002": true} // one place of four is left
	for i := range 400 {
		sends := q.Tick(at(time.Duration(i)*100*time.Millisecond), everyone, nil)
		for len(sends) > 0 {
			s := sends[0]
			sends = sends[1:]
			if !silent[string(s.Key)] {
				sends = append(sends, ack(q, at(time.Duration(i)*100*time.Millisecond), s, wire.OutcomeOK)...)
			}
		}
	}
	if q.OwedTo(1) != 3 {
		t.Errorf("%d owed, want only the three that were never answered", q.OwedTo(1))
	}
}

func TestAnUnansweredHintIsSentAgainAfterRetryPeriodAndTheFirstAnswerCounts(t *testing.T) {
	q := New(small())
	owe(q, 1, "a", write(1, "v"))
	first := q.Tick(at(0), everyone, nil)[0]
	if got := q.Tick(at(time.Second-1), everyone, nil); len(got) != 0 {
		t.Error("sent again too soon")
	}
	second := q.Tick(at(time.Second), everyone, nil)
	if len(second) != 1 {
		t.Fatal("not sent again")
	}
	if ack(q, at(time.Second), first, wire.OutcomeOK); q.OwedTo(1) != 0 {
		t.Error("over a path slower than RetryPeriod nothing would ever be delivered")
	}
}

func TestATargetThatIsNotReadyGetsOneWindowPerRetryPeriod(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 100)
	sent := 0
	for now := time.Duration(0); now < 10*time.Second; now += 5 * time.Millisecond {
		sends := q.Tick(at(now), everyone, nil)
		sent += len(sends)
		for _, s := range sends {
			if more := ack(q, at(now), s, wire.OutcomeNotReady); len(more) != 0 {
				t.Fatalf("an answer that it is not ready drew %q", keys(more))
			}
		}
	}
	if sent != 40 {
		t.Errorf("%d sends in ten periods, window 4", sent)
	}
}

func TestOneHintThatCannotBeTakenYetDoesNotHoldUpTheOthers(t *testing.T) {
	q := New(small())
	oweMany(q, 1, 50)
	for sends := q.Tick(at(0), everyone, nil); len(sends) > 0; sends = sends[1:] {
		o := wire.OutcomeOK
		if string(sends[0].Key) == "k00000" {
			o = wire.OutcomeAhead
		}
		sends = append(sends, ack(q, at(0), sends[0], o)...)
	}
	if q.OwedTo(1) != 1 {
		t.Errorf("%d owed, want the one that is ahead", q.OwedTo(1))
	}
}

func TestAnExpiredHintIsDroppedAndNotSent(t *testing.T) {
	q := New(small())
	set := write(1, "v")
	set.Deadline.At = wall + 1000
	owe(q, 1, "a", set)
	if got := q.Tick(at(999*time.Millisecond), nobody, nil); len(got) != 0 || q.OwedTo(1) != 1 {
		t.Error("gone before its deadline")
	}
	if got := q.Tick(at(time.Second), everyone, nil); len(got) != 0 || q.OwedTo(1) != 0 || q.Stats().Expired != 1 {
		t.Errorf("sent %q, %+v", keys(got), q.Stats())
	}
}

// I6 of the package: no call's work grows with the queue.
func TestACallLooksAtTwoWindowsHoweverManyHintsHaveExpired(t *testing.T) {
	q := New(small())
	for i := range 1000 {
		set := write(1, "v")
		set.Deadline.At = wall + 1
		owe(q, 1, fmt.Sprint(i), set)
	}
	owe(q, 1, "alive", write(1, "v"))
	var got []Send
	ticks := 0
	for ; len(got) == 0; ticks++ {
		before := q.OwedTo(1)
		got = q.Tick(at(time.Second), everyone, nil)
		if gone := before - q.OwedTo(1); gone > 8 {
			t.Fatalf("one tick looked at %d hints, two windows are 8", gone)
		}
	}
	if ticks != 126 || keys(got) != "alive" {
		t.Errorf("%q after %d ticks", keys(got), ticks)
	}
}

func TestForgetDropsWhatItsTargetNoLongerOwnsAndNothingElse(t *testing.T) {
	q := New(small())
	for target := uint64(1); target <= 2; target++ {
		for p := uint32(0); p < 3; p++ {
			q.Add(Owed{Target: target, Partition: p, Key: fmt.Append(nil, "k", p), Set: write(1, "v"), Must: true})
		}
	}
	flying := q.Tick(at(0), everyone, nil)
	q.Forget(func(target uint64, p uint32, _ string) bool { return target == 1 && p != 2 })
	if s := q.Stats(); q.OwedTo(1) != 1 || q.OwedTo(2) != 3 || s.Dropped != 2 {
		t.Errorf("owed %d and %d, %+v", q.OwedTo(1), q.OwedTo(2), s)
	}
	for _, s := range flying { // late answers to what is forgotten find nothing
		ack(q, at(1), s, wire.OutcomeOK)
	}
	if s := q.Stats(); s.Owed != 0 || s.Bytes != 0 || s.Delivered != 4 {
		t.Errorf("%+v", s)
	}
}

// I3 of the package. A hint of 1,000 bytes at 100,000 a second: one each 10 ms, ten after a silence.
func TestTheRateHoldsHoweverOftenTimePasses(t *testing.T) {
	for _, tick := range []time.Duration{time.Millisecond, 7 * time.Millisecond, 50 * time.Millisecond} {
		c := Config{BytesMax: 1 << 20, WindowMax: 64, Rate: 100_000, RetryPeriod: time.Second}
		q := New(c)
		for i := range 500 {
			key := fmt.Sprintf("%04d", i)
			owe(q, 1, key, write(1, strings.Repeat("x", 1000-entryOverhead-len(key))))
		}
		sent := 0
		for now := time.Duration(0); now <= 2*time.Second; now += tick {
			for sends := q.Tick(at(now), everyone, nil); len(sends) > 0; sends = sends[1:] {
				sent++
				sends = append(sends, ack(q, at(now), sends[0], wire.OutcomeOK)...)
			}
		}
		if sent < 205 || sent > 211 {
			t.Errorf("a tick each %v: %d hints in 2 s, want 200 and a tenth of a second's", tick, sent)
		}
	}
}

// A window of large values, unanswered while their target was away, must not all go out at once when it
// is back: that would break the link.
func TestRepeatsKeepToTheRateToo(t *testing.T) {
	c := Config{BytesMax: 1 << 30, WindowMax: 64, Rate: 10 << 20, RetryPeriod: time.Second}
	q := New(c)
	for i := range 64 {
		owe(q, 1, fmt.Sprint(i), write(1, strings.Repeat("x", 1<<20)))
	}
	sent := 0
	for now := time.Duration(0); now < 10*time.Second; now += 5 * time.Millisecond {
		sent += len(q.Tick(at(now), everyone, nil))
	}
	if sent < 64 {
		t.Fatalf("%d hints are on their way, want all", sent)
	}
	if back := len(q.Tick(at(time.Minute), everyone, nil)); back == 0 || back > 2 {
		t.Errorf("%d MiB at once, at 10 MiB a second", back)
	}
}

func TestAHugeHintIsSentAndPaidForAfterwards(t *testing.T) {
	c := Config{BytesMax: 64 << 20, WindowMax: 64, Rate: 1 << 20, RetryPeriod: time.Hour}
	q := New(c)
	owe(q, 1, "huge", write(1, strings.Repeat("x", 16<<20)))
	owe(q, 1, "next", write(1, "v"))
	if got := q.Tick(at(0), everyone, nil); keys(got) != "huge" {
		t.Fatalf("sent %q", keys(got))
	}
	if got := q.Tick(at(15*time.Second), everyone, nil); len(got) != 0 {
		t.Errorf("sent %q before 16 MiB were paid for", keys(got))
	}
	if got := q.Tick(at(16*time.Second), everyone, nil); keys(got) != "next" {
		t.Errorf("sent %q", keys(got))
	}
}

func TestAnEmptyLaneGoesButNotBeforeItHasPaid(t *testing.T) {
	c := small()
	c.Rate = 1000
	q := New(c)
	owe(q, 1, "a", write(1, strings.Repeat("x", 1000-entryOverhead-1)))
	ack(q, at(0), q.Tick(at(0), everyone, nil)[0], wire.OutcomeOK)
	owe(q, 1, "b", write(1, "v"))
	if q.Tick(at(800*time.Millisecond), everyone, nil); q.OwedTo(1) != 1 {
		t.Fatal("gone")
	}
	if got := q.Tick(at(900*time.Millisecond), everyone, nil); keys(got) != "b" {
		t.Fatalf("sent %q, want b: a cost 1,000 bytes, a second, a tenth of which was there", keys(got))
	}
	q.Forget(func(uint64, uint32, string) bool { return true })
	if q.Tick(at(time.Minute), everyone, nil); len(q.lanes) != 0 {
		t.Errorf("%d lanes of nothing", len(q.lanes))
	}
}

func TestHintsThatAreNotKeptLeaveNothingBehind(t *testing.T) { // I16
	c := small()
	c.BytesMax = entryOverhead + 2
	q := New(c)
	owe(q, 1, "a", write(1, "v"))
	for i := range uint64(1000) {
		q.Add(Owed{Target: i % 3, Partition: uint32(i % 16), Key: fmt.Append(nil, i), Set: write(1, "v")})
	}
	if len(q.lanes) != 1 || len(q.dirty) > 48 {
		t.Errorf("%d lanes, %d dirty partitions of three nodes' 16", len(q.lanes), len(q.dirty))
	}
	if q.Forget(func(target uint64, _ uint32, _ string) bool { return target > 0 }); len(q.dirty) > 16 {
		t.Errorf("%d dirty partitions of one node's 16", len(q.dirty))
	}
}

// entryOverhead is an estimate; a queue full of the smallest hints, and of hints with large contexts, must
// not take more of the heap than it says.
func TestBytesCoverTheHeapThatHintsTake(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, c := range []struct {
		hints, value, actors int
		log                  bool
	}{
		{hints: 1000},
		{hints: 29_000, value: 8},
		{hints: 30_000, value: 100, actors: 2},
		{hints: 57_000, value: 16},
		{hints: 100_000, value: 40, actors: 1},
		{hints: 30_000, value: 8, log: true},
	} {
		before := heap()
		q := New(Config{BytesMax: 1 << 30, WindowMax: 1, Rate: 1, RetryPeriod: 1, Log: c.log})
		set := write(1, strings.Repeat("x", c.value))
		for i := range c.actors {
			set.Context.Add(vclock.Dot{Actor: vclock.Actor{Node: uint64(i + 1)}, Stamp: 1})
		}
		for i := range c.hints {
			owe(q, uint64(i%2), fmt.Sprintf("key:%08d", i), set)
		}
		for target := range uint64(2) { // on disk, and about to be written again
			var j Journal
			q.Journal(1<<30, func(n uint64) bool { return n == target }, &j)
			for i := range j.Writes {
				q.Logged(&j.Writes[i], 1)
				q.Relog(target, 1, c.hints)
			}
		}
		took := heap() - before
		said := q.Stats().Bytes
		t.Logf("%d hints of %d bytes: %d bytes of heap each, %d counted", c.hints, c.value, took/int64(c.hints), said/int64(c.hints))
		if took > said {
			t.Errorf("%d hints take %d bytes of heap and count %d", c.hints, took, said)
		}
		runtime.KeepAlive(q)
	}
}

func TestValidateReturnsEveryProblemAtOnce(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := Config{WindowMax: -1}.Validate()
	if !errors.Is(err, ErrConfig) || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v: want four problems", err)
	}
}

func TestAddLeavesNoCountOut(t *testing.T) {
	var one, sum Stats
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		fields.Field(i).SetInt(int64(i) + 1)
	}
	if sum.Add(one); sum != one {
		t.Errorf("%+v added to nothing is %+v", one, sum)
	}
	if sum.Add(one); sum.Owed != 2*one.Owed || sum.Expired != 2*one.Expired {
		t.Errorf("%+v added twice is %+v", one, sum)
	}
}

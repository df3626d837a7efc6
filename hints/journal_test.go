package hints

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

func logging() Config {
	c := small()
	c.Log = true
	return c
}

func anywhere(uint64) bool { return true }

// pending is what a queue wants written for its only target.
func pending(q *Queue) *Write {
	var j Journal
	q.Journal(1<<20, anywhere, &j)
	if len(j.Writes) == 0 {
		return &Write{Target: 1}
	}
	return &j.Writes[0]
}

// written are the keys of a write's records.
func written(t *testing.T, w *Write) string {
	t.Helper()
	all, rest, err := records(w.Records)
	if err != nil || rest != 0 {
		t.Fatalf("%d bytes are no records: %v", rest, err)
	}
	var keys []string
	for _, r := range all {
		keys = append(keys, fmt.Sprintf("%s=%s", r.key, r.set.Value))
	}
	return strings.Join(keys, " ")
}

// portions are the segments that hints of a queue need.
func portions(q *Queue) string {
	var s []string
	q.EachPortion(func(target, segment uint64, bytes int64) { s = append(s, fmt.Sprint(target, "/", segment)) })
	return strings.Join(s, " ")
}

func TestAHintIsWrittenOnceAndAgainWhenItChanges(t *testing.T) {
	q := New(logging())
	owe(q, 1, "a", write(1, "x"))
	owe(q, 1, "b", write(1, "x"))
	owe(q, 1, "a", write(2, "y"))
	w := pending(q)
	if got := written(t, w); got != "a=y b=x" {
		t.Errorf("written is %q", got)
	}
	if q.Stats().Unlogged != 2 || q.OnDisk(1, []byte("a"), 1) {
		t.Errorf("on disk before anybody said so: %+v", q.Stats())
	}
	q.Logged(w, 3)
	if w := pending(q); len(w.Records) > 0 || q.Stats().Unlogged != 0 || !q.OnDisk(1, []byte("a"), 2) || q.OnDisk(1, []byte("a"), 3) {
		t.Errorf("then %q is, %+v", written(t, w), q.Stats())
	}
	owe(q, 1, "b", write(2, "y"))
	if w = pending(q); written(t, w) != "b=y" || portions(q) != "1/3" {
		t.Errorf("after a change %q, in %s", written(t, w), portions(q))
	}
	q.Logged(w, 4)
	if portions(q) != "1/3 1/4" {
		t.Errorf("needed are %s", portions(q))
	}
}

// The version that is on disk is needed there until the one that replaced it is, too: a crash between the two takes neither.
func TestWhatIsOnDiskIsNeededUntilWhatFollowsItIs(t *testing.T) {
	q := New(logging())
	owe(q, 1, "a", write(1, "x"))
	q.Logged(pending(q), 3)
	owe(q, 1, "a", write(2, "y"))
	w := pending(q)
	owe(q, 1, "a", write(3, "z")) // while that is being written
	q.Logged(w, 4)
	if portions(q) != "1/3" || written(t, pending(q)) != "a=z" {
		t.Errorf("needed are %s, to be written is %q", portions(q), written(t, pending(q)))
	}
	q.Logged(pending(q), 5)
	if portions(q) != "1/5" {
		t.Errorf("needed are %s", portions(q))
	}
}

func TestWhatIsDeliveredIsNeitherWrittenNorNeeded(t *testing.T) {
	q := New(logging())
	oweMany(q, 1, 3)
	sends := q.Tick(at(0), everyone, nil)
	w := pending(q)
	ack(q, at(0), sends[0], wire.OutcomeOK) // while it is being written
	q.Logged(w, 3)
	ack(q, at(0), sends[1], wire.OutcomeBehind)
	if portions(q) != "1/3" {
		t.Errorf("needed are %q", portions(q))
	}
	ack(q, at(0), sends[2], wire.OutcomeOK)
	if portions(q) != "" || len(pending(q).Records) > 0 {
		t.Errorf("needed are %q", portions(q))
	}
}

func TestAJournalTakesAboutWhatItIsAskedForAndOneHintAtLeast(t *testing.T) {
	q := New(logging())
	oweMany(q, 1, 100)
	oweMany(q, 2, 100)
	var j Journal
	q.Journal(1, anywhere, &j)
	if len(j.Writes) != 1 || written(t, &j.Writes[0]) != "k00000=v" {
		t.Errorf("%d writes", len(j.Writes))
	}
	j.Reset(0)
	q.Journal(1<<20, func(target uint64) bool { return target != 1 }, &j)
	if len(j.Writes) != 1 || j.Writes[0].Target != 2 || len(j.Writes[0].logged) != 100 {
		t.Errorf("where 1 has no room: %d writes", len(j.Writes))
	}
}

// Over the cap what need not be kept goes to disk alone, and comes back.
func TestWhatMemoryHasNoRoomForIsWrittenAndComesBack(t *testing.T) {
	c := logging()
	c.BytesMax = 20 * 1000
	q := New(c)
	kept := 0
	for i := range 30 {
		if owe(q, 1, fmt.Sprintf("k%02d", i), write(1, strings.Repeat("v", 400))) {
			kept++
		}
	}
	s := q.Stats()
	if s.Dropped == 0 || s.Bytes > c.BytesMax || s.Owed != kept || kept+int(s.Dropped) != 30 || !q.Dirty(1, 7) {
		t.Fatalf("%d kept: %+v", kept, s)
	}
	inMemory := q.OwedTo(1)
	if q.Add(Owed{Target: 1, Partition: 7, Key: []byte("must"), Set: write(1, strings.Repeat("v", 900)), Must: true}) {
		t.Error("what counts towards W is on disk alone")
	}
	w := pending(q)
	all, _, _ := records(w.Records)
	if len(all) != kept || w.Hints != kept-inMemory || w.Hints == 0 {
		t.Fatalf("%d written, %d of them in memory", len(all), inMemory)
	}
	q.Logged(w, 3)
	if s = q.Stats(); s.Owed != inMemory || s.Spilled != int64(w.Hints) || s.Unlogged != 0 || len(pending(q).Records) > 0 {
		t.Errorf("%+v, want the %d in memory", s, inMemory)
	}
	// They come back as soon as others have gone.
	spilled := all[inMemory:]
	load := func(r record) bool {
		return q.Load(Owed{Target: 1, Partition: 7, Key: []byte(r.key), Set: &r.set}, 3, 450)
	}
	for load(spilled[0]) {
		spilled = spilled[1:]
	}
	if q.Stats().Bytes > c.BytesMax {
		t.Errorf("%+v", q.Stats())
	}
	for _, x := range q.Tick(at(0), everyone, nil) {
		ack(q, at(0), x, wire.OutcomeOK)
	}
	if len(spilled) > 0 && !load(spilled[0]) {
		t.Error("no room after a delivery")
	}
}

func TestWhatComesBackIsMergedAndWrittenAgainOnlyIfThatChangedIt(t *testing.T) {
	q := New(logging())
	load := func(key string, stamp int, segment uint64) {
		set := write(5, "at five")
		if stamp != 5 {
			set = write(3, "at three")
		}
		if !q.Load(Owed{Target: 1, Partition: 7, Key: []byte(key), Set: set}, segment, 50) {
			t.Fatal("no room")
		}
	}
	load("a", 3, 8)
	load("a", 5, 9) // a later record of the same key
	if portions(q) != "1/9" || q.Stats().Unlogged != 0 || q.Stats().Restored != 1 {
		t.Errorf("needed are %s, %+v", portions(q), q.Stats())
	}
	load("a", 3, 8)
	if portions(q) != "1/9" {
		t.Errorf("needed are %s after an older record", portions(q))
	}
	owe(q, 1, "b", write(9, "newer"))
	load("b", 5, 8)
	if got := written(t, pending(q)); got != "b=newer" {
		t.Errorf("to be written is %q", got)
	}
}

func TestWhatIsWrittenAgainLeavesItsSegment(t *testing.T) {
	q := New(logging())
	oweMany(q, 1, 3)
	q.Logged(pending(q), 3)
	q.Relog(1, 3, 2)
	w := pending(q)
	if written(t, w) != "k00000=v k00001=v" || portions(q) != "1/3" {
		t.Errorf("written again is %q, needed %s", written(t, w), portions(q))
	}
	q.Logged(w, 4)
	q.Relog(1, 3, 2)
	q.Logged(pending(q), 4)
	if portions(q) != "1/4" {
		t.Errorf("needed are %s", portions(q))
	}
}

func TestALaneThatOnlySpilledStaysUntilThatIsWritten(t *testing.T) {
	c := logging()
	c.BytesMax = 4 * (entryOverhead + logOverhead + 2)
	q := New(c)
	for i := range 3 {
		owe(q, 1, fmt.Sprint(i), write(1, "v"))
	}
	if !owe(q, 2, "a", write(1, "v")) || q.OwedTo(2) != 0 {
		t.Fatalf("not spilled: %+v", q.Stats())
	}
	q.Tick(at(time.Hour), nobody, nil)
	var j Journal
	q.Journal(1<<20, anywhere, &j)
	if len(j.Writes) != 2 || written(t, &j.Writes[1]) != "a=v" {
		t.Fatalf("%d writes", len(j.Writes))
	}
	q.Logged(&j.Writes[1], 1)
	if q.Tick(at(2*time.Hour), nobody, nil); q.lane(2) != nil || q.Stats().Bytes != 3*(entryOverhead+logOverhead+2) {
		t.Errorf("%+v", q.Stats())
	}
}

func TestDebtsAreToldByTargetOverAllQueues(t *testing.T) {
	c := small()
	c.BytesMax = 3 * (entryOverhead + 2)
	one, other := New(c), New(c)
	written := write(vclock.StampAt(wall-5000), "v")
	owe(one, 1, "a", write(vclock.StampAt(wall-9000), "v"))
	owe(one, 2, "b", written)
	owe(one, 2, "c", write(vclock.StampAt(wall-7000), "v")) // came later
	owe(one, 2, "d", written)                               // has no room
	owe(other, 2, "e", written)
	ends := write(vclock.StampAt(wall-6000), "v")
	ends.Deadline.At = wall - 1
	owe(other, 3, "f", ends)
	for _, x := range one.Tick(at(0), func(n uint64) bool { return n == 1 }, nil) {
		ack(one, at(0), x, wire.OutcomeOK)
	}
	other.Tick(at(0), func(n uint64) bool { return n == 3 }, nil)
	got := other.AddDebts(one.AddDebts(nil))
	want := []Debt{
		{Target: 1, Delivered: 1},
		{Target: 2, Owed: 3, Bytes: 3 * (entryOverhead + 2), Oldest: wall - 5000, Dropped: 1},
		{Target: 3, Expired: 1},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestWhatIsOnDiskStaysThereUntilWhatItMetInMemoryIsWritten: the disk may be full, or the process end, before that.
func TestWhatIsOnDiskStaysThereUntilWhatItMetInMemoryIsWritten(t *testing.T) {
	concurrent := write(3, "newer")
	concurrent.Dot.Actor = vclock.Actor{Node: 9, Boot: 9}
	for what, newer := range map[string]*vclock.Set{"what has seen it": write(3, "newer"), "what has not": concurrent} {
		q := New(logging())
		owe(q, 1, "a", newer)
		older := write(2, "older")
		if !q.Load(Owed{Target: 1, Partition: 1, Key: []byte("a"), Set: older}, 7, 50) {
			t.Fatal("no room")
		}
		if got := portions(q); got != "1/7" {
			t.Errorf("%s is not on disk yet, and needed is %q", what, got)
		}
		if q.OnDisk(1, []byte("a"), 3) {
			t.Errorf("%s passes for written", what)
		}
		w := pending(q)
		q.Logged(w, 8)
		if got := portions(q); written(t, w) != "a=newer" || got != "1/8" {
			t.Errorf("%s: written is %q, then needed is %q", what, written(t, w), got)
		}
	}
}

package coordinator

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

func TestAnUnmeetableLevelIsATypedErrorThatSaysWhatToDo(t *testing.T) {
	three := []Peer{{Node: 1, Owner: true}, {Node: 2, Owner: true}, {Node: 3, Owner: true}, {Node: 4}}
	for _, c := range []struct {
		ask  Ask
		want UnmeetableError
		says string
	}{
		{Ask{Level: wire.LevelExplicit, Count: 4}, UnmeetableError{wire.LevelExplicit, 4, 3}, "lower the level or add nodes"},
		{Ask{Level: wire.LevelExplicit}, UnmeetableError{wire.LevelExplicit, 0, 3}, "start at 1"},
		{Ask{Level: wire.LevelLocalQuorum, Local: 1}, UnmeetableError{wire.LevelLocalQuorum, 1, 0}, "in this datacenter"},
	} {
		_, err := Resolve(c.ask, three)
		var e *UnmeetableError
		if !errors.As(err, &e) || *e != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.ask, err)
		}
	}
	if _, err := Resolve(Ask{Level: wire.LevelExplicit + 1}, three); !errors.Is(err, wire.ErrLevel) {
		t.Errorf("a level that does not exist: %v", err)
	}
}

func TestAQuorumErrorNamesWhoFailedAndHowToPeopleAndPrograms(t *testing.T) {
	s := newStage(t)
	s.says("peers n1 n2/down n3", "put k v of=2", "lost n3")
	err := s.answers[0].AsError()
	var e *wire.QuorumError
	if !errors.As(err, &e) || e.Want != 2 || e.Got != 0 || !e.Indeterminate || len(e.Failed) != 2 ||
		e.Failed[0] != (wire.Failure{Node: 2, Reason: wire.OutcomeDown}) || e.Failed[1] != (wire.Failure{Node: 3, Reason: wire.OutcomeDown}) {
		t.Fatalf("%+v", err)
	}
	if !strings.Contains(err.Error(), "0 of the 2 replies it needs; n2 down, n3 down") {
		t.Error(err)
	}
}

func TestAGatherAnswersWithTheLastPartInTheOrderOfTheKeysAndKeepsCopies(t *testing.T) {
	g := NewGather(7, 3, 1<<20)
	lent := []byte("last")
	if g.Add(2, &wire.Response{Status: wire.StatusOK, Stamp: 3, Value: lent, Deadline: 9}) {
		t.Error("whole after one of three")
	}
	copy(lent, "XXXX")
	failed := &wire.Error{Op: wire.OpGet, Text: "the first failure"}
	if g.Add(0, &wire.Response{Status: wire.StatusQuorum, Err: failed}) {
		t.Error("whole after two of three")
	}
	if !g.Add(1, &wire.Response{Status: wire.StatusNotFound, Forgotten: true, Err: &wire.Error{Text: "the second"}}) {
		t.Error("not whole after three of three")
	}
	r := g.Response()
	if r.Status != wire.StatusOK || r.ID != 7 || r.Err.Text != failed.Text || len(r.Items) != 3 {
		t.Fatalf("%+v", r)
	}
	if it := r.Items[2]; string(it.Value) != "last" || it.Stamp != 3 || it.Deadline != 9 || it.Status != wire.StatusOK {
		t.Errorf("%+v", it)
	}
	if !r.Items[1].Forgotten || r.Items[0].Status != wire.StatusQuorum {
		t.Errorf("%+v", r.Items)
	}
}

func TestAGatherLeavesOutValuesThatDoNotFitTheFrameAndSaysSo(t *testing.T) {
	g := NewGather(7, 2, gatherOverhead+2*itemOverhead+5)
	g.Add(0, &wire.Response{Status: wire.StatusOK, Value: []byte("12345")})
	g.Add(1, &wire.Response{Status: wire.StatusOK, Value: []byte("1")})
	r := g.Response()
	if string(r.Items[0].Value) != "12345" || r.Items[1].Status != wire.StatusTooLarge || r.Items[1].Value != nil || r.Err == nil {
		t.Errorf("%+v", r)
	}
}

// Invariant 5 at its edge: what no ceiling allows is waited for, not stamped; Clock.Next would panic.
func TestAStampFromTheEndOfTimeParksAWriteInsteadOfPanicking(t *testing.T) {
	s := newStage(t)
	s.says("put k v of=1")
	m := wire.Message{Kind: wire.KindStoreReply, ID: s.sent["n2"].ID, Outcome: wire.OutcomeSuperseded, Known: vclock.Dot{Stamp: ^vclock.Stamp(0)}}
	s.machine.Reply(&s.env, 2, &m)
	if out := s.drain(); !strings.Contains(out[len(out)-1], "parked") {
		t.Error(out)
	}
	s.wants("answer timeout", "tick 2s")
}

// Invariant 5 and I7: however many stamps are asked for in one millisecond, none lies above what is on disk.
func TestNoStampPassesTheCeiling(t *testing.T) {
	s := newStage(t)
	s.env.Ceiling = vclock.StampAt(s.env.Now.Wall) + stampMargin + 10
	issued := 0
	for range 3 * stampMargin {
		if stamp, ok := s.env.stamp(0); ok && stamp > s.env.Ceiling {
			t.Fatalf("%v is above %v", stamp, s.env.Ceiling)
		} else if ok {
			issued++
		}
	}
	if issued == 0 || s.eff.CeilingWanted <= s.env.Ceiling {
		t.Errorf("%d issued, a ceiling of %v wanted", issued, s.eff.CeilingWanted)
	}
}

func FuzzForwardSurvivesAnyResponse(f *testing.F) {
	whole := wire.AppendResponse(nil, &wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: wire.OpSet, Text: "text"}})
	f.Add(whole[wire.FrameHeader:])
	f.Add(whole[wire.FrameHeader : len(whole)-3])
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newStage(t)
		s.says("self n9", "forward k")
		s.machine.Reply(&s.env, 1, &wire.Message{Kind: wire.KindForwardReply, ID: s.sent["n1"].ID, Body: body})
		if s.drain(); s.machine.Done() != (len(s.answers) == 1) || !s.machine.Done() && s.sent["n2"].ID == 0 {
			t.Errorf("done %v, %d answers", s.machine.Done(), len(s.answers))
		}
	})
}

// steady is a request that starts over and over in one machine, with three owners of which two reply.
type steady struct {
	env     Env
	eff     Effects
	clock   vclock.Clock
	cfg     Config
	call    Call
	machine Machine
	replies [3]wire.Message
}

func newSteady(op wire.Op) *steady {
	s := &steady{clock: vclock.NewClock(0, 1), cfg: DefaultConfig()}
	s.env = Env{Self: vclock.Actor{Node: 1, Boot: 1}, Clock: &s.clock, Ceiling: vclock.StampAt(1 << 40), Config: &s.cfg, Eff: &s.eff}
	peers := []Peer{{Node: 1, Owner: true, Up: true}, {Node: 2, Owner: true, Up: true}, {Node: 3, Owner: true, Up: true}}
	q, err := Resolve(Ask{Level: wire.LevelQuorum}, peers)
	if err != nil {
		panic(err)
	}
	held := vclock.Set{
		Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: 1 << 20}, Value: bytes.Repeat([]byte("v"), 128),
		Context: vclock.Context{Seen: []vclock.Dot{{Actor: vclock.Actor{Node: 3, Boot: 1}, Stamp: 1 << 19}}},
	}
	s.call = Call{
		ID: stageID, Op: op, Key: []byte("a key of some length"), Value: held.Value, Quorum: q, Reads: q, Known: &held, Peers: peers,
		Until: time.Hour, Hedge: time.Millisecond,
	}
	m := wire.Message{ID: stageID | 1, Kind: wire.KindStoreReply}
	s.machine = new(Put)
	if op == wire.OpGet {
		m.Kind, m.Set = wire.KindFetchReply, held
		s.machine = new(Get)
	}
	for i := range s.replies {
		s.replies[i] = m
	}
	return s
}

func (s *steady) run() {
	s.machine.Start(&s.env, &s.call)
	for i := range s.replies {
		if !s.machine.Done() {
			s.machine.Reply(&s.env, uint64(i+1), &s.replies[i])
		}
	}
	if !s.machine.Done() || len(s.eff.Answers) != 1 || s.eff.Answers[0].Response.Status != wire.StatusOK {
		panic("no answer")
	}
	s.eff.Reset()
}

func TestRequestsAllocateNothingInMachinesThatAreUsedAgain(t *testing.T) {
	for _, op := range []wire.Op{wire.OpSet, wire.OpGet} {
		s := newSteady(op)
		if n := testing.AllocsPerRun(100, s.run); n != 0 {
			t.Errorf("%v: %v allocations", op, n)
		}
	}
}

func TestAMachineCountsTheMemoryItHolds(t *testing.T) {
	for _, op := range []wire.Op{wire.OpSet, wire.OpGet} {
		s := newSteady(op)
		s.run()
		if n := s.machine.Bytes(); n < len(s.call.Key)+len(s.call.Value) {
			t.Errorf("%v: %d bytes", op, n)
		}
	}
}

func BenchmarkPut(b *testing.B) { benchmarkSteady(b, wire.OpSet, b.N) }

func BenchmarkGet(b *testing.B) { benchmarkSteady(b, wire.OpGet, b.N) }

func benchmarkSteady(tb testing.TB, op wire.Op, n int) {
	tb.Helper()
	s := newSteady(op)
	if b, ok := tb.(*testing.B); ok {
		b.ReportAllocs()
		b.ResetTimer()
	}
	for range n {
		s.run()
	}
}

func TestBenchmarksRun(t *testing.T) {
	benchmarkSteady(t, wire.OpSet, 2)
	benchmarkSteady(t, wire.OpGet, 2)
}

package hints

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// shortLog is one whose files end soon.
func shortLog() LogConfig { return LogConfig{BytesMax: 10_000, TargetMax: 5_000, SegmentMax: 1_000} }

// wrote puts n bytes where the log wants them.
func wrote(t *testing.T, g *Log, target uint64, n int64) Place {
	t.Helper()
	p, ok := g.Place(target, n)
	if !ok {
		t.Fatalf("no room for %d bytes for %d", n, target)
	}
	g.Wrote(p, n)
	return p
}

func numbers(gone []Gone) (n []uint64) {
	for _, x := range gone {
		n = append(n, x.Segment)
	}
	return n
}

// needs is a queue that has hints in these segments.
func needs(segments ...uint64) func(uint64, uint64) bool {
	return func(_, segment uint64) bool { return slices.Contains(segments, segment) }
}

func TestBytesGoBehindEachOtherUntilASegmentIsFull(t *testing.T) {
	g := NewLog(shortLog())
	first, second := wrote(t, g, 1, 500), wrote(t, g, 1, 400)
	if !first.Fresh || first.Offset != HeaderBytes || second.Fresh || second.Segment != first.Segment || second.Offset != HeaderBytes+500 {
		t.Errorf("%+v, %+v", first, second)
	}
	third, other := wrote(t, g, 1, 500), wrote(t, g, 2, 5)
	if !third.Fresh || third.Segment == first.Segment || !other.Fresh || other.Segment == third.Segment {
		t.Errorf("%+v, %+v", third, other)
	}
	if bytes, segments := g.Size(); bytes != 1405+3*HeaderBytes || segments != 3 || g.BytesOf(2) != 5+HeaderBytes {
		t.Errorf("%d bytes in %d segments", bytes, segments)
	}
}

func TestNeitherATargetNorAllTogetherTakeMoreThanTheirCaps(t *testing.T) {
	g := NewLog(shortLog())
	for target := uint64(1); target < 6; target++ {
		for {
			p, ok := g.Place(target, 300)
			if !ok {
				break
			}
			g.Wrote(p, 300)
		}
		if n := g.BytesOf(target); n > shortLog().TargetMax {
			t.Errorf("%d takes %d", target, n)
		}
	}
	if n, _ := g.Size(); n > shortLog().BytesMax || n < shortLog().BytesMax-400 {
		t.Errorf("%d bytes", n)
	}
	g.Removed(g.Gone(needs(), func(uint64) bool { return false })[0])
	if _, ok := g.Place(1, 300); !ok {
		t.Error("no room where a segment has gone")
	}
}

func TestNothingIsWrittenBehindWhatTheDiskRefused(t *testing.T) {
	g := NewLog(shortLog())
	first := wrote(t, g, 1, 10)
	g.Fail(1)
	if p := wrote(t, g, 1, 10); !p.Fresh || p.Segment == first.Segment {
		t.Errorf("%+v", p)
	}
}

func TestASegmentGoesOnceNothingInItIsOwedOrUnread(t *testing.T) {
	g := NewLog(shortLog())
	nobody := func(uint64) bool { return false }
	for range 4 {
		wrote(t, g, 1, 900)
	}
	if gone := numbers(g.Gone(needs(2, 4), nobody)); !slices.Equal(gone, []uint64{1, 3}) {
		t.Errorf("gone are %v", gone)
	}
	g.Spilled(1, 2, 500)
	if gone := numbers(g.Gone(needs(), nobody)); !slices.Equal(gone, []uint64{1}) {
		t.Errorf("with the unread from 2 on, gone are %v", gone)
	}
	g.Skip(1, false)
	if gone := g.Gone(needs(), nobody); !slices.Equal(numbers(gone), []uint64{1, 2}) {
		t.Errorf("with the unread from 3 on, gone are %v", gone)
	}
	g.Skip(1, false)
	g.Skip(1, true)
	gone := g.Gone(needs(), nobody)
	if len(gone) != 4 || !gone[3].Damaged || !gone[3].Last || gone[2].Damaged {
		t.Errorf("gone are %+v, the last of them damaged", gone)
	}
	if p, _ := g.Place(1, 1); !p.Fresh || p.Segment != 5 {
		t.Errorf("the next bytes go to %+v, behind what goes", p)
	}
}

func TestWithATargetThatWasRemovedAllOfItsSegmentsGo(t *testing.T) {
	g := NewLog(shortLog())
	g.Found(1, 5, 700)
	g.Found(1, 3, 700)
	g.Found(2, 4, 700)
	gone := g.Gone(needs(3, 5), func(target uint64) bool { return target == 1 })
	if !slices.Equal(numbers(gone), []uint64{3, 5}) || !gone[0].Unread {
		t.Fatalf("gone are %+v", gone)
	}
	for _, x := range gone {
		g.Removed(x)
	}
	if got := g.Targets(nil); !slices.Equal(got, []uint64{2}) || g.BytesOf(1) != 0 {
		t.Errorf("left are %v", got)
	}
}

func TestWhatWasFoundIsReadFromTheFrontAndNeverWrittenTo(t *testing.T) {
	g := NewLog(shortLog())
	g.Found(1, 5, 300)
	g.Found(1, 3, 200)
	if segment, offset, left, ok := g.Unread(1); segment != 3 || offset != 0 || left != 200 || !ok || g.UnreadBytes(1) != 500 {
		t.Errorf("unread from %d of %d, %d bytes, %v", offset, segment, left, ok)
	}
	g.Read(1, 150)
	if segment, offset, left, _ := g.Unread(1); segment != 3 || offset != 150 || left != 50 || g.UnreadBytes(1) != 350 {
		t.Errorf("then from %d of %d, %d bytes", offset, segment, left)
	}
	if p := wrote(t, g, 1, 10); p.Segment != 6 {
		t.Errorf("written to %+v", p)
	}
	for range 3 {
		g.Skip(1, false)
	}
	if _, _, _, ok := g.Unread(1); ok || g.UnreadBytes(1) != 0 {
		t.Errorf("%d bytes are unread in the end", g.UnreadBytes(1))
	}
}

func TestTheOldestSegmentIsWrittenAgainWhenMostOfATrailIsDead(t *testing.T) {
	g := NewLog(shortLog())
	for range 4 {
		wrote(t, g, 1, 900)
	}
	if n, ok := g.Relog(1, 1000); ok {
		t.Errorf("segment %d of a trail that is not long", n)
	}
	if n, ok := g.Relog(1, 500); !ok || n != 1 {
		t.Errorf("segment %d, %v", n, ok)
	}
	g.Spilled(1, 2, HeaderBytes)
	if n, ok := g.Relog(1, 0); ok {
		t.Errorf("segment %d, though what follows is unread", n)
	}
	damaged := NewLog(shortLog())
	damaged.Found(1, 3, 100)
	damaged.Skip(1, true)
	if n, ok := damaged.Relog(1, 90); !ok || n != 3 {
		t.Errorf("segment %d, %v: want the damaged one", n, ok)
	}
}

func TestALogWithoutBoundsIsRefused(t *testing.T) {
	if err := DefaultLogConfig(1 << 30).Validate(); err != nil {
		t.Error(err)
	}
	err := (LogConfig{SegmentMax: -1}).Validate()
	if !errors.Is(err, ErrConfig) || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v: want three problems", err)
	}
}

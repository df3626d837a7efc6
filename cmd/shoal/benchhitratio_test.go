package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/bench"
)

func ratioPoint(trace string, entries int, held, shoal, lru, s3fifo, opt float64) bench.HitRatioPoint {
	return bench.HitRatioPoint{
		Trace: trace, SizePercent: 0.1, Entries: entries, Held: held, Requests: 1000,
		HitRatio: bench.HitRatios{Shoal: shoal, LRU: lru, S3FIFO: s3fifo, OPT: opt},
	}
}

func TestHitRatiosAreSummedAsPartsOfWhatIsPossible(t *testing.T) {
	s := summed([]bench.HitRatioPoint{
		ratioPoint("a", 10, 10, 0.4, 0.2, 0.3, 0.8),
		ratioPoint("nothing can be hit", 10, 10, 0, 0, 0, 0),
		ratioPoint("b", 10, 10, 0.1, 0.15, 0.2, 0.2),
	})
	near := func(got, want float64) bool { return math.Abs(got-want) < 1e-12 }
	if of := s.ofOPT; !near(of.Shoal, 0.5) || !near(of.LRU, 0.5) || !near(of.S3FIFO, 0.6875) || of.OPT != 1 || s.worst.Trace != "b" {
		t.Fatalf("%+v", s)
	}
	if s := summed([]bench.HitRatioPoint{ratioPoint("nothing", 10, 10, 0, 0, 0, 0)}); s.ofOPT != (bench.HitRatios{}) {
		t.Fatalf("%+v", s)
	}
}

func TestHitRatiosAreColouredByWhatTheyAreBetterThan(t *testing.T) {
	var b bytes.Buffer
	h := &hitRatios{tool: &tool{out: &b, colours: true}, points: []bench.HitRatioPoint{
		ratioPoint("best", 10, 10, 0.4, 0.2, 0.3, 0.8),
		ratioPoint("between", 10, 10, 0.25, 0.2, 0.3, 0.8),
		ratioPoint("worst", 1000, 1012, 0.19, 0.2, 0.3, 0.8),
		ratioPoint("fewer", 1000, 989.5, 0.25, 0.2, 0.3, 0.8),
	}}
	if err := h.show(style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\x1b[32m40.00%\x1b[0m", "  25.00%  ", "\x1b[31m19.00%\x1b[0m", "worst against LRU: -1.00 points, worst at 0.1%",
		"worst at 0.1%: the store held 1012.0 entries in the mean, not 1000:", "fewer at 0.1%: the store held 989.5 entries",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "warning"); n != 2 {
		t.Errorf("%d warnings in\n%s", n, b.String())
	}
}

func TestTheProgressOfHitRatiosIsThatOfAllTraces(t *testing.T) {
	h := &hitRatios{files: []string{"x/a.u64.gz", "x/b.gz"}}
	for want, at := range map[string][3]int64{
		"[------------------------------]  trace 1 of 2  3s  a": {0, 0, 0},
		"[#######-----------------------]  trace 1 of 2  3s  a": {0, 6, 12},
		"[######################--------]  trace 2 of 2  3s  b": {1, 2, 4},
	} {
		h.trace.Store(at[0])
		h.done.Store(at[1])
		h.total.Store(at[2])
		if got := h.progress(3 * time.Second); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

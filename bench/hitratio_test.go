package bench

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/storage"
)

func TestAStoreHoldsAsManyRecordsAsItIsFittedTo(t *testing.T) {
	ids, _ := numbered(generated(20_000))
	for _, c := range []struct {
		entries, valueBytes int
		spread              int // how far from that it ever was since it was full
	}{
		{10, HitRatioValueBytes, 0},
		{11, 5000, 0},
		{17, 300, 1},
		{33, HitRatioValueBytes, 1},
		{64, HitRatioValueBytes, 1},
		{100, HitRatioValueBytes, 2},
		{100, 5000, 1},
		{300, HitRatioValueBytes, 6},
		{1000, HitRatioValueBytes, 30},
	} {
		f, err := newFitted(ids, storage.Adaptive, c.entries, c.entries*9/10, c.valueBytes)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.run(t.Context())
		if off := r.held/float64(c.entries) - 1; err != nil || math.Abs(off) > 0.01 {
			t.Errorf("%+v: %.2f held: %v", c, r.held, err)
		}
		if r.least < c.entries-c.spread || r.most > c.entries+c.spread {
			t.Errorf("%+v: %d to %d held", c, r.least, r.most)
		}
	}
}

func TestAStoreThatIsNeverFullHoldsAll(t *testing.T) {
	ids, unique := numbered(generated(3000))
	f, err := newFitted(ids, storage.Adaptive, 2*unique, 10, 100)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.run(t.Context())
	if err != nil || r.hits != len(ids)-unique || r.held != float64(unique) {
		t.Fatalf("%+v, %v", r, err)
	}
}

// No cache hits more than OPT, and the store no less than the policy it is made of.
func TestTheStoreHitsAtLeastWhatItsPolicyDoes(t *testing.T) {
	trace := generated(30_000)
	var told []int
	cfg := HitRatioConfig{Trace: trace, Progress: func(done, total int) { told = append(told, done, total) }}
	r, err := HitRatio(t.Context(), cfg)
	if err != nil || r.Unique != Unique(trace) || len(r.Points) != 2 || !slices.Equal(r.LeftOut, []float64{0.1}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if want := []int{1, 8, 2, 8, 3, 8, 4, 8, 5, 8, 6, 8, 7, 8, 8, 8}; !slices.Equal(told, want) {
		t.Error(told)
	}
	for i, p := range r.Points {
		h := p.HitRatio
		if want := []int{r.Unique / 100, r.Unique / 10}[i]; p.Entries != want || p.Requests != len(trace) || math.Abs(p.Held/float64(want)-1) > 0.01 {
			t.Errorf("%+v", p)
		}
		if max(h.Shoal, h.LRU, h.S3FIFO) > h.OPT || h.OPT > 1-float64(r.Unique)/float64(len(trace)) {
			t.Errorf("more than can be: %+v", p)
		}
		if h.Shoal < h.S3FIFO-0.01 {
			t.Errorf("an exact S3-FIFO hits more: %+v", p)
		}
		if want := float64(lru(trace, p.Entries)) / float64(len(trace)); h.LRU != want {
			t.Errorf("%+v: LRU hits %f", p, want)
		}
	}
}

func TestHitRatiosDoNotDependOnHowManyWorkersThereAre(t *testing.T) {
	cfg := HitRatioConfig{Trace: generated(5000), SizesPercent: []float64{2, 100}, Workers: 1, GhostShare: 0.5, ValueBytes: 100}
	one, err := HitRatio(t.Context(), cfg)
	if err != nil || one.Points[1].HitRatio.OPT != one.Points[1].HitRatio.LRU {
		t.Fatalf("%+v, %v", one, err)
	}
	for _, workers := range []int{0, 3} {
		cfg.Workers = workers
		if got, err := HitRatio(t.Context(), cfg); err != nil || !reflect.DeepEqual(got, one) {
			t.Errorf("%d workers: %+v, %v, want %+v", workers, got, err, one)
		}
	}
}

func TestBadHitRatioConfigsAreRefusedWithAllThatIsWrong(t *testing.T) {
	for want, c := range map[string]HitRatioConfig{
		"a trace of 0 requests: use 1 to":         {},
		"size 101%: use more than 0":              {Trace: []uint64{1}, SizesPercent: []float64{1, 101}},
		"size NaN%: use more than 0":              {Trace: []uint64{1}, SizesPercent: []float64{math.NaN()}},
		"value bytes -1: use 1 to":                {Trace: []uint64{1}, ValueBytes: -1},
		"ghost share 1.5: use more than 0":        {Trace: []uint64{1}, GhostShare: 1.5},
		"workers -1: use 1 to":                    {Trace: []uint64{1}, Workers: -1},
		"entries of 16777216 bytes in all: at mo": {Trace: generated(8000), ValueBytes: 16 << 20, SizesPercent: []float64{10, 50}},
	} {
		_, err := HitRatio(t.Context(), c)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	_, err := HitRatio(t.Context(), HitRatioConfig{ValueBytes: -1, Workers: -1})
	if n := strings.Count(err.Error(), ErrConfig.Error()); n != 3 {
		t.Errorf("%d problems: %v", n, err)
	}
}

func TestATraceWithFewKeysHasNoPoints(t *testing.T) {
	r, err := HitRatio(t.Context(), HitRatioConfig{Trace: []uint64{1, 2, 3}})
	if err != nil || r.Unique != 3 || len(r.Points) != 0 || len(r.LeftOut) != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestHitRatiosEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := HitRatioConfig{Trace: generated(5000), Workers: 1, Progress: func(done, _ int) {
		if cancel(); done > 1 {
			t.Error("another cache was driven")
		}
	}}
	if _, err := HitRatio(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	ids, _ := numbered(cfg.Trace)
	f, err := newFitted(ids, storage.Adaptive, 10, 9, 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

package bench

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

func ok(q *wire.Request) *wire.Response { return &wire.Response{ID: q.ID} }

func TestOpenLoopSendsExactlyTheRequestsAskedFor(t *testing.T) {
	addr := node(t)
	for _, c := range []Config{
		{Conns: 3, Rate: 1e6, Requests: 1000},
		{Conns: 3, Rate: 1e6, Requests: 1000, Poisson: true, Depth: 2},
		{Conns: 50, Rate: 10, Requests: 1}, // the others need not wait for their turn
		{Conns: 2, Rate: 1e6, Requests: 1000, ReadShare: 0.3, ModifyShare: 0.3, Keys: 10, Load: true, Distribution: Distribution{Kind: Zipf}},
	} {
		c.Addrs = []string{addr}
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests != uint64(c.Requests) || r.Failed() != 0 || r.Loop != "open" || c.Load && r.Misses > 0 {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

func TestOpenLoopEndsWithItsDuration(t *testing.T) {
	r, err := Run(t.Context(), Config{Addrs: []string{fake(t, ok)}, Conns: 2, Rate: 1000, Warmup: 10 * time.Millisecond, Duration: 50 * time.Millisecond})
	if err != nil || r.Requests != 50 { // what is due within it, however long that takes
		t.Fatal(r.Requests, err)
	}
}

// A node that stops for a while is charged with all that was due meanwhile, though only one request was under way.
func TestLatenciesCountFromWhenRequestsWereDue(t *testing.T) {
	const pause, requests = 600 * time.Millisecond, 300
	var once sync.Once
	addr := fake(t, func(q *wire.Request) *wire.Response {
		once.Do(func() { <-time.After(pause) })
		return ok(q)
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Depth: 1, Rate: 500, Requests: requests})
	if err != nil || r.Requests != requests {
		t.Fatal(err, r.Requests)
	}
	if half := time.Duration(r.P50Micros) * time.Microsecond; half < pause/3 {
		t.Fatalf("half of the requests took less than %v: those that waited were not charged for it", half)
	}
	if late := time.Duration(r.Generator.LateMaxMicros) * time.Microsecond; late > pause*9/10 {
		t.Fatalf("the node's pause is called the generator's own: %v", late)
	}
}

func TestOpenLoopEndsWhenAConnectionBreaks(t *testing.T) {
	n := 0
	addr := fake(t, func(q *wire.Request) *wire.Response {
		if n++; n > 40 {
			return nil
		}
		return ok(q)
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Rate: 1e5, Requests: 1000})
	if err == nil || !strings.Contains(err.Error(), "broke") || r.Requests > 40 {
		t.Fatal(r.Requests, err)
	}
	addr = fake(t, func(*wire.Request) *wire.Response { return &wire.Response{ID: 1 << 40} })
	if _, err = Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Rate: 1, Requests: 2}); err == nil || !strings.Contains(err.Error(), "mixes up") {
		t.Fatal(err)
	}
}

func TestAsksComeOutInTheOrderOfTheirTimes(t *testing.T) {
	random := seeded()
	for n := range 40 {
		var h asks
		var want []int64
		for range n {
			due := random.Int64N(20)
			h.push(ask{due: due})
			want = append(want, due)
		}
		slices.Sort(want)
		var got []int64
		for len(h) > 0 {
			got = append(got, h[0].due)
			h.pop()
		}
		if !slices.Equal(got, want) {
			t.Fatal(got, want)
		}
	}
}

func TestTheAlarmWakesEveryoneAndNobodyEarly(t *testing.T) {
	l := newLoad(Config{}.withDefaults(), 1)
	a := newAlarm(l)
	defer a.stop()
	var mu sync.Mutex
	var woken []int
	var wg sync.WaitGroup
	begin := l.now() + int64(20*time.Millisecond)
	for i := range 5 {
		w := newWorker(l, i, newLink(&loopback{}, ""), nil)
		wg.Go(func() {
			due := begin + int64(i)*int64(20*time.Millisecond)
			if !a.wait(due, w) || l.now() < due {
				t.Errorf("worker %d was woken early", i)
			}
			mu.Lock()
			defer mu.Unlock()
			woken = append(woken, i)
		})
	}
	wg.Wait()
	if len(woken) != 5 {
		t.Fatal(woken)
	}
	w := newWorker(l, 0, newLink(&loopback{}, ""), nil)
	a.stop()
	if a.wait(begin+int64(time.Hour), w) {
		t.Fatal("a stopped alarm rang")
	}
	w.finish()
	if b := newAlarm(l); b.wait(begin+int64(time.Hour), w) {
		t.Fatal("the alarm rang for a worker that is done")
	} else {
		b.stop()
	}
}

func TestWarningsTellTheGeneratorFromTheCluster(t *testing.T) {
	for name, c := range map[string]struct {
		r    Report
		want []string
	}{
		"all well":                         {Report{Rate: 1000, PerSecond: 999, Requests: 1, P99Micros: 10_000, Generator: Generator{0.5, 0.4, 100, 500, 3000}}, nil},
		"late":                             {Report{Rate: 1000, PerSecond: 900, Requests: 1, P99Micros: 10_000, Generator: Generator{LateP99Micros: 2500}}, []string{"sent 2.5ms late"}},
		"late by what harms nobody":        {Report{P99Micros: 1000, Generator: Generator{LateP99Micros: 900}}, nil},
		"busy":                             {Report{Generator: Generator{ProcessorShare: 0.95}}, []string{"it took 95 % of its processors"}},
		"waiting":                          {Report{P99Micros: 5000, Generator: Generator{WaitP99Micros: 3000}}, []string{"waited 3ms or more for a thread"}},
		"starved":                          {Report{Rate: 1000, PerSecond: 999, Generator: Generator{StarvedShare: 0.7}}, []string{"no processor in 70 % of the time"}},
		"a closed loop beside its cluster": {Report{Generator: Generator{StarvedShare: 0.7}}, nil},
		"the cluster is slow":              {Report{Rate: 1000, PerSecond: 500, Requests: 1, P99Micros: 5_000_000}, []string{"the cluster answered 500 of the 1000"}},
		"failures before":                  {Report{FailedBefore: 3}, []string{"3 requests failed in the warm-up"}},
		"keys that are not there":          {Report{Keys: 9, FailedBefore: 3, Unloaded: 3}, []string{"3 of 9 keys could not be loaded"}},
	} {
		got := c.r.warn()
		if len(got) != len(c.want) || slices.ContainsFunc(got, func(w string) bool { return !strings.Contains(w, c.want[0]) }) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestQuantileOfBucketsIsTheirUpperBound(t *testing.T) {
	bounds := []float64{0, 1, 2, 4}
	for _, c := range []struct {
		counts []uint64
		q      float64
		want   float64
	}{{[]uint64{0, 0, 0}, 0.99, 0}, {[]uint64{99, 1, 0}, 0.99, 1}, {[]uint64{98, 2, 0}, 0.99, 2}, {[]uint64{0, 0, 5}, 0.5, 4}} {
		if got := quantile(c.counts, bounds, c.q); got != c.want {
			t.Errorf("%v: %g", c.counts, got)
		}
	}
}

// What the series says adds up to the report.
func TestSeriesAddUpToTheReport(t *testing.T) {
	told := 0
	cfg := Config{
		Addrs: []string{fake(t, ok)}, Conns: 2, Rate: 2000, Duration: 200 * time.Millisecond, second: 20 * time.Millisecond,
		Progress: func(p Progress) {
			if told++; p.Phase != "run" {
				t.Errorf("phase %q", p.Phase)
			}
		},
	}
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	sum, length, end := uint64(0), 0.0, 0.0
	for _, s := range r.Series {
		sum, length, end = sum+s.Requests, length+s.Length, s.End
	}
	if sum != r.Requests || r.Requests != 400 || len(r.Series) < 2 || length < end-1e-6 || length > end+1e-6 || told < len(r.Series) {
		t.Fatalf("%+v, told %d times", r, told)
	}
}

// The load of keys and the warm-up are no part of the series, which begins where requests begin to count.
func TestProgressIsToldOfEveryPhase(t *testing.T) {
	sec := int64(time.Second)
	now, begins := sec, int64(math.MaxInt64)
	r := &recorder{tally: newTally()}
	var told []Progress
	w := &watch{
		watched: watched{
			now: func() int64 { return now }, begins: func() int64 { return begins }, recorders: []*recorder{r}, phase: "run",
			progress: func(p Progress) { told = append(told, p) },
		},
		total: newTally(), last: newTally(), spare: newTally(),
	}
	w.gather()
	now, begins = 2*sec, 2*sec+sec/2
	w.gather()
	now = 3 * sec
	r.count(wire.OpGet, wire.StatusNotFound, now-5000, now)
	r.count(wire.OpSet, wire.StatusTimeout, now-9000, now)
	w.gather()
	now = 4 * sec
	r.count(wire.OpSet, wire.StatusOK, now-7000, now)
	w.gather()
	want := []Progress{
		{Phase: "load"},
		{Phase: "warm-up"},
		{"run", Seconds{End: 0.5, Length: 0.5, Requests: 2, Reads: 1, Misses: 1, Failed: 1, PerSecond: 4, P50Micros: 5, P99Micros: 9, MaxMicros: 9}},
		{"run", Seconds{End: 1.5, Length: 1, Requests: 1, PerSecond: 1, P50Micros: 7, P99Micros: 7, MaxMicros: 7}},
	}
	if !slices.Equal(told, want) || len(w.series) != 2 || w.total.reads.TotalCount()+w.total.writes.TotalCount() != 3 {
		t.Fatalf("%+v", told)
	}
}

// Whoever computes has run; the figures only grow.
func TestTheGeneratorSeesItsOwnEffort(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	before := effortNow()
	for end := effortNow(); end.processor-before.processor < 50*time.Millisecond; end = effortNow() {
		newZipf(zetaExact, 0.9)
	}
	after := effortNow()
	if g := after.since(before); g.ProcessorShare <= 0 || g.ProcessorShare > 1.01 || g.StarvedShare < 0 || g.StarvedShare >= 1 || after.ran <= before.ran {
		t.Fatalf("%+v", g)
	}
}

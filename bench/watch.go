package bench

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// Progress is how a run goes.
type Progress struct {
	Phase string // load, warm-up, run or replay
	Seconds
}

// Seconds is about a second of a run, its warm-up aside.
type Seconds struct {
	End       float64 `json:"end_s"` // since the requests count
	Length    float64 `json:"length_s"`
	Requests  uint64  `json:"requests"`
	Reads     uint64  `json:"reads"`
	Misses    uint64  `json:"misses"`
	Failed    uint64  `json:"failed"`
	PerSecond float64 `json:"requests_per_second"`
	P50Micros int64   `json:"p50_us"`
	P99Micros int64   `json:"p99_us"`
	MaxMicros int64   `json:"max_us"`
}

// watched is what a watch looks at.
type watched struct {
	now       func() int64 // in nanoseconds since the run began
	begins    func() int64 // when requests count; math.MaxInt64: not known yet
	recorders []*recorder
	phase     string // once requests count
	second    time.Duration
	progress  func(Progress) // may be nil
}

// watch gathers what the recorders hold, second by second, while a run goes on.
type watch struct {
	watched
	total   *tally
	last    *tally // what the last second brought
	spare   *tally
	series  []Seconds
	until   int64 // what came before is in the series
	began   effort
	counted bool // requests do by now
	quit    chan struct{}
	ended   chan struct{}
}

func newWatch(of watched) *watch {
	w := &watch{
		watched: of, total: newTally(), last: newTally(), spare: newTally(), began: effortNow(),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.look()
	return w
}

// look gathers every second until the run is over.
func (w *watch) look() {
	defer close(w.ended)
	tick := time.NewTicker(w.second)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
			w.gather()
		}
	}
}

// gather adds what was counted since it was called last, as another entry of the series.
func (w *watch) gather() {
	now, begins := w.now(), w.begins()
	w.last.reset()
	for _, r := range w.recorders {
		w.spare.reset()
		w.spare = r.take(w.spare)
		w.last.add(w.spare)
	}
	w.total.add(w.last)
	p := Progress{Phase: w.phase}
	switch {
	case begins == math.MaxInt64:
		p.Phase = "load"
	case now < begins:
		p.Phase = "warm-up"
	default:
		if !w.counted {
			w.counted, w.until = true, begins
		}
		p.Seconds = w.last.seconds(w.until-begins, now-begins)
		w.until = now
		w.series = append(w.series, p.Seconds)
	}
	if w.progress != nil {
		w.progress(p)
	}
}

// seconds is what t counted between two times since the requests count.
func (t *tally) seconds(from, to int64) Seconds {
	both := newTally().reads
	both.Merge(t.reads)
	both.Merge(t.writes)
	s := Seconds{
		End: time.Duration(to).Seconds(), Length: time.Duration(to - from).Seconds(),
		Requests: uint64(both.TotalCount()), Reads: uint64(t.reads.TotalCount()), Misses: t.misses, Failed: t.failures(),
		P50Micros: both.ValueAtQuantile(50), P99Micros: both.ValueAtQuantile(99), MaxMicros: both.Max(),
	}
	if s.Length > 0 {
		s.PerSecond = float64(s.Requests) / s.Length
	}
	return s
}

// end stops the watch, and returns what the generator took meanwhile. The total and the series are whole then.
func (w *watch) end() Generator {
	close(w.quit)
	<-w.ended
	w.gather()
	return effortNow().since(w.began)
}

// effort is what the generator took of the machine until a moment.
type effort struct {
	at        time.Time
	processor time.Duration
	told      bool
	ran       time.Duration             // of its threads, where the system tells
	starved   time.Duration             // that they could have run, likewise
	waits     *metrics.Float64Histogram // seconds that goroutines waited for a processor
}

func effortNow() effort {
	waits := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(waits)
	e := effort{at: time.Now()}
	e.processor, e.told = processorTime()
	e.ran, e.starved = threadTimes()
	if waits[0].Value.Kind() == metrics.KindFloat64Histogram {
		e.waits = waits[0].Value.Float64Histogram()
	}
	return e
}

// since is what was taken from an earlier moment on.
func (e effort) since(b effort) (g Generator) {
	if took := e.at.Sub(b.at).Seconds(); e.told && took > 0 {
		g.ProcessorShare = (e.processor - b.processor).Seconds() / took / float64(runtime.GOMAXPROCS(0))
	}
	if ran, starved := e.ran-b.ran, e.starved-b.starved; ran > 0 && starved > 0 {
		g.StarvedShare = starved.Seconds() / (ran + starved).Seconds()
	}
	if e.waits != nil && b.waits != nil {
		counts := make([]uint64, len(e.waits.Counts))
		for i, n := range e.waits.Counts {
			counts[i] = n - b.waits.Counts[i]
		}
		g.WaitP99Micros = int64(quantile(counts, e.waits.Buckets, 0.99) * 1e6)
	}
	return g
}

// quantile is the upper bound of the bucket in which a share q of the counts is reached; the last finite one at most.
func quantile(counts []uint64, bounds []float64, q float64) float64 {
	total, sum := uint64(0), uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	for i, n := range counts {
		if sum += n; float64(sum) >= q*float64(total) {
			if math.IsInf(bounds[i+1], 1) {
				return bounds[i]
			}
			return bounds[i+1]
		}
	}
	return 0
}

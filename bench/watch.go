package bench

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// Progress is how a run goes.
type Progress struct {
	Phase string // load, warm-up or run
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

// watch gathers what the recorders hold, second by second, while a run goes on.
type watch struct {
	*run
	total   *tally
	second  *tally
	spare   *tally
	series  []Seconds
	until   int64 // what came before is in the series
	began   effort
	counted bool // began was taken
	quit    chan struct{}
	ended   chan struct{}
}

func newWatch(r *run) *watch {
	w := &watch{run: r, total: newTally(), second: newTally(), spare: newTally(), quit: make(chan struct{}), ended: make(chan struct{})}
	w.began = effortNow()
	go w.look()
	return w
}

// look gathers every second until the run is over.
func (w *watch) look() {
	defer close(w.ended)
	tick := time.NewTicker(w.cfg.second)
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
	now, begins := w.now(), w.begins.Load()
	w.second.reset()
	for _, r := range w.recorders {
		w.spare.reset()
		w.spare = r.take(w.spare)
		w.second.add(w.spare)
	}
	w.total.add(w.second)
	p := Progress{Phase: "run"}
	switch {
	case begins == math.MaxInt64:
		p.Phase = "load"
	case now < begins:
		p.Phase = "warm-up"
	default:
		if !w.counted {
			w.counted, w.until = true, begins
		}
		p.Seconds = w.second.seconds(w.until-begins, now-begins)
		w.until = now
		w.series = append(w.series, p.Seconds)
	}
	if w.cfg.Progress != nil {
		w.cfg.Progress(p)
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

// end stops the watch and reports.
func (w *watch) end() Report {
	close(w.quit)
	<-w.ended
	w.gather()
	return newReport(&w.cfg, w.total, w.series, w.begins.Load(), effortNow().since(w.began))
}

// effort is what the generator took of the machine until a moment.
type effort struct {
	at        time.Time
	processor time.Duration
	told      bool
	waits     *metrics.Float64Histogram // seconds that goroutines waited for a processor
}

func effortNow() effort {
	waits := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(waits)
	e := effort{at: time.Now()}
	e.processor, e.told = processorTime()
	if waits[0].Value.Kind() == metrics.KindFloat64Histogram {
		e.waits = waits[0].Value.Float64Histogram()
	}
	return e
}

// since is what was taken from an earlier moment on: the share of the processors the generator may use, and what one in
// a hundred waits for one came to.
func (e effort) since(b effort) (g Generator) {
	if took := e.at.Sub(b.at).Seconds(); e.told && took > 0 {
		g.ProcessorShare = (e.processor - b.processor).Seconds() / took / float64(runtime.GOMAXPROCS(0))
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

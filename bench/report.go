package bench

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/shoalcache/shoal/wire"
)

// Report is what a run measured, its load of keys and its warm-up aside. In JSON names carry their unit and are kept
// once given.
type Report struct {
	Conns        int     `json:"conns"`
	Depth        int     `json:"depth"`
	ValueBytes   int     `json:"value_bytes"`               // on average
	Loop         string  `json:"loop"`                      // closed or open
	Rate         float64 `json:"rate_per_second,omitempty"` // open loop: of requests that were due
	Keys         int     `json:"keys"`
	Distribution string  `json:"distribution"`
	Seconds      float64 `json:"seconds"`   // from the first request that counts to the last answer
	Requests     uint64  `json:"requests"`  // answered, whatever the answer
	Reads        uint64  `json:"reads"`     // of Requests
	Writes       uint64  `json:"writes"`    // of Requests
	Misses       uint64  `json:"misses"`    // of Reads: answered, with nothing found
	HitRatio     float64 `json:"hit_ratio"` // of the reads that did not fail
	PerSecond    float64 `json:"requests_per_second"`
	P50Micros    int64   `json:"p50_us"` // of all requests; one minute is the most
	P99Micros    int64   `json:"p99_us"`
	P999Micros   int64   `json:"p99_9_us"`
	MaxMicros    int64   `json:"max_us"`

	Read  Latency `json:"read_latency"`
	Write Latency `json:"write_latency"`

	// Errors are the failed requests, by status; nil if there were none.
	Errors map[string]uint64 `json:"errors,omitempty"`
	// Indeterminate are those of Errors that were writes which may have happened.
	Indeterminate uint64 `json:"indeterminate_writes"`
	// FailedBefore are requests that failed while keys were loaded, or in the warm-up.
	FailedBefore uint64    `json:"failed_before"`
	Unloaded     uint64    `json:"keys_unloaded"`      // of FailedBefore: keys that could not be loaded
	Verified     *Verified `json:"verified,omitempty"` // with Config.Verify
	Generator    Generator `json:"generator"`
	Warnings     []string  `json:"warnings,omitempty"` // what keeps these figures from being the cluster's
	Series       []Seconds `json:"series"`
}

// Latency is that of one kind of request. In a closed loop it counts from when a request was sent, in an open loop from
// when it was due.
type Latency struct {
	Count      int64   `json:"count"`
	MeanMicros float64 `json:"mean_us"`
	P50Micros  int64   `json:"p50_us"`
	P90Micros  int64   `json:"p90_us"`
	P99Micros  int64   `json:"p99_us"`
	P999Micros int64   `json:"p99_9_us"`
	MaxMicros  int64   `json:"max_us"`
}

// Verified is what the values that were read turned out to be, those of the warm-up too.
type Verified struct {
	Reads   uint64 `json:"reads"`   // that found a value
	Stale   uint64 `json:"stale"`   // it was older than one acknowledged before the read began
	Corrupt uint64 `json:"corrupt"` // its checksum was wrong
	Foreign uint64 `json:"foreign"` // it was another key's or run's, or was never written
}

// Bad is how many values should not have been found.
func (v *Verified) Bad() uint64 {
	if v == nil {
		return 0
	}
	return v.Stale + v.Corrupt + v.Foreign
}

// Generator is what the generator says of itself: in all of a run, its load of keys and warm-up included.
type Generator struct {
	ProcessorShare float64 `json:"processor_share"` // of the processors it may use; 0 where the system does not tell
	StarvedShare   float64 `json:"starved_share"`   // of the time its threads could have run, the part in which others had the processors; likewise
	WaitP99Micros  int64   `json:"wait_p99_us"`     // that its goroutines waited for a thread
	LateP99Micros  int64   `json:"late_p99_us"`     // open loop: that it sent late, though nothing held it up
	LateMaxMicros  int64   `json:"late_max_us"`
}

// newReport is what t counted since begins; both times are in nanoseconds since the run began.
func newReport(cfg *Config, t *tally, series []Seconds, begins int64, g Generator) Report {
	r := Report{
		Conns: cfg.Conns, Depth: cfg.Depth, ValueBytes: int(math.Round(newSizes(cfg.Sizes).mean())), Loop: "closed", Rate: cfg.Rate,
		Keys: cfg.Keys, Distribution: cfg.Kind,
		Reads: uint64(t.reads.TotalCount()), Writes: uint64(t.writes.TotalCount()), Misses: t.misses,
		Read: latency(t.reads), Write: latency(t.writes), Indeterminate: t.unsure, FailedBefore: t.failedBefore, Unloaded: t.unloaded,
		Generator: g, Series: series,
	}
	if cfg.Rate > 0 {
		r.Loop = "open"
	}
	r.Requests, r.HitRatio = r.Reads+r.Writes, t.hitRatio()
	if r.Requests > 0 {
		r.Seconds = time.Duration(t.last - begins).Seconds()
	}
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Requests) / r.Seconds
	}
	both := newTally().reads
	both.Merge(t.reads)
	both.Merge(t.writes)
	all := latency(both)
	r.P50Micros, r.P99Micros, r.P999Micros, r.MaxMicros = all.P50Micros, all.P99Micros, all.P999Micros, all.MaxMicros
	r.Errors = t.errors()
	if v := t.verdicts; cfg.Verify {
		r.Verified = &Verified{Reads: v[fresh] + v[stale] + v[corrupt] + v[foreign], Stale: v[stale], Corrupt: v[corrupt], Foreign: v[foreign]}
	}
	r.Generator.LateP99Micros, r.Generator.LateMaxMicros = t.late.ValueAtQuantile(99), t.late.Max()
	r.Warnings = r.warn()
	return r
}

// hitRatio is the share of the reads that found something, of those that did not fail.
func (t *tally) hitRatio() float64 {
	answered := uint64(t.reads.TotalCount()) - t.failedReads
	if answered == 0 {
		return 0
	}
	return float64(answered-t.misses) / float64(answered)
}

// errors are the failed requests by status; nil if there were none.
func (t *tally) errors() (by map[string]uint64) {
	for s, n := range t.failed {
		if n == 0 {
			continue
		}
		if by == nil {
			by = map[string]uint64{}
		}
		by[statusName(wire.Status(s))] = n
	}
	return by
}

func latency(h *hdrhistogram.Histogram) Latency {
	l := Latency{Count: h.TotalCount()}
	if l.Count == 0 {
		return l
	}
	l.MeanMicros = h.Mean()
	l.P50Micros, l.P90Micros, l.P99Micros = h.ValueAtQuantile(50), h.ValueAtQuantile(90), h.ValueAtQuantile(99)
	l.P999Micros, l.MaxMicros = h.ValueAtQuantile(99.9), h.Max()
	return l
}

// What a generator may do before its figures are no longer the cluster's.
const (
	lateShare      = 0.2  // of the 99th percentile that may be its own lateness
	waitShare      = 0.5  // of it that its goroutines may have waited for a thread
	starvedShare   = 0.5  // of the time it could have run that it may get no processor
	processorShare = 0.9  // of its processors that it may take
	rateShare      = 0.99 // of the rate that should be answered
	warnMicros     = 1000 // lateness and waits of less harm nobody
)

// warn says what keeps the figures from being the cluster's.
func (r *Report) warn() (warnings []string) {
	add := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	g := &r.Generator
	micros := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	over := func(n int64, share float64) bool {
		return n > warnMicros && float64(n) > share*float64(r.P99Micros)
	}
	bound := true
	switch {
	case over(g.LateP99Micros, lateShare):
		add("the generator is the bottleneck: one request in a hundred was sent %v late or more, and nothing of the cluster's held it up: use a lower rate, fewer connections, or another machine",
			micros(g.LateP99Micros))
	case g.ProcessorShare > processorShare:
		add("the generator is the bottleneck: it took %.0f %% of its processors: use fewer requests, or more machines that send them", 100*g.ProcessorShare)
	case over(g.WaitP99Micros, waitShare):
		add("the generator is the bottleneck: one of its goroutines in a hundred waited %v or more for a thread, which latencies include: use fewer connections, or another machine",
			micros(g.WaitP99Micros))
	case r.Rate > 0 && g.StarvedShare > starvedShare: // a closed loop beside its cluster always is, and claims no more than that
		add("the generator got no processor in %.0f %% of the time it wanted one, which latencies include: what else runs here, perhaps the cluster, had them: use a lower rate or another machine",
			100*g.StarvedShare)
	default:
		bound = false
	}
	if r.Rate > 0 && !bound && r.Requests > 0 && r.PerSecond < rateShare*r.Rate {
		add("the cluster answered %.0f of the %.0f requests a second that were due: latencies grow with the length of the run", r.PerSecond, r.Rate)
	}
	if r.Unloaded > 0 {
		add("%d of %d keys could not be loaded: reads of them miss", r.Unloaded, r.Keys)
	}
	if warming := r.FailedBefore - r.Unloaded; warming > 0 {
		add("%d requests failed in the warm-up, before any was counted", warming)
	}
	return warnings
}

// Failed is how many requests failed, for whatever reason.
func (r *Report) Failed() uint64 {
	n := uint64(0)
	for _, k := range r.Errors {
		n += k
	}
	return n
}

var statusNames = map[wire.Status]string{
	wire.StatusBadRequest: "bad_request", wire.StatusTooLarge: "too_large", wire.StatusQuorum: "quorum", wire.StatusTimeout: "timeout",
	wire.StatusOverloaded: "overloaded", wire.StatusNotReady: "not_ready", wire.StatusInternal: "internal",
	wire.StatusOutOfMemory: "out_of_memory",
}

func statusName(s wire.Status) string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status_%d", s)
}

package bench

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/shoalcache/shoal/wire"
)

// Report is what a run measured, its warm-up aside. In JSON names carry their unit and are kept once given.
type Report struct {
	Conns      int     `json:"conns"`
	Depth      int     `json:"depth"`
	ValueBytes int     `json:"value_bytes"`
	Seconds    float64 `json:"seconds"`  // from the first request that counts to the last answer
	Requests   uint64  `json:"requests"` // answered, whatever the answer
	Reads      uint64  `json:"reads"`    // of Requests
	Writes     uint64  `json:"writes"`   // of Requests
	Misses     uint64  `json:"misses"`   // of Reads: answered, with nothing found
	PerSecond  float64 `json:"requests_per_second"`
	P50Micros  int64   `json:"p50_us"` // each request counts with the time its batch took; one minute is the most
	P99Micros  int64   `json:"p99_us"`
	P999Micros int64   `json:"p99_9_us"`
	MaxMicros  int64   `json:"max_us"`

	// Errors are the failed requests, by status; nil if there were none.
	Errors map[string]uint64 `json:"errors,omitempty"`
}

// newReport adds up what workers measured since began.
func newReport(cfg Config, workers []*worker, began time.Time) Report {
	r := Report{Conns: cfg.Conns, Depth: cfg.Depth, ValueBytes: cfg.ValueBytes}
	all := hdrhistogram.New(1, latencyMax.Microseconds(), 3)
	last := began
	for _, w := range workers {
		all.Merge(w.latency)
		r.Reads += w.reads
		r.Writes += w.writes
		r.Misses += w.misses
		if w.last.After(last) {
			last = w.last
		}
		for s, n := range w.failed {
			if n == 0 {
				continue
			}
			if r.Errors == nil {
				r.Errors = map[string]uint64{}
			}
			r.Errors[statusName(wire.Status(s))] += n
		}
	}
	r.Requests = r.Reads + r.Writes
	if r.Seconds = last.Sub(began).Seconds(); r.Seconds > 0 {
		r.PerSecond = float64(r.Requests) / r.Seconds
	}
	r.P50Micros = all.ValueAtQuantile(50)
	r.P99Micros = all.ValueAtQuantile(99)
	r.P999Micros = all.ValueAtQuantile(99.9)
	r.MaxMicros = all.Max()
	return r
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
}

func statusName(s wire.Status) string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status_%d", s)
}

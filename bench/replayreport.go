package bench

import "time"

// ReplayReport is what a replay measured. In JSON names carry their unit and are kept once given.
type ReplayReport struct {
	Conns         int               `json:"conns"`
	Window        int               `json:"window"`
	ValueBytes    int               `json:"value_bytes"`
	Seconds       float64           `json:"seconds"`
	Requests      uint64            `json:"requests"` // of the trace, answered
	Unique        int               `json:"unique_keys"`
	Hits          uint64            `json:"hits"`
	Misses        uint64            `json:"misses"`
	HitRatio      float64           `json:"hit_ratio"` // of the lookups that did not fail
	Sets          uint64            `json:"sets"`      // of what was missed
	FailedGets    uint64            `json:"failed_gets"`
	FailedSets    uint64            `json:"failed_sets"`
	PerSecond     float64           `json:"requests_per_second"`
	Get           Latency           `json:"get_latency"`
	Set           Latency           `json:"set_latency"`
	Errors        map[string]uint64 `json:"errors,omitempty"` // gets and sets that failed, by status
	Indeterminate uint64            `json:"indeterminate_writes"`
	Generator     Generator         `json:"generator"`
	Series        []Seconds         `json:"series"` // its requests are gets and sets
}

// newReplayReport is what t counted since begins.
func newReplayReport(cfg *ReplayConfig, t *tally, series []Seconds, begins int64, g Generator) ReplayReport {
	r := ReplayReport{
		Conns: cfg.Conns, Window: cfg.Window, ValueBytes: cfg.ValueBytes, Unique: Unique(cfg.Trace),
		Requests: uint64(t.reads.TotalCount()), Misses: t.misses, HitRatio: t.hitRatio(), Sets: uint64(t.writes.TotalCount()),
		Get: latency(t.reads), Set: latency(t.writes), Errors: t.errors(), Indeterminate: t.unsure, Generator: g, Series: series,
	}
	r.FailedGets, r.FailedSets = t.failedReads, t.failures()-t.failedReads
	r.Hits = r.Requests - r.FailedGets - r.Misses
	if r.Requests > 0 {
		r.Seconds = time.Duration(t.last - begins).Seconds()
	}
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Requests) / r.Seconds
	}
	return r
}

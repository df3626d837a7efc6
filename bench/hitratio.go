package bench

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// HitRatioConfig is one comparison of the store with exact caches, all within this process. The zero value of a field means
// its default, where it has one.
type HitRatioConfig struct {
	Trace        []uint64       // keys, in the order in which they are looked up; see ReadTrace
	SizesPercent []float64      // sizes of the caches, of the trace's different keys; default 0.1, 1 and 10
	ValueBytes   int            // of what the store is given on a miss; default 990. The smaller, the more of the store its index takes
	GhostShare   float64        // ghosts that the store has room for, as a part of the entries, up to 1; default 0.9, as Yang et al. have it
	Policy       storage.Policy // of the store; default storage.Adaptive. storage.None is no cache
	Workers      int            // caches that are driven at once; default: one for each processor

	// Progress is called when a cache is through, from one goroutine at a time, and must not block. Default: nobody is told.
	Progress func(done, total int)
}

// HitRatioReport is what the caches hit of one trace.
type HitRatioReport struct {
	Unique  int             // different keys of the trace
	Points  []HitRatioPoint // by size, as configured
	LeftOut []float64       // sizes in percent that are fewer than HitRatioEntriesMin entries
}

// HitRatioPoint is what caches of one size hit. In JSON names carry their unit and are kept once given.
type HitRatioPoint struct {
	Trace       string    `json:"trace"` // its name; for who compares several
	SizePercent float64   `json:"size_percent"`
	Entries     int       `json:"entries"`
	Held        float64   `json:"entries_held"` // by the store, in the mean since it was full
	Requests    int       `json:"requests"`
	HitRatio    HitRatios `json:"hit_ratio"`
}

// HitRatios are parts of the requests, 0 to 1.
type HitRatios struct {
	Shoal  float64 `json:"shoal"`
	LRU    float64 `json:"lru"`
	S3FIFO float64 `json:"s3fifo"`
	OPT    float64 `json:"opt"` // no cache hits more
}

// HitRatioValueBytes is the size of the values that the store is given unless told otherwise: a record has just under 1 KiB
// then, so that segments are filled to their ends, and about fifteen times what index and ghosts take beside it.
const HitRatioValueBytes = 990

// HitRatioEntriesMin is the smallest cache that is compared: in a smaller one a single entry makes too much.
const HitRatioEntriesMin = 10

// hitRatioBytesMax bounds what the records of all stores together take.
const hitRatioBytesMax = 4 << 30

// Validate returns every problem at once, each wrapping ErrConfig; defaults are filled in first.
func (c HitRatioConfig) Validate() error {
	c = c.withDefaults()
	var p problems
	p.between("value bytes", c.ValueBytes, 1, wire.DefaultLimits().Value)
	p.between("workers", c.Workers, 1, math.MaxInt)
	if !(c.GhostShare > 0 && c.GhostShare <= 1) {
		p.add("ghost share %g: use more than 0, up to 1", c.GhostShare)
	}
	for _, percent := range c.SizesPercent {
		if !(percent > 0 && percent <= 100) {
			p.add("size %g%%: use more than 0, up to 100", percent)
		}
	}
	if c.Policy == storage.None {
		p.add("policy %s: a store that evicts nothing is no cache; use another", c.Policy)
	}
	if len(c.Trace) == 0 || len(c.Trace) > TraceMax {
		p.add("a trace of %d requests: use 1 to %d", len(c.Trace), TraceMax)
	}
	return errors.Join(p...)
}

func (c HitRatioConfig) withDefaults() HitRatioConfig {
	if len(c.SizesPercent) == 0 {
		c.SizesPercent = []float64{0.1, 1, 10}
	}
	if c.ValueBytes == 0 {
		c.ValueBytes = HitRatioValueBytes
	}
	if c.GhostShare == 0 {
		c.GhostShare = 0.9
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	return c
}

// HitRatio puts a trace through the store that ships, and through exact caches, at several sizes, and reports what each
// hit. A request looks its key up, and puts it where it is missing. Equal configs give equal reports; the error says that ctx
// ended, or wraps ErrConfig.
func HitRatio(ctx context.Context, cfg HitRatioConfig) (HitRatioReport, error) {
	if err := cfg.Validate(); err != nil {
		return HitRatioReport{}, err
	}
	cfg = cfg.withDefaults()
	ids, unique := numbered(cfg.Trace)
	report := HitRatioReport{Unique: unique}
	all := 0
	for _, percent := range cfg.SizesPercent {
		entries := int(float64(unique) * percent / 100)
		if entries < HitRatioEntriesMin {
			report.LeftOut = append(report.LeftOut, percent)
			continue
		}
		all += entries
		report.Points = append(report.Points, HitRatioPoint{SizePercent: percent, Entries: entries, Requests: len(ids)})
	}
	if need := int64(all) * int64(cfg.ValueBytes); need > hitRatioBytesMax {
		var p problems
		p.add("%d entries of %d bytes in all: at most %d bytes may be held at once; use smaller values", all, cfg.ValueBytes, int64(hitRatioBytesMax))
		return report, errors.Join(p...)
	}
	return report, cfg.drive(ctx, ids, unique, report.Points)
}

// drive fills in what each cache of each point hits, as many at once as there are workers. The largest stores take the
// longest, and begin first.
func (c *HitRatioConfig) drive(ctx context.Context, ids []uint32, unique int, points []HitRatioPoint) error {
	next := nextUses(ids, unique)
	ratio := func(hits int) float64 { return float64(hits) / float64(len(ids)) }
	var stores, others []func() error
	for i := len(points) - 1; i >= 0; i-- {
		p := &points[i]
		stores = append(stores, func() error {
			f, err := newFitted(ids, c.Policy, p.Entries, max(int(c.GhostShare*float64(p.Entries)), 1), c.ValueBytes)
			if err != nil {
				return err
			}
			r, err := f.run(ctx)
			p.HitRatio.Shoal, p.Held = ratio(r.hits), r.held
			return err
		})
		for _, exact := range []struct {
			to   *float64
			hits func() int
		}{
			{&p.HitRatio.LRU, func() int { return hitsLRU(ids, unique, p.Entries) }},
			{&p.HitRatio.S3FIFO, func() int { return hitsS3FIFO(ids, unique, p.Entries) }},
			{&p.HitRatio.OPT, func() int { return hitsOPT(next, p.Entries) }},
		} {
			others = append(others, func() error {
				*exact.to = ratio(exact.hits())
				return nil
			})
		}
	}
	return c.atOnce(ctx, append(stores, others...))
}

// atOnce carries out what is to be done, and returns the first error; what has not begun by then is not.
func (c *HitRatioConfig) atOnce(ctx context.Context, todo []func() error) (first error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	begun, done := 0, 0
	take := func() func() error {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = ctx.Err()
		}
		if first != nil || begun == len(todo) {
			return nil
		}
		begun++
		return todo[begun-1]
	}
	over := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		if done++; c.Progress != nil {
			c.Progress(done, len(todo))
		}
	}
	for range min(c.Workers, len(todo)) {
		wg.Go(func() {
			for do := take(); do != nil; do = take() {
				over(do())
			}
		})
	}
	wg.Wait()
	return first
}

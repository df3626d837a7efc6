package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/shoalcache/shoal/bench"
)

// This file owns the replay of traces: each request is a get, and a set if that misses.

// hitRatio is what one cache made of one trace.
type hitRatio struct {
	Trace   string  `json:"trace"`
	Share   float64 `json:"share"`   // of the different keys
	Entries int     `json:"entries"` // that share
	Subject string  `json:"subject"`
	Ratio   float64 `json:"ratio"` // hits by requests
}

// replay takes the engine and every policy through every trace, at every size that bench.HitRatio compares.
func replay(ctx context.Context, o *options, say io.Writer) ([]hitRatio, error) {
	var all []hitRatio
	for _, path := range o.traces {
		trace, err := bench.ReadTrace(path, o.traceRequests)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		fmt.Fprintf(say, "%s: %d requests, shoal\n", name, len(trace))
		own, err := bench.HitRatio(ctx, bench.HitRatioConfig{Trace: trace})
		if err != nil {
			return nil, err
		}
		for _, point := range own.Points {
			share := point.SizePercent / 100
			all = append(all, hitRatio{name, share, point.Entries, "shoal", point.HitRatio.Shoal})
			for _, p := range policies {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				fmt.Fprintf(say, "%s: %d requests, %s of %d entries\n", name, len(trace), p.name, point.Entries)
				c, err := p.new(point.Entries)
				if err != nil {
					return nil, err
				}
				all = append(all, hitRatio{name, share, point.Entries, p.name, play(c, trace)})
				c.close()
			}
		}
	}
	return all, nil
}

func play(c policy, trace []uint64) float64 {
	hits := 0
	for _, key := range trace {
		if c.get(key) {
			hits++
		} else {
			c.set(key)
		}
	}
	return float64(hits) / float64(len(trace))
}

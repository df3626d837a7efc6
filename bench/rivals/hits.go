package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/shoalcache/shoal/bench"
)

// This file owns the replay of traces: each request is a get, and a set if that misses.

// shares are the sizes of caches, in parts of a trace's different keys.
var shares = []float64{0.001, 0.01, 0.1}

// hitRatio is what one cache made of one trace.
type hitRatio struct {
	Trace   string  `json:"trace"`
	Share   float64 `json:"share"`   // of the different keys
	Entries int     `json:"entries"` // that share
	Subject string  `json:"subject"`
	Ratio   float64 `json:"ratio"` // hits by requests
}

// replay takes every policy through every trace, at every size.
func replay(ctx context.Context, o *options, say io.Writer) ([]hitRatio, error) {
	var all []hitRatio
	for _, path := range o.traces {
		trace, err := bench.ReadTrace(path, o.traceRequests)
		if err != nil {
			return nil, err
		}
		unique := bench.Unique(trace)
		for _, share := range shares {
			entries := max(1, int(float64(unique)*share))
			for _, p := range policies {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				fmt.Fprintf(say, "%s: %d requests, %s of %d entries\n", filepath.Base(path), len(trace), p.name, entries)
				c, err := p.new(entries)
				if err != nil {
					return nil, err
				}
				all = append(all, hitRatio{filepath.Base(path), share, entries, p.name, play(c, trace)})
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

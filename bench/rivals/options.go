package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// The parts of a run.
const (
	partWeigh = "weigh"
	partTime  = "time"
	partHits  = "hits"
)

// options are what a run is told.
type options struct {
	entries    int
	keyBytes   int
	valueBytes int
	universe   int // keys that sets come from, in entries
	theta      float64
	rounds     int
	ops        int // calls of a turn
	seed       uint64

	subjects    []subject
	big         int // entries
	bigSubjects []subject

	parts         []string
	traces        []string
	traceRequests int
	json          string

	settings map[string]any // as they were given, for the report
}

// bounds are the least and the most that can be asked for.
var bounds = map[string][2]int{
	"entries": {1, 100_000_000}, "key-bytes": {keyBytesLeast, 1024}, "value-bytes": {1, 1 << 20}, "universe": {2, 100},
	"rounds": {1, 1000}, "ops": {100, 10_000_000}, "big": {0, 1_000_000_000}, "trace-requests": {0, 100_000_000},
}

// parse reads the arguments; what is printed about them goes where flag says.
func parse(args []string, flags *flag.FlagSet) (*options, error) {
	o := &options{}
	names := make([]string, len(subjects))
	for i, s := range subjects {
		names[i] = s.name
	}
	flags.IntVar(&o.entries, "entries", 1_000_000, "`entries` of each cache")
	flags.IntVar(&o.keyBytes, "key-bytes", 16, "`bytes` of a key")
	flags.IntVar(&o.valueBytes, "value-bytes", 100, "`bytes` of a value")
	flags.IntVar(&o.universe, "universe", 4, "`times` as many keys as fit are set where entries are evicted")
	flags.Float64Var(&o.theta, "theta", 0.99, "`skew` of the gets by Zipf's law")
	flags.IntVar(&o.rounds, "rounds", 7, "`rounds` of turns; medians need 5")
	flags.IntVar(&o.ops, "ops", 200_000, "`calls` of a turn")
	flags.Uint64Var(&o.seed, "seed", 1, "`seed` that keys are drawn by")
	chosen := flags.String("subjects", strings.Join(names, ","), "`names` of those that are measured")
	flags.IntVar(&o.big, "big", 10_000_000, "`entries` at which the collector is timed once more; 0: none")
	chosenBig := flags.String("big-subjects", "shoal,fastcache", "`names` of those that it is timed for")
	parts := flags.String("parts", "weigh,time,hits", "`parts` of the run: weigh (memory, collector), time, hits (traces)")
	flags.Func("traces", "replay `FILE`, gzip of little-endian 64-bit numbers; may come again, and files may follow all flags", func(path string) error {
		o.traces = append(o.traces, path)
		return nil
	})
	flags.IntVar(&o.traceRequests, "trace-requests", 0, "first `requests` of a trace that are replayed; 0: all")
	flags.StringVar(&o.json, "json", "", "write all figures to `FILE`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 && len(o.traces) == 0 {
		return nil, fmt.Errorf("argument %q: name files after -traces", flags.Arg(0))
	}
	o.traces = append(o.traces, flags.Args()...)
	o.parts = strings.Split(*parts, ",")
	o.settings = map[string]any{}
	var problems []error
	flags.VisitAll(func(f *flag.Flag) {
		if f.Name == "json" || f.Name == "traces" {
			return
		}
		v := f.Value.(flag.Getter).Get()
		o.settings[f.Name] = v
		if n, ok := v.(int); ok && (n < bounds[f.Name][0] || n > bounds[f.Name][1]) {
			problems = append(problems, fmt.Errorf("-%s %d: use %d to %d", f.Name, n, bounds[f.Name][0], bounds[f.Name][1]))
		}
	})
	if !(o.theta >= 0 && o.theta < 10) {
		problems = append(problems, fmt.Errorf("-theta %g: use 0 to 10", o.theta))
	}
	for _, p := range o.parts {
		if !slices.Contains([]string{partWeigh, partTime, partHits}, p) {
			problems = append(problems, fmt.Errorf("-parts: there is no part %q, use weigh, time and hits", p))
		}
	}
	var err error
	if o.subjects, err = choose("subjects", *chosen); err != nil {
		problems = append(problems, err)
	}
	if o.bigSubjects, err = choose("big-subjects", *chosenBig); err != nil {
		problems = append(problems, err)
	}
	return o, errors.Join(problems...)
}

func choose(name, list string) (all []subject, err error) {
	for _, one := range strings.Split(list, ",") {
		s, ok := named(one)
		if !ok || one == nothing {
			return nil, fmt.Errorf("-%s: there is no subject %q", name, one)
		}
		all = append(all, s)
	}
	return all, nil
}

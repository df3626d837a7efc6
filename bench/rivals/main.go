package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		stop()
		os.Exit(1)
	}
}

// run prints tables to out and says on the other what it is doing.
func run(ctx context.Context, args []string, out, say io.Writer) error {
	if len(args) == 2 && args[0] == weighCommand {
		return weighHere(args[1], out)
	}
	flags := flag.NewFlagSet("rivals", flag.ContinueOnError)
	flags.SetOutput(say)
	o, err := parse(args, flags)
	if err != nil {
		return err
	}
	r := newReport(o)
	if slices.Contains(o.parts, partWeigh) {
		if err := weighAll(ctx, o, r, say); err != nil {
			return err
		}
	}
	if slices.Contains(o.parts, partTime) {
		if err := timeAll(ctx, o, r, say); err != nil {
			return err
		}
	}
	if slices.Contains(o.parts, partHits) {
		if r.Hits, err = replay(ctx, o, say); err != nil {
			return err
		}
	}
	fmt.Fprint(out, r)
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}

// weighAll lets every subject have its processes, one after the other.
func weighAll(ctx context.Context, o *options, r *report, say io.Writer) error {
	j := job{Entries: o.entries, Universe: o.entries, KeyBytes: o.keyBytes, ValueBytes: o.valueBytes, Seed: o.seed}
	empty := j
	empty.Subject = nothing
	base, err := weigh(ctx, empty)
	if err != nil {
		return err
	}
	payload := o.keyBytes + o.valueBytes
	over := func(bytes, base int64, entries int) float64 {
		return float64(bytes-base)/float64(entries) - float64(payload)
	}
	for _, s := range o.subjects {
		j := j
		j.Subject = s.name
		if !r.fits(o, s, o.entries) {
			continue
		}
		fmt.Fprintf(say, "weighing %s: %d entries\n", s.name, j.Entries)
		w, err := weigh(ctx, j)
		if err != nil {
			return err
		}
		if w.Held < j.Entries {
			r.note("%s holds %d of %d entries, though there is room: its bytes are of those", s.name, w.Held, j.Entries)
		}
		r.Figures.add(overBytes, s.name, over(w.Resident, base.Resident, max(1, w.Held)))
		r.Figures.add(peakBytes, s.name, over(w.Peak, base.Peak, max(1, w.Held)))
		r.Figures.add(gcMS, s.name, w.CollectMS...)
		if s.grows {
			continue
		}
		j.Evicts, j.Universe = true, o.entries*o.universe
		fmt.Fprintf(say, "weighing %s: %d entries of %d keys\n", s.name, j.Entries, j.Universe)
		if w, err = weigh(ctx, j); err != nil {
			return err
		}
		r.Figures.add(evictBytes, s.name, over(w.Resident, base.Resident, max(1, w.Held)))
		r.Figures.add(evictHeld, s.name, float64(w.Held))
	}
	if o.big == 0 {
		return nil
	}
	for _, s := range o.bigSubjects {
		j := j
		j.Subject, j.Entries, j.Universe = s.name, o.big, o.big
		if !r.fits(o, s, o.big) {
			continue
		}
		fmt.Fprintf(say, "weighing %s: %d entries\n", s.name, j.Entries)
		w, err := weigh(ctx, j)
		if err != nil {
			return err
		}
		r.Figures.add(gcBigMS, s.name, w.CollectMS...)
	}
	return nil
}

func timeAll(ctx context.Context, o *options, r *report, say io.Writer) error {
	need := 3 * int64(o.entries) * int64(o.universe*o.keyBytes) // those that caches are filled with, and who keeps them has a copy
	for _, s := range o.subjects {
		need += o.needs(s, o.entries)
	}
	if available, err := availableBytes(); err == nil && need > available*7/10 {
		r.note("nothing is timed: %d MiB are needed for it and %d MiB available: use fewer -entries", need>>20, available>>20)
		return nil
	}
	return newRace(o, r.Figures, say).run(ctx)
}

// needs is about what a cache of so many entries takes while it fills, on the Go heap twice as much for what is not yet
// collected.
func (o *options) needs(s subject, entries int) int64 {
	const beside = 200
	n := int64(entries) * int64(o.keyBytes+o.valueBytes+beside)
	if s.heap {
		n *= 2
	}
	return n
}

// fits leaves a note where a process would take more memory than there is.
func (r *report) fits(o *options, s subject, entries int) bool {
	available, err := availableBytes()
	if need := o.needs(s, entries); err == nil && need > available*7/10 {
		r.note("%s of %d entries is left out: %d MiB are needed for it and %d MiB available", s.name, entries, need>>20, available>>20)
		return false
	}
	return true
}

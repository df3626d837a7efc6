package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/shoalcache/shoal/sim"
)

// subject is a copy of this command with a bug in it. It is smaller than cmd/shoal, whose sweep is the same: most of
// what a bug costs is the building.
type subject struct {
	bug    *bug
	dir    string // of its own
	binary string
}

const subjectPackage = "./sim/planted"

// sweepArgs has a subject sweep seeds until one fails, and write the tally as JSON.
func sweepArgs(from uint64, seeds int) []string {
	return []string{"-sweep", "-from", strconv.FormatUint(from, 10), "-seeds", strconv.Itoa(seeds)}
}

// build makes the subject of b in a directory of its own, which remove takes away.
func build(ctx context.Context, root string, b *bug) (*subject, error) {
	dir, err := os.MkdirTemp("", "planted-")
	if err != nil {
		return nil, fmt.Errorf("planted: no directory to build in: %w", err)
	}
	s := &subject{bug: b, dir: dir, binary: filepath.Join(dir, "subject")}
	overlay, err := b.overlay(root, dir)
	if err != nil {
		s.remove()
		return nil, err
	}
	c := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-buildvcs=false", "-ldflags", "-s -w", "-o", s.binary, subjectPackage)
	c.Dir = root
	if said, err := c.CombinedOutput(); err != nil {
		s.remove()
		return nil, fmt.Errorf("planted: bug %s does not build: %w\n%s", b.name, err, said)
	}
	return s, nil
}

func (s *subject) remove() { _ = os.RemoveAll(s.dir) }

// sweep runs seeds until one fails. That one does is no error.
func (s *subject) sweep(ctx context.Context, from uint64, seeds int) (sim.Tally, error) {
	var tally sim.Tally
	var said strings.Builder
	c := exec.CommandContext(ctx, s.binary, sweepArgs(from, seeds)...)
	c.Stderr = &said
	out, err := c.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		return tally, fmt.Errorf("planted: bug %s ends the simulator, and breaks no promise: %w\n%s", s.bug.name, err, said.String())
	}
	if bad := json.Unmarshal(out, &tally); bad != nil {
		return tally, fmt.Errorf("planted: bug %s: the simulator's tally is not understood: %w", s.bug.name, bad)
	}
	if failed := len(tally.Failures) > 0; failed != (err != nil) {
		return tally, fmt.Errorf("planted: bug %s: the simulator's exit code says failed=%t, and its tally %t", s.bug.name, err != nil, failed)
	}
	return tally, nil
}

// showBug has a subject tell what its bug does, by the seed that is recorded.
func showBug(ctx context.Context, to io.Writer, root string, bugs []bug) error {
	if len(bugs) != 1 || bugs[0].seed == 0 {
		return errors.New("planted: -show needs -bug, and that a recorded seed: see " + page)
	}
	s, err := build(ctx, root, &bugs[0])
	if err != nil {
		return err
	}
	defer s.remove()
	c := exec.CommandContext(ctx, s.binary, "-tell", strconv.FormatUint(bugs[0].seed, 10))
	c.Stdout, c.Stderr = to, to
	if err := c.Run(); err != nil {
		return fmt.Errorf("planted: bug %s is not told: %w", bugs[0].name, err)
	}
	return nil
}

// shrinkRuns is how often a seed is run to cut it down.
const shrinkRuns = 500

// tell cuts a seed down and says what happens in what is left.
func tell(ctx context.Context, to io.Writer, seed uint64) error {
	plan, _ := sim.Shrink(ctx, sim.Draw(seed), shrinkRuns)
	r := sim.Run(plan, true)
	if r.Failure == nil {
		return fmt.Errorf("planted: seed %d breaks nothing: record the seeds anew with make planted-record", seed)
	}
	asks, faults := plan.Numbers()
	_, err := fmt.Fprintf(to, "seed %d, operations %v, faults %v of the plan\n\n%s\n", seed, asks, faults, strings.Join(r.Timeline, "\n"))
	return err
}

// beSubject is what a subject does.
func beSubject(ctx context.Context, from uint64, seeds int) error {
	tally := sim.Sweep{From: from, Seeds: seeds, Failures: 1}.Run(ctx)
	if err := json.NewEncoder(os.Stdout).Encode(tally); err != nil {
		return fmt.Errorf("planted: cannot write the tally: %w", err)
	}
	if len(tally.Failures) > 0 {
		return errFailed
	}
	return nil
}

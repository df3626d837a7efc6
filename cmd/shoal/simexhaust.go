package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/sim/exhaust"
	"github.com/urfave/cli/v2"
)

func simExhaustFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Category: "exhaust", Name: "slices", Usage: "try only the slices of `LIST`, as in 3,5-7", DefaultText: "all"},
	}
}

// exhausted is what came of slices, in JSON.
type exhausted struct {
	Slices      []exhaustedSlice `json:"slices"`
	States      int              `json:"states"`
	Transitions int              `json:"transitions"`
	Seconds     float64          `json:"seconds"`
}

// exhaustedSlice is what came of one.
type exhaustedSlice struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	exhaust.Result
	Seconds float64 `json:"seconds"`
}

// simExhaust tries slices until one breaks a promise.
func (t *tool) simExhaust(c *cli.Context, look style) error {
	if err := notOf(c, "exhaust", slices.Concat(simRunFlags(), simSweepFlags(), simCutFlags())); err != nil {
		return err
	}
	all := exhaust.Slices()
	numbers := make([]int, len(all))
	for i := range numbers {
		numbers[i] = i + 1
	}
	if c.IsSet("slices") {
		var err error
		if numbers, err = parseNumbers(c.String("slices"), "there are", len(all)); err != nil {
			return usage("--slices: %v", err)
		}
		if len(numbers) == 0 {
			return usage("--slices %s: then there is nothing to try", noNumbers)
		}
	}
	tried := &exhausted{Slices: []exhaustedSlice{}}
	for _, number := range numbers {
		if c.Context.Err() != nil {
			break
		}
		s := exhaustedSlice{Number: number, Name: all[number-1].Name}
		began := time.Now()
		s.Result = exhaust.Run(c.Context, all[number-1], t.exhausting(&s))
		s.Seconds = seconds(time.Since(began))
		tried.add(s)
		if s.Violation != "" {
			break
		}
	}
	if t.errTerminal {
		t.redrawLine("")
	}
	if err := t.present(look, tried); err != nil {
		return err
	}
	return tried.outcome(c.Context.Err())
}

// exhausting keeps a line on the terminal that standard error is, of how far a slice is.
func (t *tool) exhausting(s *exhaustedSlice) func(exhaust.Result) {
	if !t.errTerminal {
		return nil
	}
	told := time.Now()
	return func(so exhaust.Result) {
		if time.Since(told) < time.Second {
			return
		}
		told = time.Now()
		t.redrawLine(fmt.Sprintf("slice %d  %s  %s states  %s transitions", s.Number, s.Name, brief(so.States), brief(so.Transitions)))
	}
}

func (e *exhausted) add(s exhaustedSlice) {
	e.Slices = append(e.Slices, s)
	e.States += s.States
	e.Transitions += s.Transitions
	e.Seconds = math.Round(1000*(e.Seconds+s.Seconds)) / 1000 // sums of decimals grow digits
}

// outcome is what it means for the exit code, that was interrupted or not.
func (e *exhausted) outcome(interrupted error) error {
	for i := range e.Slices {
		if s := &e.Slices[i]; s.Violation != "" {
			return &brokenError{fmt.Sprintf("slice %d broke a promise", s.Number), s.Violation}
		}
	}
	if interrupted != nil {
		return &notedError{"interrupted: not everything was tried", interrupted}
	}
	return nil
}

// show writes a row for each slice, and what led to a broken promise.
func (e *exhausted) show(t *tool) error {
	rows := make([]table.Row, 0, len(e.Slices))
	var trail strings.Builder
	for i := range e.Slices {
		s := &e.Slices[i]
		verdict := t.colour(text.FgGreen, "every promise kept")
		switch {
		case s.Violation != "":
			verdict = t.colour(text.FgRed, "broken")
			fmt.Fprintf(&trail, "\n%s\n", strings.Join(s.Trail, "\n"))
		case !s.Complete:
			verdict = t.colour(text.FgYellow, "not all tried")
		}
		rows = append(rows, table.Row{s.Number, s.Name, s.States, s.Transitions, s.Depth, fmt.Sprintf("%.1f", s.Seconds), verdict})
	}
	if len(rows) > 1 {
		rows = append(rows, table.Row{"", "all", e.States, e.Transitions, "", fmt.Sprintf("%.1f", e.Seconds), ""})
	}
	if err := t.table(table.Row{"", "SLICE", "STATES", "TRANSITIONS", "DEPTH", "SECONDS", "PROMISES"}, rows); err != nil {
		return err
	}
	return t.write([]byte(trail.String()))
}

// seconds is a duration in JSON, to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(1000*d.Seconds()) / 1000 }

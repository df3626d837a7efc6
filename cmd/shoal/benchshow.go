package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/bench"
	"github.com/urfave/cli/v2"
)

// benchOutput is where the figures of a load go.
type benchOutput struct {
	*tool
	format    string
	live      bool // a line a second, on a terminal
	json, csv *os.File
	jsonOut   bool // the report as JSON in place of the table
	rates     []float64
}

// runDocument is the report of a run in JSON.
type runDocument struct {
	Op       string `json:"op"`
	Workload string `json:"workload,omitempty"`
	*bench.Report
}

// benchOutput reads the flags of the output, and makes the files before anything is sent.
func (t *tool) benchOutput(c *cli.Context) (o *benchOutput, err error) {
	o = &benchOutput{tool: t}
	if o.format, err = formatOf(c); err != nil {
		return nil, err
	}
	asJSON := o.format == formatJSON || o.format == formatJSONLines
	path := c.String("json")
	if o.jsonOut = path == "-"; o.jsonOut && c.IsSet("output") {
		return nil, usage("--json - does not go with --output: both say what the standard output gets")
	}
	if c.String("csv") == "-" {
		return nil, usage("--csv -: the standard output gets the report; name a file")
	}
	o.live = t.terminal && !o.jsonOut && !asJSON
	for _, f := range []struct {
		path string
		to   **os.File
	}{{path, &o.json}, {c.String("csv"), &o.csv}} {
		if f.path == "" || f.path == "-" {
			continue
		}
		if *f.to, err = os.Create(f.path); err != nil {
			o.close()
			return nil, &outputError{err}
		}
	}
	return o, nil
}

func (o *benchOutput) close() {
	for _, f := range []*os.File{o.json, o.csv} {
		if f != nil {
			_ = f.Close() // written and checked, or of no use
		}
	}
}

// report writes doc, and its series to the files; shown is the table.
func (o *benchOutput) report(doc any, series []bench.Seconds, shown func() error) error {
	if o.live {
		if err := o.write([]byte("\r\x1b[K")); err != nil {
			return err
		}
	}
	if o.json != nil {
		e := json.NewEncoder(o.json)
		e.SetIndent("", "  ")
		if err := e.Encode(doc); err != nil {
			return &outputError{err}
		}
	}
	if o.csv != nil {
		if err := writeSeries(o.csv, series); err != nil {
			return &outputError{err}
		}
	}
	switch {
	case o.jsonOut:
		return o.document(doc, formatJSON)
	case o.format == formatJSON || o.format == formatJSONLines:
		return o.document(doc, o.format)
	}
	return shown()
}

func writeSeries(to io.Writer, series []bench.Seconds) error {
	w := csv.NewWriter(to)
	_ = w.Write([]string{"end_s", "requests", "requests_per_second", "reads", "misses", "failed", "p50_us", "p99_us", "max_us"})
	for _, s := range series {
		row := []string{strconv.FormatFloat(s.End, 'f', 3, 64)}
		for _, n := range []uint64{s.Requests, uint64(s.PerSecond), s.Reads, s.Misses, s.Failed, uint64(s.P50Micros), uint64(s.P99Micros), uint64(s.MaxMicros)} {
			row = append(row, strconv.FormatUint(n, 10))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return w.Error()
}

// sparkWidth is how many seconds the live line looks back.
const sparkWidth = 30

// progress writes the live line over the one before it.
func (o *benchOutput) progress(p bench.Progress) {
	line := p.Phase
	if p.Phase == "run" {
		o.rates = append(o.rates, p.PerSecond)
		o.rates = o.rates[max(0, len(o.rates)-sparkWidth):]
		failed := strconv.FormatUint(p.Failed, 10)
		if p.Failed > 0 {
			failed = o.colour(text.FgRed, failed)
		}
		line = fmt.Sprintf("%4.0fs  %s  %.0f/s  p99 %s  failed %s", p.End, spark(o.rates), p.PerSecond, micros(p.P99Micros), failed)
	}
	_ = o.write([]byte("\r\x1b[K" + line)) // a terminal that is gone is told by the report
}

// spark draws numbers as bars between 0 and the greatest.
func spark(of []float64) string {
	const bars = "▁▂▃▄▅▆▇█"
	steps, most := []rune(bars), 0.0
	for _, x := range of {
		most = max(most, x)
	}
	var b strings.Builder
	for _, x := range of {
		at := 0
		if most > 0 {
			at = min(int(x/most*float64(len(steps))), len(steps)-1)
		}
		b.WriteRune(steps[at])
	}
	return b.String()
}

func micros(n int64) string { return (time.Duration(n) * time.Microsecond).String() }

// showRun writes the report of a run.
func (o *benchOutput) showRun(doc *runDocument) error {
	r := doc.Report
	return o.report(doc, r.Series, func() error {
		rows := []table.Row{{
			doc.name(), r.Conns, r.Depth, r.Requests, fmt.Sprintf("%.1fs", r.Seconds), fmt.Sprintf("%.0f", r.PerSecond),
			micros(r.P50Micros), micros(r.P99Micros), micros(r.P999Micros), r.Misses, failures(r.Errors),
		}}
		if err := o.table(table.Row{"OP", "CONNS", "DEPTH", "REQUESTS", "TIME", "REQUESTS/S", "P50", "P99", "P99.9", "MISSES", "FAILED"}, rows); err != nil {
			return err
		}
		return o.write([]byte(o.more(r)))
	})
}

// name is what a run is called in the table.
func (d *runDocument) name() string {
	if d.Workload != "" {
		return d.Workload
	}
	return d.Op
}

// more is what stands below the table: reads and writes apart where there were both, and what is to be known.
func (o *benchOutput) more(r *bench.Report) string {
	var b strings.Builder
	if r.Reads > 0 && r.Writes > 0 {
		b.WriteString("\n")
		for _, l := range []struct {
			what string
			*bench.Latency
		}{{"reads", &r.Read}, {"writes", &r.Write}} {
			fmt.Fprintf(&b, "%-6s  %d, mean %s, p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n", l.what, l.Count,
				time.Duration(l.MeanMicros*1000).Round(time.Microsecond), micros(l.P50Micros), micros(l.P90Micros), micros(l.P99Micros), micros(l.P999Micros), micros(l.MaxMicros))
		}
		fmt.Fprintf(&b, "hits    %.2f %% of the reads\n", 100*r.HitRatio)
	}
	if r.Indeterminate > 0 {
		fmt.Fprintf(&b, "%d writes failed without saying whether they happened\n", r.Indeterminate)
	}
	if v := r.Verified; v != nil {
		fmt.Fprintf(&b, "verify  %d values read, %d stale, %d corrupt, %d another key's or run's\n", v.Reads, v.Stale, v.Corrupt, v.Foreign)
	}
	for _, w := range r.Warnings {
		b.WriteString(o.colour(text.FgYellow, "warning: "+w) + "\n")
	}
	return b.String()
}

// failures are counts by status, in one cell.
func failures(by map[string]uint64) string {
	if len(by) == 0 {
		return "0"
	}
	var parts []string
	for status, n := range by {
		parts = append(parts, fmt.Sprintf("%d %s", n, status))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

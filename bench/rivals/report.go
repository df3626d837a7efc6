package main

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// figures are what was measured, by column and subject, once for each round.
type figures map[string]map[string][]float64

func (f figures) add(column, subject string, v ...float64) {
	if f[column] == nil {
		f[column] = map[string][]float64{}
	}
	f[column][subject] = append(f[column][subject], v...)
}

// The columns, as they are named in JSON.
const (
	overBytes      = "over_bytes"
	peakBytes      = "peak_over_bytes"
	evictBytes     = "evicting_over_bytes"
	evictHeld      = "evicting_held"
	gcMS           = "gc_ms"
	gcBigMS        = "gc_big_ms"
	getZipfP50     = "get_zipf_p50_ns"
	getZipfP99     = "get_zipf_p99_ns"
	getZipfP999    = "get_zipf_p999_ns"
	getZipfMean    = "get_zipf_mean_ns"
	getUniform     = "get_uniform_ns"
	getUniformWall = "get_uniform_wall_ns" // while others may have had the processor
	getBatch       = "get_batch_ns"
	getAllocs      = "get_allocs"
	getMisses      = "get_misses"
	setMean        = "set_evicting_ns"
	setMeanWall    = "set_evicting_wall_ns"
	setP50         = "set_evicting_p50_ns"
	setP99         = "set_evicting_p99_ns"
	setP999        = "set_evicting_p999_ns"
	setSingle      = "set_evicting_single_ns" // the mean of calls that are timed alone
	setAllocs      = "set_allocs"
	clockNS        = "clock_ns" // of no subject
	modulePrefix   = "github.com/"
)

// column is one of a table.
type column struct {
	name, title string
	digits      int
	to          string // of which the reference has the figure that this one is set beside
}

var (
	memoryColumns = []column{
		{overBytes, "over B", 1, ""},
		{peakBytes, "peak B", 1, ""},
		{evictBytes, "evicting B", 1, ""},
		{evictHeld, "held", 0, ""},
		{gcMS, "gc ms", 2, ""},
		{gcBigMS, "gc big ms", 2, ""},
		{getAllocs, "allocs get", 2, ""},
		{setAllocs, "allocs set", 2, ""},
	}
	getColumns = []column{
		{getZipfP50, "zipf p50", 0, getZipfP50},
		{getZipfP99, "zipf p99", 0, getZipfP99},
		{getUniform, "uniform", 0, getUniform},
		{getBatch, "batch", 0, getUniform},
	}
	setColumns = []column{
		{setMean, "mean", 0, setMean},
		{setP50, "p50", 0, setP50},
		{setP99, "p99", 0, setP99},
		{setP999, "p99.9", 0, setP999},
	}
)

// report is all that a run found.
type report struct {
	Go        string            `json:"go"`
	Cores     int               `json:"cores"`
	HugePages string            `json:"huge_pages"`
	Versions  map[string]string `json:"versions"` // of the rivals
	Settings  map[string]any    `json:"settings"`
	Figures   figures           `json:"figures"`
	Hits      []hitRatio        `json:"hits,omitempty"`
	Notes     []string          `json:"notes,omitempty"` // what is missing, and why
}

func newReport(o *options) *report {
	r := &report{
		Go: runtime.Version(), Cores: runtime.NumCPU(), HugePages: hugePages(), Versions: map[string]string{},
		Settings: o.settings, Figures: figures{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			for _, s := range subjects {
				if strings.Contains(strings.ToLower(m.Path), "/"+s.name) && strings.HasPrefix(m.Path, modulePrefix) {
					r.Versions[s.name] = m.Version
				}
			}
		}
	}
	return r
}

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// String is the report as tables.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, huge pages %s", r.Go, r.Cores, r.HugePages)
	for _, s := range subjects {
		if v := r.Versions[s.name]; v != "" {
			fmt.Fprintf(&b, ", %s %s", s.name, v)
		}
	}
	fmt.Fprintln(&b)
	for _, t := range []struct {
		title   string
		columns []column
	}{
		{"memory and collector", memoryColumns},
		{"get, ns", getColumns},
		{"set with eviction, ns", setColumns},
	} {
		columns := slices.DeleteFunc(slices.Clone(t.columns), func(c column) bool { return len(r.Figures[c.name]) == 0 })
		if len(columns) > 0 {
			fmt.Fprintf(&b, "\n%s\n", render(t.title, columns, r.rows(columns)))
		}
	}
	if len(r.Hits) > 0 {
		fmt.Fprintf(&b, "\n%s\n", r.hits())
	}
	for _, n := range r.Notes {
		fmt.Fprintln(&b, "note:", n)
	}
	return b.String()
}

func render(title string, columns []column, rows []table.Row) string {
	w := newTable()
	head := table.Row{title}
	for _, c := range columns {
		head = append(head, c.title)
		if c.to != "" {
			head = append(head, ": "+reference)
		}
	}
	w.AppendHeader(head)
	w.AppendRows(rows)
	return w.Render()
}

func newTable() table.Writer {
	w := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	w.SetStyle(style)
	return w
}

// rows leave out who has none of the columns.
func (r *report) rows(columns []column) (rows []table.Row) {
	for _, s := range subjects {
		row, any := table.Row{s.name}, false
		for _, c := range columns {
			all := r.Figures[c.name][s.name]
			any = any || len(all) > 0
			row = append(row, spread(all, c.digits))
			if c.to != "" {
				row = append(row, spread(ratios(all, r.Figures[c.to][reference]), 2))
			}
		}
		if any {
			rows = append(rows, row)
		}
	}
	return rows
}

// ratios are taken round by round, so that a slow minute counts for both.
func ratios(of, to []float64) (all []float64) {
	for i := range min(len(of), len(to)) {
		if to[i] > 0 {
			all = append(all, of[i]/to[i])
		}
	}
	return all
}

// spread is the median, and the least and the greatest where they differ.
func spread(all []float64, digits int) string {
	if len(all) == 0 {
		return "–"
	}
	show := func(v float64) string { return fmt.Sprintf("%.*f", digits, v) }
	least, most := show(slices.Min(all)), show(slices.Max(all))
	if least == most {
		return least
	}
	return fmt.Sprintf("%s (%s–%s)", show(median(all)), least, most)
}

// median is NaN of nothing; it sorts a copy.
func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	switch n := len(sorted); {
	case n == 0:
		return math.NaN()
	case n%2 == 0:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	default:
		return sorted[n/2]
	}
}

// hits has a row for each trace and size.
func (r *report) hits() string {
	w := newTable()
	head := table.Row{"hits, %", "size", "entries"}
	for _, p := range policies {
		head = append(head, p.name)
	}
	w.AppendHeader(head)
	for i := 0; i+len(policies) <= len(r.Hits); i += len(policies) {
		h := r.Hits[i]
		row := table.Row{h.Trace, fmt.Sprintf("%g%%", 100*h.Share), h.Entries}
		for _, h := range r.Hits[i : i+len(policies)] {
			row = append(row, fmt.Sprintf("%.2f", 100*h.Ratio))
		}
		w.AppendRow(row)
	}
	return w.Render()
}

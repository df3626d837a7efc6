package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// cell is one thing that is measured, once a round.
type cell struct {
	subject string
	depth   int
	op      string
}

// results are the measurements of each cell, by round.
type results map[cell][]measurement

// table sets Shoal beside Redis. Processor time is that of the servers alone, all nodes together, for a request: it
// moves less than a rate does when others use the machine.
func (r results) table(depths []int) string {
	w := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	w.SetStyle(style)
	w.AppendHeader(table.Row{
		"P", "OP", "REDIS/S", "ONE/S", "ONE : REDIS", "THREE/S", "THREE : REDIS",
		"P99 REDIS", "ONE", "THREE", "CPU REDIS", "ONE", "THREE", "ALLOCS ONE", "THREE",
	})
	for _, depth := range depths {
		for _, op := range []string{"set", "get"} {
			base, lone, quorum := r[cell{redis, depth, op}], r[cell{one, depth, op}], r[cell{three, depth, op}]
			w.AppendRow(table.Row{
				depth, op, rate(base), rate(lone), ratio(lone, base), rate(quorum), ratio(quorum, base),
				slowest(base), slowest(lone), slowest(quorum),
				taken(base), taken(lone), taken(quorum), allocated(lone), allocated(quorum),
			})
		}
	}
	return fmt.Sprintf("%s\nmost goroutines of the node that takes the requests: %d\n", w.Render(), r.goroutines())
}

func rate(m []measurement) string { return fmt.Sprintf("%.0f", perSecond(m)) }

func perSecond(m []measurement) float64 {
	return median(m, func(m measurement) float64 { return m.perSecond })
}

// ratio compares round by round, so that a slow minute counts for both: the median, the least and the greatest.
func ratio(a, b []measurement) string {
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, a[i].perSecond/b[i].perSecond)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", middle(all), slices.Min(all), slices.Max(all))
}

func slowest(m []measurement) string {
	p99 := median(m, func(m measurement) float64 { return float64(m.p99) })
	return time.Duration(p99).Round(10 * time.Microsecond).String()
}

func allocated(m []measurement) string {
	return fmt.Sprintf("%.2f", median(m, func(m measurement) float64 { return m.mallocs }))
}

func taken(m []measurement) string {
	cpu := median(m, func(m measurement) float64 { return float64(m.cpu) })
	return fmt.Sprintf("%.2fµs", cpu/float64(time.Microsecond))
}

// goroutines is the most that were seen.
func (r results) goroutines() int {
	most := 0
	for _, all := range r {
		for _, m := range all {
			most = max(most, m.goroutines)
		}
	}
	return most
}

func median(m []measurement, of func(measurement) float64) float64 {
	var all []float64
	for _, x := range m {
		all = append(all, of(x))
	}
	return middle(all)
}

// middle is the median; it sorts a copy.
func middle(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

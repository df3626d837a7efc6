package main

import (
	"fmt"
	"strings"
)

// unknown is the error for a name that is none of known, with the nearest of them if one is near.
func unknown(what, name string, known []string) error {
	if near := nearest(name, known); near != "" {
		return usage("unknown %s %q: did you mean %q?", what, name, near)
	}
	return usage("unknown %s %q: use one of %s", what, name, strings.Join(known, ", "))
}

// nearest is the known name that takes the fewest edits, or "" where more than a third of the name would change.
func nearest(name string, known []string) string {
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d <= least && (best == "" || d < distance(name, best)) {
			best = k
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour that makes a of b
// (optimal string alignment). Names longer than any of ours are cut: the distance only has to be large.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// count is n things, in words.
func count(n int, thing string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

//go:build race

package storage

// raceAllocations is what the race detector adds to an insert: it inlines less.
const raceAllocations = 1

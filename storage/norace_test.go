//go:build !race

package storage

const raceAllocations = 0

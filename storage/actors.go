package storage

import "github.com/shoalcache/shoal/vclock"

// actorsMax is how many actors have a number; a record of another names its actor in full.
const actorsMax = 1<<16 - 1

// actors number the writers of the records that are held, so that each of these names its own in two bytes.
type actors struct {
	numbers  map[vclock.Actor]uint16
	byNumber []vclock.Actor
	records  []uint32 // of each
	unused   []uint16
}

// number returns the number of an actor, for one more record; false where there are too many.
func (a *actors) number(x vclock.Actor) (uint16, bool) {
	if n, ok := a.numbers[x]; ok {
		a.records[n]++
		return n, true
	}
	var n uint16
	switch {
	case len(a.unused) > 0:
		n = a.unused[len(a.unused)-1]
		a.unused = a.unused[:len(a.unused)-1]
	case len(a.byNumber) < actorsMax:
		n = uint16(len(a.byNumber))
		a.byNumber, a.records = append(a.byNumber, x), append(a.records, 0)
	default:
		return 0, false
	}
	if a.numbers == nil {
		a.numbers = map[vclock.Actor]uint16{}
	}
	a.numbers[x], a.byNumber[n], a.records[n] = n, x, 1
	return n, true
}

// release counts one record less.
func (a *actors) release(n uint16) {
	if a.records[n]--; a.records[n] == 0 {
		delete(a.numbers, a.byNumber[n])
		a.unused = append(a.unused, n)
	}
}

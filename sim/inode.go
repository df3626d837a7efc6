package sim

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// diskBlock is what a disk writes at once, in bytes.
const diskBlock = 4096

// inode is a file or a directory, as the process sees it and as it is stored.
type inode struct {
	names, kept  map[string]*inode // of a directory
	changes      []change          // of names, and not yet of what is kept
	seen, stored []byte            // of a file
	patches      []patch           // of what is seen, and not yet of what is stored; one for a block at most
	owed         bool              // its length: a sync said that it is stored
	holder       int               // life of the process that has it locked; 0: none
}

// change is one of the names in a directory: name is what in is called now, or, where that is nil, nothing.
type change struct {
	name string
	in   *inode
	old  string // what in was called before, if it was renamed
	owed bool   // a sync said that it is stored
}

// patch is where a block was written.
type patch struct {
	from, to int // in the file
	owed     bool
}

func newDir() *inode { return &inode{names: map[string]*inode{}, kept: map[string]*inode{}} }

// resize gives what is stored the length of what is seen.
func (in *inode) resize() {
	in.stored = append(in.stored[:min(len(in.stored), len(in.seen))], make([]byte, max(0, len(in.seen)-len(in.stored)))...)
}

// store stores the whole block of a patch.
func (in *inode) store(x patch) {
	copyRange(in.stored, in.seen, x.from-x.from%diskBlock, blockEnd(x.from))
}

// has reports whether the whole block of a patch is stored.
func (in *inode) has(x patch) bool {
	end := min(blockEnd(x.from), len(in.seen))
	return end <= len(in.stored) && bytes.Equal(in.stored[x.from:end], in.seen[x.from:end])
}

// keep stores a change of a name.
func (in *inode) keep(c change) {
	if c.old != "" && in.kept[c.old] == c.in {
		delete(in.kept, c.old)
	}
	if in.kept[c.name] = c.in; c.in == nil {
		delete(in.kept, c.name)
	}
}

// rename changes a name as the process sees it.
func (in *inode) rename(c change) {
	delete(in.names, c.old)
	if in.names[c.name] = c.in; c.in == nil {
		delete(in.names, c.name)
	}
	in.changes = append(in.changes, c)
}

// write changes what is seen of a file.
func (in *inode) write(b []byte, at int) {
	in.seen = append(in.seen, make([]byte, max(0, at+len(b)-len(in.seen)))...)
	copy(in.seen[at:], b)
	for from, end := at, at+len(b); from < end; from = blockEnd(from) {
		to := min(end, blockEnd(from))
		i := slices.IndexFunc(in.patches, func(x patch) bool { return x.from/diskBlock == from/diskBlock })
		if i < 0 {
			in.patches = append(in.patches, patch{from: from, to: to})
			continue
		}
		x := &in.patches[i]
		x.from, x.to = min(x.from, from), max(x.to, to)
	}
}

func blockEnd(at int) int { return (at/diskBlock + 1) * diskBlock }

// copyRange copies what both have of a range.
func copyRange(to, from []byte, begin, end int) {
	end = min(end, len(to), len(from))
	if begin < end {
		copy(to[begin:end], from[begin:end])
	}
}

// settle decides what is stored of what was not synced, and reports whether something is lost that is owed.
func (in *inode) settle(rng *rand.Rand) (lied bool) {
	if len(in.stored) != len(in.seen) {
		if rng.IntN(2) == 0 {
			in.resize()
		} else {
			lied = in.owed
		}
	}
	for _, x := range in.patches {
		switch rng.IntN(3) {
		case 0:
			in.store(x)
		case 1:
			in.tear(x, rng)
		}
		lied = lied || x.owed && !in.has(x)
	}
	in.patches, in.owed = nil, false
	return lied
}

// tear stores a part of a write; what is behind it in the block is as it was, or garbage.
func (in *inode) tear(x patch, rng *rand.Rand) {
	reached := x.from + rng.IntN(x.to-x.from+1)
	copyRange(in.stored, in.seen, x.from, reached)
	if rng.IntN(2) == 0 {
		for i := reached; i < min(blockEnd(x.from), len(in.stored)); i++ {
			in.stored[i] = byte(rng.Uint32())
		}
	}
}

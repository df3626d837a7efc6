package sim

import (
	"bytes"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// nameDot is I7 where it can be seen at once: a dot names one write, of one key and one content, whoever tells of it.
func (w *world) nameDot(m *wire.Message) {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(m.Key)
	_, _ = d.Write([]byte{0, boolByte(m.Set.Tombstone)})
	_, _ = d.Write(m.Set.Value)
	sum := d.Sum64()
	if named, ok := w.dots[m.Set.Dot]; ok && named != sum {
		w.fail("I7", "dot %v of %v names two writes, the second of %s: %q, tombstone %v", m.Set.Dot.Stamp, m.Set.Dot.Actor, m.Key, m.Set.Value, m.Set.Tombstone)
		return
	}
	w.dots[m.Set.Dot] = sum
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// checkForks is the rest of I7: no store met two contents of one dot.
func (w *world) checkForks() {
	if w.stats.Storage.Forked > 0 {
		w.fail("I7", "%d times a store met two contents of one dot", w.stats.Storage.Forked)
	}
}

// sample keeps a few of the versions that travelled, for checkMerge.
func (w *world) sample(key []byte, s *vclock.Set) {
	of := w.samples[string(key)]
	for i := range of {
		if of[i].Dot == s.Dot && of[i].Deadline == s.Deadline && of[i].Context.Equal(&s.Context) {
			return
		}
	}
	c := *s
	c.Value, c.Context = bytes.Clone(s.Value), s.Context.CopyInto(nil)
	if len(of) < samplesMax {
		w.samples[string(key)] = append(of, c)
		return
	}
	of[w.events%samplesMax] = c
}

const samplesMax = 4

package sim

import (
	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/wire"
)

// nameDot is I7 where it can be seen at once: a dot names one write, of one key and one content, whoever tells of it.
func (w *world) nameDot(m *wire.Message) {
	if m.Set.Packed {
		return // its dot is that of the latest version, and what is beside it may differ
	}
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

// tied reports whether two writes have that stamp.
func (w *world) tied(stamp uint64) bool {
	n := 0
	for d := range w.dots {
		if uint64(d.Stamp) == stamp {
			n++
		}
	}
	return n > 1
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

package storage

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// FuzzEntryIsReadAsItWasWritten: a version and a ghost come back from their bytes as they were, of the size that was
// computed for them, and whoever reads or writes one reaches for nothing beyond it: the memory ends there.
func FuzzEntryIsReadAsItWasWritten(f *testing.F) {
	for _, kind := range []byte{0, flagTombstone, flagPacked, flagForeign, flagBlock, flagBlock | flagForeign | flagPacked} {
		f.Add(kind, uint16(3), uint32(5), uint8(0), uint64(1), uint64(2), uint64(0), uint64(0), uint64(0))
		f.Add(kind, uint16(127), uint32(128), uint8(2), uint64(1<<63), uint64(9), uint64(7), uint64(wall), uint64(9))
		f.Add(kind, uint16(128), uint32(16_384), uint8(127), uint64(3), uint64(9), uint64(1), uint64(wall), uint64(8))
		f.Add(kind, uint16(0), uint32(0), uint8(128), uint64(0), uint64(0), uint64(0), uint64(0), uint64(1))
	}
	f.Fuzz(func(t *testing.T, kind byte, keyBytes uint16, valueBytes uint32, dots uint8, node, stamp, floor, at, register uint64) {
		rng := rand.New(rand.NewPCG(node, stamp)) // bytes are only copied: their number matters
		key, value := random(rng, int(keyBytes)), random(rng, int(valueBytes%(1<<18)))
		set := vclock.Set{
			Dot:       dot(vclock.Actor{Node: node, Boot: ^node}, vclock.Stamp(stamp)),
			Context:   vclock.Context{Floor: vclock.Stamp(floor)},
			Tombstone: kind&flagTombstone != 0,
			Packed:    kind&flagPacked != 0,
			Value:     value,
			Deadline:  vclock.Deadline{At: int64(at), Stamp: vclock.Stamp(register)},
		}
		for range dots {
			set.Context.Seen = append(set.Context.Seen, dot(vclock.Actor{Node: rng.Uint64(), Boot: rng.Uint64()}, vclock.Stamp(rng.Uint64())))
		}
		s := newStore(t, Config{})
		for range node % 3 { // so that it is not always the first
			s.actors.number(vclock.Actor{Node: uint64(len(s.actors.byNumber)), Boot: 77})
		}
		flags := flagsOf(&set) | kind&(flagBlock|flagForeign)
		partition, below := uint32(uint16(node>>7)&(1<<fewerShift-1)), vclock.Stamp(floor^stamp)
		number, _ := s.actors.number(set.Dot.Actor)
		head, body := headBytes(flags), bodyBytes(key, &set)
		b := make([]byte, head+body)
		if flags&flagBlock != 0 {
			b = make([]byte, head+4)
		}
		rest := putHead(b, flags, homeOf(partition, uint8(node>>3)&FewerMost), number, &set)
		if flags&flagBlock != 0 {
			block := s.newBlock(body)
			s.newBlock(7) // another's, which is not looked at
			binary.LittleEndian.PutUint32(rest, block)
			rest = s.blocks[block]
		}
		if len(rest) != body {
			t.Fatalf("%d bytes are left of %d for a body of %d", len(rest), len(b), body)
		}
		putBody(rest, key, &set, below)
		if !set.Packed {
			below = 0
		}
		same := func(b []byte) {
			var r record
			s.read(b, &r)
			var own []vclock.Dot
			got := r.set(&own)
			if got.Dot != set.Dot || got.Deadline != set.Deadline || got.Tombstone != set.Tombstone || got.Packed != set.Packed ||
				got.Context.Floor != set.Context.Floor || !slices.Equal(got.Context.Seen, set.Context.Seen) || !bytes.Equal(got.Value, value) {
				t.Errorf("%+v came back as %+v", set, got)
			}
			if !bytes.Equal(r.key, key) || !bytes.Equal(s.keyOf(b), key) || !s.isOf(b, key) || s.isOf(b, append(key[:len(key):len(key)], 0)) {
				t.Errorf("key %q came back as %q", key, r.key)
			}
			if r.partition != partition || partitionOf(b) != partition || r.below() != below || s.hashOf(b) != sum64(key) {
				t.Errorf("partition %d, below %v, want %d, %v", r.partition, r.below(), partition, below)
			}
			size := head + body
			if flags&flagBlock != 0 {
				size = head + 4
			}
			if got, weight := sizeOf(b), s.weight(b, size); got != size || weight != int64(size)+s.blockWeight(b) {
				t.Errorf("%d bytes that weigh %d, want %d", got, weight, size)
			}
		}
		same(b[:len(b):len(b)])
		same(append(b[:len(b):len(b)], 0xff, 0xff, 0xff)) // as it lies in a segment, with another's behind it
		if set.Packed {
			var r record
			s.read(b, &r)
			below = vclock.Stamp(node)
			r.setBelow(below)
			same(b)
		}

		g := Ghost{Hash: node, Stamp: vclock.Stamp(stamp), Digest: uint32(floor), Deadline: set.Deadline}
		b = make([]byte, g.bytes())
		putGhost(b, partition, g)
		if got := left(b); got != g || sizeOf(b) != len(b) || s.hashOf(b) != node || partitionOf(b) != partition || s.isOf(b, key) {
			t.Errorf("%+v came back as %+v, %d bytes of %d", g, got, sizeOf(b), len(b))
		}
	})
}

// blockWeight is what the entry at b has in a block.
func (s *Store) blockWeight(b []byte) int64 {
	if b[0]&flagBlock == 0 {
		return 0
	}
	return int64(len(s.blocks[blockOf(b, sizeOf(b))]))
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return b[:n]
}

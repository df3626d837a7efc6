package storage

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// TestBenchmarksRun runs every benchmark's work once, small.
func TestBenchmarksRun(t *testing.T) {
	s := filled(t, 1000, 1<<30)
	get, put := getUniform(s, 1000), putUniform(s, 1000)
	for range 1000 {
		get()
		put()
	}
	if st := s.Stats(); st.Hits != 1000 || st.Keys != 1000 {
		t.Errorf("%+v", st)
	}
	small := filled(t, 1000, 64<<10)
	insert := putNew(small, 1000)
	for range 1000 {
		insert()
	}
	if st := small.Stats(); st.Evicted == 0 {
		t.Errorf("%+v", st)
	}
}

func BenchmarkGetUniform(b *testing.B) {
	f := getUniform(filled(b, 1_000_000, 1<<30), 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}

func BenchmarkPeekUniform(b *testing.B) {
	s := filled(b, 1_000_000, 1<<30)
	rng := rand.New(rand.NewPCG(1, 2))
	var buf [16]byte
	for b.Loop() {
		set, _ := s.Peek(numbered(buf[:], rng.IntN(1_000_000)), wall)
		sink += set.Value[0]
	}
}

func BenchmarkPutOverwriteUniform(b *testing.B) {
	f := putUniform(filled(b, 1_000_000, 1<<30), 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}

func BenchmarkPutNewEvicting(b *testing.B) {
	f := putNew(filled(b, 1_000_000, 100<<20), 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}

var sink byte

func getUniform(s *Store, n int) func() {
	rng := rand.New(rand.NewPCG(1, 2))
	var buf [16]byte
	var out [100]byte
	return func() {
		set, _ := s.Get(numbered(buf[:], rng.IntN(n)), wall)
		sink += byte(copy(out[:], set.Value))
	}
}

func putUniform(s *Store, n int) func() {
	rng := rand.New(rand.NewPCG(3, 4))
	set := value(alice, vclock.Stamp(n)+1, strings.Repeat("v", 100))
	var buf [16]byte
	return func() {
		set.Dot.Stamp++
		s.Put(numbered(buf[:], rng.IntN(n)), set, wall)
	}
}

func putNew(s *Store, i int) func() {
	set := value(alice, vclock.Stamp(i)+1, strings.Repeat("v", 100))
	var buf [16]byte
	return func() {
		i++
		set.Dot.Stamp++
		s.Put(numbered(buf[:], i), set, wall)
	}
}

package main

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestAReplayCountsTheSecondRequestOfWhatHasRoom(t *testing.T) {
	var trace []uint64
	for i := range uint64(50) {
		trace = append(trace, i, i)
	}
	for _, p := range policies {
		c, err := p.new(100)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := play(c, trace); ratio != 0.5 {
			t.Errorf("%s: %v of the requests hit, not half", p.name, ratio)
		}
		c.close()
	}
}

func TestEveryTraceIsReplayedAtEverySizeThatHasTenEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.gz")
	writeTrace(t, path, 3000, 20_000)
	hits, err := replay(context.Background(), settings(t, "-traces", path, path), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * 2 * (1 + len(policies)); len(hits) != want {
		t.Fatalf("%d figures, not %d", len(hits), want)
	}
	for _, h := range hits {
		if h.Share == 0.1 && (h.Ratio < 0.2 || h.Ratio > 0.9) {
			t.Errorf("%+v: a tenth of such keys is more than a fifth of the requests, and less than all", h)
		}
	}
}

func TestSkewedNumbersFollowTheirLaw(t *testing.T) {
	const n, draws = 100, 100_000
	random := rand.New(rand.NewPCG(1, 2))
	s := newSkew(n, 1, random)
	count := make([]int, n)
	for range draws {
		count[s.draw(random)]++
	}
	first, tenth := count[s.number[0]], count[s.number[9]]
	if ratio := float64(first) / float64(tenth); ratio < 9 || ratio > 11 {
		t.Errorf("rank 1 comes %.2f times as often as rank 10, not 10 times", ratio)
	}
}

func TestNoTwoKeysAreAlike(t *testing.T) {
	seen := map[string]bool{}
	key := make([]byte, keyBytesLeast)
	for i := range 100_000 {
		putKey(key, i)
		seen[string(key)] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("%d keys of 100000 numbers", len(seen))
	}
}

func writeTrace(t *testing.T, path string, unique, requests int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	random := rand.New(rand.NewPCG(1, 2))
	s := newSkew(unique, 0.9, random)
	for range requests {
		if err := binary.Write(z, binary.LittleEndian, uint64(s.draw(random))); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

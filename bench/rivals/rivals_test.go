package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the test's own binary be the process that weigh starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == weighCommand {
		if err := weighHere(os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestEverySubjectReturnsWhatWasSet(t *testing.T) {
	const entries, keyBytes, valueBytes = 2000, 16, 100
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			c := made(t, s, room{entries, keyBytes, valueBytes, false})
			keys := newKeyRun(entries, keyBytes, counter())
			value := make([]byte, valueBytes)
			for i := range entries {
				copy(value, keys.at(i)) // a cache that kept the slice would have the last one everywhere
				c.set(keys.at(i), value)
			}
			c.settle()
			dst := make([]byte, 0, valueBytes)
			for i := range entries {
				got, ok := c.get(dst, keys.at(i))
				copy(value, keys.at(i))
				if !ok || !bytes.Equal(got, value) {
					t.Fatalf("key %d: %t, %q", i, ok, got)
				}
			}
			absent := make([]byte, keyBytes)
			putKey(absent, entries)
			if got, ok := c.get(dst, absent); ok {
				t.Errorf("a key that nobody set has %q", got)
			}
			if b, ok := c.(batcher); ok {
				if hits := b.getMany(dst[:valueBytes], append(keys.part(0, 5).list(), absent)); hits != 5 {
					t.Errorf("%d of 5 in a batch", hits)
				}
			}
		})
	}
}

func TestASetReplacesTheValue(t *testing.T) {
	for _, s := range subjects {
		c := made(t, s, room{100, 16, 100, false})
		key := make([]byte, 16)
		putKey(key, 7)
		c.set(key, []byte("one"))
		c.settle()
		c.set(key, []byte("two and more"))
		c.settle()
		if got, ok := c.get(nil, key); !ok || string(got) != "two and more" {
			t.Errorf("%s: %t, %q", s.name, ok, got)
		}
	}
}

func TestWhoeverEvictsHoldsAboutAsManyAsFit(t *testing.T) {
	const entries, valueBytes = 32 << 10, 1100 // more than any cache's least limit
	for _, s := range subjects {
		if s.grows {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			j := job{Subject: s.name, Entries: entries, Universe: 3 * entries, KeyBytes: 16, ValueBytes: valueBytes, Evicts: true, Seed: 1}
			r := room{entries, j.KeyBytes, j.ValueBytes, true}
			if r.bytes(0) < s.least {
				t.Fatalf("%d bytes are less than the least limit, %d", r.bytes(0), s.least)
			}
			c := made(t, s, r)
			random := newRace(&options{seed: 1, ops: 1}, figures{}, io.Discard).random
			j.fill(c, s.keeps, random)
			if held := j.held(c, random); held < entries*3/4 || held > entries*3/2 { // fastcache rounds up to 32 MiB
				t.Errorf("it holds %d entries, of a limit for %d", held, entries)
			}
		})
	}
}

func TestEveryColumnOfARunIsFilled(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	jsonFile := filepath.Join(dir, "figures.json")
	err := run(context.Background(), []string{
		"-entries", "500", "-rounds", "2", "-ops", "200", "-big", "1000", "-json", jsonFile,
	}, &out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{"OVER B", "GC BIG MS", "ZIPF P50", "UNIFORM", "BATCH", "ALLOCS SET", "P99"} {
		if !strings.Contains(out.String(), title) {
			t.Errorf("no column %s in\n%s", title, &out)
		}
	}
	if b, err := os.ReadFile(jsonFile); err != nil || !bytes.Contains(b, []byte(getZipfP99)) {
		t.Errorf("%v: %s", err, b)
	}
	o, r := settings(t, "-entries", "500", "-rounds", "2", "-ops", "200"), figures{}
	if err := newRace(o, r, io.Discard).run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(getColumns, setColumns) {
		for _, s := range subjects {
			want := o.rounds
			_, batches := made(t, s, room{100, o.keyBytes, o.valueBytes, false}).(batcher)
			if c.name == getBatch && !batches || s.grows && slices.Contains(setColumns, c) {
				want = 0
			}
			if got := len(r[c.name][s.name]); got != want {
				t.Errorf("%s of %s: %d figures, not %d", c.name, s.name, got, want)
			}
		}
	}
	for name, misses := range r[getMisses] {
		if slices.Max(misses) > 0 {
			t.Errorf("%s misses %v of what has room", name, misses)
		}
	}
}

func TestNeitherGetsNorSetsOfBytesAllocate(t *testing.T) {
	for _, name := range []string{"shoal", "fastcache", "freecache"} {
		s, _ := named(name)
		c := made(t, s, room{1000, 16, 100, false})
		keys, value, dst := newKeyRun(1000, 16, counter()), newValue(100), make([]byte, 0, 100)
		for i := range keys.len() {
			c.set(keys.at(i), value)
		}
		i := 0
		if n := testing.AllocsPerRun(500, func() {
			c.set(keys.at(i), value)
			c.get(dst, keys.at(i))
			i++
		}); n > 0 {
			t.Errorf("%s: %v allocations for a get and a set", name, n)
		}
	}
}

func TestWhatCannotBeAskedForIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-entries", "0"},
		{"-key-bytes", "7"},
		{"-universe", "1"},
		{"-theta", "-1"},
		{"-parts", "weigh,fly"},
		{"-subjects", "shoal,memcached"},
		{"-big-subjects", nothing},
		{"trace.gz"},
		{"-parts", "hits", "-traces", "no such file"},
	} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func made(t *testing.T, s subject, r room) cache {
	t.Helper()
	c, err := s.new(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func settings(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := parse(args, flag.NewFlagSet("test", flag.ContinueOnError))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

func TestACeilingSurvivesARestartAndNeverGoesBack(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	if s, boot := d.Ceiling(); s != 0 || boot != 0 {
		t.Fatalf("a new directory has ceiling %v, of boot %x", s, boot)
	}
	highest := vclock.Stamp(0)
	for _, s := range []vclock.Stamp{5, 3, 9, 9, 1, 2, math.MaxUint64 - 1, 7, math.MaxUint64, 8} {
		d.OwnCeiling()
		if err := d.SaveCeiling(s); err != nil {
			t.Fatal(err)
		}
		highest = max(highest, s)
		by := d.Identity().Boot
		kill(d)
		d = mustOpen(t, path)
		if got, boot := d.Ceiling(); got != highest || boot != by {
			t.Fatalf("after %v the ceiling is %v of boot %x, want %v of %x", s, got, boot, highest, by)
		}
	}
}

// A start that was cut short before it has heard the others vouches for no boot between: its directory may be a copy.
func TestACeilingIsThatOfTheBootItWasFoundOfUntilItIsOwned(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	first := d.Identity().Boot
	for i, own := range []bool{false, false, true} {
		if err := d.SaveCeiling(vclock.Stamp(10 + i)); err != nil {
			t.Fatal(err)
		}
		kill(d)
		d = mustOpen(t, path)
		if s, by := d.Ceiling(); s != vclock.Stamp(10+i) || by != first {
			t.Errorf("start %d: ceiling %v of boot %x, want that of %x", i+1, s, by, first)
		}
		if own {
			d.OwnCeiling()
		}
	}
	if err := d.SaveCeiling(1); err != nil {
		t.Fatal(err)
	}
	last := d.Identity().Boot
	kill(d)
	if d = mustOpen(t, path); d.ceiling.last != (promise{12, owner{d.id.NodeID, last}}) {
		t.Errorf("owned, it is %+v", d.ceiling.last)
	}
	kill(d)
}

// tape is a file in memory that is the whole of a disk. What was written and not synced is held apart, and moment is
// called wherever a crash may come.
type tape struct {
	Disk
	synced, seen []byte
	pending      [2]bool // by block
	moment       func()
	failing      int // operations until one fails; below 0: none
}

var errTape = errors.New("worn out")

func tapeOf(b []byte) *tape {
	return &tape{synced: bytes.Clone(b), seen: bytes.Clone(b), moment: func() {}, failing: -1}
}

// withSlots is the file of a ceiling with these slots, of node 1 in its boot 1. A slot without a stamp is spoilt.
func withSlots(slots ...vclock.Stamp) []byte {
	b := emptyCeiling()
	for i, s := range slots {
		if appendSlot(b[i*blockSize:i*blockSize], promise{s, owner{1, 1}}); s == 0 {
			b[i*blockSize] = 0
		}
	}
	return b
}

func (f *tape) Open(string, int) (File, error) { return f, nil }
func (f *tape) Size() (int64, error)           { return int64(len(f.seen)), nil }
func (f *tape) Close() error                   { return nil }

func (f *tape) ReadAt(b []byte, at int64) (int, error) { return bytes.NewReader(f.seen).ReadAt(b, at) }

func (f *tape) WriteAt(b []byte, at int64) (n int, err error) {
	if f.fails() {
		b, err = b[:len(b)/2], errTape
	}
	f.pending[at/blockSize] = true
	f.seen = append(f.seen, make([]byte, max(0, int(at)+len(b)-len(f.seen)))...)
	n = copy(f.seen[at:], b)
	f.moment()
	return n, err
}

func (f *tape) Sync() error {
	if f.fails() {
		f.moment()
		return errTape
	}
	f.synced = bytes.Clone(f.seen)
	f.pending = [2]bool{}
	f.moment()
	return nil
}

func (f *tape) fails() bool {
	f.failing--
	return f.failing == -1
}

// next is the ceiling as a process finds it that starts now.
func (f *tape) next(t testing.TB) *ceiling {
	t.Helper()
	c := &ceiling{}
	if err := c.open(f, "ceiling"); err != nil {
		t.Fatal(err)
	}
	return c
}

// slots returns what is on disk for certain: 0 for a slot that is spoilt, or that a write under way may spoil.
func (f *tape) slots() (slots [2]vclock.Stamp) {
	for i := range slots {
		if p, _, err := (&ceiling{}).readSlot(tapeOf(f.synced), int64(i)); err == nil && !f.pending[i] {
			slots[i] = p.stamp
		}
	}
	return slots
}

// startsOfCeilings are files as crashes, flips and the release before this one leave them, by the stamp they promise.
var startsOfCeilings = map[string][]byte{
	"both slots":              withSlots(5, 5),
	"the first is older":      withSlots(4, 5),
	"the second is older":     withSlots(5, 4),
	"the first is spoilt":     withSlots(0, 5),
	"the second is spoilt":    withSlots(5, 0),
	"the second is cut off":   withSlots(5, 5)[:blockSize+7],
	"the second is not there": withSlots(5, 5)[:slotSize],
}

// Wherever a crash comes, and whatever it does to the block that is being written, the other has the promise.
func TestOneSlotOnDiskHasThePromiseAtEveryMoment(t *testing.T) {
	for claim, start := range startsOfCeilings {
		for failing := -1; failing < 12; failing++ {
			f := tapeOf(start)
			promised := vclock.Stamp(5)
			f.moment = func() {
				if slots := f.slots(); max(slots[0], slots[1]) < promised {
					t.Fatalf("%s, failing at %d: the slots on disk are %v when %v is promised", claim, failing, slots, promised)
				}
			}
			c := f.next(t)
			if c.last.stamp != promised {
				t.Fatalf("%s: the ceiling is %v", claim, c.last.stamp)
			}
			f.failing = failing
			for s := vclock.Stamp(6); s < 10; s++ {
				err := c.save(s)
				if f.moment(); err != nil {
					if !errors.Is(err, errTape) || c.last.stamp != promised {
						t.Fatalf("%s: %v, and the ceiling is %v", claim, err, c.last)
					}
					continue
				}
				promised = s
			}
			if promised != 9 {
				t.Errorf("%s: after one failure %v is promised", claim, promised)
			}
		}
	}
}

// A flip at rest spoils one slot; the promise must not have been in that one alone.
func TestAPromisedCeilingIsInBothSlotsOnDisk(t *testing.T) {
	for claim, start := range startsOfCeilings {
		for _, s := range []vclock.Stamp{3, 5, 6} { // a lower one promises what was there
			f := tapeOf(start)
			want := max(s, 5)
			if err := f.next(t).save(s); err != nil || f.slots() != [2]vclock.Stamp{want, want} {
				t.Errorf("%s: after saving %v the slots on disk are %v, %v", claim, s, f.slots(), err)
			}
			c := f.next(t)
			f.failing = 1
			if err := c.save(7); !errors.Is(err, errTape) {
				t.Fatal(err)
			}
			if err := c.save(s); err != nil || min(f.slots()[0], f.slots()[1]) < want {
				t.Errorf("%s: after a save that failed, and saving %v, the slots on disk are %v, %v", claim, s, f.slots(), err)
			}
		}
	}
}

// A process that was killed between a write and its sync leaves what the next one sees and no disk has.
func TestAnOpenedCeilingIsOnDisk(t *testing.T) {
	f := tapeOf(withSlots(5, 5))
	f.seen, f.pending[0] = withSlots(6, 5), true
	if c := f.next(t); c.last.stamp != 6 || f.slots() != [2]vclock.Stamp{6, 5} {
		t.Errorf("the ceiling is %v, and the slots on disk are %v", c.last, f.slots())
	}
}

func TestAFlipOrACutAnywhereNeverLowersTheCeiling(t *testing.T) {
	for saves := range vclock.Stamp(4) {
		f := tapeOf(emptyCeiling())
		c := f.next(t)
		c.owned(owner{2, 3})
		for s := range saves {
			if err := c.save(s + 1); err != nil {
				t.Fatal(err)
			}
		}
		check := func(b []byte, how string, i int) {
			t.Helper()
			if p, _, err := c.load(&tape{seen: b}); err != nil && !errors.Is(err, ErrDamaged) || err == nil && p != c.last {
				t.Fatalf("%s %d: the ceiling is %v, %v, after %v was saved", how, i, p, err, c.last)
			}
		}
		for i := range f.synced {
			for bit := range 8 {
				f.synced[i] ^= 1 << bit
				check(f.synced, "flip in byte", i)
				f.synced[i] ^= 1 << bit
			}
			check(f.synced[:i], "cut at", i)
		}
	}
}

// A start that changes no stamp says all the same whose it is now.
func TestACeilingSaysWhichBootSavedIt(t *testing.T) {
	f := tapeOf(withSlots(5, 5))
	c := f.next(t)
	if c.last != (promise{5, owner{1, 1}}) {
		t.Fatalf("the promise is %+v", c.last)
	}
	for failing := -1; failing < 4; failing++ {
		f := tapeOf(withSlots(5, 5))
		c := f.next(t)
		c.owned(owner{1, 2})
		f.failing = failing
		err := c.save(4)
		want := promise{5, owner{1, 2}}
		if got := f.next(t).last; err == nil && got != want || err != nil && got != want && got != (promise{5, owner{1, 1}}) {
			t.Errorf("failing at %d: the next start finds %+v, %v", failing, got, err)
		}
	}
}

func TestACeilingThatCannotBeReadStopsTheStart(t *testing.T) {
	for claim, spoil := range map[string]func(path string) error{
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"missing": os.Remove,
		"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 2*blockSize), 0o600) },
		"other bytes in both slots": func(path string) error {
			b, err := os.ReadFile(path)
			b[15]++
			b[blockSize+15]++
			return errors.Join(err, os.WriteFile(path, b, 0o600))
		},
	} {
		path := t.TempDir()
		kill(mustOpen(t, path))
		if err := spoil(filepath.Join(path, "ceiling")); err != nil {
			t.Fatal(err)
		}
		before := contents(t, filepath.Join(path, "node.json"))
		_, err := Open(OS(), path, claimOf("n1", "shoal"))
		if err == nil {
			t.Fatalf("%s: the node starts", claim)
		}
		wantRefused(t, err, ErrDamaged, filepath.Join(path, "ceiling"), "remove the directory "+path, "--join")
		if !bytes.Equal(before, contents(t, filepath.Join(path, "node.json"))) {
			t.Errorf("%s: node.json was changed", claim)
		}
	}
}

func TestBenchmarkOfTheCeilingRuns(t *testing.T) { benchmarkSave(t, 2) }

// Compared with replacing a file each time.
func BenchmarkSaveCeiling(b *testing.B) { benchmarkSave(b, b.N) }

func benchmarkSave(t testing.TB, n int) {
	path := filepath.Join(t.TempDir(), "ceiling")
	if err := os.WriteFile(path, emptyCeiling(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &ceiling{}
	if err := c.open(OS(), path); err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for i := range n {
		if err := c.save(vclock.Stamp(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if c.last.stamp != vclock.Stamp(n) {
		t.Fatal(fmt.Sprint("ceiling is ", c.last))
	}
}

func BenchmarkReplaceFile(b *testing.B) {
	dir, bytes := b.TempDir(), emptyCeiling()[:slotSize]
	for b.Loop() {
		if err := replaceFile(OS(), dir, "ceiling", bytes); err != nil {
			b.Fatal(err)
		}
	}
}

package wire

import (
	"errors"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

func samplePage() ([]byte, []PageEntry) {
	set := sampleSet()
	bare := sampleSet()
	bare.Context.Seen = nil
	want := []PageEntry{
		{Key: []byte("first"), Set: set},
		{IsGhost: true, Ghost: Ghost{Hash: 1 << 63, Stamp: 1 << 60, Digest: 1 << 31, Deadline: vclock.Deadline{At: 1, Stamp: 1 << 61}}},
		{Key: []byte{}, Set: bare},
		{IsGhost: true},
		{IsGhost: true, Ghost: Ghost{Hash: 5, Stamp: 6, Digest: 7, Content: 8, Fewer: 3}},
		{IsBrief: true, Ghost: Ghost{Hash: 1 << 63, Stamp: 1 << 60, Digest: 1 << 31}, Below: 1 << 59},
	}
	var page []byte
	for i := range want {
		page = appendEntry(page, &want[i])
	}
	return page, want
}

func appendEntry(page []byte, e *PageEntry) []byte {
	switch {
	case e.IsGhost:
		return AppendPageGhost(page, e.Ghost)
	case e.IsBrief:
		return AppendPageBrief(page, e.Ghost.Hash, e.Ghost.Stamp, e.Ghost.Digest, e.Below)
	default:
		return AppendPageRecord(page, e.Key, &e.Set, e.Below)
	}
}

func TestAPageComesBackEntryByEntry(t *testing.T) {
	l := DefaultLimits()
	body, want := samplePage()
	p := NewPage(body, &l)
	var e PageEntry
	for i := range want {
		more, err := p.Next(&e)
		if !more || err != nil || !sameEntry(&e, &want[i]) {
			t.Fatalf("entry %d: got %+v, %v, %v, want %+v", i, e, more, err, want[i])
		}
	}
	for range 2 {
		if more, err := p.Next(&e); more || err != nil {
			t.Fatalf("at the end: %v, %v", more, err)
		}
	}
}

func TestAnEmptyPageHasNoEntries(t *testing.T) {
	l := DefaultLimits()
	p := NewPage(nil, &l)
	if more, err := p.Next(&PageEntry{}); more || err != nil {
		t.Errorf("%v, %v", more, err)
	}
}

func TestACutPageGivesItsWholeEntriesAndThenAnErrorForGood(t *testing.T) {
	l := DefaultLimits()
	body, want := samplePage()
	ends := map[int]bool{0: true}
	for at, i := 0, 0; i < len(want); i++ {
		at += len(appendEntry(nil, &want[i]))
		ends[at] = true
	}
	for n := range body {
		p := NewPage(body[:n], &l)
		var e PageEntry
		entries := 0
		more, err := p.Next(&e)
		for ; more; more, err = p.Next(&e) {
			if !sameEntry(&e, &want[entries]) {
				t.Fatalf("cut at %d: entry %d is %+v", n, entries, e)
			}
			entries++
		}
		if (err == nil) != ends[n] {
			t.Errorf("cut at %d: error %v after %d entries", n, err, entries)
		}
		if _, again := p.Next(&e); again != err {
			t.Errorf("cut at %d: first %v, then %v", n, err, again)
		}
	}
}

func TestPageEntriesThatMeanNothingAreRefused(t *testing.T) {
	l := DefaultLimits()
	for name, body := range map[string][]byte{
		"unknown entry":       {0x93, 4, 0xc0, 0xc0},
		"brief of four":       {0x94, 3, 1, 1, 1},
		"record of no set":    {0x93, 1, 0xa1, 'k', 0xc0},
		"record of no fields": {0x91, 1},
		"ghost of two fields": {0x93, 2, 1, 1, 1},
		"no array":            {1},
		"no entry":            {0x90},
	} {
		p := NewPage(body, &l)
		var format *FormatError
		if more, err := p.Next(&PageEntry{}); more || !errors.As(err, &format) {
			t.Errorf("%s: %v, %v, want a FormatError", name, more, err)
		}
	}
}

func TestPageEntriesOfANewerPeerAreReadAsFarAsKnown(t *testing.T) {
	l := DefaultLimits()
	body := []byte{0x97, 2, 1, 2, 3, 0, 0, 0x92, 4, 5, 0x96, 2, 7, 8, 9, 10, 11}
	p := NewPage(body, &l)
	var e PageEntry
	for _, want := range []Ghost{{Hash: 1, Stamp: 2, Digest: 3}, {Hash: 7, Stamp: 8, Digest: 9, Deadline: vclock.Deadline{At: 10, Stamp: 11}}} {
		if more, err := p.Next(&e); !more || err != nil || e.Ghost != want {
			t.Errorf("got %+v, %v, %v, want %+v", e.Ghost, more, err, want)
		}
	}
}

func sameEntry(a, b *PageEntry) bool {
	return a.IsGhost == b.IsGhost && a.IsBrief == b.IsBrief && a.Below == b.Below && a.Ghost == b.Ghost && string(a.Key) == string(b.Key) && sameSet(&a.Set, &b.Set)
}

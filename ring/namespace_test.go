package ring

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

// Invariant 7.
func TestAFlushIsNotUndoneByAnyMerge(t *testing.T) {
	flushed := Namespace{Name: "a", Replicas: 3, Version: 2, Epoch: 1}
	changed := Namespace{Name: "a", Replicas: 3, Version: 9, TTL: 5}
	want := changed
	want.Epoch = 1
	if got, again := flushed.Merge(changed), changed.Merge(flushed); got != want || again != want {
		t.Errorf("merged to %+v and %+v, want %+v", got, again, want)
	}
}

func TestTheLaterVersionDecidesWhetherANamespaceIsDropped(t *testing.T) {
	there := Namespace{Name: "a", Replicas: 3, Version: 1}
	dropped := Namespace{Name: "a", Replicas: 3, Version: 2, Epoch: 1, Dropped: true}
	again := Namespace{Name: "a", Replicas: 3, Version: 3, Epoch: 2}
	if got := there.Merge(dropped); got != dropped {
		t.Errorf("a late copy brings it back: %+v", got)
	}
	if got := dropped.Merge(again); got != again {
		t.Errorf("made again it is %+v", got)
	}
}

// Every field of a namespace is part of the map's hash; of the placement's are those that decide which keys there are.
func TestEveryFieldOfANamespaceCountsInTheHash(t *testing.T) {
	m := mapOf(1, 16, 1, 1).WithNamespace(Namespace{Name: "a", Replicas: 1})
	placed := map[string]bool{"Epoch": true, "Dropped": true, "Mode": true, "Replicas": true}
	for i := range reflect.TypeFor[Namespace]().NumField() {
		ns := *m.Namespace("a")
		name := reflect.TypeFor[Namespace]().Field(i).Name
		if name == "Name" {
			continue
		}
		switch f := reflect.ValueOf(&ns).Elem().Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(1)
		default:
			f.SetUint(f.Uint() + 1)
		}
		other := m.WithNamespace(ns)
		if other.Hash(xxhash.Sum64) == m.Hash(xxhash.Sum64) {
			t.Errorf("%s is not part of the hash", name)
		}
		if got := other.PlacementHash(xxhash.Sum64) != m.PlacementHash(xxhash.Sum64); got != placed[name] {
			t.Errorf("%s changes the placement hash: %v", name, got)
		}
		if other.OwnersHash(xxhash.Sum64) != m.OwnersHash(xxhash.Sum64) {
			t.Errorf("%s changes who owns what", name)
		}
	}
}

func TestAMapWithNoOtherNamespaceHasTheHashesOfBefore(t *testing.T) {
	m := mapOf(1, 16, 3, 3)
	if m.PlacementHash(xxhash.Sum64) != m.OwnersHash(xxhash.Sum64) {
		t.Error("the default namespace is part of the placement hash, though it was never flushed")
	}
	flushed := *m.Namespace(DefaultNamespace)
	flushed.Epoch++
	if m.WithNamespace(flushed).PlacementHash(xxhash.Sum64) == m.PlacementHash(xxhash.Sum64) {
		t.Error("a flush of the default namespace does not change the placement hash")
	}
}

// Invariant 7.
func TestNoTwoKeysHaveOneInnerKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'k'}), 1, 24)
		id := rapid.SampledFrom([]uint64{0, 1, 256, 1<<64 - 1})
		a, b, x, y := key.Draw(t, "a"), key.Draw(t, "b"), id.Draw(t, "x"), id.Draw(t, "y")
		inner := AppendInnerKey(nil, x, a)
		if same := bytes.Equal(inner, AppendInnerKey(nil, y, b)); same != (x == y && bytes.Equal(a, b)) {
			t.Fatalf("%x in %d and %x in %d have one inner key: %v", a, x, b, y, same)
		}
		if gotID, got := SplitInnerKey(inner); gotID != x || !bytes.Equal(got, a) {
			t.Fatalf("%x in %d is split into %x in %d", a, x, got, gotID)
		}
	})
}

func TestAPlainKeyIsItsOwnInnerKey(t *testing.T) {
	key := []byte("key")
	if got := AppendInnerKey(nil, 0, key); string(got) != "key" {
		t.Errorf("it is %x", got)
	}
	for _, odd := range []string{"", "\x00", "\x00short", "\x0012345678"} {
		if id, got := SplitInnerKey([]byte(odd)); id != 0 || string(got) != odd {
			t.Errorf("%q is split into %q in %d", odd, got, id)
		}
	}
}

func TestANamespaceHasAnotherIDInEachEpoch(t *testing.T) {
	ids := map[uint64]bool{0: true}
	for _, name := range []string{DefaultNamespace, "a", "b"} {
		for epoch := range uint32(3) {
			ns := Namespace{Name: name, Epoch: epoch}
			id := ns.ID(xxhash.Sum64)
			if name == DefaultNamespace && epoch == 0 {
				if id != 0 {
					t.Errorf("the default namespace has id %d", id)
				}
				continue
			}
			if ids[id] {
				t.Errorf("%s in epoch %d has an id that another has", name, epoch)
			}
			ids[id] = true
		}
	}
}

func TestANamespaceThatCannotBeIsRefused(t *testing.T) {
	for want, ns := range map[string]Namespace{
		"no name":              {Replicas: 1},
		"65 bytes":             {Name: strings.Repeat("a", 65), Replicas: 1},
		"in its name":          {Name: "Upper", Replicas: 1},
		"0x20":                 {Name: "a b", Replicas: 1},
		"0 replicas":           {Name: "a"},
		"mode(2)":              {Name: "a", Replicas: 1, Mode: 2},
		"TTL of -1 ms":         {Name: "a", Replicas: 1, TTL: -1},
		"TTL of 3153600000001": {Name: "a", Replicas: 1, TTL: TTLMax + 1},
		"cannot be dropped":    {Name: DefaultNamespace, Replicas: 1, Dropped: true},
	} {
		if err := ns.Validate(); !errors.Is(err, ErrMap) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", ns, err, want)
		}
	}
	good := Namespace{Name: "a-1._" + strings.Repeat("z", 59), Replicas: 7, Mode: Siblings, TTL: TTLMax, Epoch: 5, Dropped: true}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestEveryModeIsReadAsItIsWritten(t *testing.T) {
	for _, m := range []Mode{LWW, Siblings} {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v is read as %v, %v", m, got, err)
		}
	}
	if _, err := ParseMode("crdt"); !errors.Is(err, ErrMode) || !strings.Contains(err.Error(), "lww, siblings") {
		t.Errorf("an unknown mode: %v", err)
	}
}

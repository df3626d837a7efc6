package replica

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Scans that are handed on count among the requests under way: a client may not have as many as it likes.
func TestScansThatAreHandedOnAreBounded(t *testing.T) { // I16
	n := founded(t, 1, 3)
	s := n.Shards()[0]
	s.cfg.PendingMax = 10
	s.store.Recover(0, 1) // so that it asks another owner
	var out Outbox
	ask := func(value []byte) {
		r := wire.Request{Op: wire.OpScan, ID: 1, Value: value}
		k, _ := n.Locate(n.View(), &r)
		s.store.Recover(k.Partition, 1)
		frame := wire.AppendRequest(nil, &r)
		s.Request(recoverNow(0), k, coordinator.Client{Conn: 1, ID: 1}, &r, frame[wire.FrameHeader:], &out)
	}
	for range 30 {
		ask([]byte("prefix"))
	}
	if s.Busy() != 10 {
		t.Errorf("%d under way, at most 10 may be", s.Busy())
	}
	s.cfg.PendingMax = 20
	for _, c := range []struct{ bytes, busy int }{{s.cfg.Limits.Key, 11}, {s.cfg.Limits.Key + 1, 11}} {
		if ask(bytes.Repeat([]byte("x"), c.bytes)); s.Busy() != c.busy {
			t.Errorf("%d under way after a prefix of %d bytes, want %d", s.Busy(), c.bytes, c.busy)
		}
	}
}

// However many actors a record names: what a store takes in, a node can send.
func TestTheLargestRecordFitsIntoEveryMessage(t *testing.T) { // I17
	cfg := *founded(t, 1, 3).Shards()[0].cfg
	cfg.Limits.Frame = 200 << 10
	if s, err := newShard(&cfg, 0, 4); err != nil || s.store.RecordBytesMax() != int64(recordBytes(&cfg.Limits)) {
		t.Errorf("a shard takes records of %d bytes: %v", s.store.RecordBytesMax(), err)
	}
	small := cfg
	small.RecordMax = 100 << 10
	if s, err := newShard(&small, 0, 4); err != nil || s.store.RecordBytesMax() != int64(small.RecordMax) {
		t.Errorf("a shard that is to take less takes records of %d bytes: %v", s.store.RecordBytesMax(), err)
	}
	for _, l := range []wire.Limits{wire.DefaultLimits(), {Frame: 2 << 20, Key: 1 << 10, Value: 1 << 20, Actors: 1024, Keys: 10}, {Frame: 64 << 10, Key: 100, Value: 32 << 10, Actors: 8, Keys: 10}} {
		for _, actors := range []int{0, 1, l.Actors} {
			s, err := storage.New(storage.Config{BytesMax: 256 << 20, RecordBytesMax: recordBytes(&l), Partitions: 1, Shards: 1, Hash: xxhash.Sum64})
			if err != nil {
				t.Fatal(err)
			}
			set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1<<64 - 1, Boot: 1<<64 - 1}, Stamp: 1<<64 - 1}, Deadline: vclock.Deadline{At: 1<<62 - 1, Stamp: 1<<64 - 1}}
			for i := range actors {
				set.Context.Add(vclock.Dot{Actor: vclock.Actor{Node: 1<<63 + uint64(i), Boot: 1<<64 - 1}, Stamp: 1<<64 - 2})
			}
			key := []byte("k")
			room := recordBytes(&l)
			for all := make([]byte, room); ; {
				set.Value = all[:room]
				if s.Put(storage.Key{Bytes: key}, &set, 0).Outcome == storage.Stored {
					break
				}
				room--
			}
			for _, m := range []wire.Message{
				{Kind: wire.KindFetchReply, ID: 1<<64 - 1, Set: set, Floor: 1<<64 - 1},
				{Kind: wire.KindStore, ID: 1<<64 - 1, Key: key, Set: set, Expires: 1<<62 - 1, Floor: 1<<64 - 1},
				{Kind: wire.KindPullReply, ID: 1<<64 - 1, Body: wire.AppendPageRecord(nil, key, &set, 1<<64-1)},
			} {
				if frame := wire.AppendMessage(nil, &m); len(frame)-wire.FrameHeader > l.Frame {
					t.Errorf("limits %+v, %d actors: kind %v takes %d bytes", l, actors, m.Kind, len(frame)-wire.FrameHeader)
				}
			}
		}
	}
}

// A namespace whose writes ask for any node is written to at that level by who names none.
func TestADefaultLevelOfAnyCountsHints(t *testing.T) {
	w := newTrio(t)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "s", Write: "any"})
	s := w.nodes[0].Shards()[0]
	ns, _ := s.view.spaces.find("s")
	for _, level := range []wire.Level{wire.LevelDefault, wire.LevelAny, wire.LevelQuorum} {
		if a := s.ask(ns, &wire.Request{Op: wire.OpSet, Level: level}, 0); a.Sloppy != (level != wire.LevelQuorum) {
			t.Errorf("%v: sloppy %t", level, a.Sloppy)
		}
	}
}

// Two clients flush through two nodes that have not heard of each other: what was written between the two flushes is gone once
// the second is answered, which makes it twice.
func TestAFlushThatMeetsAnotherOfItsEpochIsAFlush(t *testing.T) { // I20
	w := newTrio(t)
	flush := wire.NamespaceChange{Action: wire.NamespaceFlush, Name: ring.DefaultNamespace}
	if _, err := w.change(0, flush); err != nil {
		t.Fatal(err)
	}
	w.tell(0, 2)
	if got := w.set(0, "", "k", "between"); got != wire.StatusOK {
		t.Fatal(got)
	}
	for range 2 {
		if _, err := w.change(1, flush); err != nil {
			t.Fatal(err)
		}
		for _, x := range [][2]int{{1, 0}, {1, 2}, {0, 1}} {
			w.tell(x[0], x[1])
		}
	}
	for i := range w.nodes {
		if got := w.get(i, "", "k"); got != "nothing" {
			t.Errorf("n%d reads %q: %s", i+1, got, fmt.Sprint(w.nodes[i].View().Map.Namespaces))
		}
	}
}

package replica

import (
	"bytes"
	"fmt"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// A scan's page is full with so many keys, or bytes of them, and has taken long enough after so many partitions.
const (
	scanKeysMax       = 1000
	scanBytesMax      = 64 << 10
	scanWalkBytes     = 64 << 10 // of records looked at under one lock, their values included
	scanPartitionsMax = 512
)

// ScanPage is an answer to OpScan in the making. One node fills it from as many of its own partitions as it
// takes; what it does not own, another node tells.
type ScanPage struct {
	Cursor     wire.ScanCursor // where it goes on
	Prefix     []byte          // of the keys that count
	space      space           // whose keys count
	partitions uint32          // of the cluster
	steps      int
	items      []wire.Item
	keys       int // bytes
}

// Open reads a request into p; nil, or why it is refused.
func (p *ScanPage) Open(v *View, r *wire.Request) error {
	ns, ok := v.spaces.find(r.Namespace)
	if !ok {
		return &wire.NamespaceError{Op: r.Op, Text: noNamespace(r.Namespace)}
	}
	cursor, err := wire.ParseScanCursor(r.Key)
	*p = ScanPage{Cursor: cursor, Prefix: r.Value, space: ns, partitions: v.Map.Partitions}
	if err == nil && cursor.Partition >= p.partitions {
		err = &wire.FormatError{What: "a scan cursor of another cluster"}
	}
	return err
}

// Done reports whether the page should be answered as it is.
func (p *ScanPage) Done() bool {
	return p.Cursor.Partition >= p.partitions || p.steps >= scanPartitionsMax || len(p.items) >= scanKeysMax || p.keys >= scanBytesMax
}

// Empty reports whether nothing has been looked at.
func (p *ScanPage) Empty() bool { return p.steps == 0 }

// Response is the answer; it lives as long as the page is not used again.
func (p *ScanPage) Response() wire.Response {
	resp := wire.Response{Items: p.items}
	if p.Cursor.Partition < p.partitions {
		resp.Value = p.Cursor.Append(nil)
	}
	return resp
}

// Scan adds keys of the page's partition, which belongs to this shard; false where another owner should tell
// them, because this node is none or has not recovered what it owns.
func (s *Shard) Scan(now vclock.Now, p *ScanPage) bool {
	c := &p.Cursor
	if s.rank(c.Partition) >= p.space.Replicas {
		return false
	}
	if _, recovering := s.store.Recovering(c.Partition); recovering {
		s.seats(c.Partition, p.space.Replicas, false)
		if !s.alone() {
			return false
		}
	}
	s.walk(now, p)
	return true
}

// walk adds keys of the page's partition as this node has them.
func (s *Shard) walk(now vclock.Now, p *ScanPage) {
	c := &p.Cursor
	if c.Actor != s.cfg.Self {
		c.Actor, c.At = s.cfg.Self, 0
	}
	p.steps++
	c.At = s.store.Walk(c.Partition, c.At, scanWalkBytes, func(inner []byte, set *vclock.Set, _ vclock.Stamp) {
		at := set.Deadline.At
		id, key := ring.SplitInnerKey(inner)
		if id != p.space.id || set.Tombstone || at != 0 && at <= now.Wall || !bytes.HasPrefix(key, p.Prefix) {
			return
		}
		p.keys += len(key)
		p.items = append(p.items, wire.Item{Stamp: uint64(set.Dot.Stamp), Value: bytes.Clone(key), Deadline: at})
	}, func(storage.Ghost) {})
	if c.At == 0 {
		c.Partition++
	}
}

// scan answers for one partition, or hands the request to a node that can.
func (s *Shard) scan(k storage.Key, ns space, client coordinator.Client, r *wire.Request, frame []byte) {
	if len(r.Value) > s.cfg.Limits.Key {
		s.reject(client, r.Op, wire.StatusTooLarge, fmt.Sprintf("the prefix has %d bytes, a key at most %d", len(r.Value), s.cfg.Limits.Key))
		return
	}
	var p ScanPage
	if err := p.Open(s.view, r); err != nil {
		s.reject(client, r.Op, wire.StatusBadRequest, err.Error())
		return
	}
	if s.draining {
		s.reject(client, r.Op, wire.StatusNotReady, "this node is stopping: ask another")
		return
	}
	// Whoever it was forwarded to tells what it has: the next node would do no better.
	if told := client.Node != 0 && s.rank(k.Partition) < ns.Replicas; told {
		s.walk(s.now, &p)
	} else if !s.Scan(s.now, &p) {
		if s.crowded() {
			s.reject(client, r.Op, wire.StatusOverloaded, crowdedText)
			return
		}
		s.seats(k.Partition, ns.Replicas, false)
		s.forward(k, ns, client, r, frame)
		return
	}
	resp := p.Response()
	s.answer(client, &resp)
}

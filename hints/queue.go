package hints

import (
	"container/list"
	"slices"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Config bounds a queue.
type Config struct {
	BytesMax    int64         // of keys, values and overhead; over it a hint is dropped and its partition is dirty; default 64 MiB
	WindowMax   int           // hints on the way to one node at a time; more drains faster and bursts harder; default 64
	BytesPaced  int           // bytes sent to one node per Tick, after which the rest waits; default 1 MiB
	RetryPeriod time.Duration // before an unanswered or refused hint is sent again; default 1 s
}

// DefaultConfig returns the defaults named at the fields.
func DefaultConfig() Config {
	return Config{BytesMax: 64 << 20, WindowMax: 64, BytesPaced: 1 << 20, RetryPeriod: time.Second}
}

// entryOverhead is what one hint costs beside its key, value and context: the entry, its place in the
// lane and in both indexes (measured on amd64, rounded up).
const entryOverhead = 320

// Queue holds one shard's hints: at most one per node and key, the merge of all writes owed.
type Queue struct {
	cfg   Config
	lanes []*lane // sorted by target
	byID  map[uint64]*entry
	last  uint64 // id given last
	stats Stats
	dirty map[uint32]bool // partitions that lost a hint
}

// Stats counts what became of hints.
type Stats struct {
	Owed      int   `json:"owed"`
	Bytes     int64 `json:"bytes"`
	BytesMax  int64 `json:"bytes_max"`
	Added     int64 `json:"added"`
	Merged    int64 `json:"merged"`
	Delivered int64 `json:"delivered"`
	Refused   int64 `json:"refused"` // at a floor, or by a node that no longer owns the key
	Dropped   int64 `json:"dropped"` // over the cap, or owed to a node that was removed
	Expired   int64 `json:"expired"`
}

// lane is what is owed to one node, oldest first.
type lane struct {
	target  uint64
	entries list.List // of *entry
	byKey   map[string]*entry
	flying  int
	paced   int           // bytes this Tick may still send
	paused  time.Duration // send nothing before this
}

type entry struct {
	lane      *lane
	place     *list.Element
	id        uint64
	partition uint32
	key       string
	set       vclock.Set
	must      bool // counted towards W: never dropped undelivered
	sent      time.Duration
	flying    bool
	changed   bool // merged while on the way: the ack is for less than is owed
}

func (e *entry) bytes() int64 {
	return int64(entryOverhead + len(e.key) + len(e.set.Value) + 24*len(e.set.Context.Seen))
}

// New makes an empty queue.
func New(cfg Config) *Queue {
	return &Queue{cfg: cfg, byID: map[uint64]*entry{}, dirty: map[uint32]bool{}}
}

// Owed is a hint to be kept; Key and Set are copied.
type Owed struct {
	Target    uint64
	Partition uint32
	Key       []byte
	Set       *vclock.Set
	Must      bool // it counts towards W: when there is no room it is refused, not dropped
}

// Add keeps a hint, merged with what is owed for the key already. It reports whether the hint is kept.
func (q *Queue) Add(o Owed) bool {
	l := q.lane(o.Target, true)
	if e := l.byKey[string(o.Key)]; e != nil {
		before := e.bytes()
		m, _ := vclock.Merge(&e.set, o.Set)
		e.set = clone(&m)
		e.must = e.must || o.Must
		e.changed = e.flying
		q.stats.Bytes += e.bytes() - before
		q.stats.Merged++
		return true
	}
	e := &entry{lane: l, partition: o.Partition, key: string(o.Key), set: clone(o.Set), must: o.Must}
	if q.stats.Bytes+e.bytes() > q.cfg.BytesMax {
		if !o.Must {
			q.stats.Dropped++
			q.dirty[o.Partition] = true
		}
		return false
	}
	q.last++
	e.id = q.last
	e.place = l.entries.PushBack(e)
	l.byKey[e.key], q.byID[e.id] = e, e
	q.stats.Bytes += e.bytes()
	q.stats.Added++
	return true
}

// Send is one hint on its way: a store that the target answers under ID. Its slices stay valid until the
// queue is called again.
type Send struct {
	ID     uint64
	Target uint64
	Key    []byte
	Set    vclock.Set
}

// Tick appends what may be sent now to the nodes for which up is true.
func (q *Queue) Tick(now vclock.Now, up func(node uint64) bool, dst []Send) []Send {
	for _, l := range q.lanes {
		l.paced = q.cfg.BytesPaced
		if l.entries.Len() == 0 || !up(l.target) {
			continue
		}
		dst = q.fly(l, now, dst)
	}
	return dst
}

// fly sends a lane's oldest hints as far as window and pace allow.
func (q *Queue) fly(l *lane, now vclock.Now, dst []Send) []Send {
	if now.Mono < l.paused {
		return dst
	}
	next := l.entries.Front()
	for n := 0; next != nil && n < 2*q.cfg.WindowMax; n++ {
		e := next.Value.(*entry)
		next = next.Next()
		if e.flying && now.Mono-e.sent < q.cfg.RetryPeriod {
			continue
		}
		if e.set.Deadline.Passed(now.Wall) {
			q.stats.Expired++
			q.remove(e)
			continue
		}
		if !e.flying && (l.flying >= q.cfg.WindowMax || l.paced <= 0) {
			break
		}
		if !e.flying {
			e.flying = true
			l.flying++
		}
		e.sent, e.changed = now.Mono, false
		l.paced -= int(e.bytes())
		dst = append(dst, Send{ID: e.id, Target: l.target, Key: []byte(e.key), Set: e.set})
	}
	return dst
}

// Ack takes the target's answer to the hint id, and appends what may be sent next.
func (q *Queue) Ack(now vclock.Now, id uint64, o wire.Outcome, dst []Send) []Send {
	e := q.byID[id]
	if e == nil || !e.flying {
		return dst
	}
	l := e.lane
	switch o {
	case wire.OutcomeOK, wire.OutcomeSuperseded, wire.OutcomeGone:
		if e.changed {
			e.flying, e.changed = false, false
			l.flying--
			break
		}
		q.stats.Delivered++
		q.remove(e)
	case wire.OutcomeBehind, wire.OutcomeNotOwner, wire.OutcomeTooLarge:
		q.stats.Refused++
		q.remove(e)
	default: // the target is not ready: leave it alone for a while
		e.flying = false
		l.flying--
		l.paused = now.Mono + q.cfg.RetryPeriod
		return dst
	}
	return q.fly(l, now, dst)
}

// Forget drops everything owed to a node that was removed from the map.
func (q *Queue) Forget(target uint64) {
	l := q.lane(target, false)
	if l == nil {
		return
	}
	for l.entries.Len() > 0 {
		q.remove(l.entries.Front().Value.(*entry))
		q.stats.Dropped++
	}
	q.lanes = slices.DeleteFunc(q.lanes, func(x *lane) bool { return x == l })
}

// OwedTo is how many hints wait for a node.
func (q *Queue) OwedTo(target uint64) int {
	if l := q.lane(target, false); l != nil {
		return l.entries.Len()
	}
	return 0
}

// Targets appends the nodes that are owed anything, in order.
func (q *Queue) Targets(dst []uint64) []uint64 {
	for _, l := range q.lanes {
		if l.entries.Len() > 0 {
			dst = append(dst, l.target)
		}
	}
	return dst
}

// Stats is a copy of the queue's counts.
func (q *Queue) Stats() Stats {
	s := q.stats
	s.Owed, s.BytesMax = len(q.byID), q.cfg.BytesMax
	return s
}

// Dirty reports whether a hint of the partition was dropped, so that only an exchange can bring it back.
func (q *Queue) Dirty(partition uint32) bool { return q.dirty[partition] }

func (q *Queue) lane(target uint64, create bool) *lane {
	i, ok := slices.BinarySearchFunc(q.lanes, target, func(l *lane, t uint64) int {
		switch {
		case l.target < t:
			return -1
		case l.target > t:
			return 1
		}
		return 0
	})
	if ok {
		return q.lanes[i]
	}
	if !create {
		return nil
	}
	l := &lane{target: target, byKey: map[string]*entry{}}
	q.lanes = slices.Insert(q.lanes, i, l)
	return l
}

func (q *Queue) remove(e *entry) {
	l := e.lane
	if e.flying {
		l.flying--
	}
	l.entries.Remove(e.place)
	delete(l.byKey, e.key)
	delete(q.byID, e.id)
	q.stats.Bytes -= e.bytes()
}

func clone(s *vclock.Set) vclock.Set {
	c := *s
	c.Value = append([]byte(nil), s.Value...)
	c.Context = s.Context.CopyInto(nil)
	return c
}

// Add puts o's counts on top of s.
func (s *Stats) Add(o Stats) {
	s.Owed += o.Owed
	s.Bytes += o.Bytes
	s.BytesMax += o.BytesMax
	s.Added += o.Added
	s.Merged += o.Merged
	s.Delivered += o.Delivered
	s.Refused += o.Refused
	s.Dropped += o.Dropped
	s.Expired += o.Expired
}

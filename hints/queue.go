package hints

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unsafe"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Config bounds a queue. Every number must be positive.
type Config struct {
	First       uint64        // ids are greater: another number in every boot, so that answers to those of an earlier one find nothing; default 0
	BytesMax    int64         // of keys, values and overhead; what is over it is on disk alone where Log is on, else dropped, and its partition dirty; default 64 MiB
	WindowMax   int           // hints on the way to one node at a time; more drains faster and bursts harder; default 64
	Rate        int64         // bytes sent to one node per second; more drains faster and leaves requests less; default 8 MiB
	RetryPeriod time.Duration // before an unanswered hint is sent again; less finds a node ready sooner and repeats more; default 1 s

	Pay func(bytes int64) bool // whether so many may be sent now, which then count; default: always
	Log bool                   // hints are written to disk (journal.go), what has no room in BytesMax as well; default off

	// Taker is the nth node, from 0, that may keep a hint in this one's place, of those that are up; false when there are no more.
	// Default: nobody.
	Taker func(target uint64, partition uint32, key string, nth int) (node uint64, ok bool)
}

// DefaultConfig returns the defaults named at the fields.
func DefaultConfig() Config {
	return Config{BytesMax: 64 << 20, WindowMax: 64, Rate: 8 << 20, RetryPeriod: time.Second}
}

// ErrConfig is wrapped by every problem that Validate reports.
var ErrConfig = errors.New("hints: bad config")

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (c Config) Validate() error {
	var problems []error
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"BytesMax", c.BytesMax}, {"WindowMax", int64(c.WindowMax)}, {"Rate", c.Rate}, {"RetryPeriod", int64(c.RetryPeriod)},
	} {
		if f.value <= 0 {
			problems = append(problems, fmt.Errorf("%w: %s %d: give it a positive value", ErrConfig, f.name, f.value))
		}
	}
	return errors.Join(problems...)
}

const (
	// entryOverhead is what one hint costs beside its key, value and context: the entry, its place in the
	// lane and in both indexes (a test measures it); with a log, its places there too.
	entryOverhead = 360
	logOverhead   = 96
	// burst is how much of Config.Rate may go out at once after a silence.
	burst = 100 * time.Millisecond
)

// Queue holds one shard's hints: at most one per node and key, the merge of all writes owed.
type Queue struct {
	cfg   Config
	lanes []*lane // sorted by target
	last  uint64  // id given last
	stats Stats
	dirty map[lost]bool // where hints were dropped for want of room

	tallies []*Debt // sorted by target: what became of hints

	spilled int64 // bytes that wait to be written and are nowhere else

	handsOver bool // what is owed to nodes that are down goes to others (handover.go)
}

// lost is a partition of which a node is not owed all that it has missed.
type lost struct {
	target    uint64
	partition uint32
}

// lane is what is owed to one node, oldest first. What flies is a prefix of it: a hint that was sent stays
// so until it is gone, and the next to be sent is the oldest that was not.
type lane struct {
	target  uint64
	up      bool // when time passed last
	tally   *Debt
	bytes   int64     // of its hints
	entries list.List // of *entry
	full    list.List // of *entry too: for which the target had no room, or nobody in its place, refused longest ago first
	byKey   map[string]*entry
	byID    map[uint64]*entry
	flying  int
	paid    time.Duration // when Config.Rate will have allowed what was sent

	unlogged list.List  // of *entry: what is to be written, oldest change first
	portions []*portion // what is on disk, by segment
	spill    spill

	recalled time.Duration // when a hint of full was last tried again
	look     *list.Element // of full: where expire goes on; nil: at its front
}

type entry struct {
	place     *list.Element
	id        uint64 // of what is owed: another after every change, so that an ack for less finds nothing
	partition uint32
	flying    bool
	full      bool  // it is in lane.full
	asked     bool  // it was sent before
	tried     uint8 // how many do not keep it, of those that may in this node's place
	key       string
	set       vclock.Set
	sent      time.Duration
	to        uint64 // whom; 0 while it flies: that one does not keep it, and the next is asked

	todo   *list.Element // in lane.unlogged; nil: it is on disk as it stands, or there is no log
	in     *portion      // where it was written last; nil: nowhere
	kept   *list.Element // of in.entries
	record int64         // its bytes there
}

// New makes an empty queue.
func New(cfg Config) *Queue { return &Queue{cfg: cfg, last: cfg.First, dirty: map[lost]bool{}} }

// Owed is a hint to be kept; Key and Set are copied.
type Owed struct {
	Target    uint64
	Partition uint32
	Key       []byte
	Set       *vclock.Set
	Must      bool // it counts towards W: when there is no room it is refused, not dropped
	Handed    bool // by another node, which lets go of it once it is kept: refused likewise
}

// Add keeps a hint, merged with what is owed for the key already. It reports whether the hint is kept;
// when it is not, what was owed before still is.
func (q *Queue) Add(o Owed) bool {
	if e, changed := q.put(&o, q.room()); e != nil {
		if changed && q.cfg.Log {
			q.lane(o.Target).owesLog(e)
		}
		if o.Handed {
			q.stats.Taken++
			q.tally(o.Target).Taken++
		}
		return true
	}
	switch {
	case o.Must || o.Handed:
		return false
	case q.spillOver(&o):
		return true
	}
	q.stats.Dropped++
	q.tally(o.Target).Dropped++
	q.dirty[lost{o.Target, o.Partition}] = true
	return false
}

// put merges a hint into what is kept in memory, of so many bytes at most; changed says whether that made a difference. It
// returns nil where there is no room.
func (q *Queue) put(o *Owed, room int64) (e *entry, changed bool) {
	l := q.lane(o.Target)
	if l != nil {
		e = l.byKey[string(o.Key)]
	}
	set, before := *o.Set, int64(0)
	if e != nil {
		set, _ = vclock.Merge(&e.set, o.Set)
		if same(&set, &e.set) {
			q.stats.Merged++
			return e, false
		}
		before = q.cost(len(e.key), &e.set)
	}
	after := q.cost(len(o.Key), &set)
	if q.stats.Bytes+after-before > room {
		return nil, false
	}
	if e != nil {
		q.stats.Merged++
		delete(l.byID, e.id)
		if e.full && set.Tombstone && !e.set.Tombstone { // a full target keeps room for deletions
			l.comeBack(e)
		}
	} else {
		q.stats.Added++
		if l == nil {
			l = q.open(o.Target)
		}
		e = &entry{partition: o.Partition, key: string(o.Key)}
		e.place = l.entries.PushBack(e)
		l.byKey[e.key] = e
	}
	q.stats.Bytes += after - before
	l.bytes += after - before
	e.set = clone(&set)
	q.last++
	e.id = q.last
	l.byID[e.id] = e
	return e, true
}

// Send is one hint on its way: a store that the target answers under ID; or, where To is another node, what that one is asked to
// keep in this one's place. Its slices stay valid until the queue is called again.
type Send struct {
	ID     uint64
	To     uint64
	Target uint64
	Key    []byte
	Set    vclock.Set
}

// Tick appends what may be sent now to the nodes for which up is true, or to others in their place.
func (q *Queue) Tick(now vclock.Now, up func(node uint64) bool, dst []Send) []Send {
	for _, l := range q.lanes {
		if l.up = up(l.target); l.up || q.handsOver {
			looked := q.expire(l, now)
			dst = q.fly(l, now, 2*q.cfg.WindowMax-looked, dst)
		}
	}
	// An empty lane goes, its indexes with it, since a map keeps the room of its fullest day; but not
	// before it has paid, or a new one could send anew.
	q.lanes = slices.DeleteFunc(q.lanes, func(l *lane) bool { return l.owed() == 0 && l.spill.hints == 0 && l.paid <= now.Mono-burst })
	return dst
}

// fly sends a lane's oldest hints as far as window and pace allow, those again that were not answered.
// However many hints wait or have expired, it looks at no more than most of them; a window is enough to fill one.
func (q *Queue) fly(l *lane, now vclock.Now, most int, dst []Send) []Send {
	l.paid = max(l.paid, now.Mono-burst)
	if now.Mono-l.recalled >= q.cfg.RetryPeriod {
		q.recall(l, now, 1)
	}
	next, most := l.entries.Front(), min(most, l.entries.Len()) // each once: what nobody may keep goes to the back
	for n := 0; next != nil && n < most && l.paid <= now.Mono; n++ {
		e := next.Value.(*entry)
		next = next.Next()
		switch {
		case e.flying && e.to != 0 && now.Mono-e.sent < q.cfg.RetryPeriod:
			continue
		case e.set.Deadline.Passed(now.Wall):
			q.expired(l, e)
			continue
		case !e.flying && l.flying >= q.cfg.WindowMax:
			return dst
		}
		to, ok := q.whom(l, e)
		switch {
		case !ok:
			continue
		case q.cfg.Pay != nil && !q.cfg.Pay(hintBytes(len(e.key), &e.set)):
			return dst
		case !e.flying:
			e.flying = true
			l.flying++
		}
		e.sent, e.asked, e.to = now.Mono, true, to
		l.paid += time.Duration(hintBytes(len(e.key), &e.set) * int64(time.Second) / q.cfg.Rate)
		dst = append(dst, Send{ID: e.id, To: to, Target: l.target, Key: []byte(e.key), Set: e.set})
	}
	return dst
}

// Reply is a node's answer to a Send.
type Reply struct {
	From    uint64
	ID      uint64
	Outcome wire.Outcome
}

// Ack takes the target's answer to a hint, and appends what may be sent next. An answer to less than what
// is owed by now, or one that says the target is not ready for it, is no better than silence: the hint is
// sent again after Config.RetryPeriod, and until then keeps its place in the window, which so is all that
// a node gets that takes nothing. One for which the target has no room is set aside. It takes as well the answer of a node that was
// asked to keep the hint.
func (q *Queue) Ack(now vclock.Now, r Reply, dst []Send) []Send {
	l, e := q.asked(&r)
	switch {
	case e == nil:
		return dst
	case r.From != l.target:
		return q.handed(now, l, e, &r, dst)
	}
	switch r.Outcome {
	case wire.OutcomeOK, wire.OutcomeSuperseded:
		q.stats.Delivered++
		l.tally.Delivered++
		q.recall(l, now, recallMore)
	case wire.OutcomeBehind, wire.OutcomeTooLarge:
		q.stats.Refused++
	case wire.OutcomeFull:
		if e.flying {
			l.setAside(e)
		}
		return q.fly(l, now, 2*q.cfg.WindowMax, dst)
	default:
		return dst
	}
	q.remove(l, e)
	return q.fly(l, now, 2*q.cfg.WindowMax, dst)
}

// Forget drops what is owed where gone says that the target no longer owns the partition: its new owners
// recover from the others, and would refuse the hint at their floors. Or that nobody can ask for the key any more.
func (q *Queue) Forget(gone func(target uint64, partition uint32, key string) bool) {
	maps.DeleteFunc(q.dirty, func(at lost, _ bool) bool { return gone(at.target, at.partition, "") })
	for _, l := range q.lanes {
		for _, all := range []*list.List{&l.entries, &l.full} {
			for next := all.Front(); next != nil; {
				e := next.Value.(*entry)
				next = next.Next()
				if gone(l.target, e.partition, e.key) {
					q.stats.Dropped++
					l.tally.Dropped++
					q.remove(l, e)
				}
			}
		}
	}
}

// OwedTo is how many hints wait for a node.
func (q *Queue) OwedTo(target uint64) int {
	if l := q.lane(target); l != nil {
		return l.owed()
	}
	return 0
}

// Dirty reports whether a hint of the partition for that node was dropped for want of room, so that only a read or an exchange can
// bring it what it has missed.
func (q *Queue) Dirty(target uint64, partition uint32) bool { return q.dirty[lost{target, partition}] }

// Clean says that an exchange has brought a node what it had missed.
func (q *Queue) Clean(target uint64) {
	for at := range q.dirty {
		if at.target == target {
			delete(q.dirty, at)
		}
	}
}

// lane returns what is owed to a node, nil where nothing is.
func (q *Queue) lane(target uint64) *lane {
	if i, ok := q.find(target); ok {
		return q.lanes[i]
	}
	return nil
}

func (q *Queue) open(target uint64) *lane {
	l := &lane{target: target, tally: q.tally(target), byKey: map[string]*entry{}, byID: map[uint64]*entry{}}
	i, _ := q.find(target)
	q.lanes = slices.Insert(q.lanes, i, l)
	return l
}

func (q *Queue) find(target uint64) (int, bool) {
	return slices.BinarySearchFunc(q.lanes, target, func(l *lane, t uint64) int { return cmp.Compare(l.target, t) })
}

func (q *Queue) remove(l *lane, e *entry) {
	if e.flying {
		l.flying--
	}
	l.unlist(e)
	l.unlog(e)
	delete(l.byKey, e.key)
	delete(l.byID, e.id)
	n := q.cost(len(e.key), &e.set)
	q.stats.Bytes -= n
	l.bytes -= n
}

func (q *Queue) expired(l *lane, e *entry) {
	q.stats.Expired++
	l.tally.Expired++
	q.remove(l, e)
}

// cost is what a hint counts in memory.
func (q *Queue) cost(key int, s *vclock.Set) int64 {
	if q.cfg.Log {
		return hintBytes(key, s) + logOverhead
	}
	return hintBytes(key, s)
}

// hintBytes is what one counts without a log, and when it is sent.
func hintBytes(key int, s *vclock.Set) int64 {
	return int64(entryOverhead + key + len(s.Value) + len(s.Context.Seen)*int(unsafe.Sizeof(vclock.Dot{})))
}

// same reports whether merging changed nothing of what is owed. Its bytes are then the very same memory,
// which makes comparing them free.
func same(merged, owed *vclock.Set) bool {
	return merged.Compare(owed) == vclock.Equal && merged.Deadline == owed.Deadline && merged.Context.Equal(&owed.Context)
}

func clone(s *vclock.Set) vclock.Set {
	c := *s
	c.Value = append([]byte(nil), s.Value...)
	c.Context = s.Context.CopyInto(nil)
	return c
}

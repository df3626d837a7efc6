package replica

import (
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Message ids say what they belong to, so that a reply finds its way without a search:
//
//	 63  62 61      52 51           24 23     8 7     0
//	+------+----------+---------------+--------+-------+
//	| kind |  shard   |  generation   |  call  | round |
//	+------+----------+---------------+--------+-------+
//
// A generation makes a slot's earlier tenants' replies harmless (I18); it starts somewhere else in every
// boot, so those of an earlier boot are too. Hints, refills and exchanges count in the low 52 bits, from another number in every boot.
const (
	idKindShift       = 62
	idShardShift      = 52
	idGenerationShift = 24
	idSlotShift       = coordinator.RoundBits

	idExchange = 0
	idCall     = 1
	idHint     = 2
	idRefill   = 3

	generationMask = 1<<28 - 1
	slotMask       = 1<<16 - 1
	ownMask        = 1<<idShardShift - 1
)

func idKind(id uint64) uint64 { return id >> idKindShift }
func idShard(id uint64) int   { return int(id>>idShardShift) & (ShardsMax - 1) }

// calls is the table of requests under way in a shard. Machines and their buffers are used again.
type calls struct {
	shard uint64
	boot  uint64
	slots []*call
	free  []uint32
	head  *call // the oldest; ticks and early endings go from there
	tail  *call
	busy  int
	bytes int
	pools [poolKinds][]coordinator.Machine

	updates map[uint64]int          // under way, by the hash of their key
	refused map[uint64]vclock.Stamp // of these: the greatest stamp that this node has sent and, for want of room, not stored
}

// call is one request under way.
type call struct {
	id         uint64
	index      uint32
	machine    coordinator.Machine
	pool       int
	op         wire.Op
	hash       uint64 // of the key
	partition  uint32
	replicas   uint8 // of the key, in each datacenter
	started    time.Duration
	ask        coordinator.Ask
	readAsk    coordinator.Ask // OpTouch: of its read
	bytes      int
	live       bool
	prev, next *call
}

// The pools, one for each kind of machine.
const (
	poolGet = iota
	poolPut
	poolTouch
	poolUpdate
	poolForward
	poolKinds

	poolMax   = 256      // idle machines of a kind
	poolBytes = 16 << 10 // a machine that has grown larger is not kept
)

func (t *calls) init(shard, boot uint64) {
	t.shard, t.boot, t.updates, t.refused = shard, boot, map[uint64]int{}, map[uint64]vclock.Stamp{}
}

// open takes a free slot for a machine of the given pool.
func (t *calls) open(pool int) *call {
	var c *call
	if n := len(t.free); n > 0 {
		c = t.slots[t.free[n-1]]
		t.free = t.free[:n-1]
	} else {
		c = &call{index: uint32(len(t.slots)), id: (t.boot & generationMask) << idGenerationShift}
		t.slots = append(t.slots, c)
	}
	generation := (c.id>>idGenerationShift + 1) & generationMask
	*c = call{
		id:    idCall<<idKindShift | generation<<idGenerationShift | t.shard<<idShardShift | uint64(c.index)<<idSlotShift,
		index: c.index, pool: pool, live: true, prev: t.tail,
	}
	if t.tail != nil {
		t.tail.next = c
	} else {
		t.head = c
	}
	t.tail = c
	t.busy++
	if p := t.pools[pool]; len(p) > 0 {
		last := len(p) - 1
		c.machine, p[last] = p[last], nil // one that grows too large must not stay reachable from here
		t.pools[pool] = p[:last]
		return c
	}
	switch pool {
	case poolGet:
		c.machine = new(coordinator.Get)
	case poolPut:
		c.machine = new(coordinator.Put)
	case poolTouch:
		c.machine = new(coordinator.Touch)
	case poolUpdate:
		c.machine = new(coordinator.Update)
	case poolForward:
		c.machine = new(coordinator.Forward)
	}
	return c
}

// find returns the call that a reply's id names; nil when it has ended.
func (t *calls) find(id uint64) *call {
	i := id >> idSlotShift & slotMask
	if int(i) >= len(t.slots) {
		return nil
	}
	if c := t.slots[i]; c.live && c.id == id&^(1<<coordinator.RoundBits-1) {
		return c
	}
	return nil
}

// settle accounts for what the call holds, and frees it once its machine is done.
func (t *calls) settle(c *call) {
	if !c.live {
		return
	}
	if !c.machine.Done() {
		n := c.machine.Bytes()
		t.bytes += n - c.bytes
		c.bytes = n
		return
	}
	t.bytes -= c.bytes
	t.busy--
	if c.pool == poolUpdate {
		if t.updates[c.hash]--; t.updates[c.hash] == 0 {
			delete(t.updates, c.hash)
			delete(t.refused, c.hash)
		}
	}
	c.live = false
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		t.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		t.tail = c.prev
	}
	if p := t.pools[c.pool]; len(p) < poolMax && c.machine.Bytes() <= poolBytes {
		t.pools[c.pool] = append(p, c.machine)
	}
	c.machine = nil
	t.free = append(t.free, c.index)
}

// refuse notes that this node's own store had no room for what the call has sent.
func (t *calls) refuse(c *call, stamp vclock.Stamp) {
	if c.pool == poolUpdate {
		t.refused[c.hash] = max(t.refused[c.hash], stamp)
	}
}

// each visits every call, oldest first; f may end the one it is given.
func (t *calls) each(f func(*call)) {
	for c := t.head; c != nil; {
		next := c.next
		f(c)
		c = next
	}
}

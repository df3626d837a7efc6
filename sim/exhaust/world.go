package exhaust

import (
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file owns the nodes, the messages between them, and their clients.

const (
	nodes     = 3
	wallBase  = int64(1_700_000_000_000)
	ceiling   = time.Hour // so far ahead that nothing ever waits for it
	callKind  = 1         // the top bits of an id, which replica gives
	hintKind  = 2
	kindShift = 62
	// restampsMax keeps two writers from overtaking each other again and again, which has no end worth waiting for.
	restampsMax = 1
	roundMask   = 1<<coordinator.RoundBits - 1

	// memory, with the policy that forgets the soonest what nobody asks for, is so little that a few records of another partition push the key out, and so much that the ghost of it
	// outlives a few more.
	memory      = storage.BytesLeast + 300
	ghostsMax   = 120
	fillerBytes = 150
)

var (
	key  = []byte("k")
	skew = [nodes]int64{0, 3, -3} // of the wall clocks, in milliseconds
)

// node is one node, and what of it cannot be asked.
type node struct {
	core   *replica.Node
	boot   uint64
	known  knowledge
	issued vclock.Stamp // the greatest stamp it gave
	owed   [nodes]debt
	hints  hints.Stats
	hinted uint64 // the history of what it owes by hints
	pulled uint64 // the history of its recovery
}

// debt is what replies are due from another node, by which reads choose whom to ask.
type debt struct {
	replies int
	since   time.Duration
}

// packet is a message under way.
type packet struct {
	from, to int
	frame    []byte
	name     uint64 // of all it says, the same in every run
	call     int    // the operation it belongs to; -1: none
}

// call is an operation under way, as its coordinator sees it.
type call struct {
	node    int
	live    bool
	history uint64
}

// world is one state of a slice.
type world struct {
	slice  *Slice
	limits wire.Limits
	m      *ring.Map
	now    time.Duration
	nodes  [nodes]node
	flying []packet
	calls  []call
	ids    map[[2]uint64]int // by node and id without its round
	judged history
	wrong  string

	evictions, drops, restarts, losses, passes int

	greatest  vclock.Stamp // ever sent
	fillers   int
	filler    string // begins the keys of another partition
	partition uint32
	out       replica.Outbox
	frame     []byte
	log       []string
	talks     bool
}

func newWorld(slice *Slice) *world {
	w := &world{slice: slice, limits: wire.DefaultLimits(), ids: map[[2]uint64]int{}}
	level := wire.LevelQuorum
	if slice.Weak {
		level = wire.LevelOne
	}
	w.m = &ring.Map{ClusterID: 1, Cluster: "exhaust", Partitions: 2, Namespaces: []ring.Namespace{{
		Name: ring.DefaultNamespace, Replicas: nodes, Read: uint8(level), Write: uint8(level), Version: 1,
	}}}
	for i := range w.nodes {
		w.m = w.m.With(ring.Node{
			ID: uint64(i + 1), Boot: 1, Name: fmt.Sprint("n", i+1), ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3",
			Datacenter: "dc", Weight: 1, State: ring.Active, Version: 1,
		})
	}
	for _, o := range slice.Ops {
		w.calls = append(w.calls, call{node: o.Node})
		w.judged = append(w.judged, record{kind: o.Kind})
	}
	for i := range w.nodes {
		w.start(i, 0)
	}
	view := w.nodes[0].core.View()
	w.partition = view.Table.Partition(ring.Slot(key))
	for n := 0; ; n++ {
		w.filler = fmt.Sprintf("{%d}", n)
		if view.Table.Partition(ring.Slot([]byte(w.filler))) != w.partition {
			break
		}
	}
	for i := range w.nodes {
		w.look(i)
	}
	if slice.Passes > 0 { // each node asks the others what it may have known, which nobody did
		w.pass()
		for len(w.flying) > 0 {
			p := w.flying[0]
			w.flying = w.flying[1:]
			w.deliver(&p)
		}
	}
	return w
}

// clock is what a node's clocks say.
func (w *world) clock(i int) vclock.Now {
	return vclock.Now{Mono: time.Second + w.now, Wall: wallBase + w.now.Milliseconds() + skew[i]}
}

func (w *world) shard(i int) *replica.Shard { return w.nodes[i].core.Shards()[0] }

// start boots a node with nothing in memory; what it may have promised before lies below floor.
func (w *world) start(i int, floor vclock.Stamp) {
	boot := w.nodes[i].boot + 1
	c := coordinator.DefaultConfig()
	c.RestampsMax = restampsMax
	core, err := replica.New(replica.Config{
		Self: vclock.Actor{Node: uint64(i + 1), Boot: boot}, Shards: 1, BytesMax: memory, GhostsMax: ghostsMax, Policy: storage.S3FIFO, PendingMax: 100, PendingMem: 1 << 20,
		BootFloor: floor, Founder: boot == 1, Hash: xxhash.Sum64, Limits: w.limits, Coordinator: c,
		Hints: hints.DefaultConfig(), Refill: antientropy.DefaultConfig(), RefillsMax: 4,
	}, w.m, w.clock(i))
	if err != nil {
		panic(err) // a slice has no say in it
	}
	w.nodes[i] = node{core: core, boot: boot}
	w.shard(i).SetCeiling(vclock.StampAt(wallBase + ceiling.Milliseconds()))
	for o := range w.nodes {
		core.SetUp(uint64(o+1), true)
	}
	w.shard(i).SetView(w.clock(i), core.View(), &w.out)
	w.flush(i, -1)
}

// flush takes what a node wants sent. What it asks for the first time belongs to the operation that begins, if one does.
func (w *world) flush(i, begins int) {
	for p := range w.out.Peers {
		parcel := &w.out.Peers[p]
		for rest := parcel.Frames; len(rest) > 0; {
			frame, next, err := wire.NextFrame(rest, &w.limits)
			if err != nil {
				panic(err) // a node never makes a frame that none would take
			}
			rest = next
			w.send(packet{from: i, to: int(parcel.To - 1), frame: append([]byte(nil), frame...)}, begins)
		}
	}
	for c := range w.out.Conns {
		for rest := w.out.Conns[c].Frames; len(rest) > 0; {
			frame, next, err := wire.NextFrame(rest, &w.limits)
			if err != nil {
				panic(err)
			}
			rest = next
			var r wire.Response
			if err := wire.DecodeResponse(frame, &r, &w.limits); err != nil {
				panic(err)
			}
			w.say("  op %d is answered: status %v, value %q, stamp %v, forgotten %v", r.ID, r.Status, r.Value, vclock.Stamp(r.Stamp), r.Forgotten)
			w.blame(w.judged.answer(int(r.ID)-1, &r))
		}
	}
	w.out.Reset()
}

// send puts a message on its way, under a name that does not depend on which ids a node happened to give.
func (w *world) send(p packet, begins int) {
	var m wire.Message
	w.decode(p.frame, &m)
	if m.Kind == wire.KindPull && m.Partition != w.partition {
		return // the records that push the key out are never brought back
	}
	p.call = -1
	id, who := m.ID, p.from
	if m.ID>>kindShift == callKind {
		if m.Kind == wire.KindFetchReply || m.Kind == wire.KindStoreReply {
			who = p.to
		} else {
			w.owe(p.from, p.to, 1)
		}
		at := [2]uint64{w.nodes[who].boot<<8 | uint64(who), id &^ roundMask}
		if begins >= 0 && who == p.from {
			w.ids[at] = begins
		}
		if n, ok := w.ids[at]; ok {
			p.call = n
			m.ID = uint64(n)<<coordinator.RoundBits | id&roundMask
		}
	}
	own := vclock.Actor{Node: uint64(p.from + 1), Boot: w.nodes[p.from].boot}
	if m.Set.Dot.Actor == own {
		w.nodes[p.from].issued = max(w.nodes[p.from].issued, m.Set.Dot.Stamp)
	}
	w.greatest = max(w.greatest, m.Set.Dot.Stamp, m.Set.Deadline.Stamp)
	w.frame = wire.AppendMessage(append(w.frame[:0], byte(p.from), byte(p.to)), &m)
	p.name = xxhash.Sum64(w.frame)
	w.flying = append(w.flying, p)
}

func (w *world) decode(frame []byte, m *wire.Message) {
	if err := wire.DecodeMessage(frame, m, &w.limits); err != nil {
		panic(err)
	}
}

// owe counts the replies that are due, as the node does.
func (w *world) owe(i, from, n int) {
	d := &w.nodes[i].owed[from]
	if d.replies == 0 || n < 0 {
		d.since = w.now
	}
	d.replies = max(d.replies+n, 0)
}

// deliver hands a message to the node it is for.
func (w *world) deliver(p *packet) {
	var m wire.Message
	w.decode(p.frame, &m)
	n := &w.nodes[p.to]
	switch {
	case m.Kind != wire.KindFetchReply && m.Kind != wire.KindStoreReply && m.Kind != wire.KindPullReply:
	case m.ID>>kindShift == callKind:
		w.owe(p.to, p.from, -1)
		if p.call >= 0 {
			w.calls[p.call].history = mix(w.calls[p.call].history, p.name, n.known.hash, uint64(w.now))
		}
	case m.ID>>kindShift == hintKind:
		n.hinted = mix(n.hinted, p.name, uint64(w.now))
	default:
		n.pulled = mix(n.pulled, p.name, n.known.hash, uint64(w.now))
	}
	var r wire.Request
	k, _, _ := n.core.Route(n.core.View(), &m, &r)
	w.shard(p.to).Receive(w.clock(p.to), uint64(p.from+1), n.core.View().Placement, k, &m, &r, &w.out)
	w.flush(p.to, -1)
	w.look(p.to)
}

// ask lets a client ask.
func (w *world) ask(number int) {
	o := &w.slice.Ops[number]
	n := &w.nodes[o.Node]
	c := &w.calls[number]
	c.live, c.history = true, mix(n.known.hash, uint64(n.issued), uint64(w.now))
	w.judged.ask(number)
	r := wire.Request{ID: uint64(number + 1), Key: key}
	switch o.Kind {
	case Get:
		r.Op = wire.OpGet
	case Delete:
		r.Op = wire.OpDelete
	case Set:
		r.Op, r.Value = wire.OpSet, strconv.AppendInt(nil, int64(number+1), 10)
	}
	frame := wire.AppendRequest(nil, &r)[wire.FrameHeader:]
	k, _ := n.core.Locate(n.core.View(), &r)
	w.shard(o.Node).Request(w.clock(o.Node), k, coordinator.Client{Conn: 1, ID: r.ID}, &r, frame, &w.out)
	w.flush(o.Node, number)
	w.look(o.Node)
}

// valueOf is the operation that wrote a value; -1 if none did.
func valueOf(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		return -1
	}
	return n - 1
}

func (w *world) blame(wrong string) {
	if w.wrong == "" && wrong != "" {
		w.wrong = wrong
		w.say("  %s", wrong)
	}
}

func (w *world) say(format string, args ...any) {
	if w.talks {
		w.log = append(w.log, fmt.Sprintf(format, args...))
	}
}

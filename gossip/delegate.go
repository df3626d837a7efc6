package gossip

import (
	"bytes"
	"net/netip"
	"sync"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"

	"github.com/shoalcache/shoal/vclock"
)

// delegate is what memberlist calls, on its packet path and with its lock held: every method copies, notes,
// wakes the one goroutine that calls back, and returns.
type delegate Gossip

var (
	_ memberlist.Delegate         = (*delegate)(nil)
	_ memberlist.EventDelegate    = (*delegate)(nil)
	_ memberlist.AliveDelegate    = (*delegate)(nil)
	_ memberlist.MergeDelegate    = (*delegate)(nil)
	_ memberlist.ConflictDelegate = (*delegate)(nil)
)

// NodeMeta is this node's meta, which Validate keeps below the limit.
func (d *delegate) NodeMeta(int) []byte { return *d.meta.Load() }

// GetBroadcasts sends nothing: a map may be larger than a packet.
func (d *delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState is the state that goes with a full exchange.
func (d *delegate) LocalState(bool) []byte { return (*Gossip)(d).state().encode() }

// MergeRemoteState takes the state that came with a full exchange.
func (d *delegate) MergeRemoteState(b []byte, _ bool) { d.NotifyMsg(b) }

// NotifyMsg takes a state, by whatever way it came.
func (d *delegate) NotifyMsg(b []byte) {
	s, err := decodeState(b)
	switch {
	case err != nil:
		d.count.refusedBytes.Add(1)
		d.log.Warn("refused a state", zap.Error(err))
	case len(s.body) == 0 || s.from == d.cfg.Self: // a node without a map yet
	case !d.view.accepts(s.cluster):
		d.count.refusedNodes.Add(1)
	default:
		s.body = bytes.Clone(s.body)
		d.count.states.Add(1)
		if !d.inbox.put(s) {
			d.count.droppedStates.Add(1)
		}
		signal(d.wake)
	}
}

// NotifyAlive refuses news of nodes that may not be met.
func (d *delegate) NotifyAlive(n *memberlist.Node) error {
	who, node, err := readNode(n)
	if err != nil {
		d.count.refusedBytes.Add(1)
		return err
	}
	if err := d.view.admit(who, node.Meta); err != nil {
		d.count.refusedNodes.Add(1)
		return err
	}
	return nil
}

// NotifyMerge refuses a node of another cluster before anything it lists is merged.
func (d *delegate) NotifyMerge(nodes []*memberlist.Node) error {
	var metas []Meta
	for _, n := range nodes {
		alive := n.State == memberlist.StateAlive || n.State == memberlist.StateSuspect
		if m, err := decodeMeta(n.Meta); err == nil && alive {
			metas = append(metas, m)
		}
	}
	if err := d.view.meet(metas); err != nil {
		d.count.refusedNodes.Add(1)
		d.refusal.Store(&err)
		return err
	}
	return nil
}

// NotifyConflict is called when one name is claimed at two addresses.
func (d *delegate) NotifyConflict(known, other *memberlist.Node) {
	d.twice(known.Address(), other.Address(), known.Name)
}

// NotifyJoin takes a node in.
func (d *delegate) NotifyJoin(n *memberlist.Node) {
	who, node, err := readNode(n)
	if err != nil { // NotifyAlive has refused it already
		return
	}
	if d.view.join(who, node) {
		if who.Node == d.cfg.Self.Node && who.Boot != d.cfg.Self.Boot {
			d.twice("this node", node.Addr, n.Name)
		}
		signal(d.wake)
	}
}

// NotifyUpdate takes in what is new about a node.
func (d *delegate) NotifyUpdate(n *memberlist.Node) { d.NotifyJoin(n) }

// NotifyLeave drops a node that died or left.
func (d *delegate) NotifyLeave(n *memberlist.Node) {
	if who, err := parseName(n.Name); err == nil {
		d.view.leave(who)
		signal(d.wake)
	}
}

func (d *delegate) twice(here, there, name string) {
	d.count.conflicts.Add(1)
	d.log.Error("two processes run as one node: stop one of them, and if its data directory is a copy, start it with an empty one and another name",
		zap.String("node", name), zap.String("here", here), zap.String("there", there))
}

// readNode copies what memberlist tells of a node.
func readNode(n *memberlist.Node) (vclock.Actor, Node, error) {
	who, err := parseName(n.Name)
	if err != nil {
		return who, Node{}, err
	}
	m, err := decodeMeta(n.Meta)
	if err != nil {
		return who, Node{}, err
	}
	ip, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return who, Node{}, &BytesError{"address", "neither IPv4 nor IPv6"}
	}
	return who, Node{Boot: who.Boot, Addr: netip.AddrPortFrom(ip.Unmap(), n.Port).String(), Meta: m}, nil
}

const (
	inboxStates = 64
	inboxBytes  = 8 << 20
)

// inbox holds states that arrived until they are handed over. A later state of a node replaces its earlier
// one: maps only grow, and what a reordering loses the next exchange brings.
type inbox struct {
	mu     sync.Mutex
	states []state
	bytes  int
}

// put reports false when there is no room.
func (in *inbox) put(s state) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.states {
		if old := &in.states[i]; old.from == s.from && in.bytes-len(old.body)+len(s.body) <= inboxBytes {
			in.bytes += len(s.body) - len(old.body)
			*old = s
			return true
		}
	}
	if len(in.states) == inboxStates || in.bytes+len(s.body) > inboxBytes {
		return false
	}
	in.states = append(in.states, s)
	in.bytes += len(s.body)
	return true
}

func (in *inbox) take() []state {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.states
	in.states, in.bytes = nil, 0
	return s
}

// signal leaves a token in a channel of one, if there is none.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

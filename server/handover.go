package server

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// handOver lets others keep what the node owes to nodes that are down, or ends that, as a document says, and tells how far it is.
func (n *Node) handOver(document []byte) (*wire.HandOverState, error) {
	var what wire.HandOver
	if err := wire.DecodeDocument(document, &what); err != nil {
		return nil, &wire.BadRequestError{Op: wire.OpHandOver, Text: strings.TrimPrefix(err.Error(), "wire: ")}
	}
	if what.Begin && what.End {
		return nil, &wire.BadRequestError{Op: wire.OpHandOver, Text: "begin and end: use one of them"}
	}
	if what.Begin || what.End {
		n.letGo(what.Begin)
	}
	return n.handOverState(), nil
}

// letGo tells the shards whether others are to keep what they owe.
func (n *Node) letGo(on bool) {
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		s.HandOver(on)
		s.mu.Unlock()
	}
}

func (n *Node) handOverState() *wire.HandOverState {
	logged := n.logged.Load() // before the shards are asked: what comes back from disk meanwhile counts twice rather than not at all
	var t replica.Stats
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		s.Add(&t)
		s.mu.Unlock()
	}
	h := &t.Hints
	state := &wire.HandOverState{
		Node: n.self.Node, HandsOver: t.HandsOver, Takers: takers(n.view.Load()), Owed: int64(h.Owed), MemoryBytes: h.Bytes,
		HandedOver: h.HandedOver, NotTaken: h.NotTaken, Delivered: h.Delivered, Refused: h.Refused, Expired: h.Expired, Dropped: h.Dropped, Taken: h.Taken,
	}
	if logged != nil {
		state.UnreadBytes, state.Failing = logged.stats.Unread, logged.stats.Failing > 0
	}
	return state
}

// takers are the names of the nodes that may keep what this one owes, as far as it knows.
func takers(v *replica.View) []string {
	names := []string{}
	for i, x := range v.Table.Nodes() {
		if x.ID != v.Self && v.UpAt(uint16(i)) && x.State == ring.Active {
			names = append(names, x.Name)
		}
	}
	return names
}

// part lets others keep what the node owes before it ends, where no disk keeps it: as much as they take in time.
func (n *Node) part(ctx context.Context) {
	if n.hintLog != nil || n.handOverState().Owed == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hintsSaved)
	defer cancel()
	n.letGo(true)
	tick := time.NewTicker(tickPeriod)
	defer tick.Stop()
	for {
		state := n.handOverState()
		left := []zap.Field{zap.Int64("hints", state.Owed), zap.Int64("bytes", state.MemoryBytes), zap.Int64("handed_over", state.HandedOver)}
		switch {
		case state.Owed == 0:
			n.log.Info("others keep what this node owed", left...)
			return
		case len(state.Takers) == 0:
			n.log.Warn("what this node owes ends with it: nobody is up to keep it: an exchange or a read brings it", left...)
			return
		}
		select {
		case <-tick.C:
		case <-n.ctx.Done():
			return
		case <-ctx.Done():
			n.log.Warn("what this node still owes ends with it: others did not keep it in time: an exchange or a read brings it", left...)
			return
		}
	}
}

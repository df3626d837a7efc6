package server

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// changesMax is how many changes of namespaces may wait for other nodes at a time.
const changesMax = 64

// changeNamespace carries out OpNamespace, on a goroutine of its own: it waits for other nodes.
func (n *Node) changeNamespace(client coordinator.Client, r *wire.Request) {
	document, timeout := bytes.Clone(r.Value), n.timeout(r.Timeout)
	go func() {
		defer n.changes.Add(-1)
		resp := wire.Response{Status: wire.StatusOverloaded, Err: &wire.Error{Text: "too many changes of namespaces wait for other nodes"}}
		if n.changes.Add(1) <= changesMax {
			resp = n.namespace(document, timeout)
		}
		resp.ID = client.ID
		if resp.Err != nil {
			resp.Err.Op = wire.OpNamespace
		}
		if c := n.caller(client.Conn, nil); c != nil {
			c.answer(wire.AppendResponse(nil, &resp), 1)
		}
	}()
}

// timeout is how long a request may take that gives so many milliseconds.
func (n *Node) timeout(millis uint32) time.Duration {
	c := &n.cfg.tuning.coordinator
	if millis == 0 {
		return c.TimeoutDefault
	}
	return min(time.Duration(millis)*time.Millisecond, c.TimeoutMax)
}

// namespace changes one and waits until every node that is up goes by the change.
func (n *Node) namespace(document []byte, timeout time.Duration) wire.Response {
	var c wire.NamespaceChange
	if err := wire.DecodeDocument(document, &c); err != nil {
		return wire.Response{Status: wire.StatusBadRequest, Err: &wire.Error{Text: strings.TrimPrefix(err.Error(), "wire: ")}}
	}
	// Twice: a node that this one had not heard of yet may have made a change just then that stands above this one, or beside
	// it, and writes may have been acknowledged under it before this began. Once all go by the first, this one has heard of it.
	end := time.NewTimer(timeout)
	defer end.Stop()
	resp := n.spread(&c, end)
	if resp.Status == wire.StatusOK {
		resp = n.spread(&c, end)
	}
	return resp
}

// spread makes a change, if it is not made yet, and waits until every node that is up goes by it.
func (n *Node) spread(c *wire.NamespaceChange, end *time.Timer) wire.Response {
	ns, err := n.applyNamespace(c)
	if bad, ok := errors.AsType[*wire.BadRequestError](err); ok {
		return wire.Response{Status: wire.StatusBadRequest, Err: &wire.Error{Text: bad.Text}}
	}
	if missing, ok := errors.AsType[*wire.NamespaceError](err); ok {
		return wire.Response{Status: wire.StatusNoNamespace, Err: &wire.Error{Text: missing.Text}}
	}
	if errors.Is(err, ErrStopped) {
		return wire.Response{Status: wire.StatusNotReady, Err: &wire.Error{Text: "this node is stopping: ask another"}}
	}
	if err != nil {
		return wire.Response{Status: wire.StatusInternal, Err: &wire.Error{Text: err.Error()}}
	}
	tick := time.NewTicker(tickPeriod)
	defer tick.Stop()
	for {
		left := n.unaware(ns)
		if left == nil {
			return wire.Response{}
		}
		select {
		case <-tick.C:
			continue
		case <-n.ctx.Done():
		case <-end.C:
		}
		return wire.Response{Status: wire.StatusTimeout, Err: &wire.Error{Text: fmt.Sprintf(
			"%s of namespace %q is done here and goes on, but has not reached %s yet", c.Action, c.Name, strings.Join(left, ", "))}}
	}
}

// applyNamespace makes the change this node's, and tells the others.
func (n *Node) applyNamespace(c *wire.NamespaceChange) (ring.Namespace, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return ring.Namespace{}, ErrStopped
	}
	ns, changed, err := n.core.ChangeNamespace(c)
	if err != nil || !changed {
		return ns, err
	}
	n.log.Info("namespace changed", zap.String("action", c.Action), zap.String("namespace", c.Name), zap.Uint64("version", ns.Version))
	return ns, n.mapChanged()
}

// unaware are the names of the nodes that are up and do not go by ns, or by what came after it, yet.
func (n *Node) unaware(ns ring.Namespace) (names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.core.View()
	for i, x := range v.Table.Nodes() {
		if x.ID == n.self.Node || !v.UpAt(uint16(i)) {
			continue
		}
		if in := n.in[x.ID]; in != nil {
			if m := in.turned.Load(); m != nil {
				if theirs := m.Namespace(ns.Name); theirs != nil && theirs.Merge(ns) == *theirs {
					continue
				}
			}
		}
		names = append(names, x.Name)
	}
	return names
}

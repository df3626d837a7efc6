package client

import (
	"context"
	"iter"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// ScanPages is Scan a page at a time, from cursor on: empty to begin, or Page.Next of an earlier page, of this client or
// another, to resume. After an error it ends; the page that comes with it has the cursor to try again from.
func (c *Client) ScanPages(ctx context.Context, cursor string, opts ...CallOption) iter.Seq2[Page, error] {
	return c.scanPages(ctx, cursor, opts)
}

// Ping returns when a node has answered.
func (c *Client) Ping(ctx context.Context, opts ...CallOption) error {
	_, err := c.inform(ctx, wire.OpPing, "", opts)
	return err
}

// Map returns the cluster map as the answering node has it; it belongs to the caller.
func (c *Client) Map(ctx context.Context, opts ...CallOption) (*ring.Map, error) {
	value, err := c.inform(ctx, wire.OpMap, "", opts)
	if err != nil {
		return nil, err
	}
	return wire.DecodeMap(value)
}

// Where returns where key lives, and which of those nodes the answering one believes to be alive.
func (c *Client) Where(ctx context.Context, key string, opts ...CallOption) (wire.Where, error) {
	var where wire.Where
	value, err := c.inform(ctx, wire.OpWhere, key, opts)
	if err == nil {
		err = wire.DecodeDocument(value, &where)
	}
	return where, err
}

// inform asks for what any node can tell.
func (c *Client) inform(ctx context.Context, op wire.Op, key string, opts []CallOption) ([]byte, error) {
	k := c.call(op, key, opts)
	defer k.release()
	err := c.ask(ctx, k)
	return k.response.Value, err
}

// Stats returns what the node at addr says of itself. That node alone is asked, whether or not it is one of
// those that Dial was given; its connection stays open until Close.
func (c *Client) Stats(ctx context.Context, addr string, opts ...CallOption) (wire.NodeStats, error) {
	var stats wire.NodeStats
	k := c.call(wire.OpStats, "", opts)
	defer k.release()
	k.only = c.link(addr)
	k.only.asked.Store(true)
	if err := c.ask(ctx, k); err != nil {
		return stats, err
	}
	err := wire.DecodeDocument(k.response.Value, &stats)
	return stats, err
}

// Repair lets the node at addr exchange what it knows with other owners at once, or tells how far that is; see wire.Repair. That node
// alone is asked, as with Stats.
func (c *Client) Repair(ctx context.Context, addr string, what wire.Repair, opts ...CallOption) (wire.RepairState, error) {
	var state wire.RepairState
	err := c.tell(ctx, addr, wire.OpRepair, &what, &state, opts)
	return state, err
}

// HandOver lets the node at addr hand what it owes to nodes that are down over to others, or keep it again, or tells how far that is; see
// wire.HandOver. That node alone is asked, as with Stats.
func (c *Client) HandOver(ctx context.Context, addr string, what wire.HandOver, opts ...CallOption) (wire.HandOverState, error) {
	var state wire.HandOverState
	err := c.tell(ctx, addr, wire.OpHandOver, &what, &state, opts)
	return state, err
}

// tell sends the node at addr a document, and decodes the one that it answers with.
func (c *Client) tell(ctx context.Context, addr string, op wire.Op, what, answer any, opts []CallOption) error {
	document, err := wire.EncodeDocument(what)
	if err != nil {
		return err
	}
	k := c.call(op, "", opts)
	defer k.release()
	k.request.Value = document
	k.only = c.link(addr)
	k.only.asked.Store(true)
	if err := c.ask(ctx, k); err != nil {
		return err
	}
	return wire.DecodeDocument(k.response.Value, answer)
}

// Namespace returns the client for the keys of another namespace: the same connections, limits and hooks. An empty name is
// the default one.
func (c *Client) Namespace(name string) KV {
	view := c.verbs
	view.defaults.namespace = name
	return &view
}

// ChangeNamespace creates, sets, flushes or drops a namespace, and returns once every node that is up goes by the change.
// What is left out of change stays as it is, or is as in the default namespace. A *TimeoutError names the nodes that were
// not reached in time; the change goes on. Creating what is there with the same settings does nothing, and with others is a
// *BadRequestError.
func (c *Client) ChangeNamespace(ctx context.Context, change wire.NamespaceChange, opts ...CallOption) error {
	document, err := wire.EncodeDocument(&change)
	if err != nil {
		return err
	}
	k := c.call(wire.OpNamespace, "", opts)
	defer k.release()
	k.request.Value = document
	return c.ask(ctx, k)
}

package coordinator

import "github.com/shoalcache/shoal/wire"

// Gather collects the reads of a multi-get, which run on many shards, into one response. It has no lock
// of its own: whoever owns it adds parts one at a time.
type Gather struct {
	id    uint64
	items []wire.Item
	err   *wire.Error
	left  int
}

// NewGather waits for the answers of n keys of the request id.
func NewGather(id uint64, n int) *Gather {
	return &Gather{id: id, items: make([]wire.Item, n), left: n}
}

// Add takes the answer of key part, from 0, and copies what it keeps; true when it was the last.
func (g *Gather) Add(part int, r *wire.Response) bool {
	it := &g.items[part]
	it.Status, it.Stamp, it.Deadline, it.Forgotten = r.Status, r.Stamp, r.Deadline, r.Forgotten
	it.Value = append([]byte(nil), r.Value...)
	if r.Err != nil && g.err == nil {
		g.err = r.Err
	}
	g.left--
	return g.left == 0
}

// Response is the whole answer: OK with an item a key, each with a status of its own; the first failure
// is named in Err.
func (g *Gather) Response() wire.Response {
	return wire.Response{Status: wire.StatusOK, ID: g.id, Items: g.items, Err: g.err}
}

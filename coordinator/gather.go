package coordinator

import "github.com/shoalcache/shoal/wire"

// Gather collects the reads of a multi-get, which run on many shards, into one response. It has no lock
// of its own: whoever owns it adds parts one at a time.
type Gather struct {
	id    uint64
	items []wire.Item
	err   *wire.Error
	left  int
	room  int // bytes of values that the response has left
	bytes int // of values that are here
}

// What a response takes beside its values: each item, and the rest with its error.
const (
	itemOverhead   = 48
	gatherOverhead = 64 << 10
)

// NewGather waits for the answers of n keys of the request id; the response fits a frame of frameMax bytes.
func NewGather(id uint64, n, frameMax int) *Gather {
	return &Gather{id: id, items: make([]wire.Item, n), left: n, room: frameMax - n*itemOverhead - gatherOverhead}
}

// Add takes the answer of key part, from 0, and copies what it keeps; true when it was the last. A value
// that the response has no room for is left out, and its item says so.
func (g *Gather) Add(part int, r *wire.Response) bool {
	it := &g.items[part]
	it.Status, it.Stamp, it.Deadline, it.Forgotten = r.Status, r.Stamp, r.Deadline, r.Forgotten
	err := r.Err
	if len(r.Value) <= g.room {
		it.Value = append([]byte(nil), r.Value...)
		g.room -= len(r.Value)
		g.bytes += len(r.Value)
	} else {
		it.Status = wire.StatusTooLarge
		err = &wire.Error{Op: wire.OpMGet, Text: "the values asked for do not fit one response: ask for fewer keys at a time"}
	}
	if g.err == nil {
		g.err = err
	}
	g.left--
	return g.left == 0
}

// Bytes is how much the values take that are here.
func (g *Gather) Bytes() int { return g.bytes }

// Response is the whole answer: OK with an item a key, each with a status of its own; the first failure
// is named in Err.
func (g *Gather) Response() wire.Response {
	return wire.Response{Status: wire.StatusOK, ID: g.id, Items: g.items, Err: g.err}
}

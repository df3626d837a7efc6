package client

import (
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Batch is a list of operations that KV.Do sends together and waits for together; its zero value is ready. They run side
// by side: of two operations on one key, none need see the other. It holds on to the values it is given until Do
// returns, and may be used again after Reset.
type Batch struct {
	ops []operation
}

type operation struct {
	op    wire.Op
	key   string
	value []byte
	by    int64
	ttl   time.Duration
	opts  []CallOption // over those of Do
}

// Get appends a get: its Result has the value, or ErrNotFound.
func (b *Batch) Get(key string, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpGet, key: key, opts: opts})
}

// Head appends a get without the value.
func (b *Batch) Head(key string, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpHead, key: key, opts: opts})
}

// Set appends a set.
func (b *Batch) Set(key string, value []byte, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpSet, key: key, value: value, opts: opts})
}

// Delete appends a delete; its Result never is ErrNotFound.
func (b *Batch) Delete(key string, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpDelete, key: key, opts: opts})
}

// Touch appends a change of the time to live, 0 for none.
func (b *Batch) Touch(key string, ttl time.Duration, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpTouch, key: key, ttl: ttl, opts: opts})
}

// Incr appends an addition to a counter: its Result has what the counter stands at as Value, in digits.
func (b *Batch) Incr(key string, by int64, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpIncr, key: key, by: by, opts: opts})
}

// Append appends an addition to the end of a value: its Result has how many bytes that are now as Value, in digits.
func (b *Batch) Append(key string, value []byte, opts ...CallOption) {
	b.ops = append(b.ops, operation{op: wire.OpAppend, key: key, value: value, opts: opts})
}

// Len returns the number of operations.
func (b *Batch) Len() int { return len(b.ops) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	clear(b.ops)
	b.ops = b.ops[:0]
}

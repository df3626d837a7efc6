package client

import (
	"context"
	"time"
)

// KV is what programs do with a cache: Client serves it, and tests may have something smaller that does. Keys and
// values are any bytes, keys up to 64 KiB and values up to 16 MiB unless WithLimits says otherwise, as the cluster must
// too. Values that come back belong to the caller, and those handed in may be used again once the call returns.
type KV interface {
	// Get returns the value of key, or ErrNotFound.
	Get(ctx context.Context, key string, opts ...CallOption) ([]byte, error)
	// GetItem returns the value of key and what is known of it. With ErrNotFound, Item.Forgotten may be set.
	GetItem(ctx context.Context, key string, opts ...CallOption) (Item, error)
	// MGet returns one Result for each key, in their order. The error is nil unless the call failed as a whole.
	MGet(ctx context.Context, keys []string, opts ...CallOption) ([]Result, error)
	// Set makes value the value of key, until WithTTL has passed if that is given.
	Set(ctx context.Context, key string, value []byte, opts ...CallOption) error
	// Delete removes key; that there was none is no error.
	Delete(ctx context.Context, key string, opts ...CallOption) error
	// Touch lets key expire after ttl, or never if ttl is 0. ErrNotFound if there is none.
	Touch(ctx context.Context, key string, ttl time.Duration, opts ...CallOption) error
}

// Item is a value and what the cluster says about it.
type Item struct {
	Value    []byte
	Stamp    uint64    // the version's hybrid time: milliseconds since 1970 above 16 bits of logical time
	Deadline time.Time // when it expires; zero: never
	// Forgotten marks a miss that cannot be told from something forgotten: the nodes that answered had dropped
	// or not yet refilled what they knew of the key.
	Forgotten bool
}

// TTL returns how long the item lives after now; 0 means for ever, and an item that has just expired has 1 ns left.
func (i *Item) TTL(now time.Time) time.Duration {
	if i.Deadline.IsZero() {
		return 0
	}
	return max(i.Deadline.Sub(now), 1)
}

// Result is one key's part of a multi-get. Err is nil, ErrNotFound, or why this key could not be read.
type Result struct {
	Item
	Err error
}

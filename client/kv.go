package client

import (
	"context"
	"iter"
	"time"
)

// KV is what programs do with a cache: Client serves it, an embedded node does (Embedded), and tests may have something
// smaller. Keys and values are any bytes, keys up to 64 KiB and values up to 16 MiB unless WithLimits says otherwise, as
// the cluster must too. Values that come back belong to the caller, and those handed in may be used again once the call
// returns.
type KV interface {
	// Get returns the value of key, or ErrNotFound.
	Get(ctx context.Context, key string, opts ...CallOption) ([]byte, error)
	// GetItem returns the value of key and what is known of it. With ErrNotFound, Item.Forgotten may be set.
	GetItem(ctx context.Context, key string, opts ...CallOption) (Item, error)
	// Head is GetItem without the value: when key was written and when it expires, or ErrNotFound.
	Head(ctx context.Context, key string, opts ...CallOption) (Item, error)
	// Exists reports whether key has a value.
	Exists(ctx context.Context, key string, opts ...CallOption) (bool, error)
	// MGet returns one Result for each key, in their order. The error is nil if any key was answered, found or not, and
	// else the first key's. At most Limits.Keys of them, 10,000 by default.
	MGet(ctx context.Context, keys []string, opts ...CallOption) ([]Result, error)
	// Set makes value the value of key, until WithTTL has passed if that is given. Under a condition (IfAbsent, IfPresent,
	// IfVersion) that is not met the error is a *NotMetError, which is ErrNotMet, and nothing is done.
	Set(ctx context.Context, key string, value []byte, opts ...CallOption) error
	// MSet sets all pairs, each a write of its own: there is no moment at which all of them happen. Where any failed the
	// error is a *MultiError, unless it is one of a call that was never begun. At most Limits.Keys pairs.
	MSet(ctx context.Context, pairs []Pair, opts ...CallOption) error
	// GetAndSet is Set that also returns the value that was there, and whether there was one; with ErrNotMet the value
	// that is.
	GetAndSet(ctx context.Context, key string, value []byte, opts ...CallOption) (was Item, there bool, err error)
	// Incr adds by to the counter of key and returns what it stands at. One that is not there begins at 0, or at Initial, and
	// lives WithTTL; one that is there keeps its own. The error is *NotNumberError where the value is no integer of 64
	// bits in digits, *RangeError where the sum would be none.
	Incr(ctx context.Context, key string, by int64, opts ...CallOption) (int64, error)
	// Decr is Incr of what is taken away.
	Decr(ctx context.Context, key string, by int64, opts ...CallOption) (int64, error)
	// Append adds value to the end of what key has, which may be nothing, and returns how many bytes that are now. A new
	// value lives WithTTL; one that is there keeps its own.
	Append(ctx context.Context, key string, value []byte, opts ...CallOption) (int64, error)
	// Delete removes key; that there was none is no error, unless IfPresent or IfVersion is given.
	Delete(ctx context.Context, key string, opts ...CallOption) error
	// Touch lets key expire after ttl, or never if ttl is 0. ErrNotFound if there is none.
	Touch(ctx context.Context, key string, ttl time.Duration, opts ...CallOption) error
	// Do carries out a batch and returns one Result for each of its operations, in their order. The error is as MGet's.
	Do(ctx context.Context, b *Batch, opts ...CallOption) ([]Result, error)
	// Scan yields the keys of the cluster, those that begin with WithPrefix if that is given, in no order, as one owner of
	// each sees them. A key that is there all along is yielded at least once, and perhaps more often; one that this owner
	// has missed or lost may not be. After an error it ends. WithTimeout bounds each page and not the whole.
	Scan(ctx context.Context, opts ...CallOption) iter.Seq2[string, error]
}

// Item is a value and what the cluster says about it.
type Item struct {
	Value    []byte
	Stamp    uint64    // the version's hybrid time: milliseconds since 1970 above 16 bits of logical time
	Deadline time.Time // when it expires; zero: never
	// Forgotten marks a miss that cannot be told from something forgotten: the nodes that answered had dropped
	// or not yet refilled what they knew of the key.
	Forgotten bool
	// Siblings are all values of the key, the latest first, which shares its memory with Value; Context is what the cluster
	// needs to know of them. Both are there WithSiblings only.
	Siblings []Sibling
	Context  []byte
}

// TTL returns how long the item lives after now; 0 means for ever, and an item that has just expired has 1 ns left.
func (i *Item) TTL(now time.Time) time.Duration {
	if i.Deadline.IsZero() {
		return 0
	}
	return max(i.Deadline.Sub(now), 1)
}

// Result is one key's part of MGet, or one operation's of Do. Err is nil, ErrNotFound, or why this one failed.
type Result struct {
	Item
	Err error
}

// Pair is a key and the value that MSet gives it.
type Pair struct {
	Key   string
	Value []byte
}

// Page is one part of a scan: keys, and the cursor from which the scan goes on, empty after the last page.
type Page struct {
	Keys []string
	Next string
}

package client

import (
	"context"
	"fmt"
	"time"
)

// This file is for keys of which several values may stand beside each other, where a namespace keeps siblings: writes that
// did not know of each other are all kept, until a write that knows them takes their place.

// Sibling is one of the values of a key.
type Sibling struct {
	Value    []byte
	Stamp    uint64
	Deadline time.Time // when the key expires; zero: never
}

// WithSiblings lets GetItem return all values of the key in Item.Siblings, and in Item.Context what the cluster needs to
// know of them: to be handed to WithContext as it is, also with ErrNotFound.
func WithSiblings() CallOption {
	return func(o *callOptions) { o.siblings = true }
}

// WithContext lets a set or delete take the place of exactly what a GetItem WithSiblings has shown, whose Item.Context it is:
// what others have written since stays beside it. One of another key is a *ContextError; a namespace that keeps no siblings
// refuses all of them.
func WithContext(c []byte) CallOption {
	return func(o *callOptions) {
		if o.context = c; c == nil {
			o.context = []byte{} // refused, where nil would be none
		}
	}
}

// resolveRounds is how often Resolve begins again: each time all others that write the key at once have got one write in.
const resolveRounds = 8

// UnresolvedError is returned by Resolve when there were new siblings after every round. What the last one wrote is
// one of them.
type UnresolvedError struct {
	Key      string
	Siblings int
	Rounds   int
}

// Error says so.
func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("client: resolve: key %.64q still has %d siblings after %d rounds, since others keep writing it: try again later, or write it from fewer places", e.Key, e.Siblings, e.Rounds)
}

// Resolve makes one value of a key's siblings by merge, which gets them with the latest first, and returns that value. Nothing
// is written, and merge not called, where there are fewer than two. If siblings came meanwhile it begins again, up to 8
// times. Merge may be called several times: it should make the same of the same values, in whatever order. Options are
// those of reading and writing; a key that is not there is ErrNotFound. A write that may have happened does no harm:
// resolve again.
func Resolve(ctx context.Context, kv KV, key string, merge func(siblings [][]byte) []byte, opts ...CallOption) ([]byte, error) {
	for round := 0; ; round++ {
		item, err := kv.GetItem(ctx, key, append(opts[:len(opts):len(opts)], WithSiblings())...)
		if err != nil {
			return nil, err
		}
		if len(item.Siblings) < 2 {
			return item.Value, nil
		}
		if round == resolveRounds {
			return nil, &UnresolvedError{Key: key, Siblings: len(item.Siblings), Rounds: round}
		}
		values := make([][]byte, len(item.Siblings))
		for i := range item.Siblings {
			values[i] = item.Siblings[i].Value
		}
		if err := kv.Set(ctx, key, merge(values), append(opts[:len(opts):len(opts)], WithContext(item.Context))...); err != nil {
			return nil, err
		}
	}
}

// showSiblings adds what an answer says of siblings to its item, whose value is the latest of them.
func (k *call) showSiblings(it *Item) {
	it.Context = k.response.Context
	for i := range k.response.Items {
		s := resultOf(k.request.Op, &k.response.Items[i])
		it.Siblings = append(it.Siblings, Sibling{Value: s.Value, Stamp: s.Stamp, Deadline: s.Deadline})
	}
	if len(it.Siblings) > 0 {
		it.Value = it.Siblings[0].Value
	}
}

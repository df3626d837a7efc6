package client

import (
	"context"

	"github.com/shoalcache/shoal/wire"
)

// Hooks are called at the beginning and, by the function they return, at the end of what a Client does: enough to trace
// it. Each may be nil, then it costs nothing; the function they return may be nil, too. They run on the way of the call,
// or of the attempt to connect, and any number of them at a time.
type Hooks struct {
	// Dial is called for each attempt to connect to addr. Its context is not that of a call: calls share attempts.
	Dial func(ctx context.Context, addr string) (end func(error))
	// Call is called for each request, once whatever the number of attempts; for the parts of Batch too. The context
	// it returns is the call's from then on.
	Call func(ctx context.Context, op wire.Op, key []byte) (context.Context, func(CallEnd))
	// Batch is called for each MGet, MSet and Do, with its number of keys, pairs or operations, before the Call of each
	// of its requests, which get the context that it returns.
	Batch func(ctx context.Context, name string, n int) (context.Context, func(error))
}

// CallEnd is how a request went.
type CallEnd struct {
	Addr     string // of the node that answered or was asked last; empty where none was
	Attempts int    // requests sent one after the other; a hedge is not one
	Hedged   bool   // a second node was asked while the first had not answered
	Err      error  // nil for a key that is not there
}

// doHooked is do with the Call hook around it.
func (c *Client) doHooked(ctx context.Context, k *call) error {
	inner, end := c.options.hooks.Call(ctx, k.request.Op, k.request.Key)
	if inner == nil {
		inner = ctx
	}
	err := c.counted(c.finish(inner, k, c.begin(inner, k, sinceEpoch())))
	if end != nil {
		e := CallEnd{Attempts: k.attempts, Hedged: k.hedged, Err: err}
		if k.node != nil {
			e.Addr = k.node.addr
		}
		end(e)
	}
	return err
}

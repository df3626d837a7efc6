package client

import (
	"context"
	"fmt"
	"time"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// Get returns the value of key, or ErrNotFound.
func (c *Client) Get(ctx context.Context, key string, opts ...CallOption) ([]byte, error) {
	item, err := c.GetItem(ctx, key, opts...)
	return item.Value, err
}

// GetItem returns the value of key and what is known of it. With ErrNotFound, Item.Forgotten may be set.
func (c *Client) GetItem(ctx context.Context, key string, opts ...CallOption) (Item, error) {
	r, err := c.ask(ctx, &wire.Request{Op: wire.OpGet, Key: []byte(key)}, opts)
	if err != nil {
		return Item{}, err
	}
	it := wire.Item{Status: r.Status, Stamp: r.Stamp, Value: r.Value, Deadline: r.Deadline, Forgotten: r.Forgotten}
	return itemOf(&it), missing(r.Status)
}

// MGet returns one Result for each key, in their order. The error is nil unless the call failed as a whole.
func (c *Client) MGet(ctx context.Context, keys []string, opts ...CallOption) ([]Result, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	q := wire.Request{Op: wire.OpMGet, Keys: make([][]byte, len(keys))}
	for i, key := range keys {
		q.Keys[i] = []byte(key)
	}
	r, err := c.ask(ctx, &q, opts)
	if err != nil {
		return nil, err
	}
	if len(r.Items) != len(keys) {
		return nil, &InternalError{Op: q.Op, Text: fmt.Sprintf("%d keys were asked for and %d answered", len(keys), len(r.Items))}
	}
	results := make([]Result, len(keys))
	for i := range r.Items {
		it := &r.Items[i]
		results[i].Item = itemOf(it)
		one := wire.Response{Status: it.Status, Err: &wire.Error{Op: wire.OpMGet}}
		if results[i].Err = missing(it.Status); results[i].Err == nil {
			results[i].Err = one.AsError()
		}
	}
	return results, nil
}

// Set makes value the value of key, until WithTTL has passed if that is given.
func (c *Client) Set(ctx context.Context, key string, value []byte, opts ...CallOption) error {
	if value == nil {
		value = []byte{}
	}
	_, err := c.ask(ctx, &wire.Request{Op: wire.OpSet, Key: []byte(key), Value: value}, opts)
	return err
}

// Delete removes key; that there was none is no error.
func (c *Client) Delete(ctx context.Context, key string, opts ...CallOption) error {
	_, err := c.ask(ctx, &wire.Request{Op: wire.OpDelete, Key: []byte(key)}, opts)
	return err
}

// Touch lets key expire after ttl, or never if ttl is 0. ErrNotFound if there is none.
func (c *Client) Touch(ctx context.Context, key string, ttl time.Duration, opts ...CallOption) error {
	if ttl < 0 {
		return &BadRequestError{Op: wire.OpTouch, Text: fmt.Sprintf("a TTL of %v: use one above 0, or 0 for none", ttl)}
	}
	r, err := c.ask(ctx, &wire.Request{Op: wire.OpTouch, Key: []byte(key), TTL: millis(ttl)}, opts)
	if err != nil {
		return err
	}
	return missing(r.Status)
}

// Ping returns when a node has answered.
func (c *Client) Ping(ctx context.Context, opts ...CallOption) error {
	_, err := c.ask(ctx, &wire.Request{Op: wire.OpPing}, opts)
	return err
}

// Map returns the cluster map as the answering node has it; it belongs to the caller.
func (c *Client) Map(ctx context.Context, opts ...CallOption) (*ring.Map, error) {
	r, err := c.ask(ctx, &wire.Request{Op: wire.OpMap}, opts)
	if err != nil {
		return nil, err
	}
	return wire.DecodeMap(r.Value)
}

// Where returns where key lives, and which of those nodes the answering one believes to be alive.
func (c *Client) Where(ctx context.Context, key string, opts ...CallOption) (wire.Where, error) {
	var where wire.Where
	r, err := c.ask(ctx, &wire.Request{Op: wire.OpWhere, Key: []byte(key)}, opts)
	if err == nil {
		err = wire.DecodeDocument(r.Value, &where)
	}
	return where, err
}

// Stats returns what the node at addr says of itself. That node alone is asked, whether or not it is one of
// those that Dial was given; its connection stays open until Close.
func (c *Client) Stats(ctx context.Context, addr string, opts ...CallOption) (wire.NodeStats, error) {
	var stats wire.NodeStats
	o := c.options.calls
	o.apply(opts)
	q := wire.Request{Op: wire.OpStats}
	k, err := c.prepare(ctx, &q, &o)
	if err != nil {
		return stats, err
	}
	defer release(k)
	if _, err := c.try(ctx, c.link(addr), &q, &o, k); err != nil {
		return stats, err
	}
	return stats, wire.DecodeDocument(k.response.Value, &stats)
}

// link returns the link to addr, making one if there is none.
func (c *Client) link(addr string) *link {
	for _, l := range c.links {
		if l.addr == addr {
			return l
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.others[addr]
	if l == nil {
		l = &link{client: c, addr: addr}
		c.others[addr] = l
	}
	return l
}

// ask checks q against the limits, completes it from the options and sends it.
func (c *Client) ask(ctx context.Context, q *wire.Request, opts []CallOption) (wire.Response, error) {
	o := c.options.calls
	o.apply(opts)
	if err := c.check(q, &o); err != nil {
		return wire.Response{}, err
	}
	if q.Op == wire.OpSet && o.expires {
		q.TTL = millis(o.ttl)
	}
	return c.do(ctx, q, &o)
}

// check refuses what no node would take, before a byte is sent.
func (c *Client) check(q *wire.Request, o *callOptions) error {
	l := &c.options.limits
	tooLarge := func(what string, got, most int) error {
		return &TooLargeError{Op: q.Op, Text: fmt.Sprintf("a %s of %d bytes, where %d are allowed", what, got, most)}
	}
	switch {
	case q.Op == wire.OpSet && o.expires && o.ttl <= 0:
		return &BadRequestError{Op: q.Op, Text: fmt.Sprintf("a TTL of %v: use one above 0", o.ttl)}
	case len(q.Key) > l.Key:
		return tooLarge("key", len(q.Key), l.Key)
	case len(q.Value) > l.Value:
		return tooLarge("value", len(q.Value), l.Value)
	case len(q.Keys) > l.Keys:
		return &TooLargeError{Op: q.Op, Text: fmt.Sprintf("%d keys, where %d are allowed in one call", len(q.Keys), l.Keys)}
	}
	total := 0
	for _, key := range q.Keys {
		if total += len(key); len(key) > l.Key {
			return tooLarge("key", len(key), l.Key)
		}
	}
	if most := l.Frame - l.Frame/16; total > most { // the rest is for what surrounds each key
		return tooLarge("list of keys", total, most)
	}
	return nil
}

func itemOf(it *wire.Item) Item {
	item := Item{Value: it.Value, Stamp: it.Stamp, Forgotten: it.Forgotten}
	if it.Deadline > 0 {
		item.Deadline = time.UnixMilli(it.Deadline)
	}
	return item
}

func missing(s wire.Status) error {
	if s == wire.StatusNotFound {
		return ErrNotFound
	}
	return nil
}

// release gives a call back for the next.
func release(k *call) {
	k.timer.Stop()
	k.response = wire.Response{}
	calls.Put(k)
}

package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// backend carries out requests: a Client over its connections, an embedded node in its own process.
type backend interface {
	// do carries out one call; without an error the answer is in k.response.
	do(ctx context.Context, k *call) error
	// doAll carries out many side by side, and leaves each one's error in k.err.
	doAll(ctx context.Context, ks []*call)
	// clusterID is that of the cluster; 0 while it is not known.
	clusterID() uint64
	// split groups keys, by their index, so that each group is best asked in a request of its own.
	split(namespace string, keys []string) [][]int
}

// verbs is KV on a backend.
type verbs struct {
	backend  backend
	defaults callOptions
	limits   wire.Limits
	hook     func(ctx context.Context, name string, n int) (context.Context, func(error)) // Hooks.Batch; may be nil
}

// Get returns the value of key, or ErrNotFound.
func (v *verbs) Get(ctx context.Context, key string, opts ...CallOption) ([]byte, error) {
	item, err := v.read(ctx, wire.OpGet, key, opts)
	return item.Value, err
}

// GetItem returns the value of key and what is known of it. With ErrNotFound, Item.Forgotten may be set.
func (v *verbs) GetItem(ctx context.Context, key string, opts ...CallOption) (Item, error) {
	return v.read(ctx, wire.OpGet, key, opts)
}

// Head is GetItem without the value: when key was written and when it expires, or ErrNotFound.
func (v *verbs) Head(ctx context.Context, key string, opts ...CallOption) (Item, error) {
	return v.read(ctx, wire.OpHead, key, opts)
}

// Exists reports whether key has a value.
func (v *verbs) Exists(ctx context.Context, key string, opts ...CallOption) (bool, error) {
	_, err := v.read(ctx, wire.OpHead, key, opts)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (v *verbs) read(ctx context.Context, op wire.Op, key string, opts []CallOption) (Item, error) {
	k := v.call(op, key, opts)
	defer k.release()
	if err := v.ask(ctx, k); err != nil {
		return Item{}, err
	}
	r := k.result()
	if k.options.siblings {
		k.showSiblings(&r.Item)
	}
	return r.Item, r.Err
}

// MGet returns one Result for each key, in their order, whose owners are asked side by side. The error is nil if any key
// was answered, found or not, and else the first key's. At most Limits.Keys of them, 10,000 by default.
func (v *verbs) MGet(ctx context.Context, keys []string, opts ...CallOption) ([]Result, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	if err := v.few(wire.OpMGet, len(keys)); err != nil {
		return nil, err
	}
	groups := v.backend.split(v.defaults.namespace, keys)
	ks := make([]*call, len(groups))
	defer releaseAll(ks)
	for i, group := range groups {
		k := v.call(wire.OpMGet, "", opts)
		for _, at := range group {
			begin := len(k.keys)
			k.keys = append(k.keys, keys[at]...)
			k.request.Keys = append(k.request.Keys, k.keys[begin:len(k.keys):len(k.keys)])
		}
		ks[i] = k
		if err := v.check(k); err != nil {
			return nil, err
		}
	}
	ctx, end := v.batch(ctx, "MGet", len(keys))
	v.doAll(ctx, ks)
	results := make([]Result, len(keys))
	for i, group := range groups {
		k := ks[i]
		if k.err == nil && len(k.response.Items) != len(group) {
			k.err = &InternalError{Op: wire.OpMGet, Text: fmt.Sprintf("%d keys were asked for and %d answered", len(group), len(k.response.Items))}
		}
		for j, at := range group {
			if results[at].Err = k.err; k.err == nil {
				results[at] = resultOf(wire.OpMGet, &k.response.Items[j])
			}
		}
	}
	err := whole(results)
	end(err)
	return results, err
}

// Set makes value the value of key, until WithTTL has passed if that is given. Under a condition that is not met the
// error is ErrNotMet.
func (v *verbs) Set(ctx context.Context, key string, value []byte, opts ...CallOption) error {
	k := v.call(wire.OpSet, key, opts)
	defer k.release()
	k.set(value)
	return v.ask(ctx, k)
}

// MSet sets all pairs, each a write of its own: there is no moment at which all of them happen. Where any failed the error
// is a *MultiError, unless it is one of a call that was never begun. At most Limits.Keys pairs.
func (v *verbs) MSet(ctx context.Context, pairs []Pair, opts ...CallOption) error {
	if err := v.few(wire.OpSet, len(pairs)); err != nil {
		return err
	}
	ks := make([]*call, len(pairs))
	defer releaseAll(ks)
	for i, p := range pairs {
		ks[i] = v.call(wire.OpSet, p.Key, opts)
		ks[i].set(p.Value)
		if err := v.check(ks[i]); err != nil {
			return err
		}
	}
	ctx, end := v.batch(ctx, "MSet", len(pairs))
	v.doAll(ctx, ks)
	err := failures(wire.OpSet, ks)
	end(err)
	return err
}

// failures is a *MultiError if any of ks failed.
func failures(op wire.Op, ks []*call) error {
	var failed *MultiError
	for i, k := range ks {
		if k.err == nil {
			continue
		}
		if failed == nil {
			failed = &MultiError{Op: op, Errs: make([]error, len(ks))}
		}
		failed.Errs[i] = k.err
	}
	if failed == nil {
		return nil // and not a *MultiError that is nil
	}
	return failed
}

// Delete removes key; that there was none is no error, unless IfPresent or IfVersion is given.
func (v *verbs) Delete(ctx context.Context, key string, opts ...CallOption) error {
	k := v.call(wire.OpDelete, key, opts)
	defer k.release()
	return v.ask(ctx, k)
}

// Touch lets key expire after ttl, or never if ttl is 0. ErrNotFound if there is none.
func (v *verbs) Touch(ctx context.Context, key string, ttl time.Duration, opts ...CallOption) error {
	k := v.call(wire.OpTouch, key, opts)
	defer k.release()
	k.options.ttl = ttl
	if err := v.ask(ctx, k); err != nil {
		return err
	}
	return missing(k.response.Status)
}

// Do carries out a batch and returns one Result for each of its operations, in their order. The error is as MGet's.
func (v *verbs) Do(ctx context.Context, b *Batch, opts ...CallOption) ([]Result, error) {
	if len(b.ops) == 0 {
		return nil, nil
	}
	if err := v.few(b.ops[0].op, len(b.ops)); err != nil {
		return nil, err
	}
	ks := make([]*call, len(b.ops))
	defer releaseAll(ks)
	for i := range b.ops {
		op := &b.ops[i]
		k := v.call(op.op, op.key, opts)
		k.options.apply(op.opts)
		switch op.op {
		case wire.OpSet, wire.OpAppend:
			k.set(op.value)
		case wire.OpIncr:
			k.add(op.by)
		case wire.OpTouch:
			k.options.ttl = op.ttl
		}
		ks[i] = k
		if err := v.check(k); err != nil {
			return nil, fmt.Errorf("client: operation %d of the batch: %w", i, err)
		}
	}
	ctx, end := v.batch(ctx, "Do", len(ks))
	v.doAll(ctx, ks)
	results := make([]Result, len(ks))
	for i, k := range ks {
		if results[i].Err = k.err; k.err == nil {
			results[i] = k.result()
		}
	}
	err := whole(results)
	end(err)
	return results, err
}

// Scan yields the keys of the cluster, those that begin with WithPrefix if that is given, in no order, as one owner of each
// sees them. A key that is there all along is yielded at least once, and perhaps more often; one that this owner has missed
// or lost may not be. After an error it ends. WithTimeout bounds each page and not the whole.
func (v *verbs) Scan(ctx context.Context, opts ...CallOption) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for page, err := range v.scanPages(ctx, "", opts) {
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range page.Keys {
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// scanPages asks for one page after the other; nothing is under way while its caller looks at one.
func (v *verbs) scanPages(ctx context.Context, cursor string, opts []CallOption) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for {
			page, err := v.page(ctx, cursor, opts)
			if !yield(page, err) || err != nil || page.Next == "" {
				return
			}
			cursor = page.Next
		}
	}
}

func (v *verbs) page(ctx context.Context, cursor string, opts []CallOption) (Page, error) {
	k := v.call(wire.OpScan, cursor, opts)
	defer k.release()
	k.request.Value = []byte(k.options.prefix)
	if err := v.ask(ctx, k); err != nil {
		return Page{Next: cursor}, err
	}
	page := Page{Keys: make([]string, len(k.response.Items)), Next: string(k.response.Value)}
	for i := range k.response.Items {
		page.Keys[i] = string(k.response.Items[i].Value)
	}
	if page.Next == cursor && cursor != "" {
		return page, &InternalError{Op: wire.OpScan, Text: "the node's cursor does not move on"}
	}
	return page, nil
}

// batch calls the hook of a call of many parts; end is never nil.
func (v *verbs) batch(ctx context.Context, name string, n int) (inner context.Context, end func(error)) {
	if v.hook != nil {
		inner, end = v.hook(ctx, name, n)
	}
	if inner == nil {
		inner = ctx
	}
	if end == nil {
		end = func(error) {}
	}
	return inner, end
}

// call makes one of a key and options; whoever calls it releases the call.
func (v *verbs) call(op wire.Op, key string, opts []CallOption) *call {
	k := calls.Get().(*call)
	k.options = v.defaults
	k.options.apply(opts)
	k.keys = append(k.keys[:0], key...)
	k.request.Op, k.request.Key = op, k.keys
	return k
}

func releaseAll(ks []*call) {
	for _, k := range ks {
		if k != nil {
			k.release()
		}
	}
}

func (k *call) set(value []byte) {
	if k.request.Value = value; value == nil {
		k.request.Value = []byte{}
	}
}

func (v *verbs) ask(ctx context.Context, k *call) error {
	if err := v.check(k); err != nil {
		return err
	}
	if k.options.session != nil {
		return v.askInSession(ctx, k)
	}
	if err := v.backend.do(ctx, k); err != nil {
		return err
	}
	return k.unmet()
}

func (v *verbs) askInSession(ctx context.Context, k *call) error {
	if err := k.options.session.bind(v.backend.clusterID()); err != nil {
		return err
	}
	if err := v.backend.do(ctx, k); err != nil {
		return err
	}
	if err := k.unmet(); err != nil {
		return err
	}
	return v.keep(ctx, k)
}

// doAll is backend.doAll, in the session of the calls if they have one.
func (v *verbs) doAll(ctx context.Context, ks []*call) {
	s := (*Session)(nil)
	if len(ks) > 0 { // they are parts of one call
		s = ks[0].options.session
	}
	if s != nil {
		if err := s.bind(v.backend.clusterID()); err != nil {
			for _, k := range ks {
				k.err = err
			}
			return
		}
	}
	v.backend.doAll(ctx, ks)
	for _, k := range ks {
		if k.err == nil {
			k.err = k.unmet()
		}
		if s != nil && k.err == nil {
			k.err = v.keep(ctx, k)
		}
	}
}

func (v *verbs) few(op wire.Op, n int) error {
	if n <= v.limits.Keys {
		return nil
	}
	return &TooLargeError{Op: op, Text: fmt.Sprintf("%d keys, where %d are allowed in one call", n, v.limits.Keys)}
}

// begins reports whether an operation can make a value where there is none.
func begins(op wire.Op) bool { return op == wire.OpSet || op == wire.OpIncr || op == wire.OpAppend }

// check refuses what no node would take, before a byte is sent, and completes what it lets through.
func (v *verbs) check(k *call) error {
	q, o, l := &k.request, &k.options, &v.limits
	tooLarge := func(what string, got, most int) error {
		return &TooLargeError{Op: q.Op, Text: fmt.Sprintf("a %s of %d bytes, where %d are allowed", what, got, most)}
	}
	switch {
	case o.expires && o.ttl <= 0 && begins(q.Op):
		return &BadRequestError{Op: q.Op, Text: fmt.Sprintf("a TTL of %v: use one above 0", o.ttl)}
	case q.Op == wire.OpTouch && o.ttl < 0:
		return &BadRequestError{Op: q.Op, Text: fmt.Sprintf("a TTL of %v: use one above 0, or 0 for none", o.ttl)}
	case o.timeout <= 0:
		return &BadRequestError{Op: q.Op, Text: fmt.Sprintf("a timeout of %v: use one above 0", o.timeout)}
	case len(q.Key) > l.Key:
		return tooLarge("key", len(q.Key), l.Key)
	case len(q.Value) > l.Value:
		return tooLarge("value", len(q.Value), l.Value)
	}
	if q.Op == wire.OpTouch || o.expires && begins(q.Op) {
		q.TTL = millis(o.ttl)
	}
	if err := k.conditional(); err != nil {
		return err
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

// result is what a call on one key brought.
func (k *call) result() Result {
	r := &k.response
	return resultOf(k.request.Op, &wire.Item{Status: r.Status, Stamp: r.Stamp, Value: r.Value, Deadline: r.Deadline, Forgotten: r.Forgotten})
}

func resultOf(op wire.Op, it *wire.Item) Result {
	r := Result{Item: Item{Value: it.Value, Stamp: it.Stamp, Forgotten: it.Forgotten}, Err: missing(it.Status)}
	if it.Deadline > 0 {
		r.Deadline = time.UnixMilli(it.Deadline)
	}
	if it.Status >= wire.StatusBadRequest {
		failed := wire.Response{Status: it.Status, Err: &wire.Error{Op: op}}
		r.Err = failed.AsError()
	}
	return r
}

func missing(s wire.Status) error {
	if s == wire.StatusNotFound {
		return ErrNotFound
	}
	return nil
}

// whole is the error of a call of many parts: the first one's, if none was answered.
func whole(results []Result) error {
	for i := range results {
		if err := results[i].Err; err == nil || errors.Is(err, ErrNotFound) {
			return nil
		}
	}
	return results[0].Err
}

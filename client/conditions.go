package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is the writes that depend on what is there: counters, appends, and sets and deletes under a condition.

// ErrNotMet is what a *NotMetError is, for errors.Is.
var ErrNotMet = errors.New("client: the condition is not met")

// NotMetError is returned for a set or delete whose condition is not met; nothing was done. Where an earlier attempt of
// the call may have happened, and so be what is in its way, it is inside a *RetryError that says so.
type NotMetError struct {
	Op    wire.Op
	Stamp uint64 // of the value that is there; 0: there is none
}

// Error says what is there.
func (e *NotMetError) Error() string {
	if e.Stamp == 0 {
		return fmt.Sprintf("client: %v: the condition is not met, there is no value: nothing was done", e.Op)
	}
	return fmt.Sprintf("client: %v: the condition is not met, the value has the stamp %v: nothing was done", e.Op, vclock.Stamp(e.Stamp))
}

// Unwrap returns ErrNotMet.
func (e *NotMetError) Unwrap() error { return ErrNotMet }

// IfAbsent lets a set happen only where there is no value. Two sides of a cluster that cannot reach each other may both
// find none: it is no lock. What owners have forgotten is not there.
func IfAbsent() CallOption { return onlyIf(wire.Absent, 0) }

// IfPresent lets a set or delete happen only where there is a value.
func IfPresent() CallOption { return onlyIf(wire.Present, 0) }

// IfVersion lets a set or delete happen only where the value has that stamp, as Item.Stamp tells it; 0 is that there is none.
// Unless it is 0, such a write is tried again as a read is: no later write has the stamp of an earlier one.
func IfVersion(stamp uint64) CallOption { return onlyIf(wire.Version, stamp) }

func onlyIf(c wire.Condition, than uint64) CallOption {
	return func(o *callOptions) { o.condition, o.than = c, than }
}

// Initial lets a counter that is not there begin at n, to which the first addition is added.
func Initial(n int64) CallOption {
	return func(o *callOptions) { o.initial = n }
}

// Incr adds by to the counter of key and returns what it stands at. One that is not there begins at 0, or at Initial, and
// lives WithTTL; one that is there keeps its own. A value is a counter if it is an integer of 64 bits in digits, else
// the error is *NotNumberError; a sum that is none is *RangeError. An addition that may have happened is sent again only to
// the node that may have carried it out, which knows it again, whatever the options say; if that has restarted, it is indeterminate.
func (v *verbs) Incr(ctx context.Context, key string, by int64, opts ...CallOption) (int64, error) {
	k := v.call(wire.OpIncr, key, opts)
	defer k.release()
	k.add(by)
	if err := v.ask(ctx, k); err != nil {
		return 0, err
	}
	return k.number()
}

func (k *call) add(by int64) {
	if k.request.By = by; k.options.initial != 0 {
		k.request.Value = strconv.AppendInt(nil, k.options.initial, 10)
	}
}

// Decr is Incr of what is taken away.
func (v *verbs) Decr(ctx context.Context, key string, by int64, opts ...CallOption) (int64, error) {
	if by == -by && by != 0 { // the least integer has no opposite
		return 0, &RangeError{Op: wire.OpIncr}
	}
	return v.Incr(ctx, key, -by, opts...)
}

// Append adds value to the end of what key has, which may be nothing, and returns how many bytes that are now. A new
// value lives WithTTL; one that is there keeps its own. An append is sent again as an addition is.
func (v *verbs) Append(ctx context.Context, key string, value []byte, opts ...CallOption) (int64, error) {
	k := v.call(wire.OpAppend, key, opts)
	defer k.release()
	k.set(value)
	if err := v.ask(ctx, k); err != nil {
		return 0, err
	}
	return k.number()
}

// number is an answer that is one.
func (k *call) number() (int64, error) {
	n, err := vclock.ParseNumber(k.response.Value)
	if err != nil {
		return 0, &InternalError{Op: k.request.Op, Text: fmt.Sprintf("the node answered %.32q, which is no number", k.response.Value), Indeterminate: true}
	}
	return n, nil
}

// GetAndSet is Set that also returns the value that was there, and whether there was one; with ErrNotMet the value that
// is. It is never sent again once it may have happened: its second answer would be its own value.
func (v *verbs) GetAndSet(ctx context.Context, key string, value []byte, opts ...CallOption) (was Item, there bool, err error) {
	k := v.call(wire.OpSet, key, opts)
	defer k.release()
	k.set(value)
	k.request.Previous = true
	if err := v.ask(ctx, k); err != nil && !errors.Is(err, ErrNotMet) {
		return Item{}, false, err
	} else if len(k.response.Items) > 0 {
		r := resultOf(wire.OpSet, &k.response.Items[0])
		return r.Item, r.Err == nil, err
	} else if err != nil {
		return Item{}, false, err
	}
	return Item{}, false, &InternalError{Op: wire.OpSet, Text: "the node did not say what was there", Indeterminate: true}
}

// conditional completes a request by the options of writes that depend on what is there, and refuses what they do not go with.
func (k *call) conditional() error {
	q, o := &k.request, &k.options
	simple := q.Op == wire.OpSet || q.Op == wire.OpDelete
	switch {
	case !q.Op.Writes() || o.condition == wire.Always && o.context == nil:
		return nil
	case !simple:
		return &BadRequestError{Op: q.Op, Text: "conditions and contexts go with set and delete"}
	case o.condition != wire.Always && o.context != nil:
		return &BadRequestError{Op: q.Op, Text: "a condition and a context: use one of them"}
	}
	q.Condition, q.Than, q.Context = o.condition, o.than, o.context
	return nil
}

// unmet is the error of a call whose condition was not met.
func (k *call) unmet() error {
	if k.response.Status != wire.StatusNotMet {
		return nil
	}
	err := error(&NotMetError{Op: k.request.Op, Stamp: k.response.Stamp})
	if k.unsure && k.taker == nil { // which knows what came of the attempt before
		err = &RetryError{Attempts: k.retries + 1, Indeterminate: true, Err: err}
	}
	return err
}

package shoaltest

import (
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/shoalcache/shoal/client"
)

// This file is CheckKV's look at the writes that depend on what is there.

func (c kvCheck) counters(t *trial) {
	ctx, key := t.Context(), c.key("counter")
	add := func(by, want int64, opts ...client.CallOption) {
		t.Helper()
		if got, err := c.kv.Incr(ctx, key, by, opts...); err != nil || got != want {
			t.Fatalf("%d, %v; wanted %d", got, err, want)
		}
	}
	add(5, 5, client.WithTTL(time.Hour))
	add(-7, -2, client.WithTTL(time.Millisecond)) // it is there, and keeps its own
	c.want(t, key, "-2")
	if got, err := c.kv.Decr(ctx, key, 8); err != nil || got != -10 {
		t.Fatalf("%d, %v; wanted -10", got, err)
	}
	item, err := c.kv.GetItem(ctx, key)
	if err != nil || item.Deadline.IsZero() || item.TTL(time.Now()) < time.Minute {
		t.Fatalf("%+v, %v", item, err)
	}
	add(0, -10)
	c.set(t, key, "41")
	add(1, 42)
	if err := c.kv.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	add(1, 101, client.Initial(100))
	add(1, 102, client.Initial(100))
	var batch client.Batch
	batch.Incr(key, 3)
	if results, err := c.kv.Do(ctx, &batch); err != nil || string(results[0].Value) != "105" {
		t.Fatalf("%+v, %v", results, err)
	}

	c.set(t, key, "9223372036854775807")
	var span *client.RangeError
	if _, err := c.kv.Incr(ctx, key, 1); !errors.As(err, &span) || client.Indeterminate(err) {
		t.Fatalf("over the top: %v", err)
	}
	if _, err := c.kv.Decr(ctx, key, math.MinInt64); !errors.As(err, &span) {
		t.Fatalf("what has no opposite: %v", err)
	}
	c.want(t, key, "9223372036854775807")
	var number *client.NotNumberError
	for _, value := range []string{"", "x", "+1", "01", " 1", "1.0", "9223372036854775808", strings.Repeat("1", 100)} {
		c.set(t, key, value)
		if _, err := c.kv.Incr(ctx, key, 1); !errors.As(err, &number) || client.Indeterminate(err) {
			t.Fatalf("%q and 1: %v", value, err)
		}
		c.want(t, key, value)
	}

	const callers, rounds = 8, 25
	many := c.key("counter of many")
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			last := int64(0)
			for range rounds {
				n, err := c.kv.Incr(ctx, many, 1, client.WithTimeout(time.Minute))
				if err != nil || n <= last {
					t.Errorf("%d after %d, %v", n, last, err)
					return
				}
				last = n
			}
		})
	}
	if wg.Wait(); t.Failed() {
		return
	}
	if got, err := c.kv.Incr(ctx, many, 0); err != nil || got != callers*rounds {
		t.Fatalf("%d, %v; wanted %d", got, err, callers*rounds)
	}
}

func (c kvCheck) appends(t *trial) {
	ctx, key := t.Context(), c.key("append")
	add := func(value string, want int64, opts ...client.CallOption) {
		t.Helper()
		if n, err := c.kv.Append(ctx, key, []byte(value), opts...); err != nil || n != want {
			t.Fatalf("%d, %v; wanted %d", n, err, want)
		}
	}
	add("", 0, client.WithTTL(time.Hour))
	c.want(t, key, "")
	add("a\x00b", 3)
	add("cd", 5, client.WithTTL(time.Millisecond))
	c.want(t, key, "a\x00bcd")
	if item, err := c.kv.GetItem(ctx, key); err != nil || item.TTL(time.Now()) < time.Minute {
		t.Fatalf("%+v, %v", item, err)
	}
	var batch client.Batch
	batch.Append(key, []byte("e"))
	if results, err := c.kv.Do(ctx, &batch); err != nil || string(results[0].Value) != "6" {
		t.Fatalf("%+v, %v", results, err)
	}
	var large *client.TooLargeError
	size := 16 << 20
	for c.kv.Set(ctx, key, make([]byte, size)) != nil && size > 1 { // the largest that there may be, or more than half of it
		size /= 2
	}
	if n, err := c.kv.Append(ctx, key, make([]byte, size)); !errors.As(err, &large) || client.Indeterminate(err) {
		t.Fatalf("twice %d bytes: %d, %v", size, n, err)
	}
	if err := c.kv.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	add("new", 3)
	if item, err := c.kv.GetItem(ctx, key); err != nil || string(item.Value) != "new" || !item.Deadline.IsZero() {
		t.Fatalf("after a delete: %+v, %v", item, err)
	}
}

func (c kvCheck) conditions(t *trial) {
	ctx, key := t.Context(), c.key("condition")
	set := func(value string, opts ...client.CallOption) error { return c.kv.Set(ctx, key, []byte(value), opts...) }
	refused := func(what string, err error, stamp uint64) {
		t.Helper()
		var not *client.NotMetError
		if !errors.Is(err, client.ErrNotMet) || !errors.As(err, &not) || not.Stamp != stamp || client.Indeterminate(err) {
			t.Fatalf("%s: %v; wanted it not met by stamp %d", what, err, stamp)
		}
	}
	refused("set if present, of nothing", set("v", client.IfPresent()), 0)
	refused("delete if present, of nothing", c.kv.Delete(ctx, key, client.IfPresent()), 0)
	refused("set if version, of nothing", set("v", client.IfVersion(7)), 0)
	c.wantNone(t, key)
	if err := set("v", client.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	first, err := c.kv.Head(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	refused("set if absent", set("w", client.IfAbsent()), first.Stamp)
	refused("set if version 0", set("w", client.IfVersion(0)), first.Stamp)
	refused("set if another version", set("w", client.IfVersion(first.Stamp+1)), first.Stamp)
	c.want(t, key, "v")
	if err := set("w", client.IfVersion(first.Stamp), client.WithTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	second, err := c.kv.GetItem(ctx, key)
	if err != nil || string(second.Value) != "w" || second.Stamp <= first.Stamp || second.Deadline.IsZero() {
		t.Fatalf("%+v, %v", second, err)
	}
	refused("delete of what was", c.kv.Delete(ctx, key, client.IfVersion(first.Stamp)), second.Stamp)
	if err := set("x", client.IfPresent()); err != nil {
		t.Fatal(err)
	}
	if err := c.kv.Delete(ctx, key, client.IfPresent()); err != nil {
		t.Fatal(err)
	}
	c.wantNone(t, key)
	if err := set("y", client.IfVersion(0)); err != nil {
		t.Fatal(err)
	}

	err = c.kv.MSet(ctx, []client.Pair{{Key: key, Value: []byte("no")}, {Key: c.key("condition new"), Value: []byte("yes")}}, client.IfAbsent())
	var some *client.MultiError
	if !errors.As(err, &some) || !errors.Is(some.Errs[0], client.ErrNotMet) || some.Errs[1] != nil {
		t.Fatalf("%v", err)
	}
	var batch client.Batch
	batch.Set(key, []byte("no"), client.IfAbsent())
	batch.Get(c.key("condition new"))
	if results, err := c.kv.Do(ctx, &batch); err != nil || !errors.Is(results[0].Err, client.ErrNotMet) || string(results[1].Value) != "yes" {
		t.Fatalf("%+v, %v", results, err)
	}
	c.want(t, key, "y")

	_, incr := c.kv.Incr(ctx, key, 1, client.IfAbsent())
	_, add := c.kv.Append(ctx, key, nil, client.IfPresent())
	for what, err := range map[string]error{
		"incr": incr, "append": add, "touch": c.kv.Touch(ctx, key, 0, client.IfVersion(1)),
		"a condition and a context": set("z", client.IfAbsent(), client.WithContext([]byte("c"))),
	} {
		var bad *client.BadRequestError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func (c kvCheck) previous(t *trial) {
	ctx, key := t.Context(), c.key("previous")
	if was, there, err := c.kv.GetAndSet(ctx, key, []byte("a"), client.WithTTL(time.Hour)); err != nil || there || was.Value != nil {
		t.Fatalf("of nothing: %+v, %v, %v", was, there, err)
	}
	item, err := c.kv.GetItem(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	was, there, err := c.kv.GetAndSet(ctx, key, []byte("b"))
	if err != nil || !there || string(was.Value) != "a" || was.Stamp != item.Stamp || !was.Deadline.Equal(item.Deadline) {
		t.Fatalf("%+v, %v, %v; wanted %+v", was, there, err, item)
	}
	was, there, err = c.kv.GetAndSet(ctx, key, []byte("c"), client.IfAbsent())
	if !errors.Is(err, client.ErrNotMet) || !there || string(was.Value) != "b" {
		t.Fatalf("%+v, %v, %v", was, there, err)
	}
	c.want(t, key, "b")
}

package shoaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
)

// CheckKV checks that kv does what client.KV promises: the client over the network, a node in the process and a
// program's own stand-in for both should not be told apart by it. The keys it writes begin with "shoaltest/". It takes
// a second or two.
//
// Where a call finds no answer in time, its claim is tried again with other keys, twenty times at most: what is slow may be the machine.
func CheckKV(t *testing.T, kv client.KV) {
	left := trialsMax
	for _, check := range []struct {
		claim string
		f     func(kvCheck, *trial)
	}{
		{"what is set is read, whatever bytes it has", kvCheck.bytes},
		{"values belong to who has them", kvCheck.ownership},
		{"a key that is not there is not found", kvCheck.missing},
		{"what is deleted is gone and a later write is there", kvCheck.order},
		{"a head is the item without its value", kvCheck.head},
		{"what has a TTL expires and Touch changes that", kvCheck.lifetimes},
		{"many keys are answered in their order", kvCheck.many},
		{"a batch is answered in its order", kvCheck.batch},
		{"a counter is what was added to it", kvCheck.counters},
		{"a value grows at its end", kvCheck.appends},
		{"a write happens where its condition is met and else says what is there", kvCheck.conditions},
		{"what was there is told by what takes its place", kvCheck.previous},
		{"a scan yields what is there under its prefix", kvCheck.scan},
		{"a call that cannot succeed is refused with a type", kvCheck.refusals},
		{"a context that has ended ends the call and nothing is done", kvCheck.contexts},
		{"answers do not cross whatever is cancelled", kvCheck.crossing},
	} {
		t.Run(check.claim, func(t *testing.T) {
			for {
				c := kvCheck{kv: kv, prefix: fmt.Sprintf("shoaltest/%x/", rand.Uint64())}
				late := try(t, func(x *trial) { check.f(c, x) })
				if late == nil {
					return
				}
				if left--; left < 0 {
					t.Fatalf("no answer in time, and so %d times before: %v", trialsMax, late)
				}
			}
		})
	}
}

// kvCheck is one run over one KV.
type kvCheck struct {
	kv     client.KV
	prefix string
}

func (c kvCheck) key(parts ...any) string { return c.prefix + fmt.Sprint(parts...) }

func (c kvCheck) set(t *trial, key, value string, opts ...client.CallOption) {
	t.Helper()
	if err := c.kv.Set(t.Context(), key, []byte(value), opts...); err != nil {
		t.Fatalf("set %.80q: %v", key, err)
	}
}

func (c kvCheck) want(t *trial, key, value string) {
	t.Helper()
	if got, err := c.kv.Get(t.Context(), key); err != nil || string(got) != value {
		t.Fatalf("get %.80q: %d bytes %.80q, %v; wanted %d bytes %.80q", key, len(got), got, err, len(value), value)
	}
}

func (c kvCheck) wantNone(t *trial, key string) {
	t.Helper()
	if got, err := c.kv.Get(t.Context(), key); !errors.Is(err, client.ErrNotFound) || got != nil {
		t.Fatalf("get %.80q: %.80q, %v; wanted nothing", key, got, err)
	}
}

func (c kvCheck) bytes(t *trial) {
	whole := make([]byte, 256)
	for i := range whole {
		whole[i] = byte(i)
	}
	for i, key := range []string{"-k", "a b\n", "\x00\xff", string(whole), strings.Repeat("k", 60_000)} {
		c.set(t, c.key(key), fmt.Sprint("of key ", i))
		c.want(t, c.key(key), fmt.Sprint("of key ", i))
	}
	for _, value := range []string{"", "v", string(whole), strings.Repeat("0123456789abcdef", 1<<16)} {
		c.set(t, c.key("value"), value)
		c.want(t, c.key("value"), value)
	}
	if err := c.kv.Set(t.Context(), c.key("nil"), nil); err != nil {
		t.Fatal(err)
	}
	c.want(t, c.key("nil"), "")
}

func (c kvCheck) ownership(t *trial) {
	value := []byte("mine")
	if err := c.kv.Set(t.Context(), c.key("own"), value); err != nil {
		t.Fatal(err)
	}
	copy(value, "your")
	got, err := c.kv.Get(t.Context(), c.key("own"))
	if err != nil || string(got) != "mine" {
		t.Fatalf("%q, %v", got, err)
	}
	copy(got, "your")
	c.want(t, c.key("own"), "mine")
	results, err := c.kv.MGet(t.Context(), []string{c.key("own"), c.key("own")})
	if err != nil {
		t.Fatal(err)
	}
	copy(results[0].Value, "your")
	if string(results[1].Value) != "mine" {
		t.Fatal("two results share their memory")
	}
}

func (c kvCheck) missing(t *trial) {
	none := c.key("none")
	c.wantNone(t, none)
	if item, err := c.kv.GetItem(t.Context(), none); !errors.Is(err, client.ErrNotFound) || item.Value != nil {
		t.Fatalf("GetItem: %+v, %v", item, err)
	}
	if _, err := c.kv.Head(t.Context(), none); !errors.Is(err, client.ErrNotFound) {
		t.Fatalf("Head: %v", err)
	}
	if there, err := c.kv.Exists(t.Context(), none); there || err != nil {
		t.Fatalf("Exists: %v, %v", there, err)
	}
	if err := c.kv.Touch(t.Context(), none, time.Minute); !errors.Is(err, client.ErrNotFound) {
		t.Fatalf("Touch: %v", err)
	}
	if err := c.kv.Delete(t.Context(), none); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

func (c kvCheck) order(t *trial) {
	key, last := c.key("order"), uint64(0)
	for i := range 20 {
		if i%5 == 4 {
			if err := c.kv.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			c.wantNone(t, key)
			continue
		}
		value := fmt.Sprint("version ", i)
		c.set(t, key, value)
		item, err := c.kv.GetItem(t.Context(), key)
		if err != nil || string(item.Value) != value || item.Stamp <= last || !item.Deadline.IsZero() {
			t.Fatalf("version %d: %+v, %v, after stamp %d", i, item, err, last)
		}
		last = item.Stamp
	}
}

func (c kvCheck) head(t *trial) {
	key := c.key("head")
	c.set(t, key, "value", client.WithTTL(time.Hour))
	item, err := c.kv.GetItem(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.kv.Head(t.Context(), key)
	if err != nil || head.Value != nil || head.Stamp != item.Stamp || !head.Deadline.Equal(item.Deadline) || head.Deadline.IsZero() {
		t.Fatalf("head %+v, %v; item %+v", head, err, item)
	}
	if there, err := c.kv.Exists(t.Context(), key); !there || err != nil {
		t.Fatalf("%v, %v", there, err)
	}
}

func (c kvCheck) lifetimes(t *trial) {
	key := c.key("ttl")
	const slack = 11 * time.Second // what the clocks of a cluster may differ by, and some
	left := func(want time.Duration) {
		t.Helper()
		item, err := c.kv.GetItem(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		got := item.TTL(time.Now())
		if want == 0 && got != 0 || want != 0 && (got < want-slack || got > want+slack) {
			t.Fatalf("%v left, wanted %v", got, want)
		}
	}
	c.set(t, key, "v", client.WithTTL(time.Hour))
	left(time.Hour)
	for _, ttl := range []time.Duration{time.Minute, 0, 24 * time.Hour} {
		if err := c.kv.Touch(t.Context(), key, ttl); err != nil {
			t.Fatal(err)
		}
		left(ttl)
	}
	c.set(t, key, "w")
	left(0)

	gone := []string{c.key("short"), c.key("touched")}
	c.set(t, gone[0], "v", client.WithTTL(time.Millisecond))
	c.set(t, gone[1], "v")
	if err := c.kv.Touch(t.Context(), gone[1], time.Millisecond); err != nil && !errors.Is(err, client.ErrNotFound) {
		t.Fatal(err)
	}
	for _, key := range gone {
		for there := true; there; { // until the test's own deadline
			var err error
			if there, err = c.kv.Exists(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		c.wantNone(t, key)
	}
}

func (c kvCheck) many(t *trial) {
	if results, err := c.kv.MGet(t.Context(), nil); len(results) != 0 || err != nil {
		t.Fatalf("no keys: %v, %v", results, err)
	}
	if err := c.kv.MSet(t.Context(), nil); err != nil {
		t.Fatalf("no pairs: %v", err)
	}
	const n = 500
	var keys []string
	var pairs []client.Pair
	for i := range n {
		keys = append(keys, c.key("many", i))
		if i%3 > 0 {
			pairs = append(pairs, client.Pair{Key: keys[i], Value: []byte(fmt.Sprint("v", i))})
		}
	}
	if err := c.kv.MSet(t.Context(), pairs, client.WithTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	keys = append(keys, keys...) // twice is no mistake
	results, err := c.kv.MGet(t.Context(), keys)
	if err != nil || len(results) != len(keys) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if i %= n; i%3 == 0 {
			if !errors.Is(r.Err, client.ErrNotFound) || r.Value != nil {
				t.Fatalf("key %d: %+v", i, r)
			}
		} else if r.Err != nil || string(r.Value) != fmt.Sprint("v", i) || r.Deadline.IsZero() || r.Stamp == 0 {
			t.Fatalf("key %d: %+v", i, r)
		}
	}
	if results, err := c.kv.MGet(t.Context(), []string{c.key("none"), c.key("none either")}); err != nil || !errors.Is(results[1].Err, client.ErrNotFound) {
		t.Fatalf("none of them: %v, %v", results, err)
	}
}

func (c kvCheck) batch(t *trial) {
	if results, err := c.kv.Do(t.Context(), new(client.Batch)); len(results) != 0 || err != nil {
		t.Fatalf("an empty one: %v, %v", results, err)
	}
	a, b, none := c.key("batch a"), c.key("batch b"), c.key("batch none")
	c.set(t, a, "a")
	c.set(t, b, "b")
	var batch client.Batch
	batch.Get(a)
	batch.Get(none)
	batch.Head(b)
	batch.Set(c.key("batch new"), []byte("new"), client.WithTTL(time.Hour))
	batch.Touch(c.key("batch none"), time.Minute)
	batch.Delete(c.key("batch none"))
	results, err := c.kv.Do(t.Context(), &batch)
	if err != nil || len(results) != 6 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if r := results[0]; r.Err != nil || string(r.Value) != "a" {
		t.Fatalf("get: %+v", r)
	}
	if r := results[2]; r.Err != nil || r.Value != nil || r.Stamp == 0 {
		t.Fatalf("head: %+v", r)
	}
	for i, want := range []error{nil, client.ErrNotFound, nil, nil, client.ErrNotFound, nil} {
		if err := results[i].Err; !errors.Is(err, want) {
			t.Fatalf("operation %d: %v, wanted %v", i, err, want)
		}
	}
	c.want(t, c.key("batch new"), "new")
}

func (c kvCheck) scan(t *trial) {
	want := map[string]bool{}
	for i := range 300 {
		key := c.key("scan/", i)
		want[key] = true
		c.set(t, key, "v", client.WithLevel(client.LevelAll)) // a scan asks one owner of each key, which may be the last to have it
	}
	c.set(t, c.key("scam"), "v", client.WithLevel(client.LevelAll))
	got := map[string]bool{}
	for key, err := range c.kv.Scan(t.Context(), client.WithPrefix(c.key("scan/"))) {
		if err != nil {
			t.Fatal(err)
		}
		if !want[key] {
			t.Fatalf("it yields %q, which is not under its prefix", key)
		}
		got[key] = true
	}
	if len(got) != len(want) {
		t.Fatalf("%d of %d keys", len(got), len(want))
	}
	for range c.kv.Scan(t.Context(), client.WithPrefix(c.key("scan/"))) {
		break
	}
	for key, err := range c.kv.Scan(t.Context(), client.WithPrefix(c.key("nothing begins so"))) {
		t.Fatalf("%q, %v", key, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	errs := 0
	for key, err := range c.kv.Scan(ended, client.WithPrefix(c.key("scan/"))) {
		if errs++; key != "" || !errors.Is(err, context.Canceled) {
			t.Fatalf("%q, %v", key, err)
		}
	}
	if errs != 1 {
		t.Fatalf("%d errors", errs)
	}
}

func (c kvCheck) refusals(t *trial) {
	ctx, key, kv := t.Context(), c.key("refused"), c.kv
	_, getEmpty := kv.Get(ctx, "")
	_, getTimeout := kv.Get(ctx, key, client.WithTimeout(0))
	_, getLevel := kv.Get(ctx, key, client.WithRW(0, 0))
	for claim, err := range map[string]error{
		"get of no key": getEmpty, "set of no key": kv.Set(ctx, "", nil), "delete of no key": kv.Delete(ctx, ""),
		"a TTL of 0": kv.Set(ctx, key, nil, client.WithTTL(0)), "a TTL below 0": kv.Set(ctx, key, nil, client.WithTTL(-1)),
		"a touch below 0": kv.Touch(ctx, key, -1), "no time": getTimeout, "of nobody": getLevel,
		"one of several": kv.MSet(ctx, []client.Pair{{Key: key}, {Key: key}}, client.WithTTL(-1)),
	} {
		var refused *client.BadRequestError
		if !errors.As(err, &refused) || client.Indeterminate(err) {
			t.Errorf("%s: %v", claim, err)
		}
	}
	long := strings.Repeat("k", 64<<10+1)
	_, getLong := kv.Get(ctx, long)
	_, mgetLong := kv.MGet(ctx, []string{key, long})
	for claim, err := range map[string]error{
		"get of a long key": getLong, "mget of a long key": mgetLong, "set of a long key": kv.Set(ctx, long, nil),
		"a large value":  kv.Set(ctx, key, make([]byte, 16<<20+1)),
		"one of several": kv.MSet(ctx, []client.Pair{{Key: key}, {Key: long}}),
	} {
		var refused *client.TooLargeError
		if !errors.As(err, &refused) || client.Indeterminate(err) {
			t.Errorf("%s: %v", claim, err)
		}
	}
	c.wantNone(t, key)
}

func (c kvCheck) contexts(t *trial) {
	ended, end := context.WithCancel(t.Context())
	end()
	key := c.key("context")
	for op, err := range map[string]error{
		"set": c.kv.Set(ended, key, []byte("v")), "delete": c.kv.Delete(ended, key), "touch": c.kv.Touch(ended, key, 0),
		"get": func() error { _, err := c.kv.Get(ended, key); return err }(),
	} {
		if !errors.Is(err, context.Canceled) || client.Indeterminate(err) {
			t.Errorf("%s: %v", op, err)
		}
	}
	c.wantNone(t, key)
	late, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	var interrupted *client.InterruptedError
	if _, err := c.kv.Get(late, key); !errors.As(err, &interrupted) || !interrupted.Timeout() {
		t.Errorf("past its deadline: %v", err)
	}
}

// crossing lets many callers write and read keys of their own, while others leave in the midst of it.
func (c kvCheck) crossing(t *trial) {
	const callers, rounds = 16, 60
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			key, pad := c.key("crossing", i), bytes.Repeat([]byte{byte(i)}, i*37)
			for r := range rounds {
				value := append(fmt.Appendf(nil, "%d of %d ", r, i), pad...)
				if err := c.kv.Set(t.Context(), key, value); err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				var leaves sync.WaitGroup
				leaves.Go(cancel)
				if got, err := c.kv.Get(ctx, key); err == nil && !bytes.Equal(got, value) {
					t.Errorf("caller %d, leaving, got %.80q", i, got)
				}
				leaves.Wait()
				results, err := c.kv.MGet(t.Context(), []string{key, c.key("crossing none"), key})
				if err != nil || !bytes.Equal(results[0].Value, value) || !bytes.Equal(results[2].Value, value) || results[1].Value != nil {
					t.Errorf("caller %d got %+v, %v", i, results, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

// An addition whose connection broke may have happened: it is sent again to the boot that may have carried it out, as the
// same, and to no other, even where the caller says that it may be.
func TestWhatMustNotHappenTwiceIsSentAgainToTheSameBootAndNoOther(t *testing.T) {
	type id struct{ session, serial, boot uint64 }
	for name, call := range map[string]func(*Client) error{
		"incr": func(c *Client) error { _, err := c.Incr(t.Context(), "k", 1); return err },
		"decr": func(c *Client) error { _, err := c.Decr(t.Context(), "k", 1); return err },
		"append": func(c *Client) error {
			_, err := c.Append(t.Context(), "k", []byte("v"))
			return err
		},
		"set if absent": func(c *Client) error { return c.Set(t.Context(), "k", []byte("v"), IfAbsent()) },
	} {
		for _, restarts := range []bool{false, true} {
			a, b := newFake(t), newFake(t)
			a.hello.Node, a.hello.Boot, b.hello.Node, b.hello.Boot = 1, 11, 2, 12
			var ids []id
			a.answer = func(q *wire.Request, reply func(*wire.Response)) {
				if ids = append(ids, id{q.Session, q.Serial, q.Boot}); len(ids) > 1 {
					reply(&wire.Response{Value: []byte("5")})
					return
				}
				if restarts {
					a.mu.Lock()
					a.hello.Boot = 13
					a.mu.Unlock()
				}
				a.cut()
			}
			c := dial(t, nil, a, b)
			err := call(c)
			if len(b.ops()) != 0 {
				t.Errorf("%s: another node was asked: %v", name, b.ops())
			}
			if restarts {
				if !Indeterminate(err) || len(ids) != 1 {
					t.Errorf("%s, to a node that restarted: %v, asked %v", name, err, ids)
				}
				continue
			}
			if err != nil || len(ids) != 2 || ids[0].session == 0 || ids[0].boot != 0 || ids[1] != (id{ids[0].session, ids[0].serial, 11}) {
				t.Errorf("%s: %v, asked %v", name, err, ids)
			}
		}
	}
}

// Nor is what the answer would tell another thing of the second time.
func TestAGetAndSetIsNeverSentAgain(t *testing.T) {
	a, b := newFake(t), newFake(t)
	a.hello.Boot, b.hello.Boot = 11, 12
	a.answer = func(*wire.Request, func(*wire.Response)) { a.cut() }
	c := dial(t, nil, a, b)
	if _, _, err := c.GetAndSet(t.Context(), "k", nil); !Indeterminate(err) || len(a.ops()) != 1 || len(b.ops()) != 0 {
		t.Errorf("%v, asked %v and %v", err, a.ops(), b.ops())
	}
}

// Of two attempts the second may find the write of the first.
func TestAConditionNotMetAfterAnAttemptThatMayHaveHappenedIsIndeterminate(t *testing.T) {
	f := newFake(t)
	var n atomic.Int32
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		if n.Add(1) == 1 {
			reply(&wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: q.Op, Want: 2, Got: 1}})
			return
		}
		reply(&wire.Response{Status: wire.StatusNotMet, Stamp: 9})
	}
	err := dial(t, nil, f).Set(t.Context(), "k", nil, IfVersion(7))
	var not *NotMetError
	if !errors.Is(err, ErrNotMet) || !errors.As(err, &not) || not.Stamp != 9 || !Indeterminate(err) {
		t.Fatalf("%v, indeterminate %t", err, Indeterminate(err))
	}
	if err := dial(t, nil, f).Set(t.Context(), "k", nil, IfVersion(7)); !errors.Is(err, ErrNotMet) || Indeterminate(err) {
		t.Fatalf("%v, indeterminate %t", err, Indeterminate(err))
	}
}

func TestAConditionThatIsNotMetSaysWhatIsThere(t *testing.T) {
	for stamp, want := range map[uint64]string{
		0: "client: set: the condition is not met, there is no value: nothing was done",
		5: "client: set: the condition is not met, the value has the stamp 0.5: nothing was done",
	} {
		if err := (&NotMetError{Op: wire.OpSet, Stamp: stamp}); err.Error() != want || strings.Contains(want, "\n") {
			t.Errorf("%v", err)
		}
	}
}

// What is asked arrives as it was meant.
func TestWritesThatDependOnWhatIsThereAskForIt(t *testing.T) {
	f := newFake(t)
	seen := make(chan wire.Request, 1)
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		copied := *q
		copied.Key, copied.Value, copied.Context = bytes.Clone(q.Key), bytes.Clone(q.Value), bytes.Clone(q.Context)
		seen <- copied
		reply(&wire.Response{Value: []byte("7"), Items: []wire.Item{{Status: wire.StatusNotFound}}})
	}
	c := dial(t, nil, f)
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"incr by -3 from \"100\" ttl 5": func() error { _, err := c.Decr(ctx, "k", 3, Initial(100), WithTTL(5e6)); return err },
		"incr by 3 from \"\" ttl 0":     func() error { _, err := c.Incr(ctx, "k", 3); return err },
		"append by 0 from \"x\" ttl 5":  func() error { _, err := c.Append(ctx, "k", []byte("x"), WithTTL(5e6)); return err },
		"set by 0 from \"x\" ttl 0 absent": func() error {
			return c.Set(ctx, "k", []byte("x"), IfAbsent())
		},
		"set by 0 from \"x\" ttl 0 previous":        func() error { _, _, err := c.GetAndSet(ctx, "k", []byte("x")); return err },
		"delete by 0 from \"\" ttl 0 present":       func() error { return c.Delete(ctx, "k", IfPresent()) },
		"delete by 0 from \"\" ttl 0 version 9":     func() error { return c.Delete(ctx, "k", IfVersion(9)) },
		"set by 0 from \"x\" ttl 0 context \"c\"":   func() error { return c.Set(ctx, "k", []byte("x"), WithContext([]byte("c"))) },
		"get by 0 from \"\" ttl 0 siblings":         func() error { _, err := c.GetItem(ctx, "k", WithSiblings(), IfAbsent()); return err },
		"touch by 0 from \"\" ttl 5":                func() error { return c.Touch(ctx, "k", 5e6) },
		"delete by 0 from \"\" ttl 0 context \"d\"": func() error { return c.Delete(ctx, "k", WithContext([]byte("d"))) },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		q := <-seen
		got := fmt.Sprintf("%v by %d from %q ttl %d", q.Op, q.By, q.Value, q.TTL)
		switch q.Condition {
		case wire.Absent:
			got += " absent"
		case wire.Present:
			got += " present"
		case wire.Version:
			got += fmt.Sprint(" version ", q.Than)
		}
		if q.Previous {
			got += " previous"
		}
		if q.Siblings {
			got += " siblings"
		}
		if len(q.Context) > 0 {
			got += fmt.Sprintf(" context %q", q.Context)
		}
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// several answers as a node that keeps siblings: what others write comes before each of the first rounds.
type several struct {
	KV
	siblings [][]byte
	others   int
	rounds   int
}

func (s *several) GetItem(context.Context, string, ...CallOption) (Item, error) {
	if s.others > 0 {
		s.others--
		s.siblings = append(s.siblings, []byte("other"))
	}
	if len(s.siblings) == 0 {
		return Item{}, ErrNotFound
	}
	it := Item{Value: s.siblings[0], Context: []byte{byte(len(s.siblings))}}
	for _, v := range s.siblings {
		it.Siblings = append(it.Siblings, Sibling{Value: v})
	}
	return it, nil
}

func (s *several) Set(_ context.Context, _ string, value []byte, opts ...CallOption) error {
	var o callOptions
	o.apply(opts)
	s.rounds++
	s.siblings = append([][]byte{bytes.Clone(value)}, s.siblings[o.context[0]:]...)
	return nil
}

func TestResolveMakesOneValueOfAllSiblingsAndGoesOnWhileThereAreNewOnes(t *testing.T) {
	merge := func(siblings [][]byte) []byte {
		slices.SortFunc(siblings, bytes.Compare)
		return bytes.Join(slices.CompactFunc(siblings, bytes.Equal), []byte("+"))
	}
	ctx := t.Context()
	if _, err := Resolve(ctx, &several{}, "k", merge); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
	one := &several{siblings: [][]byte{[]byte("a")}}
	if got, err := Resolve(ctx, one, "k", merge); err != nil || string(got) != "a" || one.rounds != 0 {
		t.Errorf("one: %q, %v after %d writes", got, err, one.rounds)
	}
	two := &several{siblings: [][]byte{[]byte("b"), []byte("a")}}
	if got, err := Resolve(ctx, two, "k", merge); err != nil || string(got) != "a+b" || two.rounds != 1 {
		t.Errorf("two: %q, %v after %d writes", got, err, two.rounds)
	}
	more := &several{siblings: [][]byte{[]byte("b"), []byte("a")}, others: 3}
	if got, err := Resolve(ctx, more, "k", merge); err != nil || more.rounds != 3 || !bytes.Contains(got, []byte("a+b+other")) {
		t.Errorf("more: %q, %v after %d writes", got, err, more.rounds)
	}
	endless := &several{siblings: [][]byte{[]byte("a")}, others: 1000}
	var un *UnresolvedError
	if _, err := Resolve(ctx, endless, "k", merge); !errors.As(err, &un) || un.Siblings != 2 || endless.rounds != resolveRounds {
		t.Errorf("endless: %v after %d writes", err, endless.rounds)
	}
}

package client

import (
	"errors"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

func TestAViewOfANamespaceNamesItInEveryCallAndTheClientDoesNot(t *testing.T) {
	f := newFake(t)
	named := map[wire.Op]map[string]bool{}
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		f.mu.Lock()
		if named[q.Op] == nil {
			named[q.Op] = map[string]bool{}
		}
		named[q.Op][q.Namespace] = true
		f.mu.Unlock()
		r := wire.Response{ID: q.ID}
		for range q.Keys {
			r.Items = append(r.Items, wire.Item{})
		}
		reply(&r)
	}
	c, err := Dial(t.Context(), []string{f.addr}, WithoutRouting())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, kv := range []KV{c.Namespace("a"), c} {
		_, get := kv.Get(t.Context(), "k")
		_, head := kv.Head(t.Context(), "k")
		_, mget := kv.MGet(t.Context(), []string{"k"})
		errs := []error{get, head, mget, kv.Set(t.Context(), "k", nil), kv.Delete(t.Context(), "k"), kv.Touch(t.Context(), "k", 0)}
		for _, err := range kv.Scan(t.Context()) {
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, op := range []wire.Op{wire.OpGet, wire.OpHead, wire.OpMGet, wire.OpSet, wire.OpDelete, wire.OpTouch, wire.OpScan} {
		if !named[op]["a"] || !named[op][""] || len(named[op]) != 2 {
			t.Errorf("%v was asked in %v", op, named[op])
		}
	}
}

func TestAClientOfANamespaceGetsATypedErrorWhereThereIsNone(t *testing.T) {
	f := newFake(t)
	asked := 0
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		asked++
		reply(&wire.Response{ID: q.ID, Status: wire.StatusNoNamespace, Err: &wire.Error{Op: q.Op, Text: "no namespace " + q.Namespace}})
	}
	c, err := Dial(t.Context(), []string{f.addr}, WithoutRouting(), WithNamespace("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Set(t.Context(), "k", nil)
	if !errors.As(err, new(*NamespaceError)) || err.Error() != "wire: set: no namespace a" || Indeterminate(err) || asked != 1 {
		t.Errorf("%v, after %d requests", err, asked)
	}
}

// A flush that is carried out twice may take what was written since: without an answer it is left to the caller.
func TestAChangeOfANamespaceIsNotSentAgain(t *testing.T) {
	f := newFake(t)
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		if q.Op == wire.OpNamespace {
			f.cut()
			return
		}
		reply(&wire.Response{ID: q.ID})
	}
	c, err := Dial(t.Context(), []string{f.addr}, WithoutRouting())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ChangeNamespace(t.Context(), wire.NamespaceChange{Action: wire.NamespaceFlush, Name: "a"}); !Indeterminate(err) || errors.As(err, new(*RetryError)) {
		t.Errorf("%v", err)
	}
}

package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

func create(name string) wire.NamespaceChange {
	return wire.NamespaceChange{Action: wire.NamespaceCreate, Name: name}
}

// scanned is how many keys a node tells.
func scanned(t *testing.T, kv client.KV) (keys int) {
	t.Helper()
	for _, err := range kv.Scan(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		keys++
	}
	return keys
}

func TestANamespaceIsThereOnEveryNodeOnceItsCreationIsAnswered(t *testing.T) {
	nodes := cluster(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	one := dial(t, a)
	for i := range 20 { // at once, without a wait: whoever is asked knows it
		name := fmt.Sprint("ns", i)
		if err := one.ChangeNamespace(t.Context(), create(name)); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*Node{c, b, a} {
			kv := n.Client(client.WithNamespace(name))
			if err := kv.Set(t.Context(), "k", []byte(n.cfg.Name)); err != nil {
				t.Fatalf("%s at %s: %v", name, n.cfg.Name, err)
			}
			if err := n.Client().Set(t.Context(), "k", []byte("default")); err != nil {
				t.Fatal(err)
			}
			if got, err := one.Namespace(name).Get(t.Context(), "k"); err != nil || string(got) != n.cfg.Name {
				t.Fatalf("%s has %q, %v", name, got, err)
			}
		}
	}
	if err := one.ChangeNamespace(t.Context(), create("ns1")); err != nil {
		t.Errorf("created twice: %v", err)
	}
}

// At level one each node answers from its own memory, so this is about when a flush is answered.
func TestNothingOldIsReadAnywhereOnceAFlushIsAnswered(t *testing.T) {
	nodes := cluster(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	one := dial(t, a)
	for _, name := range []string{"sessions", "default"} {
		if err := one.ChangeNamespace(t.Context(), create("sessions")); err != nil {
			t.Fatal(err)
		}
		for round := range 10 {
			for i := range 30 {
				if err := one.Namespace(name).Set(t.Context(), fmt.Sprint("k", i), []byte("old"), atAll); err != nil {
					t.Fatal(err)
				}
			}
			if err := one.ChangeNamespace(t.Context(), wire.NamespaceChange{Action: wire.NamespaceFlush, Name: name}); err != nil {
				t.Fatal(err)
			}
			for _, n := range []*Node{c, b, a} {
				kv := n.Client(client.WithNamespace(name))
				for i := range 30 {
					if got, err := kv.Get(t.Context(), fmt.Sprint("k", i), client.WithLevel(client.LevelOne)); !errors.Is(err, client.ErrNotFound) {
						t.Fatalf("round %d: after a flush of %s node %s has %q, %v", round, name, n.cfg.Name, got, err)
					}
				}
				if got := scanned(t, kv); got != 0 {
					t.Fatalf("after a flush of %s node %s tells %d keys", name, n.cfg.Name, got)
				}
			}
		}
	}
	eventually(t, "what was flushed is swept", func() bool { return count(a, "storage", "swept") >= 2*10*30 })
}

// A node makes a flush twice, since it may not have heard of the last one when it makes it first (replica/limits_test.go shows what
// once would come to).
func TestAFlushIsMadeTwice(t *testing.T) { // I20
	n := cluster(t, 3)[0]
	epoch := func() uint32 {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.core.View().Map.Namespace("default").Epoch
	}
	before := epoch()
	if err := dial(t, n).ChangeNamespace(t.Context(), wire.NamespaceChange{Action: wire.NamespaceFlush, Name: "default"}); err != nil {
		t.Fatal(err)
	}
	if got := epoch() - before; got != 2 {
		t.Errorf("the epoch was raised %d times, want twice", got)
	}
}

func TestADroppedNamespaceIsATypedFailureUntilItIsCreatedAgain(t *testing.T) {
	nodes := cluster(t, 3)
	b, c := nodes[1], nodes[2]
	one := dial(t, b)
	if err := one.ChangeNamespace(t.Context(), create("a")); err != nil {
		t.Fatal(err)
	}
	kv, embedded := one.Namespace("a"), c.Client(client.WithNamespace("a"))
	if err := kv.Set(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := one.ChangeNamespace(t.Context(), wire.NamespaceChange{Action: wire.NamespaceDrop, Name: "a"}); err != nil {
		t.Fatal(err)
	}
	missing := func(what string, err error) {
		t.Helper()
		if _, ok := errors.AsType[*client.NamespaceError](err); !ok || !strings.Contains(err.Error(), "shoal namespace create") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, kv := range []client.KV{kv, embedded} {
		_, err := kv.Get(t.Context(), "k")
		missing("get", err)
		_, err = kv.MGet(t.Context(), []string{"k", "l"})
		missing("mget", err)
		missing("set", kv.Set(t.Context(), "k", nil))
		missing("large set", kv.Set(t.Context(), "k", make([]byte, 2*largeFrame)))
		missing("delete", kv.Delete(t.Context(), "k"))
		missing("touch", kv.Touch(t.Context(), "k", time.Minute))
		for _, err := range kv.Scan(t.Context()) {
			missing("scan", err)
		}
	}
	missing("flush", one.ChangeNamespace(t.Context(), wire.NamespaceChange{Action: wire.NamespaceFlush, Name: "a"}))
	if err := one.ChangeNamespace(t.Context(), create("a")); err != nil {
		t.Fatal(err)
	}
	if got, err := kv.Get(t.Context(), "k"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("created again it has %q, %v", got, err)
	}
}

// A node that was down while a namespace was made has it before it serves anything.
func TestANodeThatWasDownHasTheNamespacesWhenItServes(t *testing.T) {
	nodes := cluster(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	one := dial(t, a)
	c.kill()
	eventually(t, "the others have noticed", func() bool { return a.Stats().NodesUp == 2 && b.Stats().NodesUp == 2 })
	if err := one.ChangeNamespace(t.Context(), create("a")); err != nil {
		t.Fatalf("with a node down: %v", err)
	}
	c = again(t, c, nil)
	if err := c.Client(client.WithNamespace("a")).Set(t.Context(), "k", []byte("v")); err != nil {
		t.Error(err)
	}
}

func TestADocumentThatMakesNoSenseIsRefused(t *testing.T) {
	n := start(t, Quick(testConfig(t, "n1")))
	c := dialHello(t, n.Addr())
	for what, document := range map[string][]byte{"nothing": nil, "no map": {1}, "a lie": {0xdf, 0xff, 0xff, 0xff, 0xff}, "no action": {0x80}} {
		if r := c.ask(&wire.Request{Op: wire.OpNamespace, ID: 1, Value: document}); r.Status != wire.StatusBadRequest || r.Err.Op != wire.OpNamespace {
			t.Errorf("%s: %v", what, r.AsError())
		}
	}
	if r := c.ask(&wire.Request{Op: wire.OpGet, ID: 1, Key: []byte("k"), Namespace: strings.Repeat("n", 65)}); r.Status != wire.StatusTooLarge {
		t.Errorf("a long name: %v", r.AsError())
	}
}

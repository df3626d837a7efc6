package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/shoaltest"
)

func TestALoaderOutlivesItsCluster(t *testing.T) {
	t.Parallel()
	cluster := shoaltest.NewCluster(t, 1)
	accounts := client.NewTyped[account](cluster.Client())
	loader := client.NewLoader(accounts, client.WithLoadDefaults(client.WithTimeout(time.Second)))
	defer loader.Close()
	loads := 0
	get := func() {
		t.Helper()
		got, err := loader.GetOrLoad(t.Context(), "k", func(context.Context) (account, error) {
			loads++
			return account{"Ada", int64(loads)}, nil
		})
		if want := (account{"Ada", int64(loads)}); err != nil || got != want {
			t.Fatalf("%v, %v after %d loads", got, err, loads)
		}
	}
	getUntilKept := func() {
		t.Helper()
		for kept := false; !kept; {
			get()
			_, err := accounts.Get(t.Context(), "k")
			kept = err == nil
		}
	}
	getUntilKept()
	cluster.Kill(0)
	for before := loads; loads < before+2; { // what is being written is given to those who come meanwhile
		get()
	}
	if c := loader.Counters(); c.CacheErrors == 0 || c.Failed > 0 {
		t.Fatalf("%+v", c)
	}
	if err := cluster.Restart(0); err != nil {
		t.Fatal(err)
	}
	getUntilKept()
}

func TestALoaderOnAnEmbeddedNodeRemembersMissesForAllNodes(t *testing.T) {
	t.Parallel()
	cluster := shoaltest.NewCluster(t, 3)
	for i, node := range cluster.Nodes() {
		loader := client.NewLoader(client.NewTyped[account](node.Client()), client.WithMissTTL(time.Minute))
		loads := 0
		_, err := loader.GetOrLoad(t.Context(), "k", func(context.Context) (account, error) { loads++; return account{}, client.ErrNotFound })
		if !errors.Is(err, client.ErrNotFound) || (loads == 1) != (i == 0) {
			t.Fatalf("node %d: %v after %d loads", i, err, loads)
		}
		for i == 0 { // until it is written, which its callers do not wait for
			if there, err := node.Client().Exists(t.Context(), "k"); there || err != nil {
				break
			}
		}
		loader.Close()
	}
}

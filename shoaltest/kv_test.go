package shoaltest

import (
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

func TestTheClientAndAnEmbeddedNodeAreOneKV(t *testing.T) {
	t.Parallel()
	alone, three := NewCluster(t, 1), NewCluster(t, 3)
	t.Run("client of one node", func(t *testing.T) { CheckKV(t, alone.Client()) })
	t.Run("client of three nodes", func(t *testing.T) { CheckKV(t, three.Client()) })
	if err := three.Client().ChangeNamespace(t.Context(), wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a"}); err != nil {
		t.Fatal(err)
	}
	t.Run("a namespace", func(t *testing.T) { CheckKV(t, three.Client().Namespace("a")) })
	t.Run("a namespace by an embedded node", func(t *testing.T) { CheckKV(t, three.Nodes()[1].Client(client.WithNamespace("a"))) })
	t.Run("one node embedded", func(t *testing.T) { CheckKV(t, alone.Nodes()[0].Client()) })
	t.Run("one of three nodes embedded", func(t *testing.T) { CheckKV(t, three.Nodes()[2].Client()) })
}

package shoaltest

import "testing"

func TestTheClientAndAnEmbeddedNodeAreOneKV(t *testing.T) {
	t.Parallel()
	alone, three := NewCluster(t, 1), NewCluster(t, 3)
	t.Run("client of one node", func(t *testing.T) { CheckKV(t, alone.Client()) })
	t.Run("client of three nodes", func(t *testing.T) { CheckKV(t, three.Client()) })
	t.Run("one node embedded", func(t *testing.T) { CheckKV(t, alone.Nodes()[0].Client()) })
	t.Run("one of three nodes embedded", func(t *testing.T) { CheckKV(t, three.Nodes()[2].Client()) })
}

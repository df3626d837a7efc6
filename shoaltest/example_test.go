package shoaltest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/shoaltest"
)

// A test of one's own code against a cluster that loses a node.
func ExampleNewCluster() {
	test := func(t *testing.T) { // TestOrdersOutliveANode
		c := shoaltest.NewCluster(t, 3)
		if err := c.Client().Set(t.Context(), "order:7", []byte("paid")); err != nil {
			t.Fatal(err)
		}
		c.Kill(0)
		got, err := c.Client().Get(t.Context(), "order:7")
		if err != nil || string(got) != "paid" {
			t.Fatalf("%s, %v", got, err)
		}
	}
	_ = test
}

// A cluster over two datacenters where there is no testing.TB, as in a TestMain.
func ExampleStart() {
	ctx := context.Background()
	c, err := shoaltest.Start(ctx, 4, func(i int, cfg *server.Config) { cfg.Datacenter = []string{"east", "west"}[i%2] })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Client().Set(ctx, "greeting", []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	value, err := c.Client().Get(ctx, "greeting")
	fmt.Printf("%s %v\n", value, err)

	where, err := c.Client().Where(ctx, "greeting")
	fmt.Println(len(where.Owners), "owners", err)
	// Output:
	// hello <nil>
	// 4 owners <nil>
}

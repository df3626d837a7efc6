package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shoal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	node, err := server.Start(ctx, server.Config{
		ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", DataDir: dir, Memory: 32 << 20,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Shutdown(ctx)

	c, err := client.Dial(ctx, []string{node.Addr()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Set(ctx, "greeting", []byte("hello"), client.WithTTL(time.Minute)); err != nil {
		fmt.Println(err, client.Indeterminate(err))
		return
	}
	value, err := c.Get(ctx, "greeting", client.WithLevel(client.LevelQuorum))
	fmt.Printf("%s %v\n", value, err)

	_, err = c.Get(ctx, "nothing")
	fmt.Println(errors.Is(err, client.ErrNotFound))

	results, err := c.MGet(ctx, []string{"greeting", "nothing"})
	fmt.Printf("%s, %v, %v\n", results[0].Value, results[1].Err, err)
	// Output:
	// hello <nil>
	// true
	// hello, client: not found, <nil>
}

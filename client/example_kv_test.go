package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/wire"
)

// start starts a node of its own; stop ends it.
func start() (node *server.Node, stop func()) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shoal")
	if err != nil {
		panic(err)
	}
	node, err = server.Start(ctx, server.Config{
		ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", DataDir: dir, Memory: 32 << 20,
	})
	if err != nil {
		panic(err)
	}
	return node, func() {
		_ = node.Shutdown(ctx)
		_ = os.RemoveAll(dir)
	}
}

// connect starts a node and a client of it; stop ends both.
func connect(opts ...client.Option) (c *client.Client, stop func()) {
	node, end := start()
	c, err := client.Dial(context.Background(), []string{node.Addr()}, opts...)
	if err != nil {
		panic(err)
	}
	return c, func() {
		c.Close()
		end()
	}
}

func ExampleClient_Head() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	_ = c.Set(ctx, "session", []byte("a large value"), client.WithTTL(time.Hour))
	item, err := c.Head(ctx, "session") // the value stays where it is
	fmt.Println(item.Value == nil, item.TTL(time.Now()) > 59*time.Minute, err)

	_ = c.Touch(ctx, "session", 0) // it lives for ever now
	item, _ = c.Head(ctx, "session")
	fmt.Println(item.TTL(time.Now()))

	there, err := c.Exists(ctx, "another session")
	fmt.Println(there, err)
	// Output:
	// true true <nil>
	// 0s
	// false <nil>
}

func ExampleClient_MSet() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	err := c.MSet(ctx, []client.Pair{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}}, client.WithTTL(time.Minute))
	var failed *client.MultiError
	if errors.As(err, &failed) {
		for i, err := range failed.Errs {
			fmt.Println(i, err, client.Indeterminate(err))
		}
	}
	results, err := c.MGet(ctx, []string{"a", "b", "c"})
	for _, r := range results {
		fmt.Printf("%q %v\n", r.Value, r.Err)
	}
	fmt.Println(err)
	// Output:
	// "1" <nil>
	// "2" <nil>
	// "" client: not found
	// <nil>
}

func ExampleBatch() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	_ = c.Set(ctx, "seen", []byte("yes"))

	var b client.Batch
	b.Set("visits:7", []byte("1"), client.WithTTL(time.Hour))
	b.Get("seen", client.WithLevel(client.LevelOne))
	b.Touch("seen", time.Hour)
	b.Head("visits:8")
	b.Delete("visits:9")
	results, err := c.Do(ctx, &b)
	for _, r := range results {
		fmt.Printf("%q %v\n", r.Value, r.Err)
	}
	fmt.Println(err)
	// Output:
	// "" <nil>
	// "yes" <nil>
	// "" <nil>
	// "" client: not found
	// "" <nil>
	// <nil>
}

func ExampleClient_Scan() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	for _, key := range []string{"user:1", "user:2", "order:1"} {
		_ = c.Set(ctx, key, nil)
	}

	var keys []string
	for key, err := range c.Scan(ctx, client.WithPrefix("user:")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		keys = append(keys, key)
	}
	slices.Sort(keys) // they come in no order, and may come twice
	fmt.Println(slices.Compact(keys))
	// Output: [user:1 user:2]
}

func ExampleClient_ScanPages() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	for i := range 10 {
		_ = c.Set(ctx, fmt.Sprint("k", i), nil)
	}

	seen, cursor := 0, "" // keep the cursor somewhere, and a scan goes on after a restart
	for page, err := range c.ScanPages(ctx, cursor) {
		if err != nil {
			fmt.Println(err)
			return
		}
		seen += len(page.Keys)
		cursor = page.Next
	}
	fmt.Println(seen, cursor == "")
	// Output: 10 true
}

func ExampleIndeterminate() {
	c, stop := connect()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	err := c.Set(ctx, "k", []byte("v"))
	switch {
	case err == nil:
		fmt.Println("stored")
	case client.Indeterminate(err):
		fmt.Println("it may have been stored: read the key, or write again")
	default:
		fmt.Println("nothing was done:", errors.Is(err, context.Canceled))
	}
	// Output: nothing was done: true
}

func ExampleIdempotent() {
	c, stop := connect(client.WithRetries(5))
	defer stop()

	// A cache filled from a database can be filled twice: the call may go on at another node when one dies under it.
	err := c.Set(context.Background(), "user:7", []byte("Ada"), client.Idempotent(), client.WithTimeout(500*time.Millisecond))
	fmt.Println(err)
	// Output: <nil>
}

func ExampleWithHooks() {
	hooks := client.Hooks{
		Call: func(ctx context.Context, op wire.Op, key []byte) (context.Context, func(client.CallEnd)) {
			name := fmt.Sprintf("%v %s", op, key) // begin a span here, and put it into ctx
			return ctx, func(e client.CallEnd) { fmt.Println(name, e.Attempts, e.Err) }
		},
	}
	c, stop := connect(client.WithHooks(hooks), client.WithLogger(slog.New(slog.DiscardHandler)))
	defer stop()
	_ = c.Set(context.Background(), "k", []byte("v"))
	// Output: set k 1 <nil>
}

func ExampleClient_Counters() {
	c, stop := connect(client.WithSite("paris", "rack 1"), client.WithConns(2))
	defer stop()
	_ = c.Set(context.Background(), "k", []byte("v"))

	n := c.Counters()
	fmt.Println(n.Calls, n.Failed, n.Retries, n.Conns > 0)
	// Output: 1 0 0 true
}

func ExampleEmbedded() {
	node, stop := start()
	defer stop()
	ctx := context.Background()

	var kv client.KV = node.Client() // client.Embedded of the node: the same calls, and no socket
	err := kv.Set(ctx, "k", []byte("v"))
	value, _ := kv.Get(ctx, "k")
	fmt.Printf("%s %v\n", value, err)
	// Output: v <nil>
}

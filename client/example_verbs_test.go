package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

func ExampleClient_Incr() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	n, err := c.Incr(ctx, "views", 1, client.WithTTL(24*time.Hour)) // the first one lets it live for a day
	fmt.Println(n, err)
	n, _ = c.Incr(ctx, "views", 10)
	fmt.Println(n)

	n, _ = c.Incr(ctx, "order", 1, client.Initial(1000))
	fmt.Println(n)

	_ = c.Set(ctx, "name", []byte("Ada"))
	_, err = c.Incr(ctx, "name", 1)
	var number *client.NotNumberError
	fmt.Println(errors.As(err, &number), client.Indeterminate(err))
	// Output:
	// 1 <nil>
	// 11
	// 1001
	// true false
}

func ExampleClient_Decr() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	_ = c.Set(ctx, "left", []byte("3"))
	n, err := c.Decr(ctx, "left", 1) // it counts below 0, too: nothing stops at a bound but that of 64 bits
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleClient_Append() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	_, _ = c.Append(ctx, "log", []byte("started\n"))
	n, err := c.Append(ctx, "log", []byte("stopped\n"))
	fmt.Println(n, err)
	value, _ := c.Get(ctx, "log")
	fmt.Printf("%q\n", value)
	// Output:
	// 16 <nil>
	// "started\nstopped\n"
}

func ExampleClient_GetAndSet() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	_, there, _ := c.GetAndSet(ctx, "leader", []byte("a"))
	fmt.Println(there)
	was, there, err := c.GetAndSet(ctx, "leader", []byte("b"))
	fmt.Printf("%s %v %v\n", was.Value, there, err)
	// Output:
	// false
	// a true <nil>
}

// Of those that fill a cache at once one does it, most of the time: it is no lock, see docs/CONSISTENCY.md.
func ExampleIfAbsent() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	for _, worker := range []string{"first", "second"} {
		err := c.Set(ctx, "report:today", []byte(worker), client.IfAbsent(), client.WithTTL(time.Hour))
		fmt.Println(worker, errors.Is(err, client.ErrNotMet))
	}
	// Output:
	// first false
	// second true
}

// A value that depends on what it was is written only where nobody else has written meanwhile.
func ExampleIfVersion() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()

	_ = c.Set(ctx, "score", []byte("ann=3"))
	for {
		item, err := c.GetItem(ctx, "score")
		if err != nil {
			fmt.Println(err)
			return
		}
		err = c.Set(ctx, "score", append(item.Value, " bob=5"...), client.IfVersion(item.Stamp))
		if errors.Is(err, client.ErrNotMet) {
			continue // somebody was faster
		}
		break
	}
	value, _ := c.Get(ctx, "score")
	fmt.Printf("%s\n", value)
	// Output: ann=3 bob=5
}

// Two programs add to one cart, neither knowing of the other: both writes are kept until they are resolved.
func ExampleResolve() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if err := c.ChangeNamespace(ctx, wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "carts", Mode: "siblings"}); err != nil {
		fmt.Println(err)
		return
	}
	carts := c.Namespace("carts")

	_ = carts.Set(ctx, "cart:7", []byte("milk"))
	seen, _ := carts.GetItem(ctx, "cart:7", client.WithSiblings())
	_ = carts.Set(ctx, "cart:7", []byte("milk,bread"), client.WithContext(seen.Context))
	_ = carts.Set(ctx, "cart:7", []byte("milk,eggs"), client.WithContext(seen.Context))

	item, _ := carts.GetItem(ctx, "cart:7", client.WithSiblings())
	for _, s := range item.Siblings {
		fmt.Printf("%s\n", s.Value)
	}
	union := func(siblings [][]byte) []byte {
		var all [][]byte
		for _, s := range siblings {
			all = append(all, bytes.Split(s, []byte(","))...)
		}
		slices.SortFunc(all, bytes.Compare)
		return bytes.Join(slices.CompactFunc(all, bytes.Equal), []byte(","))
	}
	cart, err := client.Resolve(ctx, carts, "cart:7", union)
	fmt.Printf("%s %v\n", cart, err)
	// Output:
	// milk,eggs
	// milk,bread
	// bread,eggs,milk <nil>
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/shoaltest"
)

type account struct {
	Owner string
	Cents int64
}

func ExampleTyped() {
	ctx := context.Background()
	cluster, err := shoaltest.Start(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()

	accounts := client.NewTyped[account](cluster.Client(), client.WithType("account", 1))
	if err := accounts.Set(ctx, "account:7", account{"Ada", 4200}, client.WithTTL(time.Hour)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(accounts.Get(ctx, "account:7"))

	// The next version of the program has another account.
	type accountInEuro struct {
		Owner string
		Euro  float64
	}
	later := client.NewTyped[accountInEuro](cluster.Client(), client.WithType("account", 2))
	_, err = later.Get(ctx, "account:7")
	var wrong *client.TypeError
	fmt.Println(errors.As(err, &wrong), wrong.Got)
	// Output:
	// {Ada 4200} <nil>
	// true account version 1 in msgpack
}

func ExampleLoader() {
	ctx := context.Background()
	cluster, err := shoaltest.Start(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()

	rows := map[string]account{"account:7": {"Ada", 4200}} // a database
	accounts := client.NewLoader(client.NewTyped[account](cluster.Client()),
		client.WithLoadDefaults(client.WithTTL(time.Minute)), client.WithMissTTL(time.Second))
	defer accounts.Close()
	get := func(key string) (account, error) {
		return accounts.GetOrLoad(ctx, key, func(context.Context) (account, error) {
			fmt.Println("loading", key)
			a, ok := rows[key]
			if !ok {
				return a, client.ErrNotFound
			}
			return a, nil
		})
	}
	fmt.Println(get("account:7"))
	fmt.Println(get("account:7"))
	_, err = get("account:8")
	fmt.Println(err)
	// Output:
	// loading account:7
	// {Ada 4200} <nil>
	// {Ada 4200} <nil>
	// loading account:8
	// client: not found
}

// Bytes are read through the cache as they are, for other programs to read too.
func ExampleLoader_bytes() {
	ctx := context.Background()
	cluster, err := shoaltest.Start(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	c := cluster.Client()

	pages := client.NewLoader(client.NewTyped[[]byte](c, client.WithCodec(client.Raw)))
	defer pages.Close()
	page, err := pages.GetOrLoad(ctx, "page:/", func(context.Context) ([]byte, error) { return []byte("<html>"), nil })
	fmt.Printf("%s %v\n", page, err)
	// Output: <html> <nil>
}

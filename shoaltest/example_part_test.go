package shoaltest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/shoaltest"
	"github.com/shoalcache/shoal/wire"
)

// Both sides of a partition count and write, and nothing of it is lost.
func ExampleCluster_Part() {
	ctx := context.Background()
	c, err := shoaltest.Start(ctx, 4)
	check(err)
	defer c.Close()
	check(c.Client().ChangeNamespace(ctx, wire.NamespaceChange{Action: "create", Name: "shop", Mode: "siblings", Read: "one", Write: "one"}))
	check(c.WaitRecovered(ctx))
	shop := c.Client().Namespace("shop")
	side := func(node int) *client.Client {
		at, err := client.Dial(ctx, c.Addrs()[node:node+1], client.WithNamespace("shop"), client.WithoutRouting())
		check(err)
		return at
	}

	_, err = shop.Incr(ctx, "visits", 10)
	check(err)
	check(c.Part([]int{0, 1}, []int{2, 3}))
	left, right := side(0), side(2)
	for range 3 {
		_, err = left.Incr(ctx, "visits", 1)
		check(err)
		_, err = right.Incr(ctx, "visits", 2)
		check(err)
	}
	check(left.Set(ctx, "basket", []byte("apples")))
	check(right.Set(ctx, "basket", []byte("pears")))
	check(c.Heal())

	visits, err := shop.Get(ctx, "visits", client.WithLevel(client.LevelAll))
	check(err)
	basket, err := shop.GetItem(ctx, "basket", client.WithSiblings(), client.WithLevel(client.LevelAll))
	check(err)
	fmt.Printf("visits: %s, siblings in the basket: %d\n", visits, len(basket.Siblings))

	one, err := client.Resolve(ctx, shop, "basket", func(siblings [][]byte) []byte {
		slices.SortFunc(siblings, bytes.Compare)
		return bytes.Join(siblings, []byte(" and "))
	}, client.WithLevel(client.LevelAll))
	check(err)
	fmt.Printf("resolved: %s\n", one)
	left.Close()
	right.Close()
	// Output:
	// visits: 19, siblings in the basket: 2
	// resolved: apples and pears
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// What docs/VERSIONS.md shows of a partition is the example, line by line, and what it prints.
func TestThePartitionInTheDocumentIsTheExample(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	doc, example := read("../docs/VERSIONS.md"), read("example_part_test.go")
	_, doc, _ = strings.Cut(doc, "\n## A partition, by hand\n")
	_, shown, ok := strings.Cut(doc, "```go\n")
	shown, printed, closed := strings.Cut(shown, "```\n")
	if !ok || !closed {
		t.Fatal("docs/VERSIONS.md shows no example")
	}
	_, body, _ := strings.Cut(example, "\t_, err = shop.Incr(")
	body, _, _ = strings.Cut("\t_, err = shop.Incr("+body, "\tleft.Close()\n")
	if body = strings.ReplaceAll(body, "\n\t", "\n")[1:]; body != shown {
		t.Errorf("docs/VERSIONS.md shows\n%s\nand the example is\n%s", shown, body)
	}
	_, output, _ := strings.Cut(example, "// Output:\n")
	for line := range strings.Lines(output) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "// ")
		if !ok {
			break
		}
		if !strings.Contains(printed, "    "+line+"\n") {
			t.Errorf("docs/VERSIONS.md does not say that it prints %q", line)
		}
	}
}

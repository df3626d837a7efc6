package server

import (
	"fmt"
	"sync"
	"testing"
)

// freeze lets a node take what it is sent and do nothing with it: its links stand, gossip has it alive.
func (n *Node) freeze() (thaw func()) {
	for i := range n.shards {
		n.shards[i].mu.Lock()
	}
	return sync.OnceFunc(func() {
		for i := range n.shards {
			n.shards[i].mu.Unlock()
		}
	})
}

func TestNodeThatDoesNothingCostsTheOthersBoundedMemoryAndNoError(t *testing.T) { // I13, I16
	t.Parallel()
	const linkBytes = 1 << 20
	nodes := cluster(t, 3, func(c *Config) { c.tuning.linkBytes = linkBytes })
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]
	c := dial(t, n1, n2)
	thaw := n3.freeze()
	defer thaw()

	const keys, size = 60, 32 << 10
	value := func(i, round int) string { return fmt.Sprintf("%0*d", size, 1000*round+i) }
	for round := range 15 { // 28 MiB, more than links, sockets and hints take
		for i := range keys {
			key := fmt.Sprint("k", round%5, "-", i)
			if err := c.Set(t.Context(), key, []byte(value(i, round))); err != nil {
				t.Fatal(err)
			}
			got, err := c.Get(t.Context(), key)
			if err != nil || string(got) != value(i, round) {
				t.Fatalf("read %.40q, %v", got, err)
			}
		}
		for _, n := range []*Node{n1, n2} {
			for _, l := range []*link{n.link(n1.self.Node), n.link(n2.self.Node), n.link(n3.self.Node)} {
				if l != nil && l.held() > linkBytes {
					t.Fatalf("%d bytes are queued for node %s, the bound is %d", l.held(), l.name, linkBytes)
				}
			}
			if held, most := count(n, "hints", "bytes"), count(n, "hints", "bytes_max"); held > most {
				t.Fatalf("%d bytes of hints, the bound is %d", held, most)
			}
		}
	}
	if count(n1, "server", "messages_undelivered")+count(n2, "server", "messages_undelivered") == 0 {
		t.Fatal("no link was ever full: the test tests nothing")
	}
	if count(n1, "hints", "owed")+count(n2, "hints", "owed") == 0 {
		t.Fatal("nothing is owed to the node that does nothing")
	}
	thaw()
	eventually(t, "it catches up", func() bool {
		return count(n1, "hints", "owed")+count(n2, "hints", "owed") == 0 && ready(n1, n2, n3)()
	})
	late := dial(t, n3)
	for round := 10; round < 15; round++ {
		for i := range keys {
			got, err := late.Get(t.Context(), fmt.Sprint("k", round%5, "-", i))
			if err != nil || string(got) != value(i, round) {
				t.Fatalf("read at the node that caught up: %.40q, %v", got, err)
			}
		}
	}
}

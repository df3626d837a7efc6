package server

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/storage"
)

// evictsNothing makes a node refuse what it has no room for, which is little.
func evictsNothing(c *Config) { c.Policy, c.Memory, c.Shards = "none", MemoryMin, 1 }

// fill sets keys until the cluster is out of memory, and returns how many it took.
func fill(t *testing.T, c *client.Client, value []byte) (n int) {
	t.Helper()
	for ; n < 10_000; n++ {
		var full *client.OutOfMemoryError
		switch err := c.Set(t.Context(), fmt.Sprint("k", n), value); {
		case errors.As(err, &full):
			if !client.Indeterminate(err) || !strings.Contains(err.Error(), " full") || !strings.Contains(err.Error(), "delete something") || strings.Contains(err.Error(), "\n") {
				t.Errorf("set %d: %v", n, err)
			}
			return n
		case err != nil:
			t.Fatalf("set %d: %v", n, err)
		}
	}
	t.Fatal("is never full")
	return n
}

func TestAClusterThatEvictsNothingRefusesWritesReadsOnAndHasRoomAgainAfterDeletions(t *testing.T) {
	nodes := cluster(t, 3, evictsNothing)
	c := dial(t, nodes...)
	value := bytes.Repeat([]byte("v"), 4000)
	n := fill(t, c, value)
	if n < 1000 {
		t.Errorf("full after %d keys", n)
	}
	var full *client.OutOfMemoryError
	if _, err := c.Incr(t.Context(), strings.Repeat("counter", 500), 1); !errors.As(err, &full) {
		t.Errorf("an addition: %v", err)
	}
	for i := range n {
		if got, err := c.Get(t.Context(), fmt.Sprint("k", i)); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("get %d: %v", i, err)
		}
	}
	for i := range n / 2 {
		if err := c.Delete(t.Context(), fmt.Sprint("k", i)); err != nil {
			t.Fatalf("delete %d: %v", i, err)
		}
	}
	for i := range n / 4 {
		if err := c.Set(t.Context(), fmt.Sprint("new", i), value); err != nil {
			t.Fatalf("set %d once there is room: %v", i, err)
		}
	}
	refused := int64(0)
	for _, node := range nodes {
		s := node.Stats()
		if s.Policy != "none" || count(node, "storage", "evicted") != 0 {
			t.Errorf("%s: policy %q, %d evicted", s.Name, s.Policy, count(node, "storage", "evicted"))
		}
		refused += count(node, "replica", "full")
	}
	if refused == 0 {
		t.Error("no refusal is counted")
	}
}

func TestRedisClientsAreToldOOMByANodeThatEvictsNothing(t *testing.T) {
	cfg := testConfig(t, "n1")
	evictsNothing(&cfg)
	withResp(&cfg)
	node := start(t, cfg)
	n := fill(t, dial(t, node), bytes.Repeat([]byte("v"), 4000))
	c := dialResp(t, node.RespAddr())
	for _, command := range [][]string{
		{"SET", "new", strings.Repeat("v", 5000)},
		{"APPEND", "new", strings.Repeat("v", 5000)},
		{"MSET", "new", strings.Repeat("v", 5000), "newer", strings.Repeat("v", 5000)},
	} {
		if got := c.do(command...); !strings.HasPrefix(got, "-OOM command not allowed when used memory > 'maxmemory'.") {
			t.Errorf("%s: %.200q", command[0], got)
		}
	}
	if got := c.do("GET", "k0"); !strings.HasPrefix(got, "$4000\r\n") {
		t.Errorf("GET: %.100q", got)
	}
	for i := range 10 {
		if got := c.do("DEL", fmt.Sprint("k", n/2+i)); got != ":1\r\n" {
			t.Errorf("DEL: %.100q", got)
		}
	}
	if got := c.do("SET", "new", strings.Repeat("v", 5000)); got != "+OK\r\n" {
		t.Errorf("SET once there is room: %.200q", got)
	}
}

func TestRedisClientsAreToldThePolicyInTheirWords(t *testing.T) {
	want := map[string]string{
		"": "allkeys-adaptive", "adaptive": "allkeys-adaptive", "s3fifo": "allkeys-s3fifo", "lru": "allkeys-lru", "lfu": "allkeys-lfu", "none": "noeviction",
	}
	for _, policy := range append(storage.PolicyNames(), "") {
		cfg := testConfig(t, "n1")
		withResp(&cfg)
		cfg.Policy = policy
		c := dialResp(t, start(t, cfg).RespAddr())
		if got := c.do("CONFIG", "GET", "maxmemory-policy"); !strings.HasSuffix(got, "\r\n"+want[policy]+"\r\n") {
			t.Errorf("%s: CONFIG GET: %q", policy, got)
		}
		if got := c.do("INFO", "memory"); !strings.Contains(got, "maxmemory_policy:"+want[policy]+"\r\n") {
			t.Errorf("%s: INFO: %q", policy, got)
		}
	}
}

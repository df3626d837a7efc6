package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func check[T comparable](t *testing.T, what string, want T) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
}

// everything is each command that go-redis has a method for.
func everything(t *testing.T, c redis.Cmdable, k func(string) string) {
	ctx := t.Context()
	check(t, "SET", "OK")(c.Set(ctx, k("a"), "1", 0).Result())
	check(t, "GET", "1")(c.Get(ctx, k("a")).Result())
	check(t, "SET GET", "1")(c.SetArgs(ctx, k("a"), "2", redis.SetArgs{Get: true, TTL: time.Hour}).Result())
	check(t, "TTL", time.Hour)(c.TTL(ctx, k("a")).Result())
	check(t, "SET KEEPTTL", "OK")(c.Set(ctx, k("a"), "3", redis.KeepTTL).Result())
	check(t, "TTL", time.Hour)(c.TTL(ctx, k("a")).Result())
	check(t, "PERSIST", true)(c.Persist(ctx, k("a")).Result())
	check[time.Duration](t, "TTL", -1)(c.TTL(ctx, k("a")).Result())
	check(t, "EXPIRE", true)(c.Expire(ctx, k("a"), time.Hour).Result())
	if left, err := c.PTTL(ctx, k("a")).Result(); err != nil || left > time.Hour || left < 59*time.Minute {
		t.Errorf("PTTL: %v, %v", left, err)
	}
	check(t, "TYPE", "string")(c.Type(ctx, k("a")).Result())
	check[int64](t, "EXISTS", 1)(c.Exists(ctx, k("a")).Result())
	check(t, "GETDEL", "3")(c.GetDel(ctx, k("a")).Result())
	if err := c.Get(ctx, k("a")).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("GET of nothing: %v", err)
	}
	check(t, "MSET", "OK")(c.MSet(ctx, k("{x}a"), "1", k("{x}b"), "2").Result())
	if got, err := c.MGet(ctx, k("{x}a"), k("{x}none"), k("{x}b")).Result(); err != nil || fmt.Sprint(got) != "[1 <nil> 2]" {
		t.Errorf("MGET: %v, %v", got, err)
	}
	check[int64](t, "DEL", 2)(c.Del(ctx, k("{x}a"), k("{x}b"), k("{x}none")).Result())
	check(t, "ECHO", "hello")(c.Echo(ctx, "hello").Result())
	check(t, "PING", "PONG")(c.Ping(ctx).Result())
	if table, err := c.Command(ctx).Result(); err != nil || table["mset"] == nil || table["mset"].StepCount != 2 || !table["get"].ReadOnly {
		t.Errorf("COMMAND: %v, %v", table["mset"], err)
	}

	p := c.Pipeline()
	var sets []*redis.StatusCmd
	var gets []*redis.StringCmd
	for i := range 500 {
		key := k(fmt.Sprint("p", i%50))
		sets = append(sets, p.Set(ctx, key, i, 0))
		gets = append(gets, p.Get(ctx, key))
	}
	if _, err := p.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range sets {
		check(t, "pipelined SET", "OK")(sets[i].Result())
		check(t, "pipelined GET", fmt.Sprint(i))(gets[i].Result())
	}
}

func goRedisOfOneNode(t *testing.T, nodes []*node) {
	for i, n := range nodes {
		for _, protocol := range []int{2, 3} {
			t.Run(fmt.Sprintf("n%d RESP%d", i+1, protocol), func(t *testing.T) {
				c := redis.NewClient(&redis.Options{Addr: n.redis, Protocol: protocol, ClientName: "e2e"})
				defer c.Close()
				everything(t, c, func(k string) string { return fmt.Sprint(protocol, i, k) })
				check(t, "CLIENT GETNAME", "e2e")(c.ClientGetName(t.Context()).Result())
				check(t, "MSET over slots", "OK")(c.MSet(t.Context(), "a", 1, "b", 2, "c", 3).Result())
				check[int64](t, "DEL over slots", 3)(c.Del(t.Context(), "a", "b", "c").Result())
			})
		}
	}
}

func clusterClient(t *testing.T, nodes []*node, change func(*redis.ClusterOptions)) *redis.ClusterClient {
	o := &redis.ClusterOptions{}
	for _, n := range nodes {
		o.Addrs = append(o.Addrs, n.redis)
	}
	if change != nil {
		change(o)
	}
	c := redis.NewClusterClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func goRedisOfTheCluster(t *testing.T, nodes []*node) {
	for name, change := range map[string]func(*redis.ClusterOptions){
		"masters": nil, "RESP2": func(o *redis.ClusterOptions) { o.Protocol = 2 }, "replicas": func(o *redis.ClusterOptions) { o.RouteRandomly = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := clusterClient(t, nodes, change)
			everything(t, c, func(k string) string { return name + k })
			//lint:ignore SA1019 it is what clients of clusters go by
			slots, err := c.ClusterSlots(t.Context()).Result()
			next := 0
			for _, s := range slots {
				if s.Start != next || len(s.Nodes) != 3 {
					t.Fatalf("slots %d to %d at %v, after %d", s.Start, s.End, s.Nodes, next)
				}
				next = s.End + 1
			}
			if err != nil || next != 16384 {
				t.Errorf("slots end at %d, %v", next, err)
			}
		})
	}
	asked := map[string]int{} // which nodes a client goes to by itself
	c := clusterClient(t, nodes, nil)
	for i := range 1000 {
		n, err := c.MasterForKey(t.Context(), fmt.Sprint("k", i))
		if err != nil {
			t.Fatal(err)
		}
		asked[n.Options().Addr]++
	}
	for _, n := range nodes {
		if asked[n.redis] < 125 {
			t.Errorf("%d of 1000 keys lead to %s: %v", asked[n.redis], n.redis, asked)
		}
	}
}

// Of four nodes, every key has one that does not own it.
func TestClientsOfOthersWorkUnchanged(t *testing.T) {
	nodes := startCluster(t, 4)
	for name, test := range map[string]func(*testing.T, []*node){
		"go-redis of one node": goRedisOfOneNode, "go-redis of the cluster": goRedisOfTheCluster,
		"redis-cli": redisCli, "redis-benchmark": redisBenchmark,
	} {
		t.Run(name, func(t *testing.T) { test(t, nodes) })
	}
}

// A process that is killed under load costs a cluster client what it costs to look for the others, and no write that
// was acknowledged.
func TestGoRedisGoesOnWhenANodeIsKilled(t *testing.T) {
	nodes := startCluster(t, 3)
	c := clusterClient(t, nodes, func(o *redis.ClusterOptions) {
		o.ClusterStateReloadInterval = time.Second // of its own accord it looks again only after a minute
		o.MaxRedirects = 8
	})
	var done, failed atomic.Int64
	var last atomic.Value
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key, value := fmt.Sprint("w", w, "-", i%100), fmt.Sprint(i)
				err := c.Set(t.Context(), key, value, 0).Err()
				if err == nil {
					var got string
					if got, err = c.Get(t.Context(), key).Result(); err == nil && got != value {
						t.Errorf("%s is %q, %q was acknowledged", key, got, value)
					}
				}
				if done.Add(1); err != nil {
					failed.Add(1)
					last.Store(err.Error())
				}
			}
		})
	}
	more := func(n int64) {
		from := done.Load()
		eventually(t, "calls go on", func(context.Context) bool { return done.Load() > from+n })
	}
	more(2000)
	nodes[1].kill()
	more(20_000)
	stop()
	wg.Wait()
	t.Logf("%d calls, %d failed, the last with %v", done.Load(), failed.Load(), last.Load())
	if failed.Load()*1000 > done.Load() {
		t.Errorf("%d of %d calls failed, the last with %v", failed.Load(), done.Load(), last.Load())
	}
}

// A write that may have happened is told once, and not sent again behind the caller's back; a read is tried again.
func TestGoRedisDoesNotRepeatAWriteThatMayHaveHappened(t *testing.T) {
	nodes := startCluster(t, 3)
	nodes[1].kill()
	nodes[2].kill()
	c := redis.NewClient(&redis.Options{Addr: nodes[0].redis, MaxRetries: 2, MinRetryBackoff: time.Millisecond, ReadTimeout: time.Minute})
	defer c.Close()
	tries := func(what func() error) (code string, n int64) {
		before := calls(t, c)
		code, _, _ = strings.Cut(fmt.Sprint(what()), " ")
		return code, calls(t, c) - before
	}
	if code, n := tries(func() error { return c.Set(t.Context(), "k", "v", 0).Err() }); code != "INDETERMINATE" || n != 1 {
		t.Errorf("SET: %s after %d tries", code, n)
	}
	if code, n := tries(func() error { return c.Get(t.Context(), "k").Err() }); code != "CLUSTERDOWN" || n != 3 {
		t.Errorf("GET: %s after %d tries", code, n)
	}
}

// calls is how many requests a node has answered.
func calls(t *testing.T, c *redis.Client) int64 {
	t.Helper()
	info, err := c.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(info, "total_commands_processed:")
	text, _, _ = strings.Cut(text, "\r\n")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

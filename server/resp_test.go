package server

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/ring"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/resp.txt anew, with the replies of now; review the difference")

// The script holds every command and its replies in RESP2 and RESP3. What one node says, a cluster says through
// any node, and Redis itself says too, where nothing else is marked.
func TestRepliesAreThoseOfTheScriptAndOfRedis(t *testing.T) {
	const path = "testdata/resp.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := readScript(string(text))
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, addr string, redis bool) {
		c := dialResp(t, addr)
		for _, s := range steps {
			if s.args == nil {
				continue
			}
			got := quoted(c.do(s.args...))
			if *rewrite && !redis {
				s.want = got
			}
			if got != s.want && !(redis && s.own) {
				t.Errorf("line %d, %s:\n%s\nwant\n%s", s.line, s.text, got, s.want)
			}
		}
	}
	t.Run("one node", func(t *testing.T) {
		cfg := testConfig(t, "n1")
		withResp(&cfg)
		run(t, start(t, cfg).RespAddr(), false)
	})
	if *rewrite {
		var b strings.Builder
		for _, s := range steps {
			b.WriteString(s.text + "\n")
			if s.args != nil {
				b.WriteString(s.want + "\n")
			}
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("three nodes", func(t *testing.T) {
		for _, n := range cluster(t, 3, withResp) {
			run(t, n.RespAddr(), false)
		}
	})
	t.Run("redis", func(t *testing.T) { run(t, realRedis(t), true) })
}

// anyPipeline draws commands over few keys, so that they meet.
func anyPipeline(rng *rand.Rand, prefix string, n int) (commands [][]string) {
	key := func() string { return prefix + string(rune('a'+rng.IntN(6))) }
	for i := range n {
		v := fmt.Sprint("v", i)
		if rng.IntN(20) == 0 {
			v = strings.Repeat(v, 5000)
		}
		all := [][]string{
			{"GET", key()},
			{"GET", key()},
			{"SET", key(), v},
			{"SET", key(), v},
			{"SET", key(), v, "GET"},
			{"SET", key(), v, "EX", "1000"},
			{"SET", key(), v, "KEEPTTL"},
			{"GETDEL", key()},
			{"DEL", key()},
			{"DEL", key(), key(), key()},
			{"UNLINK", key(), key()},
			{"MSET", key(), v, key(), v + "x"},
			{"MGET", key(), key(), key(), key()},
			{"EXISTS", key(), key(), key()},
			{"PING"},
			{"TYPE", key()},
			{"EXPIRE", key(), "1000"},
			{"EXPIRE", key(), "0"},
			{"PEXPIRE", key(), "1000000"},
			{"PERSIST", key()},
			{"TTL", key()},
			{"NOPE", "x"},
			{"GET"},
			{"ECHO", v},
			{"SET", key(), v, "EX", "x"},
			{"SET", key(), v, "PXAT", "1"},
			{"SET", key(), v, "NX"},
			{"SET", key(), v, "XX", "GET"},
			{"SET", key(), v, "XX", "KEEPTTL"},
			{"SET", key(), fmt.Sprint(i), "EX", "1000"},
			{"SETNX", key(), fmt.Sprint(i)},
			{"GETSET", key(), fmt.Sprint(i)},
			{"APPEND", key(), "7"},
			{"INCR", key()},
			{"INCRBY", key(), fmt.Sprint(i)},
			{"DECR", key()},
			{"DECRBY", key(), "-3"},
		}
		commands = append(commands, all[rng.IntN(len(all))])
	}
	return commands
}

// A pipeline of everything, sent at once through nodes that own the keys and nodes that do not, is answered byte
// for byte as Redis answers it, which does one command after the other.
func TestAnyPipelineIsAnsweredAsByRedis(t *testing.T) {
	redis := dialResp(t, realRedis(t))
	nodes := cluster(t, 4, withResp) // of four, some own nothing of a key
	for i := range uint64(60) {
		rng := rand.New(rand.NewPCG(i, 2))
		commands := anyPipeline(rng, fmt.Sprint("p", i, "-"), 200)
		for _, text := range [][]string{{"HELLO", fmt.Sprint(2 + i%2)}} {
			redis.do(text...)
		}
		c := dialResp(t, nodes[i%4].RespAddr())
		c.do("HELLO", fmt.Sprint(2+i%2))
		b := pipelined(commands...)
		redis.send(b)
		go func() { _, _ = c.Write(b) }()
		for j, args := range commands {
			want, got := redis.reply(), c.reply()
			if args[0] == "TTL" && got != want && strings.HasPrefix(want, ":9") && strings.HasPrefix(got, ":9") {
				continue // a second may pass in between
			}
			if got != want {
				t.Fatalf("pipeline %d, command %d, %.60q: %.100q, Redis says %.100q", i, j, args, got, want)
			}
		}
		_ = c.Close()
	}
}

func TestBytesThatAreNoCommandCloseTheConnectionAfterAllBeforeThemIsAnswered(t *testing.T) { // I17
	cfg := testConfig(t, "n1")
	withResp(&cfg)
	n := start(t, cfg)
	for in, want := range map[string]string{
		"*1\r\n$-2\r\n":                  "-ERR Protocol error: invalid bulk length\r\n",
		"*2147483648\r\n":                "-ERR Protocol error: invalid multibulk length\r\n",
		"*1\r\n$2147483648\r\n":          "-ERR Protocol error: invalid bulk length\r\n",
		"*1\r\n$9223372036854775807\r\n": "-ERR Protocol error: invalid bulk length\r\n",
		"*1\n":                           "-ERR Protocol error: expected CRLF, got LF alone\r\n",
		"PING\r\nSET k v\r\nGET k\r\n*1\r\n$-2\r\n": "+PONG\r\n+OK\r\n$1\r\nv\r\n-ERR Protocol error: invalid bulk length\r\n",
		strings.Repeat("x", 64<<10+1):               "-ERR Protocol error: too big inline request\r\n",
		"PING\nQUIT\r\n":                            "+PONG\r\n+OK\r\n",
		"GET / HTTP/1.1\r\n":                        "",
		"POST / HTTP/1.1\r\n":                       "",
		"Host: localhost\r\n":                       "",
	} {
		c := dialResp(t, n.RespAddr())
		c.send([]byte(in))
		if got := c.ended(); got != want {
			t.Errorf("%.40q: %q, want %q", in, got, want)
		}
	}
	if got := count(n, "server", "cross_protocol"); got != 3 {
		t.Errorf("%d HTTP requests were counted", got)
	}
	eventually(t, "nothing is left of them", func() bool { return count(n, "server", "clients") == 0 })
}

// An HTTP request that carries commands in its body does nothing.
func TestCommandsInTheBodyOfAnHTTPRequestAreNotCarriedOut(t *testing.T) {
	cfg := testConfig(t, "n1")
	withResp(&cfg)
	n := start(t, cfg)
	c := dialResp(t, n.RespAddr())
	c.send([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nSET k evil\r\n"))
	if got := c.ended(); got != "" {
		t.Errorf("it says %q", got)
	}
	if got := dialResp(t, n.RespAddr()).do("GET", "k"); got != "$-1\r\n" {
		t.Errorf("k is %q", got)
	}
}

func TestRedisClientThatNeverReadsIsCutOffAtABound(t *testing.T) { // I16
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	withResp(&cfg)
	cfg.tuning.connStall = 300 * time.Millisecond
	n := start(t, cfg)
	witness := dialResp(t, n.RespAddr())
	if got := witness.do("SET", "large", strings.Repeat("v", 256<<10)); got != "+OK\r\n" {
		t.Fatal(got)
	}
	deaf := dialResp(t, n.RespAddr())
	cut := make(chan error, 1)
	go func() {
		var get [][]string
		for range 1000 {
			get = append(get, []string{"GET", "large"})
		}
		b := pipelined(get...)
		for {
			if _, err := deaf.Write(b); err != nil {
				cut <- err
				return
			}
		}
	}()
	most := 0
	for done := false; !done; {
		n.callersMu.RLock()
		for _, c := range n.callers {
			c := c.(*respConn)
			c.mu.Lock()
			most = max(most, c.pipe.held()+len(c.ready)+c.line.Held())
			c.mu.Unlock()
		}
		n.callersMu.RUnlock()
		if got := witness.do("GET", "k"); got != "$-1\r\n" {
			t.Fatalf("another client was answered %q", got)
		}
		select {
		case <-cut:
			done = true
		default:
		}
	}
	if most > 3*connBytesSoft {
		t.Fatalf("%d bytes were held for it", most)
	}
	eventually(t, "it is gone, and counted", func() bool { return count(n, "server", "clients") == 1 && count(n, "server", "clients_cut_off") == 1 })
}

// While two of three owners do nothing, a write may have happened, and says so in a word that no library takes
// for a reason to try again; a read has one that they do.
func TestFailuresSayWhetherAWriteMayHaveHappened(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3, func(c *Config) {
		withResp(c)
		c.tuning.coordinator.TimeoutDefault = 300 * time.Millisecond
	})
	thaw1, thaw2 := nodes[1].freeze(), nodes[2].freeze()
	defer thaw1()
	defer thaw2()
	c := dialResp(t, nodes[0].RespAddr())
	c.send(pipelined([]string{"SET", "k", "v"}, []string{"GET", "k"}, []string{"DEL", "k", "l"}, []string{"MSET", "a", "1", "b", "2"}, []string{"PING"}))
	for _, want := range []string{"-INDETERMINATE set: ", "-CLUSTERDOWN get: ", "-CLUSTERDOWN head: ", "-INDETERMINATE set: ", "+PONG\r\n"} {
		if got := c.reply(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A key that cannot be one is found before anything is done.
func TestCommandOfSeveralKeysOfWhichOneIsNoneDoesNothing(t *testing.T) {
	cfg := testConfig(t, "n1")
	withResp(&cfg)
	n := start(t, cfg)
	c := dialResp(t, n.RespAddr())
	c.do("SET", "k", "1")
	long := strings.Repeat("x", n.cfg.Limits.Key+1)
	for _, bad := range []string{"", long} {
		for _, args := range [][]string{{"MSET", "k", "2", bad, "1"}, {"DEL", "k", bad}, {"MSET", bad, "1", "k", "2"}, {"MGET", "k", bad}} {
			if got := c.do(args...); !strings.HasPrefix(got, "-ERR key ") {
				t.Errorf("%.40q: %q", args, got)
			}
			if got := c.do("GET", "k"); got != "$1\r\n1\r\n" {
				t.Fatalf("after %.40q k is %q", args, got)
			}
		}
	}
}

// Commands on other keys do not wait for one that is slow; their replies do.
func TestSlowCommandHoldsUpRepliesAndNotWork(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3, withResp)
	thaw1, thaw2 := nodes[1].freeze(), nodes[2].freeze()
	c := dialResp(t, nodes[0].RespAddr())
	var commands [][]string
	for i := range 3 * connCallsMax {
		commands = append(commands, []string{"SET", fmt.Sprint("k", i), "v"})
	}
	commands = append(commands, []string{"PING"})
	b := pipelined(commands...)
	go func() { _, _ = c.Write(b) }()
	eventually(t, "as much as may be is under way", func() bool {
		nodes[0].callersMu.RLock()
		defer nodes[0].callersMu.RUnlock()
		for _, c := range nodes[0].callers {
			c := c.(*respConn)
			c.mu.Lock()
			asked := c.line.Asked()
			c.mu.Unlock()
			if asked > connCallsMax {
				t.Fatalf("%d requests of one connection", asked)
			}
			return asked == connCallsMax
		}
		return false
	})
	thaw1()
	thaw2()
	for i := range commands {
		got := c.reply()
		if last := i == len(commands)-1; last && got != "+PONG\r\n" || !last && got != "+OK\r\n" && !strings.HasPrefix(got, "-INDETERMINATE") {
			t.Fatalf("command %d: %q", i, got)
		}
	}
}

// A command of the table that nobody carries out, or that kills the connection, would be found by a client.
func TestEveryCommandOfTheTableIsCarriedOut(t *testing.T) {
	cfg := testConfig(t, "n1")
	withResp(&cfg)
	n := start(t, cfg)
	c := dialResp(t, n.RespAddr())
	table := regexp.MustCompile(`\*10\r\n\$\d+\r\n([a-z|]+)\r\n:(-?\d+)`).FindAllStringSubmatch(c.do("COMMAND"), -1)
	if len(table) < 35 {
		t.Fatalf("COMMAND names %d commands", len(table))
	}
	for _, command := range table {
		args := strings.Split(command[1], "|")
		arity, _ := strconv.Atoi(command[2])
		for len(args) < max(arity, -arity) {
			args = append(args, "1")
		}
		if got := c.do(args...); strings.Contains(got, "nobody") || strings.HasPrefix(got, "-ERR unknown") && len(args) == 1 {
			t.Errorf("%q: %q", args, got)
		}
		if args[0] == "quit" {
			c = dialResp(t, n.RespAddr())
		}
	}
}

// A client that reads what it asked for is not cut off, however much it asks for at once.
func TestManyLargeValuesAtOnceAreAllReceived(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3, func(c *Config) {
		withResp(c)
		c.tuning.connBytes = 4 << 20
	})
	const keys, size, rounds = 8, 300 << 10, 20
	c := dialResp(t, nodes[0].RespAddr())
	var sets, gets [][]string
	for i := range keys {
		sets = append(sets, []string{"SET", fmt.Sprint("k", i), strings.Repeat(strconv.Itoa(i), size)})
		gets = append(gets, []string{"GET", fmt.Sprint("k", i)})
	}
	c.send(pipelined(sets...))
	for range keys {
		if got := c.reply(); got != "+OK\r\n" {
			t.Fatal(got)
		}
	}
	c.send([]byte(strings.Repeat(string(pipelined(gets...)), rounds))) // 48 MB of replies to one small write
	for i := range keys * rounds {
		want := strings.Repeat(strconv.Itoa(i%keys), size)
		if got := c.reply(); len(got) < size || got[len(got)-2-size:len(got)-2] != want {
			t.Fatalf("reply %d: %.60q", i, got)
		}
	}
	many := []string{"MGET"}
	for i := range 6 {
		many = append(many, fmt.Sprint("k", i%keys))
	}
	if got := c.do(many...); len(got) < 6*size {
		t.Errorf("%d bytes: %.60q", len(got), got)
	}
	if got := c.do(append(many, many[1:]...)...); !strings.HasPrefix(got, "-ERR the values asked for do not fit") {
		t.Errorf("%d bytes: %.60q", len(got), got)
	}
	if cut := count(nodes[0], "server", "clients_cut_off"); cut != 0 {
		t.Errorf("%d clients were cut off", cut)
	}
}

// A guess by small values lets many requests out, whose values can be larger: a client that reads gets them all.
func TestClientThatReadsIsNotCutOffWhereLargeValuesFollowSmallOnes(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 4, withResp)
	c := dialResp(t, nodes[0].RespAddr())
	const keys, size = 1000, 16 << 10 // twice what may wait for it
	var small, gets [][]string
	for i := range keys {
		if got := c.do("SET", fmt.Sprint("k", i), strings.Repeat("v", size)); got != "+OK\r\n" { // one by one: the links are not what is tested
			t.Fatal(got)
		}
		small = append(small, []string{"GET", fmt.Sprint("none", i)})
		gets = append(gets, []string{"GET", fmt.Sprint("k", i)})
	}
	for _, commands := range [][][]string{small, gets} {
		b := pipelined(commands...)
		go func() { _, _ = c.Write(b) }()
		for i, args := range commands {
			if got := c.reply(); got[0] == '-' || args[1][0] == 'k' && len(got) < size {
				t.Fatalf("command %d, %.30q: %.100q", i, args, got)
			}
		}
	}
}

// Large values that came and went leave nothing behind in connections that now wait for the next command.
func TestIdleRedisConnectionsHoldLittle(t *testing.T) { // I16
	cfg := Quick(testConfig(t, "n1"))
	withResp(&cfg)
	cfg.Memory, cfg.Shards = 1<<30, 16
	n := start(t, cfg)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	const conns, size = 32, 2 << 20
	value := strings.Repeat("v", size)
	for i := range conns {
		c := dialResp(t, n.RespAddr())
		key := fmt.Sprint("k", i)
		c.send(pipelined([]string{"SET", key, value}, []string{"GET", key}, []string{"GETDEL", key}))
		for range 3 {
			c.reply()
		}
		c.do("PING") // the large buffers go with the next read
	}
	var kept int64
	end := time.Now().Add(10 * time.Second)
	for kept = heap() - before; kept > conns*256<<10 && time.Now().Before(end); kept = heap() - before {
		runtime.Gosched()
	}
	if kept > conns*256<<10 {
		t.Fatalf("%d KiB a connection are kept", kept>>10/conns)
	}
}

// Clients go on asking whoever stands first, so that is an owner that is up.
func TestSlotsLeadToOwnersThatAreUp(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 4, withResp)
	leaders := func(n *Node) (of map[string]int, slots int) {
		of = map[string]int{}
		m := n.slotMap()
		for _, r := range m.runs {
			if r.from != slots {
				t.Fatalf("slots from %d, after %d", r.from, slots-1)
			}
			slots = r.to + 1
			x := m.view.Table.Nodes()[r.owners[0]]
			of[x.Name] += r.to - r.from + 1
			owners := m.view.Table.Owners(m.view.Table.Partition(uint16(r.from)))
			if len(r.owners) != len(owners) || !slices.ContainsFunc(owners, func(p ring.Place) bool { return p.Node == r.owners[0] }) {
				t.Fatalf("slot %d is said to be of %v, it is of %v", r.from, r.owners, owners)
			}
		}
		return of, slots
	}
	for _, n := range nodes {
		if of, slots := leaders(n); len(of) != 4 || slots != ring.Slots {
			t.Errorf("%s: %d slots, led by %v", n.cfg.Name, slots, of)
		}
	}
	nodes[3].kill()
	eventually(t, "nobody is led to a node that is gone", func() bool {
		of, slots := leaders(nodes[0])
		return of["n4"] == 0 && slots == ring.Slots
	})
	c := dialResp(t, nodes[0].RespAddr())
	if got := c.do("CLUSTER", "NODES"); strings.Count(got, " master,fail ") != 1 || strings.Count(got, "myself,master") != 1 || strings.Count(got, " connected ") != 3 {
		t.Error(got)
	}
	if got := c.do("CLUSTER", "INFO"); !strings.Contains(got, "cluster_state:ok\r\n") || !strings.Contains(got, "cluster_known_nodes:4\r\n") || !strings.Contains(got, "cluster_size:3\r\n") {
		t.Error(got)
	}
}

// Not every node need have a port for Redis clients; those that do take every slot, as evenly as they can.
func TestEverySlotHasSomebodyWhereFewNodesSpeakRedis(t *testing.T) {
	t.Parallel()
	started := 0
	nodes := cluster(t, 5, func(c *Config) {
		if started < 2 {
			withResp(c)
		}
		started++
	})
	slots, led := 0, map[uint16]int{}
	m := nodes[0].slotMap()
	for _, r := range m.runs {
		if r.from != slots {
			t.Fatalf("slots from %d, after %d", r.from, slots-1)
		}
		slots = r.to + 1
		led[r.owners[0]] += r.to - r.from + 1
	}
	if slots != ring.Slots || len(led) != 2 {
		t.Fatalf("%d slots, led by %v", slots, led)
	}
	for node, n := range led {
		if name := m.view.Table.Nodes()[node].Name; n < ring.Slots/5 || name != "n1" && name != "n2" {
			t.Errorf("%s leads %d slots", name, n)
		}
	}
	if got := dialResp(t, nodes[1].RespAddr()).do("CLUSTER", "INFO"); !strings.Contains(got, "cluster_state:ok\r\n") {
		t.Error(got)
	}
}

// As in: printf ... | nc HOST PORT.
func TestClientThatHasSaidAllStillGetsItsReplies(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3, withResp)
	c := dialResp(t, nodes[0].RespAddr())
	var commands [][]string
	for i := range 500 {
		commands = append(commands, []string{"SET", fmt.Sprint("k", i), "v"})
	}
	c.send(pipelined(commands...))
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := c.ended(); got != strings.Repeat("+OK\r\n", 500) {
		t.Errorf("%d bytes: %.100q", len(got), got)
	}
	eventually(t, "nothing is left of it", func() bool { return count(nodes[0], "server", "clients") == 0 })
}

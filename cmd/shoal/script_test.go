package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"shoal": func() { os.Exit(run()) }})
}

// patience is how long a condition may take on a machine under load.
const patience = 45 * time.Second

// TestScripts runs the program as people do. Beside what testscript has, a script may say:
//
//	cluster N         starts nodes inside the test that see each other; they are at $N1, $N2, …, SHOAL_SERVER is the
//	                  first; another one is another cluster, whose nodes are counted on
//	halt nI           stops one of them
//	says CODE REGEXP COMMAND…    runs it: it exits so, and what it prints matches
//	until CODE REGEXP COMMAND…   runs it again and again until it does
//	answer TEXT NAME  starts a server that sends TEXT to whoever connects; its address is $NAME
//	silent NAME       starts one that says hello like a node, and never anything after
//	heard TEXT        waits until that one has been sent TEXT
//	ports NAME        finds 60 ports in a row that are free; every tenth is $NAME0, $NAME1, …
//	examples          runs every line of the cheat sheet; all parts of a pipe must do well
//	killnode PORT     kills the process of dev whose node serves clients there
//	endnode NAME      kills the process that is the node of this name and keeps its directory below the script's
//	nonodes           no process is such a node
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Values["nodes"] = &[]*server.Node{}
			env.Values["inbox"] = make(chan string, 64)
			env.Setenv("NO_COLOR", "1")
			env.Setenv("SHOAL_RESP_ADDR", "none") // its default port is one for the whole machine
			env.Setenv("XDG_CONFIG_HOME", env.Getenv("WORK")+"/config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cluster": startCluster, "halt": halt, "says": says, "until": until, "answer": answer, "silent": silent, "heard": heard, "ports": freePorts, "killnode": killNode, "endnode": endNode, "nonodes": noNodes, "examples": runExamples,
		},
	})
}

func startCluster(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[0])
	ts.Check(err)
	nodes := ts.Value("nodes").(*[]*server.Node)
	first := len(*nodes)
	for i := first; i < first+size; i++ {
		cfg := server.Config{
			Name: fmt.Sprintf("n%d", i+1), ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
			DataDir: ts.MkAbs(fmt.Sprintf("data/n%d", i+1)), Memory: server.MemoryMin, Partitions: 64, Shards: 4, Version: version,
		}
		if i > first {
			cfg.Join = []string{(*nodes)[first].GossipAddr()}
		}
		n, err := server.Start(context.Background(), cfg)
		ts.Check(err)
		ts.Defer(func() { _ = n.Shutdown(context.Background()) })
		*nodes = append(*nodes, n)
		ts.Setenv(fmt.Sprintf("N%d", i+1), n.Addr())
	}
	ts.Setenv("SHOAL_SERVER", (*nodes)[first].Addr())
	for _, n := range (*nodes)[first:] {
		ts.Check(joined(n, min(size, 3)))
	}
}

// joined waits until a write through n reaches every owner, which it does once all nodes see each other.
func joined(n *server.Node, owners int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, []string{n.Addr()})
	if err != nil {
		return err
	}
	defer c.Close()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		w, err := c.Where(ctx, "joined")
		if err == nil && len(w.Owners) == owners && !slices.ContainsFunc(w.Owners, func(s wire.Seat) bool { return !s.Alive }) {
			if err = c.Set(ctx, "joined", nil, client.WithLevel(client.LevelAll)); err == nil {
				return c.Delete(ctx, "joined")
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the nodes do not find each other: %+v, %w", w.Owners, cmp.Or(err, ctx.Err()))
		case <-poll.C:
		}
	}
}

func halt(ts *testscript.TestScript, _ bool, args []string) {
	i, err := strconv.Atoi(strings.TrimPrefix(args[0], "n"))
	ts.Check(err)
	ts.Check((*ts.Value("nodes").(*[]*server.Node))[i-1].Shutdown(context.Background()))
}

func says(ts *testscript.TestScript, _ bool, args []string) {
	if said, ok := attempt(ts, args); !ok {
		ts.Fatalf("want exit code %s and %s, got\n%s", args[0], args[1], said)
	}
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	limit := time.After(patience)
	for {
		said, ok := attempt(ts, args)
		if ok {
			return
		}
		select {
		case <-limit:
			ts.Fatalf("want exit code %s and %s, and after %v there is still\n%s", args[0], args[1], patience, said)
		case <-poll.C:
		}
	}
}

// attempt runs the command in args, and reports whether it exits and prints as they say.
func attempt(ts *testscript.TestScript, args []string) (said string, ok bool) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[2], args[3:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	said = ts.ReadFile("stdout") + ts.ReadFile("stderr")
	return fmt.Sprintf("exit code %d and\n%s", code, said), code == want && pattern.MatchString(said)
}

// listen serves every connection until the script ends.
func listen(ts *testscript.TestScript, name string, serve func(net.Conn)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(name, l.Addr().String())
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				serve(nc)
			}()
		}
	}()
}

func answer(ts *testscript.TestScript, _ bool, args []string) {
	text, err := strconv.Unquote(`"` + args[0] + `"`)
	ts.Check(err)
	listen(ts, args[1], func(nc net.Conn) { _, _ = io.WriteString(nc, text) })
}

func silent(ts *testscript.TestScript, _ bool, args []string) {
	inbox := ts.Value("inbox").(chan string)
	listen(ts, args[0], func(nc net.Conn) {
		_, _ = nc.Write(wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: 1, Cluster: "c", Name: "mute"}))
		buf := make([]byte, 4096)
		for n, err := nc.Read(buf); err == nil; n, err = nc.Read(buf) {
			inbox <- string(buf[:n])
		}
	})
}

func heard(ts *testscript.TestScript, _ bool, args []string) {
	limit := time.After(patience)
	for {
		select {
		case got := <-ts.Value("inbox").(chan string):
			if strings.Contains(got, args[0]) {
				return
			}
		case <-limit:
			ts.Fatalf("%q did not arrive", args[0])
		}
	}
}

// portBlock is the block of 60 ports to try next: scripts run side by side, and ports that are found free are not yet taken.
var portBlock atomic.Int64

func freePorts(ts *testscript.TestScript, _ bool, args []string) {
	const first, blocks, ports = 20000, 200, 60
	for range blocks {
		base := first + ports*int((portBlock.Add(1)+int64(os.Getpid()))%blocks)
		free := true
		for port := base; port < base+ports && free; port++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			for i := range ports / portStep {
				ts.Setenv(fmt.Sprintf("%s%d", args[0], i), strconv.Itoa(base+portStep*i))
			}
			return
		}
	}
	ts.Fatalf("no free ports")
}

func killNode(ts *testscript.TestScript, _ bool, args []string) {
	p := find(ts, "\x00--client-addr\x00127.0.0.1:"+args[0]+"\x00")
	if p == nil {
		ts.Fatalf("no process serves port %s", args[0])
	}
	ts.Check(p.Kill())
}

// endNode and noNodes tell the nodes of this script by their directory, which lies in its own.
func endNode(ts *testscript.TestScript, _ bool, args []string) {
	p := find(ts, "\x00--name\x00"+args[0]+"\x00", "\x00"+ts.Getenv("WORK"))
	if p == nil {
		ts.Fatalf("no process is node %s", args[0])
	}
	ts.Check(p.Kill())
}

func noNodes(ts *testscript.TestScript, _ bool, _ []string) {
	if p := find(ts, "\x00--name\x00", "\x00"+ts.Getenv("WORK")); p != nil {
		ts.Fatalf("process %d is a node that still runs", p.Pid)
	}
}

// find returns the first process whose command line has all of parts, or nil.
func find(ts *testscript.TestScript, parts ...string) *os.Process {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	for _, path := range lines {
		b, err := os.ReadFile(path)
		if err != nil || slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(string(b), part) }) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		ts.Check(err)
		p, err := os.FindProcess(pid)
		ts.Check(err)
		return p
	}
	return nil
}

func runExamples(ts *testscript.TestScript, _ bool, _ []string) {
	for line := range strings.Lines(cheatSheet) {
		if example, _, _ := strings.Cut(line, "#"); strings.TrimSpace(example) != "" {
			if err := ts.Exec("bash", "-o", "pipefail", "-c", example); err != nil {
				ts.Fatalf("%s: %v\n%s", strings.TrimSpace(example), err, ts.ReadFile("stderr"))
			}
		}
	}
}

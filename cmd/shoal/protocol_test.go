package main

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
)

// The client of docs/client.py, which knows nothing of this code but docs/PROTOCOL.md, talks to a live node.
func TestAClientInAnotherLanguageSetsAndGets(t *testing.T) {
	python3 := pythonWithMsgpack(t)
	n, err := server.Start(t.Context(), server.Config{
		Name: "n1", ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", DataDir: t.TempDir(), Memory: server.MemoryMin,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	python := func(args ...string) (out, stderr string, err error) {
		var o, e bytes.Buffer
		cmd := exec.Command(python3, append([]string{"../../docs/client.py", n.Addr()}, args...)...)
		cmd.Stdout, cmd.Stderr = &o, &e
		err = cmd.Run()
		return o.String(), e.String(), err
	}
	if _, said, err := python("set", "greeting", "hello\x01 wörld", "600"); err != nil {
		t.Fatalf("set: %v: %s", err, said)
	}
	c, err := client.Dial(t.Context(), []string{n.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	it, err := c.GetItem(t.Context(), "greeting")
	if ttl := it.TTL(time.Now()); err != nil || string(it.Value) != "hello\x01 wörld" || ttl <= 0 || ttl > 10*time.Minute {
		t.Errorf("what it set reads as %q for %v, %v", it.Value, ttl, err)
	}
	long := strings.Repeat("0123456789", 20_000) // more than one read brings
	if err := c.Set(t.Context(), "long", []byte(long)); err != nil {
		t.Fatal(err)
	}
	if got, said, err := python("get", "long"); err != nil || got != long {
		t.Errorf("what it gets has %d bytes, want %d: %v: %s", len(got), len(long), err, said)
	}
	if _, said, err := python("get", "absent"); err == nil || said != "not found\n" {
		t.Errorf("a key that is not there: %v: %s", err, said)
	}
	if _, said, err := python("set", "", "x"); err == nil || !strings.Contains(said, "status 16") || !strings.Contains(said, "the key is empty") {
		t.Errorf("a key that is refused: %v: %s", err, said)
	}
}

// pythonWithMsgpack is the system's own Python if the one that comes first has no msgpack.
func pythonWithMsgpack(t *testing.T) string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import msgpack").Run() == nil {
			return python
		}
	}
	t.Skip("needs a python3 with msgpack, which Debian has as python3-msgpack")
	return ""
}

package server

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// scanAll asks for page after page and counts how often each key came. between is called after each page.
func scanAll(t *testing.T, c *rawConn, prefix string, between func()) map[string]int {
	t.Helper()
	keys := map[string]int{}
	var cursor []byte
	for range 10_000 {
		r := c.ask(&wire.Request{Op: wire.OpScan, ID: 1, Key: cursor, Value: []byte(prefix)})
		if r.Status != wire.StatusOK {
			t.Fatalf("scan: %v", r.AsError())
		}
		for _, it := range r.Items {
			keys[string(it.Value)]++
			if it.Stamp == 0 {
				t.Fatalf("%q came without a stamp", it.Value)
			}
		}
		if cursor = bytes.Clone(r.Value); len(cursor) == 0 {
			return keys
		}
		between()
	}
	t.Fatal("the scan does not end")
	return nil
}

func TestAScanThroughAnyNodeTellsEveryLiveKeyOnce(t *testing.T) {
	nodes := []*Node{start(t, Quick(testConfig(t, "n1")))}
	for i := 2; i <= 4; i++ { // with three replicas, each node lacks a quarter of the partitions
		nodes = append(nodes, start(t, Quick(testConfig(t, fmt.Sprint("n", i), nodes[0].GossipAddr()))))
	}
	eventually(t, "all four have recovered", ready(nodes...))
	c := dial(t, nodes...)
	const live = 3000
	led := newLedger()
	led.load(t, c, "user:", live)
	led.load(t, c, "other:", 500)
	gone := newLedger()
	gone.load(t, c, "user:gone", 20)
	for key := range gone.versions {
		if err := c.Delete(t.Context(), key, atAll); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Set(t.Context(), "user:brief", []byte("x"), client.WithTTL(time.Millisecond), atAll); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has expired", func() bool { _, err := c.Get(t.Context(), "user:brief"); return err == client.ErrNotFound })
	for _, n := range nodes {
		raw := dialHello(t, n.Addr())
		got := scanAll(t, raw, "user:", func() {})
		if len(got) != live {
			t.Errorf("%s tells %d keys, want %d", n.cfg.Name, len(got), live)
		}
		for key, times := range got {
			if _, written := led.versions[key]; !written || times != 1 {
				t.Fatalf("%s tells %q %d times", n.cfg.Name, key, times)
			}
		}
		if all := scanAll(t, raw, "", func() {}); len(all) != live+500 {
			t.Errorf("without a prefix %s tells %d keys, want %d", n.cfg.Name, len(all), live+500)
		}
	}

	// A key that is there all the time is told, whatever happens around it and whoever tells.
	raw := dialHello(t, nodes[1].Addr())
	churned, pages := newLedger(), 0
	got := scanAll(t, raw, "user:", func() {
		if pages++; pages == 1 {
			nodes[3].kill()
		}
		for i := range 20 {
			_ = churned.set(t, c, fmt.Sprint("user:churn", pages, "-", i))
		}
	})
	for key := range led.versions {
		if key[:5] == "user:" && got[key] == 0 {
			t.Fatalf("%q was not told", key)
		}
	}
}

func TestABadScanCursorIsRefusedByName(t *testing.T) {
	n := start(t, testConfig(t, "n1"))
	raw := dialHello(t, n.Addr())
	for _, cursor := range [][]byte{{1}, bytes.Repeat([]byte{255}, 27), wire.ScanCursor{Partition: 1 << 30}.Append(nil)} {
		if r := raw.ask(&wire.Request{Op: wire.OpScan, ID: 9, Key: cursor}); r.Status != wire.StatusBadRequest || r.ID != 9 {
			t.Errorf("%x is answered %+v", cursor, r)
		}
	}
	// A position in another node's memory, or in none, is the beginning of the partition.
	c := dial(t, n)
	for _, key := range []string{"{k}1", "{k}2", "{k}3"} {
		if err := c.Set(t.Context(), key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	where, err := n.where("", []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	cursor := wire.ScanCursor{Partition: where.Partition, At: 1}.Append(nil)
	if r := raw.ask(&wire.Request{Op: wire.OpScan, ID: 9, Key: cursor}); len(r.Items) != 3 {
		t.Errorf("%d of 3 keys are told", len(r.Items))
	}
}

func TestAHeadTellsOfAValueWithoutIt(t *testing.T) {
	n := start(t, testConfig(t, "n1"))
	c, raw := dial(t, n), dialHello(t, n.Addr())
	if err := c.Set(t.Context(), "k", []byte("v"), client.WithTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	want, err := c.GetItem(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	r := raw.ask(&wire.Request{Op: wire.OpHead, ID: 3, Key: []byte("k")})
	if r.Status != wire.StatusOK || len(r.Value) != 0 || r.Stamp != want.Stamp || r.Deadline != want.Deadline.UnixMilli() {
		t.Errorf("%+v, want all of %+v but the value", r, want)
	}
	if r := raw.ask(&wire.Request{Op: wire.OpHead, ID: 4, Key: []byte("none")}); r.Status != wire.StatusNotFound {
		t.Errorf("a key that is not there: %+v", r)
	}
}

package bench

import (
	"bytes"
	"compress/gzip"
	"container/list"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// generated is a trace whose popular keys change over time, so that both recency and frequency count.
func generated(requests int) []uint64 {
	random := seeded()
	z := newZipf(3000, 0.9)
	trace := make([]uint64, requests)
	for i := range trace {
		drift := uint64(i / 100)
		trace[i] = (z.rank(random.Float64())*2654435761 + drift) % 4000
	}
	return trace
}

// packed is a trace as a file has it.
func packed(trace []uint64) []byte {
	var raw []byte
	for _, k := range trace {
		raw = binary.LittleEndian.AppendUint64(raw, k)
	}
	return zipped(raw)
}

func zipped(raw []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(raw)
	_ = w.Close()
	return b.Bytes()
}

func TestTracesAreReadWholeOrInPart(t *testing.T) {
	want := generated(5000)
	path := filepath.Join(t.TempDir(), "t.gz")
	if err := os.WriteFile(path, packed(want), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{0, 1, 4999, 5000, 5001} {
		got, err := ReadTrace(path, most)
		if n := min(most, 5000); err != nil || most > 0 && len(got) != n || most == 0 && len(got) != 5000 {
			t.Fatal(most, len(got), err)
		}
		for i, k := range got {
			if k != want[i] {
				t.Fatal(i, k, want[i])
			}
		}
	}
}

func TestBadTracesAreSaidToBeSo(t *testing.T) {
	good := packed(generated(3000))
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for want, file := range map[string][]byte{
		"it is empty":                            {},
		"it is not gzip":                         []byte("key,op\n1,get\n"),
		"it holds no requests":                   zipped(nil),
		"it is cut off or damaged after":         good[:len(good)/2],
		"its checksum is wrong, after":           damaged,
		"3 bytes follow its 2 requests":          zipped(make([]byte, 19)),
		"5 bytes follow its 0 requests":          zipped(make([]byte, 5)),
		"cut off or damaged after 3000 requests": good[:len(good)-4],
	} {
		path := filepath.Join(t.TempDir(), "t.gz")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadTrace(path, 0)
		bad, ok := errors.AsType[*TraceError](err)
		if !ok || !strings.Contains(bad.Reason, want) || strings.Contains(err.Error(), "\n") || bad.Path != path {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := ReadTrace(filepath.Join(t.TempDir(), "none"), 0); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// lru is how many requests of a trace an exact cache of so many entries hits.
func lru(trace []uint64, entries int) (hits int) {
	order, at := list.New(), map[uint64]*list.Element{}
	for _, k := range trace {
		if e, ok := at[k]; ok {
			hits++
			order.MoveToFront(e)
			continue
		}
		at[k] = order.PushFront(k)
		if order.Len() > entries {
			delete(at, order.Remove(order.Back()).(uint64))
		}
	}
	return hits
}

// sized starts a node whose storage is what fit says.
func sized(t *testing.T, fit Fit, shards int) *server.Node {
	t.Helper()
	n, err := server.Start(t.Context(), server.Config{
		Name: "n1", ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), Memory: server.MemoryOf(fit.StorageBytes, 256), Partitions: 256, Shards: shards, Replicas: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	return n
}

// The cluster is the cache: one that holds a tenth of the keys hits what the storage engine does with as many, though
// requests overlap.
func TestReplayHitsWhatACacheOfThatSizeDoes(t *testing.T) {
	trace := generated(8000)
	const valueBytes = 30_000
	keys := Unique(trace)
	fit, err := FitShare(keys, 0.1, valueBytes, 256)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := HitRatio(t.Context(), HitRatioConfig{Trace: trace, SizesPercent: []float64{10}})
	if err != nil || alone.Points[0].Entries != fit.Entries {
		t.Fatalf("%+v, %v, want %d entries", alone, err, fit.Entries)
	}
	want := alone.Points[0].HitRatio.Shoal
	for _, c := range []struct {
		shards, window int
		near           float64
	}{{1, 1, 0.01}, {1, 32, 0.01}, {4, 32, 0.03}} { // four shards are four caches of a quarter each
		if testing.Short() && c.shards == 1 {
			continue
		}
		n := sized(t, fit, c.shards)
		r, err := Replay(t.Context(), ReplayConfig{Addrs: []string{n.Addr()}, Trace: trace, ValueBytes: valueBytes, Window: c.window})
		if err != nil {
			t.Fatal(err)
		}
		held := n.Stats()
		t.Logf("%+v: %.4f, a cache of %d entries %.4f; %d keys held", c, r.HitRatio, fit.Entries, want, held.Keys)
		if r.Requests != uint64(len(trace)) || r.Unique != keys || r.Hits+r.Misses != r.Requests || r.Sets != r.Misses || r.FailedGets+r.FailedSets != 0 {
			t.Errorf("%+v", r)
		}
		if math.Abs(r.HitRatio-want) > c.near {
			t.Errorf("%+v: %.4f, want %.4f", c, r.HitRatio, want)
		}
		if off := float64(held.Keys)/float64(fit.Entries) - 1; math.Abs(off) > 0.02 {
			t.Errorf("%+v: %d entries were to fit, %d are held", c, fit.Entries, held.Keys)
		}
	}
}

func TestFitCountsRecordsAndTheGhostsOfTheOthers(t *testing.T) {
	record, ghost, err := footprint(1000, shardLeast)
	if err != nil || record < 1000+int64(len(traceKey(nil, 0))) || ghost <= 0 || ghost >= record {
		t.Fatal(record, ghost, err)
	}
	index := func(entries int) int64 { return storage.IndexBytes(entries, 1) }
	for _, c := range []struct {
		unique  int
		share   float64
		entries int
		bytes   int64
	}{
		{1000, 1, 1000, 1000*record + index(1000)},
		{1000, 0.9, 900, 900*record + index(900) + 100*ghost},
		{1000, 0.01, 10, (10*record + index(10)) * 10 / 9}, // ghosts stop at a tenth of all
		{3, 0.1, 1, record + index(1) + 2*ghost},
	} {
		f, err := FitShare(c.unique, c.share, 1000, 1)
		if err != nil || f.Entries != c.entries || f.StorageBytes != storage.BytesFor(c.bytes) {
			t.Errorf("%+v: %+v, %v", c, f, err)
		}
	}
	for _, share := range []float64{0, -1, 1.1, math.NaN()} {
		if _, err := FitShare(1000, share, 1000, 1); !errors.Is(err, ErrConfig) {
			t.Error(share, err)
		}
	}
	if _, err := FitShare(1000, 1, 18<<20, 1); err == nil {
		t.Error("a value that fits nowhere")
	}
}

// Requests begin in the order of the trace, no two of a key are under way at once, and never more than the window.
func TestReplayKeepsTheOrderOfTheTrace(t *testing.T) {
	trace := generated(3000)
	var mu sync.Mutex
	held, underway := map[string]bool{}, map[string]bool{}
	gets := map[uint64]int{}
	addr := fake(t, func(q *wire.Request) *wire.Response {
		mu.Lock()
		defer mu.Unlock()
		p, key := &wire.Response{ID: q.ID}, string(q.Key)
		if q.Op == wire.OpGet {
			if underway[key] {
				t.Errorf("%s is looked up before it is set", key)
			}
			var k uint64
			if _, err := fmt.Sscanf(key, tracePrefix+"%x", &k); err != nil {
				t.Error(err)
			}
			gets[k]++
			if !held[key] {
				p.Status, underway[key] = wire.StatusNotFound, true
			}
			return p
		}
		delete(underway, key)
		held[key] = true
		return p
	})
	r, err := Replay(t.Context(), ReplayConfig{Addrs: []string{addr}, Trace: trace, ValueBytes: 10, Window: 8, Conns: 3})
	if err != nil {
		t.Fatal(err)
	}
	if want := lru(trace, len(trace)); r.Hits != uint64(want) || r.Sets != uint64(Unique(trace)) || len(underway) > 0 {
		t.Fatalf("%d hits, want %d; %d sets, %d of them missing", r.Hits, want, r.Sets, len(underway))
	}
	for _, k := range trace {
		gets[k]--
	}
	for k, n := range gets {
		if n != 0 {
			t.Errorf("key %d: %d lookups too many", k, n)
		}
	}
}

func TestReplayCountsWhatFails(t *testing.T) {
	trace := []uint64{1, 2, 3, 4}
	addr := fake(t, func(q *wire.Request) *wire.Response {
		p := &wire.Response{ID: q.ID}
		switch {
		case bytes.HasSuffix(q.Key, []byte("1")):
			p.Status = wire.StatusTimeout
		case bytes.HasSuffix(q.Key, []byte("2")):
			p.Status = wire.StatusNotFound
			if q.Op == wire.OpSet {
				p.Status = wire.StatusQuorum
			}
		}
		return p
	})
	r, err := Replay(t.Context(), ReplayConfig{Addrs: []string{addr}, Trace: trace})
	if err != nil || r.Requests != 4 || r.Hits != 2 || r.Misses != 1 || r.Sets != 1 || r.Indeterminate != 1 || r.FailedGets != 1 || r.FailedSets != 1 || r.Errors["quorum"] != 1 || math.Abs(r.HitRatio-2.0/3) > 1e-9 {
		t.Fatalf("%+v, %v", r, err)
	}
	r.Get, r.Set, r.Generator, r.Series, r.Seconds, r.PerSecond = Latency{}, Latency{}, Generator{}, nil, 0, 0
	b, _ := json.Marshal(r)
	const want = `{"conns":4,"window":32,"value_bytes":1000,"seconds":0,"requests":4,"unique_keys":4,"hits":2,"misses":1,"hit_ratio":0.6666666666666666,"sets":1,"failed_gets":1,"failed_sets":1,"requests_per_second":0,"get_latency":`
	if !strings.HasPrefix(string(b), want) {
		t.Fatalf("%s", b)
	}
}

func TestReplayEndsEarlyWithAReason(t *testing.T) {
	n := 0
	addr := fake(t, func(q *wire.Request) *wire.Response {
		if n++; n > 100 {
			return nil
		}
		return &wire.Response{ID: q.ID}
	})
	r, err := Replay(t.Context(), ReplayConfig{Addrs: []string{addr}, Trace: generated(1000), Conns: 1})
	if err == nil || !strings.Contains(err.Error(), "broke") || r.Requests > 100 {
		t.Fatal(r.Requests, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	addr = fake(t, func(*wire.Request) *wire.Response {
		cancel()
		<-t.Context().Done()
		return nil
	})
	if _, err := Replay(ctx, ReplayConfig{Addrs: []string{addr}, Trace: generated(1000)}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	addr = fake(t, func(*wire.Request) *wire.Response { return &wire.Response{ID: 1 << 40} })
	if _, err := Replay(t.Context(), ReplayConfig{Addrs: []string{addr}, Trace: generated(1000)}); err == nil || !strings.Contains(err.Error(), "mixes up") {
		t.Fatal(err)
	}
}

func TestReplayValidatesItsConfig(t *testing.T) {
	err := ReplayConfig{Addrs: []string{"nowhere"}, Conns: -1, Window: WindowMax + 1, ValueBytes: 1 << 30, Timeout: 1, Level: wire.LevelExplicit}.Validate()
	for _, want := range []string{"nowhere", "conns -1", "window 4097", "value bytes", "no trace", "timeout 1ns", "explicit", "under way"} {
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %q in:\n%v", want, err)
		}
	}
	if _, err := Replay(t.Context(), ReplayConfig{}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}

package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// inform answers what is asked about the node and not about a key's value.
func (n *Node) inform(r *wire.Request) wire.Response {
	resp := wire.Response{ID: r.ID}
	var err error
	switch r.Op {
	case wire.OpPing:
	case wire.OpMap:
		resp.Value = *n.bytes.Load()
	case wire.OpWhere:
		if len(r.Key) == 0 || len(r.Key) > n.cfg.Limits.Key {
			resp.Status = wire.StatusBadRequest
			resp.Err = &wire.Error{Op: r.Op, Text: "the key is empty or too long"}
			break
		}
		var where *wire.Where
		if where, err = n.where(r.Namespace, r.Key); err == nil {
			resp.Value, err = wire.EncodeDocument(where)
		}
	case wire.OpStats:
		resp.Value, err = wire.EncodeDocument(n.Stats())
	case wire.OpRepair:
		var state *wire.RepairState
		if state, err = n.repair(r.Value); err == nil {
			resp.Value, err = wire.EncodeDocument(state)
		}
	case wire.OpHandOver:
		var state *wire.HandOverState
		if state, err = n.handOver(r.Value); err == nil {
			resp.Value, err = wire.EncodeDocument(state)
		}
	default:
		resp.Status = wire.StatusBadRequest
		resp.Err = &wire.Error{Op: r.Op, Text: "this node does not know that operation"}
	}
	if err != nil {
		resp.Status = wire.StatusInternal
		resp.Err = &wire.Error{Op: r.Op, Text: err.Error()}
		if missing, ok := errors.AsType[*wire.NamespaceError](err); ok {
			resp.Status, resp.Err.Text = wire.StatusNoNamespace, missing.Text
		} else if bad, ok := errors.AsType[*wire.BadRequestError](err); ok {
			resp.Status, resp.Err.Text = wire.StatusBadRequest, bad.Text
		}
	}
	return resp
}

// where says on which nodes a key of a namespace lives.
func (n *Node) where(namespace string, key []byte) (*wire.Where, error) {
	v := n.view.Load()
	replicas, err := v.Replicas(namespace)
	if err != nil {
		return nil, err
	}
	slot := ring.Slot(key)
	w := &wire.Where{Slot: slot, Partition: v.Table.Partition(slot)}
	for _, x := range v.Table.List(w.Partition) {
		node := &v.Table.Nodes()[x.Node]
		seat := wire.Seat{
			Node: node.ID, Name: node.Name, Addr: node.ClientAddr, Datacenter: node.Datacenter, Rack: node.Rack, Alive: v.UpAt(x.Node),
		}
		if x.Holds(replicas) {
			w.Owners = append(w.Owners, seat)
		} else {
			w.Fallbacks = append(w.Fallbacks, seat)
		}
	}
	return w, nil
}

func nodesUp(v *replica.View) (up int) {
	for i := range v.Table.Nodes() {
		if v.UpAt(uint16(i)) {
			up++
		}
	}
	return up
}

// Stats is what the node says about itself.
func (n *Node) Stats() *wire.NodeStats {
	var t replica.Stats
	var found []replica.Comparison
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		s.Add(&t)
		found = s.Comparisons(nil, found)
		s.mu.Unlock()
	}
	v := n.view.Load()
	uptime := n.clock.now().Mono
	n.mu.Lock()
	rate, p50, p99 := n.meter.read(uptime)
	n.mu.Unlock()
	s := &wire.NodeStats{
		Node: n.self.Node, Boot: n.self.Boot, Name: n.cfg.Name, Version: n.cfg.Version,
		ClientAddr: n.me.ClientAddr, Datacenter: n.cfg.Datacenter, Rack: n.cfg.Rack, State: "active",
		MapHash: v.Hash, Nodes: len(v.Table.Nodes()), NodesUp: nodesUp(v), UptimeMillis: uptime.Milliseconds(),
		MemoryLimit: t.Storage.BytesMax, MemoryUsed: t.Storage.BytesUsed, Policy: n.cfg.Policy, OutOfMemory: t.ShardStats.Full, Keys: int64(t.Storage.Keys),
		OpsPerSecond: rate, P50Micros: p50.Microseconds(), P99Micros: p99.Microseconds(), HintsOwed: int64(t.Hints.Owed), HandsOver: t.HandsOver,
		Conflicts: int64(t.Storage.Conflicts) + t.ShardStats.Conflicts, SiblingsCollapsed: t.Collapsed,
		PartitionsOwned: int64(t.Owned), PartitionsRecovering: int64(t.Recovering),
		RecoveryPartitions: int64(t.Recovery.Partitions), RecoveryBytes: t.Recovery.Bytes, RecoveryTookMillis: t.Recovery.Took.Milliseconds(),
		RecoveryLeftMillis: t.Recovery.Left.Milliseconds(), Goroutines: runtime.NumGoroutine(),
		Mallocs: mallocs(), Comparisons: comparisons(v, found, uptime),
	}
	if i, ok := v.Table.Index(n.self.Node); ok {
		s.Share = v.Table.Share(i)
		if st := v.Table.Nodes()[i].State; st != ring.Active {
			s.State = st.String()
		}
	}
	if t.Recovering > 0 && s.State == "active" {
		s.State = "recovering"
	}
	if n.readonly.Load() {
		s.State = "readonly"
	}
	links, owed := n.linkStats(), counted(t.Hints)
	logged := n.logged.Load()
	if logged != nil {
		maps.Copy(owed, counted(logged.stats))
	}
	s.Hints = n.debts(t.Debts, logged)
	s.Packages = map[string]map[string]any{
		"replica": counted(t.ShardStats), "storage": counted(t.Storage), "hints": owed, "exchange": counted(t.Exchange), "background": counted(t.Background), "gossip": counted(n.gossip.Stats()),
		"server": links,
	}
	return s
}

// mallocs counts what the process has allocated; unlike runtime.ReadMemStats it stops nothing.
func mallocs() uint64 {
	counts := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(counts)
	return counts[0].Value.Uint64() + counts[1].Value.Uint64()
}

// linkStats are the shell's own counts.
func (n *Node) linkStats() map[string]any {
	n.linksMu.RLock()
	connected, held := 0, 0
	for _, l := range n.links {
		if _, ok := l.connected(); ok {
			connected++
		}
		held += l.held()
	}
	links := len(n.links)
	n.linksMu.RUnlock()
	c := &n.counts
	return map[string]any{
		"links": links, "links_connected": connected, "link_bytes_queued": held, "link_bytes_max": n.cfg.tuning.linkBytes, "clients": n.callerCount(),
		"clients_max": n.clientsMax, "bad_bytes": c.badBytes.Load(), "messages_undelivered": c.undelivered.Load(),
		"clients_cut_off": c.clientsCut.Load(), "connections_refused": c.refused.Load(), "cross_protocol": c.crossProtocol.Load(),
		"requests": n.meter.answered.Load(), "ceiling_ms": n.promised().Millis(), "ceilings_failed": c.ceilingsFailed.Load(),
		"records_forced": n.arena.Forced(),
	}
}

// counted turns a package's Stats into a document, by its JSON names.
func counted(stats any) map[string]any {
	var m map[string]any
	b, err := json.Marshal(stats)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil { // a Stats is plain numbers
		panic(err)
	}
	for k, v := range m {
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			m[k] = int64(f)
		}
	}
	return m
}

// serveAdmin serves health and profiles over HTTP.
func (n *Node) serveAdmin() {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := n.Stats()
		if s.State != "active" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if _, _ = w.Write([]byte(s.State + "\n")); s.PartitionsRecovering > 0 {
			_, _ = fmt.Fprintf(w, "%d of %d partitions to go\n", s.PartitionsRecovering, s.RecoveryPartitions)
		}
	})
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(n.Stats())
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	n.wg.Go(func() {
		<-n.ctx.Done()
		_ = s.Close()
	})
	_ = s.Serve(n.admin)
}

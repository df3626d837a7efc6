package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// trio is three nodes that own every key, on links that lose nothing: what is sent arrives at once, under the map that
// its sender has then.
type trio struct {
	*testing.T
	nodes   [3]*Node
	now     time.Duration
	answers []wire.Response
	cut     bool // all that nodes send to each other is lost
}

func newTrio(t *testing.T) *trio {
	w := &trio{T: t}
	for i := range w.nodes {
		w.nodes[i] = founded(t, uint64(i+1), 3)
	}
	return w
}

// change lets node i change a namespace, and no other node hear of it.
func (w *trio) change(i int, c wire.NamespaceChange) (ring.Namespace, error) {
	w.Helper()
	ns, changed, err := w.nodes[i].ChangeNamespace(&c)
	if changed {
		w.view(i)
	}
	return ns, err
}

// tell gives the map of node i to node j.
func (w *trio) tell(i, j int) {
	w.Helper()
	if changed, err := w.nodes[j].Merge(w.nodes[i].View().Map); err != nil {
		w.Fatal(err)
	} else if changed {
		w.view(j)
	}
}

// everywhere changes a namespace on all nodes.
func (w *trio) everywhere(c wire.NamespaceChange) {
	w.Helper()
	if _, err := w.change(0, c); err != nil {
		w.Fatal(err)
	}
	w.tell(0, 1)
	w.tell(0, 2)
}

func (w *trio) view(i int) {
	var out Outbox
	w.nodes[i].Shards()[0].SetView(recoverNow(w.now), w.nodes[i].View(), &out)
	w.carry(i, &out)
}

// ask is a call at node i, and what comes of it; it fails after its deadline.
func (w *trio) ask(i int, r wire.Request) wire.Response {
	w.Helper()
	w.begin(i, r)
	for n := 0; len(w.answers) == 0; n++ {
		w.tick()
		if n > 100 {
			w.Fatalf("%v is not answered", r.Op)
		}
	}
	return w.answers[0]
}

func (w *trio) begin(i int, r wire.Request) {
	w.answers = nil
	r.ID = 1
	k, shard := w.nodes[i].Locate(w.nodes[i].View(), &r)
	var out Outbox
	w.nodes[i].Shards()[shard].Request(recoverNow(w.now), k, coordinator.Client{Conn: 1, ID: 1}, &r, wire.AppendRequest(nil, &r)[wire.FrameHeader:], &out)
	w.carry(i, &out)
}

func (w *trio) tick() {
	w.now += 100 * time.Millisecond
	for i := range w.nodes {
		var out Outbox
		w.nodes[i].Shards()[0].SetCeiling(vclock.StampAt(recoverNow(w.now).Wall + 60_000))
		w.nodes[i].Shards()[0].Tick(recoverNow(w.now), &out)
		w.carry(i, &out)
	}
}

// carry brings what node i wants sent to where it goes, and what that leads to.
func (w *trio) carry(i int, out *Outbox) {
	limits := wire.DefaultLimits()
	for _, p := range out.Conns {
		var resp wire.Response
		frame, _, err := wire.NextFrame(p.Frames, &limits)
		if err == nil {
			err = wire.DecodeResponse(frame, &resp, &limits)
		}
		if err != nil {
			w.Fatal(err)
		}
		w.answers = append(w.answers, resp)
	}
	if w.cut {
		return
	}
	under := w.nodes[i].View().Placement
	for j, n := range w.nodes {
		for _, m := range messages(w.T, out, uint64(j+1)) {
			var r wire.Request
			if k, shard, ok := n.Route(n.View(), &m, &r); ok {
				var next Outbox
				n.Shards()[shard].Receive(recoverNow(w.now), uint64(i+1), under, k, &m, &r, &next)
				w.carry(j, &next)
			}
		}
	}
}

func (w *trio) set(i int, namespace, key, value string) wire.Status {
	w.Helper()
	return w.ask(i, wire.Request{Op: wire.OpSet, Key: []byte(key), Value: []byte(value), Namespace: namespace}).Status
}

// get is a value, or what there is instead.
func (w *trio) get(i int, namespace, key string) string {
	w.Helper()
	switch resp := w.ask(i, wire.Request{Op: wire.OpGet, Key: []byte(key), Namespace: namespace}); resp.Status {
	case wire.StatusOK:
		return string(resp.Value)
	case wire.StatusNotFound:
		return "nothing"
	default:
		return resp.AsError().Error()
	}
}

// scan is the keys that node i tells of a namespace, sorted.
func (w *trio) scan(i int, namespace, prefix string) []string {
	var keys []string
	var cursor []byte
	for {
		resp := w.ask(i, wire.Request{Op: wire.OpScan, Key: cursor, Value: []byte(prefix), Namespace: namespace})
		if err := resp.AsError(); err != nil {
			w.Fatal(err)
		}
		for _, it := range resp.Items {
			keys = append(keys, string(it.Value))
		}
		if cursor = resp.Value; len(cursor) == 0 {
			slices.Sort(keys)
			return keys
		}
	}
}

func create(name string) wire.NamespaceChange {
	return wire.NamespaceChange{Action: wire.NamespaceCreate, Name: name}
}

func TestKeysOfTwoNamespacesNeverMeet(t *testing.T) {
	w := newTrio(t)
	w.everywhere(create("a"))
	w.everywhere(create("b"))
	id := w.nodes[0].View().Map.Namespace("a").ID(w.nodes[0].cfg.Hash)
	keys := []string{"k", "\x00", "\x00k", "{tag}k", string(ring.AppendInnerKey(nil, id, []byte("k")))}
	for _, key := range keys {
		for _, ns := range []string{"", "a", "b"} {
			if got := w.set(0, ns, key, ns+" "+key); got != wire.StatusOK {
				t.Fatalf("set of %q in %q: status %d", key, ns, got)
			}
		}
	}
	slices.Sort(keys)
	for i := range w.nodes {
		for _, ns := range []string{"", "a", "b"} {
			for _, key := range keys {
				if got := w.get(i, ns, key); got != ns+" "+key {
					t.Errorf("n%d has %q for %q in %q", i+1, got, key, ns)
				}
			}
			if got := w.scan(i, ns, ""); !slices.Equal(got, keys) {
				t.Errorf("n%d tells %q of %q, want %q", i+1, got, ns, keys)
			}
			if got := w.scan(i, ns, "\x00"); len(got) != 3 {
				t.Errorf("n%d tells %q with the prefix 0x00", i+1, got)
			}
		}
	}
	if got := w.get(1, "default", "k"); got != " k" {
		t.Errorf("the default namespace by its name has %q", got)
	}
	if got := w.ask(2, wire.Request{Op: wire.OpDelete, Key: []byte("k"), Namespace: "a"}).Status; got != wire.StatusOK {
		t.Errorf("delete: status %d", got)
	}
	if a, b := w.get(0, "a", "k"), w.get(0, "b", "k"); a != "nothing" || b != "b k" {
		t.Errorf("after a delete in a, a has %q and b %q", a, b)
	}
}

// A namespace changes who may have a key, not where it lies: Redis' clients compute the slot.
func TestAKeyIsInTheSamePartitionInEveryNamespace(t *testing.T) {
	n := founded(t, 1, 3)
	for _, key := range []string{"k", "{tag}k", "\x00{tag}k"} {
		k, _ := n.Locate(n.View(), &wire.Request{Op: wire.OpGet, Key: []byte(key), Namespace: "a"})
		for _, id := range []uint64{0, 1, 1 << 63} {
			inner, _ := n.Key(n.View(), ring.AppendInnerKey(nil, id, []byte(key)))
			if inner.Partition != k.Partition {
				t.Errorf("%q in %d is in partition %d, not %d", key, id, inner.Partition, k.Partition)
			}
		}
	}
}

func TestAFlushIsTotalAndOfItsNamespaceAlone(t *testing.T) {
	for _, flushed := range []string{"default", "a"} {
		w := newTrio(t)
		w.everywhere(create("a"))
		for i := range 50 {
			for _, ns := range []string{"default", "a"} {
				w.set(i%3, ns, fmt.Sprint("k", i), "old")
			}
		}
		w.set(0, flushed, "\x00k", "old")
		w.everywhere(wire.NamespaceChange{Action: wire.NamespaceFlush, Name: flushed})
		other := map[string]string{"default": "a", "a": "default"}[flushed]
		for i := range w.nodes {
			if got := w.scan(i, flushed, ""); len(got) != 0 {
				t.Errorf("after a flush of %s n%d tells %q", flushed, i+1, got)
			}
			if got := w.scan(i, other, ""); len(got) != 50 {
				t.Errorf("after a flush of %s n%d tells %d keys of %s", flushed, i+1, len(got), other)
			}
			if a, b, c := w.get(i, flushed, "k1"), w.get(i, flushed, "\x00k"), w.get(i, other, "k1"); a != "nothing" || b != "nothing" || c != "old" {
				t.Errorf("after a flush of %s n%d has %q, %q and %q", flushed, i+1, a, b, c)
			}
		}
		if w.set(0, flushed, "k1", "new"); w.get(1, flushed, "k1") != "new" {
			t.Errorf("%s takes no keys after its flush", flushed)
		}
	}
}

// Memory of epochs that are over comes back with time, and nothing else goes.
func TestWhatWasFlushedIsSwept(t *testing.T) {
	w := newTrio(t)
	w.everywhere(create("a"))
	for i := range 300 {
		w.set(0, "", fmt.Sprint("k", i), strings.Repeat("v", 100))
		w.set(0, "a", fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	before := w.nodes[1].Shards()[0].store.Stats()
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceDrop, Name: "a"})
	for range 20 {
		w.tick()
	}
	after := w.nodes[1].Shards()[0].store.Stats()
	if before.Keys != 600 || after.Keys != 300 || after.Swept != 300 || after.Ghosts != before.Ghosts || after.BytesUsed > before.BytesUsed*6/10 {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceFlush, Name: "default"})
	for range 20 {
		w.tick()
	}
	if after := w.nodes[1].Shards()[0].store.Stats(); after.Keys != 0 {
		t.Errorf("after a flush of all: %+v", after)
	}
}

// Who has not heard of a flush gets no old key from those that have.
func TestANodeWithTheOldMapCannotReadOldKeysAtQuorum(t *testing.T) {
	for _, ns := range []string{"default", "a"} {
		w := newTrio(t)
		w.everywhere(create("a"))
		w.set(0, ns, "k", "old")
		if _, err := w.change(0, wire.NamespaceChange{Action: wire.NamespaceFlush, Name: ns}); err != nil {
			t.Fatal(err)
		}
		w.tell(0, 1)
		var quorum *wire.QuorumError
		resp := w.ask(2, wire.Request{Op: wire.OpGet, Key: []byte("k"), Namespace: ns, Level: wire.LevelQuorum})
		if err := resp.AsError(); !errors.As(err, &quorum) || quorum.Got != 1 {
			t.Errorf("%s: it read %q, %v", ns, resp.Value, err)
		}
		resp = w.ask(2, wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: []byte("late"), Namespace: ns, Level: wire.LevelQuorum})
		if err := resp.AsError(); !errors.As(err, &quorum) || !quorum.Indeterminate {
			t.Errorf("%s: it wrote: %v", ns, err)
		}
		w.tell(0, 2)
		if got := w.get(2, ns, "k"); got != "nothing" {
			t.Errorf("%s: once it has heard of the flush it has %q", ns, got)
		}
	}
}

func TestAWriteUnderWayWhenItsNamespaceIsDroppedFailsAndNothingOfItComesBack(t *testing.T) {
	w := newTrio(t)
	w.everywhere(create("a"))
	w.cut = true // so that the write is sent anew, under the map of the drop
	w.begin(0, wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: []byte("v"), Namespace: "a"})
	w.cut = false
	if _, err := w.change(1, wire.NamespaceChange{Action: wire.NamespaceDrop, Name: "a"}); err != nil {
		t.Fatal(err)
	}
	w.tell(1, 2)
	w.tell(1, 0)
	for len(w.answers) == 0 {
		w.tick()
	}
	var quorum *wire.QuorumError
	if err := w.answers[0].AsError(); !errors.As(err, &quorum) || !quorum.Indeterminate {
		t.Errorf("it is answered %v", err)
	}
	for _, op := range []wire.Op{wire.OpGet, wire.OpSet, wire.OpTouch, wire.OpScan} {
		r := wire.Request{Op: op, Namespace: "a"}
		if op != wire.OpScan {
			r.Key = []byte("k")
		}
		var missing *wire.NamespaceError
		resp := w.ask(0, r)
		if err := resp.AsError(); !errors.As(err, &missing) || err.Error() != fmt.Sprintf(`wire: %v: no namespace "a": create it with shoal namespace create a`, op) {
			t.Errorf("in the dropped namespace: %v", err)
		}
	}
	w.everywhere(create("a"))
	for i := range w.nodes {
		if got := w.get(i, "a", "k"); got != "nothing" {
			t.Errorf("created again, n%d has %q", i+1, got)
		}
	}
}

// A hint of a key that was flushed goes: it would be refused for ever.
func TestNoHintIsOwedOfWhatWasFlushed(t *testing.T) {
	w := newTrio(t)
	w.everywhere(create("a"))
	n := w.nodes[0]
	n.SetUp(3, false)
	w.view(0)
	for i := range 10 {
		w.set(0, "a", fmt.Sprint("k", i), "v")
		w.set(0, "", fmt.Sprint("k", i), "v")
	}
	if got := n.Shards()[0].hints.OwedTo(3); got != 20 {
		t.Fatalf("%d hints are owed", got)
	}
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceFlush, Name: "a"})
	if got := n.Shards()[0].hints.OwedTo(3); got != 10 {
		t.Errorf("%d hints are owed after the flush", got)
	}
}

func TestSiblingsAreKeptInANamespaceOfThatModeAlone(t *testing.T) {
	w := newTrio(t)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", Mode: "siblings"})
	w.set(0, "a", "k", "one")
	seen := slices.Clone(w.ask(0, wire.Request{Op: wire.OpGet, Key: []byte("k"), Siblings: true, Namespace: "a"}).Context)
	for i, value := range []string{"two", "three"} { // both by who has seen the first alone
		r := wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: []byte(value), Context: seen, Namespace: "a"}
		if got := w.ask(i, r); got.Status != wire.StatusOK {
			t.Errorf("set with a context: %v", got.AsError())
		}
		r.Namespace = ""
		if got := w.ask(i, r); got.Status != wire.StatusBadRequest {
			t.Errorf("set with a context in the default namespace: status %d", got.Status)
		}
	}
	if got := w.ask(2, wire.Request{Op: wire.OpGet, Key: []byte("k"), Siblings: true, Namespace: "a"}); len(got.Items) != 2 {
		t.Errorf("a get has %+v", got.Items)
	}
}

// A context is of one key in one namespace and epoch.
func TestAContextOfBeforeAFlushIsRefused(t *testing.T) {
	w := newTrio(t)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", Mode: "siblings"})
	w.set(0, "a", "k", "one")
	seen := slices.Clone(w.ask(0, wire.Request{Op: wire.OpGet, Key: []byte("k"), Siblings: true, Namespace: "a"}).Context)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceFlush, Name: "a"})
	if got := w.ask(0, wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: []byte("two"), Context: seen, Namespace: "a"}); len(seen) == 0 || got.Status != wire.StatusContext {
		t.Errorf("with the context %x: %+v", seen, got)
	}
}

func TestACounterThatIsMadeHasTheTTLOfItsNamespace(t *testing.T) {
	w := newTrio(t)
	ttl := int64(60_000)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", TTL: &ttl})
	wall := recoverNow(w.now).Wall
	w.ask(0, wire.Request{Op: wire.OpIncr, Key: []byte("k"), By: 5, Namespace: "a"})
	if got := w.ask(1, wire.Request{Op: wire.OpGet, Key: []byte("k"), Namespace: "a"}); string(got.Value) != "5" || got.Deadline != wall+ttl {
		t.Errorf("it is %q and lives %d ms", got.Value, got.Deadline-wall)
	}
}

func TestASetWithoutATTLHasThatOfItsNamespace(t *testing.T) {
	w := newTrio(t)
	ttl := int64(60_000)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", TTL: &ttl})
	for _, c := range []struct {
		ns        string
		ttl, want int64
	}{{"a", 0, 60_000}, {"a", 5_000, 5_000}, {"", 0, 0}} {
		wall := recoverNow(w.now).Wall
		w.ask(1, wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: []byte("v"), Namespace: c.ns, TTL: c.ttl})
		got := w.ask(0, wire.Request{Op: wire.OpHead, Key: []byte("k"), Namespace: c.ns}).Deadline
		if c.want > 0 {
			got -= wall
		}
		if got != c.want {
			t.Errorf("in %q with a TTL of %d it lives %d ms, want %d", c.ns, c.ttl, got, c.want)
		}
	}
	w.ask(0, wire.Request{Op: wire.OpTouch, Key: []byte("k"), Namespace: "a"})
	if got := w.ask(0, wire.Request{Op: wire.OpHead, Key: []byte("k"), Namespace: "a"}).Deadline; got != 0 {
		t.Errorf("a touch without a TTL leaves it the deadline %d", got)
	}
}

func TestARequestHasTheLevelsOfItsNamespace(t *testing.T) {
	w := newTrio(t)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", Read: "one", Write: "all"})
	for _, n := range w.nodes[:2] {
		n.SetUp(3, false)
	}
	w.view(0)
	w.view(1)
	var quorum *wire.QuorumError
	resp := w.ask(0, wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: []byte("v"), Namespace: "a"})
	if err := resp.AsError(); !errors.As(err, &quorum) || quorum.Want != 3 {
		t.Errorf("a write: %v", err)
	}
	if got := w.set(0, "", "k", "v"); got != wire.StatusOK {
		t.Errorf("a write in the default namespace: status %d", got)
	}
}

func TestNamespacesCreatedOnBothSidesOfAPartitionBecomeOne(t *testing.T) {
	w := newTrio(t)
	hour, day := int64(3_600_000), int64(86_400_000)
	if _, err := w.change(0, wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", TTL: &hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.change(2, wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "a", TTL: &day, Read: "one"}); err != nil {
		t.Fatal(err)
	}
	w.tell(0, 1)
	w.tell(2, 0)
	w.tell(0, 2)
	w.tell(2, 1)
	first := *w.nodes[0].View().Map.Namespace("a")
	for i, n := range w.nodes {
		if got := *n.View().Map.Namespace("a"); got != first || got.TTL != hour && got.TTL != day {
			t.Errorf("n%d has %+v, n1 %+v", i+1, got, first)
		}
	}
	if w.set(0, "a", "k", "v"); w.get(2, "a", "k") != "v" {
		t.Error("a key of one side is not there on the other")
	}
}

func TestAChangeOfANamespaceIsDoneOrRefusedInWords(t *testing.T) {
	ttl, negative, none := int64(60_000), int64(-1), int64(0)
	for _, c := range []struct {
		what  string
		steps []wire.NamespaceChange
		want  ring.Namespace // or
		says  string
	}{
		{
			what: "created", steps: []wire.NamespaceChange{{Action: "create", Name: "a", Mode: "lww", Replicas: 3, Read: "one", TTL: &ttl}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelOne), Write: uint8(wire.LevelQuorum), Version: 1, TTL: 60_000},
		},
		{
			what: "created twice", steps: []wire.NamespaceChange{{Action: "create", Name: "a", TTL: &ttl}, {Action: "create", Name: "a", TTL: &ttl}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 1, TTL: 60_000},
		},
		{what: "created as another", steps: []wire.NamespaceChange{create("a"), {Action: "create", Name: "a", TTL: &ttl}}, says: "is there with other settings"},
		{
			what: "set", steps: []wire.NamespaceChange{create("a"), {Action: "set", Name: "a", Write: "all", TTL: &ttl}, {Action: "set", Name: "a", TTL: &none}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelAll), Version: 3},
		},
		{
			what: "set to what it is", steps: []wire.NamespaceChange{create("a"), {Action: "set", Name: "a", Read: "quorum"}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 1},
		},
		{
			what: "flushed", steps: []wire.NamespaceChange{create("a"), {Action: "flush", Name: "a"}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 2, Epoch: 1},
		},
		{
			what: "dropped twice", steps: []wire.NamespaceChange{create("a"), {Action: "drop", Name: "a"}, {Action: "drop", Name: "a"}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 2, Epoch: 1, Dropped: true},
		},
		{
			what: "created again", steps: []wire.NamespaceChange{create("a"), {Action: "drop", Name: "a"}, {Action: "create", Name: "a", TTL: &ttl}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 3, Epoch: 2, TTL: 60_000},
		},
		{
			what: "flush of the default one", steps: []wire.NamespaceChange{{Action: "flush", Name: "default"}},
			want: ring.Namespace{Name: "default", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 2, Epoch: 1},
		},
		{what: "drop of the default one", steps: []wire.NamespaceChange{{Action: "drop", Name: "default"}}, says: "cannot be dropped: flush it"},
		{what: "no action", steps: []wire.NamespaceChange{{Name: "default"}}, says: "use one of create, set, flush, drop"},
		{what: "unknown mode", steps: []wire.NamespaceChange{{Action: "create", Name: "a", Mode: "crdt"}}, says: "use one of lww, siblings"},
		{
			what: "siblings", steps: []wire.NamespaceChange{{Action: "create", Name: "a", Mode: "siblings"}},
			want: ring.Namespace{Name: "a", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 1, Mode: ring.Siblings},
		},
		{what: "another mode", steps: []wire.NamespaceChange{create("a"), {Action: "set", Name: "a", Mode: "siblings"}}, says: "cannot be changed"},
		{what: "unknown level", steps: []wire.NamespaceChange{{Action: "create", Name: "a", Read: "most"}}, says: "use one of any, one"},
		{what: "default level", steps: []wire.NamespaceChange{{Action: "create", Name: "a", Read: "default"}}, says: "name another"},
		{what: "other replicas", steps: []wire.NamespaceChange{{Action: "create", Name: "a", Replicas: 4}}, says: "founded with, 3, or fewer"},
		{what: "negative TTL", steps: []wire.NamespaceChange{{Action: "create", Name: "a", TTL: &negative}}, says: "use 1 ms to 100 years"},
		{what: "no name", steps: []wire.NamespaceChange{{Action: "create"}}, says: "no name"},
		{what: "bad name", steps: []wire.NamespaceChange{{Action: "create", Name: "A b"}}, says: "a to z"},
		{what: "long name", steps: []wire.NamespaceChange{{Action: "create", Name: strings.Repeat("a", 65)}}, says: "use at most 64"},
		{what: "nothing to set", steps: []wire.NamespaceChange{create("a"), {Action: "set", Name: "a"}}, says: "nothing to set"},
		{what: "set of what cannot be", steps: []wire.NamespaceChange{{Action: "set", Name: "a\nb", Read: "one"}}, says: `no namespace "a\nb", nor can there be`},
		{what: "set of none", steps: []wire.NamespaceChange{{Action: "set", Name: "a", Read: "one"}}, says: `no namespace "a"`},
		{what: "flush of none", steps: []wire.NamespaceChange{{Action: "flush", Name: "a"}}, says: `no namespace "a"`},
		{what: "flush of a dropped one", steps: []wire.NamespaceChange{create("a"), {Action: "drop", Name: "a"}, {Action: "flush", Name: "a"}}, says: `no namespace "a"`},
		{what: "drop of none", steps: []wire.NamespaceChange{{Action: "drop", Name: "a"}}, says: `no namespace "a"`},
	} {
		n := founded(t, 1, 3)
		var got ring.Namespace
		var err error
		for i := range c.steps {
			before := n.View().Map
			if got, _, err = n.ChangeNamespace(&c.steps[i]); err != nil && n.View().Map != before {
				t.Errorf("%s: the map has changed", c.what)
			}
		}
		if c.says != "" {
			if !(is[*wire.BadRequestError](err) || is[*wire.NamespaceError](err)) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", c.what, err, c.says)
			}
			continue
		}
		if err != nil || got != c.want || *n.View().Map.Namespace(got.Name) != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.what, got, err, c.want)
		}
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestThereIsALimitToNamespacesThatLeavesRoomForTheOtherSideOfAPartition(t *testing.T) {
	n := founded(t, 1, 3)
	for i := 1; i < ring.NamespacesMade; i++ {
		c := create(fmt.Sprint("a", i))
		if _, _, err := n.ChangeNamespace(&c); err != nil {
			t.Fatal(err)
		}
	}
	c := create("more")
	if _, _, err := n.ChangeNamespace(&c); !is[*wire.BadRequestError](err) {
		t.Errorf("one more is created: %v", err)
	}
	if changed, err := n.Merge(n.View().Map.WithNamespace(ring.Namespace{Name: "theirs", Replicas: 3, Version: 1})); !changed || err != nil {
		t.Errorf("one that another node has made: %v, %v", changed, err)
	}
}

// holds is which of the three nodes hold a key of a namespace in their stores.
func (w *trio) holds(namespace, key string) (which []int) {
	for i, n := range w.nodes {
		s := n.Shards()[0]
		k, _ := n.Locate(n.View(), &wire.Request{Op: wire.OpGet, Key: []byte(key)})
		_, k, _ = s.space(k, &wire.Request{Namespace: namespace})
		if set, _ := s.store.Peek(k, recoverNow(w.now).Wall); !set.IsZero() {
			which = append(which, i)
		}
	}
	return which
}

func TestAKeyIsHeldByAsManyNodesAsItsNamespaceHasReplicas(t *testing.T) {
	w := newTrio(t)
	for replicas := uint8(1); replicas <= 3; replicas++ {
		name := fmt.Sprint("r", replicas)
		w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: name, Replicas: replicas})
		for k := range 20 {
			key := fmt.Sprint("k", k)
			for i := range w.nodes { // whoever is asked
				if r := w.ask(i, wire.Request{Op: wire.OpSet, Namespace: name, Key: []byte(key), Value: []byte("v"), Level: wire.LevelAll}); r.Status != wire.StatusOK {
					t.Fatalf("%d replicas: set at node %d: %v", replicas, i, r.AsError())
				}
				if r := w.ask(i, wire.Request{Op: wire.OpGet, Namespace: name, Key: []byte(key), Level: wire.LevelAll}); string(r.Value) != "v" {
					t.Errorf("%d replicas: get at node %d: %v", replicas, i, r.AsError())
				}
			}
			want := min(int(replicas), 2) + 1 // two nodes in one datacenter, one in the other
			if which := w.holds(name, key); len(which) != want {
				t.Errorf("%d replicas: %s is held by %v, want %d", replicas, key, which, want)
			}
		}
	}
}

func TestWhoOwnsAKeyOfItsPartitionButNotOfItsNamespaceTakesAndGivesNothing(t *testing.T) {
	w := newTrio(t)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "two", Replicas: 1})
	w.ask(0, wire.Request{Op: wire.OpSet, Namespace: "two", Key: []byte("k"), Value: []byte("v"), Level: wire.LevelAll})
	for i, n := range w.nodes {
		s := n.Shards()[0]
		k, _ := n.Locate(n.View(), &wire.Request{Op: wire.OpGet, Key: []byte("k")})
		_, k, _ = s.space(k, &wire.Request{Namespace: "two"})
		want := wire.OutcomeNotOwner
		if slices.Contains(w.holds("two", "k"), i) {
			want = wire.OutcomeOK
		}
		for _, m := range []wire.Message{
			{Kind: wire.KindFetch, ID: 5, Key: k.Bytes},
			{Kind: wire.KindStore, ID: 6, Key: k.Bytes, Set: vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: vclock.StampAt(recoverWall + 50)}}},
		} {
			var out Outbox
			from := uint64((i+1)%3 + 1)
			s.Receive(recoverNow(w.now), from, n.View().Placement, k, &m, nil, &out)
			if got := messages(t, &out, from); len(got) != 1 || got[0].Outcome != want {
				t.Errorf("node %d, %v: %+v, want %v", i, m.Kind, got, want)
			}
		}
	}
}

// adopt makes m the map of a node.
func adopt(t *testing.T, n *Node, m *ring.Map) {
	t.Helper()
	n.m = m
	if err := n.look(); err != nil {
		t.Fatal(err)
	}
	look(n, time.Second)
}

// What a sole owner has forgotten nobody can tell it: after a restart it takes nothing of before for the latest.
func TestTheOnlyOwnerOfAKeyDoesNotTakeAnOldWriteForTheLatest(t *testing.T) { // I2
	n := restarted(t, 3)
	adopt(t, n, n.m.WithNamespace(ring.Namespace{Name: "one", Replicas: 1, Version: 1}))
	old := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: vclock.StampAt(recoverWall - 5000)}, Value: []byte("old")}
	lone, shared := false, false
	for i := 0; !lone || !shared; i++ {
		key := fmt.Append(nil, "k", i)
		for _, name := range []string{"one", ring.DefaultNamespace} {
			k, shard := n.Locate(n.View(), &wire.Request{Op: wire.OpGet, Key: key})
			s := n.Shards()[shard]
			_, k, _ = s.space(k, &wire.Request{Namespace: name})
			if !s.holds(&k) {
				continue
			}
			s.store.Recovered(k.Partition, 0, func(storage.Key, vclock.Stamp) bool { return true }, nil)
			want := storage.Stored
			if name == "one" {
				want, lone = storage.Behind, true
			} else {
				shared = true
			}
			if r := s.store.Put(k, &old, recoverWall); r.Outcome != want {
				t.Errorf("%s in %s: %+v, want %v", key, name, r, want)
			}
		}
	}
}

// Who moves up among the owners of a partition owns keys that it did not, of a namespace that it may hear of only later.
func TestAnOwnerThatMovesUpRecoversWhatItGains(t *testing.T) {
	for _, known := range []bool{true, false} {
		n := restarted(t, 5)
		create := func() { adopt(t, n, n.m.WithNamespace(ring.Namespace{Name: "two", Replicas: 2, Version: 1})) }
		if known {
			create()
		}
		for p := range n.m.Partitions {
			n.Shards()[p%recoverShards].store.Recovered(p, 0, func(storage.Key, vclock.Stamp) bool { return true }, nil)
		}
		for _, s := range n.Shards() {
			s.refill.waiting, s.refill.active = nil, nil
		}
		before := n.View()
		gone := *n.m.Node(2)
		gone.State, gone.Version = ring.Removed, 2
		adopt(t, n, n.m.With(gone))
		if !known {
			create()
		}
		moved := 0
		for p := range n.m.Partitions {
			was, is := before.rank(p), n.View().rank(p)
			_, recovering := n.Shards()[p%recoverShards].store.Recovering(p)
			if gains := is < 3 && was > is && (was == noRank || was >= 2 && is < 2); gains != recovering {
				t.Errorf("known %t: partition %d, from %d to %d: recovering %t", known, p, was, is, recovering)
			}
			if was == 2 && is < 2 {
				moved++
			}
		}
		if moved == 0 {
			t.Error("nothing moved up: the test shows nothing")
		}
	}
}

func TestAConditionIsJudgedByOneOwnerWhicheverDatacenterIsAsked(t *testing.T) { // I19
	for k := range 20 {
		judges := map[uint64]bool{}
		for id := uint64(1); id <= 3; id++ {
			n := founded(t, id, 3)
			for other := uint64(1); other <= 3; other++ {
				n.SetUp(other, true)
			}
			look(n, 0)
			r := wire.Request{Op: wire.OpSet, ID: 1, Key: fmt.Append(nil, "k", k), Value: []byte("v"), Condition: wire.Absent}
			loc, shard := n.Locate(n.View(), &r)
			var out Outbox
			n.Shards()[shard].Request(recoverNow(0), loc, coordinator.Client{Conn: 1, ID: 1}, &r, wire.AppendRequest(nil, &r)[wire.FrameHeader:], &out)
			judge := id
			for _, p := range out.Peers {
				if m := messages(t, &out, p.To); len(m) > 0 && m[0].Kind == wire.KindForward {
					judge = p.To
				}
			}
			judges[judge] = true
		}
		if len(judges) != 1 {
			t.Errorf("k%d is judged by %v", k, judges)
		}
	}
}

package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// holder is a node that does nothing but owe: queues and their log, on a disk that fails. Beside it stands what was asked of it.
type holder struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	disk   *platter
	dir    *datadir.Dir
	log    *datadir.HintLog
	queues []*hints.Queue
	mono   time.Duration
	up     map[uint64]bool
	said   int // warnings

	asked     map[string]map[vclock.Stamp]bool // all that was ever owed
	kept      map[string]vclock.Stamp          // that must be delivered: since it is on disk, or the process has not ended
	delivered map[string]vclock.Stamp
	met       map[string]int
}

const holderTargets, holderKeys, holderQueues = 3, 12, 2

func (h *holder) now() vclock.Now { return vclock.Now{Mono: time.Hour + h.mono, Wall: wallBase} }

// The log's view of the node.
func (h *holder) Len() int                            { return len(h.queues) }
func (h *holder) Visit(i int, f func(*hints.Queue))   { f(h.queues[i]) }
func (h *holder) Peer(node uint64) (up, removed bool) { return h.up[node], false }
func (h *holder) Locate(_ uint64, key []byte) (int, uint32, bool) {
	return int(key[len(key)-1]) % holderQueues, 1, true
}

// start begins a process on what the disk has; it is refused only if the rest of the directory is.
func (h *holder) start() bool {
	var err error
	h.dir, err = datadir.Open(h.disk, "/data", datadir.Claim{Name: "n", Cluster: "c", Wall: wallBase + h.mono.Milliseconds(), Random: func() uint64 { return 9 }})
	if err == nil {
		err = h.dir.SetCluster(7, "c")
	}
	if err != nil {
		return false
	}
	c := hints.DefaultConfig()
	c.BytesMax, c.Log, c.First = 12<<10, true, uint64(h.disk.life)<<32
	h.queues = nil
	for range holderQueues {
		h.queues = append(h.queues, hints.New(c))
	}
	h.log = h.dir.HintLog(hints.LogConfig{BytesMax: 64 << 10, TargetMax: 32 << 10, SegmentMax: 2 << 10}, wire.DefaultLimits(), func(string, error) { h.said++ })
	return true
}

func (h *holder) add() {
	target, key := 1+h.rng.Uint64N(holderTargets), fmt.Sprint("key", h.rng.IntN(holderKeys))
	stamp := vclock.Stamp(1 + h.rng.IntN(1000))
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: stamp}, Value: make([]byte, h.rng.IntN(1500))}
	at := fmt.Sprint(target, key)
	if h.asked[at] == nil {
		h.asked[at] = map[vclock.Stamp]bool{}
	}
	h.asked[at][stamp] = true
	q, p, _ := h.Locate(target, []byte(key))
	if h.queues[q].Add(hints.Owed{Target: target, Partition: p, Key: []byte(key), Set: &set, Must: h.rng.IntN(3) == 0}) {
		h.kept[at] = max(h.kept[at], stamp)
	} else {
		h.met["refused"]++
	}
}

// deliver lets the targets that are up take some of what they are owed.
func (h *holder) deliver() {
	for _, q := range h.queues {
		sends := q.Tick(h.now(), func(n uint64) bool { return h.up[n] }, nil)
		for len(sends) > 0 {
			s := sends[0]
			sends = sends[1:]
			at := fmt.Sprint(s.Target, string(s.Key))
			if !h.asked[at][s.Set.Dot.Stamp] {
				h.t.Fatalf("seed %d: sent %s, %v, which nobody was ever owed", h.seed, at, s.Set.Dot.Stamp)
			}
			if h.rng.IntN(8) == 0 {
				continue // no answer
			}
			h.delivered[at] = max(h.delivered[at], s.Set.Dot.Stamp)
			sends = append(sends, q.Ack(h.now(), hints.Reply{From: s.Target, ID: s.ID}, nil)...)
		}
	}
}

// end is the end of the process, of the power too or not: what must come back is what the queues say is on disk, and what
// was there alone.
func (h *holder) end(power bool) {
	harm := h.disk.harm
	kept := map[string]vclock.Stamp{}
	for target := uint64(1); target <= holderTargets; target++ {
		_, unread := h.log.Of(target)
		for k := range holderKeys {
			key := fmt.Sprint("key", k)
			at := fmt.Sprint(target, key)
			q, _, _ := h.Locate(target, []byte(key))
			if stamp := h.kept[at]; stamp > h.delivered[at] && h.queues[q].OnDisk(target, []byte(key), stamp) {
				kept[at] = stamp
				h.met["outlived"]++
			} else if unread > 0 {
				kept[at] = 0
			}
		}
	}
	if h.disk.crash(); power {
		h.disk.lose()
	}
	if h.disk.lied || h.disk.harm != harm {
		clear(kept)
	}
	h.kept = kept
	for !h.start() {
		h.disk.crash()
		h.disk.full, h.disk.badSyncs, h.disk.badReads = false, false, false
	}
	h.met["restart"]++
}

// run lets n things happen, and then all be well.
func (h *holder) run(n int) {
	for range n {
		switch h.rng.IntN(24) {
		default:
			h.add()
		case 0, 1, 2, 3:
			h.mono += time.Duration(h.rng.IntN(400)) * time.Millisecond
			h.log.Round(h.now(), h)
		case 4, 5, 6:
			h.mono += time.Duration(h.rng.IntN(1200)) * time.Millisecond
			h.deliver()
		case 7, 8:
			node := 1 + h.rng.Uint64N(holderTargets)
			h.up[node] = !h.up[node]
		case 9:
			if h.rng.IntN(3) == 0 {
				h.end(h.rng.IntN(2) == 0)
			}
		case 10:
			switch h.rng.IntN(4) {
			case 0:
				h.disk.full = !h.disk.full
			case 1:
				h.disk.badSyncs = !h.disk.badSyncs
			case 2:
				h.mono += 6 * time.Second // the log asks a disk again that has refused something
			}
		}
	}
	h.disk.full, h.disk.badSyncs = false, false
	for target := range uint64(holderTargets) {
		h.up[target+1] = true
	}
	for range 400 {
		h.mono += 300 * time.Millisecond
		h.log.Round(h.now(), h)
		h.deliver()
	}
}

// After any crash, and a disk that was full or did not sync, all is delivered that was on disk, or that no process has lost,
// and nothing else; and then nothing is left on disk.
func TestHintsOutliveTheirHolder(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 120
	}
	met := map[string]int{}
	for seed := range uint64(n) {
		rng := rand.New(rand.NewPCG(seed, 0x41d5))
		h := &holder{
			t: t, seed: seed, rng: rng, disk: newPlatter(rng), up: map[uint64]bool{}, asked: map[string]map[vclock.Stamp]bool{},
			kept: map[string]vclock.Stamp{}, delivered: map[string]vclock.Stamp{}, met: met,
		}
		if !h.start() {
			t.Fatal("no start on an empty disk")
		}
		h.run(1500)
		for at, stamp := range h.kept {
			if h.delivered[at] < stamp {
				t.Errorf("seed %d: %s was kept as %v, and %v was delivered", seed, at, stamp, h.delivered[at])
			}
		}
		s := h.log.Stats()
		if s.Segments != 0 || s.Bytes != 0 || s.Unread != 0 || s.Failing != 0 {
			t.Errorf("seed %d: left on disk is %+v", seed, s)
		}
		for _, q := range h.queues {
			if s := q.Stats(); s.Owed != 0 || s.Bytes != 0 || s.Unlogged != 0 {
				t.Errorf("seed %d: owed is %+v", seed, s)
			}
			met["spilled"] += int(q.Stats().Spilled)
			met["restored"] += int(q.Stats().Restored)
		}
		met["torn"] += int(s.Torn)
		met["set aside"] += int(s.SetAside)
		met["failed"] += int(s.Failed)
		met["full"] += int(s.Full)
	}
	t.Log(met)
	for _, what := range []string{"outlived", "restart", "refused", "spilled", "restored", "torn", "set aside", "failed", "full"} {
		if met[what] == 0 {
			t.Errorf("no seed met %q", what)
		}
	}
}

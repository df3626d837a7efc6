package antientropy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	wall     = 1_700_000_000_000
	keyCount = 4
	stampMax = 9
)

// replica is what one owner knows, the plain way: of each key a version held or a ghost (0: none).
type replica struct {
	held, ghost [keyCount]vclock.Stamp
	mark        vclock.Stamp
	recovering  vclock.Stamp // its floor while it recovers, 0 when it does not
}

func drawReplica(t *rapid.T, recovering bool) (r replica) {
	stamp := rapid.Custom(func(t *rapid.T) vclock.Stamp { return vclock.Stamp(rapid.IntRange(1, stampMax).Draw(t, "stamp")) })
	for k := range r.held {
		switch rapid.IntRange(0, 3).Draw(t, "knows") {
		case 0, 1:
			r.held[k] = stamp.Draw(t, "held")
		case 2:
			r.ghost[k] = stamp.Draw(t, "ghost")
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "forgets") == 0 {
		r.mark = stamp.Draw(t, "mark")
	}
	if recovering && rapid.IntRange(0, 5).Draw(t, "recovers") == 0 {
		r.recovering = stamp.Draw(t, "floor")
	}
	return r
}

// floor is that of an answer about key k, by the table of the rules: docs/CONSISTENCY.md.
func (r *replica) floor(k int) vclock.Stamp {
	switch {
	case r.held[k] != 0:
		return r.recovering
	case r.ghost[k] != 0:
		return max(r.recovering, r.ghost[k])
	}
	return max(r.recovering, r.mark)
}

// recovered is what becomes of key k on a replica that knows own since it began, and was told all that the
// others know: what it holds, and the floor it answers with.
func recovered(own *replica, others []replica, k int) (held, floor vclock.Stamp) {
	best, ghost, mark := own.held[k], own.ghost[k], own.mark
	forgotten := own.ghost[k] // since it began
	if forgotten == 0 && best == 0 {
		forgotten = own.mark
	}
	for _, o := range others {
		if o.held[k] > best && o.held[k] > forgotten {
			best = o.held[k]
		}
		ghost, mark = max(ghost, o.ghost[k]), max(mark, o.mark)
	}
	votes := 0
	for _, o := range others {
		if o.floor(k) <= best {
			votes++
		}
	}
	owners := len(others) + 1
	if owners > 1 && votes*2 < owners {
		ghost, best = max(ghost, best), 0
	}
	switch {
	case ghost > best && ghost > mark: // a ghost at or below the mark says less than the mark
		return 0, ghost
	case best == 0:
		return 0, mark
	}
	return best, 0
}

// vetoed is the rule as it was modelled for three owners none of which recovers: one that forgot something
// newer, or may have, keeps a version out.
func vetoed(own *replica, others []replica, k int) bool {
	best := own.held[k]
	for _, o := range others {
		if o.held[k] > max(best, own.ghost[k]) && (best != 0 || own.ghost[k] != 0 || o.held[k] > own.mark) {
			best = o.held[k]
		}
	}
	return slices.ContainsFunc(others, func(o replica) bool {
		return o.ghost[k] > best || max(o.held[k], o.ghost[k]) == 0 && o.mark > best
	})
}

func keyOf(k int) storage.Key {
	b := fmt.Append(nil, "key", k)
	return storage.Key{Bytes: b, Hash: sum64(b), Partition: partition}
}

// begin makes the store of a replica that recovers and knows own since it began.
func begin(t *rapid.T, own *replica) *storage.Store {
	s, err := storage.New(storage.Config{BytesMax: 1 << 20, Partitions: 4, Shards: 1, Hash: sum64})
	if err != nil {
		t.Fatal(err)
	}
	for k := range keyCount {
		if own.held[k] != 0 {
			s.Put(keyOf(k), version(own.held[k]), wall)
		}
		if own.ghost[k] != 0 {
			expired := version(own.ghost[k])
			expired.Deadline = vclock.Deadline{At: 1, Stamp: 1}
			s.Put(keyOf(k), expired, wall)
		}
	}
	s.Recovered(partition, own.mark, func(storage.Key, vclock.Stamp) bool { return true }, nil)
	s.Recover(partition, stampMax+1)
	return s
}

// teller is another owner that tells what it knows in pages of a few entries; the cursor is how many are left.
type teller struct {
	replica
	keys []int
	boot uint64
}

func (r *teller) page(t *rapid.T, pull *wire.Message) wire.Message {
	m := wire.Message{Kind: wire.KindPullReply, Partition: partition, Floor: r.mark, Known: vclock.Dot{Stamp: r.recovering}, Boot: r.boot}
	entries := rapid.IntRange(1, 3).Draw(t, "entries")
	if len(pull.Body) > 0 {
		hashes, err := wire.Wants(nil, pull.Body)
		if err != nil {
			t.Fatal(err)
		}
		for ; entries > 0 && m.Cursor < uint64(len(hashes)); entries-- {
			k := slices.IndexFunc(r.keys, func(k int) bool { return keyOf(k).Hash == hashes[m.Cursor] })
			r.tell(&m, r.keys[k], false)
			m.Cursor++
		}
		return m
	}
	if m.Cursor = pull.Cursor; m.Cursor == 0 {
		m.Cursor = uint64(len(r.keys))
	}
	for ; entries > 0 && m.Cursor > 0; entries-- {
		m.Cursor--
		r.tell(&m, r.keys[m.Cursor], pull.Brief)
	}
	return m
}

func (r *teller) tell(m *wire.Message, k int, brief bool) {
	switch {
	case r.held[k] != 0 && brief:
		v := version(r.held[k])
		m.Body = wire.AppendPageBrief(m.Body, keyOf(k).Hash, v.Dot.Stamp, v.Ghost(v.Deadline), 0)
	case r.held[k] != 0:
		m.Body = wire.AppendPageRecord(m.Body, keyOf(k).Bytes, version(r.held[k]), 0)
	case r.ghost[k] != 0:
		m.Body = wire.AppendPageGhost(m.Body, wire.Ghost{Hash: keyOf(k).Hash, Stamp: r.ghost[k], Digest: 1})
	}
}

// Whatever the others know, and whatever happens to pages on the way, a refill comes to what the rules,
// written down a second time, say. I2, I6.
func TestARefillComesToWhatTheRulesSay(t *testing.T) {
	limits := wire.DefaultLimits()
	rapid.Check(t, func(t *rapid.T) {
		own := drawReplica(t, false)
		for k := range keyCount { // a replica's own ghosts at or below its mark are not there any more
			if own.ghost[k] <= own.mark {
				own.ghost[k] = 0
			}
		}
		store := begin(t, &own)
		recovering := rapid.Bool().Draw(t, "some recover")
		var tellers []teller
		var others []replica
		var nodes []uint64
		for i := range rapid.SampledFrom([]int{0, 1, 2, 2, 3, 4}).Draw(t, "others") {
			r := drawReplica(t, recovering)
			tellers = append(tellers, teller{replica: r, keys: rapid.Permutation([]int{0, 1, 2, 3}).Draw(t, "order"), boot: 1})
			others, nodes = append(others, r), append(nodes, uint64(i))
		}
		var serial uint64
		r := NewRefill(Config{PageBytes: 100, Retry: time.Second}, partition, near(nodes...), 0, &serial)
		later := false
		in := Inward{Hash: sum64, Limits: &limits, Install: func(e *wire.PageEntry) Verdict {
			if later {
				return Later
			}
			if !e.IsGhost && !e.IsBrief {
				store.Refill(storage.Key{Bytes: e.Key, Hash: sum64(e.Key), Partition: partition}, &e.Set, wall)
			}
			return Taken
		}}
		now, faults := time.Duration(0), 15
		give := func(p Pull, m wire.Message) (next []Pull, err error) {
			_, err = r.Page(p.Node, p.Message.ID, &m, in)
			return r.Tick(now, func(n uint64) bool { return n == p.Node }, 100, nil), err
		}
		for rounds := 0; !r.Done(); rounds++ {
			if rounds > 200 {
				t.Fatal("it does not end")
			}
			now += time.Second
			for pulls := r.Tick(now, everyone, 100, nil); len(pulls) > 0; pulls = pulls[1:] {
				p := pulls[0]
				m := tellers[p.Node].page(t, &p.Message)
				fault := 0
				if faults > 0 {
					faults--
					fault = rapid.IntRange(0, 9).Draw(t, "fault")
				}
				later = fault == 5
				switch fault {
				case 1: // it does not come
					continue
				case 2:
					r.Lost(p.Node)
					pulls = pulls[:1] // all may begin anew
				case 6: // it restarts, and knows all the same
					tellers[p.Node].boot++
					m.Boot = tellers[p.Node].boot
					pulls = pulls[:1]
				case 3:
					m.Body = append(m.Body, 0xc1)
					if next, err := give(p, m); err == nil || len(next) != 0 {
						t.Fatalf("a page that breaks off drew %v, %v", next, err)
					}
					continue
				case 4:
					if _, err := give(p, wire.Message{Partition: partition, Outcome: wire.OutcomeNotOwner, Floor: stampMax}); err != nil {
						t.Fatal(err)
					}
				}
				next, err := give(p, m)
				if err != nil {
					t.Fatal(err)
				}
				pulls = append(pulls, next...)
				if again, _ := give(p, m); len(again) != 0 {
					t.Fatal("a page that came twice counted twice")
				}
			}
		}
		var ghosts []storage.Ghost
		for _, g := range r.Ghosts() {
			ghosts = append(ghosts, storage.Ghost{Hash: g.Hash, Stamp: g.Stamp, Digest: g.Digest})
		}
		store.Recovered(partition, r.Mark(), func(k storage.Key, s vclock.Stamp) bool { return r.Keep(k.Hash, s, 9) }, ghosts)
		for k := range keyCount {
			set, floor := store.Get(keyOf(k), wall)
			held, wantFloor := recovered(&own, others, k)
			if set.Dot.Stamp != held || floor != wantFloor {
				t.Fatalf("key %d: held %v with floor %v, want %v and %v\nown %+v\nothers %+v",
					k, set.Dot.Stamp, floor, held, wantFloor, own, others)
			}
			if len(others) == 2 && !recovering && held != 0 && vetoed(&own, others, k) {
				t.Fatalf("key %d: %v is held, though another owner may know better\nown %+v\nothers %+v", k, held, own, others)
			}
		}
	})
}

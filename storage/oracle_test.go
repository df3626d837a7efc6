package storage

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

// oracle is the store once more, deliberately dumb: one slice of entries, every rule written out, ghosts that remember the
// whole version where the store keeps a digest. What is evicted it leaves to the store, and holds it to what must be left of it.
type oracle struct {
	recordBytesMax int64

	entries  []*known
	mark     map[uint32]vclock.Stamp
	recovery map[uint32]vclock.Stamp
	evicted  uint64 // by colliding keys
}

type known struct {
	partition uint32
	hash      uint64
	key       string
	ghost     bool
	set       vclock.Set // of a ghost: dot and deadline
}

func (o *oracle) find(k Key, wall int64) (*known, bool) {
	for _, e := range o.entries {
		if e.partition == k.Partition && e.hash == k.Hash {
			if !e.ghost && e.set.Deadline.Passed(wall) {
				o.bury(e)
			}
			return e, !e.ghost && e.key == string(k.Bytes)
		}
	}
	return nil, false
}

func (o *oracle) floor(k Key, e *known, held bool) vclock.Stamp {
	switch {
	case held:
		return 0
	case e != nil:
		return e.set.Dot.Stamp
	}
	return o.mark[k.Partition]
}

func (o *oracle) touch(e *known) {
	o.out(e)
	o.entries = append(o.entries, e)
}

func (o *oracle) out(e *known) {
	o.entries = slices.DeleteFunc(o.entries, func(x *known) bool { return x == e })
}

func (o *oracle) bury(e *known) {
	e.ghost = true
	o.touch(e)
}

// sync lets the oracle forget what the store has: a record leaves a ghost, or like a ghost nothing but its partition's mark.
func (o *oracle) sync(t *rapid.T, s *Store) {
	for _, e := range slices.Clone(o.entries) {
		k := Key{Bytes: []byte(e.key), Hash: e.hash, Partition: e.partition}
		p := s.at(e.partition)
		found := s.lookup(p, k)
		switch {
		case !found.known():
			o.mark[e.partition] = max(o.mark[e.partition], dated(e.set))
			o.out(e)
		case found.ghost():
			e.ghost = true
			if got, want := left(found.b), e.left(); got != want {
				t.Fatalf("ghost %+v, want %+v", got, want)
			}
		case e.ghost || !found.held:
			t.Fatalf("a record of hash %d, want %+v", e.hash, e)
		default:
			if got := s.met.set(&s.lent); !identical(&got, &e.set) {
				t.Fatalf("holds %+v, want %+v", got, e.set)
			}
		}
	}
	for p, mark := range map[uint32]vclock.Stamp{0: o.mark[0], 1: o.mark[1]} {
		if s.Mark(p) != mark {
			t.Fatalf("partition %d: mark %v, want %v", p, s.Mark(p), mark)
		}
	}
	ghosts := 0
	for _, e := range o.entries {
		if e.ghost {
			ghosts++
		}
	}
	if st := s.Stats(); st.Ghosts != ghosts || st.Keys+st.Tombstones != len(o.entries)-ghosts {
		t.Fatalf("%+v, want %d ghosts of %d entries", st, ghosts, len(o.entries))
	}
}

func (e *known) left() Ghost {
	return Ghost{Hash: e.hash, Stamp: e.set.Dot.Stamp, Digest: vclock.Digest(e.set.Dot, e.set.Deadline), Deadline: e.set.Deadline}
}

func (o *oracle) get(k Key, wall int64, hit bool) (vclock.Set, vclock.Stamp) {
	e, held := o.find(k, wall)
	floor := max(o.floor(k, e, held), o.recovery[k.Partition])
	if !held {
		return vclock.Set{}, floor
	}
	if hit {
		o.touch(e)
	}
	return e.set, floor
}

func (o *oracle) left(k Key) Ghost {
	for _, e := range o.entries {
		if e.partition == k.Partition && e.hash == k.Hash && e.ghost {
			return e.left()
		}
	}
	return Ghost{}
}

func (o *oracle) put(k Key, set *vclock.Set, wall int64, refill bool) Result {
	e, held := o.find(k, wall)
	least := o.recovery[k.Partition]
	if refill {
		least = 0
	}
	var have vclock.Set
	if held {
		have = e.set
	}
	result := Result{Outcome: Stored}
	switch {
	case held && have.Dot == set.Dot:
		result.Outcome = Known
		for _, d := range have.Context.Seen { // of two of one stamp neither is stored over the other
			if d.Stamp >= have.Dot.Stamp && !set.Context.Contains(d) {
				result = Result{Outcome: Superseded, Known: have.Dot}
			}
		}
	case held && have.Dot.Stamp >= set.Dot.Stamp:
		result.Outcome, result.Known = Superseded, have.Dot
	case e != nil && e.ghost && e.set.Dot == set.Dot && e.set.Deadline == set.Deadline:
	case set.Dot.Stamp <= max(o.floor(k, e, held), least):
		return Result{Outcome: Behind, Known: vclock.Dot{Stamp: max(o.floor(k, e, held), least)}}
	}
	merged, order := vclock.Merge(&have, set)
	expired := merged.Deadline.Passed(wall)
	n := bodyBytes(k.Bytes, &merged)
	if !expired && int64(n) > o.recordBytesMax {
		return Result{Outcome: TooLarge}
	}
	result.Conflict = order == vclock.Concurrent
	if held && identical(&merged, &have) {
		return result
	}
	if e == nil {
		e = &known{partition: k.Partition, hash: k.Hash}
	} else if !e.ghost && !held {
		o.evicted++
	}
	e.key, e.set, e.ghost = string(k.Bytes), copied(merged), expired
	o.touch(e)
	return result
}

func (o *oracle) retime(k Key, aim vclock.Dot, d vclock.Deadline, wall int64) Result {
	e, held := o.find(k, wall)
	switch {
	case held && e.set.Dot.Compare(aim) > 0:
		return Result{Outcome: Superseded, Known: e.set.Dot}
	case held && e.set.Dot == aim:
		if d.Compare(e.set.Deadline) <= 0 {
			return Result{Outcome: Known}
		}
		e.set.Deadline = d
		o.find(k, wall)
		return Result{Outcome: Stored}
	case aim.Stamp > max(o.floor(k, e, held), o.recovery[k.Partition]):
		return Result{Outcome: Missing}
	}
	later := e != nil && e.set.Dot.Stamp == aim.Stamp && d.Compare(e.set.Deadline) <= 0
	if e != nil && (e.ghost || held) && e.set.Dot.Stamp <= aim.Stamp && !later || e == nil && aim.Stamp > o.mark[k.Partition] {
		if e == nil {
			e = &known{partition: k.Partition, hash: k.Hash}
		}
		e.set = vclock.Set{Dot: aim, Deadline: d}
		o.bury(e)
	} else if other := e != nil && !e.ghost && !held; !other && aim.Stamp == o.mark[k.Partition] {
		o.mark[k.Partition] = dated(vclock.Set{Dot: aim, Deadline: d})
	}
	return Result{Outcome: Gone}
}

// recovered takes only a mark above everything when records are to go, so that none has to leave a ghost.
func (o *oracle) recovered(p uint32, mark vclock.Stamp, keep func(Key, vclock.Stamp) bool, ghosts []*known) {
	o.mark[p] = max(o.mark[p], mark)
	vouched := o.recovery[p]
	delete(o.recovery, p)
	later := o.mark[p]
	o.entries = slices.DeleteFunc(o.entries, func(e *known) bool {
		gone := e.partition == p && (e.ghost || e.set.Dot.Stamp <= vouched && !keep(Key{Hash: e.hash}, e.set.Dot.Stamp)) && e.set.Dot.Stamp <= o.mark[p]
		if gone {
			later = max(later, dated(e.set))
		}
		return gone
	})
	o.mark[p] = later
	for _, g := range ghosts {
		i := slices.IndexFunc(o.entries, func(e *known) bool { return e.partition == p && e.hash == g.hash })
		switch {
		case i >= 0 && o.entries[i].set.Dot.Stamp == g.set.Dot.Stamp:
			e := o.entries[i]
			order := g.set.Deadline.Compare(e.set.Deadline)
			if e.ghost && order == 0 {
				order = cmp.Compare(g.left().Digest, e.left().Digest)
			}
			if order > 0 && (e.ghost || e.set.Dot == g.set.Dot) {
				e.set.Dot, e.set.Deadline = g.set.Dot, g.set.Deadline
			}
			continue
		case i >= 0 && o.entries[i].set.Dot.Stamp > g.set.Dot.Stamp:
			continue
		case g.set.Dot.Stamp <= o.mark[p]:
			o.mark[p] = max(o.mark[p], dated(g.set))
			if i >= 0 && o.entries[i].ghost {
				o.out(o.entries[i])
			}
			continue
		}
		if i >= 0 {
			o.out(o.entries[i])
		}
		o.entries = append(o.entries, g)
	}
}

// dated is the mark over a version: above it if its deadline came later.
func dated(s vclock.Set) vclock.Stamp {
	mark := s.Dot.Stamp
	if s.Deadline.Stamp > mark {
		mark++
	}
	return mark
}

func (o *oracle) drop(p uint32) {
	o.entries = slices.DeleteFunc(o.entries, func(e *known) bool { return e.partition == p })
	delete(o.mark, p)
	delete(o.recovery, p)
}

// draws makes the arguments of random calls: few keys, few stamps, two of the keys with one hash.
type draws struct {
	*rapid.T
	stamp vclock.Stamp
	now   int64
}

func (d *draws) key() Key {
	i := rapid.IntRange(0, 11).Draw(d.T, "key")
	k := Key{Bytes: []byte(fmt.Sprint("key ", i)), Hash: uint64(i), Partition: uint32(i % 2)}
	if i == 11 {
		k.Hash = 9
	}
	given[string(k.Bytes)] = k.Hash
	return k
}

func (d *draws) dot() vclock.Dot {
	back := vclock.Stamp(rapid.IntRange(0, 12).Draw(d.T, "back"))
	if back < 6 { // mostly new
		d.stamp++
		back = 0
	}
	actor := vclock.Actor{Node: uint64(rapid.IntRange(1, 2).Draw(d.T, "node")), Boot: 1}
	return vclock.Dot{Actor: actor, Stamp: max(d.stamp, back) - back + 1}
}

func (d *draws) deadline() vclock.Deadline {
	switch rapid.IntRange(0, 3).Draw(d.T, "deadline") {
	case 0:
		return vclock.Deadline{At: d.now + rapid.Int64Range(-1, 8).Draw(d.T, "ttl"), Stamp: vclock.Stamp(rapid.IntRange(1, 4).Draw(d.T, "register"))}
	default:
		return vclock.Deadline{}
	}
}

// set draws a version; but for a few forks its content follows from its dot.
func (d *draws) size() int64 { return rapid.Int64Range(BytesLeast, 2*BytesLeast).Draw(d.T, "size") }

func (d *draws) set() *vclock.Set {
	set := &vclock.Set{Dot: d.dot(), Deadline: d.deadline()}
	n := uint64(set.Dot.Stamp)*2654435761 + set.Dot.Actor.Node
	if rapid.IntRange(0, 30).Draw(d.T, "fork") == 0 {
		n++
	}
	if set.Tombstone = n%7 == 0; !set.Tombstone {
		set.Value = make([]byte, n%400)
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "seen") {
		if seen := d.dot(); seen.Stamp < set.Dot.Stamp && seen.Actor != set.Dot.Actor {
			set.Context.Add(seen)
		}
	}
	return set
}

func TestTheStoreDoesWhatTheOracleDoesWhenEverythingEvicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := tight(500)
		c.Policy = Policy(rapid.IntRange(0, int(None)-1).Draw(t, "policy"))
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		o := &oracle{
			recordBytesMax: s.recordBytesMax,
			mark:           map[uint32]vclock.Stamp{}, recovery: map[uint32]vclock.Stamp{},
		}
		d := &draws{T: t, now: wall}
		for range rapid.IntRange(60, 120).Draw(t, "steps") {
			d.now += rapid.Int64Range(0, 1).Draw(t, "passes")
			k, p := d.key(), uint32(rapid.IntRange(0, 1).Draw(t, "partition"))
			switch op := rapid.IntRange(0, 30).Draw(t, "op"); {
			case op < 15:
				set := d.set()
				if got, want := s.Put(k, set, d.now), o.put(k, set, d.now, false); got != want {
					t.Fatalf("put %+v: %+v, want %+v", set, got, want)
				}
			case op < 18:
				set := d.set()
				if got, want := s.Refill(k, set, d.now), o.put(k, set, d.now, true); got != want {
					t.Fatalf("refill %+v: %+v, want %+v", set, got, want)
				}
			case op < 22:
				aim, by := d.dot(), d.deadline()
				if held, _ := s.Peek(k, d.now); !held.IsZero() && rapid.Bool().Draw(t, "aimed") {
					aim = held.Dot
				}
				o.get(k, d.now, false)
				if got, want := s.Retime(k, aim, by, d.now), o.retime(k, aim, by, d.now); got != want {
					t.Fatalf("retime %v %+v: %+v, want %+v", aim, by, got, want)
				}
			case op < 27:
				got, floor := s.Get(k, d.now)
				want, wantFloor := o.get(k, d.now, true)
				if !identical(&got, &want) || floor != wantFloor {
					t.Fatalf("get %+v, floor %v, want %+v, floor %v", got, floor, want, wantFloor)
				}
				o.sync(t, s) // it may have made room for the next call
				if got, want := s.Ghost(k), o.left(k); got != want {
					t.Fatalf("ghost %+v, want %+v", got, want)
				}
			case op == 27:
				floor := d.dot().Stamp
				s.Recover(p, floor)
				o.recovery[p] = max(o.recovery[p], floor)
			case op == 28:
				mark, keep := d.dot().Stamp, keepAll
				if rapid.Bool().Draw(t, "drops") {
					mark, keep = d.stamp+1, func(k Key, _ vclock.Stamp) bool { return k.Hash%4 < 2 }
				}
				var taken []Ghost
				var same []*known
				room := s.ghostBytesMax - s.logs[ghosts].bytes // were one dropped, the next would meet another mark
				for range rapid.IntRange(0, 3).Draw(t, "ghosts") {
					gd, by, hash := d.dot(), d.deadline(), uint64(rapid.IntRange(0, 5).Draw(t, "hash"))*2+uint64(p)
					g := Ghost{Hash: hash, Stamp: gd.Stamp, Digest: vclock.Digest(gd, by), Deadline: by}
					if room -= int64(g.bytes()); room < 0 {
						break
					}
					taken = append(taken, g)
					same = append(same, &known{partition: p, hash: hash, ghost: true, set: vclock.Set{Dot: gd, Deadline: by}})
				}
				s.Recovered(p, mark, keep, taken)
				o.recovered(p, mark, keep, same)
			case op == 29:
				s.Resize(d.size())
				o.recordBytesMax = s.recordBytesMax
			default:
				s.Drop(p)
				o.drop(p)
			}
			o.sync(t, s)
			s.verify(t)
		}
	})
}

// Invariants 1 to 3 after every call, all calls included.
func TestWhatWasStoredIsHeldOrBelowTheFloorWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := tight(0)
		c.Policy = Policy(rapid.IntRange(0, int(None)).Draw(t, "policy"))
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		d := &draws{T: t, now: wall}
		type stored struct {
			key   Key
			stamp vclock.Stamp
		}
		latest := map[string]stored{}
		for range rapid.IntRange(60, 120).Draw(t, "steps") {
			d.now += rapid.Int64Range(0, 1).Draw(t, "passes")
			k, p := d.key(), uint32(rapid.IntRange(0, 1).Draw(t, "partition"))
			switch op := rapid.IntRange(0, 20).Draw(t, "op"); {
			case op < 12:
				put, least := s.Put, vclock.Stamp(0)
				if op > 9 {
					put = s.Refill
				} else {
					least, _ = s.Recovering(k.Partition)
				}
				before, floor := s.Peek(k, d.now)
				if op > 9 {
					floor = 0 // the recovery's does not stop a refill
				}
				ghost, held := s.isGhost(k), before.Dot
				set := d.set()
				r := put(k, set, d.now)
				if r.Outcome == Stored && !ghost && (set.Dot.Stamp <= max(floor, least) || set.Dot.Compare(held) < 0) {
					t.Fatalf("stored %v over %v, floor %v", set.Dot, held, floor)
				}
				if r.Outcome == Stored || r.Outcome == Known {
					latest[string(k.Bytes)] = stored{k, max(set.Dot.Stamp, latest[string(k.Bytes)].stamp)}
				}
			case op < 14:
				s.Get(k, d.now)
			case op < 16:
				s.Retime(k, d.dot(), d.deadline(), d.now)
			case op == 16:
				s.Tick(d.now, nil)
			case op == 17:
				s.Recover(p, d.dot().Stamp)
			case op == 18:
				odd := rapid.Uint64Range(1, 3).Draw(t, "keep every")
				ghosts := []Ghost{{Hash: uint64(p) + 2*odd, Stamp: d.dot().Stamp}}
				s.Recovered(p, d.dot().Stamp, func(k Key, _ vclock.Stamp) bool { return k.Hash%odd == 0 }, ghosts)
			case op == 19:
				s.Resize(d.size())
			default:
				s.Drop(p)
				for name, l := range latest {
					if l.key.Partition == p {
						delete(latest, name)
					}
				}
			}
			s.verify(t)
			for _, l := range latest {
				set, floor := s.Peek(l.key, 0) // no deadline has passed at 0
				if set.Dot.Stamp < l.stamp && floor < l.stamp {
					t.Fatalf("%q was stored at %v, is held at %v with floor %v", l.key.Bytes, l.stamp, set.Dot.Stamp, floor)
				}
			}
		}
	})
}

// tight is so little memory that nearly everything evicts.
func tight(recordBytesMax int) Config {
	return Config{BytesMax: (reserve+ragged+3)<<10 + 500, GhostBytesMax: 3 * ghostWeight, RecordBytesMax: recordBytesMax, Partitions: 2, Shards: 1, Hash: testHash}
}

// ghostWeight is what a ghost without a deadline counts.
const ghostWeight = ghostFixed

// verify checks that index, logs and counts tell the same.
func (s *Store) verify(t *rapid.T) {
	var weights [logs]int64
	live := make([]int32, len(s.segments))
	actors := make([]uint32, len(s.actors.byNumber))
	records, gone, pages := 0, 0, int64(0)
	for i := range s.partitions {
		p := &s.partitions[i]
		here := 0
		for at, n := range p.directory {
			info := s.info(n)
			if !info.used || int(info.partition) != i || at>>(p.depth-info.depth) != int(info.prefix>>1>>(31-info.depth)) || info.prefix<<info.depth != 0 {
				t.Fatalf("page %d stands at %d of partition %d, of depth %d, but is %+v", n, at, i, p.depth, *info)
			}
		}
		for n := range s.pagesOf(p) {
			entries := 0
			for at := range s.slots(n) {
				entries++
				loc := s.slot(at) & placeMask
				g, b := s.of(loc)
				if found, ok := s.pointsAt(loc, b); !ok || found != at || partitionOf(b) != uint32(i) {
					t.Fatalf("the entry at %x of partition %d is not found where it is", loc, i)
				}
				size := sizeOf(b)
				live[loc>>s.shift] += int32(size)
				weights[g.log] += s.weight(b, size)
				if b[0]&flagGhost != 0 {
					gone++
					continue
				}
				records++
				here++
				s.read(b, &s.other)
				actors[s.other.number]++
				ahead := uint32(loc>>s.shift) == s.sweepSegment && s.sweepAt > 0 && int32(loc&(1<<s.shift-1)) >= s.sweepAt // of a sweep that goes on
				if d := s.other.deadline; d.At != 0 && d.At < g.soonest && !ahead {
					t.Fatalf("a deadline of %d in a segment that is not looked at before %d", d.At, g.soonest)
				}
			}
			if entries != int(s.info(n).entries) {
				t.Fatalf("page %d has %d entries, and counts %d", n, entries, s.info(n).entries)
			}
			live[s.segmentOf(n)] += pageBytes
			pages++
		}
		if here != int(p.records) {
			t.Fatalf("partition %d has %d records, and counts %d", i, here, p.records)
		}
	}
	s.verifySummary(t)
	inUse := 0
	for n := range s.segments {
		if g := &s.segments[n]; g.log != noLog {
			if inUse++; live[n] != g.live {
				t.Fatalf("segment %d of log %d has %d bytes that are live, and counts %d", n, g.log, live[n], g.live)
			}
		}
	}
	st := s.stats
	if records != st.Keys+st.Tombstones || gone != st.Ghosts || weights[small]+weights[main]+weights[ghosts]+pages*pageBytes != st.BytesUsed || inUse != s.inUse {
		t.Fatalf("%d records, %d ghosts, weights %v, %d segments in use, but %+v and %d", records, gone, weights, inUse, st, s.inUse)
	}
	for n, w := range weights {
		if s.logs[n].bytes != w {
			t.Fatalf("log %d has %d bytes, and counts %d", n, w, s.logs[n].bytes)
		}
		in := 0
		for at, older := s.logs[n].oldest, uint32(0); at != 0; at, older = s.segments[at].newer, at {
			g := &s.segments[at]
			in++
			if w -= g.bytes; g.log != uint8(n) || g.older != older || g.newer == 0 && at != s.logs[n].newest {
				t.Fatalf("segment %d of log %d stands wrong in it: %+v", at, n, g)
			}
		}
		if w != 0 || in != s.logs[n].segments {
			t.Fatalf("the segments of log %d count %d bytes less than it has", n, w)
		}
	}
	if s.shadows != nil {
		s.shadows.verify(t)
	}
	if span := int64(s.logs[ghosts].segments-2) << s.shift; span > s.ghostBytesMax {
		t.Fatalf("ghosts, and the dead among them, take %d bytes, and may take %d", span, s.ghostBytesMax)
	}
	if !slices.Equal(actors, s.actors.records) {
		t.Fatalf("actors of %v records, and counts %v", actors, s.actors.records)
	}
	if st.BytesUsed > s.usedMax || weights[ghosts] > s.ghostBytesMax || s.available() < reserve || int64(inUse)<<s.shift+s.blockBytes > st.BytesMax {
		t.Fatalf("over the limits: %+v, %v, %d segments left", st, weights, s.available())
	}
}

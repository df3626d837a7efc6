package antientropy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// owner is one of two owners of all partitions, with shards of its own number.
type owner struct {
	id    uint64
	rank  int
	sides []*Side
	x     []*Exchange // that it has begun, by shard
}

// pair is two owners and what lies between them.
type pair struct {
	a, b      *owner
	now       vclock.Now
	rng       *rand.Rand
	cfg       ExchangeConfig
	loses     bool
	bytes     int          // of all messages, both ways
	frameMost int          // that a frame may be; 0: as by default
	cut       vclock.Stamp // when the exchange began

	partitions uint32
	replicas   int
	urgent     []uint32
	during     func() // something else that happens in the midst of it

	hash    func([]byte) uint64
	largest int // message
	sent    func(*wire.Message)
}

const pairWall = int64(1_700_000_000_000)

func newPair(t interface{ Fatal(...any) }, seed uint64, partitions uint32, memory [2]int64, shards [2]int) *pair {
	return newPairOf(t, xxhash.Sum64, seed, partitions, memory, shards)
}

func newPairOf(t interface{ Fatal(...any) }, hash func([]byte) uint64, seed uint64, partitions uint32, memory [2]int64, shards [2]int) *pair {
	p := &pair{
		hash: hash, rng: rand.New(rand.NewPCG(seed, 5)), cfg: DefaultExchangeConfig(), partitions: partitions, replicas: 3,
		now: vclock.Now{Mono: time.Second, Wall: pairWall},
	}
	limits := wire.DefaultLimits()
	for i := range 2 {
		o := &owner{id: uint64(i + 1), rank: i}
		for n := range shards[i] {
			store, err := storage.New(storage.Config{
				BytesMax: memory[i] / int64(shards[i]), Partitions: partitions, Shard: uint32(n), Shards: uint32(shards[i]), Hash: hash, Seed: seed + uint64(i),
			})
			if err != nil {
				t.Fatal(err)
			}
			o.sides = append(o.sides, &Side{
				Store: store, Limits: &limits, Shards: shards[i],
				Fewer: func(_ uint64, q uint32) int {
					if q >= partitions || int(q)%shards[i] != n {
						return 0
					}
					return p.replicas - 1 // of three owners these are the first and the second
				},
				Key: func(q uint32, key []byte) (storage.Key, bool) {
					k := p.key(string(key))
					return k, k.Partition == q
				},
				May: func() bool { return true }, Pay: func(int) {}, Urgent: func(_ uint64, q uint32) bool { return slices.Contains(p.urgent, q) },
				Early: func(*wire.PageEntry) bool { return false },
			})
		}
		if p.a == nil {
			p.a = o
		} else {
			p.b = o
		}
	}
	return p
}

func (p *pair) key(name string) storage.Key {
	k := storage.Key{Bytes: []byte(name), Hash: p.hash([]byte(name))}
	k.Partition = uint32(k.Hash>>7) % p.partitions
	if name[0] == 'f' { // one that the second has not
		k.Fewer = 2
	}
	return k
}

func (o *owner) side(partition uint32) *Side { return o.sides[int(partition)%len(o.sides)] }

func (o *owner) put(p *pair, name string, set *vclock.Set) storage.Result {
	k := p.key(name)
	return o.side(k.Partition).Store.Put(k, set, p.now.Wall)
}

// stamp is that of so long ago.
func (p *pair) stamp(ago time.Duration) vclock.Stamp {
	return vclock.StampAt(p.now.Wall-ago.Milliseconds()) + vclock.Stamp(p.rng.IntN(1<<16))
}

func written(by uint64, stamp vclock.Stamp, value string) *vclock.Set {
	return &vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: by, Boot: 1}, Stamp: stamp}, Value: []byte(value)}
}

// exchange lets the first owner exchange all with the second until all is done.
func (p *pair) exchange(t interface{ Fatalf(string, ...any) }) {
	type packet struct {
		side  int
		reply bool
		frame []byte
	}
	var way []packet
	p.cut = p.cfg.Cut(p.now.Wall)
	send := func(side int, reply bool, m *wire.Message) {
		frame := wire.AppendMessage(nil, m)
		p.bytes += len(frame)
		if p.frameMost > 0 && len(frame)-wire.FrameHeader > p.frameMost {
			t.Fatalf("%v: a frame of %d bytes", m.Step, len(frame))
		}
		p.largest = max(p.largest, len(frame))
		way = append(way, packet{side, reply, frame})
	}
	serial := uint64(0)
	p.a.x = p.a.x[:0]
	for n, s := range p.a.sides {
		p.a.x = append(p.a.x, NewExchange(p.cfg, s, p.b.id, p.all(n), &serial))
	}
	for round := 0; ; round++ {
		p.now.Mono += 10 * time.Millisecond
		p.now.Wall += 10
		over := true
		for n, x := range p.a.x {
			for _, pull := range x.Tick(p.now, p.cfg.Cut(p.now.Wall), nil) {
				if p.sent != nil {
					p.sent(&pull.Message)
				}
				send(n, false, &pull.Message)
			}
			done, failed := x.Done()
			if failed && !p.loses {
				t.Fatalf("the exchange of shard %d has failed", n)
			}
			if failed { // after some losses in a row: the next exchange goes on
				p.a.x[n] = NewExchange(p.cfg, p.a.sides[n], p.b.id, p.all(n), &serial)
				done = false
			}
			over = over && done
		}
		if over {
			return
		}
		if round > 20_000 {
			t.Fatalf("the exchange does not end: %+v", p.a.x[0])
		}
		for i := 0; i < len(way); i++ {
			if p.during != nil {
				p.during()
			}
			w := way[i]
			if p.loses {
				switch p.rng.IntN(10) {
				case 0:
					continue
				case 1:
					way = append(way, w)
				case 2:
					j := i + p.rng.IntN(len(way)-i)
					way[i], way[j] = way[j], way[i]
					w = way[i]
				}
			}
			p.deliver(t, w.side, w.reply, w.frame, send)
		}
		way = way[:0]
	}
}

// all are the partitions of a shard of the first owner.
func (p *pair) all(shard int) (all []uint32) {
	for q := uint32(shard); q < p.partitions; q += uint32(len(p.a.sides)) {
		all = append(all, q)
	}
	return all
}

func (p *pair) deliver(t interface{ Fatalf(string, ...any) }, side int, isReply bool, frame []byte, send func(int, bool, *wire.Message)) {
	limits := wire.DefaultLimits()
	cut, _, err := wire.NextFrame(frame, &limits)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var m wire.Message
	if err := wire.DecodeMessage(cut, &m, &limits); err != nil {
		t.Fatalf("%v", err)
	}
	if isReply {
		pulls, err := p.a.x[side].Reply(p.now, p.cfg.Cut(p.now.Wall), m.ID, &m, nil)
		if err != nil {
			t.Fatalf("%v: %v", m.Step, err)
		}
		for _, pull := range pulls {
			send(side, false, &pull.Message)
		}
		return
	}
	reply := wire.Message{ID: m.ID}
	if _, err := p.b.side(m.Partition).Answer(p.now, p.a.id, &m, &reply, nil); err != nil {
		t.Fatalf("%v: %v", m.Step, err)
	}
	send(side, true, &reply)
}

// knows is what an owner knows of a partition above a stamp and before another.
func (o *owner) knows(p *pair, partition uint32, over storage.Span) map[uint64]storage.Version {
	known := map[uint64]storage.Version{}
	for cursor := uint64(0); ; {
		cursor = o.side(partition).Store.Versions(partition, over, p.replicas-1, cursor, 100, func(v *storage.Version) { known[v.Hash] = *v })
		if cursor == 0 {
			return known
		}
	}
}

// agree fails unless both know the same of all that was settled above both marks.
func (p *pair) agree(t *testing.T) {
	t.Helper()
	for q := range p.partitions {
		over := storage.Span{From: max(p.a.side(q).Store.KnownFrom(q), p.b.side(q).Store.KnownFrom(q)), To: p.cut}
		a, b := p.a.knows(p, q, over), p.b.knows(p, q, over)
		for hash, v := range a {
			if b[hash] != v {
				other, known := p.b.side(q).Store.Version(q, hash)
				if known && other.Stamp >= over.To { // a later write came in between
					continue
				}
				t.Fatalf("partition %d, %v to %v: the first knows %+v, the second %+v %v", q, over.From, over.To, v, other, known)
			}
		}
		for hash, v := range b {
			if _, ok := a[hash]; !ok {
				other, known := p.a.side(q).Store.Version(q, hash)
				if known && other.Stamp >= over.To {
					continue
				}
				t.Fatalf("partition %d, %v to %v: the second knows %+v, the first %+v %v", q, over.From, over.To, v, other, known)
			}
		}
	}
}

func (p *pair) stats() (s ExchangeStats) {
	for _, o := range []*owner{p.a, p.b} {
		for _, side := range o.sides {
			s.Add(side.Stats)
		}
	}
	return s
}

// write writes versions of some keys so long ago, each to both owners, or to one of them that misses nothing else.
func (p *pair) write(count, keys int, ago time.Duration, misses float64) {
	for range count {
		name := fmt.Sprint(string("kf"[p.rng.IntN(8)/7]), p.rng.IntN(keys))
		set := written(uint64(1+p.rng.IntN(2)), p.stamp(ago), string(make([]byte, p.rng.IntN(100))))
		switch p.rng.IntN(8) {
		case 0:
			set.Tombstone, set.Value = true, nil
		case 1:
			set.Deadline = vclock.Deadline{At: p.now.Wall + int64(p.rng.IntN(200)) - 100, Stamp: set.Dot.Stamp}
		}
		var register vclock.Deadline
		if p.rng.IntN(8) == 0 {
			register = vclock.Deadline{At: p.now.Wall + 3_600_000, Stamp: set.Dot.Stamp + 1}
		}
		missing := 0
		if p.rng.Float64() < misses {
			missing = 1 + p.rng.IntN(3)
		}
		for i, o := range []*owner{p.a, p.b} {
			k := p.key(name)
			if k.Fewer > 0 && i == 1 {
				continue
			}
			if missing&(1<<i) == 0 {
				o.put(p, name, set)
			}
			if register.At != 0 && (missing == 0 || p.rng.IntN(2) == 0) {
				o.side(k.Partition).Store.Retime(k, set.Dot, register, p.now.Wall)
			}
		}
	}
}

// TestAnExchangeBringsTwoOwnersToOneKnowledge: whatever either has missed, evicted or let expire, however many shards each has, and
// though messages are lost, come twice and out of order: above both marks both know the same afterwards, each key at its latest.
func TestAnExchangeBringsTwoOwnersToOneKnowledge(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 6))
		memory := [2]int64{1 << 20, 1 << 20}
		if rng.IntN(2) == 0 {
			memory[rng.IntN(2)] = 60_000 + rng.Int64N(60_000)
		}
		p := newPair(t, seed, 8, memory, [2]int{1 << rng.IntN(3), 1 << rng.IntN(3)})
		p.loses = rng.IntN(2) == 0
		p.cfg.PageBytes = 1 << (6 + rng.IntN(10))
		for _, ago := range []time.Duration{100 * time.Hour, 3 * time.Hour, time.Hour, 5 * time.Minute, time.Minute, 20 * time.Second, time.Second} {
			p.write(rng.IntN(300), 1+rng.IntN(400), ago, []float64{0, 0.01, 0.5}[rng.IntN(3)])
		}
		p.exchange(t)
		if memory[0] != memory[1] { // what one takes may push out what it has only just told, or asked for
			continue
		}
		p.agree(t)
		if s := p.stats(); !p.loses && s.False > 0 {
			t.Fatalf("seed %d: %d records were told for nothing: %+v", seed, s.False, s)
		}
	}
}

// TestOwnersThatAgreeSayLittle: two of 4,096 partitions, of a million keys in effect, say 64 KiB and nothing is moved.
func TestOwnersThatAgreeSayLittle(t *testing.T) {
	p := newPair(t, 1, 4096, [2]int64{64 << 20, 64 << 20}, [2]int{16, 4})
	for range 3 {
		p.write(20_000, 1<<30, 10*time.Minute, 0)
		p.exchange(t)
		if s := p.stats(); p.bytes > 64<<10 || s.Merged+s.False+s.Given+s.Differing > 0 {
			t.Fatalf("%d bytes, %+v", p.bytes, s)
		}
		p.bytes = 0
	}
}

// TestWhatAnExchangeMovesIsInProportionToWhatDiffers: three times what differs, and a fiftieth of all.
func TestWhatAnExchangeMovesIsInProportionToWhatDiffers(t *testing.T) {
	p := newPair(t, 2, 256, [2]int64{256 << 20, 256 << 20}, [2]int{4, 4})
	const keys = 60_000
	entry := 0
	for i := range keys {
		name := fmt.Sprintf("key-%011d", i)
		set := written(1, p.stamp(10*time.Minute), string(make([]byte, 100)))
		entry = len(wire.AppendPageRecord(nil, []byte(name), set, 0))
		p.a.put(p, name, set)
		p.b.put(p, name, set)
	}
	for _, share := range []int{1000, 100, 20} {
		p.bytes = 0
		differ := 0
		for i := range keys {
			if p.rng.IntN(share) > 0 {
				continue
			}
			name := fmt.Sprintf("key-%011d", i)
			set := written(1, p.stamp(30*time.Second), string(make([]byte, 100)))
			if i%3 == 0 {
				set.Tombstone, set.Value = true, nil
			}
			differ += len(wire.AppendPageRecord(nil, []byte(name), set, 0))
			[]*owner{p.a, p.b}[p.rng.IntN(2)].put(p, name, set)
		}
		p.exchange(t)
		most := 3*differ + keys*entry/50
		t.Logf("one in %d: %d bytes for a difference of %d: %.2f times", share, p.bytes, differ, float64(p.bytes)/float64(differ))
		if s := p.stats(); p.bytes > most || s.False > 0 {
			t.Errorf("one in %d differs, %d bytes: %d bytes, at most %d; %+v", share, differ, p.bytes, most, s)
		}
		p.now.Wall += 60_000
	}
}

// TestWhatIsWrittenMeanwhileIsLeftAlone: writes that reach the owners one after the other, all the time, are not told by an exchange,
// which only brings what was missed before.
func TestWhatIsWrittenMeanwhileIsLeftAlone(t *testing.T) {
	p := newPair(t, 3, 16, [2]int64{1 << 20, 1 << 20}, [2]int{2, 1})
	p.write(2000, 500, 10*time.Minute, 0.1)
	type late struct {
		o    *owner
		name string
		set  *vclock.Set
	}
	var under []late
	p.during = func() {
		if len(under) > 5 {
			l := under[0]
			under = under[1:]
			l.o.put(p, l.name, l.set)
		}
		name := fmt.Sprint("k", p.rng.IntN(500))
		set := written(1, p.stamp(0), "new")
		both := []*owner{p.a, p.b}
		first := p.rng.IntN(2)
		both[first].put(p, name, set)
		under = append(under, late{both[1-first], name, set})
	}
	p.exchange(t)
	if s := p.stats(); s.False > 0 || s.Merged == 0 {
		t.Errorf("%+v", s)
	}
}

// TestWhatIsNewerThanTheCutIsNotAskedFor: an owner that lists what a young write has not replaced yet learns that there is something
// newer, and leaves it to the write.
func TestWhatIsNewerThanTheCutIsNotAskedFor(t *testing.T) {
	p := newPair(t, 10, 1, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	old, young := written(1, p.stamp(time.Minute), "old"), written(1, p.stamp(0), "young")
	p.a.put(p, "k", old)
	p.b.put(p, "k", old)
	p.b.put(p, "k", young)
	p.exchange(t)
	if s := p.stats(); s.Merged+s.False+s.Given > 0 || s.Differing == 0 {
		t.Errorf("%+v", s)
	}
}

// TestWhatWasEvictedStaysAway: an exchange brings back nothing that one owner has evicted or let expire, for it knows it.
func TestWhatWasEvictedStaysAway(t *testing.T) {
	p := newPair(t, 4, 4, [2]int64{1 << 20, 60_000}, [2]int{1, 1})
	for i := range 600 {
		name := fmt.Sprint("key ", i)
		set := written(1, p.stamp(time.Minute), string(make([]byte, 60)))
		if i%7 == 0 {
			set.Deadline = vclock.Deadline{At: p.now.Wall + 5, Stamp: set.Dot.Stamp}
		}
		p.a.put(p, name, set)
		p.b.put(p, name, set)
	}
	p.now.Wall += 1000
	before := p.b.sides[0].Store.Stats()
	p.exchange(t)
	after := p.b.sides[0].Store.Stats()
	if s := p.stats(); before.Evicted == 0 || after.Keys > before.Keys || s.Merged+s.False > 0 {
		t.Errorf("%+v: before %+v, after %+v", s, before, after)
	}
}

// TestWhatOneOfTwoHasForgottenIsNotSpokenOf: what lies below a mark would be refused, exchange after exchange.
func TestWhatOneOfTwoHasForgottenIsNotSpokenOf(t *testing.T) {
	p := newPair(t, 6, 4, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	for i := range 60 {
		p.b.put(p, fmt.Sprint("key ", i), written(1, p.stamp(time.Hour), "v"))
	}
	forgetful := p.a.sides[0].Store
	for partition := range p.partitions {
		forgetful.Recovered(partition, vclock.StampAt(p.now.Wall-30*time.Minute.Milliseconds()), func(storage.Key, vclock.Stamp) bool { return false }, nil)
	}
	p.exchange(t)
	if s := p.stats(); s.Given+s.Merged+s.False+s.Differing > 0 || s.Compared == 0 {
		t.Errorf("%+v", s)
	}
}

// TestAGhostReplacesWhatIsOlder: who holds a version that is known to be outdated, where nobody has the later one any more, forgets it.
func TestAGhostReplacesWhatIsOlder(t *testing.T) {
	p := newPair(t, 5, 1, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	old, late := written(1, p.stamp(time.Minute), "old"), written(1, p.stamp(30*time.Second), "late")
	p.a.put(p, "k", old)
	p.b.put(p, "k", old)
	k := p.key("k")
	late.Deadline = vclock.Deadline{At: p.now.Wall - 1, Stamp: late.Dot.Stamp}
	p.b.put(p, "k", late) // which leaves a ghost
	p.exchange(t)
	if held, floor := p.a.sides[0].Store.Peek(k, p.now.Wall); !held.IsZero() || floor != late.Dot.Stamp {
		t.Errorf("holds %+v, floor %v; want nothing, and %v", held, floor, late.Dot.Stamp)
	}
}

// TestSeveralVersionsAreMergedBothWays: counters that each owner has added to end up with both sums.
func TestSeveralVersionsAreMergedBothWays(t *testing.T) {
	p := newPair(t, 6, 1, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	base := written(1, p.stamp(time.Hour), "40")
	at := p.stamp(time.Minute)
	for i, o := range []*owner{p.a, p.b} {
		o.put(p, "k", base)
		set, err := base.Add(uint64(10+i), at, int64(1+i), 0) // stamped alike, even
		if err != nil {
			t.Fatal(err)
		}
		if r := o.put(p, "k", &set); r.Outcome != storage.Stored {
			t.Fatal(r)
		}
	}
	p.exchange(t)
	for _, o := range []*owner{p.a, p.b} {
		held, _ := o.sides[0].Store.Peek(p.key("k"), p.now.Wall)
		if total, _, err := held.Total(); total != 43 || err != nil {
			t.Errorf("%d has %d, %v", o.id, total, err)
		}
	}
	before := p.stats()
	if p.exchange(t); p.stats().Differing != before.Differing {
		t.Errorf("and still differ: %+v", p.stats())
	}
}

// TestPartitionsThatAreKnownToLackSomethingAreWalkedFirst: those of which a hint was dropped, before others that differ.
func TestPartitionsThatAreKnownToLackSomethingAreWalkedFirst(t *testing.T) {
	p := newPair(t, 9, 32, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	p.write(1000, 1000, time.Minute, 0.5)
	p.urgent = []uint32{30, 13}
	var walked []uint32
	p.sent = func(m *wire.Message) {
		if m.Step == wire.StepWindows && !slices.Contains(walked, m.Partition) {
			walked = append(walked, m.Partition)
		}
	}
	p.exchange(t)
	if len(walked) != 32 || walked[0] != 13 || walked[1] != 30 || walked[2] != 0 {
		t.Errorf("walked %v", walked)
	}
}

// TestAPeerThatFallsSilentEndsTheExchange: after some tries, and without asking ever more.
func TestAPeerThatFallsSilentEndsTheExchange(t *testing.T) {
	p := newPair(t, 7, 4, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	p.write(100, 100, time.Minute, 0.5)
	serial := uint64(0)
	x := NewExchange(p.cfg, p.a.sides[0], 2, []uint32{0, 1, 2, 3}, &serial)
	sent := 0
	for range 10_000 {
		p.now.Mono += 10 * time.Millisecond
		sent += len(x.Tick(p.now, p.cfg.Cut(p.now.Wall), nil))
		if done, failed := x.Done(); done {
			if !failed || sent != triesMost {
				t.Errorf("failed %v after %d messages", failed, sent)
			}
			return
		}
	}
	t.Error("it waits for ever")
}

// FuzzAnswerMakesNoSenseOfNonsense: whatever another node asks, the answer is one message of bounded size, or a typed error.
func FuzzAnswerMakesNoSenseOfNonsense(f *testing.F) {
	for step := range 8 {
		f.Add(uint8(step), uint32(1), uint64(0), uint64(1)<<62, uint32(8), uint64(0), uint32(1000), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, step uint8, q uint32, from, to uint64, leaves uint32, cursor uint64, limit uint32, in []byte) {
		p := newPair(t, 8, 4, [2]int64{1 << 20, 1 << 20}, [2]int{1, 2})
		p.write(100, 100, time.Minute, 0.5)
		m := wire.Message{
			Kind: wire.KindExchange, ID: 1, Step: wire.Step(step % 8), Partition: q, From: vclock.Stamp(from), To: vclock.Stamp(to),
			Leaves: leaves % (wire.LeavesMax + 1), Cursor: cursor, Limit: limit, Body: slices.Clone(in),
		}
		reply := wire.Message{ID: 1}
		body, err := p.b.side(q).Answer(p.now, 1, &m, &reply, nil)
		if len(body) > 1<<20+30*len(in) {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
	})
}

// TestEvictionDeletesNothingElsewhere: one owner has evicted a counter, the other has what that one missed.
func TestEvictionDeletesNothingElsewhere(t *testing.T) { // I9, I12
	for _, first := range []bool{true, false} {
		p := newPair(t, 5, 8, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
		evicted, kept := p.a, p.b
		if first {
			evicted, kept = kept, evicted
		}
		k := p.key("k")
		add := func(o *owner, node uint64, ago time.Duration) *vclock.Set {
			set, err := (&vclock.Set{}).Add(node, p.stamp(ago), 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			o.put(p, "k", &set)
			return &set
		}
		add(kept, 2, time.Minute)
		seen := add(evicted, 1, 30*time.Second)
		lost := evicted.side(k.Partition).Store
		lost.Drop(k.Partition)
		lost.Learn(k.Partition, lost.GhostOf(k, seen))
		for range 2 {
			p.exchange(t)
		}
		set, floor := kept.side(k.Partition).Store.Peek(k, p.now.Wall)
		if n, _, _ := set.Total(); n != 1 || floor != 0 {
			t.Errorf("the other holds %d, floor %v, want 1 that it vouches for", n, floor)
		}
	}
}

// TestWhatNeverAgreesKeepsNothingElseFromAgreeing: of thousands of counters one owner has evicted its own, and the other cannot believe it.
func TestWhatNeverAgreesKeepsNothingElseFromAgreeing(t *testing.T) { // I4
	p := newPair(t, 6, 1, [2]int64{64 << 20, 64 << 20}, [2]int{1, 1})
	add := func(node uint64, ago time.Duration) *vclock.Set {
		set, err := (&vclock.Set{}).Add(node, p.stamp(ago), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		return &set
	}
	lost := p.b.side(0).Store
	for i := range 8000 {
		name := fmt.Sprint("k", i)
		p.a.put(p, name, add(1, time.Minute))
		lost.Learn(0, lost.GhostOf(p.key(name), add(2, 20*time.Second)))
	}
	for i := range 200 {
		p.a.put(p, fmt.Sprint("missed", i), written(1, p.stamp(time.Duration(1+i%2)*time.Minute), "v"))
		p.b.put(p, fmt.Sprint("missing", i), written(1, p.stamp(time.Duration(1+i%2)*time.Minute), "v"))
	}
	p.exchange(t)
	for i := range 200 {
		a, _ := p.a.side(0).Store.Version(0, p.key(fmt.Sprint("missing", i)).Hash)
		b, _ := lost.Version(0, p.key(fmt.Sprint("missed", i)).Hash)
		if a.Stamp == 0 || b.Stamp == 0 {
			t.Fatalf("of the %dth of 200 the one who missed it knows nothing", i)
		}
	}
	if p.bytes > 8<<20 {
		t.Errorf("%d bytes were said", p.bytes)
	}
}

// TestABodyOfAnySizeCostsWhatAnHonestOneDoes: a peer that is broken names the same a million times, and the shard is held all the while.
func TestABodyOfAnySizeCostsWhatAnHonestOneDoes(t *testing.T) { // I16, I17
	p := newPair(t, 7, 8, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	k := p.key("k")
	p.b.put(p, "k", written(1, p.stamp(time.Minute), "v"))
	side, looked := p.b.side(k.Partition), 0
	fewer := side.Fewer
	side.Fewer = func(peer uint64, q uint32) int { looked++; return fewer(peer, q) }
	side.Key = func(uint32, []byte) (storage.Key, bool) { looked++; return storage.Key{}, false } // nothing to be told, however often it is asked
	many := func(numbers ...uint64) (body []byte) {
		for range 1 << 18 {
			body = wire.AppendNumbers(body, numbers...)
		}
		return body
	}
	var versions []byte
	for i := range uint64(1 << 18) {
		versions = appendVersion(versions, &storage.Version{Hash: i, Stamp: p.stamp(time.Second)})
	}
	cut := p.cfg.Cut(p.now.Wall)
	for _, m := range []wire.Message{
		{Step: wire.StepCompare, To: cut, Body: many(uint64(k.Partition), 0, 1)},
		{Step: wire.StepWant, Limit: 1 << 20, Body: many(k.Hash)},
		{Step: wire.StepVersions, To: cut, Leaves: 1, Body: append([]byte{0}, versions...)},
	} {
		m.Partition, looked = k.Partition, 0
		var reply wire.Message
		body, err := side.Answer(p.now, p.a.id, &m, &reply, nil)
		if err != nil || looked > 2*versionsMost || len(body) > 32*versionsMost || len(side.expected) > expectedMost {
			t.Errorf("%v: %d were looked at, and %d bytes are answered; %v", m.Step, looked, len(body), err)
		}
	}
}

// TestAnAnswerOfAnySizeIsRememberedAsAnHonestOneIs: of a peer that is broken.
func TestAnAnswerOfAnySizeIsRememberedAsAnHonestOneIs(t *testing.T) { // I16, I17
	p := newPair(t, 8, 8, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	p.a.put(p, "k", written(1, p.stamp(time.Minute), "v"))
	q := p.key("k").Partition
	many := func(numbers ...uint64) (body []byte) {
		for range 1 << 18 {
			body = wire.AppendNumbers(body, numbers...)
		}
		return body
	}
	answers := map[wire.Step]wire.Message{
		wire.StepCompare:  {Body: many(uint64(q), 0, 1)},
		wire.StepWindows:  {Body: many(1, 1)},
		wire.StepLeaves:   {Body: many(0, 1), Cursor: 1},
		wire.StepVersions: {Body: append(wire.AppendNumbers(nil, 1<<18), many(7)...), Cursor: 1},
	}
	serial := uint64(0)
	x := NewExchange(p.cfg, p.a.side(q), p.b.id, p.all(0), &serial)
	pulls := x.Tick(p.now, p.cfg.Cut(p.now.Wall), nil)
	for steps := 0; ; steps++ {
		if done, _ := x.Done(); done {
			return
		}
		if steps > 10_000 {
			t.Fatal("the exchange does not end")
		}
		for _, pull := range pulls {
			m := answers[pull.Message.Step]
			m.Kind, m.Step, m.To = wire.KindExchangeReply, pull.Message.Step, pull.Message.To
			_, _ = x.Reply(p.now, p.cfg.Cut(p.now.Wall), pull.Message.ID, &m, nil)
		}
		remembered := len(x.differ)
		for _, w := range x.walks {
			remembered += len(w.give) + len(w.want) + len(w.versions)
		}
		if remembered > 32*versionsMost {
			t.Fatalf("%d numbers are remembered", remembered)
		}
		p.now.Mono += p.cfg.Retry
		pulls = x.Tick(p.now, p.cfg.Cut(p.now.Wall), pulls[:0])
	}
}

// TestAPageWithALargeRecordFitsIntoAFrame: small ones before it leave it no room there.
func TestAPageWithALargeRecordFitsIntoAFrame(t *testing.T) {
	for _, from := range []int{0, 1} {
		p := newPair(t, 9, 1, [2]int64{4 << 20, 4 << 20}, [2]int{1, 1})
		limits := wire.DefaultLimits()
		limits.Frame, p.frameMost = 64<<10, 64<<10
		for i, o := range []*owner{p.a, p.b} {
			o.sides[0].Limits = &limits
			for k := range 40 {
				if i == from {
					o.put(p, fmt.Sprint("k", k), written(1, p.stamp(time.Minute), string(make([]byte, 1<<10+(k%4/3)*60<<10))))
				}
			}
		}
		p.exchange(t)
		p.agree(t)
	}
}

// TestWhatTheOtherCannotCompareDoesNotCountAsCompared: or a partition that recovers would be said to agree.
func TestWhatTheOtherCannotCompareDoesNotCountAsCompared(t *testing.T) {
	p := newPair(t, 10, 8, [2]int64{1 << 20, 1 << 20}, [2]int{1, 2})
	p.write(100, 100, time.Minute, 0)
	p.b.side(3).Store.Recover(3, p.stamp(0))
	p.exchange(t)
	if s := p.stats(); s.Compared != 7 || s.Differing != 0 {
		t.Errorf("of 8 partitions, one of which recovers, %d were compared, %d differ", s.Compared, s.Differing)
	}
}

// TestAWalkHoldsNoMoreThanAPage: however many versions differ in one partition, though somebody has chosen keys whose hashes all
// fall into one leaf, neither side remembers more of them at a time than a page, no message has more, and the partition is gone
// through a few times and not again for each page.
func TestAWalkHoldsNoMoreThanAPage(t *testing.T) {
	keys := 400_000
	if testing.Short() {
		keys = 50_000
	}
	for name, c := range map[string]struct {
		keys int
		hash func([]byte) uint64
	}{
		"all differ": {keys, xxhash.Sum64},
		"one leaf":   {50_000, func(b []byte) uint64 { return xxhash.Sum64(b) >> 16 }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPairOf(t, c.hash, 0x9e3779b97f4a7c15, 1, [2]int64{160 << 20, 160 << 20}, [2]int{1, 1})
			stamp := p.stamp(10 * time.Minute)
			for i := range c.keys {
				name := fmt.Sprint("k", i)
				switch own, other := written(1, stamp+vclock.Stamp(i), ""), written(2, stamp+vclock.Stamp(c.keys+i), ""); i % 4 {
				case 0: // each knows a later version of some
					p.a.put(p, name, own)
					p.b.put(p, name, other)
				case 1:
					p.a.put(p, name, other)
					p.b.put(p, name, own)
				case 2: // and some that the other does not
					p.a.put(p, name, own)
				default:
					p.b.put(p, name, own)
				}
			}
			held := 0
			p.during = func() {
				for _, w := range p.a.x[0].walks {
					held = max(held, len(w.versions), cap(w.want), cap(w.give))
				}
			}
			p.exchange(t)
			p.agree(t)
			if s := p.stats(); s.Merged < int64(c.keys) {
				t.Fatalf("%d of %d were told", s.Merged, c.keys)
			}
			if most := 4 * toldMost; held > most {
				t.Errorf("a walk held %d versions or hashes, a page has %d", held, toldMost)
			}
			if most := toldMost * 64; p.largest > most {
				t.Errorf("a message of %d bytes", p.largest)
			}
			if each := p.bytes / c.keys; each > 150 {
				t.Errorf("%d bytes for each key", each)
			}
			if s := p.stats(); s.False > 0 {
				t.Errorf("%d records were told for nothing", s.False)
			}
			t.Logf("%d bytes for each key, the largest message has %d, a walk held %d", p.bytes/c.keys, p.largest, held)
		})
	}
}

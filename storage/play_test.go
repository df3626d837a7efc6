package storage

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

const (
	// playBytesMost bounds a program, so that the fuzzer looks for what it says and not for how long it can be.
	playBytesMost = 200
	// burstsMost bounds how much of a program it lets a generator write for it.
	burstsMost = 4
	burstBytes = 1000
)

// FuzzStoreKeepsItsPromisesWhateverIsCalled plays a string of bytes as calls on a store of so little memory that everything evicts:
// invariants 1 to 3, and that a value is the one which was written under its key and dot.
func FuzzStoreKeepsItsPromisesWhateverIsCalled(f *testing.F) {
	for policy := range policies {
		for seed := range uint64(4) {
			rng := rand.New(rand.NewPCG(seed, 1))
			program := []byte{byte(policy), byte(seed * 70), byte(seed), byte(seed)}
			f.Add(append(program, random(rng, 100)...))
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		rapid.MakeFuzz(func(t *rapid.T) { // draws nothing; Store.verify asks for its T
			p := newPlayer(t, program[:min(len(program), playBytesMost)])
			for len(p.program) > 0 {
				p.step()
			}
			p.end()
		})(t, nil)
	})
}

// player is a store and what is known of it.
type player struct {
	*rapid.T
	program []byte
	bursts  int
	s       *Store
	memory  *measured
	now     int64
	stamp   vclock.Stamp

	below int // sizes of values that are drawn

	made   map[string][]*vclock.Set // versions of each key
	latest map[string]vclock.Stamp  // the greatest that was stored of it, and has to be held or below its floor
}

func newPlayer(t *rapid.T, program []byte) *player {
	p := &player{T: t, program: program, memory: &measured{taken: map[*byte]bool{}}, now: wall, made: map[string][]*vclock.Set{}, latest: map[string]vclock.Stamp{}}
	policy, n := Policy(p.next()%int(policies)), p.next()
	bytesMax := BytesLeast + int64(n*n/2)
	s, err := New(Config{BytesMax: bytesMax, Policy: policy, Partitions: 6, Shard: 1, Shards: 2, Hash: playHash, Seed: uint64(p.next()), Memory: p.memory})
	if err != nil {
		t.Fatal(err)
	}
	p.s = s
	p.below = []int{256, 16, 64, 200}[p.next()%4]
	return p
}

// next is a byte of the program, 0 after its end.
func (p *player) next() int {
	if len(p.program) == 0 {
		return 0
	}
	b := p.program[0]
	p.program = p.program[1:]
	return int(b)
}

// Of the keys some have one hash, some have hashes that are alike, some are counters, some are dead as Tick is told, one is
// long and one is empty.
const (
	playEmpty   = 199
	playLong    = 198
	playAlike   = 200 // to 219
	playOneHash = 220 // to 227
	playDead    = 240 // to 243
	playCounts  = 248 // to 255
)

func playHash(b []byte) uint64 {
	switch i := int(append(b[:len(b):len(b)], playEmpty)[0]); {
	case i >= playOneHash && i < playDead:
		return 42
	case i >= playAlike && i < playOneHash:
		return 7<<60 | uint64(i)
	}
	return sum64(b)
}

func (p *player) key() (k Key) {
	i := p.next()
	k.Bytes = []byte{byte(i), 'k'}
	switch i {
	case playEmpty:
		k.Bytes = nil
	case playLong:
		k.Bytes = bytes.Repeat(k.Bytes, 70)
	}
	k.Hash = playHash(k.Bytes)
	k.Partition = uint32(i)%3*2 + 1
	if k.Hash == 42 {
		k.Partition = 3
	}
	return k
}

func (k Key) counts() bool { return len(k.Bytes) > 0 && k.Bytes[0] >= playCounts }

func playIsDead(key []byte) bool {
	return len(key) > 0 && key[0] >= playDead && key[0] < playDead+4
}

// version makes the next version of a key. Stamps go up by two, since a mark may lie one above a stamp that was made.
func (p *player) version(k Key) *vclock.Set {
	p.stamp += 2
	kind, n := p.next(), p.next()%p.below
	if n == 13 { // it is later than that, by windows of some level
		p.stamp += vclock.Stamp(1+kind%5) << (windowShift + 3*(kind>>4%levels))
	}
	set := &vclock.Set{Dot: dot(vclock.Actor{Node: uint64(kind%3) + 1, Boot: 1}, p.stamp)}
	if k.counts() {
		held, _ := p.s.Peek(k, p.now)
		if held.IsZero() {
			set.Value = []byte("40")
			return set
		}
		sum, err := held.Add(set.Dot.Actor.Node, p.stamp, 1, 0)
		if err != nil {
			p.Fatal(err)
		}
		return &sum
	}
	switch {
	case kind&4 != 0:
		n %= 16
	case n < 128:
	case n < 200:
		n = (n - 128) * 8
	default: // up to what is just too large
		n = (n-199)*int(p.s.RecordBytesMax())/55 - len(k.Bytes) - 4
	}
	if set.Tombstone = kind&0x18 == 0x18; !set.Tombstone {
		set.Value = bytes.Repeat(binary.BigEndian.AppendUint64(append([]byte(nil), k.Bytes...), uint64(p.stamp)), max(n, 0)/8+1)[:max(n, 0)]
	}
	if kind&0x20 != 0 {
		set.Context.Add(dot(vclock.Actor{Node: 9, Boot: uint64(kind)}, p.stamp-1))
	}
	if kind&0xc0 == 0xc0 {
		set.Deadline = p.deadline()
	}
	p.made[string(k.Bytes)] = append(p.made[string(k.Bytes)], set)
	return set
}

func (p *player) deadline() vclock.Deadline {
	n := p.next()
	if n < 16 {
		return vclock.Deadline{Stamp: p.stamp}
	}
	return vclock.Deadline{At: p.now + int64(n%32), Stamp: p.stamp - vclock.Stamp(n>>5)%2}
}

// old is a version of the key that was made before, or one more.
func (p *player) old(k Key) *vclock.Set {
	made := p.made[string(k.Bytes)]
	if len(made) == 0 {
		return p.version(k)
	}
	return made[len(made)-1-p.next()%min(len(made), 4)]
}

// step makes a call, and looks at what the key is then.
func (p *player) step() {
	op, k := p.next(), p.key()
	part := uint32(op>>4)%3*2 + 1
	switch op % 16 {
	case 0, 1, 2, 3:
		p.fresh(k)
	case 4:
		set := p.old(k)
		p.stored(k, set, p.s.Put(k, set, p.now))
	case 5:
		set := p.old(k)
		p.stored(k, set, p.s.Refill(k, set, p.now))
	case 6:
		set := p.version(k)
		p.stored(k, set, p.s.PutVouched(k, set, p.stamp-vclock.Stamp(op>>4), p.now))
	case 7, 8:
		p.s.Retime(k, p.old(k).Dot, p.deadline(), p.now)
	case 9:
		p.again(k)
	case 10:
		p.now += int64(op >> 4)
		p.s.Tick(p.now, nil)
	case 11:
		p.now += int64(op >> 6)
		p.s.Tick(p.now, playIsDead)
		for key := range p.latest {
			if playIsDead([]byte(key)) {
				delete(p.latest, key)
			}
		}
	case 12:
		p.walk(part)
	case 13:
		p.s.Recover(part, p.stamp-min(p.stamp, vclock.Stamp(p.next())))
	case 14:
		p.recovered(part)
	case 15:
		if op < 0xa0 {
			p.s.Get(k, p.now)
			break
		}
		if p.bursts < burstsMost && op < 0xe0 {
			p.bursts++
			p.program = append(random(rand.New(rand.NewPCG(k.Hash, uint64(op))), burstBytes), p.program...)
			break
		}
		p.s.Drop(part)
		for i := range 256 {
			q := player{program: []byte{byte(i)}}
			if k := q.key(); k.Partition == part {
				delete(p.latest, string(k.Bytes))
			}
		}
	}
	p.check(k)
	if p.stamp%32 == 0 || len(p.program) == 0 {
		p.s.verify(p.T)
	}
	if p.memory.now > p.s.stats.BytesMax {
		p.Fatalf("%d bytes are taken of %d", p.memory.now, p.s.stats.BytesMax)
	}
}

// fresh puts a version later than all, which only may not be stored where there is no room at all.
func (p *player) fresh(k Key) {
	set := p.version(k)
	recovery, _ := p.s.Recovering(k.Partition)
	r := p.s.Put(k, set, p.now)
	p.stored(k, set, r)
	close := int64(bodyBytes(k.Bytes, set)+8*dotBytes) > p.s.RecordBytesMax() // with what else it has met
	switch {
	case r.Outcome == Full && p.s.policy == None, r.Outcome == TooLarge && close, k.counts(), recovery >= set.Dot.Stamp:
	case r.Outcome != Stored:
		p.Fatalf("%q at %v: %+v", k.Bytes, p.stamp, r)
	case !set.Deadline.Passed(p.now):
		if held, _ := p.s.Peek(k, p.now); held.Dot != set.Dot {
			p.Fatalf("%q was stored at %v, and is held at %v", k.Bytes, set.Dot, held.Dot)
		}
	}
}

func (p *player) stored(k Key, set *vclock.Set, r Result) {
	if r.Outcome == Stored || r.Outcome == Known {
		p.latest[string(k.Bytes)] = max(p.latest[string(k.Bytes)], set.Dot.Stamp)
	}
}

// again hands in, as a newer version, the bytes that the store has just lent.
func (p *player) again(k Key) {
	held, _ := p.s.Get(k, p.now)
	if held.IsZero() || held.Packed {
		return
	}
	p.stamp += 2
	held.Dot.Stamp = p.stamp
	same := copied(held)
	if r := p.s.Put(k, &held, p.now); r.Outcome == Stored {
		p.made[string(k.Bytes)] = append(p.made[string(k.Bytes)], &same)
		p.stored(k, &same, r)
	}
}

func (p *player) walk(part uint32) {
	records, ghosts, told := 0, 0, 0
	for cursor := uint64(0); ; {
		cursor = p.s.Walk(part, cursor, p.next()*8, func(key []byte, set *vclock.Set, _ vclock.Stamp) {
			p.right(key, set)
			records++
		}, func(Ghost) { ghosts++ })
		if cursor == 0 {
			break
		}
		if told++; told > records+ghosts {
			p.Fatalf("%d pages of %d entries", told, records+ghosts)
		}
	}
	if r, g := p.s.Count(part); r != records || g != ghosts {
		p.Fatalf("%d records and %d ghosts were told of %d and %d", records, ghosts, r, g)
	}
}

func (p *player) recovered(part uint32) {
	mark, odd := p.stamp-min(p.stamp, vclock.Stamp(p.next())), uint64(p.next())
	var taken []Ghost
	for range odd % 4 {
		q := player{program: []byte{byte(p.next())}}
		if k := q.key(); k.Partition == part {
			taken = append(taken, Ghost{Hash: k.Hash, Stamp: p.stamp - min(p.stamp, vclock.Stamp(odd>>2)), Deadline: p.deadline()})
		}
	}
	p.s.Recovered(part, mark, func(k Key, _ vclock.Stamp) bool { return k.Hash&odd == odd }, taken)
}

// check holds the store to what it promised of a key.
func (p *player) check(k Key) {
	set, floor := p.s.Peek(k, p.now)
	if !set.IsZero() {
		p.right(k.Bytes, &set)
	}
	if l := p.latest[string(k.Bytes)]; set.Dot.Stamp < l && floor < l {
		p.Fatalf("%q was stored at %v, is held at %v with floor %v", k.Bytes, l, set.Dot.Stamp, floor)
	}
}

// right checks that a version is one that was made of its key.
func (p *player) right(key []byte, set *vclock.Set) {
	if (Key{Bytes: key}).counts() {
		if _, _, err := set.Total(); err != nil {
			p.Fatalf("%q: %v", key, err)
		}
		return
	}
	for _, made := range p.made[string(key)] {
		if made.Dot == set.Dot {
			if made.Tombstone != set.Tombstone || !bytes.Equal(made.Value, set.Value) {
				p.Fatalf("%q at %v holds %d bytes that are not the %d written", key, set.Dot, len(set.Value), len(made.Value))
			}
			return
		}
	}
	p.Fatalf("%q holds %v, which nobody wrote", key, set.Dot)
}

// end looks at every key, and then whether all that a store held can be used again.
func (p *player) end() {
	for i := range 256 {
		q := player{program: []byte{byte(i)}}
		p.check(q.key())
	}
	for part := uint32(1); part < 6; part += 2 {
		p.s.Drop(part)
	}
	p.s.Tick(p.now, nil)
	p.s.verify(p.T)
	q := player{program: []byte{1}}
	set := value(alice, 1, "")
	set.Value = make([]byte, p.s.RecordBytesMax()/2)
	if r := p.s.Put(q.key(), set, p.now); r.Outcome != Stored || p.s.blockBytes > p.s.RecordBytesMax() {
		p.Fatalf("put in an empty store: %v, %+v", r.Outcome, p.s.Stats())
	}
}

package vclock

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// This file is how replicas that forget keep siblings: the rules by which a coordinator and its owners use
// Merge, Supersede and Forget, tried on one key of three owners, W=R=2, under random schedules.
//
//	below    a record is kept with the floor that its owner had when it came: what the owner may have forgotten of the key.
//	         While there is one, the owner's answer is no vote.
//	vouch    whoever has R votes knows all that is acknowledged, and says so with the floor that the owner told: that lifts it,
//	         if it has not risen since.
//	old      but only a floor so old that no write at or below it can still be under way: what an owner stored, forgot and
//	         told of may be acknowledged after the votes were given.
//	first    a coordinator that has a floor of its own reads before it writes, with R votes.
//	flight   what it then writes contains its own writes that are under way: a context says "all of this actor up to here".
//	again    and where its own floor has risen while it read, it reads again, for the same reason.
//	anew     without R votes everything at or below the greatest floor counts as forgotten: the write begins anew.
//	votes    an answer with a floor is no vote, unless what is read covers it.
//	recovery an owner that lost its memory has the floor of all that it may have stored.
type rules map[string]bool

var everyRule = []string{"below", "vouch", "old", "first", "flight", "again", "anew", "votes", "recovery"}

const (
	forgetfulOwners  = 3
	forgetfulQuorum  = 2 // W and R
	forgetfulWrites  = 20
	forgetfulSteps   = 150
	forgetfulLongest = 6 // milliseconds that a write may be under way
)

// owner is a replica of the key, and the node of a coordinator.
type owner struct {
	held     bool
	set      Set
	below    Stamp
	ghost    Stamp // 0: none
	mark     Stamp
	recovery Stamp
	boot     uint64
	clock    Clock
	promised Stamp // the greatest that it stored in any boot
}

func (o *owner) floor() Stamp {
	switch {
	case o.held:
		return o.below
	case o.ghost > 0:
		return max(o.ghost, o.recovery)
	default:
		return max(o.mark, o.recovery)
	}
}

// attempt is a write that was stamped, and the truth about it.
type attempt struct {
	dot   Dot
	set   Set    // as sent
	gone  uint64 // the writes that its client had seen, and theirs, as a bit mask
	by    int
	boot  uint64
	at    int64
	acks  int
	acked bool
}

// call is a read, or the read ahead of a write.
type call struct {
	at      int // its coordinator
	boot    uint64
	began   int64
	own     Stamp  // the coordinator's floor then
	must    uint64 // writes acknowledged by then
	write   bool
	seen    Context // by its client
	gone    uint64
	set     Set // all that was told
	floors  [forgetfulOwners]Stamp
	replied [forgetfulOwners]bool
	done    bool
}

type note struct {
	to    int
	fetch *call // else a set to store
	set   Set
	vouch Stamp
	write int // the attempt that waits for it, -1: a repair
}

type forgetful struct {
	rules   rules
	rng     *rand.Rand
	wall    int64
	owners  [forgetfulOwners]owner
	writes  []attempt
	notes   []note
	clients []call // what they saw last: seen and gone
	votes   int    // reads that had them
	failure string
}

func runForgetful(seed uint64, r rules) *forgetful {
	f := &forgetful{rules: r, rng: rand.New(rand.NewPCG(seed, 1)), wall: 1, clients: []call{{}}}
	for i := range f.owners {
		f.owners[i].clock = NewClock(0, 1)
	}
	for range forgetfulSteps {
		if f.step(); f.failure != "" {
			break
		}
	}
	return f
}

func (f *forgetful) step() {
	f.wall += int64(f.rng.IntN(2))
	at := f.rng.IntN(forgetfulOwners)
	o := &f.owners[at]
	switch k := f.rng.IntN(14); {
	case k < 2 && len(f.writes) < forgetfulWrites:
		client := f.clients[f.rng.IntN(len(f.clients))]
		c := &call{at: at, boot: o.boot, write: true, seen: client.seen, gone: client.gone}
		if o.floor() == 0 || !f.rules["first"] {
			f.put(c, false)
		} else {
			f.ask(c)
		}
	case k < 4:
		f.ask(&call{at: at, boot: o.boot})
	case k < 11 && len(f.notes) > 0:
		i := f.rng.IntN(len(f.notes))
		n := f.notes[i]
		f.notes[i] = f.notes[len(f.notes)-1]
		f.notes = f.notes[:len(f.notes)-1]
		if f.rng.IntN(12) > 0 { // else it is lost
			f.deliver(&n)
		}
	case k == 11 && o.held: // evicted
		o.ghost, o.held, o.set, o.below = max(o.set.Dot.Stamp, o.below), false, Set{}, 0
	case k == 12: // its ghost is dropped
		o.mark, o.ghost = max(o.mark, o.ghost), 0
	case k == 13 && f.rng.IntN(4) == 0: // one of them loses its memory, at most: the condition of I1
		f.wall += 3
		o = &f.owners[0]
		*o = owner{boot: o.boot + 1, clock: NewClock(0, 1), promised: max(o.promised, o.clock.Last())}
		o.clock.Next(f.wall, o.promised) // a restart waits until its clock has passed that
		if f.rules["recovery"] {
			o.recovery = o.promised
		}
	}
}

func (f *forgetful) ask(c *call) {
	c.began, c.own = f.wall, f.owners[c.at].floor()
	for i := range f.writes {
		w := &f.writes[i]
		if w.acked {
			c.must |= 1 << i
		} else if c.write && f.rules["flight"] && w.by == c.at && w.boot == c.boot {
			c.set = united(&c.set, &w.set)
		}
	}
	for i := range f.owners {
		f.notes = append(f.notes, note{to: i, fetch: c})
	}
}

func (f *forgetful) deliver(n *note) {
	o := &f.owners[n.to]
	if n.fetch != nil {
		f.reply(n.fetch, n.to)
		return
	}
	if n.write >= 0 && f.wall > f.writes[n.write].at+forgetfulLongest {
		return // late
	}
	floor := o.floor()
	if o.held {
		o.set = united(&o.set, &n.set)
	} else {
		o.set, o.held, o.ghost = n.set, true, 0
	}
	if floor <= max(n.vouch, o.set.Covers()) || !f.rules["below"] {
		floor = 0
	}
	o.below, o.promised = floor, max(o.promised, o.set.Dot.Stamp)
	if n.write < 0 {
		return
	}
	w := &f.writes[n.write]
	if w.acks++; w.acks >= forgetfulQuorum && f.owners[w.by].boot == w.boot {
		w.acked = true
	}
}

func (f *forgetful) reply(c *call, from int) {
	if c.done || f.owners[c.at].boot != c.boot {
		return
	}
	o := &f.owners[from]
	c.floors[from], c.replied[from] = o.floor(), true
	if o.held {
		c.set = united(&c.set, &o.set)
	}
	votes := 0
	for i, floor := range c.floors {
		if c.replied[i] && (floor <= c.set.Covers() || !f.rules["votes"]) {
			votes++
		}
	}
	voted := votes >= forgetfulQuorum
	if c.done = voted || c.replied == [forgetfulOwners]bool{true, true, true}; !c.done {
		return
	}
	switch {
	case c.write:
		f.put(c, voted)
	case voted:
		f.judge(c)
		f.repair(c)
	}
}

// lifts is the floor of an owner that what c read stands above.
func (f *forgetful) lifts(c *call, owner int) Stamp {
	switch {
	case !f.rules["vouch"]:
		return 1 << 62
	case f.rules["old"] && c.floors[owner].Millis()+forgetfulLongest >= c.began:
		return 0
	default:
		return c.floors[owner]
	}
}

func (f *forgetful) repair(c *call) {
	for i := range f.owners {
		if c.replied[i] && f.rng.IntN(2) == 0 {
			f.notes = append(f.notes, note{to: i, set: c.set, vouch: f.lifts(c, i), write: -1})
		}
	}
}

// put stamps a write over what its coordinator knows and has read, and sends it to all.
func (f *forgetful) put(c *call, voted bool) {
	o := &f.owners[c.at]
	read := c.began > 0
	if read && f.rules["again"] && o.floor() > c.own {
		f.ask(&call{at: c.at, boot: c.boot, write: true, seen: c.seen, gone: c.gone})
		return
	}
	base, forgotten := c.set, max(c.floors[0], c.floors[1], c.floors[2])
	if o.held {
		base = united(&base, &o.set)
	}
	if read && !voted && f.rules["anew"] {
		base = base.Forget(forgotten)
	}
	above := max(base.Dot.Stamp, base.Context.Floor, c.seen.Floor, o.floor())
	for _, d := range append(base.heard().Seen, c.seen.Seen...) {
		above = max(above, d.Stamp)
	}
	dot := Dot{Actor: Actor{Node: uint64(c.at + 1), Boot: o.boot + 1}, Stamp: o.clock.Next(f.wall, above)}
	set, _ := base.Supersede(Version{Dot: dot}, &c.seen, 0, 0)
	f.writes = append(f.writes, attempt{dot: dot, set: set, gone: c.gone, by: c.at, boot: o.boot, at: f.wall})
	number := len(f.writes) - 1
	for i := range f.owners {
		n := note{to: i, set: set, write: number}
		switch {
		case read && voted:
			n.vouch = f.lifts(c, i)
		case read:
			n.vouch = forgotten
		}
		if i == c.at {
			f.deliver(&n)
		} else {
			f.notes = append(f.notes, n)
		}
	}
}

// judge is I1 and I2 for siblings: what was acknowledged before a read began is in it, or a write is whose client had seen
// it, unless all of then was forgotten; and nothing is in it that such a write had superseded.
func (f *forgetful) judge(c *call) {
	f.votes++
	heard := c.set.heard()
	var alive, gone, stale uint64
	for i, w := range f.writes {
		if c.set.Alive(w.dot) {
			alive |= 1 << i
		}
		if heard.Contains(w.dot) {
			gone |= w.gone
		}
		if c.must>>i&1 == 1 {
			stale |= w.gone
		}
	}
	for i, w := range f.writes {
		switch {
		case c.must>>i&1 == 1 && (alive|gone)>>i&1 == 0 && w.dot.Stamp > heard.Floor:
			f.failure = fmt.Sprintf("write %d was acknowledged, and is lost", i)
		case alive&stale>>i&1 == 1:
			f.failure = fmt.Sprintf("write %d is back, though one that had seen it was acknowledged", i)
		}
	}
	f.clients = append(f.clients, call{seen: heard, gone: alive | gone})
}

func ruled(without string) rules {
	r := rules{}
	for _, name := range everyRule {
		r[name] = name != without
	}
	return r
}

func TestSiblingsOfForgetfulOwnersAreNeitherLostNorStale(t *testing.T) {
	seeds := uint64(12_000)
	if testing.Short() {
		seeds = 2000
	}
	votes := 0
	for seed := range seeds {
		f := runForgetful(seed, ruled(""))
		if votes += f.votes; f.failure != "" {
			t.Fatalf("seed %d: %s", seed, f.failure)
		}
	}
	if votes < int(seeds) {
		t.Errorf("%d reads had votes, over %d seeds", votes, seeds)
	}
}

func TestEveryRuleOfForgetfulOwnersIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("the rules do not change with the race detector")
	}
	for _, name := range everyRule {
		for seed := uint64(0); runForgetful(seed, ruled(name)).failure == ""; seed++ {
			if seed == 100_000 {
				t.Errorf("without the rule %q nothing goes wrong", name)
				break
			}
		}
	}
}

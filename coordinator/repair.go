package coordinator

import (
	"math"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is what a read does for owners that were behind (Dynamo §4.5): it sends them what the others have. A get
// also listens to owners that reply after its answer, and now and then asks those that it did not need.

// repair sends the merged version to owners that replied with less and have not forgotten as much: they
// missed it, or its deadline. Who evicted it, or something newer, is left alone, so eviction and repair do
// not fight. A deadline alone goes without the value, which may be past it.
func (r *read) repair(e *Env) (sent int) {
	if r.best.IsZero() {
		return 0
	}
	passed := r.best.Deadline.Passed(e.Now.Wall)
	var heard vclock.Context
	if r.best.Packed {
		heard = r.best.Heard(math.MaxInt)
	}
	for i := range r.seats {
		s := &r.seats[i]
		missed := s.dot.Compare(r.best.Dot) < 0 && s.floor < r.best.Dot.Stamp && !passed
		outlives := s.dot == r.best.Dot && s.until.Compare(r.best.Deadline) < 0
		vouch := vclock.Stamp(0)
		if r.best.Packed {
			vouch = r.vouch(e, s)
			missed = missed || !s.dot.IsZero() && !passed && (!s.heard.Covers(&heard) || 0 < s.floor && s.floor <= vouch)
		}
		if s.state != served || !missed && !outlives {
			continue
		}
		s.dot, s.until, s.heard = r.best.Dot, r.best.Deadline, heard // a later reply may tell of more, not of this again
		if !e.Repaired.first(e, r, s, vouch) {
			e.Eff.Withheld++
			continue
		}
		m := wire.Message{Kind: wire.KindStore, Key: r.key, Pass: wire.PassRepair, Set: r.best, Floor: vouch}
		if !missed {
			m = wire.Message{Kind: wire.KindRetime, Key: r.key, Set: vclock.Set{Dot: r.best.Dot, Deadline: r.best.Deadline}}
		}
		sent++
		e.Eff.Sends = append(e.Eff.Sends, Send{To: s.Node, Message: m})
	}
	e.Eff.Repairs += sent
	return sent
}

// vouch is the stamp at or below which nothing that s may have forgotten is missing in what R owners vote for: its floor, if
// no write that low can still have been under way. What an owner stored, forgot and told of may be acknowledged after
// the votes were given. Of who was heard after the answer it is not said: one vote, say, was enough for that.
func (r *read) vouch(e *Env, s *seat) vclock.Stamp {
	if s.late {
		return 0
	}
	if s.floor.Millis()+e.Config.SettledAfter.Milliseconds() >= r.began {
		return 0
	}
	return s.floor
}

// check asks the owners of this datacenter that the answer took no reply of whether they hold the same. Those of others
// are left to reads that need them: a level that stays at home does so because the way there is long, or paid for.
func (r *read) check(e *Env) {
	m := wire.Message{Kind: wire.KindFetch, ID: r.id | r.round, Key: r.key, Check: true}
	if !r.best.IsZero() && !r.best.Packed { // several versions are more than a digest names
		m.Digest = r.best.Ghost(r.best.Deadline)
	}
	for i := range r.seats {
		s := &r.seats[i]
		if s.state != idle || s.Slow || s.Datacenter != r.quorum.local {
			continue
		}
		s.state, s.chance, s.dot, s.until = asked, true, r.best.Dot, r.best.Deadline
		e.Eff.Checks++
		e.Eff.Sends = append(e.Eff.Sends, Send{To: s.Node, Message: m})
	}
}

// linger keeps what was answered while replies are due, each of which may tell of an owner that is behind; false if none is.
func (r *read) linger() bool {
	if r.verdict != voted || !r.seats.waiting() {
		return false
	}
	for i := range r.seats {
		s := &r.seats[i]
		s.late = s.state == asked
	}
	r.keep()
	return true
}

// later takes a reply that came after the answer. Those who voted for that vote for whatever else is known now.
func (r *read) later(e *Env, from uint64, m *wire.Message) {
	if !r.hear(from, m) {
		return
	}
	r.date()
	sent := r.repair(e)
	if r.seats.find(from).chance {
		e.Eff.RepairsChecked += sent
	} else {
		e.Eff.RepairsLate += sent
	}
	r.keep()
}

// chosen reports whether the read of a call's id also asks the owners that it does not need. Ids count, and clients may ask in
// turns: mixed, one in so many is any one (MurmurHash3's finalizer, Appleby).
func (c *Config) chosen(id uint64) bool {
	id = (id ^ id>>33) * 0xff51afd7ed558ccd
	id = (id ^ id>>33) * 0xc4ceb9fe1a85ec53
	id ^= id >> 33
	const steps = 1 << 53 // which a float64 tells apart
	return float64(id>>11) < c.ReadRepairChance*steps
}

// repairAgain is how long a repair is not sent again. What refuses it, for want of room or for good, would be sent it by
// every read; and many reads may meet one stale copy before the first repair is there.
const repairAgain = time.Second

// Repaired remembers the repairs of the last moments, as many as it has room for. The zero Repaired is empty.
type Repaired [256]struct {
	name uint64
	at   time.Duration
}

// first reports whether best was not sent to s lately, and notes that it is now.
func (t *Repaired) first(e *Env, r *read, s *seat, vouch vclock.Stamp) bool {
	name := e.Config.Hash(r.key)
	mix := func(x uint64) {
		name = (name ^ x) * 0x9e3779b97f4a7c15
		name ^= name >> 32
	}
	mix(s.Node)
	mix(uint64(r.best.Ghost(r.best.Deadline)))
	if r.best.Packed { // one base, which that names, has many versions on it
		mix(e.Config.Hash(r.best.Value))
		mix(uint64(vouch))
	}
	slot := &t[name%uint64(len(t))]
	if slot.name == name && e.Now.Mono-slot.at < repairAgain {
		return false
	}
	slot.name, slot.at = name, e.Now.Mono
	return true
}

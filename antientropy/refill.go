package antientropy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Config bounds a refill. Every field must be positive.
type Config struct {
	PageBytes int           // asked for per page; larger is fewer round trips and longer holds of the shard; default 64 KiB
	Retry     time.Duration // before an unanswered page is asked for again; less finds a source ready sooner and repeats more; default 1 s
}

// DefaultConfig returns the defaults named at the fields.
func DefaultConfig() Config { return Config{PageBytes: 64 << 10, Retry: time.Second} }

// ErrConfig is wrapped by every problem that Validate reports.
var ErrConfig = errors.New("antientropy: bad config")

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (c Config) Validate() error {
	var problems []error
	if c.PageBytes <= 0 || int64(c.PageBytes) > math.MaxUint32 {
		problems = append(problems, fmt.Errorf("%w: PageBytes %d: use 1 to 4 GiB", ErrConfig, c.PageBytes))
	}
	if c.Retry <= 0 {
		problems = append(problems, fmt.Errorf("%w: Retry %v: give it a positive value", ErrConfig, c.Retry))
	}
	return errors.Join(problems...)
}

// Refill brings one partition back on a replica that holds nothing it can vouch for: it hears from every other owner what
// that knows of the whole partition, and then rules which of the versions it got may stay. Values come once: from one of the
// owners, and from the others of what that one did not have like this (missing.go).
type Refill struct {
	cfg       Config
	partition uint32
	notBefore time.Duration
	serial    *uint64      // given last, over all refills of a shard
	unkept    vclock.Stamp // greatest stamp that was offered and could not be stored
	sources   []source     // sorted by node
	whole     int          // the one of sources that tells values
	bytes     int64        // of pages that counted
	done      bool
}

// source is one other owner and what it told.
type source struct {
	Other
	boot   uint64 // of the source when it told what counts
	told   bool   // it has told something
	cursor uint64
	walked bool
	wants  []uint64      // hashes of what it is to tell whole after that, in order
	asked  time.Duration // when the page under way was asked for, last; 0: none is
	serial uint64        // of that page, however often it is asked for
	limit  int           // how many bytes of it were asked for, and have not come

	knows map[uint64]known // by key hash
	mark  vclock.Stamp     // greatest stamp it forgot without a ghost
	floor vclock.Stamp     // greatest floor it answered with while it was itself recovering
}

type known struct {
	stamp    vclock.Stamp
	deadline vclock.Deadline // of a ghost
	ghost    bool
	whole    bool // a record that came with its value
	digest   uint32
	content  uint32
	fewer    uint8
	below    vclock.Stamp // of a record: at or below it some of its versions may be missing
}

// Other is another owner of a partition.
type Other struct {
	Node uint64
	Near bool  // in this replica's datacenter
	Rank uint8 // among the owners of its datacenter, from 0
}

// NewRefill makes the refill of a partition from the other owners. No exchange begins before notBefore:
// the longest allowed request deadline after this replica lost its memory, when every write that its
// former self acknowledged has either reached another owner or failed. Serial numbers the pages of all
// refills that share it, so that a reply to an earlier one does not count.
func NewRefill(cfg Config, partition uint32, others []Other, notBefore time.Duration, serial *uint64) *Refill {
	r := &Refill{cfg: cfg, partition: partition, notBefore: notBefore, serial: serial}
	for _, o := range others {
		r.sources = append(r.sources, source{Other: o, knows: map[uint64]known{}})
	}
	slices.SortFunc(r.sources, func(a, b source) int { return cmp.Compare(a.Node, b.Node) })
	r.whole = r.teller()
	r.done = len(r.sources) == 0
	return r
}

// Pull is a page to ask of a node.
type Pull struct {
	Node    uint64
	Message wire.Message // ID is the serial, to be echoed
}

// Tick appends the pages to ask for now, of the nodes for which may is true, each of at most so many bytes.
func (r *Refill) Tick(now time.Duration, may func(node uint64) bool, bytes int, dst []Pull) []Pull {
	if now < r.notBefore {
		return dst
	}
	for i := range r.sources {
		s := &r.sources[i]
		if s.walked && len(s.wants) == 0 || !may(s.Node) || s.asked != 0 && now-s.asked < r.cfg.Retry {
			continue
		}
		if s.asked == 0 { // asked for again, a page keeps its serial: over a link slower than Config.Retry the first reply is the one that comes
			*r.serial++
			s.serial = *r.serial
		}
		s.asked = max(now, 1)
		m := wire.Message{Kind: wire.KindPull, ID: s.serial, Partition: r.partition, Limit: uint32(min(bytes, r.cfg.PageBytes))}
		s.limit += int(m.Limit)
		if !s.walked {
			m.Cursor, m.Brief = s.cursor, i != r.whole
		} else {
			m.Body = wire.AppendNumbers(nil, s.wants[:min(len(s.wants), wire.WantsMax)]...)
		}
		dst = append(dst, Pull{Node: s.Node, Message: m})
	}
	return dst
}

// Verdict is what became of a record that a page offered.
type Verdict uint8

// The verdicts.
const (
	Taken   Verdict = iota // a record: stored, or something newer is known; a ghost: believed
	Refused                // it cannot be stored here at all: the replica must count it as forgotten
	Later                  // not yet: the page is asked for again
)

// Page takes the page m that node sent in reply to serial, and hands its entries to in.Install; Tick asks for the next. It returns how many
// bytes were asked for and are not under way any more, 0 if it was not asked for.
// Installing is provisional: a refilling replica answers every read with its recovery floor, so a version that Keep later rules out is one that no read could have taken from it alone. The
// error is one of wire's, for a page that makes no sense; it is asked for again.
func (r *Refill) Page(node, serial uint64, m *wire.Message, in Inward) (asked int, err error) {
	i := slices.IndexFunc(r.sources, func(s source) bool { return s.Node == node })
	if i < 0 || m.Partition != r.partition {
		return 0, nil
	}
	s := &r.sources[i]
	if s.asked == 0 || s.serial != serial {
		return 0, nil
	}
	asked, s.limit = s.limit, 0
	if m.Outcome != wire.OutcomeOK { // not an owner under its map yet, say: asked again later
		return asked, nil
	}
	if s.told && s.boot != m.Boot {
		r.anew()
		return asked, nil
	}
	s.boot, s.told = m.Boot, true
	r.bytes += int64(len(m.Body))
	s.mark, s.floor = max(s.mark, m.Floor), max(s.floor, m.Known.Stamp)
	if s.walked {
		s.forget(m.Cursor)
	}
	page := wire.NewPage(m.Body, in.Limits)
	var e wire.PageEntry
	for {
		more, err := page.Next(&e)
		if err != nil {
			return asked, err
		}
		if !more {
			break
		}
		hash, k := in.told(&e)
		switch in.Install(&e) {
		case Later:
			return asked, nil
		case Refused:
			r.unkept = max(r.unkept, k.stamp)
		}
		s.learn(hash, k)
	}
	s.asked = 0
	if s.walked {
		s.got(m.Cursor)
	} else {
		s.cursor, s.walked = m.Cursor, m.Cursor == 0
	}
	r.done = r.complete()
	return asked, nil
}

// anew begins the refill again after a source has restarted: its cursor means nothing, and what it told is no longer what it
// knows. Nor may that of others be: one that was recovering itself may have got from it meanwhile what it has lost.
func (r *Refill) anew() {
	for i := range r.sources {
		r.sources[i] = source{Other: r.sources[i].Other, knows: map[uint64]known{}}
	}
}

// Inward is how a refill reaches the store and reads pages.
type Inward struct {
	Install func(*wire.PageEntry) Verdict // stores a record that came whole; of another entry it only judges whether its stamp can be
	Hash    func([]byte) uint64           // the cluster's
	Limits  *wire.Limits
}

// told is what an entry says of its key.
func (in *Inward) told(e *wire.PageEntry) (hash uint64, k known) {
	switch g := &e.Ghost; {
	case e.IsGhost:
		return g.Hash, known{stamp: g.Stamp, deadline: g.Deadline, ghost: true, digest: g.Digest, content: g.Content, fewer: g.Fewer}
	case e.IsBrief:
		return g.Hash, known{stamp: g.Stamp, below: e.Below, digest: g.Digest}
	}
	return in.Hash(e.Key), known{stamp: e.Set.Dot.Stamp, below: e.Below, digest: e.Set.Ghost(e.Set.Deadline), whole: true}
}

// learn notes the newest that a source says of a key: a walk may meet a key twice while it changes.
func (s *source) learn(hash uint64, k known) {
	if old, ok := s.knows[hash]; !ok || old.stamp <= k.stamp {
		s.knows[hash] = k
	}
}

// Lost says that what was asked of node will not be answered. Once it is back it goes on where it was, or the refill
// begins anew if it has restarted. It reports whether the refill waits for that; one that has heard all that the node knows does not.
func (r *Refill) Lost(node uint64) bool {
	for i := range r.sources {
		if s := &r.sources[i]; s.Node == node && !r.done && !(s.walked && len(s.wants) == 0) {
			if s.asked = 0; !s.told { // nobody can say whether it is the same boot that comes back
				r.anew()
			}
			return true
		}
	}
	return false
}

// Done reports whether every other owner has told all it knows.
func (r *Refill) Done() bool { return r.done }

// Bytes are those of the pages that counted.
func (r *Refill) Bytes() int64 { return r.bytes }

// Mark is the greatest mark of the other owners, or the stamp of what they had and this one cannot store.
func (r *Refill) Mark() vclock.Stamp {
	m := r.unkept
	for i := range r.sources {
		m = max(m, r.sources[i].mark)
	}
	return m
}

// Keep reports whether a version of a key that has so many replicas in each datacenter may be vouched for: its other owners
// vote for it, as many as half of all, which is to say that none of those can have forgotten something newer. A majority
// acknowledged whatever was, so one of those votes would be missing. The same holds within the datacenter, where a majority
// is enough at a local level. An only owner has nobody to ask. What others have who are no owners of the key says nothing.
func (r *Refill) Keep(hash uint64, stamp vclock.Stamp, replicas uint8) bool {
	var votes, others, near, nearOthers int
	for i := range r.sources {
		s := &r.sources[i]
		if s.Rank >= replicas {
			continue
		}
		vote := stamp >= s.floorOf(hash)
		if others++; vote {
			votes++
		}
		if s.Near {
			if nearOthers++; vote {
				near++
			}
		}
	}
	return len(r.sources) == 0 || others > 0 && enough(votes, others) && enough(near, nearOthers)
}

// enough reports whether the votes of others are as many as half of all, this replica included.
func enough(votes, others int) bool { return others == 0 || 2*votes >= others+1 }

// floorOf is the floor with which the source would have answered a read of the key.
func (s *source) floorOf(hash uint64) vclock.Stamp {
	k, ok := s.knows[hash]
	switch {
	case !ok:
		return max(s.floor, s.mark)
	case k.ghost:
		return max(s.floor, k.stamp)
	default:
		return max(s.floor, k.below)
	}
}

// Ghosts lists what the other owners remember of keys they dropped, the newest of each with the latest
// deadline, oldest first.
func (r *Refill) Ghosts() []wire.Ghost {
	newest := map[uint64]wire.Ghost{}
	for i := range r.sources {
		for h, k := range r.sources[i].knows {
			old := newest[h]
			if k.ghost && cmp.Or(cmp.Compare(k.stamp, old.Stamp), k.deadline.Compare(old.Deadline)) > 0 {
				newest[h] = wire.Ghost{Hash: h, Stamp: k.stamp, Digest: k.digest, Content: k.content, Fewer: k.fewer, Deadline: k.deadline}
			}
		}
	}
	out := make([]wire.Ghost, 0, len(newest))
	for _, g := range newest {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b wire.Ghost) int {
		return cmp.Or(cmp.Compare(a.Stamp, b.Stamp), cmp.Compare(a.Hash, b.Hash))
	})
	return out
}

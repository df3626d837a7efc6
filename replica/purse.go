package replica

import "math"

// work is what a node does in the background.
type work uint8

const (
	workHint     work = iota // hints that it sends
	workRefill               // pages that it has asked for
	workTell                 // pages that others have asked for
	workExchange             // what is said in exchanges, by either side
	works
)

// purse is what a shard may do in the background until the next tick. Work may begin while there is anything left, and is paid
// once it is known what it costs: so one piece may be larger than what is left, and others wait for longer after it.
//
// Hints go first: they are few and small, and their target, which is up, answers with less until it has them. They leave a
// quarter to the rest while that waits, or many could hold up a recovery. Pages that this node asks for come before those
// that others have asked it for: who has forgotten is no help to anybody. What exchanges say comes last, since
// they find what reads would find, too.
type purse struct {
	left, spent int64
	part        int64 // what was dealt last
	waits       bool  // something that is no hint had to wait since,
	waited      bool  // and before
	pace        Pace
	bytes       [works]int64
}

// limitless is what a purse holds that nobody fills.
const limitless = math.MaxInt64 / 2

func (b *purse) init() { b.left = limitless }

// settle empties the purse.
func (b *purse) settle() (left, spent int64) {
	left, spent = min(b.left, backgroundMost), b.spent
	b.left, b.spent = 0, 0
	return left, spent
}

func (b *purse) fill(part int64, p Pace) {
	b.left, b.part, b.waited, b.waits, b.pace = part, part, b.waits, false, p
}

// may reports whether some work may begin.
func (b *purse) may(k work) bool {
	if k == workHint {
		return b.left > 0 && (!b.waited || b.left > b.part/4)
	}
	b.waits = b.waits || b.left <= 0
	return b.left > 0
}

// pay counts what some work cost.
func (b *purse) pay(k work, bytes int) {
	b.left -= int64(bytes)
	b.spent += int64(bytes)
	b.bytes[k] += int64(bytes)
}

// reserve puts something aside, or back, for what is not paid yet.
func (b *purse) reserve(bytes int) {
	b.left -= int64(bytes)
	b.spent += int64(bytes)
}

// payHint pays a hint, if it may be sent.
func (s *Shard) payHint(bytes int64) bool {
	if !s.purse.may(workHint) {
		return false
	}
	s.purse.pay(workHint, int(bytes))
	return true
}

// pageLeast is the least that a page is asked to have.
const pageLeast = 4 << 10

// pageBytes is how large a page may be: about what may come in four milliseconds, so that what is done at once is hardly felt.
func (p *Pace) pageBytes() int64 { return max(p.Rate/256, pageLeast) }

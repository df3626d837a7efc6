package resp

import (
	"strings"

	"github.com/shoalcache/shoal/wire"
)

// Line is the commands of one connection that wait for answers, oldest first, and the keys they are about.
// Replies leave it in the order of the commands, whatever the order of the answers. The zero value is ready;
// it is not safe for concurrent use.
type Line struct {
	ReplyMax int // bytes of values that the reply to one command may have; over it the reply is an error

	turns []turn           // a ring, as long as a power of two
	head  uint64           // of the oldest turn
	tail  uint64           // of the next
	keys  map[uint64]int32 // by the hash of a key under way: reads, or writing
	peak  int              // the most keys since there were none
	asked int              // answers to come
	reads int              // of these, values
	usual int              // bytes of a value, as far as answers until now tell
	held  int              // bytes of answers that wait for an older turn, or for others of their own
	parts int              // of commands that wait
	early *wire.Response   // to the next turn: its call was begun first
}

// writing is how a key under way is marked that is written.
const writing = -1

// turn is one command.
type turn struct {
	version Version
	shape   Shape
	write   bool   // of one key: what is asked of it
	open    bool   // more is to be asked, or nothing yet
	left    int    // answers to come
	size    int    // bytes of the values in parts
	hash    uint64 // of one key
	parts   []part // of several keys, or steps
	failure string // of the first key that has one
	failed  int    // which key
	written bool   // some key was, or may be
	reply   []byte // once left is 0
}

// part is what is known of one key of a command of several keys or steps.
type part struct {
	status    wire.Status
	forgotten bool
	unmet     bool // its condition was not met
	deadline  int64
	value     []byte
	hash      uint64
	write     bool
}

// A ticket names a command, and a key of it, in the id of a request: the low bits are the key's place.
const partBits = 16

// Ticket is the id of the request about one key, from 0, of a command.
func Ticket(number uint64, key int) uint64 { return number<<partBits | uint64(key) }

// Next is the number that the next command will have.
func (l *Line) Next() uint64 { return l.tail }

// Len is how many commands wait.
func (l *Line) Len() int { return int(l.tail - l.head) }

// Asked is how many answers are to come.
func (l *Line) Asked() int { return l.asked }

// Flying is how many bytes of values the answers to come may bring, one more among them: a guess by those that
// came before. It is 0 while none is to come.
func (l *Line) Flying() int {
	if l.reads == 0 {
		return 0
	}
	return (l.reads + 1) * l.usual
}

// Answers is how many bytes of answers wait for their turn.
func (l *Line) Answers() int { return l.held }

// Held is how many bytes wait, those with which the line remembers keys among them.
func (l *Line) Held() int { return l.held + l.parts*partBytes }

const (
	firstGuess = 64 << 10 // how large values are thought to be before any came, in bytes
	leastGuess = 16 << 10 // and at least, however small they were: the next ones can be larger
)

const (
	partBytes = 64  // of memory that each key of a command of several takes
	ringKept  = 128 // turns that an empty line keeps room for
	replyKept = 128 // bytes of a reply that each of them does
	keysKept  = 256 // keys that the index does
)

// Single begins a command of one key and one step; Enter must follow.
func (l *Line) Single(v Version, s Shape) uint64 {
	return l.push(turn{version: v, shape: s, open: true})
}

// Open begins a command of several keys or steps, all of which are asked with Enter until Close.
func (l *Line) Open(v Version, s Shape, keys int) uint64 {
	l.parts += keys
	return l.push(turn{version: v, shape: s, open: true, parts: make([]part, keys)})
}

// Reply puts a finished reply in line, which is copied.
func (l *Line) Reply(reply []byte) {
	t := l.at(l.push(turn{}))
	t.reply = append(t.reply, reply...)
	l.held += len(t.reply)
}

func (l *Line) push(t turn) uint64 {
	if l.Len() == len(l.turns) {
		turns := make([]turn, max(2*len(l.turns), 8))
		for n := l.head; n != l.tail; n++ {
			turns[n&uint64(len(turns)-1)] = *l.at(n)
		}
		l.turns = turns
	}
	n := l.tail
	l.tail++
	slot := l.at(n)
	t.reply = slot.reply[:0]
	*slot = t
	return n
}

func (l *Line) at(n uint64) *turn { return &l.turns[n&uint64(len(l.turns)-1)] }

// Enter asks for the key of that hash; false when it has to wait, because it is under way and one of the two
// writes: effects keep the order of the commands as far as their own connection can see.
func (l *Line) Enter(n uint64, key int, hash uint64, write bool) bool {
	users := l.keys[hash]
	if users == writing || write && users != 0 {
		return false
	}
	if l.keys == nil {
		l.keys = map[uint64]int32{}
	}
	if users++; write {
		users = writing
	}
	l.keys[hash] = users
	l.peak = max(l.peak, len(l.keys))
	t := l.at(n)
	t.left++
	l.asked++
	if t.values() && !write {
		if l.reads++; l.usual == 0 {
			l.usual = firstGuess
		}
	}
	if t.parts != nil {
		t.parts[key].hash, t.parts[key].write = hash, write
	} else {
		t.hash, t.write, t.open = hash, write, false
	}
	return true
}

// values reports whether what is read for a turn are values.
func (t *turn) values() bool { return t.shape == ShapeValue || t.shape == ShapeValues }

// learn takes the size of a value that came: a larger one counts at once, smaller ones by and by. Where none was
// found nothing is known of those that are.
func (l *Line) learn(r *wire.Response) {
	l.reads--
	if r.Status != wire.StatusOK {
		return
	}
	size := len(r.Value)
	if size < l.usual {
		size = l.usual - (l.usual-size+15)/16
	}
	l.usual = max(size, leastGuess)
}

// leave frees a key.
func (l *Line) leave(hash uint64, write bool) {
	if n := l.keys[hash]; !write && n > 1 {
		l.keys[hash] = n - 1
		return
	}
	delete(l.keys, hash)
	if len(l.keys) == 0 && l.peak > keysKept {
		l.keys, l.peak = nil, 0
	}
}

// Answer takes the answer to a request, by its ticket, and appends to dst the replies that can leave now. What
// it keeps of r it copies. A ticket that nothing waits for is passed over.
func (l *Line) Answer(dst []byte, ticket uint64, r *wire.Response, wall int64) []byte {
	n, key := ticket>>partBits, int(ticket&(1<<partBits-1))
	if n == l.tail {
		early := *r
		early.Value, early.Items = append([]byte(nil), r.Value...), nil
		if len(r.Items) > 0 { // what was there
			was := r.Items[0]
			was.Value = append([]byte(nil), was.Value...)
			early.Items = []wire.Item{was}
		}
		if r.Err != nil {
			e := *r.Err
			e.Failed = append([]wire.Failure(nil), e.Failed...)
			early.Err = &e
		}
		l.early = &early
		return dst
	}
	if n-l.head >= l.tail-l.head {
		return dst
	}
	t := l.at(n)
	if t.left == 0 || key >= max(len(t.parts), 1) {
		return dst
	}
	t.left--
	l.asked--
	write := t.write
	if t.parts != nil {
		write = t.parts[key].write
	}
	if t.values() && !write {
		l.learn(r)
	}
	switch {
	case t.parts != nil:
		p := &t.parts[key]
		l.leave(p.hash, write)
		l.keep(t, key, r)
		if t.left > 0 || t.open {
			return dst
		}
		l.finish(t, wall)
	case n == l.head:
		l.leave(t.hash, write)
		dst = AppendAnswer(dst, t.version, t.shape, r, wall)
	default:
		l.leave(t.hash, write)
		t.reply = AppendAnswer(t.reply, t.version, t.shape, r, wall)
		l.held += len(t.reply)
	}
	return l.Advance(dst)
}

// Early answers the command that has just begun, if its answer came before it did.
func (l *Line) Early(dst []byte, n uint64, wall int64) []byte {
	if l.early == nil {
		return dst
	}
	r := l.early
	l.early = nil
	return l.Answer(dst, Ticket(n, 0), r, wall)
}

// keep is what a command of several keys or steps remembers of an answer.
func (l *Line) keep(t *turn, key int, r *wire.Response) {
	p := &t.parts[key]
	if r.Status >= wire.StatusBadRequest {
		p.status = r.Status
		t.written = t.written || p.write && indeterminate(r)
		t.fail(key, func() string { return failure(r) })
		return
	}
	if p.write {
		if r.Status == wire.StatusNotFound { // a touch that came too late
			p.status = wire.StatusNotFound
			return
		}
		if len(r.Items) > 0 { // what was there
			p.value = append([]byte(nil), r.Items[0].Value...)
			l.held += len(p.value)
			t.size += len(p.value)
			p.status = r.Items[0].Status
		}
		if r.Status == wire.StatusNotMet {
			p.unmet = true
			return
		}
		t.written = true
		return
	}
	p.status, p.forgotten, p.deadline = r.Status, r.Forgotten, r.Deadline
	if t.size += len(r.Value); t.size > l.ReplyMax {
		p.status = wire.StatusTooLarge
		t.fail(key, func() string { return "ERR the values asked for do not fit one reply: ask for fewer keys at a time" })
		t.size -= len(r.Value)
		return
	}
	p.value = append([]byte(nil), r.Value...)
	l.held += len(p.value)
}

// fail remembers the failure of the first key that has one, and only that: there can be many keys.
func (t *turn) fail(key int, text func() string) {
	if t.failure == "" || key < t.failed {
		t.failure, t.failed = text(), key
	}
}

// Waiting reports whether answers to an open command are still to come.
func (l *Line) Waiting(n uint64) bool { return l.at(n).left > 0 }

// Then decides the second step for a key of an open command that waits for nothing: whether to write, and with
// which time to live.
func (l *Line) Then(n uint64, key int, plan *Plan, wall int64) (ttl int64, write bool) {
	p := &l.at(n).parts[key]
	ttl, write = plan.then(p, wall)
	if !write && plan.Write == wire.OpTouch && p.status < wire.StatusBadRequest {
		p.status = wire.StatusNotFound // nothing to take away
	}
	return ttl, write
}

// Close says that nothing more will be asked for a command, and appends to dst the replies that can leave now.
func (l *Line) Close(dst []byte, n uint64, wall int64) []byte {
	t := l.at(n)
	if t.open = false; t.left > 0 {
		return dst
	}
	l.finish(t, wall)
	return l.Advance(dst)
}

// finish makes the reply of a command of several keys or steps. One failure is the reply of them all: that of the
// first key, unless another was written or may be. That is never said with a code that has libraries try again.
func (l *Line) finish(t *turn, wall int64) {
	l.held -= t.size
	if t.failure != "" {
		if t.written && !strings.HasPrefix(t.failure, unsure) && !strings.HasPrefix(t.failure, noMemory) {
			t.failure = unsure + "some keys may have been written, one was not: " + t.failure
		}
		t.reply = AppendError(t.reply, t.failure)
		l.settle(t)
		return
	}
	count := int64(0)
	for i := range t.parts {
		if t.parts[i].status == wire.StatusOK {
			count++
		}
	}
	switch t.shape {
	case ShapeCount:
		t.reply = AppendInt(t.reply, count)
	case ShapeValues:
		t.reply = AppendArray(t.reply, len(t.parts))
		for i := range t.parts {
			t.reply = t.parts[i].appendValue(t.reply, t.version)
		}
	case ShapeValue, ShapePrevious:
		t.reply = t.parts[0].appendValue(t.reply, t.version)
	default:
		r := wire.Response{Status: wire.StatusOK}
		if t.parts[0].unmet {
			r.Status = wire.StatusNotMet
		}
		t.reply = AppendAnswer(t.reply, t.version, t.shape, &r, wall)
	}
	l.settle(t)
}

func (p *part) appendValue(dst []byte, v Version) []byte {
	if p.status != wire.StatusOK {
		return AppendNull(dst, v)
	}
	return AppendBulk(dst, p.value)
}

func (l *Line) settle(t *turn) {
	l.parts -= len(t.parts)
	t.parts, t.failure = nil, ""
	l.held += len(t.reply)
}

// Advance appends the replies to dst that nothing older keeps from leaving.
func (l *Line) Advance(dst []byte) []byte {
	for l.head != l.tail {
		t := l.at(l.head)
		if t.left > 0 || t.open {
			return dst
		}
		dst = append(dst, t.reply...)
		l.held -= len(t.reply)
		if cap(t.reply) > replyKept {
			t.reply = nil
		}
		t.reply = t.reply[:0]
		l.head++
	}
	if len(l.turns) > ringKept {
		l.turns = nil
	}
	return dst
}

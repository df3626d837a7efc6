package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Keys are those of redis-benchmark -r, so that both fill a store with the same. A run that verifies puts its own
// number in front: what an earlier run left is none of its business.
const keyDigits = 12

// load is what all connections of a run share.
type load struct {
	cfg     Config // with its defaults
	id      uint64 // of the run
	prefix  string // of keys
	epoch   time.Time
	keys    *chooser
	sizes   *sizes
	payload []byte // what values are cut from; longer than the largest by slack
	history *history
}

// slack is how far apart in the payload two values of the largest size may begin: the others must not be all the same.
const slack = 4096

func newLoad(cfg Config, id uint64) *load {
	l := &load{
		cfg: cfg, id: id, prefix: "key:", epoch: time.Now(),
		keys: newChooser(cfg.Distribution, uint64(cfg.Keys)), sizes: newSizes(cfg.Sizes),
	}
	random := rand.New(rand.NewPCG(cfg.Seed, 1<<32))
	l.payload = make([]byte, 0, l.sizes.most()+slack+8)
	for len(l.payload) < l.sizes.most()+slack {
		l.payload = binary.LittleEndian.AppendUint64(l.payload, random.Uint64()) // nothing that compresses
	}
	if cfg.Counters {
		l.prefix = "counter:"
	}
	if cfg.Verify {
		l.prefix = fmt.Sprintf("verify-%016x:", id)
		l.history = newHistory(cfg.Keys)
	}
	return l
}

// loadDepth is how many keys a connection sets at once to load them, where their values allow it.
const loadDepth = 64

// depthOfLoading is how many keys a connection sets at once, whatever the depth of the run: the 1,024 that an open loop
// may have under way would all be sent at once, and most be answered too late.
func (l *load) depthOfLoading() int { return min(loadDepth, max(BatchMax/l.sizes.most(), 1)) }

// depth is how many requests a connection may have under way at any time.
func (l *load) depth() int {
	if !l.cfg.Load {
		return l.cfg.Depth
	}
	return max(l.cfg.Depth, l.depthOfLoading())
}

// now is in nanoseconds since the run began.
func (l *load) now() int64 { return int64(time.Since(l.epoch)) }

// slot is one request under way.
type slot struct {
	id     uint64 // 0: free
	key    uint64
	began  int64 // when it was due, or sent: in nanoseconds since the run began
	sent   int64 // likewise
	name   uint64
	op     wire.Op
	counts bool
	loads  bool // it is to be there when the run begins
	modify bool // a write of the key follows the answer
	insert bool // of a new key
}

// worker is one connection. All of its memory is made before the run: a request allocates nothing.
type worker struct {
	*load
	*link
	number   int
	recorder *recorder
	random   *rand.Rand
	wake     chan struct{} // by the alarm
	end      chan struct{} // closed when done

	mu     sync.Mutex // of what follows: in an open loop one goroutine sends and another receives
	change sync.Cond  // of how many requests are under way, or of done
	slots  []slot
	notes  []notes  // of slots, when verifying
	free   []uint32 // slots
	again  []uint64 // keys that were read to be written
	issued uint64   // requests ever
	done   bool     // nothing more is sent

	request wire.Request
	key     []byte
	value   []byte
	out     []byte // frames of a batch
	taken   func(*wire.Response) error
	at      int64 // when what is being taken came
	sending int64 // when what is being drawn is sent

	overdue  map[uint64]struct{} // requests given up, whose answers may still come
	given    wire.Response       // in place of an answer
	look     int64               // when to look for the next
	lookEach time.Duration
}

// overdueMax is how many answers a connection may owe before it is given up.
const overdueMax = 1 << 20

func newWorker(l *load, i int, k *link, r *recorder) *worker {
	depth := l.depth()
	w := &worker{
		load: l, link: k, number: i, recorder: r, wake: make(chan struct{}, 1), end: make(chan struct{}),
		random: rand.New(rand.NewPCG(l.cfg.Seed, uint64(i))),
		slots:  make([]slot, depth), free: make([]uint32, depth), key: append([]byte(l.prefix), make([]byte, keyDigits)...),
	}
	w.change.L = &w.mu
	for i := range w.free {
		w.free[i] = uint32(i)
	}
	if l.cfg.ModifyShare > 0 {
		w.again = make([]uint64, 0, depth)
	}
	if l.history != nil {
		w.notes, w.value = make([]notes, depth), make([]byte, l.sizes.most())
		copy(w.value, l.payload)
	}
	w.request = wire.Request{Namespace: l.cfg.Namespace, Level: l.cfg.Level, R: l.cfg.R, W: l.cfg.W, Timeout: uint32(l.cfg.Timeout.Milliseconds())}
	w.taken = w.take
	if l.cfg.Timeout > 0 {
		w.overdue = map[uint64]struct{}{}
		w.lookEach = min((l.cfg.Timeout+grace)/8, stall)
		w.reads.wait = w.lookEach
	}
	return w
}

// underway is how many requests wait for an answer.
func (w *worker) underway() int { return len(w.slots) - len(w.free) }

// draw appends the next request to the batch, to count as begun at began. There must be a free slot.
func (w *worker) draw(began int64, counts bool) {
	if n := len(w.again); n > 0 { // a write that belongs to a read
		w.append(slot{op: w.writing(), key: w.again[n-1], began: began, counts: counts})
		w.again = w.again[:n-1]
		return
	}
	s := slot{op: w.writing(), began: began, counts: counts}
	reads := w.cfg.ReadShare
	if modifies := w.cfg.ModifyShare; reads > 0 || modifies > 0 {
		switch u := w.random.Float64(); {
		case u < reads:
			s.op = wire.OpGet
		case u < reads+modifies:
			s.op, s.modify = wire.OpGet, true
		}
	}
	s.key = w.keys.next(w.random, s.op != wire.OpGet)
	s.insert = s.op != wire.OpGet && w.keys.frontier != nil
	w.append(s)
}

// writing is the operation of writes.
func (l *load) writing() wire.Op {
	if l.cfg.Counters {
		return wire.OpIncr
	}
	return wire.OpSet
}

// append puts a request into a slot and its bytes into the batch.
func (w *worker) append(s slot) {
	last := len(w.free) - 1
	at := w.free[last]
	w.free = w.free[:last]
	w.issued++
	s.id, s.sent = w.issued<<16|uint64(at), w.sending // DepthMax is less
	if w.history != nil && s.op == wire.OpSet {
		w.begin(&s)
	}
	w.request.ID, w.request.Op, w.request.Value, w.request.TTL, w.request.By = s.id, s.op, nil, 0, 0
	switch {
	case s.op == wire.OpIncr:
		w.request.By, w.request.TTL = 1, w.ttl()
	case s.op == wire.OpSet:
		w.request.Value, w.request.TTL = w.valueOf(&s), w.ttl()
	case w.history != nil:
		w.history.note(s.key, &w.notes[at])
	}
	w.slots[at] = s
	digits := w.key[len(w.key)-keyDigits:]
	for i, k := len(digits)-1, s.key; i >= 0; i-- {
		digits[i] = '0' + byte(k%10)
		k /= 10
	}
	w.request.Key = w.key
	w.out = wire.AppendRequest(w.out, &w.request)
}

// nearby is how many keys a write tries that is to be verified.
const nearby = 16

// begin names a write. Where as many writes of its key are under way as the history can tell apart, it takes one of the
// next keys; and where all of those are as busy, it becomes a read: to wait could be for a write of its own batch.
func (w *worker) begin(s *slot) {
	for i := range uint64(nearby) {
		key := (s.key + i) % uint64(w.cfg.Keys)
		if name, ok := w.history.begin(key); ok {
			s.key, s.name = key, name
			return
		}
	}
	s.op = wire.OpGet
}

func (w *worker) valueOf(s *slot) []byte {
	size := w.cfg.Sizes[0].Least
	if len(w.cfg.Sizes) > 1 || size != w.cfg.Sizes[0].Most {
		size = w.sizes.draw(w.random.Float64())
	}
	if w.history != nil {
		stamp(w.value[:size], w.id, s.key, s.name)
		return w.value[:size]
	}
	from := w.issued % slack
	return w.payload[from : from+uint64(size)]
}

// ttl is in milliseconds; 0: for ever.
func (w *worker) ttl() int64 {
	t := w.cfg.TTL
	if t == (Interval{}) {
		return 0
	}
	return (t.Least + time.Duration(w.random.Int64N(int64(t.Most-t.Least)+1))).Milliseconds()
}

// send writes the batch.
func (w *worker) send() error {
	if len(w.out) == 0 {
		return nil
	}
	err := w.write(w.out)
	w.out = w.out[:0]
	if err != nil {
		return w.broken(err)
	}
	return nil
}

// receive waits for answers and takes those that have come.
func (w *worker) receive() error {
	if err := w.read(); err != nil {
		return w.broken(err)
	}
	w.at = w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	err := w.each(w.taken)
	if err == nil {
		err = w.giveUp()
	}
	if err == nil || errors.Is(err, errUnsure) {
		return err
	}
	return w.broken(err)
}

// giveUp settles the requests that are unanswered past their timeout, as failed: a write may have happened. A caller
// would not have waited for them either.
func (w *worker) giveUp() error {
	if w.cfg.Timeout == 0 || w.at < w.look {
		return nil
	}
	w.look = w.at + int64(w.lookEach)
	limit := int64(w.cfg.Timeout + grace)
	for i := range w.slots {
		s := &w.slots[i]
		if s.id == 0 || w.at-s.sent <= limit {
			continue
		}
		if len(w.overdue) == overdueMax {
			return fmt.Errorf("it owes answers to %d requests", overdueMax)
		}
		w.overdue[s.id] = struct{}{}
		w.given.ID, w.given.Status = s.id, wire.StatusTimeout
		if err := w.take(&w.given); err != nil {
			return err
		}
	}
	return nil
}

// take settles one request.
func (w *worker) take(p *wire.Response) error {
	at := p.ID & 0xffff
	if p.ID == 0 || at >= uint64(len(w.slots)) || w.slots[at].id != p.ID {
		if _, late := w.overdue[p.ID]; late {
			delete(w.overdue, p.ID)
			return nil
		}
		return fmt.Errorf("it answered request %d, which is not under way: it mixes up replies", p.ID)
	}
	s := &w.slots[at]
	switch {
	case s.counts:
		w.recorder.count(s.op, p.Status, s.began, w.at)
	case p.Status >= wire.StatusBadRequest:
		w.recorder.failedBefore++
		if s.loads {
			w.recorder.unloaded++
		}
	}
	if s.insert {
		w.keys.frontier.end(s.key)
	}
	if s.modify {
		w.again = append(w.again, s.key)
	}
	s.id = 0
	w.free = append(w.free, uint32(at))
	if w.history == nil {
		return nil
	}
	return w.check(s, &w.notes[at], p)
}

// check compares an answer with what is known, and makes it known.
func (w *worker) check(s *slot, n *notes, p *wire.Response) error {
	failed := p.Status >= wire.StatusBadRequest
	switch {
	case s.op == wire.OpSet && failed:
		return w.history.failed(s.key, s.name, unsure(p.Status))
	case s.op == wire.OpSet:
		w.history.acked(s.key, s.name)
	case p.Status == wire.StatusOK:
		w.recorder.verdicts[w.history.judge(p.Value, w.id, s.key, n)]++
	}
	return nil
}

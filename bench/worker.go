package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/shoalcache/shoal/wire"
)

const (
	stall      = 30 * time.Second // without one byte from a node before the run is given up
	latencyMax = time.Minute      // what is slower counts as this
	readBuffer = 64 << 10         // bytes; grows to the largest answer
)

// errStopped ends a worker whose connection was closed because another failed.
var errStopped = errors.New("bench: the run was stopped")

// worker is one connection and the goroutine that drives it. All of its memory is made before the run: a request
// allocates nothing.
type worker struct {
	conn   net.Conn
	addr   string
	cfg    *Config
	limits wire.Limits
	random *rand.Rand

	request  wire.Request
	key      []byte
	value    []byte
	out      []byte // frames of a batch
	in       []byte // what was read; in[:filled] is not parsed yet
	filled   int
	response wire.Response
	next     uint64    // the id of the next request
	asked    []wire.Op // of the batch under way, by id from its first; 0 once answered
	armed    time.Time

	counts
}

// counts are what one worker measured.
type counts struct {
	latency *hdrhistogram.Histogram // microseconds
	reads   uint64                  // answered, whatever the answer
	writes  uint64                  // likewise
	misses  uint64                  // reads that found nothing
	failed  [256]uint64             // requests by status
	last    time.Time               // when the last answer that counts came
}

func (c *counts) count(op wire.Op, s wire.Status) {
	if op == wire.OpGet {
		c.reads++
	} else {
		c.writes++
	}
	switch {
	case s == wire.StatusNotFound:
		c.misses++
	case s >= wire.StatusBadRequest:
		c.failed[s]++
	}
}

// Keys are those of redis-benchmark -r, so that both fill a store with the same.
const keyPrefix, keyDigits = "key:", 12

func newWorker(cfg *Config, i int, conn net.Conn, addr string) *worker {
	w := &worker{
		conn: conn, addr: addr, cfg: cfg, limits: wire.DefaultLimits(), random: rand.New(rand.NewPCG(cfg.Seed, uint64(i))),
		key: append([]byte(keyPrefix), make([]byte, keyDigits)...), value: make([]byte, cfg.ValueBytes),
		in: make([]byte, readBuffer), asked: make([]wire.Op, 0, cfg.Depth), next: 1,
	}
	for i := range w.value {
		w.value[i] = byte(w.random.Uint32()) // nothing that compresses
	}
	w.request = wire.Request{Level: cfg.Level, R: cfg.R, W: cfg.W, Timeout: uint32(cfg.Timeout.Milliseconds())}
	w.latency = hdrhistogram.New(1, latencyMax.Microseconds(), 3)
	return w
}

// loop drives batches until the run is over.
func (w *worker) loop(r *run) error {
	now := time.Now()
	for {
		n, counts := r.take(now)
		if n == 0 {
			return nil
		}
		w.arm(now)
		began := now
		err := w.batch(n, counts)
		now = time.Now()
		if err != nil {
			if r.over() {
				return errStopped
			}
			return err
		}
		if counts {
			micros := min(now.Sub(began), latencyMax).Microseconds()
			_ = w.latency.RecordValues(micros, int64(n)) // within range by the line above
			w.last = now
		}
	}
}

// arm gives the node time to answer. Deadlines cost more than a batch of one does, so they move only now and then.
func (w *worker) arm(now time.Time) {
	if now.Sub(w.armed) > stall/16 {
		w.armed = now
		_ = w.conn.SetDeadline(now.Add(stall))
	}
}

// batch sends n requests in one write and reads until all are answered.
func (w *worker) batch(n int, counts bool) error {
	first := w.next
	w.out, w.asked = w.out[:0], w.asked[:0]
	for range n {
		w.draw()
		w.out = wire.AppendRequest(w.out, &w.request)
		w.asked = append(w.asked, w.request.Op)
	}
	if _, err := w.conn.Write(w.out); err != nil {
		return lost(w.addr, fmt.Errorf("the connection broke during the run: %w", err))
	}
	for left := n; left > 0; {
		k, err := w.receive(first, counts)
		if err != nil {
			return lost(w.addr, fmt.Errorf("the connection broke during the run: %w", err))
		}
		left -= k
	}
	return nil
}

// draw makes w.request the next one.
func (w *worker) draw() {
	w.request.ID = w.next
	w.next++
	k := w.random.IntN(w.cfg.Keys)
	for i := len(w.key) - 1; i >= len(keyPrefix); i-- {
		w.key[i] = '0' + byte(k%10)
		k /= 10
	}
	w.request.Key = w.key
	share := w.cfg.ReadShare
	if share == 1 || share > 0 && w.random.Float64() < share {
		w.request.Op, w.request.Value = wire.OpGet, nil
	} else {
		w.request.Op, w.request.Value = wire.OpSet, w.value
	}
}

// receive reads once, takes the answers that are complete, and returns how many those were.
func (w *worker) receive(first uint64, counts bool) (answers int, err error) {
	n, err := w.conn.Read(w.in[w.filled:])
	if n == 0 {
		return 0, err
	}
	w.filled += n
	rest := w.in[:w.filled]
	for {
		frame, after, err := wire.NextFrame(rest, &w.limits)
		if err != nil {
			return answers, err
		}
		if frame == nil {
			break
		}
		if err := wire.DecodeResponse(frame, &w.response, &w.limits); err != nil {
			return answers, err
		}
		at := w.response.ID - first
		if at >= uint64(len(w.asked)) || w.asked[at] == 0 {
			return answers, fmt.Errorf("it answered request %d, which is not under way: it mixes up replies", w.response.ID)
		}
		if counts {
			w.count(w.asked[at], w.response.Status)
		}
		w.asked[at] = 0
		answers++
		rest = after
	}
	w.filled = copy(w.in, rest)
	if w.filled == len(w.in) { // one answer fills it
		w.in = append(w.in, make([]byte, len(w.in))...)
	}
	return answers, nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// ReplayConfig is one replay. The zero value of a field means its default, where it has one.
type ReplayConfig struct {
	Addrs      []string      // nodes' client addresses, host:port; connections are dealt to them in turn
	Trace      []uint64      // keys, in the order in which they are looked up; see ReadTrace
	Conns      int           // connections; default 4
	Window     int           // requests of the trace under way at once, over all connections; default 32, fewer for large values
	ValueBytes int           // of what is set on a miss; default 1000
	Timeout    time.Duration // of every request, at least 1 ms; default: the node's
	Level      wire.Level    // default: the namespace's
	Namespace  string        // of all keys; default: the default one
	R, W       uint8         // with wire.LevelExplicit only

	// Progress is called about once a second, from one goroutine, and must not block. Default: nobody is told.
	Progress func(Progress)
}

// ReplayValueBytes is the size of values that a replay sets unless told otherwise.
const ReplayValueBytes = 1000

// WindowMax bounds ReplayConfig.Window. Hits depend on the order of requests, and a window is how far one may be
// carried out before or after those around it.
const WindowMax = 4096

// Validate returns every problem at once, each wrapping ErrConfig; defaults are filled in first.
func (c ReplayConfig) Validate() error {
	c = c.withDefaults()
	var p problems
	p.addrs(c.Addrs)
	p.between("conns", c.Conns, 1, ConnsMax)
	p.between("window", c.Window, 1, WindowMax)
	p.between("value bytes", c.ValueBytes, 1, wire.DefaultLimits().Value)
	p.calls(c.Timeout, c.Level, c.R, c.W)
	if len(c.Trace) == 0 {
		p.add("no trace: read one first")
	}
	if c.Window > 1 && c.Window*c.ValueBytes > BatchMax {
		p.add("window %d with values of %d bytes: at most %d bytes may be under way; use a smaller window or smaller values", c.Window, c.ValueBytes, BatchMax)
	}
	return errors.Join(p...)
}

func (c ReplayConfig) withDefaults() ReplayConfig {
	or := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	or(&c.Conns, 4)
	or(&c.ValueBytes, ReplayValueBytes)
	or(&c.Window, min(32, max(BatchMax/max(c.ValueBytes, 1), 1)))
	return c
}

// replay is what one Replay is made of. Requests of the trace begin in its order, as many at once as the window has and
// never two of one key; a lookup that missed is over when its set is. So a request may overtake those of the window
// before it, and no others: what a cache holds thousands of, which hits it gives hardly depends on that.
type replay struct {
	cfg      ReplayConfig
	epoch    time.Time
	recorder *recorder
	players  []*player
	value    []byte

	mu       sync.Mutex
	change   sync.Cond           // a request is over, or all is
	busy     map[uint64]struct{} // keys under way
	finished bool                // no more is begun
}

// Replay connects, carries out the trace and reports how many of its requests were hits. It returns when the trace is
// through, ctx ends or a connection fails; in the last two cases with an error beside the report of what was measured
// until then. Failed requests are no error: they count as neither hits nor misses.
func Replay(ctx context.Context, cfg ReplayConfig) (ReplayReport, error) {
	if err := cfg.Validate(); err != nil {
		return ReplayReport{}, err
	}
	r := &replay{cfg: cfg.withDefaults(), epoch: time.Now(), recorder: &recorder{tally: newTally()}, busy: map[uint64]struct{}{}}
	r.change.L = &r.mu
	links, err := connect(ctx, r.cfg.Addrs, r.cfg.Conns, r.cfg.Timeout)
	if err != nil {
		return ReplayReport{}, err
	}
	defer closeAll(links)
	random := rand.New(rand.NewPCG(1, 1))
	r.value = make([]byte, r.cfg.ValueBytes)
	for i := range r.value {
		r.value[i] = byte(random.Uint32())
	}
	for _, k := range links {
		r.players = append(r.players, newPlayer(r, k))
	}
	defer context.AfterFunc(ctx, r.quit)()
	begins := r.now()
	w := newWatch(watched{
		now: r.now, begins: func() int64 { return begins }, recorders: []*recorder{r.recorder}, phase: "replay",
		second: time.Second, progress: r.cfg.Progress,
	})
	err = r.run()
	g := w.end()
	report := newReplayReport(&r.cfg, w.total, w.series, begins, g)
	if ctx.Err() != nil {
		err = fmt.Errorf("bench: ended before its time: %w", ctx.Err())
	}
	return report, err
}

func (r *replay) now() int64 { return int64(time.Since(r.epoch)) }

// run carries out the trace: this goroutine begins requests, and one for each connection takes answers.
func (r *replay) run() error {
	failures := make(chan error, len(r.players))
	var wg sync.WaitGroup
	for _, p := range r.players {
		wg.Go(func() {
			if err := p.takeAll(); err != nil {
				failures <- err
				r.quit()
			}
		})
	}
	err := r.begin()
	if err != nil {
		r.quit()
	}
	wg.Wait()
	select {
	case first := <-failures:
		return first
	default:
		return err
	}
}

// begin begins every request of the trace, and returns when none is under way any more.
func (r *replay) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range r.cfg.Trace {
		err := r.await(func() bool {
			_, same := r.busy[key]
			return len(r.busy) < r.cfg.Window && !same
		})
		if err != nil || r.finished {
			return err
		}
		r.busy[key] = struct{}{}
		r.players[i%len(r.players)].append(wire.OpGet, key, r.now())
	}
	err := r.await(func() bool { return len(r.busy) == 0 })
	r.finished = true
	r.change.Broadcast()
	return err
}

// await returns when it is ready, or the replay is finished. It holds the lock before and after; what was begun until
// then goes out before it waits.
func (r *replay) await(ready func() bool) error {
	if r.finished || ready() {
		return nil
	}
	r.mu.Unlock()
	var err error
	for i := 0; err == nil && i < len(r.players); i++ {
		err = r.players[i].flush()
	}
	r.mu.Lock()
	r.change.Broadcast() // there is something to receive
	for err == nil && !r.finished && !ready() {
		r.change.Wait()
	}
	return err
}

// quit ends the replay before its time.
func (r *replay) quit() {
	for _, p := range r.players {
		_ = p.conn.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	r.change.Broadcast()
}

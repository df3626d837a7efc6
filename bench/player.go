package bench

import (
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/shoalcache/shoal/wire"
)

// player is one connection of a replay.
type player struct {
	*replay
	*link
	writing sync.Mutex // one batch at a time goes into the socket; taken before replay.mu
	spare   []byte     // for the batch after next

	// replay.mu guards what follows.
	lookups []lookup
	free    []uint32 // of lookups
	issued  uint64
	request wire.Request
	key     []byte
	out     []byte // frames that wait
	at      int64  // when what is being taken came
	taken   func(*wire.Response) error
}

// lookup is one request of the trace under way: its get, and if that misses its set.
type lookup struct {
	id    uint64 // 0: free
	key   uint64
	began int64
	op    wire.Op
}

func newPlayer(r *replay, k *link) *player {
	p := &player{replay: r, link: k, lookups: make([]lookup, r.cfg.Window), free: make([]uint32, r.cfg.Window)}
	for i := range p.free {
		p.free[i] = uint32(i)
	}
	p.request = wire.Request{Namespace: r.cfg.Namespace, Level: r.cfg.Level, R: r.cfg.R, W: r.cfg.W, Timeout: uint32(r.cfg.Timeout.Milliseconds())}
	p.taken = p.take
	return p
}

const tracePrefix = "trace:"

// traceKey appends the bytes that the key of a trace has in the cluster.
func traceKey(dst []byte, key uint64) []byte {
	dst = append(dst, tracePrefix...)
	var b [8]byte
	for i := range b {
		b[i] = byte(key >> (56 - 8*i))
	}
	return hex.AppendEncode(dst, b[:])
}

// append puts a request into the batch.
func (p *player) append(op wire.Op, key uint64, began int64) {
	last := len(p.free) - 1
	at := p.free[last]
	p.free = p.free[:last]
	p.issued++
	id := p.issued<<16 | uint64(at) // WindowMax is less
	p.lookups[at] = lookup{id: id, key: key, began: began, op: op}
	p.key = traceKey(p.key[:0], key)
	p.request.ID, p.request.Op, p.request.Key, p.request.Value = id, op, p.key, nil
	if op == wire.OpSet {
		p.request.Value = p.value
	}
	p.out = wire.AppendRequest(p.out, &p.request)
}

// flush writes the batch.
func (p *player) flush() error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	batch := p.out
	p.out = p.spare[:0]
	p.mu.Unlock()
	p.spare = batch
	if len(batch) == 0 {
		return nil
	}
	if err := p.write(batch); err != nil {
		return p.broken(err)
	}
	return nil
}

// takeAll takes answers until the replay is finished.
func (p *player) takeAll() error {
	for {
		p.mu.Lock()
		for len(p.free) == len(p.lookups) && !p.finished {
			p.change.Wait()
		}
		idle := len(p.free) == len(p.lookups)
		p.mu.Unlock()
		if idle {
			return nil
		}
		if err := p.read(); err != nil {
			return p.broken(err)
		}
		if err := p.settle(); err != nil {
			return p.broken(err)
		}
		if err := p.flush(); err != nil { // the sets of what missed
			return err
		}
	}
}

// settle takes the answers that have come.
func (p *player) settle() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recorder.mu.Lock()
	defer p.recorder.mu.Unlock()
	p.at = p.now()
	p.change.Broadcast()
	return p.each(p.taken)
}

// take settles one answer: a get that missed is followed by a set of its key, before anything else of it.
func (p *player) take(a *wire.Response) error {
	at := a.ID & 0xffff
	if a.ID == 0 || at >= uint64(len(p.lookups)) || p.lookups[at].id != a.ID {
		return fmt.Errorf("it answered request %d, which is not under way: it mixes up replies", a.ID)
	}
	l := &p.lookups[at]
	p.recorder.count(l.op, a.Status, l.began, p.at)
	l.id = 0
	p.free = append(p.free, uint32(at))
	if l.op == wire.OpGet && a.Status == wire.StatusNotFound {
		p.append(wire.OpSet, l.key, p.at)
		return nil
	}
	delete(p.busy, l.key)
	return nil
}

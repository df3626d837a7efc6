package bench

import (
	"sync/atomic"
)

// stretch is a part of a run that connections drive in a closed loop until it is over.
type stretch struct {
	depth int
	// take returns how many of n requests a connection that has room for them sends now, and whether they count;
	// 0 ends it.
	take func(now int64, n int) (int, bool)
	draw func(w *worker, now int64, counts bool) // appends one of them
}

// loading sets every key once.
func (r *run) loading() *stretch {
	var next, taken atomic.Int64
	return &stretch{
		depth: r.depthOfLoading(),
		take: func(_ int64, n int) (int, bool) {
			left := int64(r.cfg.Keys) - taken.Add(int64(n)) + int64(n)
			return int(min(max(left, 0), int64(n))), false
		},
		draw: func(w *worker, now int64, _ bool) {
			w.append(slot{op: w.writing(), key: uint64(next.Add(1) - 1), began: now, loads: true})
		},
	}
}

// closed drives one connection: depth requests at once, and the next when all are answered, or if sliding when one is.
func (w *worker) closed(s *stretch) error {
	for {
		now := w.now()
		n, counts := s.take(now, s.depth-w.underway())
		if n == 0 && w.underway() == 0 {
			return nil
		}
		w.sending = now
		for range n {
			s.draw(w, now, counts)
		}
		if err := w.send(); err != nil {
			return err
		}
		for sent := w.underway(); w.underway() > 0 && (!w.cfg.Sliding || w.underway() == sent); {
			if err := w.receive(); err != nil {
				return err
			}
		}
	}
}

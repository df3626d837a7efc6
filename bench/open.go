package bench

import "math/rand/v2"

// writeMax bytes are sent at once, though more are due: what waits to be written is late.
const writeMax = 64 << 10

// open drives one connection in an open loop: one goroutine sends what is due, whatever has been answered, and another
// receives.
func (w *worker) open(r *run, a *alarm) error {
	received := make(chan error, 1)
	go func() {
		err := w.receiveAll()
		w.finish() // or the sender would wait for room
		received <- err
	}()
	err := w.sendAll(r, a)
	w.finish()
	if err != nil {
		_ = w.conn.Close()
		<-received
		return err
	}
	return <-received
}

// sendAll sends requests as they fall due. How late it is itself counts from when it was free to send: not while the
// socket was full, or as many requests under way as may be.
func (w *worker) sendAll(r *run, a *alarm) error {
	var random *rand.Rand
	if w.cfg.Poisson {
		random = w.random
	}
	due := newSchedule(r.from, w.cfg.Rate, w.number, w.cfg.Conns, random)
	free := w.now()
	for {
		now := w.now()
		if due.peek() > now || len(w.out) > writeMax {
			if err := w.send(); err != nil {
				return err
			}
			now = w.now()
			free = now
		}
		if due.peek() > now {
			if due.peek() >= r.ends.Load() || !a.wait(due.peek(), w) {
				return nil
			}
			now = w.now()
		}
		w.mu.Lock()
		if w.underway() >= w.cfg.Depth {
			if err := w.await(); err != nil {
				w.mu.Unlock()
				return err
			}
			now = w.now()
			free = now
		}
		if w.done {
			w.mu.Unlock()
			return nil
		}
		n, counts := r.take(due.peek(), 1)
		if n == 0 {
			w.mu.Unlock()
			if due.peek() < r.ends.Load() { // not for the time: there is nothing left for the others either
				a.stop()
			}
			return w.send()
		}
		at := due.next()
		w.sending = now
		w.draw(at, counts)
		w.change.Signal()
		w.mu.Unlock()
		if counts {
			w.recorder.sent(now - max(at, free))
		}
	}
}

// await sends what is waiting, and returns when there is room for another request, or the worker is done. It holds
// the lock before and after.
func (w *worker) await() error {
	w.mu.Unlock()
	err := w.send()
	w.mu.Lock()
	for err == nil && w.underway() >= w.cfg.Depth && !w.done {
		w.change.Wait()
	}
	return err
}

// receiveAll takes answers until all that was sent is answered and no more will be.
func (w *worker) receiveAll() error {
	for {
		w.mu.Lock()
		for w.underway() == 0 && !w.done {
			w.change.Wait()
		}
		over := w.underway() == 0
		w.mu.Unlock()
		if over {
			return nil
		}
		if err := w.receive(); err != nil {
			return err
		}
		w.change.Broadcast()
	}
}

// finish lets nothing more be sent.
func (w *worker) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.done = true
		close(w.end)
		w.change.Broadcast()
	}
}

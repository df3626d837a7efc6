package arena

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"sync"
	"time"
	"unsafe"
)

// ErrRefused is wrapped by New where the system gives no address space.
var ErrRefused = errors.New("arena: no address space")

const (
	classMin = 12 // slots of 4 KiB
	classMax = 30 // and of 1 GiB

	// roomPatience is how long a request waits for others to come below the limit again. They do within their calls; should they
	// ever fail to, who waits holds a lock that many need.
	roomPatience = time.Second
)

// Config is what an arena is made for.
type Config struct {
	// Limit is what those who take from the arena keep together between their calls, in bytes. They see to it themselves.
	Limit int64
	// Spare is how much one of them may take on top while it is in a call, before it has let go of something else. It is at
	// least the largest single request: only one at a time is let above the limit.
	Spare int64
	// Slot is the size of most requests, in bytes: addresses for these are reserved at once.
	Slot int
}

// Arena is memory for the stores of one node, safe for concurrent use. As long as who is above the limit comes below it again, no more than Limit and
// Spare are handed out at any time.
type Arena struct {
	cfg  Config
	page int

	mu      sync.Mutex
	room    sync.Cond // something was given back
	classes [classMax + 1]stretch
	singles map[*byte][]byte // mappings of their own, by where they begin
	used    int64
	forced  uint64
	closed  bool
}

// stretch is the address space of the slots of one size.
type stretch struct {
	mem     []byte // nil: not mapped
	refused bool
	next    int // slots from here on were never handed out
	free    []int32
}

// New makes an arena. A system that refuses the addresses of most requests does so now; the error wraps ErrRefused.
func New(cfg Config) (*Arena, error) {
	a := &Arena{cfg: cfg, page: os.Getpagesize(), singles: map[*byte][]byte{}}
	a.room.L = &a.mu
	if !available || cfg.Slot < a.least() {
		return a, nil
	}
	class := classOf(cfg.Slot)
	if err := a.reserve(class); err != nil {
		return nil, fmt.Errorf("%w: %d MiB of it: %v: raise the limit (ulimit -v), let memory be overcommitted (vm.overcommit_memory), or use less memory",
			ErrRefused, a.span(class)>>20, err)
	}
	return a, nil
}

// least is the smallest request that gets pages. Where pages are larger than the smallest slot, what is smaller than one is
// left to the Go heap, rather than given a page that nobody counts.
func (a *Arena) least() int {
	if a.page > 1<<classMin {
		return a.page
	}
	return 1
}

// Take returns so many bytes, of any content. Their capacity, whole pages, is what they count. Above the limit it waits until
// others, who are in their calls, have let go of what they have too much, for a second at most. It never fails: what the system
// refuses comes from the Go heap, where the runtime's own limit holds it.
func (a *Arena) Take(n int) []byte {
	if !available || n < a.least() || n > 1<<classMax {
		return make([]byte, n)
	}
	size := (n + a.page - 1) &^ (a.page - 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	// What is small never waits: who is above the limit needs it to come below again.
	if size > a.cfg.Slot && a.crowded(size) {
		a.wait(size)
	}
	b := a.slot(size)
	if b == nil {
		return make([]byte, n, size)
	}
	a.used += int64(size)
	return b[:n:size]
}

// crowded reports whether somebody is above the limit, and so many bytes more are over what one may be. Called with mu held.
func (a *Arena) crowded(size int) bool {
	return a.used > a.cfg.Limit && a.used+int64(size) > a.cfg.Limit+a.cfg.Spare && !a.closed
}

// wait returns once there is room, or nobody has made any for too long. Called with mu held, which it lets go of meanwhile.
func (a *Arena) wait(size int) {
	late := false
	end := time.AfterFunc(roomPatience, func() {
		a.mu.Lock()
		late = true
		a.room.Broadcast()
		a.mu.Unlock()
	})
	defer end.Stop()
	for a.crowded(size) {
		if late {
			a.forced++
			return
		}
		a.room.Wait()
	}
}

// slot finds room for whole pages, nil where there is none. Called with mu held.
func (a *Arena) slot(size int) []byte {
	if a.closed {
		return nil
	}
	class := classOf(size)
	s := &a.classes[class]
	if s.mem == nil && !s.refused {
		s.refused = a.reserve(class) != nil
	}
	if last := len(s.free) - 1; last >= 0 {
		i := int(s.free[last])
		s.free = s.free[:last]
		return s.mem[i<<class:]
	}
	if (s.next+1)<<class <= len(s.mem) {
		s.next++
		return s.mem[(s.next-1)<<class:]
	}
	b, err := reserve(size) // on its own, where the system refuses addresses most of which are never used
	if err != nil {
		return nil
	}
	a.singles[&b[0]] = b
	return b
}

// Give takes back what Take returned, and returns its pages to the system.
func (a *Arena) Give(b []byte) {
	size := cap(b)
	if size == 0 {
		return
	}
	b = b[:size]
	class := classOf(size)
	a.mu.Lock()
	defer a.mu.Unlock()
	whole, single := a.singles[&b[0]]
	at, inside := within(a.classes[class].mem, b)
	switch {
	case a.closed || !single && !inside:
		return // the Go heap's
	case single:
		delete(a.singles, &b[0])
		unmap(whole)
	default:
		a.mu.Unlock()
		release(b)
		a.mu.Lock()
		s := &a.classes[class]
		s.free = append(s.free, int32(at>>class))
	}
	a.used -= int64(size)
	a.room.Broadcast()
}

// Used is how many bytes are handed out, in whole pages; what came from the Go heap is not among them.
func (a *Arena) Used() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// Forced is how many requests waited for room in vain, and went over limit and spare.
func (a *Arena) Forced() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.forced
}

// Close returns all memory to the system, in use or not: nobody may look any more at what Take has returned, nor give it
// back at the same time. What is taken later comes from the Go heap.
func (a *Arena) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.classes {
		if s := &a.classes[i]; s.mem != nil {
			unmap(s.mem)
		}
	}
	for _, b := range a.singles {
		unmap(b)
	}
	a.classes, a.singles, a.used, a.closed = [classMax + 1]stretch{}, nil, 0, true
	a.room.Broadcast()
}

// reserve maps the stretch of a class.
func (a *Arena) reserve(class int) error {
	span := a.span(class)
	if span > math.MaxInt {
		return errors.New("more than this system has")
	}
	mem, err := reserve(int(span))
	a.classes[class].mem = mem
	return err
}

// span is how many bytes of addresses the stretch of a class has. A request takes more than half of its slot, so that twice
// what may be handed out is room for all of them.
func (a *Arena) span(class int) int64 {
	slot := int64(1) << class
	return (2*(a.cfg.Limit+a.cfg.Spare) + slot - 1) / slot * slot
}

// classOf is the logarithm of the smallest slot for so many bytes.
func classOf(n int) int { return max(bits.Len(uint(n-1)), classMin) }

// within says where in mem b begins, if it lies there.
func within(mem, b []byte) (at uintptr, ok bool) {
	if mem == nil {
		return 0, false
	}
	at = uintptr(unsafe.Pointer(&b[0])) - uintptr(unsafe.Pointer(&mem[0]))
	return at, at < uintptr(len(mem))
}

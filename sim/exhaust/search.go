package exhaust

import "context"

// This file owns the order in which everything is tried.

// Result is what a search found.
type Result struct {
	States      int      `json:"states"`      // that differ
	Transitions int      `json:"transitions"` // from one of them to the next
	Depth       int      `json:"depth"`       // of the longest run
	Complete    bool     `json:"complete"`    // everything was tried
	Violation   string   `json:"violation,omitempty"`
	Trail       []string `json:"trail,omitempty"` // what happened until then
}

// search is one under way.
type search struct {
	ctx      context.Context
	slice    *Slice
	progress func(Result)
	seen     map[uint64]struct{}
	result   Result
	path     []choice
	failed   bool
	ended    bool
}

// progressEvery transitions it is said how far a search is.
const progressEvery = 4096

// Run tries everything that a slice allows, until a promise is broken or ctx ends. While it does, it tells progress
// again and again how far it is; progress may be nil.
func Run(ctx context.Context, slice Slice, progress func(Result)) Result {
	s := &search{ctx: ctx, slice: &slice, progress: progress, seen: map[uint64]struct{}{}}
	w := newWorld(&slice)
	s.seen[w.fingerprint()] = struct{}{}
	s.explore(w)
	s.result.States = len(s.seen)
	s.result.Complete = !s.failed && !s.ended
	if s.failed {
		s.tell()
	}
	return s.result
}

// explore tries all that may happen after s.path, which led to w. It uses w up.
func (s *search) explore(w *world) {
	s.result.Depth = max(s.result.Depth, len(s.path))
	for n, c := range w.choices(nil) {
		if s.ctx.Err() != nil {
			s.ended = true
			return
		}
		if n > 0 {
			w = replay(s.slice, s.path, false)
		}
		w.take(c)
		s.count()
		s.path = append(s.path, c)
		if s.failed = w.wrong != ""; s.failed {
			return
		}
		f := w.fingerprint()
		if _, seen := s.seen[f]; !seen {
			s.seen[f] = struct{}{}
			if s.explore(w); s.failed || s.ended {
				return
			}
		}
		s.path = s.path[:len(s.path)-1]
	}
}

// count counts a transition.
func (s *search) count() {
	if s.result.Transitions++; s.progress != nil && s.result.Transitions%progressEvery == 0 {
		so := s.result
		so.States = len(s.seen)
		s.progress(so)
	}
}

// replay makes a world anew in which that happened. What cannot happen is left out.
func replay(slice *Slice, path []choice, talks bool) *world {
	w := newWorld(slice)
	w.talks = talks
	for _, c := range path {
		if w.take(c); w.wrong != "" {
			break
		}
	}
	return w
}

// tell leaves out of the path what the failure does not need, and says what remains.
func (s *search) tell() {
	path := s.path
	for shorter := true; shorter; {
		shorter = false
		for i := len(path) - 1; i >= 0; i-- {
			without := append(append([]choice(nil), path[:i]...), path[i+1:]...)
			if replay(s.slice, without, false).wrong != "" {
				path, shorter = without, true
			}
		}
	}
	w := replay(s.slice, path, true)
	s.result.Violation, s.result.Trail = w.wrong, w.log
}

package bench

import "math/rand/v2"

// schedule is when the requests of one connection are due, in nanoseconds since the run began. Evenly spaced, those of
// all connections together are; as a Poisson process each connection's is one, and so is their sum.
type schedule struct {
	due    float64
	gap    float64    // mean time between two
	random *rand.Rand // nil: evenly
}

// newSchedule is that of connection i of conns, of rate requests a second in all, from the time begin on.
func newSchedule(begin int64, rate float64, i, conns int, random *rand.Rand) schedule {
	between := 1e9 / rate
	s := schedule{due: float64(begin) + float64(i)*between, gap: float64(conns) * between, random: random}
	if random != nil {
		s.due = float64(begin) + s.wait()
	}
	return s
}

// next is when the next request is due; the one after it is next from then on.
func (s *schedule) next() int64 {
	due := s.due
	s.due += s.wait()
	return int64(due)
}

// peek is what next will say.
func (s *schedule) peek() int64 { return int64(s.due) }

func (s *schedule) wait() float64 {
	if s.random == nil {
		return s.gap
	}
	return s.gap * s.random.ExpFloat64()
}

package bench

// Size is one kind of values: Least to Most bytes, drawn evenly, Weight times as often as one of weight 1.
type Size struct {
	Least, Most int
	Weight      float64
}

// sizesMax is how many kinds a run may have.
const sizesMax = 64

// sizes draws from kinds of values.
type sizes struct {
	kinds []Size
	upTo  []float64 // the share of the draws that fall on a kind or one before it
}

func newSizes(kinds []Size) *sizes {
	s := &sizes{kinds: kinds}
	total := 0.0
	for _, k := range kinds {
		total += k.Weight
	}
	sum := 0.0
	for _, k := range kinds {
		sum += k.Weight
		s.upTo = append(s.upTo, sum/total)
	}
	return s
}

// draw turns a number drawn evenly from [0,1) into a size: which kind, and what is left of it where in that.
func (s *sizes) draw(u float64) int {
	i, before := 0, 0.0
	for ; i < len(s.kinds)-1 && u >= s.upTo[i]; i++ {
		before = s.upTo[i]
	}
	k := s.kinds[i]
	if k.Least == k.Most {
		return k.Least
	}
	within := (u - before) / (s.upTo[i] - before)
	return min(k.Least+int(within*float64(k.Most-k.Least+1)), k.Most)
}

// most is the largest size.
func (s *sizes) most() (n int) {
	for _, k := range s.kinds {
		n = max(n, k.Most)
	}
	return n
}

// mean is what values have on average.
func (s *sizes) mean() float64 {
	mean, before := 0.0, 0.0
	for i, k := range s.kinds {
		mean += (s.upTo[i] - before) * float64(k.Least+k.Most) / 2
		before = s.upTo[i]
	}
	return mean
}

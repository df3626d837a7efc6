package bench

import (
	"math"
	"math/rand/v2"
)

// The kinds of a Distribution.
const (
	Uniform = "uniform" // every key alike
	Zipf    = "zipf"    // the key of rank r with weight 1/r^theta; ranks are scattered over the keys
	Hotspot = "hotspot" // HotOps of the draws fall on HotKeys of the keys, each evenly; hot keys are scattered
	Latest  = "latest"  // reads by zipf over the last keys written; writes go to new keys (YCSB's D)
)

// Distributions are the kinds there are.
var Distributions = []string{Uniform, Zipf, Hotspot, Latest}

// Distribution is how keys are drawn. The zero value is Uniform.
type Distribution struct {
	Kind    string
	Theta   float64 // Zipf and Latest: skew, above 0 and below 1; default 0.99, as in YCSB
	HotKeys float64 // Hotspot: share of the keys; default 0.2
	HotOps  float64 // Hotspot: share of the draws that fall on them; default 0.8
}

func (d Distribution) withDefaults() Distribution {
	or := func(x *float64, def float64) {
		if *x == 0 {
			*x = def
		}
	}
	if d.Kind == "" {
		d.Kind = Uniform
	}
	switch d.Kind {
	case Zipf, Latest:
		or(&d.Theta, 0.99)
	case Hotspot:
		or(&d.HotKeys, 0.2)
		or(&d.HotOps, 0.8)
	}
	return d
}

func (d Distribution) check(p *problems) {
	skewed, hot := d.Kind == Zipf || d.Kind == Latest, d.Kind == Hotspot
	switch {
	case !skewed && !hot && d.Kind != Uniform:
		p.add("distribution %q: there is no such distribution", d.Kind)
	case skewed && !(d.Theta > 0 && d.Theta < 1):
		p.add("theta %g: use more than 0 and less than 1", d.Theta)
	case !skewed && d.Theta != 0:
		p.add("theta %g: it goes with zipf and latest", d.Theta)
	case hot && !(d.HotKeys > 0 && d.HotKeys < 1 && d.HotOps > 0 && d.HotOps < 1):
		p.add("hot keys %g, hot ops %g: use shares, more than 0 and less than 1", d.HotKeys, d.HotOps)
	case !hot && (d.HotKeys != 0 || d.HotOps != 0):
		p.add("hot keys %g, hot ops %g: they go with hotspot", d.HotKeys, d.HotOps)
	}
}

// chooser draws keys: numbers, from 0. It is read by every connection at once and has no state of its own but the
// frontier, which is safe for that.
type chooser struct {
	Distribution
	keys     uint64
	stride   uint64
	zipf     zipf
	hot      uint64    // how many keys are
	frontier *frontier // Latest only
}

func newChooser(d Distribution, keys uint64) *chooser {
	c := &chooser{Distribution: d, keys: keys, stride: stride(keys)}
	switch d.Kind {
	case Zipf:
		c.zipf = newZipf(keys, d.Theta)
	case Hotspot:
		c.hot = max(1, uint64(d.HotKeys*float64(keys)))
	case Latest:
		c.zipf = newZipf(keys, d.Theta)
		c.frontier = newFrontier(keys)
	}
	return c
}

// next draws the key of a request.
func (c *chooser) next(random *rand.Rand, writes bool) uint64 {
	switch c.Kind {
	case Zipf:
		return c.scatter(c.zipf.rank(random.Float64()))
	case Hotspot:
		if c.hot == c.keys || random.Float64() < c.HotOps {
			return c.scatter(random.Uint64N(c.hot))
		}
		return c.scatter(c.hot + random.Uint64N(c.keys-c.hot))
	case Latest:
		if writes {
			return c.frontier.begin()
		}
		return c.frontier.written() - 1 - c.zipf.rank(random.Float64())
	}
	return random.Uint64N(c.keys)
}

// scatter sends ranks to keys one to one, neighbours far apart: popular keys must not be neighbours on the ring.
func (c *chooser) scatter(rank uint64) uint64 { return rank * c.stride % c.keys }

// stride is a number with no divisor in common with n, near the golden section of it.
func stride(n uint64) uint64 {
	s := max(1, uint64(float64(n)*(math.Sqrt(5)-1)/2))
	for ; divisor(s, n) != 1; s++ {
	}
	return s
}

// divisor is the greatest that two numbers have in common.
func divisor(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// zipf draws ranks with weight 1/(rank+1)^theta in constant time: Gray et al., "Quickly Generating Billion-Record
// Synthetic Databases", SIGMOD 1994, §3.2, as YCSB does. Ranks 0 and 1 are exact; the others follow a continuous
// curve, which is some per cent off for the first of them.
type zipf struct {
	n, alpha, zeta, eta float64
	second              float64 // weights of ranks 0 and 1 together
}

func newZipf(n uint64, theta float64) zipf {
	z := zipf{n: float64(n), alpha: 1 / (1 - theta), zeta: zeta(n, theta), second: 1 + math.Pow(0.5, theta)}
	if n > 2 { // of two ranks both are exact
		z.eta = (1 - math.Pow(2/z.n, 1-theta)) / (1 - z.second/z.zeta)
	}
	return z
}

// rank turns a number drawn evenly from [0,1) into a rank below n.
func (z *zipf) rank(u float64) uint64 {
	switch share := u * z.zeta; {
	case share < 1:
		return 0
	case share < z.second || z.n <= 2:
		return 1
	}
	return min(uint64(z.n*math.Pow(z.eta*u-z.eta+1, z.alpha)), uint64(z.n)-1)
}

// zetaExact terms are added one by one; the rest is an integral with two corrections (Euler and Maclaurin), exact to
// far more digits than a run can tell, and a billion terms would take a minute.
const zetaExact = 1 << 16

// zeta is the sum of 1/i^theta for i from 1 to n.
func zeta(n uint64, theta float64) (sum float64) {
	m := min(n, zetaExact)
	for i := m; i > 0; i-- { // the small ones first, or they would be lost in the sum
		sum += math.Pow(float64(i), -theta)
	}
	if n == m {
		return sum
	}
	from, to := float64(m), float64(n)
	sum += (math.Pow(to, 1-theta) - math.Pow(from, 1-theta)) / (1 - theta)
	sum += (math.Pow(to, -theta) - math.Pow(from, -theta)) / 2
	return sum + theta/12*(math.Pow(from, -theta-1)-math.Pow(to, -theta-1))
}

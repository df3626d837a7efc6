package ring

import "slices"

// spread chooses the owners in one datacenter, in two steps. First each partition takes the nearest nodes
// that share racks as little as can be. Then nodes above their bound hand on what is farthest from them,
// to the next node on the walk that has room and costs no rack. What is handed on is little, and decided
// by distance, not by order: so a node that joins takes its share and disturbs little else.
type spread struct {
	*circle
	count  int      // owners of a partition
	rack   []uint16 // of a node, from 0
	upTo   []int    // how many owners there can be with at most i in a rack
	owners []uint16 // count for each partition
	load   []int    // partitions owned, by node
	bound  []int    // partitions to own at most, by node
}

func newSpread(c *circle, all []Node, replicas int) *spread {
	s := &spread{circle: c, count: min(replicas, len(c.nodes)), load: make([]int, len(c.nodes))}
	var size []int
	numbers := make(map[string]uint16)
	for _, index := range c.nodes {
		name := all[index].Rack
		if _, ok := numbers[name]; !ok {
			numbers[name] = uint16(len(size))
			size = append(size, 0)
		}
		s.rack = append(s.rack, numbers[name])
		size[numbers[name]]++
	}
	for i := 0; i == 0 || s.upTo[i-1] < s.count; i++ {
		s.upTo = append(s.upTo, 0)
		for _, z := range size {
			s.upTo[i] += min(z, i)
		}
	}
	s.owners = make([]uint16, (len(c.start)-1)*s.count)
	s.bound = s.bounds(weights(all, c.nodes), size)
	s.sweep(s.choose)
	s.level()
	return s
}

func (s *spread) of(p uint32) []uint16 {
	return s.owners[int(p)*s.count : int(p+1)*s.count]
}

// choose takes the nearest nodes: one of each rack, then a second of each, and so on, so that losing a rack
// costs a partition as few owners as it must.
func (s *spread) choose(p uint32) {
	own := s.of(p)[:0]
	for most := 1; len(own) < s.count; most++ {
		for x := s.first(); len(own) < min(s.count, s.upTo[most]); x = s.next[x] {
			if s.inRack(own, s.rack[x]) < most && !slices.Contains(own, x) {
				own = append(own, x)
				s.load[x]++
			}
		}
	}
}

func (s *spread) inRack(own []uint16, rack uint16) int {
	n := 0
	for _, x := range own {
		if s.rack[x] == rack {
			n++
		}
	}
	return n
}

func (s *spread) over(x uint16) bool { return s.load[x] > s.bound[x] }

// level makes the nodes above their bound hand on: first what lies beyond their reach, then, where racks
// left no taker for that, whatever finds one.
func (s *spread) level() {
	far := make([][]uint64, len(s.load))
	s.sweep(func(p uint32) {
		for _, x := range s.of(p) {
			if s.over(x) {
				far[x] = append(far[x], s.distance(p, x))
			}
		}
	})
	reach := make([]uint64, len(s.load))
	for x, distances := range far {
		if distances != nil {
			slices.Sort(distances)
			reach[x] = distances[s.bound[x]]
		}
	}
	for range 2 {
		s.sweep(func(p uint32) {
			for k, x := range s.of(p) {
				if s.over(x) && s.distance(p, x) >= reach[x] {
					s.handOn(p, k)
				}
			}
		})
		if !s.anyOver() {
			return
		}
		clear(reach)
	}
}

func (s *spread) anyOver() bool {
	for x := range s.load {
		if s.over(uint16(x)) {
			return true
		}
	}
	return false
}

// handOn gives the place of the k-th owner of p to the nearest node with room, of the same rack or of one
// that has fewer owners of p. Where there is none it stays: the bound gives way.
func (s *spread) handOn(p uint32, k int) {
	own := s.of(p)
	rack := s.rack[own[k]]
	most := s.inRack(own, rack)
	for y := s.first(); y != s.end; y = s.next[y] {
		if s.load[y] >= s.bound[y] || slices.Contains(own, y) {
			continue
		}
		if s.rack[y] == rack || s.inRack(own, s.rack[y]) < most {
			s.load[own[k]]--
			s.load[y]++
			own[k] = y
			return
		}
	}
}

// list returns, for each partition, its owners and then as many of the nearest other nodes as fallbacks
// asks for, both in the order of the walk.
func (s *spread) list(fallbacks int) []uint16 {
	stride := s.count + fallbacks
	out := make([]uint16, (len(s.start)-1)*stride)
	s.sweep(func(p uint32) {
		own, at := s.of(p), int(p)*stride
		owners, others := out[at:at:at+s.count], out[at+s.count:at+s.count:at+stride]
		for x := s.first(); len(owners)+len(others) < stride; x = s.next[x] {
			if slices.Contains(own, x) {
				owners = append(owners, x)
			} else if len(others) < fallbacks {
				others = append(others, x)
			}
		}
	})
	return out
}

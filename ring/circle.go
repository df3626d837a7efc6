package ring

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// virtualNodes is how many points a standard node has on the ring of its datacenter. With more of them a
// join moves less and a map takes longer to compile: at 100 nodes in 3 racks 1.20 times the ideal with 128 and
// 1.10 with 256, for 1,000 nodes 17 ms and 32 ms.
const virtualNodes = 256

// circle is the ring of one datacenter, 0 to 2^64-1, with partitions standing on it evenly. It knows one
// thing: in which order a walk clockwise from a partition meets the nodes. A sweep gives that for every
// partition without a search: going counterclockwise, each virtual node it passes moves its node to the
// front of a list, which is therefore always the walk from where the sweep stands.
//
//	walk from here: B A C          here: the sweep, going down
//	   ───────────────|──────B────A──B────C────A──► up
type circle struct {
	nodes  []uint16 // index into Table.Nodes; all else here numbers nodes by their index in this
	shift  uint8    // partition p stands at p << shift
	points []point  // sorted
	start  []uint32 // points[start[p]:start[p+1]] stand from partition p to before the next

	next, prev []uint16 // the walk, a list closed by the extra element end
	end        uint16
	at         []uint64 // where the walk meets a node
}

// point is one virtual node.
type point struct {
	at   uint64
	node uint16
}

func newCircle(all []Node, nodes []uint16, partitions uint32, shift uint8, hash func([]byte) uint64) *circle {
	n := len(nodes)
	c := &circle{
		nodes: nodes, shift: shift, start: make([]uint32, partitions+1),
		next: make([]uint16, n+1), prev: make([]uint16, n+1), end: uint16(n), at: make([]uint64, n),
	}
	points := c.throw(all, hash)
	c.points = make([]point, len(points))
	for p := range partitions {
		c.start[p+1] += c.start[p]
	}
	for _, pt := range points {
		c.start[c.partition(pt.at)]--
		c.points[c.start[c.partition(pt.at)]] = pt
	}
	for p := range partitions {
		slices.SortFunc(c.between(p), func(x, y point) int {
			if x.at != y.at {
				return cmp.Compare(x.at, y.at)
			}
			return cmp.Compare(x.node, y.node)
		})
	}
	return c
}

// throw makes the virtual nodes, and counts those of each partition: they fall evenly, so that counting
// is most of the sorting.
func (c *circle) throw(all []Node, hash func([]byte) uint64) []point {
	count := func(index uint16) uint32 { return max(1, all[index].Weight*virtualNodes/StandardWeight) }
	sum := uint32(0)
	for _, index := range c.nodes {
		sum += count(index)
	}
	points := make([]point, 0, sum)
	name := make([]byte, 12)
	for n, index := range c.nodes {
		binary.BigEndian.PutUint64(name, all[index].ID)
		for i := range count(index) {
			binary.BigEndian.PutUint32(name[8:], i)
			at := hash(name)
			points = append(points, point{at, uint16(n)})
			c.start[c.partition(at)]++
		}
	}
	return points
}

func (c *circle) partition(at uint64) uint32         { return uint32(at >> c.shift) }
func (c *circle) between(p uint32) []point           { return c.points[c.start[p]:c.start[p+1]] }
func (c *circle) distance(p uint32, n uint16) uint64 { return c.at[n] - uint64(p)<<c.shift }

// sweep visits every partition, the last one first; during a visit the list is the walk from there.
func (c *circle) sweep(visit func(p uint32)) {
	for i := range c.next {
		c.next[i] = uint16((i + 1) % len(c.next))
		c.prev[c.next[i]] = uint16(i)
	}
	for _, pt := range slices.Backward(c.points) {
		c.pass(pt)
	}
	for p := uint32(len(c.start)) - 1; p > 0; p-- {
		for _, pt := range slices.Backward(c.between(p - 1)) {
			c.pass(pt)
		}
		visit(p - 1)
	}
}

func (c *circle) pass(pt point) {
	n := pt.node
	c.at[n] = pt.at
	c.next[c.prev[n]], c.prev[c.next[n]] = c.next[n], c.prev[n]
	c.next[n], c.prev[n] = c.next[c.end], c.end
	c.prev[c.next[n]], c.next[c.end] = n, n
}

func (c *circle) first() uint16 { return c.next[c.end] }

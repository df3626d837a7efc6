package ring

// Bounds are computed in whole numbers: floating point may round differently on another processor, and
// two nodes would then place a partition differently.

// looseness is how far above its fair part a node may be loaded, in percent: less balances better and
// moves more when a node joins.
const looseness = 5

// fine is what one place counts in divisions, so that what rounding loses does not matter.
const fine = 1024

func weights(all []Node, nodes []uint16) []int64 {
	out := make([]int64, len(nodes))
	for i, index := range nodes {
		out[i] = int64(all[index].Weight)
	}
	return out
}

// bounds returns how many partitions each node may own at most; size is the number of nodes in each rack.
// What is fair goes by weight, first among the racks, which cannot own less or more of a partition than the
// rack rule gives them, then among the nodes of a rack, none of which owns a partition twice. Without the
// racks, a node of a large rack would seem to have room that no rule lets it use, and every join would
// move the bounds of racks that it does not touch.
func (s *spread) bounds(weight []int64, size []int) []int {
	whole := int64(len(s.start)-1) * fine
	most := len(s.upTo) - 1
	racks := make([]part, len(size))
	nodes := make([][]part, len(size))
	for r, z := range size {
		racks[r].least, racks[r].most = int64(min(z, most-1))*whole, int64(min(z, most))*whole
	}
	for i, r := range s.rack {
		racks[r].weight += weight[i]
		nodes[r] = append(nodes[r], part{weight: weight[i], most: whole})
	}
	divide(int64(s.count)*whole, racks)
	for r := range nodes {
		divide(racks[r].gets, nodes[r])
	}
	out := make([]int, len(s.rack))
	for i, r := range s.rack {
		out[i] = bound(nodes[r][0].gets)
		nodes[r] = nodes[r][1:]
	}
	return out
}

// bound rounds up to a whole partition, and leaves what the looseness leaves.
func bound(fair int64) int {
	return int(max((fair+fine-1)/fine, fair*(100+looseness)/(100*fine)))
}

// part is what one of several gets of a total that is divided by weight, within limits.
type part struct {
	weight, least, most, gets int64
	fixed                     bool
}

// divide divides total by weight. Each round divides what is left; those held back by their limits on the
// heavier side are fixed there, until no limit holds anyone back. A round fixes at least one, so it ends.
func divide(total int64, parts []part) {
	for {
		left, weight := total, int64(0)
		for i := range parts {
			if parts[i].fixed {
				left -= parts[i].gets
			} else {
				weight += parts[i].weight
			}
		}
		var raised, cut int64
		for i := range parts {
			if p := &parts[i]; !p.fixed {
				asks := left * p.weight / weight
				p.gets = min(max(asks, p.least), p.most)
				raised += max(p.gets-asks, 0)
				cut += max(asks-p.gets, 0)
			}
		}
		if raised == 0 && cut == 0 {
			return
		}
		for i := range parts {
			if p := &parts[i]; !p.fixed {
				asks := left * p.weight / weight
				p.fixed = raised >= cut && p.gets > asks || cut >= raised && p.gets < asks
			}
		}
	}
}

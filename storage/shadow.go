package storage

// Adaptive runs a small copy of itself for each share that its small log may have: keys and sizes only, of a sample of all
// keys (miniature simulation: Waldspurger et al., ATC 2017; with a sample of bounded size: SHARDS, FAST 2015, §3.2). Now and then
// the store takes the share of the copy that misses least.

const (
	// shadowPart is the part of BytesMax that shadows may have, one in so many.
	shadowPart = 128
	// shadowLeast and shadowMost bound the keys that one shadow knows, those that it has forgotten among them.
	shadowLeast = 512
	shadowMost  = 4096
	// shadowGhosts is how many keys a shadow remembers for each that it has, at most.
	shadowGhosts = 3
	// decidePeriod is how often a share is chosen, in requests for each record held.
	decidePeriod = 4
	// decideMargin is by what part of the misses another shadow must have fewer, one in so many.
	decideMargin = 100
	// rateMost is how often the sample is halved at most.
	rateMost = 16

	nodeBytes = 20 + 2 // of a shadow, with the head of a chain
)

// shadows are the copies, and what they say.
type shadows struct {
	each  [len(smallShares)]shadow
	rate  uint8 // one key in 1 << rate is watched
	asked int   // Gets since a share was chosen
	took  int   // index of the share
}

// shadow is S3-FIFO as the store has it, without values.
type shadow struct {
	share    int64
	nodes    []shadowNode // from 1
	heads    []uint16     // of chains of nodes with keys alike
	unused   uint16       // a chain, too
	lists    [logs]shadowList
	spilling bool
	misses   uint64 // decayed, each 1 << missShift
}

const missShift = 10

type shadowNode struct {
	key          uint32
	bytes        uint32
	chain        uint16
	newer, older uint16
	list         uint8
	uses, worth  uint8
	credit       bool
}

type shadowList struct {
	newest, oldest uint16
	nodes          int
	bytes          int64
}

// room is what the store itself has.
type room struct {
	full   bool
	bytes  int64 // of records, of the part that is watched
	ghosts int64 // for each thousand records
}

// shadowKeys is how many keys each shadow may know in a store of so many bytes.
func shadowKeys(bytesMax int64) int {
	n := shadowLeast
	for n < shadowMost && int64(len(smallShares)*2*n*nodeBytes) <= bytesMax/shadowPart {
		n *= 2
	}
	return n
}

// ShadowBytes is what a store of so many bytes may take on top of them for the choice of what it evicts.
func ShadowBytes(bytesMax int64) int64 {
	return int64(len(smallShares) * shadowKeys(bytesMax) * nodeBytes)
}

func newShadows(keys int) *shadows {
	x := &shadows{took: smallShareFirst}
	for i := range x.each {
		sh := &x.each[i]
		sh.share = smallShares[i]
		sh.heads = make([]uint16, keys)
		sh.nodes = make([]shadowNode, 1, 64)
	}
	return x
}

// watched is the key by which the shadows know a hash, if it is in the sample.
func (x *shadows) watched(mixed uint64) (key uint32, ok bool) {
	key = uint32(mixed >> 24)
	return key, key&(1<<x.rate-1) == 0
}

// watches reports whether the shadows have something to learn: a store that has room for as much again evicts nothing soon.
func (s *Store) watches() bool {
	return s.shadows != nil && (s.full || s.stats.BytesUsed > s.usedMax/2)
}

// room tells the shadows what there is.
func (s *Store) room() room {
	records := max(s.stats.Keys+s.stats.Tombstones, 1)
	return room{
		full:   s.full,
		bytes:  (s.logs[small].bytes + s.logs[main].bytes) >> s.shadows.rate,
		ghosts: min(s.ghostBytesMax/ghostFixed*1000/int64(records), shadowGhosts*1000),
	}
}

// shadow lets the shadows know of a request for a key: asked for, or else put. Held is whether the store has it, bytes are
// those of its record, 0 where there is none.
func (s *Store) shadow(hash uint64, asked, held bool, bytes int64) {
	x := s.shadows
	if key, ok := x.watched(s.mixed(hash)); ok {
		r := s.room()
		for i := range x.each {
			sh := &x.each[i]
			if sh.has(key) {
				if asked || held {
					sh.use(key)
				}
				continue
			}
			if asked {
				sh.misses += 1 << missShift
			}
			if bytes == 0 {
				continue // whoever asked may put it next
			}
			if sh.unused == 0 && len(sh.nodes) > len(sh.heads) {
				x.thin()
				if key&(1<<x.rate-1) != 0 {
					break
				}
				r = s.room()
			}
			sh.enter(key, bytes, r)
		}
	}
	if !asked {
		return
	}
	if x.asked++; x.asked >= decidePeriod*(s.stats.Keys+s.stats.Tombstones) && s.full {
		x.asked = 0
		s.smallShare = x.choose()
	}
}

// choose takes the share that missed least, if it is better than the present one by more than chance.
func (x *shadows) choose() int64 {
	best := x.took
	for i := range x.each {
		if x.each[i].misses < x.each[best].misses {
			best = i
		}
	}
	if now := x.each[x.took].misses; x.each[best].misses < now-now/decideMargin {
		x.took = best
	}
	for i := range x.each {
		x.each[i].misses = x.each[i].misses * 7 / 10
	}
	return smallShares[x.took]
}

// thin halves the sample.
func (x *shadows) thin() {
	if x.rate < rateMost {
		x.rate++
	}
	for i := range x.each {
		sh := &x.each[i]
		for n := 1; n < len(sh.nodes); n++ {
			if g := &sh.nodes[n]; g.list < logs && g.key&(1<<x.rate-1) != 0 {
				sh.drop(uint16(n))
			}
		}
	}
}

func (sh *shadow) head(key uint32) *uint16 { return &sh.heads[int(key>>rateMost)&(len(sh.heads)-1)] }

func (sh *shadow) find(key uint32) uint16 {
	n := *sh.head(key)
	for n != 0 && sh.nodes[n].key != key {
		n = sh.nodes[n].chain
	}
	return n
}

// has reports whether the shadow would hit.
func (sh *shadow) has(key uint32) bool {
	n := sh.find(key)
	return n != 0 && sh.nodes[n].list != ghosts
}

func (sh *shadow) use(key uint32) {
	g := &sh.nodes[sh.find(key)]
	g.uses = min(g.uses+1, usesMost)
}

// enter takes a key in that the shadow does not have, and forgets what there is no room for.
func (sh *shadow) enter(key uint32, bytes int64, r room) {
	list, worth := uint8(small), uint8(1)
	n := sh.find(key)
	if n != 0 { // a ghost
		worth = min(sh.nodes[n].worth+1, worthMost)
		if sh.nodes[n].credit {
			list = main
		}
		sh.unlink(n)
	} else {
		n = sh.node()
		sh.nodes[n].key = key
		head := sh.head(key)
		sh.nodes[n].chain, *head = *head, n
	}
	g := &sh.nodes[n]
	g.bytes, g.uses, g.worth, g.credit = uint32(min(bytes, 1<<32-1)), 0, worth, false
	sh.link(n, list)
	if !r.full {
		sh.spilling = true
		for sh.lists[small].bytes*1000 > r.bytes*sh.share && sh.lists[small].nodes > 1 {
			sh.move(sh.lists[small].oldest, main)
		}
		return
	}
	for sh.lists[small].bytes+sh.lists[main].bytes > r.bytes && sh.lists[small].nodes+sh.lists[main].nodes > 1 {
		sh.evict(n)
	}
	for s := &sh.lists[ghosts]; int64(s.nodes)*1000 > int64(sh.lists[small].nodes+sh.lists[main].nodes)*r.ghosts; {
		sh.drop(s.oldest)
	}
}

// evict is a step of the store's: one record moves or goes, but not the newest.
func (sh *shadow) evict(newest uint16) {
	l := &sh.lists[small]
	if l.bytes*1000 > (l.bytes+sh.lists[main].bytes)*sh.share && l.oldest != newest || sh.lists[main].nodes == 0 {
		n := l.oldest
		g := &sh.nodes[n]
		uses, worth := examined(small, uint64(g.uses), uint64(g.worth))
		g.uses, g.worth = uint8(uses), uint8(worth)
		if last := sh.lists[main].oldest; sh.spilling || last == 0 || g.worth > sh.nodes[last].worth {
			sh.move(n, main)
			return
		}
		g.credit = true
		sh.move(n, ghosts)
		return
	}
	sh.spilling = false
	n := sh.lists[main].oldest
	g := &sh.nodes[n]
	keep := g.uses > 0
	uses, worth := examined(main, uint64(g.uses), uint64(g.worth))
	g.uses, g.worth = uint8(uses), uint8(worth)
	if keep {
		sh.move(n, main)
		return
	}
	sh.move(n, ghosts)
}

// node returns one that is in no list.
func (sh *shadow) node() uint16 {
	if sh.unused == 0 && len(sh.nodes) > len(sh.heads) {
		for _, list := range [...]uint8{ghosts, small, main} {
			if n := sh.lists[list].oldest; n != 0 {
				sh.drop(n)
				break
			}
		}
	}
	if n := sh.unused; n != 0 {
		sh.unused = sh.nodes[n].chain
		return n
	}
	sh.nodes = append(sh.nodes, shadowNode{})
	return uint16(len(sh.nodes) - 1)
}

func (sh *shadow) move(n uint16, list uint8) {
	sh.unlink(n)
	sh.link(n, list)
}

func (sh *shadow) link(n uint16, list uint8) {
	l, g := &sh.lists[list], &sh.nodes[n]
	g.list, g.newer, g.older = list, 0, l.newest
	if l.newest != 0 {
		sh.nodes[l.newest].newer = n
	} else {
		l.oldest = n
	}
	l.newest = n
	l.nodes++
	l.bytes += int64(g.bytes)
}

func (sh *shadow) unlink(n uint16) {
	g := &sh.nodes[n]
	l := &sh.lists[g.list]
	if g.newer != 0 {
		sh.nodes[g.newer].older = g.older
	} else {
		l.newest = g.older
	}
	if g.older != 0 {
		sh.nodes[g.older].newer = g.newer
	} else {
		l.oldest = g.newer
	}
	l.nodes--
	l.bytes -= int64(g.bytes)
}

// drop lets the shadow know nothing of a node's key any more.
func (sh *shadow) drop(n uint16) {
	sh.unlink(n)
	at := sh.head(sh.nodes[n].key)
	for *at != n {
		at = &sh.nodes[*at].chain
	}
	*at = sh.nodes[n].chain
	sh.nodes[n] = shadowNode{list: noLog, chain: sh.unused}
	sh.unused = n
}

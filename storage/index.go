package storage

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// The index of a partition is a hash table of small pages, each for a range of hashes; a page that is full is split in
// two (Fagin et al., Extendible Hashing, TODS 1979), so that it grows 256 bytes at a time:
//
//	hash   63 … 48        …      11 … 4   1 … 0
//	       which page              tag    bucket
//
//	page      4 buckets of 64 bytes
//	bucket    7 tags │ how many of its entries stand in one of the next 3 buckets │ 7 slots of 8 bytes
//	slot      hash 63 … 48 │ bucket 2 │ credit │ ghost │ worth 4 │ uses 2 │ place in the logs 38
//
// A slot has enough of the hash to be moved by a split without a look at its entry.
const (
	pageShift   = 8
	pageBytes   = buckets * bucketBytes // 1 << pageShift
	buckets     = 4
	bucketBytes = 64
	bucketSlots = 7
	stray       = 3 // an entry stands at most so many buckets after its own

	placeBits   = 38
	placeMask   = 1<<placeBits - 1
	usesShift   = placeBits
	usesMask    = 3 << usesShift
	worthShift  = usesShift + 2
	worthMask   = 15 << worthShift
	ghostFlag   = 1 << 44
	creditFlag  = 1 << 45
	bucketShift = 46
	hashMask    = 0xffff << 48

	// depthMax is how often the range of all hashes is halved at most; entries whose hashes are that much alike are an
	// attack, and push each other out.
	depthMax = 20
	// depthKnown is as far as a slot knows its hash.
	depthKnown = 16
	// mergeBelow is how few entries two halves of a range have together to share a page again.
	mergeBelow = buckets * bucketSlots / 3
)

type page [pageBytes]byte

// pageInfo is what is known of a page beside what is in it.
type pageInfo struct {
	prefix    uint32 // of the hashes that it is for, from the first bit
	partition uint16
	entries   uint8
	depth     uint8 // bits of prefix
	used      bool
}

// spot is where the index has an entry.
type spot struct {
	page uint32
	at   uint16 // of the slot in the page
}

// page returns the page of a number, which says where it lies: a read has nothing to look up in between.
func (s *Store) page(n uint32) *page {
	g := &s.segments[n>>(s.shift-pageShift)]
	return (*page)(g.mem[int(n)<<pageShift&(1<<s.shift-1):])
}

func (s *Store) info(n uint32) *pageInfo {
	return &s.segments[n>>(s.shift-pageShift)].pages[n&(1<<(s.shift-pageShift)-1)]
}

func (s *Store) slot(at spot) uint64 {
	return binary.LittleEndian.Uint64(s.page(at.page)[at.at:])
}

func (s *Store) setSlot(at spot, slot uint64) {
	binary.LittleEndian.PutUint64(s.page(at.page)[at.at:], slot)
}

// tagOf is never 0, which stands for nothing.
func tagOf(hash uint64) byte { return max(byte(hash>>4), 1) }

// bucketAt is where the bucket of a mixed hash begins in its page.
func bucketAt(mixed uint64) uint16 { return uint16(mixed & (buckets - 1) * bucketBytes) }

func slotAt(bucket, i int) uint16 { return uint16(bucket*bucketBytes + 8 + 8*i) }

// mixed is the hash that the index goes by: another order in every store. Keys come in the order in which another store tells
// them, and were it this one's, too, they would all come to one page at a time, which is then split and split again.
func (s *Store) mixed(hash uint64) uint64 { return hash * s.mix }

// page returns the number of the page for a hash; p has one.
func (p *partition) page(mixed uint64) uint32 {
	return p.directory[mixed>>1>>(63-p.depth)]
}

// probe goes through the spots where the entry of a hash may stand.
type probe struct {
	mem    *page
	number uint32
	tag    uint64
	hash   uint64
	bucket int
	left   int // buckets to look at after this one
	match  uint64
}

const (
	lows  = 0x0001010101010101 // of seven bytes
	highs = 0x0080808080808080
)

// probe has no page where nothing is known of the partition.
func (s *Store) probe(p *partition, hash uint64) (x probe) {
	if len(p.directory) == 0 {
		return x
	}
	hash = s.mixed(hash)
	x.number = p.page(hash)
	x.mem = s.page(x.number)
	x.hash, x.tag, x.bucket = hash, uint64(tagOf(hash))*lows, int(hash&(buckets-1))
	if x.mem[x.bucket*bucketBytes+bucketSlots] > 0 {
		x.left = stray
	}
	x.match = x.matches()
	return x
}

// matches has the high bit of each byte set whose tag is the one sought, and perhaps of one above such a byte.
func (x *probe) matches() uint64 {
	tags := binary.LittleEndian.Uint64(x.mem[x.bucket*bucketBytes:])<<8>>8 ^ x.tag
	return (tags - lows) &^ tags & highs
}

// next returns a spot whose slot may be that of the hash.
func (x *probe) next() (at spot, slot uint64, ok bool) {
	for {
		for x.match != 0 {
			i := bits.TrailingZeros64(x.match) / 8
			x.match &= x.match - 1
			at := slotAt(x.bucket, i)
			if slot := binary.LittleEndian.Uint64(x.mem[at:]); (slot^x.hash)&hashMask == 0 && slot>>bucketShift&(buckets-1) == x.hash&(buckets-1) &&
				x.mem[x.bucket*bucketBytes+i] == tagOf(x.hash) {
				return spot{x.number, at}, slot, true
			}
		}
		if x.left == 0 {
			return spot{}, 0, false
		}
		x.left--
		x.bucket = (x.bucket + 1) & (buckets - 1)
		x.match = x.matches()
	}
}

// enter makes room for a hash in the index; what it puts there has no entry yet. False where the page is full and cannot
// be split.
func (s *Store) enter(p *partition, hash uint64) (spot, bool) {
	hash = s.mixed(hash)
	if len(p.directory) == 0 {
		p.directory, p.depth = append(p.directory[:0], s.newPage(p.number, 0, 0)), 0
	}
	for {
		n := p.page(hash)
		if at, ok := s.place(n, hash&hashMask|hash&(buckets-1)<<bucketShift, tagOf(hash)); ok {
			return at, true
		}
		if !s.split(p, hash) {
			return spot{}, false
		}
	}
}

// place puts a slot into a page where there is room.
func (s *Store) place(n uint32, slot uint64, tag byte) (spot, bool) {
	mem := s.page(n)
	home := int(slot >> bucketShift & (buckets - 1))
	for d := range stray + 1 {
		b := (home + d) & (buckets - 1)
		for i := range bucketSlots {
			if mem[b*bucketBytes+i] != 0 {
				continue
			}
			mem[b*bucketBytes+i] = tag
			at := slotAt(b, i)
			binary.LittleEndian.PutUint64(mem[at:], slot)
			if d > 0 {
				mem[home*bucketBytes+bucketSlots]++
			}
			s.info(n).entries++
			return spot{n, at}, true
		}
	}
	return spot{}, false
}

// vacate takes a slot out of its page.
func (s *Store) vacate(at spot) {
	mem := s.page(at.page)
	b := int(at.at) / bucketBytes
	if home := int(s.slot(at) >> bucketShift & (buckets - 1)); home != b {
		mem[home*bucketBytes+bucketSlots]--
	}
	mem[b*bucketBytes+(int(at.at)%bucketBytes-8)/8] = 0
	s.info(at.page).entries--
}

// split halves the range of the page of a mixed hash.
func (s *Store) split(p *partition, hash uint64) bool {
	old := p.page(hash)
	depth := s.info(old).depth
	if depth == depthMax {
		return false
	}
	if depth == p.depth {
		if 1<<p.depth > 16*int(p.records+p.ghosts+1) {
			return false // hashes that are alike must not make a directory of pages that are not there
		}
		wider := make([]uint32, 0, 2<<p.depth)
		for _, n := range p.directory {
			wider = append(wider, n, n)
		}
		p.directory = wider
		p.depth++
	}
	prefix := s.info(old).prefix
	half := s.newPage(p.number, prefix|1<<(31-depth), depth+1)
	p.pages++
	depth++
	s.info(old).depth = depth
	first := int(hash>>1>>(63-p.depth)) &^ (1<<(p.depth-depth+1) - 1) // of the old page's range
	for i := first + 1<<(p.depth-depth); i < first+2<<(p.depth-depth); i++ {
		p.directory[i] = half
	}
	was := *s.page(old)
	*s.page(old) = page{}
	s.info(old).entries = 0
	for b := range buckets {
		for i := range bucketSlots {
			tag := was[b*bucketBytes+i]
			if tag == 0 {
				continue
			}
			slot := binary.LittleEndian.Uint64(was[slotAt(b, i):])
			known := slot
			if depth > depthKnown {
				known = s.mixed(s.hashAt(slot & placeMask))
			}
			to := old
			if known>>(64-depth)&1 == 1 {
				to = half
			}
			if _, ok := s.place(to, slot, tag); !ok {
				panic("storage: half of a page does not fit into a page")
			}
		}
	}
	return true
}

// shrink joins the page of a hash with the other half of its range where few entries are left in both, and lets go of an index
// in which nothing is.
func (s *Store) shrink(p *partition, hash uint64) {
	hash = s.mixed(hash)
	for {
		n := p.page(hash)
		info := s.info(n)
		depth := info.depth
		if depth == 0 {
			if info.entries == 0 {
				s.freePage(n)
				p.directory, p.depth, p.pages = nil, 0, 0
			}
			return
		}
		span := 1 << (p.depth - depth)
		first := int(hash>>1>>(63-p.depth)) &^ (span - 1)
		buddy := p.directory[first^span]
		if other := s.info(buddy); other.depth != depth || int(info.entries)+int(other.entries) > mergeBelow {
			return
		}
		before, entries := *s.page(n), info.entries
		if !s.pour(n, s.page(buddy)) { // an odd crowd in few buckets
			*s.page(n), info.entries = before, entries
			return
		}
		info.depth--
		info.prefix &^= 1 << (31 - info.depth)
		s.freePage(buddy)
		p.pages--
		for i := first &^ span; i < first&^span+2*span; i++ {
			p.directory[i] = n
		}
		s.narrow(p)
	}
}

// pour puts all that is in another page into page n; false where it does not fit.
func (s *Store) pour(n uint32, other *page) bool {
	for b := range buckets {
		for i := range bucketSlots {
			if tag := other[b*bucketBytes+i]; tag != 0 {
				if _, ok := s.place(n, binary.LittleEndian.Uint64(other[slotAt(b, i):]), tag); !ok {
					return false
				}
			}
		}
	}
	return true
}

// narrow halves the directory while no page needs its full depth.
func (s *Store) narrow(p *partition) {
	for p.depth > 0 && !slices.ContainsFunc(p.directory, func(n uint32) bool { return s.info(n).depth == p.depth }) {
		half := make([]uint32, 0, len(p.directory)/2)
		for i := 0; i < len(p.directory); i += 2 {
			half = append(half, p.directory[i])
		}
		p.directory = half
		p.depth--
	}
}

// newPage returns the number of an empty page, for hashes that begin as prefix does, so many bits of it.
func (s *Store) newPage(partition uint16, prefix uint32, depth uint8) uint32 {
	if len(s.freePages) == 0 {
		n := s.take(pagesLog)
		each := uint32(1) << (s.shift - pageShift)
		if g := &s.segments[n]; g.pages == nil {
			g.pages = make([]pageInfo, each)
		}
		for i := range each {
			s.freePages = append(s.freePages, n*each+i)
		}
	}
	n := s.freePages[len(s.freePages)-1]
	s.freePages = s.freePages[:len(s.freePages)-1]
	*s.page(n) = page{}
	*s.info(n) = pageInfo{prefix: prefix, partition: partition, depth: depth, used: true}
	s.segments[s.segmentOf(n)].live += pageBytes
	s.stats.BytesUsed += pageBytes
	return n
}

func (s *Store) segmentOf(page uint32) uint32 { return page >> (s.shift - pageShift) }

// freePage takes a page back; its segment is freed once pack finds room for what else is in it.
func (s *Store) freePage(n uint32) {
	s.info(n).used = false
	s.segments[s.segmentOf(n)].live -= pageBytes
	s.stats.BytesUsed -= pageBytes
	s.freePages = append(s.freePages, n)
}

// pack frees the segment with the fewest pages in use, if the others have room for these.
func (s *Store) pack() bool {
	if len(s.freePages)*pageBytes < 1<<s.shift {
		return false
	}
	var least uint32
	for n := range s.segments {
		if g := &s.segments[n]; g.log == pagesLog && (least == 0 || g.live < s.segments[least].live) {
			least = uint32(n)
		}
	}
	s.freePages = slices.DeleteFunc(s.freePages, func(n uint32) bool { return s.segmentOf(n) == least })
	for i := range s.segments[least].pages {
		n := least<<(s.shift-pageShift) | uint32(i)
		info := *s.info(n)
		if !info.used {
			continue
		}
		last := len(s.freePages) - 1
		to := s.freePages[last]
		s.freePages = s.freePages[:last]
		*s.page(to), *s.info(to) = *s.page(n), info
		s.segments[s.segmentOf(to)].live += pageBytes
		p := &s.partitions[info.partition]
		first := int(info.prefix >> 1 >> (31 - p.depth))
		for at := range 1 << (p.depth - info.depth) {
			p.directory[first+at] = to
		}
	}
	s.segments[least].pages = nil
	s.release(least)
	return true
}

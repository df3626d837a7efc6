package wire

import "github.com/shoalcache/shoal/vclock"

// A page is the Body of a pull-reply: entries one after another until the bytes end, each an array that
// begins with what it is. There is no count in front, so that a page is built while a store is walked and
// closed when it is large enough.
//
//	1, key, set              a record that is held
//	1, key, set, below       the same, in which versions at or below that stamp may be missing
//	2, hash, stamp, digest, deadline_at, deadline_stamp   a ghost: numbers; the digest has 32 bits, hash and stamps 64
//	2, …, content, fewer                                  the same, of several versions, or of a key that not all owners have
//	3, hash, stamp, digest, below                         a record that is held, of which no more is told than which version it is
const (
	entryRecord  = 1
	entryGhost   = 2
	entryBrief   = 3
	recordFields = 3
	fewerMost    = 3
	ghostFields  = 6
	briefFields  = 5
)

// Ghost is what a node remembers of a key it no longer holds.
type Ghost struct {
	Hash     uint64 // of the key, the same on every node
	Stamp    vclock.Stamp
	Digest   uint32          // of the dot and the deadline register
	Content  uint32          // of several versions, a digest of all of them
	Fewer    uint8           // how many of the partition's owners are not to have the key
	Deadline vclock.Deadline // the register
}

// PageEntry is one entry of a page: a record or, with IsGhost, a ghost, or with IsBrief a record whose hash, stamp and digest
// stand in Ghost. Slices alias the page.
type PageEntry struct {
	IsGhost bool
	IsBrief bool
	Ghost   Ghost
	Key     []byte
	Set     vclock.Set
	Below   vclock.Stamp // of a record: at or below it versions may be missing; 0: none is
}

// AppendPageRecord appends a record to a page and returns the longer slice; set must not be zero.
func AppendPageRecord(dst, key []byte, set *vclock.Set, below vclock.Stamp) []byte {
	if below == 0 {
		dst = append(dst, fixArray|recordFields, entryRecord)
		dst = appendBytes(dst, key)
		return appendSet(dst, set)
	}
	dst = append(dst, fixArray|recordFields+1, entryRecord)
	dst = appendBytes(dst, key)
	dst = appendSet(dst, set)
	return appendUint(dst, uint64(below))
}

// AppendPageGhost appends a ghost to a page and returns the longer slice.
func AppendPageGhost(dst []byte, g Ghost) []byte {
	fields := byte(ghostFields)
	if g.Content != 0 || g.Fewer != 0 {
		fields += 2
	}
	dst = append(dst, fixArray|fields, entryGhost)
	dst = appendUint(dst, g.Hash)
	dst = appendUint(dst, uint64(g.Stamp))
	dst = appendUint(dst, uint64(g.Digest))
	dst = appendDeadline(dst, g.Deadline)
	if fields > ghostFields {
		dst = appendUint(dst, uint64(g.Content))
		dst = appendUint(dst, uint64(g.Fewer))
	}
	return dst
}

// AppendPageBrief appends which version is held of a key to a page and returns the longer slice. The digest is Set.Ghost of
// the version and its deadline.
func AppendPageBrief(dst []byte, hash uint64, stamp vclock.Stamp, digest uint32, below vclock.Stamp) []byte {
	dst = append(dst, fixArray|briefFields, entryBrief)
	dst = appendUint(dst, hash)
	dst = appendUint(dst, uint64(stamp))
	dst = appendUint(dst, uint64(digest))
	return appendUint(dst, uint64(below))
}

// WantsMax is how many hashes a pull may name.
const WantsMax = 1024

const wantsBytesMax = 9 * WantsMax

// Wants appends the hashes that the body of a pull names (AppendNumbers), at most WantsMax; the error is a *FormatError.
func Wants(dst []uint64, body []byte) ([]uint64, error) {
	n := NewNumbers(body)
	for hash := uint64(0); len(dst) < WantsMax && n.Next(&hash); {
		dst = append(dst, hash)
	}
	return dst, n.Err()
}

// Page iterates over the entries of a page.
type Page struct {
	r reader
	l *Limits
}

// NewPage begins at the first entry of body, which must stay as it is while the page is read.
func NewPage(body []byte, l *Limits) Page {
	return Page{r: reader{b: body}, l: l}
}

// Next reads the next entry into e, every field of which it sets; the memory of e.Set.Context.Seen is used
// again. It returns false at the end of the page, and a *FormatError or *LimitError, again and again, at
// the first entry that is malformed: those before it stand.
func (p *Page) Next(e *PageEntry) (bool, error) {
	seen := e.Set.Context.Seen[:0]
	*e = PageEntry{}
	e.Set.Context.Seen = seen
	r := &p.r
	if r.err != nil || r.pos == len(r.b) {
		return false, r.err
	}
	n := r.array()
	switch what := r.uint8(); {
	case r.err != nil:
	case what == entryRecord && n >= recordFields:
		e.Key = r.bytes("key", p.l.innerKey())
		r.version(&e.Set, p.l)
		if n -= recordFields; n > 0 {
			e.Below = vclock.Stamp(r.uint())
			n--
		}
		r.skip(n)
	case what == entryGhost && n >= ghostFields:
		e.IsGhost = true
		e.Ghost = Ghost{Hash: r.uint(), Stamp: vclock.Stamp(r.uint()), Digest: r.uint32(), Deadline: r.deadline()}
		if n -= ghostFields; n >= 2 {
			e.Ghost.Content, e.Ghost.Fewer = r.uint32(), uint8(r.small(fewerMost))
			n -= 2
		}
		r.skip(n)
	case what == entryBrief && n >= briefFields:
		e.IsBrief = true
		e.Ghost = Ghost{Hash: r.uint(), Stamp: vclock.Stamp(r.uint()), Digest: r.uint32()}
		e.Below = vclock.Stamp(r.uint())
		r.skip(n - briefFields)
	default:
		r.fail("an entry that is neither record nor ghost")
	}
	return r.err == nil, r.err
}

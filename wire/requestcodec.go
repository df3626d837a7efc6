package wire

import "github.com/shoalcache/shoal/ring"

// The bytes of a Request are one array with a field per line of this table, whatever the operation; a client
// writes nil, 0 or an empty array for what its operation does not use.
//
//	op          number
//	id          number, 64 bits
//	level       number: a Level
//	r, w        numbers, 8 bits; read with level explicit only
//	flags       bit 0: sloppy; bit 1: previous; bit 2: siblings; other bits are refused
//	timeout_ms  number, 32 bits
//	key         bin or str
//	value       bin or str
//	ttl_ms      number, signed
//	keys        array of bin or str
//
// What follows may be left out from the first field on that has nothing in it, with all behind it:
//
//	namespace   str or bin: empty is the default one
//	context     bin: see Context
//	condition   number: a Condition
//	than        number, 64 bits: with condition version
//	by          number, signed
//	session     number, 64 bits
//	serial      number, 64 bits
//	boot        number, 64 bits
const (
	requestFields = 11
	requestMore   = 8
)

// known reports whether this version of the protocol has the operation.
func (o Op) known() bool { return o >= OpGet && o <= OpHandOver }

// AppendRequest appends q as a whole frame, its length included, and returns the longer slice. It allocates
// only to grow dst. Sizes are the caller's to keep within Limits.
func AppendRequest(dst []byte, q *Request) []byte {
	start := len(dst)
	more := q.more()
	dst = appendArray(openFrame(dst), requestFields+more)
	dst = appendUint(dst, uint64(q.Op))
	dst = appendUint(dst, q.ID)
	dst = appendUint(dst, uint64(q.Level))
	dst = appendUint(dst, uint64(q.R))
	dst = appendUint(dst, uint64(q.W))
	dst = appendUint(dst, bit(q.Sloppy, 0)|bit(q.Previous, 1)|bit(q.Siblings, 2))
	dst = appendUint(dst, uint64(q.Timeout))
	dst = appendBytes(dst, q.Key)
	dst = appendBytes(dst, q.Value)
	dst = appendInt(dst, q.TTL)
	dst = appendArray(dst, len(q.Keys))
	for _, k := range q.Keys {
		dst = appendBytes(dst, k)
	}
	if more > 0 {
		dst = appendString(dst, q.Namespace)
	}
	if more > 1 {
		dst = appendBytes(dst, q.Context)
	}
	if more > 2 {
		dst = appendUint(dst, uint64(q.Condition))
	}
	if more > 3 {
		dst = appendUint(dst, q.Than)
	}
	if more > 4 {
		dst = appendInt(dst, q.By)
	}
	if more > 5 {
		dst = appendUint(dst, q.Session)
	}
	if more > 6 {
		dst = appendUint(dst, q.Serial)
	}
	if more > 7 {
		dst = appendUint(dst, q.Boot)
	}
	return closeFrame(dst, start)
}

// more is how many fields a request has that most have not.
func (q *Request) more() int {
	switch {
	case q.Boot != 0:
		return 8
	case q.Serial != 0:
		return 7
	case q.Session != 0:
		return 6
	case q.By != 0:
		return 5
	case q.Than != 0:
		return 4
	case q.Condition != Always:
		return 3
	case len(q.Context) > 0:
		return 2
	case q.Namespace != "":
		return 1
	default:
		return 0
	}
}

// DecodeRequest reads a frame, as NextFrame cut it, into q, every field of which it sets; slices alias the frame, and
// the memory of q.Keys is used again. An operation it does not know is ErrUnknownOp; anything else wrong is
// a *FormatError or a *LimitError. It allocates only for a name of a namespace that q does not have already. After an error q.Op and q.ID are what was read before it, so that it can be answered.
func DecodeRequest(frame []byte, q *Request, l *Limits) error {
	r := reader{b: frame}
	extra := r.fields(requestFields)
	q.Op = Op(r.uint8())
	q.ID = r.uint()
	if r.err == nil && !q.Op.known() {
		*q = Request{Op: q.Op, ID: q.ID, Keys: q.Keys[:0]}
		return ErrUnknownOp
	}
	q.Level = Level(r.small(uint64(LevelExplicit)))
	q.R = r.uint8()
	q.W = r.uint8()
	flags := r.small(7)
	q.Sloppy, q.Previous, q.Siblings = flags&1 != 0, flags&2 != 0, flags&4 != 0
	q.Timeout = r.uint32()
	q.Key = r.bytes("key", l.Key)
	q.Value = r.bytes("value", l.Value)
	q.TTL = r.int()
	q.Keys = q.Keys[:0]
	for range r.list("keys", l.Keys) {
		if r.err != nil {
			break
		}
		q.Keys = append(q.Keys, r.bytes("key", l.Key))
	}
	q.Context, q.Condition, q.Than, q.By = nil, Always, 0, 0
	q.Session, q.Serial, q.Boot = 0, 0, 0
	name := []byte(nil)
	if extra > 0 {
		name = r.bytes("namespace", ring.NameMax)
	}
	if string(name) != q.Namespace { // a connection says the same name again and again
		q.Namespace = string(name)
	}
	if extra > 1 {
		q.Context = r.bytes("context", contextMax)
	}
	if extra > 2 {
		q.Condition = Condition(r.small(uint64(Version)))
	}
	if extra > 3 {
		q.Than = r.uint()
	}
	if extra > 4 {
		q.By = r.int()
	}
	if extra > 5 {
		q.Session = r.uint()
	}
	if extra > 6 {
		q.Serial = r.uint()
	}
	if extra > 7 {
		q.Boot = r.uint()
	}
	r.skip(max(extra-requestMore, 0))
	return r.done()
}

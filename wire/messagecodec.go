package wire

import (
	"math"

	"github.com/shoalcache/shoal/vclock"
)

// The bytes of a Message are one array: kind, id, and then only what the kind uses.
//
//	fetch          key, digest (left out where it does not check)
//	fetch-reply    outcome, floor, set, deadline_at, deadline_stamp
//	store          pass, expires, key, set, vouch (left out where it is 0)
//	store-reply    outcome, known node, known boot, known stamp
//	retime         expires, key, node, boot, stamp, deadline_at, deadline_stamp
//	owe            expires, target, key, set
//	forward        expires, request (bin: a frame without its length), force (1: yes)
//	forward-reply  outcome, response (bin: a frame without its length)
//	pull           partition, cursor, limit, brief (1: yes), hashes (bin: see Wants)
//	pull-reply     outcome, partition, cursor, floor, known stamp, page (bin: see Page), boot
//	map            map (bin)
//	beat           wall, floor
//	exchange        step, partition, from, to, leaves, cursor, limit, body (bin)
//	exchange-reply  outcome, step, partition, from, to, cursor, limit, body (bin)
//
// A set is as setcodec.go says, and nil in a fetch-reply only; expires and wall are milliseconds since 1970; all other words are numbers.
var messageFields = [...]int{
	KindFetch: 3, KindFetchReply: 7, KindStore: 6, KindStoreReply: 6, KindRetime: 9, KindOwe: 6, KindForward: 5,
	KindForwardReply: 4, KindPull: 7, KindPullReply: 9, KindMap: 3, KindBeat: 4, KindExchange: 10,
	KindExchangeReply: 10,
}

func (k Kind) known() bool { return k >= KindFetch && k <= KindExchangeReply }

// AppendMessage appends m as a whole frame, its length included, and returns the longer slice. It writes the
// fields that m.Kind uses and no others, and allocates only to grow dst. A kind that does not exist panics.
func AppendMessage(dst []byte, m *Message) []byte {
	start := len(dst)
	fields := byte(messageFields[m.Kind])
	if m.Kind == KindFetch && m.Check || m.Kind == KindStore && m.Floor != 0 || m.Kind == KindFetchReply && m.Digest != 0 {
		fields++
	}
	dst = append(openFrame(dst), fixArray|fields)
	dst = appendUint(dst, uint64(m.Kind))
	dst = appendUint(dst, m.ID)
	switch m.Kind {
	case KindFetch:
		dst = appendBytes(dst, m.Key)
		if m.Check {
			dst = appendUint(dst, uint64(m.Digest))
		}
	case KindFetchReply:
		dst = appendUint(dst, uint64(m.Outcome))
		dst = appendUint(dst, uint64(m.Floor))
		dst = appendSet(dst, &m.Set)
		dst = appendDeadline(dst, m.Gone)
		if m.Digest != 0 {
			dst = appendUint(dst, uint64(m.Digest))
		}
	case KindStore:
		dst = appendUint(dst, uint64(m.Pass))
		dst = appendInt(dst, m.Expires)
		dst = appendBytes(dst, m.Key)
		dst = appendSet(dst, &m.Set)
		if m.Floor != 0 {
			dst = appendUint(dst, uint64(m.Floor))
		}
	case KindStoreReply:
		dst = appendUint(dst, uint64(m.Outcome))
		dst = appendDot(dst, m.Known)
	case KindRetime:
		dst = appendInt(dst, m.Expires)
		dst = appendBytes(dst, m.Key)
		dst = appendDot(dst, m.Set.Dot)
		dst = appendDeadline(dst, m.Set.Deadline)
	case KindOwe:
		dst = appendInt(dst, m.Expires)
		dst = appendUint(dst, m.Target)
		dst = appendBytes(dst, m.Key)
		dst = appendSet(dst, &m.Set)
	case KindForward:
		dst = appendInt(dst, m.Expires)
		dst = appendBytes(dst, m.Body)
		dst = appendUint(dst, bit(m.Force, 0))
	case KindForwardReply:
		dst = appendUint(dst, uint64(m.Outcome))
		dst = appendBytes(dst, m.Body)
	case KindPull:
		dst = appendUint(dst, uint64(m.Partition))
		dst = appendUint(dst, m.Cursor)
		dst = appendUint(dst, uint64(m.Limit))
		dst = appendUint(dst, bit(m.Brief, 0))
		dst = appendBytes(dst, m.Body)
	case KindPullReply:
		dst = appendUint(dst, uint64(m.Outcome))
		dst = appendUint(dst, uint64(m.Partition))
		dst = appendUint(dst, m.Cursor)
		dst = appendUint(dst, uint64(m.Floor))
		dst = appendUint(dst, uint64(m.Known.Stamp))
		dst = appendBytes(dst, m.Body)
		dst = appendUint(dst, m.Boot)
	case KindMap:
		dst = appendBytes(dst, m.Body)
	case KindBeat:
		dst = appendInt(dst, m.Wall)
		dst = appendUint(dst, uint64(m.Floor))
	case KindExchange, KindExchangeReply:
		dst = appendExchange(dst, m)
	default:
		panic("wire: a message of no kind")
	}
	return closeFrame(dst, start)
}

// DecodeMessage reads a frame, as NextFrame cut it, into m, every field of which it sets; slices alias the frame, and
// the memory of m.Set.Context.Seen is used again. A kind it does not know is ErrUnknownKind; anything else
// wrong is a *FormatError or a *LimitError. After an error m.Kind and m.ID are what was read before it.
func DecodeMessage(frame []byte, m *Message, l *Limits) error {
	seen := m.Set.Context.Seen[:0]
	*m = Message{}
	m.Set.Context.Seen = seen
	r := reader{b: frame}
	n := r.array()
	m.Kind = Kind(r.uint8())
	m.ID = r.uint()
	if r.err != nil {
		return r.err
	}
	if !m.Kind.known() {
		return ErrUnknownKind
	}
	extra := n - messageFields[m.Kind]
	if extra < 0 {
		r.fail("too few fields")
		return r.err
	}
	switch m.Kind {
	case KindFetch:
		m.Key = r.bytes("key", l.innerKey())
		if m.Check = extra > 0; m.Check {
			m.Digest = uint32(r.small(math.MaxUint32))
			extra--
		}
	case KindFetchReply:
		m.Outcome = Outcome(r.uint8())
		m.Floor = vclock.Stamp(r.uint())
		r.set(&m.Set, l)
		m.Gone = r.deadline()
		if extra > 0 {
			m.Digest = uint32(r.small(math.MaxUint32))
			extra--
		}
	case KindStore:
		m.Pass = Pass(r.small(uint64(PassHint)))
		m.Expires = r.int()
		m.Key = r.bytes("key", l.innerKey())
		r.version(&m.Set, l)
		if extra > 0 {
			m.Floor = vclock.Stamp(r.uint())
			extra--
		}
	case KindStoreReply:
		m.Outcome = Outcome(r.uint8())
		m.Known = r.dot()
	case KindRetime:
		m.Expires = r.int()
		m.Key = r.bytes("key", l.innerKey())
		if m.Set.Dot = r.dot(); m.Set.IsZero() {
			r.fail("no version where one belongs")
		}
		m.Set.Deadline = r.deadline()
	case KindOwe:
		m.Expires = r.int()
		m.Target = r.uint()
		m.Key = r.bytes("key", l.innerKey())
		r.version(&m.Set, l)
	case KindForward:
		m.Expires = r.int()
		m.Body = r.bytes("body", l.Frame)
		m.Force = r.small(1) == 1
	case KindForwardReply:
		m.Outcome = Outcome(r.uint8())
		m.Body = r.bytes("body", l.Frame)
	case KindPull:
		m.Partition = r.uint32()
		m.Cursor = r.uint()
		m.Limit = r.uint32()
		m.Brief = r.small(1) == 1
		m.Body = r.bytes("hashes", wantsBytesMax)
	case KindPullReply:
		m.Outcome = Outcome(r.uint8())
		m.Partition = r.uint32()
		m.Cursor = r.uint()
		m.Floor = vclock.Stamp(r.uint())
		m.Known.Stamp = vclock.Stamp(r.uint())
		m.Body = r.bytes("body", l.Frame)
		m.Boot = r.uint()
	case KindMap:
		m.Body = r.bytes("body", l.Frame)
	case KindBeat:
		m.Wall = r.int()
		m.Floor = vclock.Stamp(r.uint())
	case KindExchange, KindExchangeReply:
		r.exchange(m, l)
	}
	r.skip(extra)
	return r.done()
}

package resp

import (
	"strings"

	"github.com/shoalcache/shoal/wire"
)

// AppendAnswer appends the reply to a command of one key and one step, which r answers, at wall milliseconds
// since 1970.
func AppendAnswer(dst []byte, v Version, s Shape, r *wire.Response, wall int64) []byte {
	if r.Status >= wire.StatusBadRequest {
		return AppendError(dst, failure(r))
	}
	found := r.Status == wire.StatusOK
	switch s {
	case ShapeMet, ShapeOK:
		if r.Status == wire.StatusNotMet {
			return AppendNull(dst, v)
		}
		return append(dst, "+OK\r\n"...)
	case ShapeValue:
		if !found {
			return AppendNull(dst, v)
		}
		return AppendBulk(dst, r.Value)
	case ShapePrevious:
		if len(r.Items) == 0 || r.Items[0].Status != wire.StatusOK {
			return AppendNull(dst, v)
		}
		return AppendBulk(dst, r.Items[0].Value)
	case ShapeInteger:
		return append(append(append(dst, ':'), r.Value...), "\r\n"...)
	case ShapeCount:
		if !found {
			return append(dst, ":0\r\n"...)
		}
		return append(dst, ":1\r\n"...)
	case ShapeSeconds, ShapeMillis:
		return AppendInt(dst, life(s, found, r.Deadline, wall))
	case ShapeType:
		if !found {
			return AppendSimple(dst, "none")
		}
		return AppendSimple(dst, "string")
	}
	panic("resp: a shape of several keys for the answer of one")
}

// life is what TTL and PTTL say: -2 without the key, -1 without a deadline.
func life(s Shape, found bool, deadline, wall int64) int64 {
	switch left := max(deadline-wall, 0); {
	case !found:
		return -2
	case deadline == 0:
		return -1
	case s == ShapeSeconds:
		return (left + 500) / 1000
	default:
		return left
	}
}

// failure is a failed call as clients are told: a code that says what they may do, and one line. Where nothing
// was done they may try again, and libraries do so by themselves: TRYAGAIN and CLUSTERDOWN here, LOADING at
// another node. A write that may have happened has a code that no library knows, so that none repeats it.
func failure(r *wire.Response) string {
	err := r.AsError()
	text := strings.TrimPrefix(err.Error(), "wire: ")
	if r.Status == wire.StatusOutOfMemory {
		return noMemory + text
	}
	if indeterminate(r) {
		return unsure + text
	}
	switch r.Status {
	case wire.StatusBadRequest, wire.StatusTooLarge:
		return "ERR " + text
	case wire.StatusNotNumber:
		return string(ErrInteger)
	case wire.StatusRange:
		return string(ErrOverflow)
	case wire.StatusOverloaded:
		return "TRYAGAIN " + text
	case wire.StatusNotReady:
		return "LOADING " + text
	default:
		return "CLUSTERDOWN " + text
	}
}

// unsure is the code of a write that may have happened.
const unsure = "INDETERMINATE "

// noMemory is what Redis says where it evicts nothing and is full. Libraries and people know it by these words, and none repeats
// such a write, which may have happened here.
const noMemory = "OOM command not allowed when used memory > 'maxmemory'. "

// indeterminate reports whether a failed call may have written something.
func indeterminate(r *wire.Response) bool {
	switch r.Status {
	case wire.StatusBadRequest, wire.StatusTooLarge, wire.StatusOverloaded, wire.StatusNotReady, wire.StatusNotNumber, wire.StatusRange:
		return false
	}
	return r.Err == nil || r.Err.Op.Writes()
}

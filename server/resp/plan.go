package resp

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Plan is what a command asks of each of its keys, and how the answers become its reply. A plan that both
// reads and writes takes two steps, and is not atomic: what others write in between is overwritten.
type Plan struct {
	Read      wire.Op // OpGet, OpHead, or 0: nothing is read
	Write     wire.Op // OpSet, OpDelete, OpTouch, OpIncr, OpAppend, or 0: nothing is written
	Keys      int     // the first is args[1]
	Step      int     // arguments from one key to the next; the value of OpSet follows its key
	TTL       int64   // milliseconds, of OpSet and OpTouch; 0: for ever
	Keep      bool    // OpSet keeps the deadline that was read
	Shape     Shape
	Until     int64          // the deadline of OpSet in place of TTL, milliseconds since 1970; 0: TTL counts
	Condition wire.Condition // of OpSet and OpDelete
	Previous  bool           // they answer with what was there
	By        int64          // OpIncr
}

// Shape is how answers become a reply.
type Shape uint8

// The shapes, by the commands that have them.
const (
	ShapeOK       Shape = iota // SET, MSET
	ShapeValue                 // GET, GETDEL, SET … GET
	ShapeValues                // MGET
	ShapeCount                 // DEL, EXISTS, EXPIRE, PERSIST: how many keys it was true of
	ShapeSeconds               // TTL
	ShapeMillis                // PTTL
	ShapeType                  // TYPE
	ShapeMet                   // SET … NX, SET … XX: OK, or nil where it was not so
	ShapePrevious              // GETSET, SET … GET
	ShapeInteger               // INCR, APPEND: what they answer
)

// ttlMax is the longest time to live that any node takes, in milliseconds: a hundred years.
const ttlMax = int64(100 * 365 * 24 * time.Hour / time.Millisecond)

// NewPlan reads the arguments of a command that Lookup found, at wall milliseconds since 1970. A command
// without keys has a plan without any. Of keys that DEL names twice the second is taken out of args. What it refuses is a CommandError.
func NewPlan(c *Command, args [][]byte, wall int64) (Plan, error) {
	p := Plan{Keys: 1, Step: 1}
	switch c.ID {
	case Get:
		p.Read, p.Shape = wire.OpGet, ShapeValue
	case Set:
		return setPlan(args, wall)
	case SetNX:
		p.Write, p.Condition, p.Shape = wire.OpSet, wire.Absent, ShapeCount
	case GetSet:
		p.Write, p.Previous, p.Shape = wire.OpSet, true, ShapePrevious
	case Append:
		p.Write, p.Shape = wire.OpAppend, ShapeInteger
	case Incr, Decr, IncrBy, DecrBy:
		return incrPlan(c, args)
	case GetDel:
		p.Write, p.Condition, p.Previous, p.Shape = wire.OpDelete, wire.Present, true, ShapePrevious
	case MGet:
		p.Read, p.Shape, p.Keys = wire.OpGet, ShapeValues, len(args)-1
	case MSet:
		if len(args)%2 == 0 {
			return Plan{}, arityError(c.Name)
		}
		p.Write, p.Shape, p.Keys, p.Step = wire.OpSet, ShapeOK, len(args)/2, 2
	case Del:
		p.Read, p.Write, p.Shape, p.Keys = wire.OpHead, wire.OpDelete, ShapeCount, distinct(args[1:])
	case Exists:
		p.Read, p.Shape, p.Keys = wire.OpHead, ShapeCount, len(args)-1
	case Expire, PExpire:
		return expirePlan(c, args)
	case TTL:
		p.Read, p.Shape = wire.OpHead, ShapeSeconds
	case PTTL:
		p.Read, p.Shape = wire.OpHead, ShapeMillis
	case Persist:
		p.Read, p.Write, p.Shape = wire.OpHead, wire.OpTouch, ShapeCount
	case Type:
		p.Read, p.Shape = wire.OpHead, ShapeType
	default:
		return Plan{}, nil
	}
	return p, nil
}

// distinct moves the first of equal keys to the front, and returns how many these are: deleted
// once, a key counts once.
func distinct(keys [][]byte) int {
	if len(keys) == 1 {
		return 1
	}
	seen := make(map[string]bool, len(keys))
	kept := keys[:0]
	for _, k := range keys {
		if !seen[string(k)] {
			seen[string(k)] = true
			kept = append(kept, k)
		}
	}
	return len(kept)
}

func expirePlan(c *Command, args [][]byte) (Plan, error) {
	p := Plan{Write: wire.OpTouch, Keys: 1, Step: 1, Shape: ShapeCount}
	unit := int64(1000)
	if c.ID == PExpire {
		unit = 1
	}
	n, ok := integer(args[2])
	switch {
	case !ok:
		return Plan{}, ErrInteger
	case len(args) > 3:
		return Plan{}, CommandError("ERR Unsupported option " + string(args[3][:min(len(args[3]), echoed)]))
	case n > ttlMax/unit || n < -(1<<62)/unit:
		return Plan{}, expireError(c.Name)
	case n <= 0: // over already
		p.Read, p.Write = wire.OpHead, wire.OpDelete
	default:
		p.TTL = n * unit
	}
	return p, nil
}

func incrPlan(c *Command, args [][]byte) (Plan, error) {
	p := Plan{Write: wire.OpIncr, Keys: 1, Step: 1, By: 1, Shape: ShapeInteger}
	if len(args) > 2 {
		by, ok := integer(args[2])
		if !ok {
			return Plan{}, ErrInteger
		}
		p.By = by
	}
	if c.ID == Decr || c.ID == DecrBy {
		if p.By == math.MinInt64 {
			return Plan{}, ErrDecrement
		}
		p.By = -p.By
	}
	return p, nil
}

func setPlan(args [][]byte, wall int64) (Plan, error) {
	p := Plan{Write: wire.OpSet, Keys: 1, Step: 1}
	timed := false
	for i := 3; i < len(args); i++ {
		unit, absolute := int64(0), false
		switch a := args[i]; {
		case is(a, "EX"):
			unit = 1000
		case is(a, "PX"):
			unit = 1
		case is(a, "EXAT"):
			unit, absolute = 1000, true
		case is(a, "PXAT"):
			unit, absolute = 1, true
		case is(a, "KEEPTTL") && !timed && !p.Keep:
			p.Keep = true
			continue
		case is(a, "GET") && !p.Previous:
			p.Previous = true
			continue
		case is(a, "NX") && p.Condition == wire.Always:
			p.Condition = wire.Absent
			continue
		case is(a, "XX") && p.Condition == wire.Always:
			p.Condition = wire.Present
			continue
		default:
			return Plan{}, ErrSyntax
		}
		if i++; i == len(args) || timed || p.Keep {
			return Plan{}, ErrSyntax
		}
		n, ok := integer(args[i])
		if !ok {
			return Plan{}, ErrInteger
		}
		if n <= 0 || n > (1<<62)/unit {
			return Plan{}, expireError("set")
		}
		n *= unit
		if absolute {
			n -= wall
		}
		if n > ttlMax {
			return Plan{}, expireError("set")
		}
		timed = true
		switch {
		case n <= 0: // EXAT of the past: what was there is gone at once
			p.Write = wire.OpDelete
		case absolute:
			p.Until = n + wall
		default:
			p.TTL = n
		}
	}
	switch {
	case p.Previous:
		p.Shape = ShapePrevious
	case p.Condition != wire.Always:
		p.Shape = ShapeMet
	}
	if p.Keep {
		p.Read = wire.OpHead
	}
	return p, nil
}

// CheckKeys refuses a command of several keys of which one is none, or longer than most bytes: before any of them is
// asked for, so that nothing is done.
func CheckKeys(p *Plan, args [][]byte, most int) error {
	for i := range p.Keys {
		switch n := len(args[1+i*p.Step]); {
		case n == 0:
			return CommandError(fmt.Sprintf("ERR key %d is empty", i+1))
		case n > most:
			return CommandError(fmt.Sprintf("ERR key %d has %d bytes, the limit is %d", i+1, n, most))
		}
	}
	return nil
}

// Single reports whether one answer is the reply.
func (p *Plan) Single() bool {
	return p.Keys == 1 && (p.Read == 0 || p.Write == 0) && p.Shape != ShapeValues
}

// Life is the time to live of what is written at wall milliseconds since 1970, at least the shortest there is where it
// ends: a command can wait longer than its deadline lies ahead.
func (p *Plan) Life(wall int64) int64 {
	if p.Until != 0 {
		return max(p.Until-wall, 1)
	}
	return p.TTL
}

// then decides the second step of a plan of two, by what the first one read: whether to write, and with which
// time to live. A read that failed is followed by nothing.
func (p *Plan) then(read *part, wall int64) (ttl int64, write bool) {
	found := read.status == wire.StatusOK
	switch {
	case read.status >= wire.StatusBadRequest:
		return 0, false
	case p.Write == wire.OpDelete:
		return 0, found || read.forgotten // a miss that could not be voted for may be there
	case p.Write == wire.OpTouch:
		return 0, found && read.deadline != 0
	case p.Keep && found && read.deadline != 0:
		return max(read.deadline-wall, 1), true
	}
	return p.Life(wall), true
}

// integer reads a number as Redis does: without plus, blanks or leading zeros.
func integer(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > digitsMax || digits[0] < '1' && len(b) > 1 || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

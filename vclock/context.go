package vclock

import "slices"

// Context is a version vector with a floor: what a writer had seen. For each actor it keeps the greatest
// stamp seen, and it counts every dot at or below Floor as seen, so that old actors can be forgotten.
//
// Canonical form, kept by every function here: Seen is sorted by actor, one dot per actor, all above Floor.
type Context struct {
	Floor Stamp
	Seen  []Dot
}

// Contains reports whether the write d was seen.
func (c *Context) Contains(d Dot) bool {
	if d.Stamp <= c.Floor {
		return true
	}
	i, ok := c.find(d.Actor)
	return ok && c.Seen[i].Stamp >= d.Stamp
}

// Covers reports whether everything o has seen was seen here too.
func (c *Context) Covers(o *Context) bool {
	if o.Floor > c.Floor {
		return false
	}
	for _, d := range o.Seen {
		if !c.Contains(d) {
			return false
		}
	}
	return true
}

// Add marks d, and all that its actor stamped before it, as seen. It may grow Seen in place.
func (c *Context) Add(d Dot) {
	if d.Stamp <= c.Floor {
		return
	}
	i, ok := c.find(d.Actor)
	if !ok {
		c.Seen = slices.Insert(c.Seen, i, d)
	} else if c.Seen[i].Stamp < d.Stamp {
		c.Seen[i].Stamp = d.Stamp
	}
}

// Raise lifts the floor to at least s, dropping the dots it now covers. It changes Seen in place.
func (c *Context) Raise(s Stamp) {
	if s <= c.Floor {
		return
	}
	c.Floor = s
	c.Seen = slices.DeleteFunc(c.Seen, func(d Dot) bool { return d.Stamp <= s })
}

// Cap lowers the number of actors to at most n by raising the floor over the oldest. A dot that its
// floor then covers without having been seen is taken for superseded instead of concurrent: the price of
// a bound. Only a coordinator that stamps may pay it; merge never does, or it would not be associative.
func (c *Context) Cap(n int) {
	for len(c.Seen) > max(n, 0) {
		oldest := c.Seen[0].Stamp
		for _, d := range c.Seen {
			oldest = min(oldest, d.Stamp)
		}
		c.Raise(oldest)
	}
}

// CopyInto returns c with its dots in dst[:0], grown where needed.
func (c *Context) CopyInto(dst []Dot) Context {
	return Context{Floor: c.Floor, Seen: append(dst[:0], c.Seen...)}
}

// Join is the least context that has seen all that a or b has. The result shares no memory with either.
func Join(a, b *Context) Context {
	m := a.CopyInto(nil)
	m.Raise(b.Floor)
	for _, d := range b.Seen {
		m.Add(d)
	}
	return m
}

// Greatest is the latest stamp that was seen.
func (c *Context) Greatest() Stamp {
	s := c.Floor
	for _, d := range c.Seen {
		s = max(s, d.Stamp)
	}
	return s
}

// Equal reports whether both have seen the same, in the same canonical form.
func (c *Context) Equal(o *Context) bool {
	return c.Floor == o.Floor && slices.Equal(c.Seen, o.Seen)
}

// without drops the dot of d's actor at or below d, which a set's own dot d implies.
func (c *Context) without(d Dot) {
	if i, ok := c.find(d.Actor); ok && c.Seen[i].Stamp <= d.Stamp {
		c.Seen = slices.Delete(c.Seen, i, i+1)
	}
}

func (c *Context) find(a Actor) (int, bool) {
	return slices.BinarySearchFunc(c.Seen, a, func(d Dot, a Actor) int { return d.Actor.Compare(a) })
}

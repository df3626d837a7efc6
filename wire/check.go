package wire

// Check passes over b, which must be exactly one MessagePack value, and reports the first thing that is
// wrong: a length that claims more bytes than are left, nesting deeper than depth, more than elements values
// in all. It allocates nothing but its error (*FormatError or *LimitError). Decoders that believe what a
// header claims are safe behind it.
func Check(b []byte, depth, elements int) error {
	w := walker{b: b, most: elements}
	if err := w.value(depth); err != nil {
		return err
	}
	if w.pos != len(b) {
		return &FormatError{What: "bytes after the end", Offset: w.pos}
	}
	return nil
}

// walker passes over values without looking into them.
type walker struct {
	b    []byte
	pos  int
	seen int // values so far
	most int // values allowed
}

// value passes over one value of any type, nested at most depth deep. A value takes at least one byte, so
// the time is bounded by the bytes left whatever a header claims.
func (w *walker) value(depth int) error {
	if w.seen++; w.seen > w.most {
		return &LimitError{What: "values in one document", Got: uint64(w.seen), Max: uint64(max(w.most, 0))}
	}
	if depth <= 0 {
		return &FormatError{What: "nested too deep", Offset: w.pos}
	}
	if w.pos >= len(w.b) {
		return &FormatError{What: "it ends too early", Offset: w.pos}
	}
	c := w.b[w.pos]
	w.pos++
	switch {
	case c < fixInt || c >= fixNeg: // the number itself
		return nil
	case c < fixArray: // a map of up to 15 pairs
		return w.values(2*uint64(c-fixInt), depth)
	case c < fixStr:
		return w.values(uint64(c-fixArray), depth)
	case c < codeNil:
		return w.bytes(uint64(c - fixStr))
	}
	s := shapes[c-codeNil]
	if s == invalid {
		w.pos--
		return &FormatError{What: "a byte that begins no value", Offset: w.pos}
	}
	n, err := w.length(int(s.length))
	if err != nil {
		return err
	}
	if s.each > 0 {
		return w.values(n*uint64(s.each), depth)
	}
	return w.bytes(n + uint64(s.fixed))
}

// values passes over n values inside another.
func (w *walker) values(n uint64, depth int) error {
	if left := len(w.b) - w.pos; n > uint64(left) {
		return &FormatError{What: "more values than bytes are left", Offset: w.pos}
	}
	for range n {
		if err := w.value(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) bytes(n uint64) error {
	if left := len(w.b) - w.pos; n > uint64(left) {
		return &FormatError{What: "it ends too early", Offset: w.pos}
	}
	w.pos += int(n)
	return nil
}

// length takes a big-endian length of n bytes.
func (w *walker) length(n int) (v uint64, err error) {
	at := w.pos
	if err := w.bytes(uint64(n)); err != nil {
		return 0, err
	}
	for _, b := range w.b[at:w.pos] {
		v = v<<8 | uint64(b)
	}
	return v, nil
}

// shape is what follows a first byte from nil (0xc0) up to the last array and map (0xdf): a length of so many bytes, then so many values
// for each it counts or, where that is 0, as many bytes as it says and a fixed number more.
type shape struct{ length, each, fixed uint8 }

var invalid = shape{fixed: 255}

var shapes = [fixNeg - codeNil]shape{
	{}, invalid, {}, {}, // nil, never used, false, true
	{length: 1}, {length: 2}, {length: 4}, // bin
	{length: 1, fixed: 1}, {length: 2, fixed: 1}, {length: 4, fixed: 1}, // ext, with its type
	{fixed: 4}, {fixed: 8}, // float
	{fixed: 1}, {fixed: 2}, {fixed: 4}, {fixed: 8}, // uint
	{fixed: 1}, {fixed: 2}, {fixed: 4}, {fixed: 8}, // int
	{fixed: 2}, {fixed: 3}, {fixed: 5}, {fixed: 9}, {fixed: 17}, // fixext, with its type
	{length: 1}, {length: 2}, {length: 4}, // str
	{length: 2, each: 1}, {length: 4, each: 1}, // array
	{length: 2, each: 2}, {length: 4, each: 2}, // map
}

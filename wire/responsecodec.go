package wire

// The bytes of a Response are one array:
//
//	status       number: a Status
//	id           number, 64 bits: the request's
//	stamp        number, 64 bits
//	value        bin or nil
//	deadline_ms  number, milliseconds since 1970; 0: none
//	flags        bit 0: forgotten
//	hinted       number, 8 bits
//	items        array of [status, stamp, value, deadline_ms, flags], or nil
//	error        [op, want, got, failed, text], or nil; failed is an array of [node, reason]
//	context      bin; left out where there is none
const (
	responseFields = 9
	itemFields     = 5
	errorFields    = 5
	failureFields  = 2

	failuresMax = 256     // more nodes than any preference list has
	textMax     = 4 << 10 // bytes of an error's text
)

// AppendResponse appends p as a whole frame, its length included, and returns the longer slice. It allocates
// only to grow dst. An error's text and list too long to travel are cut.
func AppendResponse(dst []byte, p *Response) []byte {
	start := len(dst)
	fields := byte(responseFields)
	if len(p.Context) > 0 {
		fields++
	}
	dst = append(openFrame(dst), fixArray|fields)
	dst = appendUint(dst, uint64(p.Status))
	dst = appendUint(dst, p.ID)
	dst = appendUint(dst, p.Stamp)
	dst = appendBytes(dst, p.Value)
	dst = appendInt(dst, p.Deadline)
	dst = appendUint(dst, bit(p.Forgotten, 0))
	dst = appendUint(dst, uint64(p.Hinted))
	dst = appendArray(dst, len(p.Items))
	for i := range p.Items {
		dst = appendItem(dst, &p.Items[i])
	}
	if p.Err == nil {
		dst = append(dst, codeNil)
	} else {
		dst = appendError(dst, p.Err)
	}
	if len(p.Context) > 0 {
		dst = appendBytes(dst, p.Context)
	}
	return closeFrame(dst, start)
}

func appendItem(dst []byte, it *Item) []byte {
	dst = append(dst, fixArray|itemFields)
	dst = appendUint(dst, uint64(it.Status))
	dst = appendUint(dst, it.Stamp)
	dst = appendBytes(dst, it.Value)
	dst = appendInt(dst, it.Deadline)
	return appendUint(dst, bit(it.Forgotten, 0))
}

func appendError(dst []byte, e *Error) []byte {
	dst = append(dst, fixArray|errorFields)
	dst = appendUint(dst, uint64(e.Op))
	dst = appendUint(dst, uint64(e.Want))
	dst = appendUint(dst, uint64(e.Got))
	failed := e.Failed[:min(len(e.Failed), failuresMax)]
	dst = appendArray(dst, len(failed))
	for _, f := range failed {
		dst = append(dst, fixArray|failureFields)
		dst = appendUint(dst, f.Node)
		dst = appendUint(dst, uint64(f.Reason))
	}
	return appendString(dst, e.Text[:min(len(e.Text), textMax)])
}

// DecodeResponse reads a frame, as NextFrame cut it, into p, every field of which it sets; slices alias the frame, and
// the memory of p.Items and p.Err is used again. What is wrong is a *FormatError or a *LimitError; p.ID
// is then what was read before it. A status that does not exist here is left to the caller: it is a failure.
func DecodeResponse(frame []byte, p *Response, l *Limits) error {
	r := reader{b: frame}
	extra := r.fields(responseFields)
	p.Status = Status(r.uint8())
	p.ID = r.uint()
	p.Stamp = r.uint()
	p.Value = r.bytes("value", l.Value)
	p.Deadline = r.int()
	p.Forgotten = r.small(1) != 0
	p.Hinted = r.uint8()
	p.Items = p.Items[:0]
	for range r.list("items", l.Keys) {
		if r.err != nil {
			break
		}
		p.Items = append(p.Items, Item{})
		readItem(&r, &p.Items[len(p.Items)-1], l)
	}
	if r.null() || r.err != nil {
		p.Err = nil
	} else {
		if p.Err == nil {
			p.Err = new(Error)
		}
		readError(&r, p.Err)
	}
	if p.Context = nil; extra > 0 {
		p.Context = r.bytes("context", contextMax)
		extra--
	}
	r.skip(extra)
	return r.done()
}

func readItem(r *reader, it *Item, l *Limits) {
	extra := r.fields(itemFields)
	it.Status = Status(r.uint8())
	it.Stamp = r.uint()
	it.Value = r.bytes("value", l.Value)
	it.Deadline = r.int()
	it.Forgotten = r.small(1) != 0
	r.skip(extra)
}

func readError(r *reader, e *Error) {
	extra := r.fields(errorFields)
	e.Op = Op(r.uint8())
	e.Want = r.uint8()
	e.Got = r.uint8()
	e.Failed = e.Failed[:0]
	for range r.list("failed nodes", failuresMax) {
		if r.err != nil {
			break
		}
		more := r.fields(failureFields)
		e.Failed = append(e.Failed, Failure{Node: r.uint(), Reason: Outcome(r.uint8())})
		r.skip(more)
	}
	e.Text = r.string("error text", textMax)
	r.skip(extra)
}

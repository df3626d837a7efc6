package resp

import "bytes"

// Limits bound what a parser accepts; it checks them before it keeps anything.
type Limits struct {
	Args   int // of one command, its name among them; default 65,536
	Bulk   int // bytes of one argument; default 16 MiB
	Bytes  int // of one whole command; default 17 MiB
	Inline int // bytes of a command written as a line; default 64 KiB, as Redis
}

// ArgsMax is the most arguments that any Limits may allow.
const ArgsMax = 1 << 16

// DefaultLimits are the limits of a node that configures none.
func DefaultLimits() Limits {
	return Limits{Args: ArgsMax, Bulk: 16 << 20, Bytes: 17 << 20, Inline: 64 << 10}
}

// Parser cuts a stream into commands. It remembers how far it came with one that is not whole yet, so that a
// large command costs the same in pieces; it holds positions and never bytes. The zero value with Limits is
// ready; it is not safe for concurrent use.
type Parser struct {
	Limits Limits

	at    int    // in the buffer: where to go on
	left  int    // arguments still to come; 0: between commands
	bulk  int    // bytes of the argument whose length was read; -1: its length comes next
	spans []span // of the arguments that have come
	args  [][]byte
}

// span is where in the buffer an argument lies.
type span struct{ from, to int }

// argsKept is how many arguments a parser keeps room for between commands.
const argsKept = 256

// Next cuts the first command off buf: its arguments, which alias buf and are valid until the next call, and
// how many bytes it took. Taken is 0 while buf has less than a whole command: call again with the same bytes
// and more behind them, wherever they lie then. A command may be empty, and is to be passed over. An error is
// a *ProtocolError: the stream cannot be cut any more. The bytes of a command written as a line are
// overwritten where it has quotes.
func (p *Parser) Next(buf []byte) (args [][]byte, taken int, err error) {
	clear(p.args) // whoever reads may let go of a large buffer now
	p.args = p.args[:0]
	if p.at == 0 {
		switch {
		case len(buf) == 0:
			return nil, 0, nil
		case buf[0] != '*':
			return p.line(buf)
		}
		n, next, err := header(buf, 0, "invalid multibulk length")
		if err != nil || next == 0 {
			return nil, 0, err
		}
		if n < -1 || n > int64(p.Limits.Args) {
			return nil, 0, refuse("invalid multibulk length")
		}
		if n <= 0 {
			return nil, next, nil
		}
		if cap(p.spans) > argsKept {
			p.spans, p.args = nil, nil
		}
		p.at, p.left, p.bulk, p.spans = next, int(n), -1, p.spans[:0]
	}
	for p.left > 0 {
		if whole, err := p.argument(buf); err != nil || !whole {
			return nil, 0, err
		}
	}
	taken, p.at = p.at, 0
	for _, s := range p.spans {
		p.args = append(p.args, buf[s.from:s.to:s.to])
	}
	return p.args, taken, nil
}

// argument goes on with one argument; false when it is not whole.
func (p *Parser) argument(buf []byte) (bool, error) {
	if p.bulk < 0 {
		if p.at == len(buf) {
			return false, nil
		}
		if c := buf[p.at]; c != '$' {
			return false, refuse("expected '$', got '" + string(printable(c)) + "'")
		}
		n, next, err := header(buf, p.at, "invalid bulk length")
		if err != nil || next == 0 {
			return false, err
		}
		if n < 0 || n > int64(p.Limits.Bulk) || n > int64(p.Limits.Bytes-next) {
			return false, refuse("invalid bulk length")
		}
		p.at, p.bulk = next, int(n)
	}
	end := p.at + p.bulk
	if len(buf) < end+2 {
		if len(buf) == end+1 && buf[end] != '\r' {
			return false, refuse("expected CRLF after an argument")
		}
		return false, nil
	}
	if buf[end] != '\r' || buf[end+1] != '\n' {
		return false, refuse("expected CRLF after an argument")
	}
	p.spans = append(p.spans, span{p.at, end})
	p.at, p.bulk, p.left = end+2, -1, p.left-1
	return true, nil
}

// Wants is how many bytes a buffer may have to hold before Next can get further: what was announced within the
// limits, of which none has to be true, or else the most that may come. 0 means no more than a line.
func (p *Parser) Wants() (n int, announced bool) {
	switch {
	case p.at == 0:
		return 0, false
	case p.bulk < 0: // nobody knows yet
		return p.Limits.Bytes + digitsMax + 8, false
	}
	return p.at + p.bulk + 2, true
}

// digitsMax are the digits of the greatest 64-bit number.
const digitsMax = 19

// header reads a type byte, a number and CRLF at from; next is 0 while they are not whole. Anything else is
// refused as soon as it is seen, so that it cannot be longer than a number.
func header(buf []byte, from int, problem string) (n int64, next int, err error) {
	i := from + 1
	negative := i < len(buf) && buf[i] == '-'
	if negative {
		i++
	}
	first := i
	for ; i < len(buf); i++ {
		c := buf[i]
		if c < '0' || c > '9' {
			break
		}
		if i-first == digitsMax || i > first && buf[first] == '0' {
			return 0, 0, refuse(problem)
		}
		d := int64(c - '0')
		if n > (1<<63-1-d)/10 {
			return 0, 0, refuse(problem)
		}
		n = 10*n + d
	}
	switch {
	case i == len(buf):
		return 0, 0, nil
	case buf[i] == '\n':
		return 0, 0, refuse("expected CRLF, got LF alone")
	case buf[i] != '\r' || i == first:
		return 0, 0, refuse(problem)
	case i+1 == len(buf):
		return 0, 0, nil
	case buf[i+1] != '\n':
		return 0, 0, refuse(problem)
	}
	if negative {
		n = -n
	}
	return n, i + 2, nil
}

// line reads a command written as a line, for people on a terminal: words, some of them in quotes. LF alone
// ends it, as with Redis.
func (p *Parser) line(buf []byte) (args [][]byte, taken int, err error) {
	switch buf[0] {
	case 0:
		return nil, 0, refuse("this looks like Shoal's own protocol, whose clients use --client-addr; this port speaks Redis'")
	case 0x16:
		return nil, 0, refuse("this looks like TLS; this port speaks Redis' protocol in the clear")
	}
	end := bytes.IndexByte(buf[:min(len(buf), p.Limits.Inline+1)], '\n')
	if end < 0 {
		if len(buf) > p.Limits.Inline {
			return nil, 0, refuse("too big inline request")
		}
		return nil, 0, nil
	}
	text := bytes.TrimSuffix(buf[:end], []byte{'\r'})
	if isHTTP(text) {
		return nil, 0, &ProtocolError{HTTP: true, Text: "this looks like HTTP"}
	}
	if cap(p.args) > argsKept {
		p.args = nil
	}
	p.args, err = words(p.args, text)
	if err == nil && len(p.args) > p.Limits.Args {
		err = refuse("too many words in an inline request")
	}
	return p.args, end + 1, err
}

// isHTTP recognises the first lines that a browser can be made to send: no command may follow them, for what
// stands in the body of the request is a stranger's.
func isHTTP(line []byte) bool {
	at := bytes.LastIndexByte(line, ' ')
	return at > 0 && bytes.HasPrefix(line[at+1:], []byte("HTTP/")) ||
		len(line) >= 5 && (bytes.EqualFold(line[:5], []byte("host:")) || bytes.EqualFold(line[:5], []byte("post ")))
}

func printable(c byte) byte {
	if c < ' ' || c > '~' {
		return '.'
	}
	return c
}

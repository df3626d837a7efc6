package resp

// words splits a line as Redis does: at blanks, with "…" in which \n, \r, \t, \b, \a and \xHH stand for a byte
// and '…' in which \' does. What was quoted is written back over the quotes, so that every word is a part of line.
func words(dst [][]byte, line []byte) ([][]byte, error) {
	for i := 0; ; {
		for i < len(line) && blank(line[i]) {
			i++
		}
		if i == len(line) {
			return dst, nil
		}
		from, to := i, i
		for i < len(line) && !blank(line[i]) {
			if line[i] != '"' && line[i] != '\'' {
				line[to] = line[i]
				i, to = i+1, to+1
				continue
			}
			next, end, ok := quoted(line, i, to)
			if !ok || next < len(line) && !blank(line[next]) {
				return nil, refuse("unbalanced quotes in request")
			}
			i, to = next, end
		}
		dst = append(dst, line[from:to:to])
	}
}

// quoted moves what stands in the quotes that open at i to to; it returns what follows them and the end of
// what was moved, false when they do not close.
func quoted(line []byte, i, to int) (next, end int, ok bool) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return i + 1, to, true
		case c != '\\' || i+1 == len(line):
		case quote == '\'':
			if line[i+1] == '\'' {
				i++
				c = '\''
			}
		case i+3 < len(line) && line[i+1] == 'x' && hexDigit(line[i+2]) >= 0 && hexDigit(line[i+3]) >= 0:
			c = byte(hexDigit(line[i+2])<<4 | hexDigit(line[i+3]))
			i += 3
		default:
			i++
			c = escaped(line[i])
		}
		line[to] = c
		to++
	}
	return 0, 0, false
}

func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// blank is what C's isspace says.
func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

package resp

import "strconv"

// Version is the protocol that a connection speaks.
type Version uint8

// RESP2 is what a connection begins with; a client asks for RESP3 with HELLO.
const (
	RESP2 Version = 2
	RESP3 Version = 3
)

// AppendSimple appends a short text without line ends, such as OK.
func AppendSimple(dst []byte, text string) []byte {
	dst = append(dst, '+')
	dst = append(dst, text...)
	return append(dst, '\r', '\n')
}

// AppendError appends an error: a code in capitals, a blank, and what is wrong. Line ends become blanks.
func AppendError(dst []byte, text string) []byte {
	dst = append(dst, '-')
	from := len(dst)
	dst = append(dst, text...)
	for i := from; i < len(dst); i++ {
		if dst[i] == '\r' || dst[i] == '\n' {
			dst[i] = ' '
		}
	}
	return append(dst, '\r', '\n')
}

// AppendInt appends a whole number.
func AppendInt(dst []byte, n int64) []byte { return appendHeader(dst, ':', n) }

// AppendBulk appends bytes of any kind.
func AppendBulk[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = appendHeader(dst, '$', int64(len(b)))
	dst = append(dst, b...)
	return append(dst, '\r', '\n')
}

// AppendText appends a text for people, which RESP3 marks as such.
func AppendText(dst []byte, v Version, text string) []byte {
	if v < RESP3 {
		return AppendBulk(dst, text)
	}
	dst = appendHeader(dst, '=', int64(len(text)+4))
	dst = append(dst, "txt:"...)
	dst = append(dst, text...)
	return append(dst, '\r', '\n')
}

// AppendNull appends what stands for a value that is not there.
func AppendNull(dst []byte, v Version) []byte {
	if v < RESP3 {
		return append(dst, "$-1\r\n"...)
	}
	return append(dst, "_\r\n"...)
}

// AppendNullArray appends what stands for a list that is not there.
func AppendNullArray(dst []byte, v Version) []byte {
	if v < RESP3 {
		return append(dst, "*-1\r\n"...)
	}
	return AppendNull(dst, v)
}

// AppendArray opens a list of n replies.
func AppendArray(dst []byte, n int) []byte { return appendHeader(dst, '*', int64(n)) }

// AppendMap opens a map of n pairs, keys and values in turn; before RESP3 it is a list of twice as many.
func AppendMap(dst []byte, v Version, n int) []byte {
	if v < RESP3 {
		return AppendArray(dst, 2*n)
	}
	return appendHeader(dst, '%', int64(n))
}

// AppendSet opens a list of n replies in no order.
func AppendSet(dst []byte, v Version, n int) []byte {
	if v < RESP3 {
		return AppendArray(dst, n)
	}
	return appendHeader(dst, '~', int64(n))
}

func appendHeader(dst []byte, kind byte, n int64) []byte {
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '\r', '\n')
}

package resp

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// all cuts everything off a stream that is there in one piece.
func all(p *Parser, in []byte) (commands []string, rest int, err error) {
	buf := bytes.Clone(in)
	for {
		args, taken, err := p.Next(buf)
		if err != nil || taken == 0 {
			return commands, len(buf), err
		}
		commands = append(commands, fmt.Sprintf("%q", args))
		buf = buf[taken:]
	}
}

// pieces cuts a stream that comes byte by byte, into a buffer that moves each time.
func pieces(p *Parser, in []byte) (commands []string, rest int, err error) {
	var buf []byte
	for _, c := range in {
		buf = append(bytes.Clone(buf), c)
		for {
			args, taken, err := p.Next(buf)
			if err != nil {
				return commands, len(buf), err
			}
			if taken == 0 {
				break
			}
			commands = append(commands, fmt.Sprintf("%q", args))
			buf = buf[taken:]
		}
	}
	return commands, len(buf), nil
}

func TestCommandsAreCutAsRedisCutsThem(t *testing.T) {
	for in, want := range map[string][]string{
		"*1\r\n$4\r\nPING\r\n":                               {`["PING"]`},
		"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n": {`["GET" "k"]`, `["PING"]`},
		"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\x00$\r\n":   {`["SET" "" "\r\n\x00$"]`},
		"*0\r\n*-1\r\nPING\r\n":                              {`[]`, `[]`, `["PING"]`},
		"PING\n\r\n  \nECHO 'a b'\r\n":                       {`["PING"]`, `[]`, `[]`, `["ECHO" "a b"]`},
		`ECHO "a\x41\n\t\q\"" 'it\'s' x"y"` + "\r\n":         {`["ECHO" "aA\n\tq\"" "it's" "xy"]`},
		"\t PING \v\r\n":                                     {`["PING"]`},
		`ECHO "" ''` + "\n":                                  {`["ECHO" "" ""]`},
		"*1\r\n$4\r\nPI":                                     nil,
		"*1":                                                 nil,
		"PIN":                                                nil,
	} {
		got, _, err := all(&Parser{Limits: DefaultLimits()}, []byte(in))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestWhatIsNoCommandIsRefusedAtItsFirstWrongByte(t *testing.T) {
	limits := Limits{Args: 4, Bulk: 100, Bytes: 150, Inline: 50}
	for in, want := range map[string]string{
		"*-2\r\n":                                "invalid multibulk length",
		"*5\r\n":                                 "invalid multibulk length",
		"*2147483648\r\n":                        "invalid multibulk length",
		"*9223372036854775807\r\n":               "invalid multibulk length",
		"*9223372036854775808":                   "invalid multibulk length",
		"*01":                                    "invalid multibulk length",
		"*x":                                     "invalid multibulk length",
		"*\r":                                    "invalid multibulk length",
		"*1\rx":                                  "invalid multibulk length",
		"*1\n":                                   "expected CRLF, got LF alone",
		"*1\r\n$4\n":                             "expected CRLF, got LF alone",
		"*1\r\n+":                                "expected '$', got '+'",
		"*1\r\n\x01":                             "expected '$', got '.'",
		"*1\r\n$-1\r\n":                          "invalid bulk length",
		"*1\r\n$-2\r\n":                          "invalid bulk length",
		"*1\r\n$101\r\n":                         "invalid bulk length",
		"*1\r\n$2147483648\r\n":                  "invalid bulk length",
		"*1\r\n$9223372036854775807\r\n":         "invalid bulk length",
		"*1\r\n$9223372036854775808":             "invalid bulk length",
		"*1\r\n$1\r\nab":                         "expected CRLF after an argument",
		"*1\r\n$1\r\na\n":                        "expected CRLF after an argument",
		"*1\r\n$1\r\na\rb":                       "expected CRLF after an argument",
		"ECHO 'a\r\n":                            "unbalanced quotes in request",
		"ECHO \"a\"b\r\n":                        "unbalanced quotes in request",
		"1 2 3 4 5\r\n":                          "too many words in an inline request",
		"\x16":                                   "this looks like TLS",
		"\x00":                                   "this looks like Shoal's own protocol",
		"GET / HTTP/1.1\r\n":                     "this looks like HTTP",
		"OPTIONS * HTTP/1.0\r\n":                 "this looks like HTTP",
		"Host: localhost\r\n":                    "this looks like HTTP",
		"post /\r\n":                             "this looks like HTTP",
		strings.Repeat("a", limits.Inline+1):     "too big inline request",
		"*2\r\n$100\r\n" + bulk(100) + "$50\r\n": "invalid bulk length", // both together are over Bytes
	} {
		for name, cut := range map[string]func(*Parser, []byte) ([]string, int, error){"whole": all, "pieces": pieces} {
			_, _, err := cut(&Parser{Limits: limits}, []byte(in))
			e, ok := errors.AsType[*ProtocolError](err)
			if !ok || !strings.HasPrefix(e.Text, want) || e.HTTP != strings.Contains(want, "HTTP") {
				t.Errorf("%q, %s: %v, want %q", in, name, err, want)
			}
		}
		if len(in) > 1 && in[0] == '*' && in[len(in)-1] != '\n' { // the byte before was not wrong yet
			if _, _, err := all(&Parser{Limits: limits}, []byte(in[:len(in)-1])); err != nil {
				t.Errorf("%q: %v", in[:len(in)-1], err)
			}
		}
	}
}

func bulk(n int) string { return strings.Repeat("b", n) + "\r\n" }

// The size of what a header announces is never asked for: what a parser keeps follows what has come.
func TestParserKeepsNothingForWhatWasOnlyAnnounced(t *testing.T) {
	p := Parser{Limits: DefaultLimits()}
	in := []byte("*65536\r\n$16777216\r\n")
	if n := testing.AllocsPerRun(10, func() { _, _, _ = p.Next(in) }); n > 0 {
		t.Errorf("%v allocations for a header", n)
	}
	if n, announced := p.Wants(); n != len(in)+16<<20+2 || !announced {
		t.Errorf("wants %d bytes, announced: %t", n, announced)
	}
}

// A large command in pieces costs what it costs whole: nothing that was read is read again.
func TestParserGoesOnWhereItStopped(t *testing.T) {
	p := Parser{Limits: DefaultLimits()}
	in := append([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n"), bulk(100000)...)
	if _, taken, err := p.Next(in[:40]); taken != 0 || err != nil {
		t.Fatal(taken, err)
	}
	at := p.at
	clear(in[:at]) // it looks at nothing before this
	args, taken, err := p.Next(in)
	if err != nil || taken != len(in) || len(args) != 3 || len(args[2]) != 100000 {
		t.Fatal(len(args), taken, err)
	}
}

func TestParserAllocatesNothingForOrdinaryCommands(t *testing.T) {
	p := Parser{Limits: DefaultLimits()}
	in := []byte("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n")
	if n := testing.AllocsPerRun(100, func() {
		if args, taken, err := p.Next(in); len(args) != 3 || taken != len(in) || err != nil {
			t.Fatal(args, taken, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParser(f *testing.F) {
	for _, in := range []string{
		"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n", "PING\r\n", "SET a \"b\\x00\\n\" 'c\\''\n", "*-1\r\n*0\r\n", "*-2\r\n",
		"*3\r\n$2147483648\r\n", "*9223372036854775807\r\n", "$1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "*1\n$4\nPING\n", "\"", "*1\r\n$1\r\naX\n",
	} {
		f.Add([]byte(in))
	}
	limits := Limits{Args: 64, Bulk: 1 << 10, Bytes: 2 << 10, Inline: 256}
	f.Fuzz(func(t *testing.T, in []byte) {
		p := Parser{Limits: limits}
		whole, rest, err := all(&p, in)
		kept := uintptr(cap(p.spans))*unsafe.Sizeof(span{}) + uintptr(cap(p.args))*unsafe.Sizeof([]byte{})
		if most := 64 * uintptr(len(in)+1); kept > most {
			t.Fatalf("%d bytes kept for %d that came", kept, len(in))
		}
		slow := Parser{Limits: limits}
		bytewise, left, err2 := pieces(&slow, in)
		if !reflect.DeepEqual(whole, bytewise) || fmt.Sprint(err) != fmt.Sprint(err2) || err == nil && rest != left {
			t.Fatalf("whole: %v, %d left, %v\nbyte by byte: %v, %d left, %v", whole, rest, err, bytewise, left, err2)
		}
		if err == nil && rest > max(limits.Bytes+2, limits.Inline) {
			t.Fatalf("%d bytes, and still no command", rest)
		}
	})
}

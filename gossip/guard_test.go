package gossip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

const testLabel = "\xf4\x04test"

// packed is a map as memberlist writes its headers, from alternating names and values.
func packed(t testing.TB, kv ...any) string {
	t.Helper()
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	if err := e.EncodeMapLen(len(kv) / 2); err != nil {
		t.Fatal(err)
	}
	for _, v := range kv {
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// pushed is what a node lists in an exchange: every node it remembers, dead or alive.
func pushed(t testing.TB, n *node) (names []string) {
	c, err := net.Dial("tcp", n.Addr())
	if err != nil {
		return nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, testLabel+"\x06"+packed(t, "Nodes", 0, "UserStateLen", 0, "Join", false)); err != nil {
		return nil
	}
	r := bufio.NewReader(c)
	if kind, err := r.ReadByte(); err != nil || kind != typePushPull {
		return nil
	}
	d := msgpack.NewDecoder(r)
	head, err := d.DecodeMap()
	if err != nil {
		return nil
	}
	for range head["Nodes"].(int8) {
		m, err := d.DecodeMap()
		if err != nil {
			return nil
		}
		names = append(names, m["Name"].(string))
	}
	return names
}

// shout sends bytes as one stream and waits until the node has closed it; it returns what the node answered.
func shout(t *testing.T, addr string, b []byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write(b)
	_ = c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c) // a reset is an end too
	return answer
}

func TestGarbageOnThePortNeitherPanicsNorStopsIt(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1)
	udp, err := net.Dial("udp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		junk := make([]byte, 1+rnd.IntN(1500))
		for j := range junk {
			junk[j] = byte(rnd.Uint32())
		}
		if i%3 > 0 { // get past the label
			junk = append([]byte(testLabel), junk...)
		}
		if i%3 > 1 { // and past the type
			junk[len(testLabel)] = byte(rnd.IntN(16))
		}
		_, _ = udp.Write(junk)
		if i%6 == 0 || i%6 == 5 {
			shout(t, a.Addr(), junk)
		}
	}
	w.join(b, a)
	w.untilAll([]*node{a, b}, a, b)
	if s := a.Stats(); s.RefusedBytes < 100 {
		t.Errorf("counted only %d", s.RefusedBytes)
	}
}

func TestLengthsAreCheckedBeforeMemberlistAllocatesByThem(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 5 {
		for _, head := range []string{
			"\x06" + packed(t, "Nodes", 1_000_000, "UserStateLen", 0, "Join", false),
			"\x06" + packed(t, "Nodes", 0, "UserStateLen", 20_000_000, "Join", false),
			"\x06" + packed(t, "Nodes", 1, "Nodes", 1_000_000),
			"\x08" + packed(t, "UserMsgLen", 20_000_000),
			"\x09" + packed(t, "Algo", 0, "Buf", "x"),
		} {
			shout(t, a.Addr(), []byte(testLabel+head))
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 20_000_000 { // memberlist alone: over 700 MB
		t.Errorf("%d bytes allocated", n)
	}
	if s := a.Stats(); s.RefusedBytes != 25 {
		t.Errorf("%d refused", s.RefusedBytes)
	}
}

// crowd opens more connections than a node reads at once, and waits until it reads as many as it may.
func crowd(t *testing.T, n *node) (idle []net.Conn) {
	t.Helper()
	for range connsMax + 8 {
		c, err := net.Dial("tcp", n.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		idle = append(idle, c)
	}
	for len(guardOf(n).slots) < connsMax {
		runtime.Gosched()
	}
	return idle
}

func TestMoreConnectionsThanTheLimitWaitAndAreServedLater(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1)
	for _, c := range crowd(t, a) {
		_ = c.Close()
	}
	w.join(b, a)
}

func TestCloseEndsThoughConnectionsAreReadAndWait(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1, func(c *Config) { c.Timings.TCP = time.Hour })
	crowd(t, a)
	a.Close()
}

func TestAConnectionOpenedToANodeThatIsSilentEnds(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	c, err := guardOf(a).DialTimeout(deaf.Addr().String(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func guardOf(n *node) *guard { return n.net.NodeAwareTransport.(*guard) }

func TestAStreamIsCheckedUpToItsLengths(t *testing.T) {
	open, keyed := rules{label: "test"}, rules{label: "test", keyed: true}
	size := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	for _, c := range []struct {
		name, bytes string
		rules       rules
		ok          bool
	}{
		{"ping", testLabel + "\x00", open, true},
		{"exchange", testLabel + "\x06" + packed(t, "Nodes", 3, "UserStateLen", 100, "Join", true), open, true},
		{"user message", testLabel + "\x08" + packed(t, "UserMsgLen", stateHead+stateMax), open, true},
		{"user message too long", testLabel + "\x08" + packed(t, "UserMsgLen", stateHead+stateMax+1), open, false},
		{"negative", testLabel + "\x08" + packed(t, "UserMsgLen", -1), open, false},
		{"text for a number", testLabel + "\x08" + packed(t, "UserMsgLen", "5"), open, false},
		{"array for a header", testLabel + "\x08\x91\x05", open, false},
		{"many fields", testLabel + "\x08\xdf\xff\xff\xff\xff", open, false},
		{"long field name", testLabel + "\x08\x81\xdb\xff\xff\xff\xff", open, false},
		{"no label", "\x00", open, false},
		{"nothing", "", open, false},
		{"cut in the label", "\xf4\x04te", open, false},
		{"another label", "\xf4\x01x\x00", open, false},
		{"encrypted, without a key", testLabel + "\x0a" + size(100), open, false},
		{"encrypted", testLabel + "\x0a" + size(100), keyed, true},
		{"encrypted, too long", testLabel + "\x0a" + size(streamMax+1), keyed, false},
		{"not encrypted", testLabel + "\x00", keyed, false},
		{"error", testLabel + "\x0d", open, false},
	} {
		if err := c.rules.stream(bufio.NewReader(strings.NewReader(c.bytes))); err == nil != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAPacketHoldsPlainMessagesOnly(t *testing.T) {
	open := rules{label: "test"}
	for _, c := range []struct {
		name, bytes string
		ok          bool
	}{
		{"ping", testLabel + "\x00x", true},
		{"checksum", testLabel + "\x0c1234\x04x", true},
		{"compound", testLabel + "\x07\x02\x00\x01\x00\x02\x00\x04x", true},
		{"checksum over a compound", testLabel + "\x0c1234\x07\x01\x00\x01\x03", true},
		{"compressed", testLabel + "\x09x", false},
		{"compressed in a compound", testLabel + "\x07\x01\x00\x02\x09x", false},
		{"compound in a compound", testLabel + "\x07\x01\x00\x02\x07\x00", false},
		{"compound cut short", testLabel + "\x07\x01\x00\x09\x04", false},
		{"compound of lengths only", testLabel + "\x07\xff\x00", false},
		{"user message", testLabel + "\x08x", false},
		{"label only", testLabel, false},
		{"too long", testLabel + "\x00" + strings.Repeat("x", packetMax), false},
	} {
		if err := open.packet([]byte(c.bytes)); err == nil != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var label *labelError
	if err := open.packet([]byte("\xf4\x01x\x00")); !errors.As(err, &label) {
		t.Errorf("another label: %v", err)
	}
}

func FuzzPacket(f *testing.F) {
	f.Add([]byte(testLabel+"\x07\x02\x00\x01\x00\x02\x00\x04x"), false)
	f.Add([]byte(testLabel+"\x0c1234\x04x"), true)
	f.Fuzz(func(t *testing.T, b []byte, keyed bool) {
		_ = rules{label: "test", keyed: keyed}.packet(b)
	})
}

// What is said of a stream must not depend on how it is cut into reads.
func FuzzStream(f *testing.F) {
	f.Add([]byte(testLabel+"\x06"+packed(f, "Nodes", 3, "UserStateLen", 100, "Join", true)), false)
	f.Add([]byte(testLabel+"\x0a\x00\x00\x00\x01"), true)
	f.Fuzz(func(t *testing.T, b []byte, keyed bool) {
		r := rules{label: "test", keyed: keyed}
		whole := r.stream(bufio.NewReader(bytes.NewReader(b)))
		single := r.stream(bufio.NewReader(oneByteReader{bytes.NewReader(b)}))
		if (whole == nil) != (single == nil) {
			t.Errorf("whole: %v, byte by byte: %v", whole, single)
		}
	})
}

type oneByteReader struct{ io.Reader }

func (r oneByteReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

func TestConnectionsLeaveFromTheAddressThatPacketsLeaveFrom(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this machine has one loopback address: ", err)
	}
	_ = l.Close()
	for bound, want := range map[string]string{"127.0.0.2:0": "127.0.0.2", "0.0.0.0:0": "127.0.0.1"} {
		n := w.start(1, 1, func(c *Config) { c.BindAddr, c.Advertise = bound, "127.0.0.2" })
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = n.Join(t.Context(), []string{l.Addr().String()}) }()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if from, _, _ := net.SplitHostPort(c.RemoteAddr().String()); from != want {
			t.Errorf("bound to %s it comes from %s, want %s", bound, from, want)
		}
		_, _ = c.Close(), l.Close()
		n.Close()
	}
}

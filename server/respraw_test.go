package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/server/resp"
)

// respClient speaks to a Redis port, byte by byte.
type respClient struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dialResp(t *testing.T, addr string) *respClient {
	t.Helper()
	c := dialRaw(t, addr)
	return &respClient{Conn: c.Conn, t: t, r: bufio.NewReader(c.Conn)}
}

// pipelined is commands as clients send them.
func pipelined(commands ...[]string) []byte {
	var b []byte
	for _, args := range commands {
		b = resp.AppendArray(b, len(args))
		for _, a := range args {
			b = resp.AppendBulk(b, a)
		}
	}
	return b
}

// do sends one command and returns the bytes of its reply.
func (c *respClient) do(args ...string) string {
	c.t.Helper()
	c.send(pipelined(args))
	return c.reply()
}

func (c *respClient) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one reply, with all that is nested in it.
func (c *respClient) reply() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%q and then %v", line, err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=':
		if n >= 0 {
			b := make([]byte, n+2)
			if _, err := io.ReadFull(c.r, b); err != nil {
				c.t.Fatal(err)
			}
			line += string(b)
		}
	case '%':
		n *= 2
		fallthrough
	case '*', '~':
		for range n {
			line += c.reply()
		}
	}
	return line
}

// ended waits until the other end closes, and returns what it says before that.
func (c *respClient) ended() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatalf("it stays open, and says %q", b)
	}
	return string(b)
}

func withResp(c *Config) { c.RespAddr = "127.0.0.1:0" }

// realRedis starts a redis-server, where there is one.
func realRedis(t *testing.T) (addr string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server to compare with")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	_ = l.Close()
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "redis-server answers", func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return addr
}

// quoted shows a reply as lines of a script, each with its line end taken off.
func quoted(reply string) string {
	lines := strings.Split(strings.TrimSuffix(reply, "\r\n"), "\r\n")
	for i, l := range lines {
		q := strconv.Quote(l)
		lines[i] = "  " + strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	}
	return strings.Join(lines, "\n")
}

// scriptStep is a command with the reply that belongs to it, or a line of text; see testdata/resp.txt.
type scriptStep struct {
	line int
	text string   // as it stands
	own  bool     // Shoal's reply is not Redis'
	args []string // nil: a comment or an empty line
	want string
}

func readScript(text string) (steps []*scriptStep, err error) {
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "> "), strings.HasPrefix(line, "! "):
			var args []string
			for _, w := range strings.Fields(line[2:]) {
				if w, err = strconv.Unquote(`"` + w + `"`); err != nil {
					return nil, fmt.Errorf("line %d: %w", i+1, err)
				}
				args = append(args, w)
			}
			steps = append(steps, &scriptStep{line: i + 1, text: line, own: line[0] == '!', args: args})
		case strings.HasPrefix(line, "  "):
			s := steps[len(steps)-1]
			if s.want != "" {
				s.want += "\n"
			}
			s.want += line
		default:
			steps = append(steps, &scriptStep{line: i + 1, text: line})
		}
	}
	return steps, nil
}

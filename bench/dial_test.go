package bench

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
)

// lines serves every connection with something that is no node: it answers each end of a line, and nothing else.
func lines(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 4096)
				for n, err := c.Read(b); err == nil; n, err = c.Read(b) {
					if bytes.HasSuffix(b[:n], []byte("\r\n")) {
						_, _ = c.Write([]byte(answer))
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestRunSaysWhatAServerLooksLikeThatIsNoNode(t *testing.T) {
	for answer, want := range map[string]string{
		"-ERR unknown command\r\n":         "it looks like a Redis server, not a Shoal node",
		"HTTP/1.1 400 Bad Request\r\n\r\n": "it looks like an HTTP server",
		"":                                 "it takes connections but says nothing",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			addr := lines(t, answer)
			began := time.Now()
			_, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 3, Requests: 10, Timeout: briefly})
			failed, ok := errors.AsType[*client.ConnectError](err)
			if !ok || failed.Addr != addr || !strings.Contains(failed.Reason, want) {
				t.Error(err)
			}
			if time.Since(began) > dialTimeout*9/10 {
				t.Error("it waited longer than a request may take")
			}
		})
	}
}

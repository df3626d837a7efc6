package ports

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Below the ports that systems give to outgoing connections and to listeners that ask for any, one found free is
// unlikely to be taken before the process it is meant for has it.
const first, last = 10_000, 32_000

// Free returns n loopback addresses, host:port, whose ports nobody uses for TCP or UDP.
func Free(n int) (addrs []string, err error) {
	for port, tried := first+rand.N(last-first), 0; len(addrs) < n; port, tried = port+1, tried+1 {
		if tried == last-first {
			return nil, errors.New("ports: no free port on this machine between 10000 and 32000")
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+(port-first)%(last-first)))
		if unused(addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

func unused(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	_ = p.Close()
	return true
}

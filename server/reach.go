package server

import (
	"errors"
	"net"
)

var errOutOfReach = errors.New("server: out of reach: Config.Reach says so")

// walled is a connection that breaks once the other end is out of reach.
type walled struct {
	net.Conn
	addr  string
	reach func(addr string) bool
}

func (w walled) Write(b []byte) (int, error) {
	if !w.reach(w.addr) {
		return 0, errOutOfReach
	}
	return w.Conn.Write(b)
}

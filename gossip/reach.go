package gossip

import (
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// walled sends nothing to addresses that are out of reach.
type walled struct {
	memberlist.NodeAwareTransport
	reach func(addr string) bool
}

var errOutOfReach = fmt.Errorf("gossip: out of reach: Config.Reach says so")

func (w walled) WriteTo(b []byte, addr string) (time.Time, error) {
	if !w.reach(addr) {
		return time.Now(), nil // as a packet is lost
	}
	return w.NodeAwareTransport.WriteTo(b, addr)
}

func (w walled) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	if !w.reach(addr.Addr) {
		return time.Now(), nil
	}
	return w.NodeAwareTransport.WriteToAddress(b, addr)
}

func (w walled) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	if !w.reach(addr) {
		return nil, errOutOfReach
	}
	return w.NodeAwareTransport.DialTimeout(addr, timeout)
}

func (w walled) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if !w.reach(addr.Addr) {
		return nil, errOutOfReach
	}
	return w.NodeAwareTransport.DialAddressTimeout(addr, timeout)
}

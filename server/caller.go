package server

import (
	"errors"
	"net"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/wire"
)

// caller is whoever waits for answers: the connection of a client, or the program that the node is part of.
// Its requests name it by its number.
type caller interface {
	number() uint64
	// answer takes whole response frames, count of them, which are valid during the call. It comes from any
	// goroutine, with no lock held.
	answer(frames []byte, count int)
	// cut ends it, because the node stops; nothing is waited for.
	cut()
}

// register gives a caller its number, which no other ever had; 0 when there are too many.
func (n *Node) register(c caller) uint64 {
	n.callersMu.Lock()
	defer n.callersMu.Unlock()
	if len(n.callers) >= n.clientsMax || n.ctx.Err() != nil {
		n.counts.refused.Add(1)
		return 0
	}
	n.lastCaller++
	n.callers[n.lastCaller] = c
	return n.lastCaller
}

func (n *Node) forget(number uint64) {
	n.callersMu.Lock()
	defer n.callersMu.Unlock()
	delete(n.callers, number)
}

// caller finds one by its number; own is tried first, and may be nil.
func (n *Node) caller(number uint64, own caller) caller {
	if own != nil && own.number() == number {
		return own
	}
	n.callersMu.RLock()
	defer n.callersMu.RUnlock()
	return n.callers[number]
}

func (n *Node) callerCount() int {
	n.callersMu.RLock()
	defer n.callersMu.RUnlock()
	return len(n.callers)
}

// admit reads the hello of a connection, unless too many are waiting to say theirs; false when it is to be closed.
func (n *Node) admit(r *frameReader, h *wire.Hello) bool {
	defer n.opening.Add(-1)
	if n.opening.Add(1) > openingMax {
		n.counts.refused.Add(1)
		return false
	}
	if err := r.hello(helloTimeout, h); err != nil {
		n.counts.badBytes.Add(1)
		return false
	}
	return true
}

// unheard says of a client whose reader failed why that is, if it was cut off.
func (n *Node) unheard(conn net.Conn, err error) {
	if errors.Is(err, errCrowded) || errors.Is(err, errStalled) {
		n.counts.clientsCut.Add(1)
		n.log.Warn("client cut off in a large request", zap.String("addr", conn.RemoteAddr().String()), zap.Error(err))
	}
}

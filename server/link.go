package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	dialTimeout  = 2 * time.Second
	helloTimeout = 5 * time.Second
	redialPeriod = 500 * time.Millisecond // between two dials to a node, at least
	beatPeriod   = time.Second
	linkSilence  = 8 * time.Second // of an incoming link, which beats every second, before it is given up
	linkStall    = 5 * time.Second // of one write to a peer
)

// link is the way to one other node: a connection that this node dials again and again, and writes only.
// What the other node says comes in over its own link.
type link struct {
	n    *Node
	id   uint64
	name string

	mu     sync.Mutex
	addr   string
	pipe   *pipe // nil while there is no connection
	boot   uint64
	failed bool // the last dial failed
	cancel context.CancelFunc

	stuck atomic.Bool // somebody waited for room in vain, and there has been none since
}

// run keeps the link connected until ctx ends.
func (l *link) run(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		began := time.Now()
		conn, boot, err := l.dial(ctx)
		l.mu.Lock()
		l.failed = err != nil
		l.mu.Unlock()
		if err == nil {
			said = ""
			l.serve(ctx, conn, boot)
		} else if s := err.Error(); s != said && ctx.Err() == nil {
			l.n.log.Info("no link to node", zap.String("node", l.name), zap.Error(err))
			said = s
		}
		// Who says hello and hangs up, as where another goes by this node's name, is not dialled without end.
		select {
		case <-ctx.Done():
		case <-time.After(redialPeriod - time.Since(began)):
		}
	}
}

// dial connects and exchanges hellos; the other end must be the node the map says it is.
func (l *link) dial(ctx context.Context) (net.Conn, uint64, error) {
	l.mu.Lock()
	addr := l.addr
	l.mu.Unlock()
	reach := l.n.cfg.Reach
	if reach != nil && !reach(addr) {
		return nil, 0, fmt.Errorf("server: dialling node %s: %w", l.name, errOutOfReach)
	}
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: from(l.n.peers)}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, 0, fmt.Errorf("server: dialling node %s: %w", l.name, err)
	}
	if reach != nil {
		conn = walled{conn, addr, reach}
	}
	asked := l.n.clock.now()
	theirs, err := l.n.greet(conn)
	if err == nil && theirs.Node != l.id {
		err = fmt.Errorf("server: %s is node %q, not %q: the map is behind, or two nodes share an address", addr, theirs.Name, l.name)
	}
	if err == nil && !l.n.greeted(l.id, theirs.Wall, asked) {
		err = fmt.Errorf("server: node %s took %v to say hello, which does not tell its clock", l.name, (l.n.clock.now().Mono - asked.Mono).Round(time.Millisecond))
	}
	if err != nil {
		_ = conn.Close()
		return nil, 0, err
	}
	return conn, theirs.Boot, nil
}

// from is what connections to other nodes leave from: the address that this node listens on, so that whatever stands between them, a
// firewall, a proxy, can tell whose they are. Nil lets the system choose, where the node listens on all addresses.
func from(peers net.Listener) net.Addr {
	a, ok := peers.Addr().(*net.TCPAddr)
	if !ok || a.IP.IsUnspecified() {
		return nil
	}
	return &net.TCPAddr{IP: a.IP, Zone: a.Zone}
}

// greet says hello on a connection this node dialled to a peer port, and reads the answer.
func (n *Node) greet(conn net.Conn) (*wire.Hello, error) {
	_ = conn.SetWriteDeadline(time.Now().Add(helloTimeout))
	if _, err := conn.Write(wire.AppendHello(nil, n.hello(wire.RoleNode, ""))); err != nil {
		return nil, fmt.Errorf("server: saying hello: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Time{})
	r := frameReader{conn: conn, limits: n.cfg.Limits}
	var theirs wire.Hello
	if err := r.hello(helloTimeout, &theirs); err != nil {
		if at, ok := errors.AsType[*net.OpError](err); ok { // the port that it was dialled from is another each time
			err = at.Err
		}
		return nil, fmt.Errorf("server: %s did not say hello: %w", conn.RemoteAddr(), err)
	}
	if theirs.Error != "" {
		return &theirs, errors.New(theirs.Error)
	}
	return &theirs, nil
}

// serve holds an open connection: it is readable only for noticing its end.
func (l *link) serve(ctx context.Context, conn net.Conn, boot uint64) {
	ended := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(ended) }) }
	p := newPipe(conn, l.n.cfg.tuning.linkBytes, linkStall, func(error) { end() })
	p.gather, p.ration = true, &l.n.queued
	l.n.wg.Go(p.run)
	l.n.wg.Go(func() {
		_, _ = conn.Read(make([]byte, 1)) // a peer never writes here: this returns when the connection ends
		end()
	})
	// The map goes first: what follows on the link was sent under it.
	l.mu.Lock()
	l.pipe, l.boot = p, boot
	p.force(l.n.mapFrame())
	l.mu.Unlock()
	l.n.linkChanged(l.id)
	l.n.log.Info("link to node", zap.String("node", l.name), zap.String("addr", conn.RemoteAddr().String()))
	select {
	case <-ctx.Done():
	case <-ended:
	}
	l.mu.Lock()
	l.pipe = nil
	l.mu.Unlock()
	p.close()
	l.n.linkChanged(l.id)
	if ctx.Err() == nil {
		l.n.log.Info("link to node lost", zap.String("node", l.name))
	}
}

// push queues frames for the node; false when there is no connection, none to that boot (0: any), or no room for
// all of them. What one tick has for a node can be more than the link may hold: then as many frames go as fit.
func (l *link) push(frames []byte, boot uint64) bool {
	p := l.open(boot)
	if p == nil {
		return false
	}
	for len(frames) > p.most {
		n := framesWithin(frames, p.most)
		if !p.push(frames[:n]) {
			return false
		}
		frames = frames[n:]
	}
	return p.push(frames)
}

// framesWithin is how many bytes the whole frames that fit into most are, and at least the first one.
func framesWithin(frames []byte, most int) int {
	at := 0
	for at < len(frames) {
		next := at + wire.FrameHeader + int(binary.BigEndian.Uint32(frames[at:]))
		if at > 0 && next > most {
			break
		}
		at = next
	}
	return at
}

// announce queues a map: what follows was sent under it, so it is never dropped.
func (l *link) announce(frame []byte) {
	if p := l.open(0); p != nil {
		p.force(frame)
	}
}

// room reports whether n more bytes would be taken, or are not worth waiting for: where nothing can be sent,
// or where somebody has waited in vain.
func (l *link) room(n int) bool {
	if p := l.open(0); p != nil && !p.room(n) {
		return l.stuck.Load()
	}
	l.stuck.Store(false)
	return true
}

// open is the pipe of the connection to that boot (0: any), nil where there is none.
func (l *link) open(boot uint64) *pipe {
	l.mu.Lock()
	defer l.mu.Unlock()
	if boot != 0 && boot != l.boot {
		return nil
	}
	return l.pipe
}

func (l *link) connected() (boot uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boot, l.pipe != nil
}

// settled reports whether it is known if the node can be reached.
func (l *link) settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// setAddr moves the link to where the node is now.
func (l *link) setAddr(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addr == addr {
		return
	}
	l.addr = addr
	if l.pipe != nil {
		p := l.pipe
		l.pipe = nil
		go p.close() // not under the lock
	}
}

func (l *link) held() int {
	l.mu.Lock()
	p := l.pipe
	l.mu.Unlock()
	if p == nil {
		return 0
	}
	return p.held()
}

// acceptPeer serves one incoming link: messages of one boot of one node, in order.
func (n *Node) acceptPeer(conn net.Conn) {
	defer conn.Close()
	r := frameReader{conn: conn, limits: n.cfg.Limits}
	var h wire.Hello
	if !n.admit(&r, &h) {
		return
	}
	refusal := n.judge(&h)
	_ = conn.SetWriteDeadline(time.Now().Add(helloTimeout))
	if _, err := conn.Write(wire.AppendHello(nil, n.hello(wire.RoleNode, refusal))); err != nil || refusal != "" {
		if refusal != "" && h.Role == wire.RoleNode { // a node that is about to start asks as a client who runs here
			n.log.Warn("peer refused", zap.String("node", h.Name), zap.String("addr", conn.RemoteAddr().String()), zap.String("reason", refusal))
		}
		return
	}
	in := &incoming{n: n, conn: conn, from: h.Node, boot: h.Boot, reader: r}
	in.out.Kept = linkBufferKept
	// Its hello may have waited long in the backlog, as of a node that waits to start: the time in it says nothing, and who has given
	// up meanwhile must not take the place of the link that he has dialled since. One that goes on says something at once: its map.
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	if len(in.reader.unread()) == 0 && in.reader.read() != nil {
		return
	}
	if !n.registerIncoming(in) {
		return
	}
	defer n.forgetIncoming(in)
	if err := in.serve(); n.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		n.log.Info("link from node ended", zap.String("node", h.Name), zap.Error(err))
	}
}

// judge says why a peer's hello is refused, in words for its operator; "" accepts it.
func (n *Node) judge(h *wire.Hello) string {
	switch {
	case h.Version != wire.ProtocolVersion:
		return fmt.Sprintf("node %q speaks protocol %d and this cluster %d: upgrade the older one", h.Name, h.Version, wire.ProtocolVersion)
	case h.Role != wire.RoleNode || h.Node == 0:
		return "this port is for links between nodes: clients use the client port"
	case h.ClusterID != 0 && h.ClusterID != n.clusterID():
		return fmt.Sprintf("node %q belongs to cluster %016x (%s), this node to %016x (%s)", h.Name, h.ClusterID, h.Cluster, n.clusterID(), n.cfg.ClusterName)
	case h.Node == n.self.Node && h.Boot != n.self.Boot:
		return fmt.Sprintf("node %q already runs here: two nodes of one name cannot be in one cluster; choose another --name, and an empty --data-dir", h.Name)
	}
	return ""
}

// incoming is a link that another node dialled.
type incoming struct {
	n      *Node
	conn   net.Conn
	from   uint64
	boot   uint64
	under  uint64 // the sender's placement, as of its last map
	theirs *ring.Map
	turned atomic.Pointer[ring.Map] // the last map that all shards of the sender go by
	reader frameReader
	out    replica.Outbox
}

// serve reads until the link ends, and returns why it did.
func (in *incoming) serve() error {
	var m wire.Message
	var req wire.Request
	for {
		now := in.n.clock.now()
		for {
			frame, err := in.reader.next()
			if err != nil {
				in.n.counts.badBytes.Add(1)
				return err
			}
			if frame == nil {
				break
			}
			if err := wire.DecodeMessage(frame, &m, &in.n.cfg.Limits); err != nil {
				in.n.counts.badBytes.Add(1)
				if errors.Is(err, wire.ErrUnknownKind) {
					continue // a newer node may say more than this one understands
				}
				return err
			}
			switch m.Kind {
			case wire.KindMap:
				err = in.takeMap(m.Body)
			case wire.KindBeat:
				in.turned.Store(in.theirs)
				in.n.beat(in.from, m.Wall)
			default:
				in.n.dispatch(now, in, &m, &req)
			}
			if err != nil {
				return err
			}
		}
		in.n.flush(&in.out, nil, in)
		if in.reader.large() {
			m, req = wire.Message{}, wire.Request{}
		}
		_ = in.conn.SetReadDeadline(time.Now().Add(linkSilence))
		if err := in.reader.read(); err != nil {
			return err
		}
	}
}

// takeMap merges the sender's map; what follows on the link was sent under it.
func (in *incoming) takeMap(b []byte) error {
	theirs, err := wire.DecodeMap(b)
	if err != nil {
		in.n.counts.badBytes.Add(1)
		return err
	}
	in.under, in.theirs = theirs.PlacementHash(hash), theirs
	return in.n.mergeMap(theirs)
}

// dispatch hands a message to its shard.
func (n *Node) dispatch(now vclock.Now, in *incoming, m *wire.Message, req *wire.Request) {
	k, i, ok := n.core.Route(n.view.Load(), m, req)
	if !ok {
		n.counts.badBytes.Add(1)
		return
	}
	s := &n.shards[i]
	s.mu.Lock()
	s.Receive(now, in.from, in.under, k, m, req, &in.out)
	s.mu.Unlock()
}

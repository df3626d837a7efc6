package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// JoinError is returned when none of the addresses could be joined.
type JoinError struct {
	Failed []JoinFailure // in the order asked
}

// JoinFailure is why one address could not be joined. Err is a *ClusterError where another cluster was met, and
// ErrNotJoined where none was.
type JoinFailure struct {
	Addr string
	Err  error
}

// Error names every address and its reason on one line.
func (e *JoinError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "gossip: joined none of %d", len(e.Failed))
	for i, f := range e.Failed {
		sep := ": "
		if i > 0 {
			sep = "; "
		}
		b.WriteString(sep + f.Addr + ": " + strings.TrimPrefix(f.Err.Error(), "gossip: "))
	}
	return b.String()
}

// Unwrap yields the reasons.
func (e *JoinError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

var errSelf = errors.New("this node itself")

// Join exchanges states with the nodes at addrs, each host:port, trying all addresses of every host. One success is
// enough; the others are logged. When it returns nil, OnState and OnChange have been told what was learned.
// Errors: *JoinError, ErrClosed, or that of ctx.
func (g *Gossip) Join(ctx context.Context, addrs []string) error {
	done := make(chan error, 1)
	if !g.begin(func() { done <- g.joinAny(ctx, addrs) }) {
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("gossip: join: %w", ctx.Err())
	}
}

func (g *Gossip) joinAny(ctx context.Context, addrs []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()

	errs := make([]error, len(addrs))
	order := make([]int, len(addrs))
	for i := range order {
		order[i] = i
	}
	each(order, func(i int) { errs[i] = g.joinHost(ctx, addrs[i]) })

	var failed JoinError
	for i, err := range errs {
		if err != nil {
			failed.Failed = append(failed.Failed, JoinFailure{addrs[i], err})
		}
	}
	if len(addrs) > 0 && len(failed.Failed) == len(addrs) {
		return &failed
	}
	for _, f := range failed.Failed {
		g.log.Warn("could not join", zap.String("addr", f.Addr), zap.Error(f.Err))
	}
	flushed := make(chan struct{})
	select {
	case g.flushes <- flushed:
		<-flushed
		return nil
	case <-ctx.Done():
		return fmt.Errorf("gossip: join: %w", ctx.Err())
	}
}

// joinHost resolves here and not in memberlist, which would ask DNS servers for ANY first and cannot be cancelled.
func (g *Gossip) joinHost(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("use host:port: %w", err)
	}
	ips := []string{host}
	if net.ParseIP(host) == nil {
		if ips, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
			return err
		}
	}
	err = errSelf
	for _, ip := range ips {
		if at := net.JoinHostPort(ip, port); at != g.addr {
			if err = g.joinOne(ctx, at); err == nil {
				return nil
			}
		}
	}
	return err
}

func (g *Gossip) joinOne(ctx context.Context, at string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.count.joins.Add(1)
	_, err := g.list.Join([]string{at})
	if err == nil {
		return nil
	}
	g.count.failedJoins.Add(1)
	if first := errors.Unwrap(err); first != nil { // without the list's heading and line breaks
		err = first
	}
	text := strings.TrimPrefix(err.Error(), "failed to join "+at+": ")
	if r := g.refusal.Load(); r != nil && strings.Contains(text, (*r).Error()) {
		return *r
	}
	if said, ok := strings.CutPrefix(text, "remote error: "); ok && strings.HasPrefix(said, labelText) {
		return fmt.Errorf("%w: %s: check the addresses to join and the cluster's name", ErrOtherName, said)
	}
	if strings.HasSuffix(text, "EOF") || strings.HasSuffix(text, "connection reset by peer") {
		return errors.New("it closed the connection: another cluster's name or key, another version, or not a gossip port")
	}
	return errors.New(text)
}

// rejoin looks for nodes of the map that are not seen: at once, as a restarted node finds its cluster so, and
// then again and again.
func (g *Gossip) rejoin() {
	tick := time.NewTicker(g.cfg.Timings.Rejoin)
	defer tick.Stop()
	for {
		if missing := g.missing(); len(missing) > 0 {
			each(missing, func(addr string) {
				var other *ClusterError
				if err := g.joinHost(g.ctx, addr); errors.As(err, &other) {
					g.log.Warn("another cluster lives where a node of this one did", zap.String("addr", addr), zap.Error(err))
				}
			})
		}
		select {
		case <-tick.C:
		case <-g.ctx.Done():
			return
		}
	}
}

// missing is where nodes of the map that are not alive were last seen.
func (g *Gossip) missing() []string {
	if g.cfg.Known == nil || g.over() {
		return nil
	}
	alive := g.Alive()
	var addrs []string
	for _, c := range g.cfg.Known() {
		if _, ok := alive[c.Node]; !ok && c.Node != g.cfg.Self.Node {
			addrs = append(addrs, c.Addr)
		}
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

const (
	retryShare = 0.1  // of all calls may be tried again,
	retryBurst = 100  // or so many at once: those that were under way at a node that died
	hedgeShare = 0.05 // of all calls may be hedged,
	hedgeBurst = 10   // or so many at once

	hedgeMin = 2 * time.Millisecond // however fast the others are: a hedge costs the cluster a request
	hedgeMax = 100 * time.Millisecond

	pauseMin = 5 * time.Millisecond // before the second attempt, doubled for each further one
	pauseMax = 200 * time.Millisecond

	reachMax = 8 // addresses dialled at a time by a call that finds none connected
)

// do carries out one call.
func (c *Client) do(ctx context.Context, k *call) error {
	now := sinceEpoch()
	k.begin(now)
	if c.options.hooks.Call != nil {
		return c.doHooked(ctx, k)
	}
	return c.counted(c.finish(ctx, k, c.begin(ctx, k, now)))
}

func (c *Client) clusterID() uint64 { return c.cluster.Load() }

// doAll sends all calls before it waits for the answers of any. Their time runs from now on, whenever their turn comes.
func (c *Client) doAll(ctx context.Context, ks []*call) {
	beginAll(ks)
	for window := range slices.Chunk(ks, sideBySide) {
		if c.options.hooks.Call != nil {
			each(window, func(k *call) { k.err = c.doHooked(ctx, k) })
			continue
		}
		for _, k := range window {
			k.err = c.begin(ctx, k, sinceEpoch())
		}
		for _, k := range window {
			k.err = c.counted(c.finish(ctx, k, k.err))
		}
	}
}

// sideBySide bounds how many operations of one batch are under way at a time.
const sideBySide = 1024

// split groups keys by the node that is best asked for them.
func (c *Client) split(namespace string, keys []string) [][]int {
	r := c.routes.Load()
	if r.owners.stride == 0 {
		return [][]int{indexes(len(keys))}
	}
	var groups [][]int
	at := map[*link]int{}
	var key []byte
	for i := range keys {
		key = append(key[:0], keys[i]...)
		owners := r.of(namespace, ring.Slot(key))
		best := r.links[owners[0]]
		for _, o := range owners {
			if l := r.links[o]; l.connected() != nil && !l.resting() {
				best = l
				break
			}
		}
		g, ok := at[best]
		if !ok {
			g = len(groups)
			at[best] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

func (c *Client) counted(err error) error {
	c.counts.calls.Add(1)
	if err != nil {
		c.counts.failed.Add(1)
	}
	return err
}

// begin makes the first attempt, without waiting for its answer.
func (c *Client) begin(ctx context.Context, k *call, now time.Duration) error {
	switch {
	case c.life.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return c.interrupted(k.request.Op, "no node yet", false, ctx.Err())
	case k.late(now):
		return &lostError{cause: errTimeUp}
	}
	return c.send(ctx, k, now)
}

// finish waits for the answer of an attempt that was made with err, and makes others while they help. A write is sent
// again only where nothing of it can have happened, or its caller says that it does no harm.
func (c *Client) finish(ctx context.Context, k *call, err error) error {
	for {
		if err == nil {
			err = c.await(ctx, k)
		}
		if err == nil {
			if err = k.collect(); err == nil {
				return nil
			}
		}
		err = c.explain(ctx, k, err)
		k.unsure = k.unsure || Indeterminate(err)
		if !c.again(ctx, k, err) {
			return c.last(k, err)
		}
		c.counts.retries.Add(1)
		k.retries++
		err = c.send(ctx, k, sinceEpoch())
	}
}

// send makes one attempt, at the best node that has not been tried.
func (c *Client) send(ctx context.Context, k *call, now time.Duration) error {
	if k.taker != nil {
		k.tried = k.tried[:0]
	}
	cn := c.pick(k)
	for cn == nil {
		again := len(k.tried) > 0
		err := c.reach(ctx, k)
		switch {
		case err == nil:
		case again && errors.As(err, new(unreachable)): // back to those that can at least be reached
			k.tried = k.tried[:0]
		default:
			return err
		}
		now = sinceEpoch()
		cn = c.pick(k)
	}
	if k.taker != nil && (cn.hello.Node != k.taker.Node || cn.hello.Boot != k.taker.Boot) {
		return &lostError{cause: errRestarted}
	}
	k.attempts++
	k.node = cn.link
	k.tried = append(k.tried, cn.link)
	k.fill(ctx, k.limit-grace-now)
	if k.once() {
		k.identify(c)
		k.asked = &cn.hello
	}
	return cn.start(ctx, k, &k.flights[0], now)
}

// pick returns the best connection that can be used at once: to the nearest owner of the key, or else to any node, which
// asks the owners itself; never to a link that has been tried. Nil where nothing is connected.
func (c *Client) pick(k *call) *conn {
	if k.only != nil {
		return k.only.connected()
	}
	if k.taker != nil {
		return k.node.connected()
	}
	r := c.routes.Load()
	if cn := r.owner(k); cn != nil {
		return cn
	}
	first := int(c.preferred.Load())
	for _, resting := range [...]bool{false, true} { // one that rests is better than none
		for i := range r.links {
			at := (first + i) % len(r.links)
			l := r.links[at]
			if k.triedAt(l) || l.resting() != resting {
				continue
			}
			if cn := l.connected(); cn != nil {
				c.preferred.Store(uint32(at))
				return cn
			}
		}
	}
	return nil
}

// owner returns a connection that can be used at once to the nearest owner of the key that has not been tried, or nil.
func (r *routes) owner(k *call) *conn {
	for _, at := range r.ownersFor(&k.request) {
		if l := r.links[at]; !k.triedAt(l) {
			if cn := l.ready(); cn != nil {
				return cn
			}
		}
	}
	return nil
}

// ownersFor returns the owners of what is asked for, as far as it concerns a key.
func (r *routes) ownersFor(q *wire.Request) []uint16 {
	switch {
	case r.owners.stride == 0:
		return nil
	case q.Op == wire.OpScan:
		cursor, _ := wire.ParseScanCursor(q.Key) // the node says what is wrong with it
		return r.ofPartition(q.Namespace, cursor.Partition)
	case q.Op == wire.OpMGet && len(q.Keys) > 0:
		return r.of(q.Namespace, ring.Slot(q.Keys[0]))
	case len(q.Key) > 0:
		return r.of(q.Namespace, ring.Slot(q.Key))
	}
	return nil
}

// reach connects to whatever answers first, where nothing is connected but what has been tried.
func (c *Client) reach(ctx context.Context, k *call) error {
	var attempts []*attempt
	for _, l := range c.candidates(k) {
		a, err := l.join(&l.lanes[0])
		if errors.Is(err, ErrClosed) {
			return err
		}
		if err == nil {
			attempts = append(attempts, a)
		}
	}
	for {
		c.mu.Lock()
		news := c.news
		c.mu.Unlock()
		var failed unreachable
		for _, a := range attempts {
			select {
			case <-a.done:
				if a.err == nil {
					return nil
				}
				failed = append(failed, a.err)
			default:
			}
		}
		patience := k.limit - sinceEpoch()
		if len(k.tried) > 0 { // and there is something to go back to
			patience /= 2
		}
		if len(failed) == len(attempts) || len(k.tried) > 0 && patience < grace {
			return failed
		}
		k.timer.Reset(patience)
		select {
		case <-news:
		case <-ctx.Done():
			return &lostError{cause: ctx.Err()}
		case <-c.life.Done():
			return ErrClosed
		case <-k.timer.C:
			if len(k.tried) > 0 {
				return failed
			}
			return &ConnectError{Addr: k.addr(), Reason: "no connection within the call's time limit", Err: errTimeUp}
		}
	}
}

// candidates are the links worth dialling for a call: the owners', the seeds, and others, so many that some should answer.
func (c *Client) candidates(k *call) []*link {
	var all []*link
	add := func(l *link) {
		if len(all) < reachMax && !slices.Contains(all, l) && !k.triedAt(l) {
			all = append(all, l)
		}
	}
	if k.only != nil {
		add(k.only)
		return all
	}
	if k.taker != nil {
		add(k.node)
		return all
	}
	r := c.routes.Load()
	for _, at := range r.ownersFor(&k.request) {
		add(r.links[at])
	}
	for _, l := range c.seeds {
		add(l)
	}
	begin := rand.IntN(len(r.links))
	for i := range r.links {
		add(r.links[(begin+i)%len(r.links)])
	}
	return all
}

// explain makes a lost attempt an error for the caller, and passes on what nodes said.
func (c *Client) explain(ctx context.Context, k *call, err error) error {
	op, addr := k.request.Op, k.addr()
	var lost *lostError
	switch {
	case errors.As(err, &lost) && lost.cause == errTimeUp:
		return timeUp(k, addr, lost.sent && op.Changes())
	case errors.As(err, &lost):
		return c.interrupted(op, addr, lost.sent && op.Changes(), lost.cause)
	}
	var notReady *NotReadyError
	var overloaded *OverloadedError
	if errors.As(err, &notReady) || errors.As(err, &overloaded) {
		k.node.rest(0) // let others have its calls for a moment
		c.keeper.wake()
	}
	return err
}

// errRestarted is the cause where the boot that may have carried a request out has ended: no other could tell.
var errRestarted = errors.New("the node that may have done it has restarted since")

// identify gives the request what it is told apart by.
func (k *call) identify(c *Client) {
	q := &k.request
	if q.Session = c.session; q.Serial == 0 {
		q.Serial = c.serials.Add(1)
	}
	if q.Boot = 0; k.taker != nil {
		q.Boot = k.taker.Boot
	}
}

// again decides whether another attempt may help and is allowed, and waits until it is due.
func (c *Client) again(ctx context.Context, k *call, err error) bool {
	var (
		connect     *ConnectError
		interrupted *InterruptedError
		notReady    *NotReadyError
		overloaded  *OverloadedError
		quorum      *QuorumError
	)
	sent, moved := true, false
	switch {
	case ctx.Err() != nil, c.life.Err() != nil, k.retries >= c.options.retries, k.only != nil, errors.Is(err, errTimeUp), errors.Is(err, errRestarted):
		return false
	case errors.As(err, &interrupted):
		if interrupted.Indeterminate && !k.repeatable() {
			if !k.once() || k.asked.Boot == 0 {
				return false
			}
			k.taker = k.asked // who has it, perhaps, will know it again
		}
		moved = true
	case errors.As(err, &notReady):
		moved = true
	case errors.As(err, &overloaded):
	case errors.As(err, &quorum):
		if !k.repeatable() {
			return false
		}
	case errors.As(err, &connect):
		sent = false
	default:
		return false
	}
	pause := pauseBefore(k.retries)
	if moved && k.retries == 0 { // another node is as good at once
		pause = 0
	}
	if sinceEpoch()+pause >= k.limit-grace {
		return false
	}
	if sent && !c.retries.take(c.counts.calls.Load()) {
		c.counts.retriesSpent.Add(1)
		return false
	}
	if pause == 0 {
		return true
	}
	k.timer.Reset(pause)
	select {
	case <-k.timer.C:
		return true
	case <-ctx.Done():
	case <-c.life.Done():
	}
	return false
}

// pauseBefore is how long to wait before another attempt after so many that were tried again: half of it at random.
func pauseBefore(retries int) time.Duration {
	pause := min(pauseMin<<min(retries, 10), pauseMax) // the shift must not overflow, however many there are
	return pause/2 + rand.N(pause/2)
}

// last is the error of a call after its last attempt. What a multi-get brought before is better than that.
func (c *Client) last(k *call, err error) error {
	if k.partial != nil {
		k.response.Items = k.partial
		return nil
	}
	if k.retries == 0 {
		return err
	}
	return &RetryError{Attempts: k.retries + 1, Indeterminate: k.unsure, Err: err}
}

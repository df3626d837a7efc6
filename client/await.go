package client

import (
	"context"
	"math"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// await waits for the answer of the attempt under way, which it hedges when it is slow. Nothing of the call is under way
// afterwards. Errors are *lostError, or the node's.
func (c *Client) await(ctx context.Context, k *call) error {
	const never = time.Duration(math.MaxInt64)
	now := k.flights[0].began
	check, hedge := now+c.options.quiet/2, never
	if c.options.hedging && (k.request.Op == wire.OpGet || k.request.Op == wire.OpHead) && k.only == nil {
		hedge = now + min(max(c.latency.value(), hedgeMin), hedgeMax)
	}
	for {
		k.timer.Reset(min(check, hedge, k.limit) - now)
		select {
		case f := <-k.done:
			k.landed(f)
			if f.err == nil || k.flying == 0 { // a failure leaves the answer to the other flight
				return c.settle(k, f)
			}
			now = sinceEpoch()
		case <-ctx.Done():
			return c.abandon(k, ctx.Err())
		case <-k.timer.C:
			now = sinceEpoch()
			if now >= check || now >= k.limit {
				check = now + c.options.quiet/2
				k.suspect(now)
			}
			if now >= k.limit {
				return c.abandon(k, errTimeUp)
			}
			if now >= hedge {
				hedge = never
				c.hedge(ctx, k, now)
			}
		}
	}
}

// hedge sends the call to a second owner, if there is one and the budget allows it. Other nodes would ask the same owners,
// and without routing one node has all calls for as long as it works.
func (c *Client) hedge(ctx context.Context, k *call, now time.Duration) {
	cn := c.routes.Load().owner(k)
	if cn == nil || !c.hedges.take(c.counts.calls.Load()) {
		return
	}
	k.fill(ctx, k.limit-grace-now)
	if !cn.offer(k, &k.flights[1], now) {
		return
	}
	k.hedged = true
	k.tried = append(k.tried, cn.link)
	c.counts.hedges.Add(1)
}

// settle ends a call by a flight that came in.
func (c *Client) settle(k *call, f *flight) error {
	for i := range k.flights {
		if g := &k.flights[i]; g.flying {
			c.latency.observe(sinceEpoch() - g.began) // at least: who loses would else never count as slow
		}
	}
	k.recall()
	if f == &k.flights[1] && f.err == nil {
		c.counts.hedgesWon.Add(1)
	}
	k.node, k.response = f.conn.link, f.response
	return f.err
}

// abandon takes back what is under way; an answer that was faster after all counts.
func (c *Client) abandon(k *call, cause error) error {
	if f := k.recall(); f != nil {
		k.node, k.response = f.conn.link, f.response
		return f.err
	}
	return &lostError{cause: cause, sent: true}
}

// recall takes back what is under way. What has ended meanwhile is received, so that nothing of this call is left for the
// next one; of such flights it returns the best, or nil.
func (k *call) recall() (best *flight) {
	for i := range k.flights {
		if f := &k.flights[i]; f.flying && f.conn.withdraw(f) {
			k.landed(f)
		}
	}
	for k.flying > 0 {
		f := <-k.done
		k.landed(f)
		if best == nil || f.err == nil {
			best = f
		}
	}
	return best
}

// landed notes that a flight has been received or taken back.
func (k *call) landed(f *flight) {
	k.flying--
	f.flying = false
}

// suspect looks after the connections that let a call wait.
func (k *call) suspect(now time.Duration) {
	for i := range k.flights {
		if f := &k.flights[i]; f.flying {
			f.conn.suspect(now)
		}
	}
}

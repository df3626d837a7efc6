package client

import "sync/atomic"

// Counters is what a Client did since Dial, and what it holds now.
type Counters struct {
	Calls        uint64 // requests, of batches too; not those of the client's own
	Failed       uint64 // of these, ended with an error; a key that is not there is none
	Retries      uint64 // attempts after a call's first
	RetriesSpent uint64 // failures that could have been tried again, but the budget was spent
	Hedges       uint64 // second requests sent while the first had not been answered
	HedgesWon    uint64 // of these, answered first
	Dials        uint64 // attempts to connect
	DialsFailed  uint64 // of these
	ConnsLost    uint64 // connections that ended while the client was open
	Maps         uint64 // changes of the cluster map that were taken over
	MapsFailed   uint64 // attempts to fetch it that failed
	Conns        int    // connections that are open
	Nodes        int    // addresses that calls may go to
}

type counts struct {
	calls, failed, retries, retriesSpent, hedges, hedgesWon atomic.Uint64
	dials, dialsFailed, connsLost, maps, mapsFailed         atomic.Uint64
}

// Counters returns the counts as they are now; those of calls under way may be a little apart.
func (c *Client) Counters() Counters {
	n := &c.counts
	out := Counters{
		Calls: n.calls.Load(), Failed: n.failed.Load(), Retries: n.retries.Load(), RetriesSpent: n.retriesSpent.Load(),
		Hedges: n.hedges.Load(), HedgesWon: n.hedgesWon.Load(), Dials: n.dials.Load(), DialsFailed: n.dialsFailed.Load(),
		ConnsLost: n.connsLost.Load(), Maps: n.maps.Load(), MapsFailed: n.mapsFailed.Load(), Nodes: len(c.routes.Load().links),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		for i := range l.lanes {
			if cn := l.lanes[i].conn.Load(); cn != nil && cn.alive.Load() {
				out.Conns++
			}
		}
	}
	return out
}

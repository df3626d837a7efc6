package server

import (
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// scan answers from one partition after another, as long as they are this node's, so that a scan of a cluster
// that holds little is a few requests and not one for each partition.
func (n *Node) scan(now vclock.Now, client coordinator.Client, r *wire.Request, frame []byte, out *replica.Outbox) {
	var page replica.ScanPage
	if page.Open(n.view.Load(), r) == nil {
		for ok := true; ok && !page.Done(); {
			s := &n.shards[int(page.Cursor.Partition)&(len(n.shards)-1)]
			s.mu.Lock()
			ok = s.Scan(now, &page)
			s.mu.Unlock()
		}
	}
	if page.Empty() {
		n.request(now, client, r, frame, out)
		return
	}
	resp := page.Response()
	out.Answer(client, &resp)
}

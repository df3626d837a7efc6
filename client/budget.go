package client

import (
	"sync"
	"sync/atomic"
	"time"
)

// budget lets a share of all calls be sent once more. What a cluster that is in trouble gets on top of its load is
// bounded by it, whatever the number of callers. Calls pay nothing for it: what they earned is reckoned when it is spent.
type budget struct {
	share float64 // of all calls
	burst float64 // that may be spent at once after a quiet time

	mu     sync.Mutex
	credit float64
	seen   uint64 // calls that have been reckoned
}

func newBudget(share, burst float64) budget {
	return budget{share: share, burst: burst, credit: burst}
}

// take spends one, if there is one, after so many calls in all.
func (b *budget) take(calls uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if calls > b.seen { // else somebody who looked later came first
		b.credit = min(b.credit+float64(calls-b.seen)*b.share, b.burst)
		b.seen = calls
	}
	if b.credit < 1 {
		return false
	}
	b.credit--
	return true
}

// quantile follows the 95th percentile of what it observes, without keeping any: it goes up by 19 steps where a sample is
// above it and down by one where it is not, which balance where one of twenty is above. Concurrent observations may
// overwrite each other; the estimate does not mind.
type quantile struct{ nanos atomic.Int64 }

const quantileFirst = 10 * time.Millisecond // before anything was observed

func (q *quantile) observe(d time.Duration) {
	at := q.nanos.Load()
	if at == 0 {
		at = int64(quantileFirst)
	}
	step := at/1024 + 1
	if int64(d) > at {
		step *= -19
	}
	q.nanos.Store(at - step)
}

func (q *quantile) value() time.Duration {
	if at := q.nanos.Load(); at != 0 {
		return time.Duration(at)
	}
	return quantileFirst
}

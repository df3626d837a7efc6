package server

import "time"

// Quick returns cfg with the periods short that a test would wait for: nodes find each other in a fraction of the time,
// and one that comes back recovers from two seconds on, which is then the longest deadline of a request. All nodes of
// a cluster must have it or none.
func Quick(cfg Config) Config {
	t := *cfg.withDefaults().tuning
	t.coordinator.TimeoutMax = 2 * time.Second
	t.gossip.Gossip, t.gossip.Rejoin = 20*time.Millisecond, 500*time.Millisecond
	t.exchange.Period, t.exchange.Settle = 2*time.Second, 2*time.Second
	t.skewWait = 500 * time.Millisecond
	cfg.tuning = &t
	return cfg
}

package client

import (
	"fmt"
	"time"
)

// The defaults of a Loader that is given no options.
const (
	DefaultLoadTTL     = 5 * time.Minute  // of what was loaded
	DefaultMissTTL     = 5 * time.Second  // of the memory that there is none
	DefaultJitter      = 0.1              // share of a TTL that chance takes away, at most
	DefaultLoads       = 64               // at once
	DefaultLoadTimeout = 10 * time.Second // of one load
)

// loadOptions are those of a Loader.
type loadOptions struct {
	calls   []CallOption
	missTTL time.Duration
	jitter  float64
	early   float64
	loads   int
	timeout time.Duration
}

// LoadOption configures a Loader.
type LoadOption func(*loadOptions)

// WithLoadDefaults applies opts to every GetOrLoad that does not override them: WithTTL for how long what was loaded is
// kept (DefaultLoadTTL otherwise), WithLevel and WithTimeout for reading and writing the cache. A short timeout is what
// a slow cache may add to a load.
func WithLoadDefaults(opts ...CallOption) LoadOption {
	return func(o *loadOptions) { o.calls = append(o.calls, opts...) }
}

// WithMissTTL sets how long it is remembered that a load found nothing. A longer time spares the source, and hides for
// longer what comes to be there. 0 remembers nothing.
func WithMissTTL(d time.Duration) LoadOption {
	return func(o *loadOptions) { o.missTTL = max(d, 0) }
}

// WithJitter sets which share of each TTL, 0 to 1, chance may take away, so that what was loaded together does not
// expire together.
func WithJitter(share float64) LoadOption {
	return func(o *loadOptions) { o.jitter = min(max(share, 0), 1) }
}

// WithEarlyRefresh sets how eagerly a value that is still there is loaded anew, in the background, as it comes to expire:
// 1, the default, is the optimum of Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede
// Prevention", 2015, §4; more is earlier, 0 is never. In place of each item's own time to load this takes the Loader's
// recent mean.
func WithEarlyRefresh(beta float64) LoadOption {
	return func(o *loadOptions) { o.early = max(beta, 0) }
}

// WithLoads bounds the loads that run at once; others wait for their turn. It is what the source has to bear when the
// cache is empty, or down.
func WithLoads(n int) LoadOption {
	return func(o *loadOptions) { o.loads = max(n, 1) }
}

// WithLoadTimeout bounds one load, which its callers do not: it goes on when they have left, for those who come next.
func WithLoadTimeout(d time.Duration) LoadOption {
	return func(o *loadOptions) { o.timeout = max(d, time.Millisecond) }
}

// LoadError is returned by GetOrLoad for a key that was not in the cache and could not be loaded.
type LoadError struct {
	Key string
	// Err is what the load returned; a *PanicError; context.DeadlineExceeded of a load that ran into its own time limit;
	// or the error of the caller's context if that ended first, while the load goes on.
	Err error
}

// Error says which key it was and why.
func (e *LoadError) Error() string {
	return fmt.Sprintf("client: loading %s: %v", quoted(e.Key), e.Err)
}

// Unwrap returns why the key could not be loaded.
func (e *LoadError) Unwrap() error { return e.Err }

// PanicError is what becomes of a load that panics, or that ends its goroutine: an error for everyone who waits for it.
type PanicError struct {
	Value any    // what it panicked with; nil if it ended its goroutine
	Stack []byte // where, for a log
}

// Error says what the load panicked with.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "the load ended its goroutine"
	}
	return fmt.Sprintf("the load panicked: %v", e.Value)
}

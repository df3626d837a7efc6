package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/ring"
	"github.com/urfave/cli/v2"
	"golang.org/x/time/rate"
)

// standardStream is the file's name for standard input or output.
const standardStream = "-"

// onErrors are what --on-error takes.
var onErrors = []string{"stop", "skip"}

// transferFlags are those of export and import.
func transferFlags(skips string, more ...cli.Flag) []cli.Flag {
	return keyFlags(append([]cli.Flag{
		&cli.BoolFlag{Name: "resume", DisableDefaultText: true, Usage: "go on where the one before stopped"},
		&cli.StringFlag{Name: "on-error", Usage: "`WHAT` to do with " + skips + ": stop or skip", Value: "stop"},
		&cli.Float64Flag{Name: "rate", Usage: "at most `N` keys a second", DefaultText: "as fast as it goes"},
		&cli.StringFlag{Name: "bandwidth", Usage: "at most `SIZE` a second, as in 5MiB", DefaultText: "as fast as it goes"},
	}, more...)...)
}

// totals are what a transfer has done, in JSON, and in the file from which it goes on.
type totals struct {
	Keys          int64 `json:"keys"`           // read from one side and written to the other
	ValueBytes    int64 `json:"value_bytes"`    // of these keys
	KeysExpired   int64 `json:"keys_expired"`   // left out, because their deadline has passed or they are gone
	KeysForgotten int64 `json:"keys_forgotten"` // left out, because too few nodes vouch for what one has; an export's only
	KeysFailed    int64 `json:"keys_failed"`    // left out with --on-error skip
	LinesBad      int64 `json:"lines_bad"`      // likewise; an import's only
	Lines         int64 `json:"lines"`          // of the file
}

// transferred is the result of a transfer.
type transferred struct {
	Done string `json:"done"` // export or import
	File string `json:"file"`
	totals
	DurationMillis int64 `json:"duration_ms"` // of this run
}

func (d *transferred) show(t *tool) error {
	return t.table(table.Row{"DONE", "FILE", "KEYS", "VALUES", "EXPIRED", "FORGOTTEN", "FAILED", "BAD LINES", "LINES", "TIME"}, []table.Row{{
		d.Done, d.File, d.Keys, formatSize(d.ValueBytes), d.KeysExpired, d.KeysForgotten, d.KeysFailed, d.LinesBad, d.Lines,
		(time.Duration(d.DurationMillis) * time.Millisecond).String(),
	}})
}

// transfer is one export or import under way.
type transfer struct {
	*tool
	*session
	name, file string
	totals
	skip   bool // what cannot be read or stored, and go on
	keys   *pace
	bytes  *pace
	screen *progress
	begun  time.Time
}

// newTransfer reads the flags and connects; the caller closes the session.
func (t *tool) newTransfer(c *cli.Context, file string) (*transfer, error) {
	x := &transfer{tool: t, name: c.Command.Name, file: file, begun: time.Now()}
	switch what := c.String("on-error"); what {
	case "skip":
		x.skip = true
	case "stop":
	default:
		return nil, unknown("--on-error", what, onErrors)
	}
	if c.IsSet("rate") {
		n := c.Float64("rate")
		if !(n > 0 && n <= 1e9) { // which NaN is not either
			return nil, usage("--rate %v: use a number above 0", n)
		}
		x.keys = newPace(n)
	}
	if c.IsSet("bandwidth") {
		n, err := parseSize(c.String("bandwidth"))
		if err != nil || n == 0 {
			return nil, usage("--bandwidth %q: use bytes a second, as in 5MiB", c.String("bandwidth"))
		}
		x.bytes = newPace(float64(n))
	}
	if file == standardStream && c.Bool("resume") {
		return nil, usage("--resume goes with a FILE: nothing is remembered of standard input and output")
	}
	if t.errTerminal {
		x.screen = &progress{to: t.err, name: x.name, begun: x.begun}
	}
	s, err := dialWith(c) // every key from and to its owners
	x.session = s
	return x, err
}

// finish says what was done: on standard output, unless the result itself went there.
func (x *transfer) finish(to io.Writer) error {
	out := *x.tool
	out.out = to
	return out.present(x.style, &transferred{x.name, x.file, x.totals, time.Since(x.begun).Milliseconds()})
}

// stopError is a transfer that did not come to its end.
type stopError struct {
	err   error
	where string // it got to
	next  string // what goes on with it, if anything does
}

func (e *stopError) Error() string {
	text := "interrupted"
	if !errors.Is(e.err, context.Canceled) {
		text = say(e.err)
	}
	if text += ": stopped " + e.where; e.next != "" {
		text += ": go on with " + e.next
	}
	return text
}

func (e *stopError) Unwrap() error { return e.err }

// pace holds a transfer back to so many a second; nil does not.
type pace struct{ limit *rate.Limiter }

// newPace lets a tenth of a second's worth through at once.
func newPace(perSecond float64) *pace {
	return &pace{rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/10)))}
}

// wait returns when n more may go, or with the context's error.
func (p *pace) wait(ctx context.Context, n int) error {
	for p != nil && n > 0 {
		some := min(n, p.limit.Burst())
		if err := p.limit.WaitN(ctx, some); err != nil {
			return err
		}
		n -= some
	}
	return ctx.Err()
}

// progress is a line on a terminal that says how far a transfer is. It is drawn when there is something new, ten times a
// second at most, so that it needs no goroutine.
type progress struct {
	to          io.Writer
	name        string
	begun, next time.Time
}

const progressEvery = 100 * time.Millisecond

// draw shows that done of total are done, in whatever unit, which is so many keys; total may be 0 where it is not known.
func (p *progress) draw(now time.Time, done, total, keys int64) {
	if p == nil || now.Before(p.next) {
		return
	}
	p.next = now.Add(progressEvery)
	fmt.Fprintf(p.to, "\r%s\x1b[K", p.line(now, done, total, keys))
}

func (p *progress) line(now time.Time, done, total, keys int64) string {
	const width = 30
	seconds := max(now.Sub(p.begun).Seconds(), 0.001)
	text := fmt.Sprintf("%d keys  %.0f keys/s", keys, float64(keys)/seconds)
	if total <= 0 {
		return p.name + "  " + text
	}
	share := min(float64(done)/float64(total), 1)
	left := "?"
	if share > 0 {
		left = time.Duration(seconds * (1 - share) / share * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%s  %s %3.0f%%  %s  %s left", p.name, bar(share, width), 100*share, text, left)
}

// bar draws a share from 0 to 1.
func bar(share float64, width int) string {
	full := int(share * float64(width))
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", width-full) + "]"
}

// wipe takes the line away, so that something else can be written.
func (p *progress) wipe() {
	if p != nil {
		p.next = time.Time{}
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// bookmarkVersion changes when a bookmark's fields mean something else.
const bookmarkVersion = 2

// bookmark is where a transfer goes on, kept in a file beside the one that is written or read.
type bookmark struct {
	Version   int    `json:"version"`
	Cluster   string `json:"cluster"`
	ClusterID string `json:"cluster_id"`
	Offset    int64  `json:"offset_bytes"`     // up to which FILE is done
	Checksum  uint32 `json:"crc32c,omitempty"` // of that much of it; an import's only
	Cursor    []byte `json:"cursor,omitempty"` // of an export
	Prefix    []byte `json:"prefix,omitempty"`
	Namespace string `json:"namespace,omitempty"` // empty: the default one
	totals
}

// readBookmark returns the bookmark of path, or nil where there is none.
func readBookmark(path string) (*bookmark, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usage("--resume: %v", err)
	}
	m := &bookmark{}
	if err := json.Unmarshal(b, m); err != nil || m.Version != bookmarkVersion || m.Offset < 0 {
		return nil, usage("--resume: %s is not one of this version's: remove it, and begin again", path)
	}
	return m, nil
}

func (m *bookmark) write(path string) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return replaceFile(path, append(b, '\n'))
}

// bookmark makes sure that the one found belongs to this cluster, and begins one where there is none.
func (x *transfer) bookmark(ctx context.Context, found *bookmark) (*bookmark, error) {
	m, err := x.Map(ctx)
	if err != nil {
		return nil, err
	}
	id := nodeID(m.ClusterID)
	if found == nil {
		return &bookmark{Version: bookmarkVersion, Cluster: m.Cluster, ClusterID: id, Namespace: x.namespace}, nil
	}
	if found.ClusterID != id {
		return nil, usage("--resume: %s was begun with the cluster %s (%s), and this is %s (%s)", x.file, found.Cluster, found.ClusterID, m.Cluster, id)
	}
	if found.Namespace != x.namespace {
		return nil, usage("--resume: %s was begun in the namespace %q, and this is %q", x.file, cmp.Or(found.Namespace, ring.DefaultNamespace), cmp.Or(x.namespace, ring.DefaultNamespace))
	}
	x.totals = found.totals
	return found, nil
}

// all reads keys. Those whose values did not fit one response with the others are asked for alone; so is the first that
// failed otherwise, because a multi-get does not say of one key which nodes kept it.
func (s *session) all(ctx context.Context, keys []string) ([]client.Result, error) {
	results, err := s.MGet(ctx, keys)
	if results == nil {
		return nil, err
	}
	first := true
	for i := range results {
		r := &results[i]
		var large *client.TooLargeError
		var quorum *client.QuorumError
		if errors.As(r.Err, &large) || first && errors.As(r.Err, &quorum) {
			first = first && quorum == nil
			r.Item, r.Err = s.GetItem(ctx, keys[i])
		}
	}
	return results, nil
}

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// HintPeriod is how often the log comes round: what is delivered sooner costs the disk nothing, and a crash takes no hint that
// is older.
const HintPeriod = 250 * time.Millisecond

const (
	hintPause  = 2 * time.Millisecond  // between two rounds while there is more to do at once
	hintSoon   = 20 * time.Millisecond // while what came back from disk goes to its target, and makes room for more
	hintRest   = 5 * time.Second       // for a disk that has refused something
	hintRelog  = 256                   // hints that each queue writes again in a round, so that a segment can go
	asideMax   = 16                    // files that are set aside and kept
	asideEnd   = ".corrupt"
	hintFormat = "%016x-%d.log"
	numberMax  = 1 << 62 // of a file: there is always a next one
)

// HintQueues are where a node's hints are.
type HintQueues interface {
	// Len is how many queues there are.
	Len() int
	// Visit lets f have one of them, under its lock.
	Visit(i int, f func(*hints.Queue))
	// Peer says whether what is on disk for a node is to come back, and whether the node was removed from the cluster.
	Peer(node uint64) (wanted, removed bool)
	// Locate says which queue a hint belongs to and of which partition it is; false where it is owed no more.
	Locate(target uint64, key []byte) (queue int, partition uint32, owed bool)
}

// HintLogStats counts what became of the files of hints.
type HintLogStats struct {
	Bytes    int64 `json:"log_bytes"`
	BytesMax int64 `json:"log_bytes_max"`
	Segments int   `json:"log_segments"`
	Unread   int64 `json:"log_bytes_unread"` // of Bytes: what is there is not in memory
	Failing  int64 `json:"log_failing"`      // 1: the disk has refused what was tried last
	Failed   int64 `json:"log_failed"`       // times that it did
	Full     int64 `json:"log_full"`         // times that there was no room for what a target is owed
	SetAside int64 `json:"log_set_aside"`    // files that are not what was written
	Torn     int64 `json:"log_torn"`         // files whose end never came to the disk
	Expired  int64 `json:"log_expired"`      // hints that had expired when they were read back
	Skipped  int64 `json:"log_skipped"`      // that nobody was owed any more, and files of nodes that were removed
}

// HintLog keeps the hints of a node in files, DIR/hints/TARGET-NUMBER.log, as hints.Log decides. It is for one caller at a
// time, and that is nobody who answers requests. No failure of the disk is its caller's: hints stay in memory, and the disk
// is asked again a few seconds later.
type HintLog struct {
	disk   Disk
	path   string
	whose  hints.Whose // but for the target
	limits wire.Limits
	cfg    hints.LogConfig
	warn   func(what string, err error)

	log      *hints.Log    // nil: what is there has not been listed yet
	due      time.Duration // of letting files go,
	writeDue time.Duration // and of writing
	loaded   time.Duration // when something came back from disk last
	writes   health
	reads    health
	removals health
	stats    HintLogStats
	aside    int // files that are set aside

	files   map[uint64]File          // of each target the segment that is written
	unsaved []uint64                 // of these, written since the last sync
	made    bool                     // the directory is there, and on disk
	renamed bool                     // the directory has names that are not on disk
	full    map[uint64]time.Duration // until then there is no room for a target
	batches []batch
	live    map[[2]uint64]int64 // bytes that are owed, by target and segment
	targets []uint64
	buf     []byte
	message wire.Message
	tries   int // to read the segment that failed last
}

// health is how the disk takes one kind of thing.
type health struct {
	rest    time.Duration // it is not asked before
	failing bool
	said    bool // that it does; not again before it has taken something
}

// HintLog returns the log of the hints of the directory's node in its cluster, nil without a directory or where there is to be
// none. Warn is told of what an operator should know, once.
func (d *Dir) HintLog(cfg hints.LogConfig, limits wire.Limits, warn func(what string, err error)) *HintLog {
	if d.path == None || cfg.BytesMax == 0 {
		return nil
	}
	return &HintLog{
		disk: d.disk, path: d.file("hints"), whose: hints.Whose{Cluster: d.id.ClusterID, Node: d.id.NodeID}, limits: limits, cfg: cfg,
		warn: warn, files: map[uint64]File{}, full: map[uint64]time.Duration{}, live: map[[2]uint64]int64{},
	}
}

// Round does what is to be done now: hints that are new go to disk, files that nothing needs go, and what was read back goes to
// the queues. It returns after how long it is to be called again: HintPeriod at most.
func (h *HintLog) Round(now vclock.Now, to HintQueues) (wait time.Duration) {
	if h.log == nil && (now.Mono < h.reads.rest || !h.list(now)) {
		return HintPeriod
	}
	more := false
	if now.Mono >= h.writeDue { // however often it comes round for what is read
		if more = h.Write(now, to); !more {
			h.writeDue = now.Mono + HintPeriod
		}
	}
	if now.Mono >= max(h.due, h.removals.rest) { // what was merged with hints that came back is written by now
		h.due = now.Mono + HintPeriod
		h.tidy(now, to)
	}
	if wait = h.read(now, to); more {
		wait = hintPause
	}
	return wait
}

// Close gives the files up. What Round has not written is lost.
func (h *HintLog) Close() {
	for target := range h.files {
		h.closeFile(target)
	}
}

// Stats is a copy of the counts.
func (h *HintLog) Stats() HintLogStats {
	s := h.stats
	s.BytesMax = h.cfg.BytesMax
	if h.writes.failing || h.reads.failing || h.removals.failing {
		s.Failing = 1
	}
	if h.log != nil {
		s.Bytes, s.Segments = h.log.Size()
		for _, t := range h.log.Targets(nil) {
			s.Unread += h.log.UnreadBytes(t)
		}
	}
	return s
}

// Of is what a target takes on disk, and how much of that is not in memory, in bytes.
func (h *HintLog) Of(target uint64) (bytes, unread int64) {
	if h.log == nil {
		return 0, 0
	}
	return h.log.BytesOf(target), h.log.UnreadBytes(target)
}

// Targets are those that have something on disk.
func (h *HintLog) Targets() []uint64 {
	if h.log == nil {
		return nil
	}
	return h.log.Targets(nil)
}

// list finds what an earlier process has left. Files that are not this node's are set aside at once, whoever put them there;
// those that cannot be read are tried again, and then set aside too. None of them keeps the others from being found.
func (h *HintLog) list(now vclock.Now) bool {
	names, err := h.disk.List(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h.failed(&h.reads, now, "hints of before cannot be found", err)
	}
	log := hints.NewLog(h.cfg)
	h.aside = 0
	for _, name := range names {
		var target, number uint64
		if strings.HasSuffix(name, asideEnd) {
			h.aside++
		}
		if _, err := fmt.Sscanf(name, hintFormat, &target, &number); err != nil || name != h.name(target, number) || number-1 >= numberMax {
			continue // nothing that a node has written
		}
		size, err := h.look(target, name)
		if err == nil {
			log.Found(target, number, size)
			continue
		}
		known := errors.Is(err, hints.ErrDamaged) || errors.Is(err, hints.ErrForeign)
		if !known && h.tries+1 < triesMax {
			h.tries++
			return h.failed(&h.reads, now, "hints of before cannot be read", err)
		}
		log.Number(number)
		if err := h.setAside(name, err); err != nil {
			h.failed(&h.removals, now, "a file of hints can neither be set aside nor be used, and stays where it is", err)
		}
	}
	h.log, h.reads, h.tries = log, health{}, 0
	return true
}

// look says how long a file of hints for a target is, or what is wrong with it: ErrDamaged or ErrForeign is wrapped by what
// no other attempt would find better.
func (h *HintLog) look(target uint64, name string) (size int64, err error) {
	f, err := h.disk.Open(h.file(name), os.O_RDONLY)
	if err == nil {
		defer f.Close()
		size, err = f.Size()
	}
	switch {
	case errors.Is(err, fs.ErrInvalid), errors.Is(err, fs.ErrNotExist): // it was listed: a link to nothing
		return 0, fmt.Errorf("%w: it is no file", hints.ErrDamaged)
	case err != nil:
		return 0, err
	case size > h.cfg.BytesMax: // a file without end would never be read to it
		return 0, fmt.Errorf("%w: %d bytes, more than all hints may take", hints.ErrDamaged, size)
	case size < hints.HeaderBytes: // it never came to the disk
		return size, nil
	}
	head := make([]byte, hints.HeaderBytes)
	if n, err := f.ReadAt(head, 0); n < len(head) {
		return 0, err
	}
	w := h.whose
	w.Target = target
	return size, hints.CheckHeader(head, w)
}

// tidy lets go of the files that nothing needs, and has hints written again that keep one which is mostly dead.
func (h *HintLog) tidy(now vclock.Now, to HintQueues) {
	clear(h.live)
	for i := range to.Len() {
		to.Visit(i, func(q *hints.Queue) {
			q.EachPortion(func(target, segment uint64, bytes int64) { h.live[[2]uint64{target, segment}] += bytes })
		})
	}
	removed := func(target uint64) bool { _, removed := to.Peer(target); return removed }
	needed := func(target, segment uint64) bool { return h.live[[2]uint64{target, segment}] > 0 }
	refused := false
	for _, x := range h.log.Gone(needed, removed) {
		name := h.name(x.Target, x.Segment)
		if x.Last {
			h.closeFile(x.Target)
		}
		var err error
		if x.Damaged {
			err = h.setAside(name, hints.ErrDamaged)
		} else {
			err = h.disk.Remove(h.file(name))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.failed(&h.removals, now, "a file of hints cannot be removed", err)
			refused = true
			continue
		}
		if x.Unread {
			h.stats.Skipped++
		}
		h.log.Removed(x)
	}
	if !refused {
		h.removals = health{}
	}
	h.targets = h.log.Targets(h.targets[:0])
	for _, target := range h.targets {
		live := int64(0)
		for at, bytes := range h.live {
			if at[0] == target {
				live += bytes
			}
		}
		if segment, ok := h.log.Relog(target, live); ok {
			for i := range to.Len() {
				to.Visit(i, func(q *hints.Queue) { q.Relog(target, segment, hintRelog) })
			}
		}
	}
}

// setAside keeps a file that is not what was written, or not by this node, for someone to look at; those are a few at most.
func (h *HintLog) setAside(name string, why error) error {
	if h.aside >= asideMax {
		if err := h.disk.Remove(h.file(name)); err != nil {
			return err
		}
		h.warn("a file of hints is removed: as many are set aside as are kept: look at those in "+h.path+", and remove them", fmt.Errorf("%s: %w", name, why))
	} else {
		if err := h.disk.Rename(h.file(name), h.file(name)+asideEnd); err != nil {
			return err
		}
		h.aside++
		h.warn("a file of hints is set aside: what could be read of it is kept: reads and repairs bring the rest; remove it when nobody wants to look at it",
			fmt.Errorf("%s: %w", h.file(name)+asideEnd, why))
	}
	h.stats.SetAside++
	return nil
}

// failed notes that the disk refused something, and says so if that is new. It returns false.
func (h *HintLog) failed(x *health, now vclock.Now, what string, err error) bool {
	h.stats.Failed++
	if !x.said {
		h.warn(what+": hints stay in memory, where a crash takes them, until the disk is right again: see to its room and rights", err)
	}
	*x = health{rest: now.Mono + hintRest, failing: true, said: true}
	return false
}

func (h *HintLog) file(name string) string { return filepath.Join(h.path, name) }

func (h *HintLog) name(target, segment uint64) string {
	return fmt.Sprintf(hintFormat, target, segment)
}

// closeFile gives up the segment of a target that is written.
func (h *HintLog) closeFile(target uint64) {
	if f := h.files[target]; f != nil {
		_ = f.Close() // what counts is synced
		delete(h.files, target)
	}
}

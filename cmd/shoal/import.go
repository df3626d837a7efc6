package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/urfave/cli/v2"
)

func (t *tool) importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "store what an export wrote", ArgsUsage: "[FILE]",
		Flags: transferFlags("lines that are no record and keys that are refused",
			&cli.IntFlag{Name: "skip", Usage: "leave out the first `N` lines"},
			&cli.IntFlag{Name: "parallel", Usage: "`N` batches under way at a time", Value: 4}),
		Description: "Without FILE, or with -, the lines come from standard input. Each is an object with key and value, and, for one that\n" +
			"expires, deadline_ms (since 1970) or ttl_ms (from now); key_encoding and encoding may be base64 or hex. Of a key\n" +
			"that is there twice the last line counts. Where it stopped is kept in FILE.offset: --resume goes on there.",
		Action: func(c *cli.Context) error {
			file, err := optional(c, "FILE")
			if err != nil {
				return err
			}
			skip, parallel := c.Int("skip"), c.Int("parallel")
			switch {
			case skip < 0 || c.IsSet("skip") && c.Bool("resume"):
				return usage("--skip %d: use a number from 0, and --resume without it", skip)
			case parallel < 1 || parallel > 64:
				return usage("--parallel %d: use 1 to 64", parallel)
			}
			x, err := t.newTransfer(c, file)
			if err != nil {
				return err
			}
			defer x.Close()
			m := &importer{transfer: x}
			in, err := m.open(c.Context, c.Bool("resume"))
			if err != nil {
				return err
			}
			defer in.Close()
			err = m.run(c.Context, in, int64(skip), parallel)
			x.screen.wipe()
			return err
		},
	}
}

// importer stores lots of lines, several at a time, and keeps count in the order of the file: behind what is
// counted, everything has been stored.
type importer struct {
	*transfer
	at       *bookmark // nil: standard input
	size     int64     // of FILE; 0 where that says nothing
	saved    time.Time
	firstBad error
}

// saveEvery is how much of an import may have to be repeated after a crash, in time.
const saveEvery = 500 * time.Millisecond

func (m *importer) offsetFile() string { return m.file + ".offset" }

// open returns FILE, at the place to begin.
func (m *importer) open(ctx context.Context, resume bool) (io.ReadCloser, error) {
	if m.file == standardStream {
		if f, ok := m.in.(*os.File); ok && closed(f) {
			return nil, usage("standard input is closed: send the lines there, or name a FILE")
		}
		return io.NopCloser(m.in), nil
	}
	f, err := unlessInterrupted(ctx, "import: opening "+m.file, func() (*os.File, error) {
		f, err := os.Open(m.file)
		if err != nil {
			return nil, usage("import: %v", err)
		}
		return f, nil
	})
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, usage("import: %v", err)
	case info.IsDir():
		return nil, usage("import: %s is a directory", m.file)
	case !info.Mode().IsRegular():
		return f, nil
	}
	m.size = info.Size()
	var found *bookmark
	if resume {
		if found, err = readBookmark(m.offsetFile()); err != nil {
			return nil, err
		}
	}
	if m.at, err = m.bookmark(ctx, found); err != nil {
		return nil, err
	}
	if m.at.Offset == 0 {
		return f, nil
	}
	return unlessInterrupted(ctx, "--resume: reading "+m.file, func() (io.ReadCloser, error) { return f, m.unchanged(f) })
}

// unchanged reads f up to where to go on, and refuses one that is not what has been imported; behind that it may have been
// mended.
func (m *importer) unchanged(f io.Reader) error {
	sum := crc32.New(castagnoli)
	if _, err := io.CopyN(sum, f, m.at.Offset); err != nil && err != io.EOF {
		return usage("--resume: %v", err)
	} else if err != nil || sum.Sum32() != m.at.Checksum {
		return usage("--resume: the part of %s that has been imported is not what it was: import it from its beginning, or with --skip %d", m.file, m.at.Lines)
	}
	return nil
}

// run stores what in holds. An interruption ends the reading: what is under way is waited for, so that the place where
// it stopped is exact. A read that never returns is left behind.
func (m *importer) run(ctx context.Context, in io.Reader, skip int64, parallel int) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	r := &lotReader{in: newLineReader(in), skip: skip, most: m.lotLines(), keys: m.keys, bytes: m.bytes}
	if m.at != nil {
		r.in.number, r.in.offset, r.in.sum = m.Lines, m.at.Offset, m.at.Checksum
	}
	lots := make(chan *lot, parallel-1) // and the one that is counted
	go func() {
		defer close(lots)
		for l := r.next(reading); l != nil; l = r.next(reading) {
			go l.store(reading, m.session)
			lots <- l
		}
	}()
	for {
		select {
		case l, more := <-lots:
			if !more {
				return m.end(cmp.Or(r.failed, ctx.Err()))
			}
			if err := m.settled(l); err != nil {
				stop()
				return m.end(err)
			}
		case <-ctx.Done():
			return m.end(cmp.Or(m.drain(lots), ctx.Err()))
		}
	}
}

// lotLines keeps lots small where few lines go in a second.
func (m *importer) lotLines() int {
	if m.keys == nil {
		return lotLines
	}
	return min(lotLines, m.keys.limit.Burst())
}

// drain counts the lots that are under way.
func (m *importer) drain(lots <-chan *lot) error {
	for {
		select {
		case l, more := <-lots:
			if !more {
				return nil
			}
			if err := m.settled(l); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// settled waits for a lot, counts it, and keeps the place.
func (m *importer) settled(l *lot) error {
	<-l.done
	for i := range l.lines {
		if err := m.count(&l.lines[i]); err != nil {
			return err
		}
	}
	m.screen.draw(time.Now(), l.last().offset, m.size, m.Keys)
	return m.save(false)
}

// count adds a line, unless it is where the import stops.
func (m *importer) count(line *importLine) error {
	err := line.err
	if line.bad != nil {
		err = &usageError{line.bad.Error()}
	}
	if err != nil {
		err = fmt.Errorf("line %d: %w", line.number, err)
		if !m.skip || !perKey(err) {
			return err
		}
		m.note(err)
	}
	switch {
	case line.bad != nil:
		m.LinesBad++
	case line.err != nil:
		m.KeysFailed++
	case line.late:
		m.KeysExpired++
	case line.stored:
		m.Keys++
		m.ValueBytes += int64(len(line.record.value))
	}
	m.Lines = line.number
	if m.at != nil {
		m.at.Offset, m.at.Checksum = line.offset, line.sum
	}
	return nil
}

func (m *importer) note(err error) {
	if m.firstBad == nil {
		m.firstBad = err
	}
}

// perKey reports whether an error says something of one key, and the next may do better. Where there is nobody to ask,
// skipping would leave out all that is left.
func perKey(err error) bool {
	var connect *client.ConnectError
	var notReady *client.NotReadyError
	return !errors.As(err, &connect) && !errors.As(err, &notReady)
}

// save keeps the place, now and then or now.
func (m *importer) save(now bool) error {
	if m.at == nil || !now && time.Since(m.saved) < saveEvery {
		return nil
	}
	m.saved = time.Now()
	m.at.totals = m.totals
	return m.at.write(m.offsetFile())
}

// end says how it went.
func (m *importer) end(err error) error {
	if err != nil {
		stopped := &stopError{err, fmt.Sprintf("behind line %d", m.Lines), fmt.Sprintf("--skip %d", m.Lines)}
		if m.at != nil {
			if err := m.save(true); err != nil {
				return err
			}
			stopped.next = "--resume"
		}
		return stopped
	}
	if m.at != nil {
		if err := os.Remove(m.offsetFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &outputError{err}
		}
	}
	if err := m.finish(m.tool.out); err != nil {
		return err
	}
	switch {
	case m.firstBad == nil && m.KeysFailed+m.LinesBad == 0:
		return nil
	case m.firstBad == nil: // it was before the import was gone on with
		return usage("%s and %s were left out", count(int(m.LinesBad), "bad line"), count(int(m.KeysFailed), "key"))
	}
	return fmt.Errorf("%s and %s were left out; the first: %w", count(int(m.LinesBad), "bad line"), count(int(m.KeysFailed), "key"), m.firstBad)
}

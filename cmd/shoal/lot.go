package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/shoalcache/shoal/client"
)

// A lot is full with so many lines, or bytes of them.
const (
	lotLines = 100
	lotBytes = 1 << 20
)

// lot is some lines of an import that are stored together.
type lot struct {
	lines []importLine
	keys  map[string]bool
	size  int           // of the lines, in bytes
	done  chan struct{} // closed when all of it has been tried
}

// importLine is one line, and what became of it.
type importLine struct {
	number int64
	offset int64 // behind it
	sum    uint32
	record *record
	bad    error // why there is no record; without either the line is empty, or was left out
	err    error // of storing it
	stored bool
	late   bool // its deadline had passed
}

func newLot() *lot { return &lot{keys: map[string]bool{}, done: make(chan struct{})} }

func (l *lot) add(line *importLine, size int) {
	l.lines = append(l.lines, *line)
	l.size += size
	if line.record != nil {
		l.keys[line.record.key] = true
	}
}

func (l *lot) last() *importLine { return &l.lines[len(l.lines)-1] }

// store sends the lot, and what fails in passing again, until ctx ends; what is under way then is waited for.
func (l *lot) store(ctx context.Context, s *session) {
	defer close(l.done)
	var pending []*importLine
	for i := range l.lines {
		if l.lines[i].record != nil {
			pending = append(pending, &l.lines[i])
		}
	}
	_ = persist(ctx, func() error { // each line has its error
		pending = send(context.WithoutCancel(ctx), s, pending)
		if len(pending) == 0 {
			return nil
		}
		return pending[0].err
	})
}

// send stores lines, and returns those that failed in passing. Deadlines become what is left of them now, after all
// waiting.
func send(ctx context.Context, s *session, lines []*importLine) (failed []*importLine) {
	now := time.Now()
	var b client.Batch
	var sent []*importLine
	for _, line := range lines {
		opts := []client.CallOption{client.Idempotent()}
		if at := line.record.deadline; !at.IsZero() {
			left := at.Sub(now)
			if left <= 0 {
				line.late, line.err = true, nil
				continue
			}
			opts = append(opts, client.WithTTL(left))
		}
		b.Set(line.record.key, line.record.value, opts...)
		sent = append(sent, line)
	}
	results, err := s.Do(ctx, &b)
	for i, line := range sent {
		if line.err = err; i < len(results) {
			line.err = results[i].Err
		}
		if line.stored = line.err == nil; !line.stored && passing(line.err) {
			failed = append(failed, line)
		}
	}
	return failed
}

// lotReader cuts a file into lots. Two lots that are under way at a time never have a key in common, so that of two lines
// with one key the later one counts.
type lotReader struct {
	in          *lineReader
	skip        int64 // lines
	most        int   // lines of a lot
	keys, bytes *pace
	underWay    []*lot
	held        *importLine // read, and left for the next lot
	failed      error       // what ended the file before its end
}

// next returns the next lot, or nil at the end, when the file cannot be read, or when ctx ends. It does not wait
// for more lines while it has some: a pipe that pauses keeps nothing back.
func (r *lotReader) next(ctx context.Context) *lot {
	l := newLot()
	if r.held != nil {
		l.add(r.held, 0)
		r.held = nil
	}
	for len(l.lines) < r.most && l.size < lotBytes && (len(l.lines) == 0 || r.in.ready()) {
		line, size, err := r.read(ctx)
		if err != nil {
			if err != io.EOF {
				r.failed = err
			}
			break
		}
		if line.record != nil && l.keys[line.record.key] {
			r.held = line
			break
		}
		if l.add(line, size); line.bad != nil {
			break
		}
	}
	if len(l.lines) == 0 || ctx.Err() != nil {
		return nil
	}
	r.settle(l)
	return l
}

// settle waits for lots that l has a key in common with.
func (r *lotReader) settle(l *lot) {
	running := r.underWay[:0]
	for _, before := range r.underWay {
		for key := range l.keys {
			if before.keys[key] {
				<-before.done
				break
			}
		}
		select {
		case <-before.done:
		default:
			running = append(running, before)
		}
	}
	clear(r.underWay[len(running):])
	r.underWay = append(running, l)
}

// read returns one line, when it may go, and its size.
func (r *lotReader) read(ctx context.Context) (*importLine, int, error) {
	text, err := r.in.next()
	if err != nil && err != errLineTooLong {
		return nil, 0, err
	}
	line := &importLine{number: r.in.number, offset: r.in.offset, sum: r.in.sum}
	switch {
	case r.in.number <= r.skip:
		return line, 0, nil
	case err != nil:
		line.bad = err
		return line, 0, nil
	case len(bytes.TrimSpace(text)) == 0:
		return line, 0, nil
	}
	if line.record, line.bad = parseRecord(text, time.Now()); line.bad != nil {
		return line, 0, nil
	}
	if err := r.keys.wait(ctx, 1); err != nil {
		return nil, 0, err
	}
	return line, len(text), r.bytes.wait(ctx, len(text))
}

var errLineTooLong = fmt.Errorf("a line of more than %d bytes, which no record takes", recordMax)

// castagnoli is the checksum that processors know; it finds what changed in a file by mistake, and no malice.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// lineReader reads lines, and knows where it is.
type lineReader struct {
	in     *bufio.Reader
	number int64  // of the last line that was read
	offset int64  // behind it
	sum    uint32 // of all up to there
	most   int    // bytes of a line
	text   []byte
}

func newLineReader(in io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(in, 64<<10), most: recordMax}
}

// ready reports whether there is more without waiting for it.
func (r *lineReader) ready() bool { return r.in.Buffered() > 0 }

// next returns the next line, until the one after it is asked for, without its end. It is io.EOF behind the last one, and
// errLineTooLong for one that is not kept whole; the next one can be read then.
func (r *lineReader) next() ([]byte, error) {
	r.text = r.text[:0]
	long := false
	for {
		part, err := r.in.ReadSlice('\n')
		r.offset += int64(len(part))
		r.sum = crc32.Update(r.sum, castagnoli, part)
		if long = long || len(r.text)+len(part) > r.most; !long {
			r.text = append(r.text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && len(r.text) == 0 && !long:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		}
		if r.number++; r.number == 1 {
			r.text = bytes.TrimPrefix(r.text, []byte("\ufeff")) // the mark that some editors put before UTF-8
		}
		if long {
			r.text = nil
			return nil, errLineTooLong
		}
		return bytes.TrimSuffix(r.text, []byte("\n")), nil
	}
}

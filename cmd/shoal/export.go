package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/urfave/cli/v2"
)

// exportChunk is how many values are asked for, and held, at a time.
const exportChunk = 100

func (t *tool) exportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write keys, values and deadlines as JSON lines", ArgsUsage: "[FILE]",
		Flags: transferFlags("keys that cannot be read", prefixFlag(), &cli.BoolFlag{Name: "force", DisableDefaultText: true, Usage: "replace FILE if it is there"}),
		Description: "Without FILE, or with -, the lines go to standard output. A key that is written to meanwhile is exported as it is\n" +
			"before or after. One owner of each partition says which keys there are: what it has evicted is left out. Where\n" +
			"FILE.cursor is there, the export of FILE did not come to its end: --resume goes on from the last page that was written.",
		Action: func(c *cli.Context) error {
			file, err := optional(c, "FILE")
			if err != nil {
				return err
			}
			prefix, err := prefixOf(c)
			if err != nil {
				return err
			}
			x, err := t.newTransfer(c, file)
			if err != nil {
				return err
			}
			defer x.Close()
			e := &export{transfer: x, prefix: prefix}
			if err := e.open(c.Context, c.Bool("resume"), c.Bool("force")); err != nil {
				return err
			}
			err = e.run(c.Context)
			x.screen.wipe()
			return err
		},
	}
}

// optional is the one argument of a command, which may be left out for standard input or output.
func optional(c *cli.Context, what string) (string, error) {
	switch c.NArg() {
	case 0:
		return standardStream, nil
	case 1:
		if c.Args().First() == "" {
			return "", usage("%s needs a name: shoal %s %s", what, c.Command.Name, what)
		}
		return c.Args().First(), nil
	}
	return "", usage("%s takes no argument %q: shoal %s [%s]", c.Command.Name, c.Args().Get(1), c.Command.Name, what)
}

// export writes pages of keys. Behind each page it keeps a bookmark, so that a page is written as a whole or, by what
// goes on, again.
type export struct {
	*transfer
	prefix   string
	to       *os.File // nil: standard output
	marks    bool     // FILE is one that can be gone on with
	out      *bufio.Writer
	at       *bookmark
	line     []byte
	total    int64 // keys there may be; 0 where it is not known
	firstBad error
}

func (e *export) cursorFile() string { return e.file + ".cursor" }

// open finds where to begin, and makes FILE end there. The bookmark is there before FILE is: without one, FILE counts as
// complete.
func (e *export) open(ctx context.Context, resume, force bool) error {
	found, err := e.find(resume, force)
	if err != nil {
		return err
	}
	if e.at, err = e.bookmark(ctx, found); err != nil {
		return err
	}
	e.at.Prefix = []byte(e.prefix)
	if e.screen != nil && e.prefix == "" {
		e.total = e.keysThere(ctx)
	}
	if e.file == standardStream {
		e.out = bufio.NewWriterSize(e.tool.out, 64<<10)
		return nil
	}
	if e.marks && found == nil {
		if err := e.at.write(e.cursorFile()); err != nil {
			return err
		}
	}
	e.to, err = unlessInterrupted(ctx, "export: opening "+e.file, func() (*os.File, error) {
		f, err := os.OpenFile(e.file, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return nil, &outputError{err}
		}
		return f, nil
	})
	if err != nil {
		return err
	}
	e.out = bufio.NewWriterSize(e.to, 64<<10)
	if !e.marks {
		return nil
	}
	info, err := e.to.Stat()
	if err == nil && info.Size() < e.at.Offset {
		return usage("--resume: %s is shorter than it was: begin again with --force", e.file)
	}
	if err == nil {
		err = e.to.Truncate(e.at.Offset)
	}
	if err == nil {
		_, err = e.to.Seek(e.at.Offset, io.SeekStart)
	}
	if err != nil {
		return &outputError{err}
	}
	return nil
}

// find returns the bookmark to go on from, or nil to begin.
func (e *export) find(resume, force bool) (*bookmark, error) {
	if resume && force {
		return nil, usage("--resume goes on and --force begins again: use one of them")
	}
	if e.file == standardStream {
		return nil, nil
	}
	info, err := os.Stat(e.file)
	there := err == nil
	if e.marks = !there || info.Mode().IsRegular(); !e.marks { // a pipe, or a device
		if resume {
			return nil, usage("--resume: %s is no file that could be gone on with", e.file)
		}
		return nil, nil
	}
	found, err := readBookmark(e.cursorFile())
	switch {
	case err != nil:
		return nil, err
	case force:
		return nil, nil
	case found == nil && there && resume:
		return nil, usage("--resume: %s is complete: there is no %s", e.file, e.cursorFile())
	case found == nil && there:
		return nil, usage("%s is there already: choose another name, or replace it with --force", e.file)
	case found != nil && !resume:
		return nil, usage("an export to %s stopped after %s: go on with --resume, or begin again with --force", e.file, count(int(found.Keys), "key"))
	case found != nil && string(found.Prefix) != e.prefix:
		return nil, usage("--resume: the export to %s has the prefix %q", e.file, found.Prefix)
	}
	return found, nil
}

// keysThere is about how many keys the cluster holds, by what its nodes say; 0 where they do not.
func (e *export) keysThere(ctx context.Context) int64 {
	m, err := e.Map(ctx)
	if err != nil || len(namespacesOf(m).Namespaces) > 1 { // nodes count the keys of all of them
		return 0
	}
	status, copies, sites := gather(ctx, e.session, m), int64(0), map[string]int64{}
	for _, n := range status.Nodes {
		copies += n.Keys
		sites[n.Datacenter]++
	}
	each := int64(0) // copies of one key
	for _, nodes := range sites {
		each += min(nodes, int64(status.Replicas))
	}
	return copies / max(each, 1)
}

func (e *export) run(ctx context.Context) error {
	err := e.pages(ctx)
	if err == nil {
		err = e.close()
	}
	if err != nil {
		var output *outputError
		if errors.As(err, &output) {
			return err
		}
		stopped := &stopError{err: err, where: "after " + count(int(e.at.Keys), "key")}
		if e.marks {
			stopped.next = "--resume"
		}
		return stopped
	}
	to := e.tool.out
	if e.to == nil {
		to = e.tool.err
	}
	if err := e.finish(to); err != nil {
		return err
	}
	if e.KeysForgotten > 0 && !e.json() {
		fmt.Fprintf(e.tool.err, "shoal: too few nodes vouch for %s: export again when shoal status shows nothing recovering, or with -c one\n", count(int(e.KeysForgotten), "key"))
	}
	if e.firstBad != nil {
		return fmt.Errorf("%s could not be read; the first: %w", count(int(e.KeysFailed), "key"), e.firstBad)
	}
	return nil
}

// pages writes what is left. A scan that broke off begins again at the page that it did not bring.
func (e *export) pages(ctx context.Context) error {
	for {
		var page client.Page
		err := persist(ctx, func() (err error) {
			for page, err = range e.ScanPages(ctx, string(e.at.Cursor), client.WithPrefix(e.prefix)) {
				break
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := e.page(ctx, page.Keys); err != nil {
			return err
		}
		e.at.totals, e.at.Cursor = e.totals, []byte(page.Next)
		if page.Next == "" {
			return nil
		}
		if e.marks {
			if err := e.at.write(e.cursorFile()); err != nil {
				return err
			}
		}
	}
}

// page writes the keys of one page.
func (e *export) page(ctx context.Context, keys []string) error {
	for some := range slices.Chunk(keys, exportChunk) {
		if err := e.chunk(ctx, some); err != nil {
			return err
		}
		e.screen.draw(time.Now(), e.Keys, e.total, e.Keys)
	}
	if err := e.out.Flush(); err != nil {
		return &outputError{err}
	}
	return nil
}

// chunk writes some keys.
func (e *export) chunk(ctx context.Context, keys []string) error {
	if err := e.keys.wait(ctx, len(keys)); err != nil {
		return err
	}
	var results []client.Result
	err := persist(ctx, func() (err error) {
		if results, err = e.all(ctx, keys); err != nil {
			return err
		}
		for i := range results {
			if r := &results[i]; r.Err != nil && passing(r.Err) {
				return r.Err
			}
		}
		return nil
	})
	if ctx.Err() != nil { // keys that were interrupted have not failed
		return ctx.Err()
	}
	if results == nil {
		return err
	}
	written := 0
	for i := range results {
		switch r := &results[i]; {
		case errors.Is(r.Err, client.ErrNotFound) && r.Forgotten:
			e.KeysForgotten++
			continue
		case errors.Is(r.Err, client.ErrNotFound):
			e.KeysExpired++
			continue
		case r.Err != nil && !e.skip:
			return fmt.Errorf("%s: %w", e.printable([]byte(keys[i])), r.Err)
		case r.Err != nil:
			if e.KeysFailed++; e.firstBad == nil {
				e.firstBad = fmt.Errorf("%s: %w", e.printable([]byte(keys[i])), r.Err)
			}
			continue
		}
		if e.line, err = e.appendRecord(e.line[:0], keys[i], &results[i].Item); err != nil {
			return err
		}
		if _, err := e.out.Write(e.line); err != nil {
			return &outputError{err}
		}
		written += len(e.line)
		e.at.Offset += int64(len(e.line))
		e.Keys, e.Lines, e.ValueBytes = e.Keys+1, e.Lines+1, e.ValueBytes+int64(len(results[i].Value))
	}
	return e.bytes.wait(ctx, written)
}

// close makes sure that FILE is on the disk before the bookmark goes.
func (e *export) close() error {
	if e.to == nil {
		return nil
	}
	var err error
	if e.marks { // a pipe or a device has nothing to sync
		err = e.to.Sync()
	}
	if closed := e.to.Close(); err == nil {
		err = closed
	}
	if e.marks && err == nil {
		err = os.Remove(e.cursorFile())
	}
	if err != nil {
		return &outputError{err}
	}
	return nil
}

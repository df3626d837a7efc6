package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// item is a key in JSON. TTL is null where the key does not expire.
type item struct {
	Key         string `json:"key"`
	KeyEncoding string `json:"key_encoding,omitempty"` // base64 where the key is no text
	Value       string `json:"value"`
	Encoding    string `json:"encoding,omitempty"` // base64 where the value is no text
	Stamp       string `json:"stamp"`              // milliseconds since 1970, and a count within them
	TTLMillis   *int64 `json:"ttl_ms"`
}

func (t *tool) getCommand() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "print a value", ArgsUsage: "KEY", Flags: sessionFlags(levelFlag()),
		Description: "On a terminal the value and a newline, in a pipe its bytes. A key that begins with - goes behind --.",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "KEY")
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			it, err := s.GetItem(c.Context, args[0])
			if err != nil {
				return notFound(err, args[0], it.Forgotten)
			}
			return t.show(s.format, args[0], &it)
		},
	}
}

// show writes one item.
func (t *tool) show(format, key string, it *client.Item) error {
	ttl := it.TTL(time.Now())
	switch {
	case format == formatJSON || format == formatJSONLines:
		doc := item{Stamp: vclock.Stamp(it.Stamp).String()}
		doc.Key, doc.KeyEncoding = encoded([]byte(key))
		doc.Value, doc.Encoding = encoded(it.Value)
		if ttl > 0 {
			left := ttl.Milliseconds()
			doc.TTLMillis = &left
		}
		return t.document(doc, format)
	case format == formatTable:
		left := "-"
		if ttl > 0 {
			left = ttl.Round(time.Millisecond).String()
		}
		return t.table(table.Row{"KEY", "VALUE", "TTL", "STAMP"},
			[]table.Row{{printable([]byte(key)), printable(it.Value), left, vclock.Stamp(it.Stamp)}})
	case format == "" && t.terminal:
		return t.write([]byte(printable(it.Value) + "\n"))
	}
	return t.write(it.Value)
}

func notFound(err error, key string, forgotten bool) error {
	if !errors.Is(err, client.ErrNotFound) {
		return err
	}
	if forgotten {
		return fmt.Errorf("%w: %s (nodes that may have had it have forgotten it)", err, printable([]byte(key)))
	}
	return fmt.Errorf("%w: %s", err, printable([]byte(key)))
}

func (t *tool) setCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "store a value", ArgsUsage: "KEY VALUE",
		Flags: sessionFlags(levelFlag(),
			&cli.DurationFlag{Name: "ttl", Usage: "let it expire after `TIME`, as in 90s or 24h", DefaultText: "never"}),
		Description: "A VALUE of - is read from standard input, one of @FILE from that file.",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "KEY", "VALUE")
			if err != nil {
				return err
			}
			var opts []client.CallOption
			if c.IsSet("ttl") {
				if c.Duration("ttl") <= 0 {
					return usage("--ttl %v: give it more than 0, as in 1m, or leave it out to keep the key", c.Duration("ttl"))
				}
				opts = append(opts, client.WithTTL(c.Duration("ttl")))
			}
			value, err := t.value(args[1])
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := s.Set(c.Context, args[0], value, opts...); err != nil {
				return err
			}
			return t.done(s.format, args[0])
		},
	}
}

// value reads an argument that may name where the value is. Values too large for any cluster are not read whole.
func (t *tool) value(arg string) ([]byte, error) {
	in, where := t.in, "standard input"
	if name, ok := strings.CutPrefix(arg, "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("the value: %v", err)
		}
		defer f.Close()
		in, where = f, name
	} else if arg != "-" {
		return []byte(arg), nil
	}
	most := wire.DefaultLimits().Value
	b, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	switch {
	case err != nil:
		return nil, usage("the value, from %s: %v", where, err)
	case len(b) > most:
		return nil, usage("the value, from %s: more than the %s that a value may have", where, formatSize(int64(most)))
	}
	return b, nil
}

func (t *tool) delCommand() *cli.Command {
	return &cli.Command{
		Name: "del", Usage: "remove a key; that there is none is no error", ArgsUsage: "KEY", Flags: sessionFlags(levelFlag()),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "KEY")
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := s.Delete(c.Context, args[0]); err != nil {
				return err
			}
			return t.done(s.format, args[0])
		},
	}
}

// done confirms a write: to people and in JSON; a pipe gets nothing.
func (t *tool) done(format, key string) error {
	switch {
	case format == formatJSON || format == formatJSONLines:
		var doc struct {
			Key         string `json:"key"`
			KeyEncoding string `json:"key_encoding,omitempty"`
			OK          bool   `json:"ok"`
		}
		doc.Key, doc.KeyEncoding = encoded([]byte(key))
		doc.OK = true
		return t.document(doc, format)
	case format == formatTable || format == "" && t.terminal:
		return t.write([]byte("OK\n"))
	}
	return nil
}

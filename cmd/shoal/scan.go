package main

import (
	"bufio"
	"encoding/json"
	"fmt"

	"github.com/shoalcache/shoal/client"
	"github.com/urfave/cli/v2"
)

func prefixFlag() cli.Flag {
	return &cli.StringFlag{Name: "prefix", Usage: "only keys that begin with `TEXT`"}
}

// prefixOf reads --prefix.
func prefixOf(c *cli.Context) (string, error) {
	b, err := plain(c, "prefix", c.String("prefix"))
	return string(b), err
}

func (t *tool) scanCommand() *cli.Command {
	return &cli.Command{
		Name: "scan", Usage: "print the keys of the cluster, in no order", Flags: keyFlags(prefixFlag(),
			&cli.IntFlag{Name: "limit", Usage: "end after `N` keys", DefaultText: "none"}),
		Description: "Keys are printed as they come in. One owner of each partition says which there are; one that it holds all along is\n" +
			"printed at least once, and perhaps more often.",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			limit := c.Int("limit")
			if c.IsSet("limit") && limit < 1 {
				return usage("--limit %d: use a number from 1", limit)
			}
			prefix, err := prefixOf(c)
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			k := &keyStream{style: s.style, people: s.people(t), out: bufio.NewWriterSize(t.out, 64<<10)}
			k.begin()
			for page, err := range s.ScanPages(c.Context, "", client.WithPrefix(prefix)) {
				if err != nil {
					_ = k.flush() // what is known is shown; the error says that it is not all
					return fmt.Errorf("after %s: %w", count(k.written, "key"), err)
				}
				for _, key := range page.Keys {
					if k.key(key); k.written == limit {
						break
					}
				}
				if err := k.flush(); err != nil {
					return err
				}
				if k.written == limit {
					break
				}
			}
			k.end()
			return k.flush()
		},
	}
}

// keyStream writes keys as they come; the buffer remembers a failure until it is flushed.
type keyStream struct {
	style
	people  bool
	out     *bufio.Writer
	written int
}

func (k *keyStream) begin() {
	switch {
	case k.format == formatJSON:
		fmt.Fprint(k.out, "[")
	case k.format == formatTable:
		fmt.Fprintln(k.out, "KEY")
	}
}

func (k *keyStream) key(key string) {
	switch {
	case k.json():
		line, _ := json.Marshal(k.style.key(key)) // of two strings
		if k.format == formatJSON && k.written > 0 {
			fmt.Fprint(k.out, ",")
		}
		if k.format == formatJSON {
			fmt.Fprint(k.out, "\n  ")
		}
		_, _ = k.out.Write(line)
		if k.format == formatJSONLines {
			fmt.Fprintln(k.out)
		}
	case k.people || k.hex:
		fmt.Fprintln(k.out, k.printable([]byte(key)))
	default:
		fmt.Fprintln(k.out, key)
	}
	k.written++
}

func (k *keyStream) end() {
	if k.format == formatJSON {
		fmt.Fprint(k.out, "\n]\n")
	}
}

func (k *keyStream) flush() error {
	if err := k.out.Flush(); err != nil {
		return &outputError{err}
	}
	return nil
}

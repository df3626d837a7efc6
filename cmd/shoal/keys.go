package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/vclock"
	"github.com/urfave/cli/v2"
)

// keyText is a key in JSON.
type keyText struct {
	Key         string `json:"key"`
	KeyEncoding string `json:"key_encoding,omitempty"` // base64 where the key is no text, hex where that was asked for
}

func (y style) key(key string) keyText {
	text, encoding := y.encoded([]byte(key))
	return keyText{text, encoding}
}

// item is a key and what is held of it, in JSON.
type item struct {
	keyText
	*held
}

// held is what a cluster holds of a key, in JSON. TTL is null where the key does not expire.
type held struct {
	Value     string `json:"value"`
	Encoding  string `json:"encoding,omitempty"` // as of the key
	Stamp     string `json:"stamp"`              // milliseconds since 1970, and a count within them
	TTLMillis *int64 `json:"ttl_ms"`
}

func (y style) held(it *client.Item, now time.Time) *held {
	doc := &held{Stamp: vclock.Stamp(it.Stamp).String(), TTLMillis: millisLeft(it, now)}
	doc.Value, doc.Encoding = y.encoded(it.Value)
	return doc
}

// millisLeft is how long an item still lives, or nil for ever.
func millisLeft(it *client.Item, now time.Time) *int64 {
	ttl := it.TTL(now)
	if ttl == 0 {
		return nil
	}
	left := ttl.Milliseconds()
	return &left
}

// formatTTL is what millisLeft returns, for people.
func formatTTL(left *int64, forever string) string {
	if left == nil {
		return forever
	}
	return (time.Duration(*left) * time.Millisecond).String()
}

func (t *tool) getCommand() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "print a value", ArgsUsage: "KEY",
		Flags:       keyFlags(&cli.BoolFlag{Name: "siblings", DisableDefaultText: true, Usage: "print all values that stand beside each other, the latest first; a table or JSON has the context for set --seen"}),
		Description: "On a terminal the value and a newline, in a pipe its bytes. A key that begins with - goes behind --.",
		Action: asking(oneKey, func(c *cli.Context, s *session, key string) error {
			var opts []client.CallOption
			if c.Bool("siblings") {
				opts = append(opts, client.WithSiblings())
			}
			it, err := s.GetItem(c.Context, key, opts...)
			if err != nil {
				return notFound(err, s.printable([]byte(key)), it.Forgotten)
			}
			if c.Bool("siblings") {
				return t.showSiblings(s.style, key, &it)
			}
			return t.showItem(s.style, key, &it)
		}),
	}
}

// showItem writes one item.
func (t *tool) showItem(y style, key string, it *client.Item) error {
	now := time.Now()
	switch {
	case y.json():
		return t.document(item{y.key(key), y.held(it, now)}, y.format)
	case y.format == formatTable:
		return t.table(table.Row{"KEY", "VALUE", "TTL", "STAMP"}, []table.Row{{
			y.printable([]byte(key)), y.printable(it.Value), formatTTL(millisLeft(it, now), "-"), vclock.Stamp(it.Stamp),
		}})
	case y.people(t):
		return t.write([]byte(y.printable(it.Value) + "\n"))
	}
	return t.write(y.raw(it.Value))
}

// notFound says of which key err speaks; key is printable.
func notFound(err error, key string, forgotten bool) error {
	if !errors.Is(err, client.ErrNotFound) {
		return err
	}
	if forgotten {
		return fmt.Errorf("%w: %s (nodes that may have had it have forgotten it)", err, key)
	}
	return fmt.Errorf("%w: %s", err, key)
}

func ttlFlag() cli.Flag {
	return &cli.DurationFlag{Name: "ttl", Usage: "let it expire after `TIME`, as in 90s or 24h", DefaultText: "never"}
}

// ttlOf reads --ttl.
func ttlOf(c *cli.Context) ([]client.CallOption, error) {
	if !c.IsSet("ttl") {
		return nil, nil
	}
	if c.Duration("ttl") < time.Millisecond {
		return nil, usage("--ttl %v: give it 1ms or more, as in 1m, or leave it out to keep the key", c.Duration("ttl"))
	}
	return []client.CallOption{client.WithTTL(c.Duration("ttl"))}, nil
}

func (t *tool) setCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "store a value", ArgsUsage: "KEY VALUE",
		Flags: keyFlags(append([]cli.Flag{
			ttlFlag(), literalFlag(), absentFlag(),
			&cli.BoolFlag{Name: "get", DisableDefaultText: true, Usage: "print the value that was there"},
		}, presentFlags()...)...),
		Description: "A VALUE of - is read from standard input, one of @FILE from that file.",
		Action: func(c *cli.Context) error {
			key, value, opts, err := t.keyAndValue(c)
			if err != nil {
				return err
			}
			if !c.Bool("get") {
				return t.writing(c, key, func(s *session) error { return s.Set(c.Context, key, value, opts...) })
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			was, there, err := s.GetAndSet(c.Context, key, value, opts...)
			if err != nil {
				return err
			}
			return t.showPrevious(s.style, key, &was, there)
		},
	}
}

// keyAndValue reads the arguments of a command that writes one value, and the flags that say how.
func (t *tool) keyAndValue(c *cli.Context) (key string, value []byte, opts []client.CallOption, err error) {
	args, err := arguments(c, "KEY", "VALUE")
	if err != nil {
		return "", nil, nil, err
	}
	keys, err := keysOf(c, args[:1])
	if err != nil {
		return "", nil, nil, err
	}
	if opts, err = ttlOf(c); err != nil {
		return "", nil, nil, err
	}
	conditions, err := conditionsOf(c)
	if err != nil {
		return "", nil, nil, err
	}
	if value, err = t.value(c, args[1]); err != nil {
		return "", nil, nil, err
	}
	return keys[0], value, append(opts, conditions...), nil
}

func (t *tool) delCommand() *cli.Command {
	return &cli.Command{
		Name: "del", Usage: "remove a key; that there is none is no error", ArgsUsage: "KEY", Flags: keyFlags(presentFlags()...),
		Action: func(c *cli.Context) error {
			key, err := oneKey(c)
			if err != nil {
				return err
			}
			opts, err := conditionsOf(c)
			if err != nil {
				return err
			}
			return t.writing(c, key, func(s *session) error { return s.Delete(c.Context, key, opts...) })
		},
	}
}

func (t *tool) expireCommand() *cli.Command {
	return &cli.Command{
		Name: "expire", Aliases: []string{"touch"}, Usage: "let a key expire after a time", ArgsUsage: "KEY TIME", Flags: keyFlags(),
		Description: "TIME is a number and its unit, as in 90s or 24h, and counts from now.",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "KEY", "TIME")
			if err != nil {
				return err
			}
			keys, err := keysOf(c, args[:1])
			if err != nil {
				return err
			}
			ttl, err := lifetime("TIME", args[1])
			if err != nil {
				return err
			}
			return t.writing(c, keys[0], func(s *session) error { return s.Touch(c.Context, keys[0], ttl) })
		},
	}
}

func (t *tool) persistCommand() *cli.Command {
	return &cli.Command{
		Name: "persist", Usage: "let a key live until memory is full", ArgsUsage: "KEY", Flags: keyFlags(),
		Action: func(c *cli.Context) error {
			key, err := oneKey(c)
			if err != nil {
				return err
			}
			return t.writing(c, key, func(s *session) error { return s.Touch(c.Context, key, 0) })
		},
	}
}

// writing does one write, and confirms it.
func (t *tool) writing(c *cli.Context, key string, write func(*session) error) error {
	s, err := dial(c)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := write(s); err != nil {
		return notFound(err, s.printable([]byte(key)), false)
	}
	return t.done(s.style, key)
}

// keyDone is a write that was done, in JSON.
type keyDone struct {
	keyText
	OK bool `json:"ok"`
}

// done confirms a write: to people and in JSON; a pipe gets nothing.
func (t *tool) done(y style, key string) error {
	switch {
	case y.json():
		return t.document(keyDone{y.key(key), true}, y.format)
	case y.people(t):
		return t.write([]byte("OK\n"))
	}
	return nil
}

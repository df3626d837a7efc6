package main

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// This file is the commands and flags that go by what is there: counters, appends, conditions and siblings.

// counter is what one stands at, in JSON: as text, since not every program's numbers have 64 bits.
type counter struct {
	keyText
	Value string `json:"value"`
}

func (t *tool) incrCommand() *cli.Command {
	return t.counting("incr", "add to a counter, and print it", client.KV.Incr)
}

func (t *tool) decrCommand() *cli.Command {
	return t.counting("decr", "take away from a counter, and print it", client.KV.Decr)
}

func (t *tool) counting(name, use string, add func(client.KV, context.Context, string, int64, ...client.CallOption) (int64, error)) *cli.Command {
	return &cli.Command{
		Name: name, Usage: use, ArgsUsage: "KEY",
		Flags: keyFlags(
			&cli.Int64Flag{Name: "by", Usage: "as much as `N`", Value: 1},
			&cli.Int64Flag{Name: "initial", Usage: "a counter that is not there begins at `N`", Value: 0},
			ttlFlag(),
		),
		Description: "A counter is a value of decimal digits, within 64 bits. --ttl is that of one that is not there; one that is keeps its own.\n" +
			"An addition that failed with \"may still have happened\" must not be tried again where it may not count twice.",
		Action: func(c *cli.Context) error {
			key, err := oneKey(c)
			if err != nil {
				return err
			}
			opts, err := ttlOf(c)
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			n, err := add(s.Client, c.Context, key, c.Int64("by"), append(opts, client.Initial(c.Int64("initial")))...)
			if err != nil { // to the cluster all of them add
				return &notedError{strings.Replace(err.Error(), wire.OpIncr.String()+":", name+":", 1), err}
			}
			text := strconv.FormatInt(n, 10)
			switch {
			case s.json():
				return t.document(counter{s.key(key), text}, s.format)
			case s.format == formatTable:
				return t.table(table.Row{"KEY", "VALUE"}, []table.Row{{s.printable([]byte(key)), text}})
			}
			return t.write([]byte(text + "\n"))
		},
	}
}

// appended is a value that was added to, in JSON.
type appended struct {
	keyDone
	ValueBytes int64 `json:"value_bytes"`
}

func (t *tool) appendCommand() *cli.Command {
	return &cli.Command{
		Name: "append", Usage: "add to the end of a value", ArgsUsage: "KEY VALUE", Flags: keyFlags(ttlFlag(), literalFlag()),
		Description: "A VALUE of - is read from standard input, one of @FILE from that file. --ttl is that of a value that is not there; one\n" +
			"that is keeps its own.",
		Action: func(c *cli.Context) error {
			key, value, opts, err := t.keyAndValue(c)
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			n, err := s.Append(c.Context, key, value, opts...)
			if err != nil {
				return err
			}
			if s.json() {
				return t.document(appended{keyDone{s.key(key), true}, n}, s.format)
			}
			return t.done(s.style, key)
		},
	}
}

// presentFlags are the conditions that a set and a delete have.
func presentFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "if-present", DisableDefaultText: true, Usage: "only where there is a value, else exit with 8"},
		&cli.StringFlag{Name: "if-version", Usage: "only where the value has this `STAMP`, as get -o json shows it, else exit with 8; 0: where there is none"},
		&cli.StringFlag{Name: "seen", Usage: "replace what get --siblings has shown with this `CONTEXT`, and nothing else"},
	}
}

func absentFlag() cli.Flag {
	return &cli.BoolFlag{Name: "if-absent", DisableDefaultText: true, Usage: "only where there is no value, else exit with 8. It is no lock: two sides of a partition may both find none"}
}

// conditionsOf reads --if-absent, --if-present, --if-version and --seen, of which one may be given.
func conditionsOf(c *cli.Context) ([]client.CallOption, error) {
	var given []string
	var opts []client.CallOption
	for _, f := range [...]string{"if-absent", "if-present", "if-version", "seen"} {
		if !c.IsSet(f) {
			continue
		}
		given = append(given, "--"+f)
		switch f {
		case "if-absent":
			opts = append(opts, client.IfAbsent())
		case "if-present":
			opts = append(opts, client.IfPresent())
		case "if-version":
			stamp, err := parseStamp(c.String(f))
			if err != nil {
				return nil, err
			}
			opts = append(opts, client.IfVersion(stamp))
		case "seen":
			seen, err := base64.RawURLEncoding.DecodeString(c.String(f))
			if err != nil || len(seen) == 0 {
				return nil, usage("--seen %.64q: use the context that get --siblings printed", c.String(f))
			}
			opts = append(opts, client.WithContext(seen))
		}
	}
	if len(given) > 1 {
		return nil, usage("%s: use one of them", strings.Join(given, " and "))
	}
	return opts, nil
}

// parseStamp reads a stamp as vclock.Stamp shows it.
func parseStamp(text string) (uint64, error) {
	millis, logical, both := strings.Cut(text, ".")
	ms, err := strconv.ParseUint(millis, 10, 47)
	low, wrong := uint64(0), error(nil)
	if both {
		low, wrong = strconv.ParseUint(logical, 10, 16)
	}
	if err != nil || wrong != nil || !both && ms != 0 {
		return 0, usage("--if-version %.64q: use the stamp as get -o json shows it, as in 1700000000000.5, or 0 for no value", text)
	}
	return uint64(vclock.StampAt(int64(ms))) | low, nil
}

// replaced is a set that also says what was there, in JSON: null where there was nothing.
type replaced struct {
	keyDone
	Previous *held `json:"previous"`
}

// showPrevious confirms a set with what it replaced, as get would have shown that.
func (t *tool) showPrevious(y style, key string, was *client.Item, there bool) error {
	now := time.Now()
	switch {
	case y.json():
		doc := replaced{keyDone: keyDone{y.key(key), true}}
		if there {
			doc.Previous = y.held(was, now)
		}
		return t.document(doc, y.format)
	case there:
		return t.showItem(y, key, was)
	case y.people(t):
		return t.write([]byte("nothing was there\n"))
	}
	return nil
}

// siblingList is a key and all its siblings, in JSON.
type siblingList struct {
	keyText
	Siblings []*held `json:"siblings"`
	Context  string  `json:"context"` // for set --seen and del --seen
}

// showSiblings writes all values of a key, the latest first, and for set --seen their context.
func (t *tool) showSiblings(y style, key string, it *client.Item) error {
	now := time.Now()
	doc := siblingList{keyText: y.key(key), Context: base64.RawURLEncoding.EncodeToString(it.Context)}
	var rows []table.Row
	for i := range it.Siblings {
		v := &it.Siblings[i]
		one := client.Item{Value: v.Value, Stamp: v.Stamp, Deadline: v.Deadline}
		doc.Siblings = append(doc.Siblings, y.held(&one, now))
		rows = append(rows, table.Row{y.printable(v.Value), formatTTL(millisLeft(&one, now), "-"), vclock.Stamp(v.Stamp)})
	}
	switch {
	case y.json():
		return t.document(doc, y.format)
	case y.people(t):
		if err := t.table(table.Row{"VALUE", "TTL", "STAMP"}, rows); err != nil {
			return err
		}
		return t.write([]byte("\ncontext " + doc.Context + "\n"))
	}
	for i := range it.Siblings {
		b := y.raw(it.Siblings[i].Value)
		if !y.hex {
			b = append(b, '\n')
		}
		if err := t.write(b); err != nil {
			return err
		}
	}
	return nil
}

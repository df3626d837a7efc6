package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/vclock"
	"github.com/urfave/cli/v2"
)

// found is one of several keys that were asked for, in JSON: as an item, where there is one.
type found struct {
	keyText
	Found *bool  `json:"found,omitempty"` // nil: it is not known
	Error string `json:"error,omitempty"` // why it is not known whether there is one
	*held
}

func (t *tool) mgetCommand() *cli.Command {
	return &cli.Command{
		Name: "mget", Usage: "print the values of several keys", ArgsUsage: "KEY...", Flags: keyFlags(),
		Description: "In a pipe one value a line, and an empty line for a key that is not there; -o jsonl tells them apart.",
		Action: asking(someKeys, func(c *cli.Context, s *session, keys []string) error {
			results, err := s.all(c.Context, keys)
			if err != nil {
				return err
			}
			if err := t.showMany(s.style, keys, results); err != nil {
				return err
			}
			return s.lacking(keys, results)
		}),
	}
}

func (t *tool) showMany(y style, keys []string, results []client.Result) error {
	now := time.Now()
	switch {
	case y.json():
		list := make([]found, len(keys))
		for i, key := range keys {
			list[i] = y.found(key, &results[i], now)
		}
		return documents(t, list, y.format)
	case y.people(t):
		var rows []table.Row
		for i, key := range keys {
			rows = append(rows, t.row(y, key, &results[i], now))
		}
		return t.table(table.Row{"KEY", "VALUE", "TTL", "STAMP"}, rows)
	}
	for i := range results {
		b := y.raw(results[i].Value)
		if !y.hex {
			b = append(b, '\n')
		}
		if err := t.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (y style) found(key string, r *client.Result, now time.Time) found {
	f := found{keyText: y.key(key)}
	switch {
	case r.Err == nil:
		f.Found, f.held = new(true), y.held(&r.Item, now)
	case errors.Is(r.Err, client.ErrNotFound):
		f.Found = new(false)
	default:
		f.Error = say(r.Err)
	}
	return f
}

func (t *tool) row(y style, key string, r *client.Result, now time.Time) table.Row {
	row := table.Row{y.printable([]byte(key))}
	switch {
	case r.Err == nil:
		return append(row, y.printable(r.Value), formatTTL(millisLeft(&r.Item, now), "-"), vclock.Stamp(r.Stamp))
	case errors.Is(r.Err, client.ErrNotFound):
		return append(row, t.colour(text.FgYellow, "not found"), "", "")
	}
	return append(row, t.colour(text.FgRed, "failed"), "", "")
}

// lacking is what to say of results that are not all there: of a key that could not be read before one that is missing.
func (y style) lacking(keys []string, results []client.Result) error {
	var missing []string
	for i := range results {
		switch {
		case errors.Is(results[i].Err, client.ErrNotFound):
			missing = append(missing, y.printable([]byte(keys[i])))
		case results[i].Err != nil:
			return fmt.Errorf("%s: %w", y.printable([]byte(keys[i])), results[i].Err)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", client.ErrNotFound, several(missing))
}

func (t *tool) existsCommand() *cli.Command {
	return &cli.Command{
		Name: "exists", Usage: "print whether keys are there", ArgsUsage: "KEY...", Flags: keyFlags(),
		Description: "Exits with 1 unless all of them are. In a pipe one line each, true or false.",
		Action: asking(someKeys, func(c *cli.Context, s *session, keys []string) error {
			var heads client.Batch
			for _, key := range keys {
				heads.Head(key)
			}
			results, err := s.Do(c.Context, &heads)
			if err != nil {
				return err
			}
			if err := t.showExistence(s.style, keys, results); err != nil {
				return err
			}
			return s.lacking(keys, results)
		}),
	}
}

func (t *tool) showExistence(y style, keys []string, results []client.Result) error {
	var rows []table.Row
	var lines strings.Builder
	list := make([]found, len(keys))
	for i, key := range keys {
		list[i] = found{keyText: y.key(key)}
		there := "?"
		if err := results[i].Err; err == nil || errors.Is(err, client.ErrNotFound) {
			list[i].Found, there = new(err == nil), strconv.FormatBool(err == nil)
		} else {
			list[i].Error = say(err)
		}
		rows = append(rows, table.Row{y.printable([]byte(key)), there})
		lines.WriteString(there + "\n")
	}
	switch {
	case y.json():
		return documents(t, list, y.format)
	case y.people(t):
		return t.table(table.Row{"KEY", "EXISTS"}, rows)
	}
	return t.write([]byte(lines.String()))
}

func (t *tool) msetCommand() *cli.Command {
	return &cli.Command{
		Name: "mset", Usage: "store several values", ArgsUsage: "KEY VALUE...", Flags: keyFlags(ttlFlag(), literalFlag()),
		Description: "Each is a write of its own: where some fail, the others are stored. VALUEs are as those of set; one of them may be -.",
		Action: func(c *cli.Context) error {
			pairs, err := t.pairs(c)
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
			if err := s.MSet(c.Context, pairs, opts...); err != nil {
				return s.unstored(pairs, err)
			}
			keys := make([]keyDone, len(pairs))
			for i, p := range pairs {
				keys[i] = keyDone{s.key(p.Key), true}
			}
			switch {
			case s.json():
				return documents(t, keys, s.format)
			case s.people(t):
				return t.write([]byte("OK\n"))
			}
			return nil
		},
	}
}

// pairs reads the arguments of mset.
func (t *tool) pairs(c *cli.Context) ([]client.Pair, error) {
	args := c.Args().Slice()
	switch {
	case len(args) == 0:
		return nil, usage("mset needs KEY: shoal mset KEY VALUE...")
	case len(args)%2 == 1:
		return nil, usage("mset needs a VALUE for %q: shoal mset KEY VALUE...", args[len(args)-1])
	}
	var pairs []client.Pair
	seen := map[string]bool{}
	stdin := false
	for i := 0; i < len(args); i += 2 {
		key, err := plain(c, "key", args[i])
		if err != nil {
			return nil, err
		}
		if seen[string(key)] {
			return nil, usage("mset: %q is there twice: which value would it be?", args[i])
		}
		seen[string(key)] = true
		if args[i+1] == "-" && !c.Bool("literal") {
			if stdin {
				return nil, usage("mset: standard input holds one value: use - once")
			}
			stdin = true
		}
		value, err := t.value(c, args[i+1])
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, client.Pair{Key: string(key), Value: value})
	}
	return pairs, nil
}

// unstored says which keys of an mset failed, and why the first did.
func (y style) unstored(pairs []client.Pair, err error) error {
	var multi *client.MultiError
	if !errors.As(err, &multi) {
		return err
	}
	var first error
	var failed []string
	for i, err := range multi.Errs {
		if err != nil {
			if first == nil {
				first = err
			}
			failed = append(failed, y.printable([]byte(pairs[i].Key)))
		}
	}
	return &notedError{fmt.Sprintf("%d of %s failed, %s: %s", len(failed), count(len(pairs), "write"), several(failed), say(first)), err}
}

// several is a list that does not get too long.
func several(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

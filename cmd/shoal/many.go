package main

import (
	"errors"
	"fmt"
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
	Found bool   `json:"found"`
	Error string `json:"error,omitempty"` // why it is not known whether there is one
	*held
}

func (t *tool) mgetCommand() *cli.Command {
	return &cli.Command{
		Name: "mget", Usage: "print the values of several keys", ArgsUsage: "KEY...", Flags: keyFlags(),
		Description: "In a pipe one value a line, and an empty line for a key that is not there; -o jsonl tells them apart.",
		Action: func(c *cli.Context) error {
			keys, err := someKeys(c)
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			results, err := s.MGet(c.Context, keys)
			if err != nil {
				return err
			}
			if err := t.showMany(s.style, keys, results); err != nil {
				return err
			}
			return s.lacking(keys, results)
		},
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
	f := found{keyText: y.key(key), Found: r.Err == nil}
	switch {
	case r.Err == nil:
		f.held = y.held(&r.Item, now)
	case !errors.Is(r.Err, client.ErrNotFound):
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
	const most = 5
	more := ""
	if len(missing) > most {
		more = fmt.Sprintf(" and %d more", len(missing)-most)
		missing = missing[:most]
	}
	return fmt.Errorf("%w: %s%s", client.ErrNotFound, strings.Join(missing, ", "), more)
}

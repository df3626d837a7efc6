package main

import (
	"context"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"
)

// remaining is how long a key still lives, in JSON.
type remaining struct {
	keyText
	TTLMillis      *int64 `json:"ttl_ms"`      // null: it does not expire
	DeadlineMillis *int64 `json:"deadline_ms"` // milliseconds since 1970; null likewise
	look           style
	shown          string
}

func (t *tool) ttlCommand() *cli.Command {
	return &cli.Command{
		Name: "ttl", Usage: "print how long a key still lives", ArgsUsage: "KEY", Flags: keyFlags(watchFlag()),
		Description: "On a terminal as in 9m59s, or never; in a pipe milliseconds, or -1.",
		Action: asking(oneKey, func(c *cli.Context, s *session, key string) error {
			return t.follow(c, s.style, func(ctx context.Context) (view, error) {
				it, err := s.Head(ctx, key)
				if err != nil {
					return nil, notFound(err, s.printable([]byte(key)), it.Forgotten)
				}
				doc := &remaining{keyText: s.key(key), TTLMillis: millisLeft(&it, time.Now()), look: s.style, shown: s.printable([]byte(key))}
				if doc.TTLMillis != nil {
					at := it.Deadline.UnixMilli()
					doc.DeadlineMillis = &at
				}
				return doc, nil
			})
		}),
	}
}

func (r *remaining) show(t *tool) error {
	switch {
	case r.look.format == formatTable:
		return t.table(table.Row{"KEY", "TTL"}, []table.Row{{r.shown, formatTTL(r.TTLMillis, "never")}})
	case r.look.people(t):
		return t.write([]byte(formatTTL(r.TTLMillis, "never") + "\n"))
	case r.TTLMillis == nil:
		return t.write([]byte("-1\n"))
	}
	return t.write([]byte(strconv.FormatInt(*r.TTLMillis, 10) + "\n"))
}

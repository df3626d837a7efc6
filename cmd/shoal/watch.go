package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// The time between two reports of --watch: unless another is given, and at least.
const (
	watchEvery = 2 * time.Second
	watchMin   = 100 * time.Millisecond
)

// view is the result of a report in its two forms: as JSON it is its fields, as a table what show writes.
type view interface{ show(t *tool) error }

// watchFlag may stand without its value, which reorder then adds.
func watchFlag() cli.Flag {
	return &cli.DurationFlag{Name: "watch", Aliases: []string{"w"}, Usage: "report every `INTERVAL` until Ctrl-C", DefaultText: "once; without a value every " + watchEvery.String()}
}

func isWatch(name string) bool { return name == "watch" || name == "w" }

// present writes v in the form that was asked for.
func (t *tool) present(y style, v view) error {
	if y.json() {
		return t.document(v, y.format)
	}
	return v.show(t)
}

// follow presents what ask returns, once or, with --watch, until the command is interrupted, which is no failure then.
// On a terminal each report takes the place of the one before; elsewhere they follow each other. A report that fails
// is an error the first time; later it is said, and asked for again: a cluster in trouble is what people watch.
func (t *tool) follow(c *cli.Context, y style, ask func(context.Context) (view, error)) error {
	ctx, every := c.Context, c.Duration("watch")
	watching := c.IsSet("watch")
	v, err := ask(ctx)
	if watching && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if !watching {
		return t.present(y, v)
	}
	screen := t.terminal && !y.json()
	clock := time.NewTicker(every)
	defer clock.Stop()
	for first := true; ; first = false {
		switch {
		case screen:
			err = t.redraw(c.Command.Name, every, first, v, err)
		case err != nil:
			t.complain(err, y.format)
			err = nil
		case first || y.json():
			err = t.present(y, v)
		default:
			if err = t.write([]byte("\n")); err == nil {
				err = t.present(y, v)
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-clock.C:
		}
		if v, err = ask(ctx); ctx.Err() != nil {
			return nil
		}
	}
}

// redraw puts a report, or why there is none, on the screen from its top. Each line wipes what it leaves of the line
// it covers, so that nothing flickers.
func (t *tool) redraw(name string, every time.Duration, first bool, v view, failed error) error {
	var b bytes.Buffer
	page := *t
	page.out = &b
	fmt.Fprintf(&b, "shoal %s, every %v, at %s, Ctrl-C ends\n\n", name, every, time.Now().Format(time.TimeOnly))
	if failed != nil {
		fmt.Fprintf(&b, "%s\n", say(failed))
	} else if err := v.show(&page); err != nil {
		return err
	}
	const clear, home, wipeLine, wipeBelow = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"
	text := home + strings.ReplaceAll(b.String(), "\n", wipeLine+"\n") + wipeBelow
	if first {
		text = clear + text
	}
	return t.write([]byte(text))
}

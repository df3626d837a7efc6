package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

type numbered struct {
	Number int `json:"number"`
}

func (n *numbered) show(t *tool) error { return t.write(fmt.Appendf(nil, "report %d\n", n.Number)) }

// watched is what three reports print, of which the second fails, before the command is interrupted.
func watched(t *testing.T, terminal bool, format string) (out, errs string, err error) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	w := &tool{out: &stdout, err: &stderr, terminal: terminal}
	asked := 0
	report := &cli.Command{Name: "report", Flags: []cli.Flag{watchFlag()}, Action: func(c *cli.Context) error {
		return w.follow(c, style{format: format}, func(context.Context) (view, error) {
			switch asked++; asked {
			case 2:
				return nil, errors.New("nobody is there")
			case 4:
				interrupt()
			}
			return &numbered{asked}, nil
		})
	}}
	app := &cli.App{Commands: []*cli.Command{report}}
	err = app.RunContext(ctx, []string{"shoal", "report", "--watch", "100ms"})
	return stdout.String(), stderr.String(), err
}

func TestAWatchedReportGoesOnThroughAFailureUntilItIsInterrupted(t *testing.T) {
	for format, want := range map[string]string{
		"":              "report 1\n\nreport 3\n",
		formatJSONLines: "{\"number\":1}\n{\"number\":3}\n",
	} {
		out, errs, err := watched(t, false, format)
		if out != want || err != nil {
			t.Errorf("%q: got %q and %v, want %q", format, out, err, want)
		}
		if !strings.Contains(errs, "nobody is there") {
			t.Errorf("%q: the failure was not said: %q", format, errs)
		}
	}
}

func TestOnATerminalAReportTakesThePlaceOfTheOneBefore(t *testing.T) {
	out, errs, err := watched(t, true, "")
	if err != nil || errs != "" {
		t.Fatal(err, errs)
	}
	pages := strings.Split(out, "\x1b[H")
	if len(pages) != 4 || pages[0] != "\x1b[2J" {
		t.Fatalf("want the screen cleared once and three pages from its top, got %q", out)
	}
	for i, want := range []string{"report 1", "nobody is there", "report 3"} {
		if !strings.Contains(pages[i+1], want+"\x1b[K\n\x1b[J") {
			t.Errorf("page %d is %q, want %q and what was below it wiped", i+1, pages[i+1], want)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// tool is one run of the program: where it reads and writes, and what it was told about both.
type tool struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // out is one
	colours  bool
}

// run carries out argv and returns the exit code.
func (t *tool) run(argv []string) int {
	commands := t.commands()
	args, asked := reorder(argv, commands)
	app := &cli.App{
		Name: "shoal", Usage: "a leaderless in-memory cache", Version: version,
		Commands: commands, HideHelpCommand: true,
		Writer: t.out, ErrWriter: t.err,
		ExitErrHandler: func(*cli.Context, error) {}, // report does it
		OnUsageError:   asUsage,
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return unknown("command", name, names(commands))
			}
			return cli.ShowAppHelp(c)
		},
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return t.report(app.RunContext(ctx, args), asked)
}

func (t *tool) commands() []*cli.Command {
	commands := []*cli.Command{
		t.serverCommand(), t.devCommand(),
		t.getCommand(), t.setCommand(), t.delCommand(), t.statusCommand(), t.whereCommand(), t.benchCommand(), t.versionCommand(),
	}
	for _, c := range commands {
		c.HideHelpCommand = true // "shoal get help" reads the key "help"
		c.OnUsageError = asUsage
	}
	return commands
}

func names(commands []*cli.Command) []string {
	var all []string
	for _, c := range commands {
		all = append(all, c.Name)
	}
	return all
}

// usageError is what was wrong with the command line, or with a config file.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// asUsage makes the library's complaints ours; they come without a line of their own.
func asUsage(c *cli.Context, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok && c.Command != nil {
		var known []string
		for _, f := range c.Command.Flags {
			known = append(known, f.Names()[0])
		}
		return unknown("flag", strings.TrimLeft(name, "-"), known)
	}
	return usage("%s", strings.ReplaceAll(text, "\n", " "))
}

// arguments checks that a command got as many as it takes, and returns them.
func arguments(c *cli.Context, what ...string) ([]string, error) {
	args := c.Args().Slice()
	switch {
	case len(args) < len(what):
		return nil, usage("%s needs %s: shoal %s %s", c.Command.Name, what[len(args)], c.Command.Name, strings.Join(what, " "))
	case len(args) > len(what):
		return nil, usage("%s takes no argument %q: shoal %s", c.Command.Name, args[len(what)], strings.TrimSpace(c.Command.Name+" "+strings.Join(what, " ")))
	}
	return args, nil
}

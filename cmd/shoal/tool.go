package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// tool is one run of the program: where it reads and writes, and what it was told about both.
type tool struct {
	in          io.Reader
	out, err    io.Writer
	terminal    bool // out is one
	errTerminal bool // err is one
	colours     bool
}

// run carries out argv and returns the exit code.
func (t *tool) run(argv []string) int {
	commands := t.commands()
	if len(argv) > 1 && argv[1] == completing {
		return t.report(t.complete(argv[2:]), formatRaw)
	}
	out := &output{Writer: t.out}
	t.out = out
	l := reorder(argv, commands)
	if err := l.strays(commands); err != nil {
		return t.report(err, l.asked)
	}
	app := &cli.App{
		Name: "shoal", Usage: "a leaderless in-memory cache", Version: version,
		Commands: commands, HideHelpCommand: true, Flags: []cli.Flag{cli.HelpFlag},
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
	context.AfterFunc(ctx, stop) // a second signal ends the process, whatever it waits for
	err := app.RunContext(ctx, l.args)
	if err == nil {
		err = out.failed
	}
	return t.report(err, l.asked)
}

func (t *tool) commands() []*cli.Command {
	commands := []*cli.Command{
		t.serverCommand(), t.devCommand(),
		t.getCommand(), t.setCommand(), t.delCommand(), t.existsCommand(), t.mgetCommand(), t.msetCommand(),
		t.incrCommand(), t.decrCommand(), t.appendCommand(),
		t.ttlCommand(), t.expireCommand(), t.persistCommand(), t.scanCommand(), t.exportCommand(), t.importCommand(),
		t.statusCommand(), t.hintsCommand(), t.repairCommand(), t.ringCommand(), t.whereCommand(), t.namespaceCommand(), t.benchCommand(), t.simCommand(),
		t.ctxCommand(), t.completionCommand(), t.cheatCommand(), t.versionCommand(), t.helpCommand(),
	}
	for _, c := range commands {
		c.HideHelpCommand = true // "shoal get help" reads the key "help"
		c.OnUsageError = asUsage
	}
	return commands
}

// helpCommand is there because people try it; the library's own would also stand below every command. Where there is
// one of this name the library leaves --help to us.
func (t *tool) helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "print what there is, or what a command takes", ArgsUsage: "[COMMAND]",
		Action: func(c *cli.Context) error {
			switch name := c.Args().First(); {
			case name == "":
				return cli.ShowAppHelp(c)
			case c.NArg() > 1:
				return usage("help takes no argument %q: shoal help [COMMAND]", c.Args().Get(1))
			case c.App.Command(name) == nil:
				return unknown("command", name, names(c.App.Commands))
			default:
				return cli.ShowCommandHelp(c, name)
			}
		},
	}
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
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok { // of no command: strays finds the others
		return usage("unknown flag %q: flags go with a command", strings.TrimLeft(name, "-"))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return usage("%s needs a value", spelled(strings.TrimLeft(name, "-")))
	}
	if m := badValue.FindStringSubmatch(text); m != nil && c.Command != nil {
		return usage("%s: %s: %s", spelled(m[2]), m[1], wanted(c.Command, m[2]))
	}
	return usage("%s", strings.ReplaceAll(text, "\n", " "))
}

// badValue is how the library says that a flag's value cannot be read.
var badValue = regexp.MustCompile(`^invalid value (".*") for flag -([^:]+): `)

// spelled is a flag as people write it.
func spelled(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// wanted says what a flag's value looks like.
func wanted(c *cli.Command, name string) string {
	for _, f := range c.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.DurationFlag:
			return "use a number and its unit, as in 500ms, 90s or 24h"
		case *cli.Float64Flag:
			return "use a number"
		case *cli.Uint64Flag:
			return "use a whole number from 0"
		}
	}
	return "use a whole number"
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

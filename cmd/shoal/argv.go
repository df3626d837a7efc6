package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// line is a command line in the one order that the library takes: command, flags, "--", arguments. It would otherwise
// take a flag behind an argument for another argument, and "set k v --ttl 5s" would never expire.
type line struct {
	args  []string
	flags []string // the names of the flags, in the order given
	asked string   // the value of --output, which even a line that makes no sense may carry
}

// reorder reads argv. Numbers and a lone "-" are arguments; so is everything behind "--". What it cannot place it leaves
// for the library to refuse.
//
// Where help is asked for, of a command, its arguments do not matter: the library would take them for what help is about.
//
// A flag at the end that lacks its value stays at the end, without the arguments: that is what is wrong then.
//
// A name means the same in every command, with a value or without, so the flags can be told apart before the
// command is known.
func reorder(argv []string, commands []*cli.Command) *line {
	l := &line{}
	values := takeValues(commands)
	var flags, rest []string
	for i := 1; i < len(argv); i++ {
		arg := argv[i]
		if arg == "--" {
			rest = append(rest, argv[i+1:]...)
			break
		}
		if !isFlag(arg) {
			rest = append(rest, arg)
			continue
		}
		name, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		l.flags = append(l.flags, name)
		switch {
		case joined || !values[name]:
			flags = append(flags, arg)
		case isWatch(name) && (i+1 == len(argv) || !isDuration(argv[i+1])):
			flags = append(flags, arg+"="+watchEvery.String())
		case i+1 == len(argv):
			l.args = append(append(argv[:1:1], rest[:min(len(rest), 1)]...), append(flags, arg)...)
			return l
		default:
			i++
			value = argv[i]
			flags = append(flags, arg, value)
		}
		if name == "o" || name == "output" {
			l.asked = value
		}
	}
	l.args = argv[:min(len(argv), 1):1]
	if len(rest) == 0 {
		l.args = append(l.args, flags...)
		return l
	}
	l.args = append(l.args, rest[0])
	l.args = append(l.args, flags...)
	if len(rest) > 1 && !slices.Contains(l.flags, "help") && !slices.Contains(l.flags, "h") {
		l.args = append(append(l.args, "--"), rest[1:]...)
	}
	return l
}

// strays is the error that names every flag which the command of this line does not have; the library stops at the first.
func (l *line) strays(commands []*cli.Command) error {
	if len(l.args) < 2 {
		return nil
	}
	for _, c := range commands {
		if !c.HasName(l.args[1]) {
			continue
		}
		known, all := []string{}, map[string]bool{"help": true, "h": true}
		for _, f := range c.Flags {
			known = append(known, f.Names()[0])
			for _, name := range f.Names() {
				all[name] = true
			}
		}
		var wrong []string
		for _, name := range l.flags {
			if !all[name] {
				all[name] = true // once is enough
				wrong = append(wrong, unknown("flag", name, known).Error())
			}
		}
		if wrong != nil {
			return usage("%s", strings.Join(wrong, "; "))
		}
	}
	return nil
}

func isFlag(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	_, err := strconv.ParseFloat(arg, 64)
	return err != nil
}

func isDuration(arg string) bool {
	_, err := time.ParseDuration(arg)
	return err == nil
}

// takeValues says of each flag's name whether a value follows it.
func takeValues(commands []*cli.Command) map[string]bool {
	values := map[string]bool{}
	for _, c := range commands {
		for _, f := range c.Flags {
			doc, ok := f.(cli.DocGenerationFlag)
			for _, name := range f.Names() {
				values[name] = ok && doc.TakesValue()
			}
		}
	}
	return values
}

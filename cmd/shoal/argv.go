package main

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder puts a command line in the one order that the library takes: command, flags, "--", arguments. It would
// otherwise take a flag behind an argument for another argument, and "set k v --ttl 5s" would never expire. Numbers
// and a lone "-" are arguments; so is everything behind "--". What it cannot place it leaves for the library to refuse.
//
// A flag at the end that lacks its value stays at the end, without the arguments: that is what is wrong then.
//
// A name means the same in every command, with a value or without, so the flags can be told apart before the
// command is known. asked is the value of --output, which even a line that makes no sense may carry.
func reorder(argv []string, commands []*cli.Command) (args []string, asked string) {
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
		flags = append(flags, arg)
		name, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if values[name] && !joined {
			if i++; i == len(argv) {
				return append(append(argv[:1:1], rest[:min(len(rest), 1)]...), flags...), asked
			}
			value = argv[i]
			flags = append(flags, value)
		}
		if name == "o" || name == "output" {
			asked = value
		}
	}
	args = argv[:min(len(argv), 1):1]
	if len(rest) == 0 {
		return append(args, flags...), asked
	}
	args = append(args, rest[0])
	args = append(args, flags...)
	if len(rest) > 1 {
		args = append(append(args, "--"), rest[1:]...)
	}
	return args, asked
}

func isFlag(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	_, err := strconv.ParseFloat(arg, 64)
	return err != nil
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

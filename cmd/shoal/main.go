package main

import (
	"os"

	"golang.org/x/term"
)

// version is set by the linker.
var version = "unknown"

func main() { os.Exit(run()) }

// run is main, as a function that tests can call.
func run() int {
	t := &tool{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdout.Fd())), errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	t.colours = coloured(t.terminal, os.Getenv)
	return t.run(os.Args)
}

// coloured reports whether output gets colours: on a terminal, and with CLICOLOR_FORCE elsewhere too; NO_COLOR counts
// before both.
func coloured(terminal bool, getenv func(string) string) bool {
	if getenv("NO_COLOR") != "" {
		return false
	}
	force := getenv("CLICOLOR_FORCE")
	return terminal || force != "" && force != "0"
}

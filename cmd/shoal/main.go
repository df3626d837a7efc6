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
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
		colours:  term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "",
	}
	return t.run(os.Args)
}

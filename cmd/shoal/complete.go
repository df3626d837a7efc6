package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/shoalcache/shoal/bench"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// completing is what the scripts below call: it is followed by the words of the line behind "shoal", the last of them
// the one to complete, and prints one candidate a line, behind a tab what it means. Nothing printed: a file's name.
const completing = "__complete"

// The scripts know nothing but how to ask, so that they never are of another version than the program.
var (
	//go:embed completion/shoal.bash
	bashCompletion string
	//go:embed completion/shoal.zsh
	zshCompletion string
	//go:embed completion/shoal.fish
	fishCompletion string
)

var shells = []string{"bash", "zsh", "fish"}

func (t *tool) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands, flags and their values", ArgsUsage: strings.Join(shells, " | "),
		Description: "bash:  source <(shoal completion bash), in ~/.bashrc\n" +
			"zsh:   source <(shoal completion zsh), in ~/.zshrc behind compinit\n" +
			"fish:  shoal completion fish > ~/.config/fish/completions/shoal.fish",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "SHELL")
			if err != nil {
				return err
			}
			script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[args[0]]
			if !ok {
				return unknown("shell", args[0], shells)
			}
			return t.write([]byte(script))
		},
	}
}

// candidate is a word that may stand where the cursor is.
type candidate struct{ word, meaning string }

func (t *tool) complete(words []string) error {
	var b strings.Builder
	for _, c := range t.candidates(words) {
		fmt.Fprintf(&b, "%s\t%s\n", c.word, c.meaning)
	}
	return t.write([]byte(b.String()))
}

// candidates are the words that may stand in place of the last one.
func (t *tool) candidates(words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	commands := t.commands()
	values := takeValues(commands)
	var args []string
	flag := "" // that waits for its value
	for _, word := range before {
		switch {
		case flag != "":
			flag = ""
		case word == "--":
			return nil // only arguments from here, and those are keys
		case isFlag(word):
			if name := strings.TrimLeft(word, "-"); values[name] && !isWatch(name) {
				flag = name
			}
		default:
			args = append(args, word)
		}
	}
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	name, value, joined := strings.Cut(last, "=")
	switch {
	case flag != "":
		return matching(last, "", valuesOf(flag, command))
	case joined && strings.HasPrefix(last, "-"):
		return matching(value, name+"=", valuesOf(strings.TrimLeft(name, "-"), command))
	case len(args) == 0:
		return matching(last, "", described(commands))
	}
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[0]) })
	switch {
	case i < 0:
		return nil
	case strings.HasPrefix(last, "-"):
		return matching(last, "", flagsOf(commands[i]))
	}
	return matching(last, "", t.argumentsOf(commands, args))
}

// matching are those of all that begin with what has been typed, behind a prefix that they keep.
func matching(typed, prefix string, all []candidate) []candidate {
	var some []candidate
	for _, c := range all {
		if strings.HasPrefix(c.word, typed) {
			some = append(some, candidate{prefix + c.word, c.meaning})
		}
	}
	return some
}

func described(commands []*cli.Command) []candidate {
	var all []candidate
	for _, c := range commands {
		for _, name := range c.Names() {
			all = append(all, candidate{name, c.Usage})
		}
	}
	return all
}

func flagsOf(c *cli.Command) []candidate {
	var all []candidate
	for _, f := range c.VisibleFlags() {
		meaning := ""
		if doc, ok := f.(cli.DocGenerationFlag); ok {
			meaning = strings.ReplaceAll(doc.GetUsage(), "`", "")
		}
		all = append(all, candidate{spelled(f.Names()[0]), meaning})
	}
	return append(all, candidate{"--help", "what the command takes"})
}

// valuesOf are the values that a flag of a command may have, where they are few.
func valuesOf(flag, command string) []candidate {
	switch flag {
	case "c", "consistency", "read", "write":
		var levels []string
		for l := wire.LevelAny; l < wire.LevelExplicit; l++ {
			levels = append(levels, l.String())
		}
		return plainly(levels)
	case "o", "output":
		return plainly(formatsOf(command))
	case "context":
		return contextCandidates()
	case "log-level":
		return plainly([]string{"debug", "info", "warn", "error"})
	case "on-error":
		return plainly(onErrors)
	case "op":
		return plainly(benchOps)
	case "mode":
		return plainly([]string{ring.LWW.String(), ring.Siblings.String()})
	case "workload":
		return plainly(workloadNames())
	case "dist":
		return plainly(bench.Distributions)
	case "policy":
		if command == "bench" {
			return plainly(storage.PolicyNames()[:storage.None])
		}
		return plainly(storage.PolicyNames())
	case "log-format":
		return plainly([]string{"console", "json"})
	}
	return nil
}

// argumentsOf are what may follow the arguments of a line, the first of which is the command.
func (t *tool) argumentsOf(commands []*cli.Command, args []string) []candidate {
	switch {
	case args[0] == "help" && len(args) == 1:
		return described(commands)
	case args[0] == "completion" && len(args) == 1:
		return plainly(shells)
	case args[0] == "bench" && len(args) == 1:
		return plainly(benchWays)
	case args[0] == "sim" && len(args) == 1:
		return plainly(simWays)
	case args[0] == "namespace" && len(args) == 1:
		return plainly(namespaceActions)
	case args[0] == "ctx" && len(args) == 1:
		return plainly(contextActions)
	case args[0] == "ctx" && len(args) == 2 && (args[1] == "use" || args[1] == "rm"):
		return contextCandidates()
	}
	return nil
}

// contextCandidates are none where the file cannot be read: a completion never complains.
func contextCandidates() []candidate {
	all, err := readContexts()
	if err != nil {
		return nil
	}
	var list []candidate
	for _, name := range all.names() {
		list = append(list, candidate{name, strings.Join(all.Contexts[name].Servers, ",")})
	}
	return list
}

func plainly(words []string) []candidate {
	var all []candidate
	for _, w := range words {
		all = append(all, candidate{word: w})
	}
	return all
}

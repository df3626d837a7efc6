package main

import (
	_ "embed"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"
)

// cheatSheet is a page of examples. A test runs each of them, in this order, against a cluster.
//
//go:embed cheat.txt
var cheatSheet string

func (t *tool) cheatCommand() *cli.Command {
	return &cli.Command{
		Name: "cheat", Usage: "print a page of examples",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			var b strings.Builder
			for line := range strings.Lines(cheatSheet) {
				example, note, _ := strings.Cut(line, "#")
				if note != "" {
					note = t.colour(text.FgHiBlack, "#"+strings.TrimSuffix(note, "\n")) + "\n"
				}
				b.WriteString(example + note)
			}
			return t.write([]byte(b.String()))
		},
	}
}

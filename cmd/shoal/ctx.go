package main

import (
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// contextActions are what can be done with contexts.
var contextActions = []string{"ls", "add", "use", "rm"}

// contextList is all contexts, in JSON.
type contextList struct {
	Current  string         `json:"current"` // empty: none
	Contexts []namedContext `json:"contexts"`
}

type namedContext struct {
	Name string `json:"name"`
	savedContext
}

func (t *tool) ctxCommand() *cli.Command {
	return &cli.Command{
		Name: "ctx", Usage: "name clusters, and choose one", ArgsUsage: "ls | add NAME | use NAME | rm NAME",
		Description: "shoal ctx add NAME -s ADDR keeps the addresses, and --consistency, --timeout and --namespace if they are given,\n" +
			"under a name; shoal ctx use NAME makes every command go there that names no other place. What counts: --server,\n" +
			"then --context, then $" + serverEnv + ", then $" + contextEnv + ", then the one in use.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "server", Aliases: []string{"s"}, Usage: "`ADDR` to add, host:port; repeat it, or use commas, for more than one"},
			levelFlag(), namespaceFlag("n"), &cli.DurationFlag{Name: "timeout", Usage: "`TIME` to give up after, to add"}, outputFlag(),
		},
		Action: func(c *cli.Context) error {
			action, rest := c.Args().First(), c.Args().Tail()
			look, err := styleOf(c)
			switch {
			case err != nil:
				return err
			case action == "" || action == "ls":
				if len(rest) > 0 {
					return usage("ctx ls takes no argument %q: shoal ctx ls", rest[0])
				}
				return t.listContexts(look)
			case action != "add" && action != "use" && action != "rm":
				return unknown("action", action, contextActions)
			case len(rest) == 0:
				return usage("ctx %s needs NAME: shoal ctx %s NAME", action, action)
			case len(rest) > 1:
				return usage("ctx %s takes no argument %q: shoal ctx %s NAME", action, rest[1], action)
			}
			all, err := readContexts()
			if err != nil {
				return err
			}
			if err := all.change(c, action, rest[0]); err != nil {
				return err
			}
			if err := all.write(); err != nil {
				return err
			}
			return t.done(look, rest[0])
		},
	}
}

// change does one of contextActions.
func (s *contexts) change(c *cli.Context, action, name string) error {
	if action != "add" {
		if s.Contexts[name] == nil {
			return s.unknown(name)
		}
		for _, flag := range []string{"server", "consistency", "timeout", "namespace"} {
			if c.IsSet(flag) {
				return usage("--%s goes with ctx add", flag)
			}
		}
	}
	switch action {
	case "use":
		s.Current = name
	case "rm":
		delete(s.Contexts, name)
		if s.Current == name {
			s.Current = ""
		}
	default:
		return s.add(c, name)
	}
	return nil
}

func (s *contexts) add(c *cli.Context, name string) error {
	switch {
	case !contextName.MatchString(name):
		return usage("context %q: use up to 64 letters, digits, and . _ - behind the first", name)
	case s.Contexts[name] != nil:
		return usage("context %q is there already: remove it first, with shoal ctx rm %s", name, name)
	case !c.IsSet("server"):
		return usage("ctx add needs --server: shoal ctx add %s -s HOST:PORT", name)
	}
	addrs, err := servers(c.StringSlice("server"))
	if err != nil {
		return err
	}
	added := &savedContext{Servers: addrs}
	if c.IsSet("consistency") {
		level, err := wire.ParseLevel(c.String("consistency"))
		if err != nil {
			return usage("%v", err)
		}
		added.Consistency = level.String()
	}
	if c.IsSet("timeout") {
		d := c.Duration("timeout")
		if d < time.Millisecond || d > 24*time.Hour {
			return usage("--timeout %v: use 1ms to 24h", d)
		}
		added.TimeoutMS = d.Milliseconds()
	}
	if c.IsSet("namespace") {
		added.Namespace = c.String("namespace")
		if err := checkNamespace(added.Namespace, "--namespace"); err != nil {
			return err
		}
	}
	s.Contexts[name] = added
	return nil
}

func (t *tool) listContexts(look style) error {
	all, err := readContexts()
	if err != nil {
		return err
	}
	list := &contextList{Current: all.Current, Contexts: []namedContext{}}
	for _, name := range all.names() {
		list.Contexts = append(list.Contexts, namedContext{name, *all.Contexts[name]})
	}
	return t.present(look, list)
}

func (l *contextList) show(t *tool) error {
	var rows []table.Row
	for i := range l.Contexts {
		n := &l.Contexts[i]
		name, used := n.Name, ""
		if n.Name == l.Current {
			name, used = t.colour(text.FgGreen, n.Name), "*"
		}
		timeout := "-"
		if n.TimeoutMS > 0 {
			timeout = n.timeout().String()
		}
		level := n.Consistency
		if level == "" {
			level = "-"
		}
		namespace := n.Namespace
		if namespace == "" {
			namespace = "-"
		}
		rows = append(rows, table.Row{used, name, strings.Join(n.Servers, ","), level, timeout, namespace})
	}
	return t.table(table.Row{"USED", "NAME", "SERVERS", "CONSISTENCY", "TIMEOUT", "NAMESPACE"}, rows)
}

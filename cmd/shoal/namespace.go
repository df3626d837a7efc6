package main

import (
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

const namespaceEnv = "SHOAL_NAMESPACE"

// namespaceActions are what can be done with namespaces.
var namespaceActions = []string{"list", "show", wire.NamespaceCreate, wire.NamespaceSet, wire.NamespaceFlush, wire.NamespaceDrop}

// namespaceList is all namespaces but dropped ones, in JSON.
type namespaceList struct {
	Namespaces []namespaceRow `json:"namespaces"`
}

// namespaceRow is one namespace, in JSON.
type namespaceRow struct {
	Name      string `json:"name"`
	Mode      string `json:"mode"`
	Replicas  uint8  `json:"replicas"`
	Read      string `json:"read"`
	Write     string `json:"write"`
	TTLMillis *int64 `json:"ttl_ms"` // null: what is set without one lives until memory is full
	Epoch     uint32 `json:"epoch"`  // how often it was flushed or dropped
	Version   uint64 `json:"version"`
}

// namespaceFlag is that of the commands that take keys; they can say -n, too.
func namespaceFlag(aliases ...string) cli.Flag {
	return &cli.StringFlag{Name: "namespace", Aliases: aliases, Usage: "the keys are those of the namespace `NAME`, see shoal namespace", DefaultText: "$" + namespaceEnv + ", else the context's, else " + ring.DefaultNamespace}
}

// checkNamespace refuses what cannot be a namespace's name; from says where it comes from.
func checkNamespace(name, from string) error {
	if err := (&ring.Namespace{Name: name, Replicas: 1}).Validate(); err != nil {
		return usage("%s %.80q: use 1 to %d of a to z, 0 to 9 and . _ -", from, name, ring.NameMax)
	}
	return nil
}

func (t *tool) namespaceCommand() *cli.Command {
	return &cli.Command{
		Name: "namespace", Usage: "create, show, change, flush or drop parts of the key space", ArgsUsage: "list | show NAME | create NAME | set NAME | flush NAME | drop NAME",
		Description: "One key in two namespaces is two keys. Each namespace has levels and a time to live of its own; what names none is\n" +
			"in " + ring.DefaultNamespace + ". create and set take --read, --write and --ttl (0s: none), create --mode and --replicas, too. flush makes all\n" +
			"keys of a namespace unreachable, at once and for good, and drop the namespace itself: both want --force.",
		Flags: sessionFlags(
			&cli.StringFlag{Name: "mode", Usage: "create: `MODE`, what is kept of writes that did not know of each other: lww, siblings", DefaultText: ring.LWW.String()},
			&cli.IntFlag{Name: "replicas", Usage: "create: `N` copies in each datacenter, at most as many as in the default namespace", DefaultText: "those of the default namespace"},
			&cli.StringFlag{Name: "read", Usage: "create, set: `LEVEL` of reads that name none", DefaultText: "that of the default namespace"},
			&cli.StringFlag{Name: "write", Usage: "create, set: `LEVEL` of writes that name none", DefaultText: "that of the default namespace"},
			&cli.DurationFlag{Name: "ttl", Usage: "create, set: what is set without a time to live expires after `TIME`", DefaultText: "never"},
			&cli.BoolFlag{Name: "force", DisableDefaultText: true, Usage: "flush, drop: really lose the keys"}),
		Action: func(c *cli.Context) error {
			action, rest := c.Args().First(), c.Args().Tail()
			if action == "" {
				action = "list"
			}
			if err := namespaceArguments(c, action, rest); err != nil {
				return err
			}
			if action == "list" || action == "show" {
				return t.showNamespaces(c, rest)
			}
			change, err := namespaceChange(c, action, rest[0])
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := s.ChangeNamespace(c.Context, *change); err != nil {
				return err
			}
			return t.done(s.style, rest[0])
		},
	}
}

// namespaceArguments checks the arguments of an action, and that its flags are its own.
func namespaceArguments(c *cli.Context, action string, rest []string) error {
	switch {
	case !slices.Contains(namespaceActions, action):
		return unknown("action", action, namespaceActions)
	case action == "list" && len(rest) > 0:
		return usage("namespace list takes no argument %q: shoal namespace list", rest[0])
	case action != "list" && len(rest) == 0:
		return usage("namespace %s needs NAME: shoal namespace %s NAME", action, action)
	case len(rest) > 1:
		return usage("namespace %s takes no argument %q: shoal namespace %s NAME", action, rest[1], action)
	case action != "list":
		if err := checkNamespace(rest[0], "namespace"); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		flag string
		of   []string
	}{
		{"mode", []string{wire.NamespaceCreate}},
		{"replicas", []string{wire.NamespaceCreate}},
		{"read", []string{wire.NamespaceCreate, wire.NamespaceSet}},
		{"write", []string{wire.NamespaceCreate, wire.NamespaceSet}},
		{"ttl", []string{wire.NamespaceCreate, wire.NamespaceSet}},
		{"force", []string{wire.NamespaceFlush, wire.NamespaceDrop}},
	} {
		if c.IsSet(f.flag) && !slices.Contains(f.of, action) {
			return usage("--%s goes with namespace %s", f.flag, strings.Join(f.of, " and "))
		}
	}
	return nil
}

// namespaceChange reads the flags of an action that changes something.
func namespaceChange(c *cli.Context, action, name string) (*wire.NamespaceChange, error) {
	change := &wire.NamespaceChange{Action: action, Name: name, Mode: c.String("mode"), Read: c.String("read"), Write: c.String("write")}
	if c.IsSet("mode") {
		if _, err := ring.ParseMode(change.Mode); err != nil {
			return nil, usage("--mode %.64q: use one of %v, %v", change.Mode, ring.LWW, ring.Siblings)
		}
	}
	for _, flag := range []string{"read", "write"} {
		if level := c.String(flag); c.IsSet(flag) {
			if _, err := wire.ParseLevel(level); err != nil {
				return nil, usage("--%s: %v", flag, err)
			}
		}
	}
	if n := c.Int("replicas"); c.IsSet("replicas") {
		if n < 1 || n > ring.ReplicasMax {
			return nil, usage("--replicas %d: use 1 to %d", n, ring.ReplicasMax)
		}
		change.Replicas = uint8(n)
	}
	if ttl := c.Duration("ttl"); c.IsSet("ttl") {
		if ttl < 0 || ttl > 0 && ttl < time.Millisecond {
			return nil, usage("--ttl %v: use 1ms or more, or 0s for none", ttl)
		}
		millis := ttl.Milliseconds()
		change.TTL = &millis
	}
	switch {
	case action == wire.NamespaceSet && change.Read == "" && change.Write == "" && change.TTL == nil:
		return nil, usage("namespace set needs --read, --write or --ttl")
	case (action == wire.NamespaceFlush || action == wire.NamespaceDrop) && !c.Bool("force"):
		return nil, usage("namespace %s %s would lose all its keys: say so with --force", action, name)
	}
	return change, nil
}

// showNamespaces prints all namespaces, or the one that is named.
func (t *tool) showNamespaces(c *cli.Context, named []string) error {
	s, err := dial(c)
	if err != nil {
		return err
	}
	defer s.Close()
	m, err := s.Map(c.Context)
	if err != nil {
		return err
	}
	list := namespacesOf(m)
	if len(named) == 0 {
		return t.present(s.style, list)
	}
	i := slices.IndexFunc(list.Namespaces, func(r namespaceRow) bool { return r.Name == named[0] })
	if i < 0 {
		return usage("no namespace %q: create it with shoal namespace create %s", named[0], named[0])
	}
	return t.present(s.style, &list.Namespaces[i])
}

func namespacesOf(m *ring.Map) *namespaceList {
	list := &namespaceList{Namespaces: []namespaceRow{}}
	for _, ns := range m.Namespaces {
		if ns.Dropped {
			continue
		}
		row := namespaceRow{
			Name: ns.Name, Mode: ns.Mode.String(), Replicas: ns.Replicas, Read: wire.Level(ns.Read).String(), Write: wire.Level(ns.Write).String(),
			Epoch: ns.Epoch, Version: ns.Version,
		}
		if ttl := ns.TTL; ttl > 0 {
			row.TTLMillis = &ttl
		}
		list.Namespaces = append(list.Namespaces, row)
	}
	return list
}

func (l *namespaceList) show(t *tool) error {
	var rows []table.Row
	for i := range l.Namespaces {
		n := &l.Namespaces[i]
		rows = append(rows, table.Row{n.Name, n.Mode, n.Replicas, n.Read, n.Write, formatTTL(n.TTLMillis, "-"), n.Epoch, n.Version})
	}
	return t.table(table.Row{"NAMESPACE", "MODE", "REPLICAS", "READ", "WRITE", "TTL", "EPOCH", "VERSION"}, rows)
}

func (r *namespaceRow) show(t *tool) error {
	return (&namespaceList{Namespaces: []namespaceRow{*r}}).show(t)
}

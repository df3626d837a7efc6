package main

import (
	"context"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// place is where a key lives, in JSON.
type place struct {
	keyText
	Slot      uint16 `json:"slot"`
	Partition uint32 `json:"partition"`
	Owners    []seat `json:"owners"`
	Fallbacks []seat `json:"fallbacks"`
	shown     string // the key, for people
}

type seat struct {
	Node       string `json:"node"`
	Name       string `json:"name"`
	Addr       string `json:"addr"`
	Datacenter string `json:"datacenter"`
	Rack       string `json:"rack"`
	Alive      bool   `json:"alive"`
}

func (t *tool) whereCommand() *cli.Command {
	return &cli.Command{
		Name: "where", Usage: "print which nodes hold a key", ArgsUsage: "KEY", Flags: sessionFlags(namespaceFlag("n"), hexFlag(), watchFlag()),
		Action: asking(oneKey, func(c *cli.Context, s *session, key string) error {
			return t.follow(c, s.style, func(ctx context.Context) (view, error) {
				w, err := s.Where(ctx, key)
				if err != nil {
					return nil, err
				}
				return &place{s.key(key), w.Slot, w.Partition, seats(w.Owners), seats(w.Fallbacks), s.printable([]byte(key))}, nil
			})
		}),
	}
}

func seats(from []wire.Seat) []seat {
	list := make([]seat, 0, len(from))
	for _, s := range from {
		list = append(list, seat{nodeID(s.Node), s.Name, s.Addr, s.Datacenter, s.Rack, s.Alive})
	}
	return list
}

// nodeID is a node's id as every report shows it.
func nodeID(id uint64) string {
	s := strconv.FormatUint(id, 16)
	return "0000000000000000"[len(s):] + s
}

func (p *place) show(t *tool) error {
	if err := t.write([]byte("key " + p.shown + ": slot " + strconv.Itoa(int(p.Slot)) + ", partition " + strconv.Itoa(int(p.Partition)) + "\n")); err != nil {
		return err
	}
	var rows []table.Row
	add := func(role string, list []seat) {
		for i, s := range list {
			alive := t.colour(text.FgGreen, "alive")
			if !s.Alive {
				alive = t.colour(text.FgRed, "down")
			}
			rows = append(rows, table.Row{role + " " + strconv.Itoa(i+1), s.Name, s.Addr, site(s.Datacenter, s.Rack), alive})
		}
	}
	add("owner", p.Owners)
	add("fallback", p.Fallbacks)
	return t.table(table.Row{"ROLE", "NODE", "ADDRESS", "DC/RACK", "STATE"}, rows)
}

// site is a datacenter and, if there is one, a rack.
func site(datacenter, rack string) string {
	if rack == "" {
		return datacenter
	}
	return datacenter + "/" + rack
}

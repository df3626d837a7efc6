package main

import (
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// place is where a key lives, in JSON.
type place struct {
	Key         string `json:"key"`
	KeyEncoding string `json:"key_encoding,omitempty"`
	Slot        uint16 `json:"slot"`
	Partition   uint32 `json:"partition"`
	Owners      []seat `json:"owners"`
	Fallbacks   []seat `json:"fallbacks"`
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
		Name: "where", Usage: "print which nodes hold a key", ArgsUsage: "KEY", Flags: sessionFlags(),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "KEY")
			if err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			w, err := s.Where(c.Context, args[0])
			if err != nil {
				return err
			}
			doc := place{Slot: w.Slot, Partition: w.Partition, Owners: seats(w.Owners), Fallbacks: seats(w.Fallbacks)}
			doc.Key, doc.KeyEncoding = encoded([]byte(args[0]))
			if s.format == formatJSON || s.format == formatJSONLines {
				return t.document(doc, s.format)
			}
			return t.showPlace(printable([]byte(args[0])), &doc)
		},
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

func (t *tool) showPlace(key string, p *place) error {
	if err := t.write([]byte("key " + key + ": slot " + strconv.Itoa(int(p.Slot)) + ", partition " + strconv.Itoa(int(p.Partition)) + "\n")); err != nil {
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

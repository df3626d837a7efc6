package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/server"
	"github.com/urfave/cli/v2"
)

const (
	devNodesMax = 64
	portStep    = 10 // between the ports of one node and those of the next
)

func (t *tool) devCommand() *cli.Command {
	return &cli.Command{
		Name: "dev", Usage: "run a cluster on this machine",
		Description: "Each node is a process of its own, so that it can be killed; it is not started again, but the command that\nwould is printed. Ctrl-C stops all of them.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Usage: "how many `NODES`", Value: 3},
			&cli.IntFlag{Name: "base-port", Usage: "the first node's `PORT` for clients; +1 for peers, +2 for gossip, +4 for Redis clients, the next node at +10", Value: server.DefaultClientPort},
			&cli.BoolFlag{Name: "in-process", Usage: "run all nodes in this process"},
			&cli.StringFlag{Name: "memory", Usage: "`SIZE` of each node", Value: "256MiB"},
			&cli.StringFlag{Name: "data-dir", Usage: "`DIR` with a directory for each node, or none", Value: "shoal-data"},
			&cli.StringFlag{Name: "replicas", Usage: "`N`, copies of every key", Value: "3"},
			&cli.StringFlag{Name: "log-level", Usage: "`LEVEL`: debug, info, warn or error", Value: "info"},
			&cli.BoolFlag{Name: "demo", Usage: "load three nodes on free ports, kill one, bring it back, and check every read: about a minute"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT` of what --demo counted: table, json or jsonl", DefaultText: formatTable},
			&cli.IntFlag{Name: "demo-keys", Hidden: true, Value: demoKeys},
			&cli.IntFlag{Name: "demo-reads", Hidden: true, Value: demoReads},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			if c.Bool("demo") {
				return t.demo(c)
			}
			if c.IsSet("output") {
				return usage("--output goes with --demo")
			}
			d, err := t.plan(c, c.Int("base-port"), c.String("data-dir"))
			if err != nil {
				return err
			}
			if err := d.checkPorts(); err != nil {
				return err
			}
			if c.Bool("in-process") {
				return d.runInside(c.Context)
			}
			return d.runProcesses(c.Context)
		},
	}
}

// dev is a cluster on this machine.
type dev struct {
	*tool
	nodes    []devNode
	log      io.Writer // of the nodes
	logLevel string
}

type devNode struct {
	options
	colour text.Color
}

// plan turns flags into nodes, through the same settings that the server has.
func (t *tool) plan(c *cli.Context, base int, dir string) (*dev, error) {
	count := c.Int("nodes")
	if count < 1 || count > devNodesMax {
		return nil, usage("--nodes %d: use 1 to %d", count, devNodesMax)
	}
	if last := base + portStep*(count-1) + 4; base < 1 || last > 65535 {
		return nil, usage("--base-port %d: %d nodes take the ports from there to %d, and there are 1 to 65535", base, count, last)
	}
	addr := func(i, offset int) string {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(base+portStep*i+offset))
	}
	colours := []text.Color{text.FgCyan, text.FgMagenta, text.FgYellow, text.FgBlue, text.FgGreen}
	d := &dev{tool: t, log: t.err, logLevel: c.String("log-level")}
	for i := range count {
		name := "n" + strconv.Itoa(i+1)
		n := devNode{colour: colours[i%len(colours)]}
		n.Name, n.ClientAddr, n.PeerAddr, n.GossipAddr, n.RespAddr = name, addr(i, 0), addr(i, 1), addr(i, 2), addr(i, 4)
		n.Version = version
		n.DataDir = dir
		if n.DataDir != server.NoDataDir {
			n.DataDir = filepath.Join(n.DataDir, name)
		}
		for other := range count {
			if other != i {
				n.Join = append(n.Join, addr(other, 2))
			}
		}
		for _, s := range settings() {
			if s.name == "memory" || s.name == "replicas" || s.name == "log-level" {
				if err := s.set(&n.options, c.String(s.name)); err != nil {
					return nil, usage("--%s: %v", s.name, err)
				}
			}
		}
		if err := n.Validate(); err != nil {
			return nil, usage("%s", say(err))
		}
		d.nodes = append(d.nodes, n)
	}
	return d, nil
}

// founding is how node i is started the first time: the first founds the cluster, and the others join it. They do not
// look for each other yet, who start at the same moment: that would be said to have failed.
func (d *dev) founding(i int) options {
	o := d.nodes[i].options
	o.Join = o.Join[:min(i, 1)]
	return o
}

// checkPorts finds what is taken before anything has been started.
func (d *dev) checkPorts() error {
	for _, n := range d.nodes {
		for _, addr := range []string{n.ClientAddr, n.PeerAddr, n.GossipAddr, n.RespAddr} {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return fmt.Errorf("%w: %s, for %s: %v: stop what runs there, or choose another --base-port", server.ErrInUse, addr, n.Name, errors.Unwrap(err))
			}
			_ = l.Close()
		}
	}
	return nil
}

// banner says what runs and what to try; pids are those of the nodes, or nil.
func (d *dev) banner(pids []int) error {
	shoal := quote(os.Args[0])
	var rows []table.Row
	for i, n := range d.nodes {
		pid := "-"
		if pids != nil {
			pid = strconv.Itoa(pids[i])
		}
		rows = append(rows, table.Row{d.colour(n.colour, n.Name), n.ClientAddr, n.RespAddr, n.PeerAddr, n.GossipAddr, n.DataDir, pid})
	}
	if err := d.write(fmt.Appendf(nil, "\nshoal dev: %s, %s each, ready\n\n", count(len(rows), "node"), formatSize(d.nodes[0].Memory))); err != nil {
		return err
	}
	if err := d.table(table.Row{"NODE", "CLIENTS", "REDIS", "PEERS", "GOSSIP", "DATA", "PID"}, rows); err != nil {
		return err
	}
	first, last := "", d.nodes[len(d.nodes)-1].ClientAddr
	if d.nodes[0].ClientAddr != defaultServer {
		first = " -s " + d.nodes[0].ClientAddr
	}
	tries := []string{
		shoal + " set greeting hello --ttl 10m" + first,
		shoal + " get greeting -s " + last,
		shoal + " where greeting" + first,
		shoal + " status" + first,
	}
	if len(pids) > 1 {
		tries = append(tries, fmt.Sprintf("kill -9 %d    # the others go on", pids[len(pids)-1]))
	}
	return d.write([]byte("\nTry, in another shell:\n  " + strings.Join(tries, "\n  ") + "\nCtrl-C stops all of it.\n\n"))
}

// runInside runs all nodes in this process.
func (d *dev) runInside(ctx context.Context) error {
	limitHeap(d.nodes[0].Config, len(d.nodes))
	var running []*server.Node
	defer func() {
		for _, n := range running {
			_ = stop(n) // what kept a node from stopping well is in its log
		}
	}()
	failed := make(chan error, len(d.nodes))
	for i := range d.nodes {
		o := d.founding(i)
		log := &prefixed{to: d.log, prefix: d.colour(d.nodes[i].colour, o.Name) + " "}
		o.Log = newLog(log, d.logLevel, "console")
		n, err := start(ctx, o.Config)
		if n == nil {
			return err
		}
		running = append(running, n)
		go func() {
			<-n.Done()
			failed <- fmt.Errorf("%s stopped: %w", o.Name, n.Err())
		}()
	}
	if err := d.banner(nil); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// command is the line that starts a node as o says.
func command(o *options) []string {
	args := []string{
		"server", "--name", o.Name, "--client-addr", o.ClientAddr, "--resp-addr", o.RespAddr, "--peer-addr", o.PeerAddr, "--gossip-addr", o.GossipAddr,
		"--data-dir", o.DataDir, "--memory", formatBytes(o.Memory), "--replicas", strconv.Itoa(o.Replicas), "--log-level", o.logLevel,
	}
	if len(o.Join) > 0 {
		args = append(args, "--join", strings.Join(o.Join, ","))
	}
	return args
}

// formatBytes is n exactly, as short as parseSize reads it.
func formatBytes(n int64) string {
	short := formatSize(n)
	if back, err := parseSize(short); err == nil && back == n {
		return short
	}
	return strconv.FormatInt(n, 10)
}

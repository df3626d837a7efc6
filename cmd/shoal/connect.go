package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

const defaultServer = "127.0.0.1:7400"

// session is a command that talks to a cluster: its client, and how the result should look.
type session struct {
	*client.Client
	addr    string // the first address given
	format  string
	timeout time.Duration
}

// outputFlag is shared by all commands that have a result.
func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: " + strings.Join(formats, ", "), DefaultText: "table on a terminal, else raw"}
}

// sessionFlags are those of every command that talks to a cluster.
func sessionFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringSliceFlag{Name: "server", Aliases: []string{"s"}, EnvVars: []string{"SHOAL_SERVER"}, Usage: "`ADDR` of a node for clients, host:port; repeat it, or use commas, for more than one", DefaultText: defaultServer},
		&cli.DurationFlag{Name: "timeout", Usage: "give up after `TIME`", Value: client.DefaultTimeout},
		outputFlag(),
	}, more...)
}

func levelFlag() cli.Flag {
	return &cli.StringFlag{Name: "consistency", Aliases: []string{"c"}, Usage: "`LEVEL`: any, one, two, quorum, all, local_one, local_quorum, each_quorum", DefaultText: "the cluster's"}
}

// formatOf reads --output.
func formatOf(c *cli.Context) (string, error) {
	format := c.String("output")
	if format != "" && !slices.Contains(formats, format) {
		return "", unknown("output format", format, formats)
	}
	return format, nil
}

// dial checks the flags and connects. The caller closes the session.
func dial(c *cli.Context) (*session, error) {
	format, err := formatOf(c)
	if err != nil {
		return nil, err
	}
	addrs, err := servers(c.StringSlice("server"))
	if err != nil {
		return nil, err
	}
	timeout := c.Duration("timeout")
	if timeout <= 0 {
		return nil, usage("--timeout %v: give it more than 0, as in 2s", timeout)
	}
	level := client.LevelDefault
	if name := c.String("consistency"); name != "" {
		if level, err = wire.ParseLevel(name); err != nil {
			return nil, usage("%v", err)
		}
	}
	ctx, cancel := context.WithTimeout(c.Context, timeout)
	defer cancel()
	cl, err := client.Dial(ctx, addrs, client.WithDialTimeout(timeout/2+timeout/4), client.WithDefaults(client.WithLevel(level), client.WithTimeout(timeout)))
	if err != nil {
		return nil, err
	}
	return &session{Client: cl, addr: addrs[0], format: format, timeout: timeout}, nil
}

// servers reads --server: without a port it is the default one.
func servers(given []string) ([]string, error) {
	var addrs []string
	for _, asked := range given {
		addr := strings.TrimSpace(asked)
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			_, port, _ := net.SplitHostPort(defaultServer)
			addr = net.JoinHostPort(strings.Trim(addr, "[]"), port)
			if _, _, err := net.SplitHostPort(addr); err != nil || strings.ContainsAny(addr, "/ ") {
				return nil, usage("--server %q: use host:port", asked)
			}
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) == 0 {
		addrs = []string{defaultServer}
	}
	return addrs, nil
}

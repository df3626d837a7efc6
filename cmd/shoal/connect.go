package main

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

const (
	defaultServer = "127.0.0.1:7400"
	serverEnv     = "SHOAL_SERVER"
)

// session is a command that talks to a cluster: its client, and how the result should look.
type session struct {
	*client.Client
	style
	namespace string // empty: the default one
}

// outputFlag is shared by all commands that have a result.
func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: " + strings.Join(formats, ", "), DefaultText: "table on a terminal, else raw"}
}

// sessionFlags are those of every command that talks to a cluster.
func sessionFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringSliceFlag{Name: "server", Aliases: []string{"s"}, Usage: "`ADDR` of a node for clients, host:port; repeat it, or use commas, for more than one", DefaultText: "$" + serverEnv + ", else the context's, else " + defaultServer},
		&cli.StringFlag{Name: "context", Usage: "the cluster that is known by `NAME`, see shoal ctx", DefaultText: "$" + contextEnv + ", else the one in use"},
		&cli.DurationFlag{Name: "timeout", Usage: "give up after `TIME`; nodes give no request more than 5s", DefaultText: "the context's, else " + client.DefaultTimeout.String()},
		outputFlag(),
	}, more...)
}

// keyFlags are those of the commands that take keys.
func keyFlags(more ...cli.Flag) []cli.Flag {
	return sessionFlags(append([]cli.Flag{levelFlag(), namespaceFlag("n"), hexFlag()}, more...)...)
}

func levelFlag() cli.Flag {
	return &cli.StringFlag{Name: "consistency", Aliases: []string{"c"}, Usage: "`LEVEL`: any, one, two, quorum, all, local_one, local_quorum, each_quorum", DefaultText: "the context's, else the cluster's"}
}

// given are the flags, of these, that the command line has.
func given(c *cli.Context, names ...string) (flags []string) {
	for _, name := range names {
		if c.IsSet(name) {
			flags = append(flags, "--"+name)
		}
	}
	return flags
}

// styleOf reads --output and --hex, and checks --watch.
func styleOf(c *cli.Context) (style, error) {
	if every := c.Duration("watch"); c.IsSet("watch") && every < watchMin {
		return style{}, usage("--watch %v: use at least %v", every, watchMin)
	}
	format, err := formatOf(c)
	return style{format: format, hex: c.Bool("hex")}, err
}

// formatOf reads --output.
func formatOf(c *cli.Context) (string, error) {
	format := c.String("output")
	if known := formatsOf(c.Command.Name); c.IsSet("output") && !slices.Contains(known, format) {
		return "", unknown("output format", format, known)
	}
	return format, nil
}

// target is where a command goes, and how it asks there.
type target struct {
	addrs   []string
	level   client.Level
	timeout time.Duration

	namespace string // empty: the default one
}

// targetOf puts together what was said of it: flags count first, then variables, then the context in use.
func targetOf(c *cli.Context) (*target, error) {
	ctx, err := &savedContext{}, error(nil)
	switch {
	case c.IsSet("context"):
		ctx, err = findContext(c.String("context"), "--context")
	case !c.IsSet("server") && os.Getenv(serverEnv) == "":
		ctx, err = contextInUse()
	}
	if err != nil {
		return nil, err
	}
	to := &target{addrs: ctx.Servers, timeout: ctx.timeout(), level: ctx.level(), namespace: ctx.Namespace}
	if c.IsSet("server") || len(to.addrs) == 0 {
		if to.addrs, err = servers(c.StringSlice("server")); err != nil {
			return nil, err
		}
	}
	if c.IsSet("timeout") {
		if to.timeout = c.Duration("timeout"); to.timeout <= 0 {
			return nil, usage("--timeout %v: give it more than 0, as in 2s", to.timeout)
		}
	}
	from := "$" + namespaceEnv
	if env := os.Getenv(namespaceEnv); env != "" {
		to.namespace = env
	}
	if c.IsSet("namespace") {
		from, to.namespace = "--namespace", c.String("namespace")
	}
	if to.namespace != "" || c.IsSet("namespace") { // a context's was checked when it was read
		if err := checkNamespace(to.namespace, from); err != nil {
			return nil, err
		}
	}
	if c.IsSet("consistency") {
		if to.level, err = wire.ParseLevel(c.String("consistency")); err != nil {
			return nil, usage("%v", err)
		}
	}
	return to, nil
}

// dial checks the flags and connects to the first address that answers, which then is asked for everything: people name
// a node to hear that node. The caller closes the session.
func dial(c *cli.Context) (*session, error) { return dialWith(c, client.WithoutRouting()) }

// dialWith is dial with other options.
func dialWith(c *cli.Context, opts ...client.Option) (*session, error) {
	look, err := styleOf(c)
	if err != nil {
		return nil, err
	}
	to, err := targetOf(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, to.timeout)
	defer cancel()
	opts = append(opts, client.WithDialTimeout(to.timeout/2+to.timeout/4), client.WithDefaults(client.WithLevel(to.level), client.WithTimeout(to.timeout)), client.WithNamespace(to.namespace))
	cl, err := client.Dial(ctx, to.addrs, opts...)
	if err != nil {
		return nil, err
	}
	return &session{Client: cl, style: look, namespace: to.namespace}, nil
}

// servers are the addresses given by --server, else by the variable, else the default. Without a port it is the default one.
func servers(given []string) ([]string, error) {
	from := "--server"
	if env := os.Getenv(serverEnv); len(given) == 0 && env != "" {
		from, given = "$"+serverEnv, strings.Split(env, ",")
	}
	if len(given) == 0 {
		return []string{defaultServer}, nil
	}
	var addrs []string
	for _, asked := range given {
		addr := strings.TrimSpace(asked)
		if _, _, err := net.SplitHostPort(addr); err != nil && addr != "" {
			_, port, _ := net.SplitHostPort(defaultServer)
			if strings.HasPrefix(addr, "[") && strings.HasSuffix(addr, "]") {
				addr = addr[1 : len(addr)-1]
			}
			addr = net.JoinHostPort(addr, port)
		}
		_, port, err := net.SplitHostPort(addr)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || strings.ContainsAny(addr, "/ ") {
			return nil, usage("%s %q: use host:port", from, asked)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

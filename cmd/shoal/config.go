package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/storage"
	"github.com/urfave/cli/v2"
)

// options are what a node is told on its command line, in the environment and in its file.
type options struct {
	server.Config
	logLevel, logFormat string
}

// defaultRespAddr is where a node listens for Redis clients unless told otherwise; one that a program starts does not.
const defaultRespAddr = "127.0.0.1:7404"

// setting is one of them: a flag, a SHOAL_* variable and a YAML key of one name.
type setting struct {
	name, hint, usage, def string
	many                   bool // may be given more than once, or as a list
	set                    func(o *options, value string) error
}

// settings are all there are, in the order in which help shows them.
func settings() []setting {
	return []setting{
		{name: "name", hint: "NAME", usage: "unique in the cluster", def: "the host's name", set: word(func(o *options) *string { return &o.Name })},
		{name: "client-addr", hint: "ADDR", usage: "where clients connect", def: "127.0.0.1:7400", set: word(func(o *options) *string { return &o.ClientAddr })},
		{name: "resp-addr", hint: "ADDR", usage: "where Redis clients connect; none: nowhere", def: defaultRespAddr, set: func(o *options, v string) error {
			if o.RespAddr = v; v == "none" {
				o.RespAddr = ""
			}
			return nil
		}},
		{name: "peer-addr", hint: "ADDR", usage: "where other nodes connect", def: "127.0.0.1:7401", set: word(func(o *options) *string { return &o.PeerAddr })},
		{name: "gossip-addr", hint: "ADDR", usage: "where membership is gossiped, TCP and UDP", def: "127.0.0.1:7402", set: word(func(o *options) *string { return &o.GossipAddr })},
		{name: "advertise-host", hint: "HOST", usage: "the host others reach this node at", def: "that of each address", set: word(func(o *options) *string { return &o.AdvertiseHost })},
		{name: "admin-addr", hint: "ADDR", usage: "health, statistics and profiles over HTTP", def: "off", set: word(func(o *options) *string { return &o.AdminAddr })},
		{name: "join", hint: "ADDR", usage: "gossip address of a node of the cluster to join; repeat it, or use commas, for more than one", def: "found a cluster", many: true, set: func(o *options, v string) error {
			o.Join = append(o.Join, v)
			return nil
		}},
		{name: "cluster-name", hint: "NAME", usage: "clusters of other names are never joined", def: "shoal", set: word(func(o *options) *string { return &o.ClusterName })},
		{name: "data-dir", hint: "DIR", usage: "what the node must not forget; none keeps nothing, and a node that joins then waits 20 s", def: "./shoal-data/NAME", set: word(func(o *options) *string { return &o.DataDir })},
		{name: "memory", hint: "SIZE", usage: "what the process may use, as in 4GiB, or 75% of what there is; keys and values get most of it", def: "1GiB, or 75% of what there is", set: func(o *options, v string) (err error) {
			if o.Memory, err = memoryOf(v, machine); err == nil && o.Memory < server.MemoryMin {
				return fmt.Errorf("%s is too little: give a node at least %s", v, formatSize(server.MemoryMin))
			}
			return cmp.Or(err, checkMemory(o.Memory, machine))
		}},
		{name: "hints-disk", hint: "SIZE", usage: "of the data directory, for writes owed to absent nodes, a quarter of it for each; none: they stay in memory", def: "1GiB", set: func(o *options, v string) (err error) {
			if v == "none" {
				o.HintsDisk = -1
				return nil
			}
			if o.HintsDisk, err = parseSize(v); err == nil && o.HintsDisk < server.HintsDiskMin {
				return fmt.Errorf("%s is too little: use at least %s, or none", v, formatSize(server.HintsDiskMin))
			}
			return err
		}},
		{name: "ghost-share", hint: "PERCENT", usage: "of storage, for what is remembered of keys that are gone, 1% to 50%", def: "10%", set: func(o *options, v string) (err error) {
			o.GhostShare, err = parsePercent(v, 1, 50)
			return err
		}},
		{name: "clients-max", hint: "COUNT", usage: "connections of clients at a time, 24 KiB of memory each", def: "what a 40th of memory has room for", set: number(func(o *options) *int { return &o.ClientsMax })},
		{name: "background-max", hint: "SIZE", usage: "per second, for hints, recovery and exchanges; less while clients feel it", def: "64MiB", set: func(o *options, v string) (err error) {
			o.BackgroundMax, err = parseSize(v)
			if err == nil && (o.BackgroundMax < server.BackgroundLeast || o.BackgroundMax > server.BackgroundMost) {
				err = fmt.Errorf("%s a second: use %s to %s", v, formatSize(server.BackgroundLeast), formatSize(server.BackgroundMost))
			}
			return err
		}},
		{name: "hints-memory", hint: "SIZE", usage: "of memory, for writes that nodes missed while they were away; more go to disk, or are left to exchanges", def: "a 40th of memory", set: func(o *options, v string) (err error) {
			if o.HintsMemory, err = parseSize(v); err == nil && o.HintsMemory == 0 { // which to the server would mean its default
				return fmt.Errorf("%q: use a size, as in 64MiB", v)
			}
			return err
		}},
		{name: "policy", hint: "NAME", usage: "what is forgotten when memory is full: " + strings.Join(storage.PolicyNames(), ", ") + ", which refuses writes", def: storage.Adaptive.String(), set: oneOf(func(o *options) *string { return &o.Policy }, storage.PolicyNames()...)},
		{name: "datacenter", hint: "NAME", usage: "each holds --replicas copies of every key", def: "dc1", set: word(func(o *options) *string { return &o.Datacenter })},
		{name: "rack", hint: "NAME", usage: "copies avoid sharing one", def: "none", set: word(func(o *options) *string { return &o.Rack })},
		{name: "weight", hint: "W", usage: "share of the data against other nodes", def: "1", set: func(o *options, v string) (err error) {
			if o.Weight, err = strconv.ParseFloat(v, 64); err != nil || o.Weight <= 0 {
				return fmt.Errorf("%q: use a number above 0", v)
			}
			return nil
		}},
		{name: "replicas", hint: "N", usage: "copies of every key in a datacenter; the founder's counts", def: "3", set: number(func(o *options) *int { return &o.Replicas })},
		{name: "read", hint: "LEVEL", usage: "consistency of reads that name none; the founder's counts", def: "quorum", set: word(func(o *options) *string { return &o.Read })},
		{name: "write", hint: "LEVEL", usage: "consistency of writes that name none; the founder's counts", def: "quorum", set: word(func(o *options) *string { return &o.Write })},
		{name: "read-repair-chance", hint: "PERCENT", usage: "of reads that also ask, once answered, the owners in this datacenter that they did not need; 0% for none", def: "1%", set: func(o *options, v string) (err error) {
			if o.ReadRepairChance, err = parsePercent(v, 0, 100); o.ReadRepairChance == 0 {
				o.ReadRepairChance = -1 // 0 is the default's
			}
			return err
		}},
		{name: "partitions", hint: "P", usage: "a power of two, at least 150 for each node to come; the founder's counts", def: "4096", set: number(func(o *options) *int { return &o.Partitions })},
		{name: "shards", hint: "S", usage: "locks and stores inside the node, a power of two", def: "4 for each core, at least 16", set: number(func(o *options) *int { return &o.Shards })},
		{name: "clock-offset", hint: "TIME", usage: "for tests: what the node takes the machine's clock to be wrong by, as in -2s", def: "0s", set: func(o *options, v string) (err error) {
			if o.ClockOffset, err = time.ParseDuration(v); err != nil {
				return fmt.Errorf("%q: use a time with its unit, as in 300ms or -2s", v)
			}
			return nil
		}},
		{name: "log-level", hint: "LEVEL", usage: "debug, info, warn or error", def: "info", set: oneOf(func(o *options) *string { return &o.logLevel }, "debug", "info", "warn", "error")},
		{name: "log-format", hint: "FORMAT", usage: "console or json", def: "console", set: oneOf(func(o *options) *string { return &o.logFormat }, "console", "json")},
	}
}

func word(field func(*options) *string) func(*options, string) error {
	return func(o *options, v string) error {
		*field(o) = v
		return nil
	}
}

// number refuses 0, which to the server would mean its default.
func number(field func(*options) *int) func(*options, string) error {
	return func(o *options, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("%q: use a number from 1", v)
		}
		*field(o) = n
		return nil
	}
}

func oneOf(field func(*options) *string, known ...string) func(*options, string) error {
	return func(o *options, v string) error {
		if !slices.Contains(known, v) {
			return fmt.Errorf("%q: use one of %s", v, strings.Join(known, ", "))
		}
		*field(o) = v
		return nil
	}
}

// variable is the environment variable of a setting.
func variable(name string) string {
	return "SHOAL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// flags are the settings as the library wants them.
func flags(list []setting) []cli.Flag {
	all := []cli.Flag{&cli.StringFlag{Name: "config", EnvVars: []string{variable("config")}, Usage: "YAML `FILE` with the same names as keys"}}
	for _, s := range list {
		usage, env := "`"+s.hint+"`: "+s.usage, []string{variable(s.name)}
		if s.many {
			all = append(all, &cli.StringSliceFlag{Name: s.name, EnvVars: env, Usage: usage, DefaultText: s.def})
		} else {
			all = append(all, &cli.StringFlag{Name: s.name, EnvVars: env, Usage: usage, DefaultText: s.def})
		}
	}
	return all
}

// configure puts the options together: a flag counts before a variable, that before the file, that before the
// default. A flag or variable that is empty counts as not given.
func configure(c *cli.Context, list []setting) (*options, error) {
	var file map[string]entry
	path := c.String("config")
	if path != "" {
		var err error
		if file, err = readConfig(c.Context, path, list); err != nil {
			return nil, err
		}
	}
	o := &options{logLevel: "info", logFormat: "console"}
	o.RespAddr = defaultRespAddr
	for _, s := range list {
		from := "--" + s.name
		values := c.StringSlice(s.name)
		if !s.many {
			values = []string{c.String(s.name)}
		}
		if !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
			e := file[s.name]
			from, values = fmt.Sprintf("%s:%d: %s", path, e.line, s.name), e.values
		}
		for _, v := range values {
			if err := s.set(o, v); err != nil {
				return nil, usage("%s: %v", from, err)
			}
		}
	}
	if o.Memory == 0 {
		o.Memory = memoryByDefault(server.DefaultMemory, machine)
	}
	if err := o.Validate(); err != nil {
		text := strings.ReplaceAll(err.Error(), server.ErrConfig.Error()+": ", "")
		return nil, usage("%s", strings.ReplaceAll(text, "\n", "; "))
	}
	return o, nil
}

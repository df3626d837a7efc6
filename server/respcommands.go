package server

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/server/resp"
	"github.com/shoalcache/shoal/storage"
)

// redisVersion is the version that clients are told: they choose their commands by it.
const redisVersion = "7.4.0"

// tell carries out a command that asks nobody for a key; false ends the connection.
func (c *respConn) tell(id resp.ID, args [][]byte) bool {
	var b []byte
	switch id {
	case resp.Ping:
		b = ping(args)
	case resp.Echo:
		b = resp.AppendBulk(b, args[1])
	case resp.Quit:
		c.reply([]byte("+OK\r\n"))
		c.finish()
		return false
	case resp.Select:
		b = choose(args[1])
	case resp.Auth:
		b = resp.AppendError(b, noPassword)
	case resp.Hello:
		b = c.hello(args)
	case resp.Info:
		b = resp.AppendText(b, c.version, c.n.info(args[1:]))
	case resp.DBSize:
		b = resp.AppendInt(b, c.n.Stats().Keys)
	case resp.ClientSetName:
		b = c.setName(args[2])
	case resp.ClientGetName:
		if b = resp.AppendBulk(b, c.name); c.name == "" {
			b = resp.AppendNull(nil, c.version)
		}
	case resp.ClientID:
		b = resp.AppendInt(b, int64(c.id))
	case resp.ClientTracking:
		b = resp.AppendError(b, "ERR CLIENT TRACKING is not there yet: nothing would be sent of what others change")
	case resp.ClientSetInfo, resp.ReadOnly, resp.ReadWrite:
		b = resp.AppendSimple(b, "OK")
	case resp.CommandAll, resp.CommandCount, resp.CommandInfo, resp.CommandDocs:
		b = resp.AppendCatalog(b, c.version, id, args)
	case resp.ConfigGet:
		b = c.n.configGet(c.version, args[2:])
	default:
		b = c.n.tellCluster(c.version, id, args)
	}
	return c.reply(b)
}

func ping(args [][]byte) []byte {
	switch len(args) {
	case 1:
		return resp.AppendSimple(nil, "PONG")
	case 2:
		return resp.AppendBulk(nil, args[1])
	}
	return resp.AppendError(nil, "ERR wrong number of arguments for 'ping' command")
}

func choose(database []byte) []byte {
	n, err := strconv.Atoi(string(database))
	switch {
	case err != nil:
		return resp.AppendError(nil, string(resp.ErrInteger))
	case n != 0:
		return resp.AppendError(nil, "ERR DB index is out of range")
	}
	return resp.AppendSimple(nil, "OK")
}

// noPassword is what Redis says to who has one where none is set.
const noPassword = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"

// hello answers HELLO [protover [AUTH user password] [SETNAME name]].
func (c *respConn) hello(args [][]byte) []byte {
	version := c.version
	if len(args) > 1 {
		n, err := strconv.Atoi(string(args[1]))
		if err != nil {
			return resp.AppendError(nil, "ERR Protocol version is not an integer or out of range")
		}
		if version = resp.Version(n); n != int(resp.RESP2) && n != int(resp.RESP3) {
			return resp.AppendError(nil, string(resp.ErrProtover))
		}
	}
	name := c.name
	for i := 2; i < len(args); i++ {
		switch word := strings.ToUpper(string(args[i][:min(len(args[i]), 8)])); {
		case word == "AUTH" && i+2 < len(args):
			return resp.AppendError(nil, noPassword)
		case word == "SETNAME" && i+1 < len(args):
			i++
			if !nameable(args[i]) {
				return resp.AppendError(nil, badName)
			}
			name = string(args[i])
		default:
			return resp.AppendError(nil, fmt.Sprintf("ERR Syntax error in HELLO option '%.128s'", args[i]))
		}
	}
	c.version, c.name = version, name
	b := resp.AppendMap(nil, version, 7)
	for _, f := range [...][2]string{{"server", "redis"}, {"version", redisVersion}} {
		b = resp.AppendBulk(resp.AppendBulk(b, f[0]), f[1])
	}
	b = resp.AppendInt(resp.AppendBulk(b, "proto"), int64(version))
	b = resp.AppendInt(resp.AppendBulk(b, "id"), int64(c.id))
	for _, f := range [...][2]string{{"mode", "cluster"}, {"role", "master"}} {
		b = resp.AppendBulk(resp.AppendBulk(b, f[0]), f[1])
	}
	return resp.AppendArray(resp.AppendBulk(b, "modules"), 0)
}

const (
	badName = "ERR Client names cannot contain spaces, newlines or special characters."
	nameMax = 256 // bytes of a connection's name
)

func nameable(name []byte) bool {
	return len(name) <= nameMax && !bytes.ContainsFunc(name, unprintable)
}

func (c *respConn) setName(name []byte) []byte {
	if !nameable(name) {
		return resp.AppendError(nil, badName)
	}
	c.name = string(name)
	return resp.AppendSimple(nil, "OK")
}

// configGet answers CONFIG GET for some of the settings that Redis has.
func (n *Node) configGet(v resp.Version, patterns [][]byte) []byte {
	host, port := split(n.me.RespAddr)
	var found [][2]string
	for _, s := range [...][2]string{
		{"appendonly", "no"},
		{"bind", host},
		{"cluster-enabled", "yes"},
		{"databases", "1"},
		{"maxclients", strconv.Itoa(n.clientsMax)},
		{"maxmemory", strconv.FormatInt(n.cfg.Memory, 10)},
		{"maxmemory-policy", respPolicy(n.cfg.Policy)},
		{"port", port},
		{"proto-max-bulk-len", strconv.Itoa(n.cfg.Limits.Value)},
		{"save", ""},
		{"timeout", "0"},
	} {
		for _, p := range patterns {
			if ok, _ := path.Match(strings.ToLower(string(p)), s[0]); ok {
				found = append(found, s)
				break
			}
		}
	}
	b := resp.AppendMap(nil, v, len(found))
	for _, s := range found {
		b = resp.AppendBulk(resp.AppendBulk(b, s[0]), s[1])
	}
	return b
}

// info answers INFO, of all sections or of those named.
func (n *Node) info(sections [][]byte) string {
	s := n.Stats()
	_, port := split(n.me.RespAddr)
	var b strings.Builder
	section := func(name string, lines ...string) {
		wanted := len(sections) == 0
		for _, w := range sections {
			word := strings.ToLower(string(w[:min(len(w), 16)]))
			wanted = wanted || word == strings.ToLower(name) || word == "all" || word == "everything" || word == "default"
		}
		if !wanted {
			return
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("# " + name + "\r\n" + strings.Join(lines, "\r\n") + "\r\n")
	}
	number := func(name string, n int64) string { return name + ":" + strconv.FormatInt(n, 10) }
	section("Server", "redis_version:"+redisVersion, "redis_mode:cluster", "shoal_version:"+n.cfg.Version, fmt.Sprintf("run_id:%040x", n.self.Boot),
		"tcp_port:"+port, number("uptime_in_seconds", s.UptimeMillis/1000))
	section("Clients", number("connected_clients", int64(n.callerCount())), number("maxclients", int64(n.clientsMax)))
	section("Memory", number("used_memory", s.MemoryUsed), number("maxmemory", s.MemoryLimit), "maxmemory_policy:"+respPolicy(n.cfg.Policy))
	section("Persistence", "loading:0")
	section("Stats", number("instantaneous_ops_per_sec", int64(s.OpsPerSecond)), number("total_commands_processed", int64(n.meter.answered.Load())))
	section("Replication", "role:master", "connected_slaves:0")
	section("Cluster", "cluster_enabled:1")
	section("Shoal", "shoal_node:"+s.Name, "shoal_state:"+s.State, number("shoal_nodes", int64(s.Nodes)), number("shoal_hints_owed", s.HintsOwed),
		number("shoal_partitions_owned", s.PartitionsOwned), number("shoal_partitions_recovering", s.PartitionsRecovering),
		number("shoal_p50_us", s.P50Micros), number("shoal_p99_us", s.P99Micros))
	keyspace := []string{}
	if s.Keys > 0 {
		keyspace = append(keyspace, fmt.Sprintf("db0:keys=%d,expires=0,avg_ttl=0", s.Keys))
	}
	section("Keyspace", keyspace...)
	return b.String()
}

// respPolicy is what Redis calls a policy. Those that it has not are named as it names its own: any key may go.
func respPolicy(name string) string {
	if name == storage.None.String() {
		return "noeviction"
	}
	return "allkeys-" + name
}

// split is an address in two parts.
func split(addr string) (host, port string) {
	at := strings.LastIndexByte(addr, ':')
	if at < 0 {
		return addr, "0"
	}
	return strings.Trim(addr[:at], "[]"), addr[at+1:]
}

// respPort is the port of an address as a number.
func respPort(x *ring.Node) int64 {
	_, port := split(x.RespAddr)
	n, _ := strconv.ParseInt(port, 10, 32)
	return n
}

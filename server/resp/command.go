package resp

// ID names a command for whoever carries it out.
type ID uint8

// The commands. Containers, such as CLUSTER, have no ID: their subcommands do.
const (
	None ID = iota
	Get
	Set
	GetDel
	Del
	Exists
	Expire
	PExpire
	TTL
	PTTL
	Persist
	MGet
	MSet
	Type
	SetNX
	GetSet
	Append
	Incr
	Decr
	IncrBy
	DecrBy
	Ping
	Echo
	Quit
	Select
	Hello
	Auth
	Info
	DBSize
	ReadOnly
	ReadWrite
	ClientSetInfo
	ClientSetName
	ClientGetName
	ClientID
	ClientTracking
	CommandAll
	CommandCount
	CommandInfo
	CommandDocs
	ConfigGet
	ClusterSlots
	ClusterShards
	ClusterNodes
	ClusterInfo
	ClusterKeySlot
	ClusterMyID
)

// Flag says something of a command that clients route or retry by.
type Flag uint16

// The flags, by the names that COMMAND gives them.
const (
	Write Flag = 1 << iota
	ReadOnlyFlag
	DenyOOM
	Fast
	Loading
	Stale
	NoAuth
	Admin
)

var flagNames = [...]string{"write", "readonly", "denyoom", "fast", "loading", "stale", "no_auth", "admin"}

// Command is one line of the table that COMMAND prints and every command is checked against.
type Command struct {
	Name    string // in small letters; of a subcommand, container|name
	ID      ID
	Arity   int // arguments, the name among them; where negative, at least so many
	Flags   Flag
	First   int // position of the first key, 0: no keys
	Last    int // of the last, where negative from the end
	Step    int // from one key to the next
	Group   string
	Since   string // the version of Redis that brought it
	Summary string
	subs    []*Command
}

// commands is every command there is. What is not here is unknown.
var commands = []*Command{
	{"get", Get, 2, ReadOnlyFlag | Fast, 1, 1, 1, "string", "1.0.0", "Returns the value of a key.", nil},
	{"set", Set, -3, Write | DenyOOM, 1, 1, 1, "string", "1.0.0", "Sets the value of a key, with NX, XX, GET, EX, PX, EXAT, PXAT and KEEPTTL.", nil},
	{"getdel", GetDel, 2, Write | Fast, 1, 1, 1, "string", "6.2.0", "Returns the value of a key and deletes it, in two steps.", nil},
	{"setnx", SetNX, 3, Write | DenyOOM | Fast, 1, 1, 1, "string", "1.0.0", "Sets the value of a key that is not there.", nil},
	{"getset", GetSet, 3, Write | DenyOOM | Fast, 1, 1, 1, "string", "1.0.0", "Sets the value of a key and returns the one that was there.", nil},
	{"append", Append, 3, Write | DenyOOM | Fast, 1, 1, 1, "string", "2.0.0", "Adds to the end of a key's value.", nil},
	{"incr", Incr, 2, Write | DenyOOM | Fast, 1, 1, 1, "string", "1.0.0", "Adds one to a key's number.", nil},
	{"decr", Decr, 2, Write | DenyOOM | Fast, 1, 1, 1, "string", "1.0.0", "Takes one from a key's number.", nil},
	{"incrby", IncrBy, 3, Write | DenyOOM | Fast, 1, 1, 1, "string", "1.0.0", "Adds to a key's number.", nil},
	{"decrby", DecrBy, 3, Write | DenyOOM | Fast, 1, 1, 1, "string", "1.0.0", "Takes from a key's number.", nil},
	{"mget", MGet, -2, ReadOnlyFlag | Fast, 1, -1, 1, "string", "1.0.0", "Returns the values of keys, of any slots.", nil},
	{"mset", MSet, -3, Write | DenyOOM, 1, -1, 2, "string", "1.0.1", "Sets the values of keys, of any slots, each on its own.", nil},
	{"del", Del, -2, Write, 1, -1, 1, "generic", "1.0.0", "Deletes keys, of any slots.", nil},
	{"unlink", Del, -2, Write | Fast, 1, -1, 1, "generic", "4.0.0", "Deletes keys, of any slots.", nil},
	{"exists", Exists, -2, ReadOnlyFlag | Fast, 1, -1, 1, "generic", "1.0.0", "Counts the keys that are there.", nil},
	{"expire", Expire, -3, Write | Fast, 1, 1, 1, "generic", "1.0.0", "Sets a key's time to live, in seconds.", nil},
	{"pexpire", PExpire, -3, Write | Fast, 1, 1, 1, "generic", "2.6.0", "Sets a key's time to live, in milliseconds.", nil},
	{"ttl", TTL, 2, ReadOnlyFlag | Fast, 1, 1, 1, "generic", "1.0.0", "Returns a key's time to live, in seconds.", nil},
	{"pttl", PTTL, 2, ReadOnlyFlag | Fast, 1, 1, 1, "generic", "2.6.0", "Returns a key's time to live, in milliseconds.", nil},
	{"persist", Persist, 2, Write | Fast, 1, 1, 1, "generic", "2.2.0", "Takes a key's time to live away.", nil},
	{"type", Type, 2, ReadOnlyFlag | Fast, 1, 1, 1, "generic", "1.0.0", "Says string, or none.", nil},
	{"ping", Ping, -1, Fast, 0, 0, 0, "connection", "1.0.0", "Says PONG, or what it is given.", nil},
	{"echo", Echo, 2, Fast, 0, 0, 0, "connection", "1.0.0", "Says what it is given.", nil},
	{"quit", Quit, -1, Fast | Loading | Stale | NoAuth, 0, 0, 0, "connection", "1.0.0", "Closes the connection.", nil},
	{"select", Select, 2, Fast | Loading | Stale, 0, 0, 0, "connection", "1.0.0", "Takes database 0, the only one.", nil},
	{"hello", Hello, -1, Fast | Loading | Stale | NoAuth, 0, 0, 0, "connection", "6.0.0", "Chooses RESP2 or RESP3.", nil},
	{"auth", Auth, -2, Fast | Loading | Stale | NoAuth, 0, 0, 0, "connection", "1.0.0", "Refused: no password is set.", nil},
	{"readonly", ReadOnly, 1, Fast | Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Allows reads at any node, as ever.", nil},
	{"readwrite", ReadWrite, 1, Fast | Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Ends READONLY, which changes nothing.", nil},
	{"info", Info, -1, Loading | Stale, 0, 0, 0, "server", "1.0.0", "Describes the node.", nil},
	{"dbsize", DBSize, 1, ReadOnlyFlag | Fast, 0, 0, 0, "server", "1.0.0", "Counts the keys that this node holds.", nil},
	{"client", None, -2, 0, 0, 0, 0, "connection", "2.4.0", "Commands about the connection.", []*Command{
		{"client|setinfo", ClientSetInfo, 4, Fast | Loading | Stale, 0, 0, 0, "connection", "7.2.0", "Takes the name or version of the client's library.", nil},
		{"client|setname", ClientSetName, 3, Fast | Loading | Stale, 0, 0, 0, "connection", "2.6.9", "Names the connection.", nil},
		{"client|getname", ClientGetName, 2, Fast | Loading | Stale, 0, 0, 0, "connection", "2.6.9", "Returns the connection's name.", nil},
		{"client|id", ClientID, 2, Fast | Loading | Stale, 0, 0, 0, "connection", "5.0.0", "Returns the connection's number.", nil},
		{"client|tracking", ClientTracking, -3, Fast | Loading | Stale, 0, 0, 0, "connection", "6.0.0", "Refused: nothing would be sent of what changes.", nil},
	}},
	{"command", CommandAll, -1, Loading | Stale, 0, 0, 0, "server", "2.8.13", "Describes all commands.", []*Command{
		{"command|count", CommandCount, 2, Loading | Stale, 0, 0, 0, "server", "2.8.13", "Counts the commands.", nil},
		{"command|info", CommandInfo, -2, Loading | Stale, 0, 0, 0, "server", "2.8.13", "Describes commands.", nil},
		{"command|docs", CommandDocs, -2, Loading | Stale, 0, 0, 0, "server", "7.0.0", "Says what commands are for.", nil},
	}},
	{"config", None, -2, 0, 0, 0, 0, "server", "2.0.0", "Commands about settings.", []*Command{
		{"config|get", ConfigGet, -3, Admin | Loading | Stale, 0, 0, 0, "server", "2.0.0", "Returns settings by their names or patterns.", nil},
	}},
	{"cluster", None, -2, 0, 0, 0, 0, "cluster", "3.0.0", "Commands about the cluster.", []*Command{
		{"cluster|slots", ClusterSlots, 2, Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Returns which nodes own which slots.", nil},
		{"cluster|shards", ClusterShards, 2, Loading | Stale, 0, 0, 0, "cluster", "7.0.0", "Returns which slots each node leads.", nil},
		{"cluster|nodes", ClusterNodes, 2, Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Describes the nodes, a line each.", nil},
		{"cluster|info", ClusterInfo, 2, Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Describes the cluster.", nil},
		{"cluster|keyslot", ClusterKeySlot, 3, Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Returns the slot of a key.", nil},
		{"cluster|myid", ClusterMyID, 2, Loading | Stale, 0, 0, 0, "cluster", "3.0.0", "Returns the node's id.", nil},
	}},
}

// byName finds a command by its name in small letters, subcommands by container|name.
var byName = index(commands)

// nameMax is how long the longest name is, a subcommand's without its container's.
const nameMax = 16

func index(table []*Command) map[string]*Command {
	m := map[string]*Command{}
	for _, c := range table {
		m[c.Name] = c
		for _, sub := range c.subs {
			m[sub.Name] = sub
		}
	}
	return m
}

// Lookup finds the command that args, of which there is at least one, ask for, and checks how many they are.
// What it refuses is a CommandError. It keeps nothing of args and allocates for errors only.
func Lookup(args [][]byte) (*Command, error) {
	var name [2*nameMax + 1]byte
	n := lower(name[:nameMax], args[0])
	c := byName[string(name[:n])]
	switch {
	case n == 0 || c == nil:
		return nil, unknownError(args)
	case len(c.subs) > 0 && len(args) > 1:
		name[n] = '|'
		m := lower(name[n+1:n+1+nameMax], args[1])
		sub := byName[string(name[:n+1+m])]
		if m == 0 || sub == nil {
			return nil, subcommandError(c.Name, args[1])
		}
		c = sub
	}
	if len(args) != c.Arity && (c.Arity >= 0 || len(args) < -c.Arity) {
		return nil, arityError(c.Name)
	}
	return c, nil
}

// lower writes a name in small letters; 0 when it is none, or too long for one.
func lower(dst, name []byte) int {
	if len(name) > len(dst) {
		return 0
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c == '|' {
			return 0
		}
		dst[i] = c
	}
	return len(name)
}

// is reports whether an argument is a word, given in capitals.
func is(arg []byte, word string) bool {
	if len(arg) != len(word) {
		return false
	}
	for i, c := range arg {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

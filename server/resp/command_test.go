package resp

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

func fields(line string) [][]byte {
	var args [][]byte
	for _, w := range strings.Fields(line) {
		args = append(args, []byte(w))
	}
	return args
}

const now = 1_000_000_000_000

// Expected is the plan, or the reply.
func TestPlansAndRefusalsOfCommands(t *testing.T) {
	for line, want := range map[string]string{
		"get k":                                 "{get op(0) 1 1 0 false 1 0 0 false 0}",
		"GeT k":                                 "{get op(0) 1 1 0 false 1 0 0 false 0}",
		"set k v":                               "{op(0) set 1 1 0 false 0 0 0 false 0}",
		"set k v EX 10":                         "{op(0) set 1 1 10000 false 0 0 0 false 0}",
		"set k v px 10 get":                     "{op(0) set 1 1 10 false 8 0 0 true 0}",
		"set k v get PX 10":                     "{op(0) set 1 1 10 false 8 0 0 true 0}",
		"set k v EXAT 1000000001":               "{op(0) set 1 1 0 false 0 1000000001000 0 false 0}",
		"set k v PXAT 1":                        "{op(0) delete 1 1 0 false 0 0 0 false 0}",
		"set k v PXAT 1 GET":                    "{op(0) delete 1 1 0 false 8 0 0 true 0}",
		"set k v KEEPTTL":                       "{head set 1 1 0 true 0 0 0 false 0}",
		"set k v KEEPTTL GET":                   "{head set 1 1 0 true 8 0 0 true 0}",
		"set k v EX 0":                          "ERR invalid expire time in 'set' command",
		"set k v PX -1":                         "ERR invalid expire time in 'set' command",
		"set k v EX 9223372036854":              "ERR invalid expire time in 'set' command",
		"set k v EX 9223372036854775807":        "ERR invalid expire time in 'set' command",
		"set k v EX 9223372036854775808":        "ERR value is not an integer or out of range",
		"set k v EX ten":                        "ERR value is not an integer or out of range",
		"set k v EX +1":                         "ERR value is not an integer or out of range",
		"set k v EX 01":                         "ERR value is not an integer or out of range",
		"set k v EX":                            "ERR syntax error",
		"set k v EX 1 PX 1":                     "ERR syntax error",
		"set k v EX 1 KEEPTTL":                  "ERR syntax error",
		"set k v KEEPTTL EX 1":                  "ERR syntax error",
		"set k v what":                          "ERR syntax error",
		"set k v NX":                            "{op(0) set 1 1 0 false 7 0 1 false 0}",
		"set k v XX":                            "{op(0) set 1 1 0 false 7 0 2 false 0}",
		"set k v NX EX 5 GET":                   "{op(0) set 1 1 5000 false 8 0 1 true 0}",
		"set k v XX KEEPTTL":                    "{head set 1 1 0 true 7 0 2 false 0}",
		"set k v NX XX":                         "ERR syntax error",
		"set k v GET GET":                       "ERR syntax error",
		"setnx k v":                             "{op(0) set 1 1 0 false 3 0 1 false 0}",
		"getset k v":                            "{op(0) set 1 1 0 false 8 0 0 true 0}",
		"append k v":                            "{op(0) append 1 1 0 false 9 0 0 false 0}",
		"incr k":                                "{op(0) incr 1 1 0 false 9 0 0 false 1}",
		"decr k":                                "{op(0) incr 1 1 0 false 9 0 0 false -1}",
		"incrby k 5":                            "{op(0) incr 1 1 0 false 9 0 0 false 5}",
		"decrby k -5":                           "{op(0) incr 1 1 0 false 9 0 0 false 5}",
		"decrby k -9223372036854775808":         "ERR decrement would overflow",
		"incrby k 1.5":                          "ERR value is not an integer or out of range",
		"incr":                                  "ERR wrong number of arguments for 'incr' command",
		"set k":                                 "ERR wrong number of arguments for 'set' command",
		"get":                                   "ERR wrong number of arguments for 'get' command",
		"get a b":                               "ERR wrong number of arguments for 'get' command",
		"mset a 1 b":                            "ERR wrong number of arguments for 'mset' command",
		"mset a 1 b 2":                          "{op(0) set 2 2 0 false 0 0 0 false 0}",
		"mget a b c":                            "{get op(0) 3 1 0 false 2 0 0 false 0}",
		"del a b a":                             "{head delete 2 1 0 false 3 0 0 false 0}",
		"UNLINK a":                              "{head delete 1 1 0 false 3 0 0 false 0}",
		"exists a a":                            "{head op(0) 2 1 0 false 3 0 0 false 0}",
		"getdel a":                              "{op(0) delete 1 1 0 false 8 0 2 true 0}",
		"expire k 10":                           "{op(0) touch 1 1 10000 false 3 0 0 false 0}",
		"pexpire k 10":                          "{op(0) touch 1 1 10 false 3 0 0 false 0}",
		"expire k 0":                            "{head delete 1 1 0 false 3 0 0 false 0}",
		"expire k -9223372036854775808":         "ERR invalid expire time in 'expire' command",
		"pexpire k 9223372036854775807":         "ERR invalid expire time in 'pexpire' command",
		"expire k x":                            "ERR value is not an integer or out of range",
		"expire k 10 NX":                        "ERR Unsupported option NX",
		"persist k":                             "{head touch 1 1 0 false 3 0 0 false 0}",
		"ttl k":                                 "{head op(0) 1 1 0 false 4 0 0 false 0}",
		"pttl k":                                "{head op(0) 1 1 0 false 5 0 0 false 0}",
		"type k":                                "{head op(0) 1 1 0 false 6 0 0 false 0}",
		"ping":                                  "{op(0) op(0) 0 0 0 false 0 0 0 false 0}",
		"nope a b":                              "ERR unknown command 'nope', with args beginning with: 'a' 'b' ",
		"nope":                                  "ERR unknown command 'nope', with args beginning with: ",
		"client|id":                             "ERR unknown command 'client|id', with args beginning with: ",
		"client":                                "ERR wrong number of arguments for 'client' command",
		"client nope":                           "ERR unknown subcommand 'nope'. Try CLIENT HELP.",
		"client id x":                           "ERR wrong number of arguments for 'client|id' command",
		strings.Repeat("x", 200):                "ERR unknown command '" + strings.Repeat("x", 128) + "', with args beginning with: ",
		"no " + strings.Repeat("y", 200) + " z": "ERR unknown command 'no', with args beginning with: '" + strings.Repeat("y", 128) + "' ",
	} {
		args := fields(line)
		got := ""
		c, err := Lookup(args)
		if err == nil {
			var p Plan
			if p, err = NewPlan(c, args, now); err == nil {
				got = fmt.Sprint(p)
			}
		}
		if err != nil {
			got = string(err.(CommandError))
		}
		if got != want {
			t.Errorf("%s:\n %s\nwant\n %s", line, got, want)
		}
	}
}

func TestCatalogOfOneCommandOverAndOverIsNoReplyOfAnySize(t *testing.T) {
	for _, id := range []ID{CommandInfo, CommandDocs} {
		for n, refused := range map[int]bool{len(byName): false, len(byName) + 1: true, ArgsMax - 2: true} {
			args := fields("command info" + strings.Repeat(" cluster", n))
			if got := AppendCatalog(nil, RESP3, id, args); refused != (got[0] == '-') || len(got) > 1<<20 {
				t.Errorf("%d names: %d bytes, %.50q", n, len(got), got)
			}
		}
	}
}

// What the table says of keys is where the plan finds them.
func TestKeyPositionsOfTheTableAreThoseOfThePlans(t *testing.T) {
	for _, c := range commands {
		args := fields(c.Name + " a 1 b 2 c 3")[:max(c.Arity, -c.Arity)]
		for range 2 {
			if p, err := NewPlan(c, args, now); err == nil {
				last := c.Last
				if last < 0 {
					last += len(args)
				}
				want := 0
				if c.First > 0 {
					want = (last-c.First)/c.Step + 1
				}
				if p.Keys != want || want > 0 && p.Step != c.Step {
					t.Errorf("%s with %d arguments has %d keys, the table says %d", c.Name, len(args), p.Keys, want)
				}
				if writes := p.Write != 0; writes != (c.Flags&Write != 0) {
					t.Errorf("%s writes: %t", c.Name, writes)
				}
			}
			if c.Arity < 0 && c.Step > 0 {
				for range c.Step {
					args = append(args, []byte("9"))
				}
			}
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	for _, line := range []string{"GET k", "Client Id"} {
		args := fields(line)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Lookup(args); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

// What a client may try again by itself is what did nothing; a write that may have happened is not.
func TestFailuresTellClientsWhatTheyMayDo(t *testing.T) {
	for _, c := range []struct {
		status wire.Status
		op     wire.Op
		want   string
	}{
		{wire.StatusOverloaded, wire.OpSet, "-TRYAGAIN set: the server is overloaded: text: "},
		{wire.StatusNotReady, wire.OpSet, "-LOADING set: the node is starting or stopping: text: "},
		{wire.StatusQuorum, wire.OpGet, "-CLUSTERDOWN get: 1 of the 2 replies it needs; text: "},
		{wire.StatusTimeout, wire.OpHead, "-CLUSTERDOWN head: ran into its deadline: text: "},
		{wire.StatusQuorum, wire.OpSet, "-INDETERMINATE set: 1 of the 2 replies it needs; text (the write may still have happened): "},
		{wire.StatusTimeout, wire.OpDelete, "-INDETERMINATE delete: ran into its deadline: text (the write may still have happened): "},
		{wire.StatusOutOfMemory, wire.OpSet, "-OOM command not allowed when used memory > 'maxmemory'. set: out of memory: text (the write may still have happened): "},
		{wire.StatusTooLarge, wire.OpSet, "-ERR set: too large: text: "},
		{wire.StatusBadRequest, wire.OpGet, "-ERR get: refused: text: "},
		{wire.StatusInternal, wire.OpSet, "-INDETERMINATE set: failed with status 22: text (the write may still have happened): "},
	} {
		r := wire.Response{Status: c.status, Err: &wire.Error{Op: c.op, Want: 2, Got: 1, Text: "text"}}
		got := string(AppendAnswer(nil, RESP3, ShapeValue, &r, 0))
		if !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// The page that people read names the commands there are, and no others.
func TestThePageNamesEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../docs/REDIS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Commands\n")
	section, _, _ = strings.Cut(section, "\n##")
	named := map[string]bool{}
	for _, quoted := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(section, -1) {
		named[quoted[1]] = true
	}
	there := map[string]bool{}
	for _, c := range byName {
		name := c.Name[strings.Index(c.Name, "|")+1:]
		if there[name] = true; !named[name] {
			t.Errorf("docs/REDIS.md does not name %s", c.Name)
		}
	}
	for name := range named {
		if !there[name] {
			t.Errorf("docs/REDIS.md names %s, which is not there", name)
		}
	}
}

func TestWhatIsLeftOfADeadlineIsTheLifeOfAWriteThatWaited(t *testing.T) {
	absolute, relative := Plan{Until: now + 1000}, Plan{TTL: 1000}
	for later, want := range map[int64]int64{0: 1000, 900: 100, 1000: 1, 5000: 1} {
		if got := absolute.Life(now + later); got != want {
			t.Errorf("%d ms later: %d", later, got)
		}
		if got := relative.Life(now + later); got != 1000 {
			t.Errorf("%d ms later, a lifetime of 1000 ms is %d", later, got)
		}
	}
}

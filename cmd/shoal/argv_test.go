package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsMayStandAnywhere(t *testing.T) {
	commands := new(tool).commands()
	for in, want := range map[string]string{
		"":                               "",
		"get k":                          "get -- k",
		"get":                            "get",
		"set k v --ttl 5s":               "set --ttl 5s -- k v",
		"set --ttl 5s k v":               "set --ttl 5s -- k v",
		"--ttl 5s set k v":               "set --ttl 5s -- k v",
		"set k --ttl=5s v":               "set --ttl=5s -- k v",
		"set k -5":                       "set -- k -5",
		"set k -0.5 -c one":              "set -c one -- k -0.5",
		"set k -":                        "set -- k -",
		"set k -- --ttl":                 "set -- k --ttl",
		"set -- -k v":                    "set -- -k v",
		"set k v --ttl -5s":              "set --ttl -5s -- k v",
		"set k v --ttl":                  "set --ttl",
		"get k -s a:1 -s b:2 --nonsense": "get -s a:1 -s b:2 --nonsense -- k",
		"--help":                         "--help",
		"get k --help":                   "get --help",
		"bench replay -h file":           "bench -h",
		"get -help k":                    "get -help",
		"get k -- --help":                "get -- k --help",
		"status --watch":                 "status --watch=2s",
		"status -w 5s":                   "status -w 5s",
		"where --watch k":                "where --watch=2s -- k",
		"where k --watch=1s":             "where --watch=1s -- k",
	} {
		argv := append([]string{"shoal"}, strings.Fields(in)...)
		if got := reorder(argv, commands).args[1:]; strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"get k -o json": "json", "get -o": "", "-o jsonl get": "jsonl", "get --output=raw k": "raw"} {
		if asked := reorder(append([]string{"shoal"}, strings.Fields(in)...), commands).asked; asked != want {
			t.Errorf("%q: asked for %q, want %q", in, asked, want)
		}
	}
}

// reorder tells flags apart before it knows the command.
func TestAFlagTakesAValueInEveryCommandOrInNone(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range new(tool).commands() {
		for name, takes := range takeValues(slices.Insert(new(tool).commands()[:0:0], 0, c)) {
			if before, ok := seen[name]; ok && before != takes {
				t.Errorf("--%s of %s differs from the same flag elsewhere", name, c.Name)
			}
			seen[name] = takes
		}
	}
}

func FuzzReorderLosesNothingAndIsDoneAtOnce(f *testing.F) {
	f.Add("set\x00k\x00v\x00--ttl\x005s")
	f.Add("get\x00--\x00-k")
	f.Add("-5\x00-")
	f.Add("--ttl\x00--")
	commands := new(tool).commands()
	f.Fuzz(func(t *testing.T, line string) {
		argv := append([]string{"shoal"}, strings.Split(line, "\x00")...)
		l := reorder(slices.Clone(argv), commands)
		got := l.args
		if len(got) > 1 && (isFlag(got[1]) || got[1] == "--") {
			return // no command of ours is called like that
		}
		if again := reorder(slices.Clone(got), commands).args; !slices.Equal(again, got) {
			t.Errorf("%q becomes %q, and that %q", argv, got, again)
		}
		if values := takeValues(commands); values[strings.TrimLeft(argv[len(argv)-1], "-")] {
			return // it may lack its value, and then the arguments are left out
		}
		if slices.Contains(l.flags, "help") || slices.Contains(l.flags, "h") {
			return // then they do not matter
		}
		count := func(args []string) int {
			return len(slices.DeleteFunc(slices.Clone(args), func(s string) bool { return s == "--" }))
		}
		if count(got) != count(argv) {
			t.Errorf("%q becomes %q", argv, got)
		}
	})
}

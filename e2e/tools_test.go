package e2e

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func redisCli(t *testing.T, nodes []*node) {
	n := nodes[2]
	for _, c := range []struct {
		args []string
		want string // a pattern of the whole
	}{
		{[]string{"set", "k", "v", "ex", "100"}, `OK`},
		{[]string{"get", "k"}, `v`},
		{[]string{"-3", "ttl", "k"}, `(99|100)`},
		{[]string{"-c", "get", "k"}, `v`},
		{[]string{"-2", "--no-raw", "mget", "k", "none"}, `1\) "v"\n2\) \(nil\)`},
		{[]string{"del", "k"}, `1`},
		{[]string{"nope"}, `ERR unknown command 'nope', with args beginning with:`},
		{[]string{"cluster", "info"}, `(?s)cluster_state:ok.*cluster_slots_ok:16384.*cluster_known_nodes:4.*`},
		{[]string{"cluster", "nodes"}, `(?s).*myself,master - 0 0 \d+ connected \d.*`},
		{[]string{"-3", "cluster", "shards"}, `(?s).*`},
		{[]string{"info", "server"}, `(?s)# Server\r?\nredis_version:7\.4\.0.*`},
		{[]string{"config", "get", "save"}, `save`},
	} {
		if got := run(t, "", "redis-cli", append([]string{"-p", n.port()}, c.args...)...); !regexp.MustCompile(`^` + c.want + `$`).MatchString(got) {
			t.Errorf("%q: %q, want %s", c.args, got, c.want)
		}
	}
	if got := run(t, "SET a 1\nGET a\n", "redis-cli", "-p", n.port()); got != "OK\n1" {
		t.Errorf("commands from stdin: %q", got)
	}
	if got := run(t, "*3\r\n$3\r\nSET\r\n$1\r\nm\r\n$1\r\n1\r\n", "redis-cli", "-p", n.port(), "--pipe"); !strings.Contains(got, "errors: 0, replies: 1") {
		t.Errorf("--pipe: %q", got)
	}
}

func redisBenchmark(t *testing.T, nodes []*node) {
	for _, args := range [][]string{
		{"-P", "1", "-n", "2000"},
		{"-P", "16", "-n", "20000"},
		{"-P", "64", "-n", "20000", "-3"},
		{"--cluster", "-P", "16", "-n", "20000"},
		{"-P", "16", "-n", "2000", "-d", "10000"},
	} {
		args = append([]string{"-p", nodes[0].port(), "-t", "set,get,ping", "-r", "10000", "-q"}, args...)
		got := run(t, "", "redis-benchmark", args...)
		if !strings.Contains(got, "GET: ") || strings.Contains(strings.ToLower(got), "error") {
			t.Errorf("%q: %s", args, got)
		}
	}
}

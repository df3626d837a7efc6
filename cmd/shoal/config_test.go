package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/server"
	"github.com/urfave/cli/v2"
)

// configured is what a node would be told by args, the environment, and file if it is not empty.
func configured(t *testing.T, file string, args ...string) (o *options, err error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "shoal.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	list := settings()
	app := &cli.App{Flags: flags(list), Action: func(c *cli.Context) (err error) {
		o, err = configure(c, list)
		return err
	}}
	return o, app.Run(append([]string{"shoal"}, args...))
}

func TestAFlagCountsBeforeAVariableBeforeTheFileBeforeTheDefault(t *testing.T) {
	const file = "memory: 32MiB\njoin: [f1:1, f2:2]\nreplicas: 5\nlog-level: error\n"
	for _, c := range []struct {
		file     string
		env      map[string]string
		args     []string
		memory   int64
		join     []string
		replicas int
		level    string
	}{
		{"", nil, nil, memoryByDefault(server.DefaultMemory, machine), nil, 0, "info"},
		{file, nil, nil, 32 << 20, []string{"f1:1", "f2:2"}, 5, "error"},
		{
			file,
			map[string]string{"SHOAL_MEMORY": "64MiB", "SHOAL_JOIN": "e1:1,e2:2"},
			nil,
			64 << 20,
			[]string{"e1:1", "e2:2"},
			5, "error",
		},
		{
			file,
			map[string]string{"SHOAL_MEMORY": "64MiB", "SHOAL_JOIN": "e1:1", "SHOAL_REPLICAS": "4"},
			[]string{"--memory", "128MiB", "--join", "a1:1", "--join", "a2:2", "--log-level", "debug"},
			128 << 20,
			[]string{"a1:1", "a2:2"},
			4, "debug",
		},
		{file, map[string]string{"SHOAL_MEMORY": "", "SHOAL_JOIN": ""}, nil, 32 << 20, []string{"f1:1", "f2:2"}, 5, "error"},
	} {
		for k, v := range c.env {
			t.Setenv(k, v)
		}
		o, err := configured(t, c.file, c.args...)
		if err != nil {
			t.Errorf("%v %v: %v", c.env, c.args, err)
		} else if o.Memory != c.memory || !reflect.DeepEqual(o.Join, c.join) || o.Replicas != c.replicas || o.logLevel != c.level {
			t.Errorf("%v %v: got %d, %v, %d, %s", c.env, c.args, o.Memory, o.Join, o.Replicas, o.logLevel)
		}
		for k := range c.env {
			os.Unsetenv(k)
		}
	}
}

func TestANodeListensForRedisClientsUnlessToldNotTo(t *testing.T) {
	for args, want := range map[string]string{"": defaultRespAddr, "none": "", "h:1": "h:1"} {
		if o, err := configured(t, "", "--resp-addr", args); err != nil || o.RespAddr != want {
			t.Errorf("--resp-addr %q: %q, %v", args, o.RespAddr, err)
		}
	}
}

// Each setting is given a value of its own by its name alone, in all three places.
func TestEverySettingArrivesWhereItsNameSays(t *testing.T) {
	values := map[string]string{
		"name": "v1", "client-addr": "v2:2", "peer-addr": "v3:3", "gossip-addr": "v4:4", "advertise-host": "v5", "admin-addr": "v6:6", "resp-addr": "v13:13",
		"join": "v7:7", "cluster-name": "v8", "data-dir": "v9", "memory": "200MiB", "ghost-share": "20%", "read-repair-chance": "30%", "hints-disk": "300MiB", "clients-max": "77", "background-max": "3MiB", "hints-memory": "9MiB", "datacenter": "v11", "rack": "v12", "weight": "1.5",
		"replicas": "2", "read": "one", "write": "all", "partitions": "512", "shards": "8", "policy": "lru", "clock-offset": "-2s", "log-level": "warn", "log-format": "json",
	}
	var args []string
	var file strings.Builder
	for _, s := range settings() {
		if values[s.name] == "" {
			t.Fatalf("this test does not know --%s", s.name)
		}
		args = append(args, "--"+s.name, values[s.name])
		file.WriteString(s.name + ": " + values[s.name] + "\n")
	}
	byFlag, err := configured(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := configured(t, file.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range values {
		t.Setenv(variable(name), v)
	}
	byVariable, err := configured(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(byFlag, byFile) || !reflect.DeepEqual(byFlag, byVariable) {
		t.Errorf("by flag %+v\nby file %+v\nby variable %+v", byFlag, byFile, byVariable)
	}
	c := byFlag.Config
	got := []any{
		c.Name, c.ClientAddr, c.PeerAddr, c.GossipAddr, c.AdvertiseHost, c.AdminAddr, c.Join[0], c.ClusterName, c.DataDir, c.Memory, c.GhostShare, c.ClientsMax, c.BackgroundMax, c.HintsMemory,
		c.Datacenter, c.Rack, c.Weight, c.Replicas, c.Read, c.Write, c.Partitions, c.Shards, byFlag.logLevel, byFlag.logFormat, c.RespAddr, c.Policy, c.ReadRepairChance, c.HintsDisk, c.ClockOffset,
	}
	want := []any{
		"v1", "v2:2", "v3:3", "v4:4", "v5", "v6:6", "v7:7", "v8", "v9", int64(200 << 20), 0.2, 77, int64(3 << 20), int64(9 << 20),
		"v11", "v12", 1.5, 2, "one", "all", 512, 8, "warn", "json", "v13:13", "lru", 0.3, int64(300 << 20), -2 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAFileWithAMistakeIsRefusedWithItsLine(t *testing.T) {
	for file, want := range map[string]string{
		"name: n\nmemroy: 1GiB\n":         `shoal.yaml:2: unknown key "memroy": did you mean "memory"?`,
		"data_dir: x\n":                   `shoal.yaml:1: unknown key "data_dir": did you mean "data-dir"?`,
		"zzz: x\n":                        `shoal.yaml:1: unknown key "zzz": use one of name, `,
		"name: a\n\nname: b\n":            "shoal.yaml:3: name was given before, in line 1",
		"name:\n":                         "shoal.yaml:1: name: use one plain value",
		"name: [a]\n":                     "shoal.yaml:1: name: use one plain value",
		"join:\n  a: b\n":                 "shoal.yaml:1: join: use one value, or a list",
		"join: [[a]]\n":                   "shoal.yaml:1: join: use a list of plain values",
		"- name\n":                        `shoal.yaml:1: write one "name: value" per line`,
		"name: n\n\tmemory: 1\n":          "shoal.yaml: yaml: line 2",
		"weight: heavy\n":                 `shoal.yaml:1: weight: "heavy": use a number above 0`,
		"shards: 3\n":                     "shards 3: use a power of two",
		strings.Repeat("# long\n", 1<<18): "larger than 1MiB",
	} {
		if _, err := configured(t, file); err == nil || !strings.Contains(err.Error(), want) || codeOf(err) != exitUsage {
			t.Errorf("%.40q: %v, want %q", file, err, want)
		}
	}
	if o, err := configured(t, "# nothing but a comment\n"); err != nil || o.Memory != memoryByDefault(server.DefaultMemory, machine) {
		t.Errorf("an empty file: %+v, %v", o, err)
	}
}

func FuzzAConfigFileNeverPanics(f *testing.F) {
	f.Add([]byte("name: n\njoin: [a, b]\n"))
	f.Add([]byte("a: &a [*a]\njoin: *a\n"))
	f.Add([]byte("? {}\n: 1\n"))
	list := settings()
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := parseConfig(b, list)
		if err != nil {
			return
		}
		for name, e := range entries {
			if e.line < 1 || name == "" {
				t.Errorf("%q: %q in line %d", b, name, e.line)
			}
		}
	})
}

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcache/shoal/server"
)

// A test's cluster is of this very program, which then runs one node with short periods.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "server" {
		if err := runNode(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "shoal:", err)
			os.Exit(noCluster)
		}
		return
	}
	os.Exit(m.Run())
}

// runNode understands of the server's flags those that the driver uses.
func runNode(args []string) error {
	var cfg server.Config
	var join string
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	for name, to := range map[string]*string{
		"name": &cfg.Name, "cluster-name": &cfg.ClusterName, "client-addr": &cfg.ClientAddr, "peer-addr": &cfg.PeerAddr, "gossip-addr": &cfg.GossipAddr,
		"advertise-host": &cfg.AdvertiseHost, "data-dir": &cfg.DataDir, "join": &join, "resp-addr": new(string), "memory": new(string),
	} {
		flags.StringVar(to, name, "", "")
	}
	flags.IntVar(&cfg.Shards, "shards", 0, "")
	_ = flags.Parse(args)
	cfg.Memory = 64 << 20
	if join != "" {
		cfg.Join = strings.Split(join, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	n, err := server.Start(ctx, server.Quick(cfg))
	if err != nil {
		return err
	}
	<-ctx.Done()
	return n.Shutdown(context.Background())
}

func TestACutIsFeltThroughTheProxyAndBreaksNoPromise(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 15 seconds")
	}
	if p, err := newProxy(replicas); err != nil {
		t.Skip(err)
	} else {
		p.end()
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	p := plan{Seed: 1, Nodes: replicas, Trouble: 4 * time.Second, Faults: []fault{
		{At: 0, For: 2 * time.Second, Kind: alone, Node: 1},
		{At: 2 * time.Second, For: time.Second, Kind: oneWay, Node: 0, Others: []int{2}},
		{At: 2 * time.Second, For: 100 * time.Millisecond, Kind: fullDisk, Node: 0},
	}}
	rep, err := run(t.Context(), p, &options{shoal: self}, byProxy, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.kept() {
		t.Errorf("promises were broken:\n%s\n%s", rep.line(), rep.evidence())
	}
	if rep.Faults[alone] != 1 || rep.Faults[oneWay] != 1 || rep.Skipped[fullDisk] != 1 {
		t.Errorf("it had %s, and skipped %s", tally(rep.Faults), tally(rep.Skipped))
	}
	if rep.Checked == 0 || rep.Copies.Compared == 0 || rep.Undone+rep.Unsure == 0 { // nobody answers a quorum at who is alone
		t.Errorf("nothing was felt: %s", rep.line())
	}
}

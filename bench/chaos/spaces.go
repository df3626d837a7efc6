package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// This file owns the network of namespaces: one for each node, where the driver may make them.
//
//	driver 10.77.0.254 ── bridge ─┬─ n1: 10.77.0.1, eth0 in a network of its own
//	                              ├─ n2: 10.77.0.2
//	                              └─ …
//
// A node is cut off from another by telling its kernel a hardware address of the other's that nobody has: what it sends is
// carried and heard by none, one way, whatever the port or protocol; the driver still reaches both. That needs no firewall.

const (
	nobody = "02:00:00:00:00:ff"
	bridge = "chaos0"
)

// spaces are the networks of so many nodes.
type spaces int

// makeBridge makes what ties all networks together, once for all runs, and a place for their names that ends with this process.
func makeBridge() error {
	return sh(
		"mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "mkdir -p /run/netns", "ip link set lo up",
		"ip link add "+bridge+" type bridge", "ip addr add 10.77.0.254/24 dev "+bridge, "ip link set "+bridge+" up",
	)
}

// newSpaces makes them, and tells each the others' hardware addresses, which a cut then replaces: what a kernel finds out itself it would find again.
func newSpaces(nodes int) (spaces, error) {
	s := spaces(nodes)
	var err error
	for i := range nodes {
		n := fmt.Sprint("n", i+1)
		err = errors.Join(err, sh(
			"ip netns add "+n,
			"ip link add v"+n+" type veth peer name eth0 address "+mac(i)+" netns "+n, "ip link set v"+n+" master "+bridge+" up",
			"ip -n "+n+" addr add "+ip(i)+"/24 dev eth0", "ip -n "+n+" link set eth0 up", "ip -n "+n+" link set lo up",
		))
	}
	for i := range nodes {
		for k := range nodes {
			if i != k {
				err = errors.Join(err, s.join(i, k))
			}
		}
	}
	if err != nil {
		s.end()
	}
	return s, err
}

// end removes them.
func (s spaces) end() {
	for i := range int(s) {
		_ = sh(fmt.Sprint("ip link del vn", i+1)) // a network is gone some time after its end, its link now
		_ = sh(fmt.Sprint("ip netns del n", i+1))
	}
}

func ip(i int) string  { return fmt.Sprint("10.77.0.", i+1) }
func mac(i int) string { return fmt.Sprintf("02:00:00:00:01:%02x", i+1) }

func (s spaces) addrs(i int) addrs {
	at := ip(i) + ":740"
	return addrs{client: at + "0", peer: at + "1", gossip: at + "2", dial: at + "0", join: at + "2"}
}

func (s spaces) command(i int, program string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", fmt.Sprint("n", i+1), program}, args...)...)
}

func (s spaces) cut(from, to int) error  { return s.point(from, to, nobody) }
func (s spaces) join(from, to int) error { return s.point(from, to, mac(to)) }

func (s spaces) point(from, to int, at string) error {
	return sh(fmt.Sprintf("ip -n n%d neigh replace %s lladdr %s dev eth0 nud permanent", from+1, ip(to), at))
}

// slow lets the kernel queue for half a second, and then lose what comes.
func (s spaces) slow(i, kbit int) error {
	return sh(fmt.Sprintf("tc -n n%d qdisc replace dev eth0 root tbf rate %dkbit burst 8kb latency 500ms", i+1, kbit))
}

func (s spaces) fast(i int) error { return sh(fmt.Sprintf("tc -n n%d qdisc del dev eth0 root", i+1)) }

// sh runs commands whose words have no spaces, until one fails.
func sh(lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

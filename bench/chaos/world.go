package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/shoalcache/shoal/internal/ports"
)

// This file owns what nodes stand in: a network and a disk for each, where the driver may make them.
//
//	driver 10.77.0.254 ── bridge ─┬─ n1: 10.77.0.1, eth0 in a network of its own
//	                              ├─ n2: 10.77.0.2
//	                              └─ …
//
// A node is cut off from another by telling its kernel a hardware address of the other's that nobody has: what it sends is
// carried and heard by none, one way, whatever the port or protocol; the driver still reaches both. That needs no firewall.

const (
	diskSize = "64m" // of each node
	nobody   = "02:00:00:00:00:ff"
	bridge   = "chaos0"
	prefix   = "shoal-chaos-" // of a run's files, before the driver's process id
)

// world is where the nodes of one run stand.
type world struct {
	isolated bool
	dir      string // all files of the run
	nodes    int
	loopback []string // addresses, where nodes have no networks of their own: three each
}

// makeBridge makes it, once for all runs.
func makeBridge() error {
	return sh(
		"mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "mkdir -p /run/netns", "ip link set lo up",
		"ip link add "+bridge+" type bridge", "ip addr add 10.77.0.254/24 dev "+bridge, "ip link set "+bridge+" up",
	)
}

// newWorld makes the networks and disks of a run.
func newWorld(isolated bool, nodes int) (*world, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-*", prefix, driver()))
	if err != nil {
		return nil, err
	}
	w := &world{isolated: isolated, dir: dir, nodes: nodes}
	if !isolated {
		w.loopback, err = ports.Free(3 * nodes)
		return w, err
	}
	for i := range nodes {
		n := fmt.Sprint("n", i+1)
		err = errors.Join(err, os.Mkdir(w.disk(i), 0o755), sh(
			"mount -t tmpfs -o size="+diskSize+" tmpfs "+w.disk(i), "ip netns add "+n,
			"ip link add v"+n+" type veth peer name eth0 address "+mac(i)+" netns "+n, "ip link set v"+n+" master "+bridge+" up",
			"ip -n "+n+" addr add "+ip(i)+"/24 dev eth0", "ip -n "+n+" link set eth0 up", "ip -n "+n+" link set lo up",
		))
	}
	for i := range nodes {
		for k := range nodes {
			if i != k {
				err = errors.Join(err, w.join(i, k))
			}
		}
	}
	if err != nil {
		w.end(false)
	}
	return w, err
}

// sweep removes the files of runs whose driver was killed.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range left {
		var pid int
		if n, _ := fmt.Sscanf(filepath.Base(dir), prefix+"%d-", &pid); n == 1 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

// kept is where the files of the run are when it has ended, if they are kept: under a name that no sweep takes.
func (w *world) kept() string {
	return filepath.Join(filepath.Dir(w.dir), "kept-"+filepath.Base(w.dir))
}

// end removes what newWorld made; the files of the run stay if they are needed.
func (w *world) end(keep bool) {
	for i := range w.nodes {
		if w.isolated {
			_ = sh(fmt.Sprint("ip link del vn", i+1)) // a network is gone some time after its end, its link now
			_ = sh(fmt.Sprint("ip netns del n", i+1))
			if keep {
				_ = exec.Command("cp", "-r", w.disk(i), w.disk(i)+".kept").Run()
			}
			_ = sh("umount "+w.disk(i), "rmdir "+w.disk(i))
		}
	}
	if keep {
		_ = os.Rename(w.dir, w.kept())
	} else {
		_ = os.RemoveAll(w.dir)
	}
}

func ip(i int) string              { return fmt.Sprint("10.77.0.", i+1) }
func mac(i int) string             { return fmt.Sprintf("02:00:00:00:01:%02x", i+1) }
func (w *world) disk(i int) string { return filepath.Join(w.dir, fmt.Sprint("n", i+1)) }

// addrs are where node i listens: for clients, for nodes and for gossip.
func (w *world) addrs(i int) (client, peer, gossip string) {
	if w.isolated {
		return ip(i) + ":7400", ip(i) + ":7401", ip(i) + ":7402"
	}
	return w.loopback[3*i], w.loopback[3*i+1], w.loopback[3*i+2]
}

// command is a program in the network of node i.
func (w *world) command(i int, program string, args ...string) *exec.Cmd {
	if w.isolated {
		return exec.Command("ip", append([]string{"netns", "exec", fmt.Sprint("n", i+1), program}, args...)...)
	}
	return exec.Command(program, args...)
}

// cut loses what one node sends to another, join ends that.
func (w *world) cut(from, to int) error  { return w.point(from, to, nobody) }
func (w *world) join(from, to int) error { return w.point(from, to, mac(to)) }

func (w *world) point(from, to int, at string) error {
	return sh(fmt.Sprintf("ip -n n%d neigh replace %s lladdr %s dev eth0 nud permanent", from+1, ip(to), at))
}

// slow lets a node send so many kbit in a second, with half a second of queue; fast ends that.
func (w *world) slow(i, kbit int) error {
	return sh(fmt.Sprintf("tc -n n%d qdisc replace dev eth0 root tbf rate %dkbit burst 8kb latency 500ms", i+1, kbit))
}

func (w *world) fast(i int) error { return sh(fmt.Sprintf("tc -n n%d qdisc del dev eth0 root", i+1)) }

// fill leaves no room on the disk of a node, until empty.
func (w *world) fill(i int) error {
	f, err := os.Create(w.ballast(i))
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 16 { // the last bytes, too
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

func (w *world) empty(i int) error {
	if err := os.Remove(w.ballast(i)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *world) ballast(i int) string { return filepath.Join(w.disk(i), "ballast") }

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

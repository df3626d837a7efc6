package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/shoalcache/shoal/internal/ports"
)

// This file owns what nodes stand in: a network, a disk for each, and the files of a run.

const prefix = "shoal-chaos-" // of a run's files, before the driver's process id

// The networks there are, the most of a machine's first.
const (
	bySpaces = "namespaces" // disks of their own come with them
	byProxy  = "proxy"
	byNone   = "none"
)

// network is what nodes talk over. Nodes count from 0.
type network interface {
	addrs(i int) addrs
	command(i int, program string, args ...string) *exec.Cmd // in the network of node i
	cut(from, to int) error                                  // loses what one node sends to another
	join(from, to int) error                                 // ends that
	slow(i, kbit int) error                                  // lets a node send so many kbit in a second
	fast(i int) error                                        // ends that
	end()
}

// addrs are those of a node: where it listens, and how others reach it.
type addrs struct {
	client, peer, gossip string
	host                 string // that it tells others, if that is not where it listens
	dial, join           string // for clients, and for nodes that join
}

// world is where the nodes of one run stand.
type world struct {
	network
	over  string // which of these networks it is
	dir   string // all files of the run
	nodes int
}

// newWorld makes what a run stands in.
func newWorld(over string, nodes int) (*world, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-*", prefix, driver()))
	if err != nil {
		return nil, err
	}
	w := &world{over: over, dir: dir, nodes: nodes}
	switch over {
	case bySpaces:
		w.network, err = newSpaces(nodes)
		for i := range nodes {
			err = errors.Join(err, w.mount(i))
		}
	case byProxy:
		w.network, err = newProxy(nodes)
	default:
		w.network, err = newMachine(nodes)
	}
	if err != nil {
		w.end(false)
		return nil, err
	}
	return w, nil
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
	if w.network != nil {
		w.network.end()
	}
	for i := range w.nodes {
		w.unmount(i, keep)
	}
	if keep {
		_ = os.Rename(w.dir, w.kept())
	} else {
		_ = os.RemoveAll(w.dir)
	}
}

// lacks is what keeps a kind of fault from happening here, or "".
func (w *world) lacks(k kind) string {
	switch {
	case k.mounts() && w.over != bySpaces:
		return "nodes have no disks of their own"
	case k == readOnly && !limits:
		return "it takes Linux to keep a process from writing files"
	case k.parts() && w.over == byNone:
		return "nodes have no networks of their own, nor addresses"
	}
	return ""
}

// machine is no network of anyone's: addresses that all share, three for each node.
type machine []string

func newMachine(nodes int) (machine, error) { return ports.Free(3 * nodes) }

func (m machine) addrs(i int) addrs {
	at := m[3*i : 3*i+3]
	return addrs{client: at[0], peer: at[1], gossip: at[2], dial: at[0], join: at[2]}
}

func (m machine) command(_ int, program string, args ...string) *exec.Cmd {
	return exec.Command(program, args...)
}

var errShared = errors.New("there is nothing to cut or slow down")

func (m machine) cut(int, int) error  { return errShared }
func (m machine) join(int, int) error { return errShared }
func (m machine) slow(int, int) error { return errShared }
func (m machine) fast(int) error      { return errShared }
func (m machine) end()                {}

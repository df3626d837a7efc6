package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

// What can be wrong with a data directory. Each error says in one line what failed, where, and what to do.
var (
	errDataDirNotWritable  = errors.New("server: data directory cannot be read and written")
	errDataDirInUse        = errors.New("server: data directory is in use")
	errDataDirOtherNode    = errors.New("server: data directory belongs to another node")
	errDataDirOtherCluster = errors.New("server: data directory belongs to another cluster")
	errDataDirCorrupt      = errors.New("server: data directory is damaged")
	errDataDirNewer        = errors.New("server: data directory is of a newer version")
	errDataDirGone         = errors.New("server: data directory was removed")
	errMapCorrupt          = errors.New("server: stored cluster map is damaged") // to be treated as no map
)

// identity is who a node is, as its directory says.
type identity struct {
	ClusterID uint64 // 0: not known yet
	Cluster   string
	NodeID    uint64
	Name      string
	Boot      uint64 // of this start; greater than that of every start before
}

// dataDir owns the files of a node, all in one directory that one process has at a time:
//
//	lock        held for as long as the process lives
//	node.json   who the node is, and the boot id of the last start
//	map         the cluster map as last saved
//	ceiling     the stamp that the node has promised nothing above, in two slots
//
// Its methods are for one caller at a time, but for loadCeiling and saveCeiling, which share nothing with
// the others and may run beside them.
type dataDir struct {
	path    string   // NoDataDir: nothing is on disk
	lock    *os.File // nil without a disk
	id      identity
	ceiling ceiling
}

// openDataDir makes the directory where there is none, takes its lock, and starts a new boot: the node's
// id stays what it was, and the boot id, on disk before this returns, is one that was never used. The wall
// clock is in milliseconds. Whatever it cannot read or does not understand it refuses, since a node that
// guessed who it is could issue a dot twice. With path NoDataDir the node's id follows from its name, and
// nothing is kept.
func openDataDir(path, name, cluster string, wallMillis int64, random func() uint64) (*dataDir, error) {
	d := &dataDir{path: path, id: identity{Name: name, Cluster: cluster}}
	boot := max(1, uint64(vclock.StampAt(wallMillis))|random()&0xffff)
	if path == NoDataDir {
		d.id.NodeID, d.id.Boot = max(1, xxhash.Sum64String("node:"+name)), boot
		return d, nil
	}
	err := d.take()
	if err == nil {
		err = d.recognize(name, cluster, random)
	}
	if err == nil {
		d.id.Boot = max(d.id.Boot+1, boot)
		err = d.saveIdentity()
	}
	if err != nil {
		_ = d.close() // nothing was written that closing could lose
		return nil, err
	}
	return d, nil
}

// identity returns who the node is.
func (d *dataDir) identity() identity { return d.id }

// setCluster keeps which cluster the node is of, once it knows. It is refused once the node is of another.
func (d *dataDir) setCluster(id uint64, name string) error {
	switch {
	case d.id.ClusterID == id && d.id.Cluster == name:
		return nil
	case d.id.ClusterID != 0 && d.id.ClusterID != id:
		return fmt.Errorf("%w: %s is of cluster %016x, not %016x: use another directory, or remove this one to join as a new node",
			errDataDirOtherCluster, d.path, d.id.ClusterID, id)
	}
	before := d.id
	d.id.ClusterID, d.id.Cluster = id, name
	if d.path == NoDataDir {
		return nil
	}
	if err := d.saveIdentity(); err != nil {
		d.id = before
		return err
	}
	return nil
}

// setNode makes the directory that of another node id: of one that is gone for good and whose place in the
// cluster this node takes.
func (d *dataDir) setNode(id uint64) error {
	d.id.NodeID = id
	if d.path == NoDataDir {
		return nil
	}
	return d.saveIdentity()
}

// close gives the directory up for the next process. The files are as they were saved.
func (d *dataDir) close() error {
	if d.lock == nil {
		return nil
	}
	return errors.Join(d.ceiling.close(), d.lock.Close())
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// take makes the directory and locks it; the system lets go of the lock when the process ends, however it does.
func (d *dataDir) take() error {
	if err := makeDirs(d.path); err != nil {
		return unwritable(err)
	}
	f, err := os.OpenFile(d.file("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return unwritable(err)
	}
	d.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: another process holds %s: stop it, or give this node a directory of its own", errDataDirInUse, f.Name())
	} else if err != nil {
		return unwritable(fmt.Errorf("lock %s: %w", f.Name(), err))
	}
	return nil
}

// recognize finds out whose directory this is, or makes it this node's. The ceiling is made before
// node.json, so that from then on a missing one is known to be lost.
func (d *dataDir) recognize(name, cluster string, random func() uint64) error {
	id, err := loadIdentity(d.file("node.json"))
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case fresh:
		if err := d.beginCeiling(); err != nil {
			return err
		}
	case err != nil:
		return err
	case id.Name != name:
		return fmt.Errorf("%w: %s belongs to node %q, not %q: use its own directory, or --name %s",
			errDataDirOtherNode, d.path, id.Name, name, id.Name)
	case id.Cluster != cluster && id.ClusterID != 0:
		return fmt.Errorf("%w: %s belongs to cluster %q, not %q: use another directory, or --cluster-name %s",
			errDataDirOtherCluster, d.path, id.Cluster, cluster, id.Cluster)
	}
	if err := d.ceiling.open(d.file("ceiling")); err != nil {
		return err
	}
	if fresh && d.ceiling.last != 0 {
		return damaged(d.file("node.json"), "it is missing, but the node has run before")
	}
	d.id = id
	d.id.Name, d.id.Cluster = name, cluster
	for d.id.NodeID == 0 {
		d.id.NodeID = random()
	}
	return nil
}

// beginCeiling makes the ceiling of a directory without node.json, unless a first start that was cut
// short has.
func (d *dataDir) beginCeiling() error {
	if _, err := os.Lstat(d.file("map")); err == nil {
		return damaged(d.file("node.json"), "it is missing, but the node has run before")
	}
	if _, err := os.Lstat(d.file("ceiling")); err == nil {
		return nil
	}
	return unwritable(replaceFile(d.path, "ceiling", emptyCeiling()))
}

func (d *dataDir) saveIdentity() error {
	n := nodeFile{
		Format: nodeFormat, NodeID: hex64(d.id.NodeID), Name: d.id.Name, Boot: hex64(d.id.Boot),
		ClusterID: hex64(d.id.ClusterID), Cluster: d.id.Cluster,
	}
	n.Check = n.check()
	b, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return unwritable(replaceFile(d.path, "node.json", append(b, '\n')))
}

// loadMap returns the map as last saved, nil where none was. A damaged one is set aside as map.corrupt and
// reported as errMapCorrupt, until another is saved: the node knows who it is and must get the map from
// others, or it would be alone in a cluster of its own with their id.
func (d *dataDir) loadMap() (*ring.Map, error) {
	if d.path == NoDataDir {
		return nil, nil
	}
	path := d.file("map")
	aside := path + ".corrupt"
	m, err := readMap(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(aside); err == nil {
			return nil, fmt.Errorf("%w: it was set aside as %s, the node needs --join", errMapCorrupt, aside)
		}
		return nil, nil
	case errors.Is(err, errMapCorrupt):
		if moved := os.Rename(path, aside); moved != nil {
			return nil, fmt.Errorf("%w: %w", err, moved)
		}
		return nil, fmt.Errorf("%w: it is set aside as %s, the node needs --join", err, aside)
	case err != nil:
		return nil, err
	case d.id.ClusterID != 0 && d.id.ClusterID != m.ClusterID:
		return nil, fmt.Errorf("%w: %s is of cluster %016x, node.json beside it of %016x: remove %s and start with --join",
			errDataDirOtherCluster, path, m.ClusterID, d.id.ClusterID, path)
	}
	return m, nil
}

// saveMap keeps the map; it is on disk when this returns.
func (d *dataDir) saveMap(m *ring.Map) error {
	if d.path == NoDataDir {
		return nil
	}
	return unwritable(replaceFile(d.path, "map", sealMap(m)))
}

// loadCeiling returns the greatest stamp saved; found says whether one was. It fails where no slot can be
// read: a ceiling that cannot be read may be higher than any guess.
func (d *dataDir) loadCeiling() (s vclock.Stamp, found bool, err error) {
	err = d.ceiling.load()
	return d.ceiling.last, d.ceiling.last != 0, err
}

// saveCeiling raises the ceiling to s; it is on disk when this returns. A lower s changes nothing. After an
// error the ceiling is what it was, and the node must promise nothing above that.
func (d *dataDir) saveCeiling(s vclock.Stamp) error { return d.ceiling.save(s) }

package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

// None as the path of a data directory keeps nothing on disk.
const None = "none"

// Claim is who a process says that it is, and what the ids that it is given are made of.
type Claim struct {
	Name    string        // of the node
	Cluster string        // its name
	Wall    int64         // clock, milliseconds since 1970
	Random  func() uint64 // unpredictable, or two nodes may come to have one id
}

// Dir is a data directory that this process has. Its methods are for one caller at a time, but for Ceiling and
// SaveCeiling, which share nothing with the others and may run beside them.
type Dir struct {
	disk    Disk
	path    string    // None: nothing is on disk
	lock    io.Closer // nil without a disk
	id      Identity
	ceiling ceiling
}

// Open makes the directory where there is none, takes its lock, and starts a new boot: the node's id stays
// what it was, and the boot id, on disk before this returns, is one that was never used. Whatever it cannot
// read or does not understand it refuses, since a node that guessed who it is could issue a dot twice. With
// path None the node's id follows from its name, nothing is kept, and no disk is needed.
func Open(disk Disk, path string, claim Claim) (*Dir, error) {
	d := &Dir{disk: disk, path: path, id: Identity{Name: claim.Name, Cluster: claim.Cluster}}
	boot := max(1, uint64(vclock.StampAt(claim.Wall))|claim.Random()&0xffff)
	if path == None {
		d.id.NodeID, d.id.Boot = max(1, xxhash.Sum64String("node:"+claim.Name)), boot
		d.OwnCeiling()
		return d, nil
	}
	err := d.take()
	if err == nil {
		err = d.recognize(claim)
	}
	if err == nil {
		id := d.id
		id.Boot = max(id.Boot+1, boot)
		err = d.become(id)
	}
	if err != nil {
		_ = d.Close() // nothing was written that closing could lose
		return nil, err
	}
	if d.ceiling.owned(d.ceiling.last.by); d.ceiling.last.stamp == 0 {
		d.OwnCeiling()
	}
	return d, nil
}

// OwnCeiling has ceilings saved as those of this boot from now on. Until then they are those of the boot that saved the last
// one: this one has not made sure yet that no later boot has promised more, of which the directory, a copy, knows nothing.
func (d *Dir) OwnCeiling() { d.ceiling.owned(owner{d.id.NodeID, d.id.Boot}) }

// Identity returns who the node is.
func (d *Dir) Identity() Identity { return d.id }

// SetCluster keeps which cluster the node is of, once it knows. It is refused once the node is of another. Who founds
// one saves its map first, since from then on a node without a map has lost it.
func (d *Dir) SetCluster(id uint64, name string) error {
	switch {
	case d.id.ClusterID == id && d.id.Cluster == name:
		return nil
	case d.id.ClusterID != 0 && d.id.ClusterID != id:
		return fmt.Errorf("%w: %s is of cluster %016x, not %016x: use another directory, or remove this one to join as a new node",
			ErrOtherCluster, d.path, d.id.ClusterID, id)
	}
	want := d.id
	want.ClusterID, want.Cluster = id, name
	return d.become(want)
}

// SetNode makes the directory that of another node id: of one that is gone for good and whose place in the cluster
// this node takes. What that one may have promised is on disk as the ceiling before the id is: after a start that was
// cut short no node of that id is left that has promised less.
func (d *Dir) SetNode(id uint64, promised vclock.Stamp) error {
	d.ceiling.owned(owner{boot: d.id.Boot}) // of either id, until node.json says which
	if err := d.ceiling.save(promised); err != nil {
		return err
	}
	want := d.id
	want.NodeID = id
	if err := d.become(want); err != nil {
		return err
	}
	d.OwnCeiling()
	return nil
}

// Close gives the directory up for the next process. The files are as they were saved.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return errors.Join(d.ceiling.close(), d.lock.Close())
}

func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

// take makes the directory and locks it; the system lets go of the lock when the process ends, however it does.
func (d *Dir) take() error {
	if err := makeDirs(d.disk, d.path); err != nil {
		return unwritable(err)
	}
	lock, err := d.disk.Lock(d.file("lock"))
	if errors.Is(err, ErrInUse) {
		return fmt.Errorf("%w: another process holds %s: stop it, or give this node a directory of its own", ErrInUse, d.file("lock"))
	}
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w: it should be a file: remove it, and the node makes one", ErrNotWritable, err)
	}
	d.lock = lock
	return unwritable(err)
}

// recognize finds out whose directory this is, or makes it this node's. The ceiling is made before
// node.json, so that from then on a missing one is known to be lost.
func (d *Dir) recognize(claim Claim) error {
	id, err := loadIdentity(d.disk, d.file("node.json"))
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case fresh:
		// A start that was killed may have made directories that are not on disk.
		if err := syncAbove(d.disk, d.path); err != nil {
			return unwritable(err)
		}
		if err := d.beginCeiling(); err != nil {
			return err
		}
	case err != nil:
		return err
	case id.Name != claim.Name:
		return fmt.Errorf("%w: %s belongs to node %q, not %q: give it a directory of its own, or start it with --name %s",
			ErrOtherNode, d.path, id.Name, claim.Name, id.Name)
	case id.Cluster != claim.Cluster && id.ClusterID != 0:
		return fmt.Errorf("%w: %s belongs to cluster %q, not %q: use another directory, or --cluster-name %s",
			ErrOtherCluster, d.path, id.Cluster, claim.Cluster, id.Cluster)
	}
	if err := d.ceiling.open(d.disk, d.file("ceiling")); err != nil {
		return err
	}
	last := &d.ceiling.last
	switch {
	case fresh && last.stamp != 0:
		return damaged(d.file("node.json"), "it is missing, but the node has run before")
	case !fresh && last.by.node != 0 && last.by.node != id.NodeID:
		return damaged(d.file("ceiling"), fmt.Sprintf("it is of node %016x, and node.json beside it of %016x", last.by.node, id.NodeID))
	case last.by.boot == 0: // an earlier release saved it, which did not say
		last.by.boot = id.Boot
	}
	id.Boot = max(id.Boot, last.by.boot) // node.json may be the older of the two
	d.id = id
	d.id.Name, d.id.Cluster = claim.Name, claim.Cluster
	for d.id.NodeID == 0 {
		d.id.NodeID = claim.Random()
	}
	return nil
}

// beginCeiling makes the ceiling of a directory without node.json, unless a first start that was cut
// short has.
func (d *Dir) beginCeiling() error {
	if exists(d.disk, d.file("map")) {
		return damaged(d.file("node.json"), "it is missing, but the node has run before")
	}
	if exists(d.disk, d.file("ceiling")) {
		return nil
	}
	return unwritable(replaceFile(d.disk, d.path, "ceiling", emptyCeiling()))
}

// become saves who the node is, and believes it once it is on disk.
func (d *Dir) become(id Identity) error {
	if d.path != None {
		b, err := encodeIdentity(id)
		if err == nil {
			err = unwritable(replaceFile(d.disk, d.path, "node.json", b))
		}
		if err != nil {
			return err
		}
	}
	d.id = id
	return nil
}

// otherMap says where the map is to be had.
const otherMap = "start with --join and a node of that cluster; where there is no other, an empty directory founds a new cluster"

// LoadMap returns the map as last saved, nil where none was and the node knows of no cluster. One that is damaged,
// which is set aside as map.corrupt, or gone is reported as ErrMapLost, until another is saved: the node knows who it
// is and must get the map from others, or it would be alone in a cluster of its own with their id.
func (d *Dir) LoadMap() (*ring.Map, error) {
	if d.path == None {
		return nil, nil
	}
	path := d.file("map")
	aside := path + ".corrupt"
	m, err := readMap(d.disk, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if exists(d.disk, aside) {
			return nil, fmt.Errorf("%w: it was damaged and is set aside as %s: %s", ErrMapLost, aside, otherMap)
		}
		if d.id.ClusterID != 0 {
			return nil, fmt.Errorf("%w: %s is missing, and node.json beside it is of cluster %q: %s", ErrMapLost, path, d.id.Cluster, otherMap)
		}
		return nil, nil
	case errors.Is(err, ErrMapLost):
		if moved := d.disk.Rename(path, aside); moved != nil {
			return nil, fmt.Errorf("%w: %w", err, moved)
		}
		return nil, fmt.Errorf("%w: it is set aside as %s: %s", err, aside, otherMap)
	case err != nil:
		return nil, err
	case d.id.ClusterID != 0 && d.id.ClusterID != m.ClusterID:
		return nil, fmt.Errorf("%w: %s is of cluster %016x, node.json beside it of %016x: remove %s and start with --join",
			ErrOtherCluster, path, m.ClusterID, d.id.ClusterID, path)
	}
	return m, nil
}

// SaveMap keeps the map; it is on disk when this returns.
func (d *Dir) SaveMap(m *ring.Map) error {
	if d.path == None {
		return nil
	}
	return unwritable(replaceFile(d.disk, d.path, "map", sealMap(m)))
}

// Ceiling returns the greatest stamp saved, and the boot that saved it, this one or an earlier; 0 where none was.
func (d *Dir) Ceiling() (s vclock.Stamp, boot uint64) {
	if d.ceiling.last.stamp == 0 {
		return 0, 0
	}
	return d.ceiling.last.stamp, d.ceiling.last.by.boot
}

// Torn reports whether one of the two slots of the ceiling was found damaged, by a save that was cut short or by the
// disk. The other has what was promised, and the next save mends it.
func (d *Dir) Torn() bool { return d.ceiling.torn }

// SaveCeiling raises the ceiling to s; it is on disk when this returns. A lower s changes nothing. After an
// error the ceiling is what it was, and the node must promise nothing above that.
func (d *Dir) SaveCeiling(s vclock.Stamp) error { return d.ceiling.save(s) }

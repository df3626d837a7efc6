package datadir

import (
	"errors"
	"fmt"
	"path/filepath"
)

// What can be wrong with a data directory. Each error says in one line what failed, where, and what to do.
var (
	// ErrNotWritable: the file system refused something; its own error is wrapped as well.
	ErrNotWritable = errors.New("datadir: data directory cannot be read and written")
	// ErrInUse: another process has the directory.
	ErrInUse = errors.New("datadir: data directory is in use")
	// ErrOtherNode: the directory is that of a node of another name.
	ErrOtherNode = errors.New("datadir: data directory belongs to another node")
	// ErrOtherCluster: the directory, or the map in it, is that of another cluster.
	ErrOtherCluster = errors.New("datadir: data directory belongs to another cluster")
	// ErrDamaged: who the node is, or what it promised, cannot be known any more.
	ErrDamaged = errors.New("datadir: data directory is damaged")
	// ErrNewer: a later release wrote a file in a way that this one does not know.
	ErrNewer = errors.New("datadir: data directory is of a newer version")
	// ErrGone: the files were removed or moved under the running node.
	ErrGone = errors.New("datadir: data directory was removed")
	// ErrMapLost: the map is damaged or gone, and to be had from other nodes. It says nothing of the rest of the directory.
	ErrMapLost = errors.New("datadir: stored cluster map is lost")
)

// unwritable says what to do about an error of the file system; nil stays nil.
func unwritable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w: use --data-dir with a directory this user may write, on a disk with room", ErrNotWritable, err)
}

func damaged(path, how string) error {
	return fmt.Errorf("%w: %s: %s: remove the directory %s and start with --join: the node comes back into its place, empty, and the others refill it; an older copy of it would have forgotten promises",
		ErrDamaged, path, how, filepath.Dir(path))
}

func newer(path string, version uint64) error {
	return fmt.Errorf("%w: %s is of version %d: start the release that wrote it, or a later one", ErrNewer, path, version)
}

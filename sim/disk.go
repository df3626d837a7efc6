package sim

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/shoalcache/shoal/datadir"
)

// platter is the disk of a simulated machine: a datadir.Disk in memory that does what disks do when the process or
// the power goes, and, while it is told to, what bad ones do. It knows of every file and directory what the process
// sees and what is stored; they differ by what was not synced. What becomes of that is for rng to say.
type platter struct {
	rng  *rand.Rand
	root *inode
	life int // of the process on it; the files that an earlier one had open are closed

	left  int  // operations until the process ends, in the midst of what it does; 0: it does not
	ended bool // it has: nothing that it tries happens any more

	full     bool // nothing is written, in place neither; of a write that fails a part may be there
	forgets  bool // a sync says that it was done, and does nothing
	badReads bool // reads fail
	badSyncs bool // syncs fail, and what becomes of what they should have stored is not tried again
	lied     bool // something was lost that a sync had said to be stored
	harm     int  // counts what has befallen its files, from 1
}

func newPlatter(rng *rand.Rand) *platter {
	return &platter{rng: rng, root: newDir(), life: 1, harm: 1}
}

// crash ends the process as a kill does, and lets the next one begin: it sees what was written, and what was open and
// locked is free.
func (p *platter) crash() {
	p.life++
	p.left, p.ended = 0, false
}

// lose is a loss of power: of what was not synced each block, each length and each change of a name is there or is
// not, whatever became of the others, and a block may be there in part.
func (p *platter) lose() {
	p.crash()
	p.settle(p.root)
}

// flip changes a bit of a file at rest, seen and stored, and returns the file's path, "" if there is none.
func (p *platter) flip() string {
	var files []string
	p.walk(".", p.root, func(name string, in *inode) {
		if len(in.seen) > 0 {
			files = append(files, name)
		}
	})
	if len(files) == 0 {
		return ""
	}
	name := files[p.rng.IntN(len(files))]
	_, _, in, _ := p.lookUp(name)
	at, bit := p.rng.IntN(len(in.seen)), byte(1)<<p.rng.IntN(8)
	p.harm++
	in.seen[at] ^= bit
	if at < len(in.stored) {
		in.stored[at] ^= bit
	}
	return name
}

// works lets an operation begin, unless the process has ended.
func (p *platter) works() error {
	if p.left > 0 {
		p.left--
		p.ended = p.left == 0
	}
	if p.ended {
		return fs.ErrClosed
	}
	return nil
}

// walk visits every file that is seen, by name.
func (p *platter) walk(name string, in *inode, visit func(string, *inode)) {
	if in.names == nil {
		visit(name, in)
		return
	}
	for _, n := range slices.Sorted(maps.Keys(in.names)) {
		p.walk(path.Join(name, n), in.names[n], visit)
	}
}

// settle decides what is stored of what was not synced, and lets nothing else be seen.
func (p *platter) settle(in *inode) {
	if in.names == nil {
		p.lied = in.settle(p.rng) || p.lied
		in.seen = bytes.Clone(in.stored)
		return
	}
	for _, c := range in.changes {
		if p.rng.IntN(2) == 0 {
			in.keep(c)
		} else {
			p.lied = p.lied || c.owed
		}
	}
	in.changes, in.names = nil, maps.Clone(in.kept)
	for _, n := range slices.Sorted(maps.Keys(in.names)) {
		p.settle(in.names[n])
	}
}

// sync stores what is seen of a file or of the names in a directory, unless the disk has something against it.
func (p *platter) sync(in *inode) error {
	switch {
	case p.badSyncs:
		p.lied = in.settle(p.rng) || p.lied // the names are left for later: what fails there stops the file system
		return syscall.EIO
	case p.forgets:
		for i := range in.patches {
			in.patches[i].owed = true
		}
		for i := range in.changes {
			in.changes[i].owed = true
		}
		in.owed = len(in.stored) != len(in.seen)
		return nil
	}
	in.resize()
	for _, x := range in.patches {
		in.store(x)
	}
	for _, c := range in.changes {
		in.keep(c)
	}
	in.patches, in.changes, in.owed = in.patches[:0], nil, false
	return nil
}

// find returns the directory that a path leads to, the last name of it, and what has that name, nil if nothing has.
func (p *platter) find(name string) (dir *inode, last string, in *inode, err error) {
	if err := p.works(); err != nil {
		return nil, "", nil, err
	}
	return p.lookUp(name)
}

func (p *platter) lookUp(name string) (dir *inode, last string, in *inode, err error) {
	in = p.root
	for _, part := range strings.Split(path.Clean(name), "/") {
		if part == "." || part == "" {
			continue
		}
		if in == nil {
			return nil, "", nil, fs.ErrNotExist
		}
		if in.names == nil {
			return nil, "", nil, syscall.ENOTDIR
		}
		dir, last, in = in, part, in.names[part]
	}
	return dir, last, in, nil
}

// Open opens or makes a file.
func (p *platter) Open(name string, flag int) (datadir.File, error) {
	h, err := p.open(name, flag)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return h, nil
}

func (p *platter) open(name string, flag int) (*handle, error) {
	dir, last, in, err := p.find(name)
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case err != nil:
		return nil, err
	case in == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case in == nil && p.full:
		return nil, syscall.ENOSPC
	case in == nil:
		in = &inode{}
		dir.rename(change{name: last, in: in})
	case in.names != nil && writes:
		return nil, syscall.EISDIR
	case flag&os.O_TRUNC != 0:
		in.seen, in.patches = nil, nil
	}
	return &handle{disk: p, in: in, name: name, life: p.life, writes: writes}, nil
}

// Mkdir makes a directory.
func (p *platter) Mkdir(name string) error {
	dir, last, in, err := p.find(name)
	switch {
	case err == nil && in != nil:
		err = fs.ErrExist
	case err == nil && p.full:
		err = syscall.ENOSPC
	case err == nil:
		dir.rename(change{name: last, in: newDir()})
		return nil
	}
	return &fs.PathError{Op: "mkdir", Path: name, Err: err}
}

// Rename gives a file another name in its directory.
func (p *platter) Rename(from, to string) error {
	dir, old, in, err := p.find(from)
	other, last, _, otherErr := p.lookUp(to)
	switch {
	case err == nil && in == nil:
		err = fs.ErrNotExist
	case err == nil && otherErr != nil:
		err = otherErr
	case err == nil && other != dir:
		err = syscall.EXDEV
	case err == nil:
		dir.rename(change{name: last, in: in, old: old})
		return nil
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// Remove removes a file.
func (p *platter) Remove(name string) error {
	dir, last, in, err := p.find(name)
	switch {
	case err == nil && in == nil:
		err = fs.ErrNotExist
	case err == nil && in.names != nil:
		err = syscall.EISDIR
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	dir.rename(change{name: last})
	return nil
}

// List returns the names in a directory.
func (p *platter) List(name string) ([]string, error) {
	_, _, in, err := p.find(name)
	switch {
	case err == nil && in == nil:
		err = fs.ErrNotExist
	case err == nil && in.names == nil:
		err = syscall.ENOTDIR
	case err == nil && p.badReads:
		err = syscall.EIO
	}
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: err}
	}
	return slices.Sorted(maps.Keys(in.names)), nil
}

// Lock holds a file until it is closed or the process ends.
func (p *platter) Lock(name string) (io.Closer, error) {
	h, err := p.open(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	if h.in.holder == p.life {
		return nil, datadir.ErrInUse
	}
	h.in.holder, h.holds = p.life, true
	return h, nil
}

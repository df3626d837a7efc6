package sim

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"reflect"
	"syscall"
	"testing"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

func platterOf(seed uint64) *platter { return newPlatter(rand.New(rand.NewPCG(seed, 0xd15c))) }

// put writes a file, and syncs it and the directory above if asked to.
func put(t *testing.T, p *platter, name string, b []byte, synced bool) {
	t.Helper()
	f, err := p.Open(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if synced {
		top, err := p.Open(".", os.O_RDONLY)
		if err := errors.Join(err, f.Sync(), top.Sync()); err != nil {
			t.Fatal(err)
		}
	}
}

// got reads a file, nil if there is none.
func got(t *testing.T, p *platter, name string) []byte {
	t.Helper()
	f, err := p.Open(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	b := make([]byte, size)
	if _, readErr := f.ReadAt(b, 0); errors.Join(err, readErr) != nil {
		t.Fatal(err, readErr)
	}
	return b
}

func TestAKilledProcessLosesItsLocksAndFilesAndNothingItWrote(t *testing.T) {
	p := platterOf(1)
	put(t, p, "f", []byte("new"), false)
	f, err := p.Open("f", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Lock("lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Lock("lock"); !errors.Is(err, datadir.ErrInUse) {
		t.Fatalf("locked twice: %v", err)
	}
	p.crash()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a dead process writes: %v", err)
	}
	if b := got(t, p, "f"); string(b) != "new" {
		t.Errorf("the next process sees %q", b)
	}
	if _, err := p.Lock("lock"); err != nil {
		t.Errorf("the lock of a dead process holds: %v", err)
	}
}

func TestWhatIsSyncedOutlivesALossOfPower(t *testing.T) {
	for seed := range uint64(100) {
		p := platterOf(seed)
		want := bytes.Repeat([]byte("old"), 3000)
		put(t, p, "f", want, true)
		if p.lose(); !bytes.Equal(got(t, p, "f"), want) {
			t.Fatal("it is lost")
		}
	}
}

// Every kind of loss is met, and none but those that disks know.
func TestALossOfPowerMayTakeWhatIsNotSynced(t *testing.T) {
	const old, now = 'o', 'n'
	met := map[string]int{}
	for seed := range uint64(2000) {
		p := platterOf(seed)
		put(t, p, "f", bytes.Repeat([]byte{old}, 2*diskBlock), true)
		f, err := p.Open("f", os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{100, diskBlock + 100} {
			if _, err := f.WriteAt(bytes.Repeat([]byte{now}, 50), at); err != nil {
				t.Fatal(err)
			}
		}
		put(t, p, "g", []byte("made"), false)
		if err := p.Rename("g", "h"); err != nil {
			t.Fatal(err)
		}
		put(t, p, "i", []byte("synced, but not its name"), false)
		if g, err := p.Open("i", os.O_RDWR); err != nil || g.Sync() != nil {
			t.Fatal(err)
		}
		p.lose()
		b := got(t, p, "f")
		kinds := ""
		for _, block := range [][]byte{b[:diskBlock], b[diskBlock:]} {
			if !bytes.Equal(block[:100], bytes.Repeat([]byte{old}, 100)) {
				t.Fatal("what stands before a write is not as it was")
			}
			written, behind := bytes.Count(block[100:150], []byte{now}), bytes.Count(block[150:], []byte{old})
			switch whole := behind == diskBlock-150; {
			case whole && written == 50:
				kinds += "all "
			case whole && written == 0:
				kinds += "nothing "
			case whole:
				kinds += "part "
			default:
				kinds += "garbage "
			}
		}
		met[kinds]++
		met[fmt.Sprint("g ", got(t, p, "g") != nil, ", h ", got(t, p, "h") != nil)]++
		met[fmt.Sprint("i ", len(got(t, p, "i")))]++
		if p.lied {
			t.Fatal("the disk is said to have lied")
		}
	}
	for _, first := range []string{"all ", "nothing ", "part ", "garbage "} {
		for _, second := range []string{"all ", "nothing ", "part ", "garbage "} {
			if met[first+second] == 0 {
				t.Errorf("no loss leaves %q and %q", first, second)
			}
		}
	}
	for _, names := range []string{"g true, h false", "g false, h true", "g false, h false", "i 0", "i 24"} {
		if met[names] == 0 {
			t.Errorf("no loss leaves %q", names)
		}
	}
	if met["g true, h true"] > 0 {
		t.Error("a file that was renamed has both names")
	}
}

func TestAForgettingDiskIsFoundOutWhenItLoses(t *testing.T) {
	lost := 0
	for seed := range uint64(200) {
		p := platterOf(seed)
		put(t, p, "f", []byte("old"), true)
		p.forgets = true
		put(t, p, "f", []byte("new"), true)
		if p.lied {
			t.Fatal("nothing is lost yet")
		}
		p.lose()
		if b := got(t, p, "f"); (string(b) == "new") == p.lied {
			t.Fatalf("%q is left, and lied is %t", b, p.lied)
		}
		if p.lied {
			lost++
		}

		p = platterOf(seed)
		p.forgets = true
		put(t, p, "f", []byte("new"), true)
		p.forgets = false
		put(t, p, "f", []byte("new"), true)
		if p.lose(); p.lied || string(got(t, p, "f")) != "new" {
			t.Fatal("what was synced in earnest later is lost")
		}
	}
	if lost < 50 || lost > 190 {
		t.Errorf("%d of 200 are lost", lost)
	}
}

func TestADiskThatIsFullOrBadRefuses(t *testing.T) {
	p := platterOf(1)
	put(t, p, "f", []byte("old"), true)
	f, err := p.Open("f", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	p.full = true
	if _, err := f.WriteAt([]byte("new"), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write gives %v", err)
	}
	if _, err := p.Open("g", os.O_WRONLY|os.O_CREATE); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a new file gives %v", err)
	}
	if err := p.Mkdir("d"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a new directory gives %v", err)
	}
	p.full, p.badReads, p.badSyncs = false, true, true
	if _, err := f.ReadAt(make([]byte, 3), 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("a read gives %v", err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a sync gives %v", err)
	}
}

// As of kernels that take a page for clean once its writing has failed.
func TestWhatASyncFailedToStoreIsNotTriedAgain(t *testing.T) {
	lost := 0
	for seed := range uint64(100) {
		p := platterOf(seed)
		put(t, p, "f", []byte("old"), true)
		put(t, p, "f", []byte("new"), false)
		f, err := p.Open("f", os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		p.badSyncs = true
		err = f.Sync()
		p.badSyncs = false
		if err == nil || f.Sync() != nil || string(got(t, p, "f")) != "new" {
			t.Fatal("the sync after the one that failed must succeed, and the process must see what it wrote")
		}
		if p.lose(); string(got(t, p, "f")) != "new" {
			lost++
		}
	}
	if lost == 0 {
		t.Error("nothing is lost")
	}
}

func TestAFlipChangesOneBitForGood(t *testing.T) {
	met := map[string]bool{}
	for seed := range uint64(50) {
		p := platterOf(seed)
		before := map[string][]byte{"a": make([]byte, 10), "b": make([]byte, 5000)}
		put(t, p, "a", before["a"], true)
		put(t, p, "b", before["b"], true)
		put(t, p, "empty", nil, true)
		name := p.flip()
		met[name] = true
		for range 2 {
			bits := 0
			for i, x := range got(t, p, name) {
				if x ^= before[name][i]; x != 0 {
					bits++
					if x&(x-1) != 0 {
						t.Error("more than one bit of a byte changed")
					}
				}
			}
			if bits != 1 {
				t.Fatalf("%d bytes of %s changed", bits, name)
			}
			p.lose()
		}
	}
	if !reflect.DeepEqual(met, map[string]bool{"a": true, "b": true}) {
		t.Errorf("flipped were %v", met)
	}
	if name := platterOf(1).flip(); name != "" {
		t.Errorf("an empty disk has a flip in %q", name)
	}
}

func TestAProcessCanEndInTheMidstOfWhatItDoes(t *testing.T) {
	p := platterOf(1)
	put(t, p, "f", []byte("old"), true)
	f, err := p.Open("f", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	p.left = 2
	if _, err := f.WriteAt([]byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{f.Sync(), p.Rename("f", "g"), f.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a dead process gets %v", err)
		}
	}
	if !p.ended {
		t.Error("it has not ended")
	}
	if p.crash(); string(got(t, p, "f")) != "new" {
		t.Error("what it wrote is not seen")
	}
}

// A process that ends between any two steps leaves no node of the id that was taken which has promised less.
func TestAPlaceIsNotTakenBeforeItsPromises(t *testing.T) {
	taken, kept := 0, 0
	for steps := 1; kept == 0; steps++ {
		for seed := range uint64(20) {
			p := platterOf(seed)
			open := func() *datadir.Dir {
				d, err := datadir.Open(p, "data/n1", datadir.Claim{Name: "n1", Cluster: "sim", Wall: wallBase, Random: p.rng.Uint64})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			d := open()
			if err := d.SaveCeiling(5); err != nil {
				t.Fatal(err)
			}
			p.left = steps
			if d.SetNode(9, 50) == nil {
				kept++
			}
			p.lose()
			d = open()
			s, _ := d.Ceiling()
			if d.Identity().NodeID == 9 {
				taken++
				if s != 50 {
					t.Fatalf("ended after %d steps: the place is taken, and the ceiling is %v", steps, s)
				}
			}
		}
	}
	if taken == 0 {
		t.Error("no place was taken")
	}
}

// keeper is a node that keeps its directory on a platter, and knows what it was promised.
type keeper struct {
	p        *platter
	rng      *rand.Rand
	dir      *datadir.Dir // nil: no process runs
	id       datadir.Identity
	starts   int
	honest   bool // its disk only tears and fills
	promised vclock.Stamp
	savedBy  uint64       // the boot of the last save that was promised
	wanted   vclock.Stamp // the highest that was asked for
	kept     uint64       // version of the map that SaveMap returned nil for
	tried    uint64       // and that it was last called with
	flipped  bool
	failed   bool // a sync
	met      map[string]int
	trace    uint64
}

func keeperMap(version uint64) *ring.Map {
	return &ring.Map{ClusterID: 7, Cluster: "sim", Partitions: 16, Nodes: []ring.Node{{
		ID: 3, Name: "n1", Datacenter: "dc1", Weight: ring.StandardWeight, State: ring.Active, Version: version,
	}}}
}

// open starts a process, and fails where it finds what was never so. It reports whether the node can go on.
func (k *keeper) open(wall int64) error {
	bad := k.p.full || k.p.badReads || k.p.badSyncs || k.p.left > 0
	d, err := datadir.Open(k.p, "data/n1", datadir.Claim{Name: "n1", Cluster: "sim", Wall: wall, Random: k.rng.Uint64})
	switch {
	case err == nil:
	case k.p.ended || errors.Is(err, datadir.ErrNotWritable) && bad:
		k.met["start refused by the disk"]++
		return nil
	case errors.Is(err, datadir.ErrDamaged) && (k.flipped || k.failed):
		k.met["damaged"]++
		return err
	case errors.Is(err, datadir.ErrNewer) && k.flipped:
		k.met["newer"]++
		return err
	default:
		return fmt.Errorf("broken: the directory is refused: %w", err)
	}
	k.dir = d
	id := d.Identity()
	if k.starts++; k.starts > 1 {
		if id.NodeID != k.id.NodeID || id.Boot <= k.id.Boot || id.Name != "n1" || k.id.ClusterID != 0 && id.ClusterID != k.id.ClusterID {
			return fmt.Errorf("broken: the node is %+v, after %+v", id, k.id)
		}
	}
	k.id.NodeID, k.id.Boot = id.NodeID, id.Boot
	if s, boot := d.Ceiling(); s < k.promised || s > k.wanted || boot < k.savedBy || boot >= id.Boot {
		return fmt.Errorf("broken: the ceiling is %v of boot %x, %v was promised in %x and %v asked for", s, boot, k.promised, k.savedBy, k.wanted)
	} else if k.honest {
		k.promised = s // what a save that was cut short left in one slot, the next start has on disk
	}
	return k.load()
}

func (k *keeper) load() error {
	m, err := k.dir.LoadMap()
	switch {
	case errors.Is(err, datadir.ErrMapLost) && (k.flipped || k.failed):
		k.met["map damaged"]++
	case errors.Is(err, datadir.ErrMapLost) && k.kept == 0 && k.dir.Identity().ClusterID != 0:
		k.met["map not saved yet"]++
	case k.p.ended || errors.Is(err, datadir.ErrNotWritable) && k.p.badReads:
	case errors.Is(err, datadir.ErrNewer) && k.flipped:
	case err != nil:
		return fmt.Errorf("broken: the map is refused: %w", err)
	case m == nil && k.kept == 0:
	case m == nil:
		return fmt.Errorf("broken: no map, after version %d was saved", k.kept)
	default:
		if v := m.Nodes[0].Version; v < k.kept || v > k.tried || !reflect.DeepEqual(m, keeperMap(v)) {
			return fmt.Errorf("broken: the map is %+v, after version %d was saved", m, k.kept)
		}
	}
	return nil
}

// step lets the process do something, or lets something happen to it or its disk.
func (k *keeper) step() error {
	p, r := k.p, k.rng
	if r.IntN(10) == 0 {
		p.left = 1 + r.IntN(15)
	}
	what := r.IntN(20)
	if k.dir == nil && what > 4 {
		return k.open(wallBase + r.Int64N(1000) - 500)
	}
	if k.honest && what > 0 && what < 5 {
		return nil
	}
	switch what {
	case 0:
		p.full = !p.full && r.IntN(2) == 0
	case 1:
		p.badReads = !p.badReads && r.IntN(4) == 0
	case 2:
		p.badSyncs = !p.badSyncs && r.IntN(4) == 0
		k.failed = k.failed || p.badSyncs
	case 3:
		p.forgets = !p.forgets && r.IntN(8) == 0
	case 4:
		if r.IntN(4) == 0 {
			k.flipped = true
			k.met["flip in "+p.flip()]++
		}
	case 5:
		if err := k.dir.Close(); err != nil && !p.ended {
			return fmt.Errorf("broken: closing: %w", err)
		}
		k.dir = nil
	case 6:
		p.left, p.ended = 0, true
	case 7, 8, 9:
		k.tried++
		if err := k.dir.SaveMap(keeperMap(k.tried)); err == nil {
			k.kept = k.tried
		}
	case 10:
		if err := k.dir.SetCluster(7, "sim"); err == nil {
			k.id.ClusterID = 7
		}
	case 11:
		return k.load()
	default:
		if r.IntN(3) == 0 {
			p.left = 1 + r.IntN(5) // in the midst of a save
		}
		s := vclock.Stamp(max(0, int64(k.wanted)+r.Int64N(10)-3))
		k.wanted = max(k.wanted, s)
		if err := k.dir.SaveCeiling(s); err == nil {
			k.promised = max(k.promised, s)
			_, k.savedBy = k.dir.Ceiling()
		} else if !errors.Is(err, datadir.ErrNotWritable) && !k.flipped {
			return fmt.Errorf("broken: saving the ceiling: %w", err)
		}
	}
	return nil
}

// run makes a keeper do something n times over, and returns what is broken.
func (k *keeper) run(n int) error {
	h := fnv.New64a()
	for range n {
		err := k.step()
		if k.p.ended {
			k.dir = nil
			if k.rng.IntN(2) == 0 {
				k.met["crash"]++
				k.p.crash()
			} else {
				k.met["loss of power"]++
				k.p.lose()
			}
		}
		if k.p.lied {
			k.met["lied"]++
			return nil
		}
		if err != nil {
			if errors.Is(err, datadir.ErrDamaged) || errors.Is(err, datadir.ErrNewer) {
				return nil
			}
			return err
		}
		fmt.Fprintln(h, k.id, k.promised, k.wanted, k.kept, k.p.full)
		k.trace = h.Sum64()
	}
	k.met["to the end"]++
	return nil
}

func keeperOf(seed uint64, met map[string]int) *keeper {
	return &keeper{p: platterOf(seed), rng: rand.New(rand.NewPCG(seed, 0xd1d1)), honest: seed%2 == 0, met: met}
}

// I7, I17. Unless the disk lied: after any crash the node is who it was in a boot that never was, its ceiling is no
// lower than what it promised, and its map is one that it saved and no older than the last that it knew to be saved;
// or it is told that they cannot be known, which happens to none whose disk only tears, fills, and forgets what was
// never synced.
func TestADataDirectoryOutlivesItsDisk(t *testing.T) {
	met := map[string]int{}
	n := uint64(2000)
	if testing.Short() {
		n = 300
	}
	for seed := range n {
		k := keeperOf(seed, met)
		if err := k.run(200); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	t.Log(met)
	for _, what := range []string{
		"crash", "loss of power", "lied", "damaged", "map damaged", "map not saved yet", "start refused by the disk", "to the end",
		"flip in data/n1/ceiling", "flip in data/n1/map", "flip in data/n1/node.json",
	} {
		if met[what] == 0 {
			t.Errorf("no run met %q", what)
		}
	}
}

func TestEqualSeedsGiveEqualDisks(t *testing.T) {
	for seed := range uint64(50) {
		a, b := keeperOf(seed, map[string]int{}), keeperOf(seed, map[string]int{})
		if errA, errB := a.run(200), b.run(200); a.trace != b.trace || fmt.Sprint(errA) != fmt.Sprint(errB) || !reflect.DeepEqual(a.met, b.met) {
			t.Fatalf("seed %d: two runs differ", seed)
		}
	}
}

func TestBenchmarkOfThePlatterRuns(t *testing.T) { benchmarkPlatter(t, 2) }

// A run of the simulator saves some hundred ceilings on each node.
func BenchmarkPlatterSaveCeiling(b *testing.B) {
	b.ReportAllocs()
	benchmarkPlatter(b, b.N)
}

func benchmarkPlatter(t testing.TB, n int) {
	d, err := datadir.Open(platterOf(1), "n1", datadir.Claim{Name: "n1", Cluster: "sim", Wall: wallBase, Random: rand.New(rand.NewPCG(1, 1)).Uint64})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := d.SaveCeiling(vclock.Stamp(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
}

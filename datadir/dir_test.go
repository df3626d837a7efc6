package datadir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

const wallTest = 1_700_000_000_000

// counting returns 1, 2, 3 …, so that ids in a test are readable.
func counting() func() uint64 {
	n := uint64(0)
	return func() uint64 { n++; return n }
}

func claimOf(name, cluster string) Claim {
	return Claim{Name: name, Cluster: cluster, Wall: wallTest, Random: counting()}
}

func mustOpen(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(OS(), path, claimOf("n1", "shoal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(d) })
	return d
}

// kill ends a process as SIGKILL does: the system lets go of its files, nothing else happens.
func kill(d *Dir) { _ = d.Close() }

// wantRefused checks the kind of an error, and that it is one line that says what to do.
func wantRefused(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error is %v, want %v", err, kind)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one line", err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mapTest() *ring.Map {
	return &ring.Map{
		ClusterID: 7, Cluster: "shoal", Partitions: 16,
		Nodes: []ring.Node{{ID: 3, Name: "n1", Datacenter: "dc1", Weight: ring.StandardWeight, State: ring.Active, Version: 1}},
	}
}

func TestADirectoryIsMadeForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shoal-data", "n1")
	d := mustOpen(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("%v, %v: want a directory of mode 0700", info.Mode(), err)
	}
	if id := d.Identity(); id.NodeID == 0 || id.ClusterID != 0 || id.Name != "n1" || id.Cluster != "shoal" {
		t.Errorf("identity is %+v", id)
	}
}

// watched is a disk that tells which paths were synced.
type watched struct {
	Disk
	synced map[string]bool
}

type watchedFile struct {
	File
	sync func()
}

func (d watched) Open(path string, flag int) (File, error) {
	f, err := d.Disk.Open(path, flag)
	return watchedFile{f, func() { d.synced[path] = true }}, err
}

func (f watchedFile) Sync() error {
	f.sync()
	return f.File.Sync()
}

// A start that was killed may have made directories and not have synced those that they are in: the next one finds
// them there, and a loss of power takes them with all that is in them.
func TestAFirstStartSyncsTheDirectoriesAboveThoughTheyAreThere(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "shoal-data", "n1")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	disk := watched{OS(), map[string]bool{}}
	d, err := Open(disk, path, claimOf("n1", "shoal"))
	if err != nil {
		t.Fatal(err)
	}
	defer kill(d)
	for _, above := range []string{path, filepath.Dir(path), top} {
		if !disk.synced[above] {
			t.Errorf("%s is not synced", above)
		}
	}
}

// I7: with the wall clock set back, to before 1970 even, and without randomness.
func TestEveryStartHasTheSameNodeAndAGreaterBoot(t *testing.T) {
	path := t.TempDir()
	var last Identity
	for i, wall := range []int64{wallTest, wallTest + 1, wallTest - 3_600_000, 0, -5, wallTest, math.MaxInt64, math.MaxInt64} {
		random := counting()
		if i > 2 {
			random = func() uint64 { return 0 }
		}
		d, err := Open(OS(), path, Claim{Name: "n1", Cluster: "shoal", Wall: wall, Random: random})
		if err != nil {
			t.Fatal(err)
		}
		id := d.Identity()
		if i > 0 && (id.NodeID != last.NodeID || id.Boot <= last.Boot) {
			t.Fatalf("start %d at %d is %+v, after %+v", i, wall, id, last)
		}
		last = id
		kill(d)
	}
}

func TestABootIDCarriesTheTimeOfTheStartAndRandomBits(t *testing.T) {
	d, err := Open(OS(), t.TempDir(), Claim{Name: "n1", Cluster: "shoal", Wall: wallTest, Random: func() uint64 { return 0xabcdef }})
	if err != nil {
		t.Fatal(err)
	}
	defer kill(d)
	if want := uint64(wallTest<<16 | 0xcdef); d.Identity().Boot != want {
		t.Errorf("boot is %#x, want %#x", d.Identity().Boot, want)
	}
}

func TestTheSecondProcessIsRefusedUntilTheFirstLetsGo(t *testing.T) {
	path := t.TempDir()
	first := mustOpen(t, path)
	before := contents(t, filepath.Join(path, "node.json"))
	_, err := Open(OS(), path, claimOf("n1", "shoal"))
	wantRefused(t, err, ErrInUse, path, "stop it")
	if !bytes.Equal(before, contents(t, filepath.Join(path, "node.json"))) {
		t.Error("the refused process changed node.json")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
}

func TestARefusedStartLetsGoOfTheLock(t *testing.T) {
	path := t.TempDir()
	kill(mustOpen(t, path))
	_, err := Open(OS(), path, claimOf("n2", "shoal"))
	wantRefused(t, err, ErrOtherNode)
	mustOpen(t, path)
}

func TestADirectoryOfAnotherNodeOrClusterIsRefused(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	kill(d)
	_, err := Open(OS(), path, claimOf("n2", "shoal"))
	wantRefused(t, err, ErrOtherNode, path, `"n1"`, `"n2"`, "--name n1")

	// Until it is of a cluster, its name may still be corrected.
	d, err = Open(OS(), path, claimOf("n1", "reef"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetCluster(7, "reef"); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, d.SetCluster(8, "reef"), ErrOtherCluster, path)
	if id := d.Identity(); id.ClusterID != 7 {
		t.Errorf("the node is of cluster %d, want 7 as before", id.ClusterID)
	}
	kill(d)
	_, err = Open(OS(), path, claimOf("n1", "shoal"))
	wantRefused(t, err, ErrOtherCluster, path, `"reef"`, `"shoal"`)
	d, err = Open(OS(), path, claimOf("n1", "reef"))
	if err != nil {
		t.Fatal(err)
	}
	defer kill(d)
	if id := d.Identity(); id.ClusterID != 7 || id.Cluster != "reef" {
		t.Errorf("identity is %+v, want cluster 7, reef", id)
	}
}

// Root may write everywhere: what even root cannot write stands for missing rights.
func TestAPathThatCannotBeADirectoryIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	overwrite(t, file, nil)
	for _, path := range []string{file, filepath.Join(file, "below"), "/proc/shoal/n1"} {
		_, err := Open(OS(), path, claimOf("n1", "shoal"))
		wantRefused(t, err, ErrNotWritable, "--data-dir")
	}
}

// What stands where a file should be is said, and not that the disk should have room.
func TestWhatIsNoFileIsNamed(t *testing.T) {
	nowhere := func(path string) error { return os.Symlink(filepath.Join(filepath.Dir(path), "no", "where"), path) }
	for _, c := range []struct {
		name, words string
		put         func(path string) error
		kind        error
	}{
		{"ceiling", "it should be a file", func(path string) error { return os.Mkdir(path, 0o700) }, ErrDamaged},
		{"ceiling", "a link to what is", nowhere, ErrDamaged},
		{"lock", "it should be a file: remove it", func(path string) error { return os.Mkdir(path, 0o700) }, ErrNotWritable},
		{"lock", "it should be a file: remove it", nowhere, ErrNotWritable},
	} {
		path := t.TempDir()
		kill(mustOpen(t, path))
		file := filepath.Join(path, c.name)
		if err := errors.Join(os.Remove(file), c.put(file)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(OS(), path, claimOf("n1", "shoal"))
		wantRefused(t, err, c.kind, file, c.words)
		if strings.Contains(err.Error(), "with room") {
			t.Errorf("%q sends its reader elsewhere", err)
		}
	}
}

// I17. A change that leaves the same identity (a space, the case of a digit) is none.
func TestADamagedNodeFileIsRefusedAndNeverMakesAnotherNode(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	want := d.Identity()
	kill(d)
	file := filepath.Join(path, "node.json")
	good := contents(t, file)
	check := func(b []byte) {
		if id, err := decodeIdentity(file, b); err == nil && id != want {
			t.Fatalf("%q is read as %+v", b, id)
		} else if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%q gives %v", b, err)
		}
	}
	check(bytes.Replace(good, []byte(`"format": 1`), []byte(`"format": 9`), 1))
	for i := range good {
		check(good[:i])
		for _, x := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
			b := bytes.Clone(good)
			b[i] ^= x
			check(b)
		}
	}
	for _, bad := range [][]byte{nil, []byte("{}"), []byte("[]"), []byte("null"), good[:len(good)/2], bytes.Replace(good, []byte("n1"), []byte("n2"), 1)} {
		overwrite(t, file, bad)
		_, err := Open(OS(), path, claimOf("n1", "shoal"))
		wantRefused(t, err, ErrDamaged, file, "remove the directory "+path, "--join")
		if !bytes.Equal(contents(t, file), bad) {
			t.Fatal("the damaged file was changed")
		}
	}
}

func TestAMissingNodeFileIsRefusedWhereTheNodeHasRunBefore(t *testing.T) {
	for _, c := range []struct {
		claim string
		save  func(d *Dir) error
		ok    bool
	}{
		{"a first start that was cut short begins again", func(*Dir) error { return nil }, true},
		{"a ceiling was promised", func(d *Dir) error { return d.SaveCeiling(5) }, false},
		{"a map was saved", func(d *Dir) error { return d.SaveMap(mapTest()) }, false},
	} {
		path := t.TempDir()
		d := mustOpen(t, path)
		if err := c.save(d); err != nil {
			t.Fatal(err)
		}
		kill(d)
		if err := os.Remove(filepath.Join(path, "node.json")); err != nil {
			t.Fatal(err)
		}
		d, err := Open(OS(), path, claimOf("n1", "shoal"))
		if c.ok {
			if err != nil {
				t.Errorf("%s: %v", c.claim, err)
			} else {
				kill(d)
			}
			continue
		}
		wantRefused(t, err, ErrDamaged, "node.json", "it is missing")
	}
}

// Files of two directories, or of two moments of one, are not those of a node that keeps what it promised.
func TestFilesThatDoNotBelongTogetherAreNoticed(t *testing.T) {
	path, other := t.TempDir(), t.TempDir()
	keep := func(d *Dir, s vclock.Stamp) map[string][]byte {
		d.OwnCeiling()
		if err := d.SaveCeiling(s); err != nil {
			t.Fatal(err)
		}
		kill(d)
		return map[string][]byte{"node.json": contents(t, d.file("node.json")), "ceiling": contents(t, d.file("ceiling"))}
	}
	before := keep(mustOpen(t, path), 5)
	after := keep(mustOpen(t, path), 9)

	overwrite(t, filepath.Join(path, "node.json"), before["node.json"])
	d := mustOpen(t, path)
	ended, err := decodeIdentity("", after["node.json"])
	if s, boot := d.Ceiling(); err != nil || s != 9 || boot != ended.Boot || d.Identity().Boot <= ended.Boot {
		t.Errorf("with an older node.json the boot is %x, and the ceiling %v of boot %x; the last was %x", d.Identity().Boot, s, boot, ended.Boot)
	}
	kill(d)

	overwrite(t, filepath.Join(path, "ceiling"), before["ceiling"])
	d = mustOpen(t, path)
	if s, boot := d.Ceiling(); s != 5 || boot >= ended.Boot {
		t.Errorf("an older ceiling is %v of boot %x; the last was %x", s, boot, ended.Boot)
	}
	kill(d)

	foreign, err := Open(OS(), other, Claim{Name: "n2", Cluster: "shoal", Wall: 1, Random: func() uint64 { return 77 }})
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(path, "ceiling"), keep(foreign, 9)["ceiling"])
	_, err = Open(OS(), path, claimOf("n1", "shoal"))
	wantRefused(t, err, ErrDamaged, filepath.Join(path, "ceiling"), "000000000000004d")
}

// I17: sizes are checked before anything is read.
func TestAnOversizedFileIsNotRead(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	for _, c := range []struct {
		name string
		read func() error
		kind error
	}{
		{"node.json", func() error { _, err := loadIdentity(OS(), d.file("node.json")); return err }, ErrDamaged},
		{"map", func() error { _, err := d.LoadMap(); return err }, ErrMapLost},
		{"ceiling", func() error { _, _, err := d.ceiling.load(d.ceiling.file); return err }, nil},
	} {
		f, err := os.OpenFile(d.file(c.name), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(1<<30), f.Close()); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = c.read()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.kind) {
			t.Errorf("%s of 1 GiB gives %v", c.name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s of 1 GiB allocates %d bytes", c.name, n)
		}
	}
}

func TestAMapSurvivesARestart(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	if m, err := d.LoadMap(); m != nil || err != nil {
		t.Fatalf("a new directory has map %v, %v", m, err)
	}
	for version := range uint64(3) {
		m := mapTest()
		m.Nodes[0].Version = version + 1
		if err := d.SaveMap(m); err != nil {
			t.Fatal(err)
		}
		kill(d)
		d = mustOpen(t, path)
		if got, err := d.LoadMap(); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("loaded %+v, %v, want %+v", got, err, m)
		}
	}
}

// I17: whatever is wrong with it, the bytes are kept for people to look at, and the node goes on without.
func TestADamagedMapIsSetAsideAndCountsAsNone(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	good := sealMap(mapTest())
	bad := [][]byte{nil, {1}, append(bytes.Clone(good), 0), append([]byte{good[0] ^ 1}, good[1:]...)}
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if m, err := openMap("map", b); m != nil || !errors.Is(err, ErrMapLost) {
				t.Fatalf("with bit %d of byte %d changed the map is %v, %v", bit, i, m, err)
			}
		}
		bad = append(bad, good[:i])
	}
	invalid := mapTest()
	invalid.Partitions = 3
	bad = append(bad, sealMap(invalid))
	for _, b := range bad {
		overwrite(t, d.file("map"), b)
		m, err := d.LoadMap()
		if m != nil {
			t.Fatalf("%x is read as %+v", b, m)
		}
		wantRefused(t, err, ErrMapLost, d.file("map.corrupt"), "--join")
		if !bytes.Equal(contents(t, d.file("map.corrupt")), b) {
			t.Fatal("map.corrupt is not what was there")
		}
		if m, err := d.LoadMap(); m != nil || !errors.Is(err, ErrMapLost) {
			t.Fatalf("after setting it aside there is %v, %v", m, err)
		}
	}
	if err := d.SaveMap(mapTest()); err != nil {
		t.Fatal(err)
	}
	if m, err := d.LoadMap(); m == nil || err != nil {
		t.Fatalf("a map saved since is %v, %v", m, err)
	}
}

// A node that knows its cluster and not its map would else found one under the same id, and acknowledge alone (I2).
func TestAMissingMapOfANodeThatKnowsItsClusterIsLost(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if m, err := d.LoadMap(); m != nil || err != nil {
		t.Fatalf("a node that knows of no cluster has %+v, %v", m, err)
	}
	if err := errors.Join(d.SetCluster(7, "shoal"), d.SaveMap(mapTest()), os.Remove(d.file("map"))); err != nil {
		t.Fatal(err)
	}
	_, err := d.LoadMap()
	wantRefused(t, err, ErrMapLost, d.file("map")+" is missing", `"shoal"`, "--join", "empty directory")
}

func TestAMapOfAnotherClusterIsRefused(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if err := errors.Join(d.SetCluster(8, "shoal"), d.SaveMap(mapTest())); err != nil {
		t.Fatal(err)
	}
	_, err := d.LoadMap()
	wantRefused(t, err, ErrOtherCluster, d.file("map"))
}

func TestFilesOfANewerVersionAreRefusedAndLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int
		change  func(b []byte)
	}{
		{"node.json", 2, func(b []byte) {
			copy(b, bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1))
			_, digits, _ := bytes.Cut(b, []byte(`"check": "`))
			copy(digits, "0000000000000000")
			copy(digits, fmt.Sprintf("%016x", crc32.Checksum(b, castagnoli)))
		}},
		{"map", 2, func(b []byte) {
			binary.BigEndian.PutUint32(b[8:], 2)
			binary.BigEndian.PutUint32(b[12:], mapSum(b))
		}},
		{"ceiling", 3, func(b []byte) {
			binary.BigEndian.PutUint32(b[8:], 3)
			binary.BigEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
		}},
	} {
		path := t.TempDir()
		d := mustOpen(t, path)
		if err := d.SaveMap(mapTest()); err != nil {
			t.Fatal(err)
		}
		kill(d)
		b := contents(t, d.file(c.name))
		c.change(b)
		overwrite(t, d.file(c.name), b)
		d, err := Open(OS(), path, claimOf("n1", "shoal"))
		if err == nil {
			defer kill(d)
			_, err = d.LoadMap()
		}
		wantRefused(t, err, ErrNewer, filepath.Join(path, c.name), fmt.Sprint("version ", c.version))
		if !bytes.Equal(contents(t, filepath.Join(path, c.name)), b) {
			t.Errorf("%s was changed", c.name)
		}
	}
}

func TestWithoutADirectoryTheNodeIsItsNameAndNothingIsKept(t *testing.T) {
	t.Chdir(t.TempDir())
	open := func(name string) *Dir {
		d, err := Open(OS(), None, claimOf(name, "shoal"))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d, again, other := open("n1"), open("n1"), open("n2")
	if d.Identity().NodeID != again.Identity().NodeID || d.Identity().NodeID == other.Identity().NodeID {
		t.Error("node ids do not follow from names")
	}
	if err := errors.Join(d.SetCluster(7, "shoal"), d.SaveMap(mapTest()), d.SaveCeiling(9), d.SaveCeiling(5)); err != nil {
		t.Fatal(err)
	}
	if d.Identity().ClusterID != 7 {
		t.Error("the cluster is not known to the running node")
	}
	if s, boot := d.Ceiling(); s != 9 || boot != d.Identity().Boot {
		t.Errorf("ceiling is %v of boot %x, want 9", s, boot)
	}
	if m, err := d.LoadMap(); m != nil || err != nil {
		t.Errorf("map is %v, %v, want none", m, err)
	}
	if s, boot := open("n1").Ceiling(); s != 0 || boot != 0 {
		t.Errorf("ceiling of the next start is %v of boot %x, want none", s, boot)
	}
	if files, err := os.ReadDir("."); len(files) != 0 || err != nil {
		t.Errorf("files %v, %v", files, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// I17.
func FuzzBytesOfFilesNeverPanic(f *testing.F) {
	f.Add([]byte(`{"format": 1}`))
	f.Add(sealMap(mapTest()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeIdentity("node.json", b); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Fatal(err)
		}
		m, err := openMap("map", b)
		if err != nil && !errors.Is(err, ErrMapLost) && !errors.Is(err, ErrNewer) {
			t.Fatal(err)
		}
		if err == nil {
			if again, err := openMap("map", sealMap(m)); err != nil || !reflect.DeepEqual(m, again) {
				t.Fatalf("%+v comes back as %+v, %v", m, again, err)
			}
		}
	})
}

func TestSavesFailOnceTheDirectoryIsRemovedOrReplaced(t *testing.T) {
	for claim, change := range map[string]func(path string) error{
		"removed": os.RemoveAll,
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			d, err := Open(OS(), path, claimOf("n1", "shoal"))
			if err == nil {
				err = d.Close()
			}
			return err
		},
	} {
		path := filepath.Join(t.TempDir(), "n1")
		d := mustOpen(t, path)
		if err := errors.Join(d.SaveCeiling(5), change(path)); err != nil {
			t.Fatal(err)
		}
		for s := range vclock.Stamp(3) {
			if err := d.SaveCeiling(6 + s); !errors.Is(err, ErrGone) {
				t.Errorf("%s: saving the ceiling gives %v", claim, err)
			}
		}
		if claim != "replaced" {
			wantRefused(t, d.SaveMap(mapTest()), ErrNotWritable)
			wantRefused(t, d.SetCluster(7, "shoal"), ErrNotWritable)
			if d.Identity().ClusterID != 0 {
				t.Errorf("%s: a cluster that was not saved is believed", claim)
			}
			before := d.Identity()
			wantRefused(t, d.SetNode(9, 5), ErrGone)
			if d.Identity() != before {
				t.Errorf("%s: a node id that was not saved is believed", claim)
			}
		}
	}
}

func TestAClosedDirectoryTakesNoCeiling(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, d.SaveCeiling(1), ErrNotWritable)
}

// I17: one that is opened for reading waits for a writer, and none comes.
func TestAPipeInPlaceOfAFileIsRefusedAndNotWaitedFor(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if err := syscall.Mkfifo(d.file("map"), 0o600); err != nil {
		t.Skip(err)
	}
	_, err := d.LoadMap()
	wantRefused(t, err, ErrMapLost, "map.corrupt")
	if _, err := loadIdentity(OS(), d.file("map.corrupt")); !errors.Is(err, ErrDamaged) {
		t.Errorf("a pipe as node.json gives %v", err)
	}
}

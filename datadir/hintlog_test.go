package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// owing is a process that owes hints, and nothing else.
type owing struct {
	t       *testing.T
	disk    Disk
	path    string
	dir     *Dir
	log     *HintLog
	queue   *hints.Queue
	mono    time.Duration
	up      bool
	removed bool
	stray   string // a key that nobody is owed any more
	said    []string
}

func (o *owing) now() vclock.Now                   { return vclock.Now{Mono: time.Hour + o.mono, Wall: wallTest} }
func (o *owing) Len() int                          { return 1 }
func (o *owing) Visit(_ int, f func(*hints.Queue)) { f(o.queue) }
func (o *owing) Peer(uint64) (up, removed bool)    { return o.up, o.removed }
func (o *owing) Locate(_ uint64, key []byte) (int, uint32, bool) {
	return 0, 1, string(key) != o.stray
}

// owingOn begins one on a directory.
func owingOn(t *testing.T, disk Disk, path string) *owing {
	t.Helper()
	d, err := Open(disk, path, claimOf("n1", "shoal"))
	if err == nil {
		err = d.SetCluster(7, "shoal")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(d) })
	c := hints.DefaultConfig()
	c.Log = true
	o := &owing{t: t, disk: disk, path: path, dir: d, queue: hints.New(c)}
	o.log = d.HintLog(hints.DefaultLogConfig(1<<30), wire.DefaultLimits(), func(what string, err error) { o.said = append(o.said, fmt.Sprint(what, ": ", err)) })
	t.Cleanup(o.log.Close)
	return o
}

// again is the next process on the same directory, after this one was killed.
func (o *owing) again() *owing {
	kill(o.dir)
	return owingOn(o.t, o.disk, o.path)
}

func (o *owing) owe(target uint64, key, value string) {
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: 5}, Value: []byte(value)}
	o.queue.Add(hints.Owed{Target: target, Partition: 1, Key: []byte(key), Set: &set})
}

// rounds lets the log come round so often.
func (o *owing) rounds(n int) {
	for range n {
		o.mono += HintPeriod
		o.log.Round(o.now(), o)
	}
}

// deliver lets whoever is up take all that it is owed, and returns the keys.
func (o *owing) deliver() string {
	var keys []string
	for range 8 {
		o.mono += time.Second
		for sends := o.queue.Tick(o.now(), func(uint64) bool { return o.up }, nil); len(sends) > 0; sends = sends[1:] {
			keys = append(keys, string(sends[0].Key))
			o.queue.Ack(o.now(), hints.Reply{From: sends[0].Target, ID: sends[0].ID}, nil)
		}
		o.log.Round(o.now(), o)
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

// hintFiles are the names in the directory of hints.
func hintFiles(t *testing.T, path string) string {
	t.Helper()
	names, err := OS().List(filepath.Join(path, "hints"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

const firstFile = "0000000000000002-1.log"

func TestHintsAreThereAgainAfterARestartAndGoOnceDelivered(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.owe(2, "a", "x")
	o.owe(2, "b", "y")
	o.rounds(1)
	if got := hintFiles(t, path); got != firstFile {
		t.Fatalf("the files are %s", got)
	}
	o = o.again()
	o.rounds(3)
	if s := o.log.Stats(); o.queue.OwedTo(2) != 0 || s.Unread == 0 || s.Segments != 1 {
		t.Errorf("while its target is away %d are in memory, %+v", o.queue.OwedTo(2), s)
	}
	o.up = true
	o.rounds(2)
	if got := o.deliver(); got != "a b" || hintFiles(t, path) != "" || len(o.said) > 0 {
		t.Errorf("delivered are %q, left is %q, said was %q", got, hintFiles(t, path), o.said)
	}
}

func TestAHintThatIsDeliveredAtOnceCostsTheDiskNothing(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.rounds(1)
	o.up = true
	o.owe(2, "a", "x")
	o.deliver()
	if _, err := os.Stat(filepath.Join(path, "hints")); !os.IsNotExist(err) {
		t.Errorf("there is something: %v", err)
	}
}

// I17: what is before the damage is kept, and the file is there to be looked at; the start goes on.
func TestADamagedFileOfHintsIsSetAsideAndWhatIsBeforeTheDamageIsKept(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	for _, key := range []string{"a", "b", "c"} {
		o.owe(2, key, "value")
	}
	o.rounds(1)
	file := filepath.Join(path, "hints", firstFile)
	b := contents(t, file)
	b[bytes.LastIndexByte(b[:len(b)-20], 'b')]++
	overwrite(t, file, b)
	o = o.again()
	o.up = true
	o.rounds(1)
	if got := o.deliver(); got != "a" {
		t.Errorf("delivered are %q", got)
	}
	if got := hintFiles(t, path); got != firstFile+asideEnd {
		t.Errorf("the files are %s", got)
	}
	if s := o.log.Stats(); s.SetAside != 1 || s.Segments != 0 || len(o.said) != 1 || !strings.Contains(o.said[0], file+asideEnd) {
		t.Errorf("%+v, said was %q", s, o.said)
	}
	o = o.again()
	o.up = true
	o.owe(2, "d", "x")
	o.rounds(2)
	if got := o.deliver(); got != "d" || len(o.said) > 0 {
		t.Errorf("the next start delivers %q and says %q", got, o.said)
	}
}

func TestAFileThatEndsEarlyGivesWhatItHas(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.owe(2, "a", "value")
	o.owe(2, "b", "value")
	o.rounds(1)
	file := filepath.Join(path, "hints", firstFile)
	whole := contents(t, file)
	for _, c := range []struct {
		what string
		b    []byte
		want string
		torn int64
	}{
		{"cut in the second record", whole[:len(whole)-3], "a", 1},
		{"cut in the header", whole[:10], "", 1},
		{"empty", nil, "", 0},
		{"never written from the second record on", append(whole[:len(whole)-(len(whole)-hints.HeaderBytes)/2:len(whole)-(len(whole)-hints.HeaderBytes)/2], make([]byte, 5000)...), "a", 1},
		{"whole", whole, "a b", 0},
	} {
		overwrite(t, file, c.b)
		o = o.again()
		o.up = true
		o.rounds(2)
		if got := o.deliver(); got != c.want || o.log.Stats().Torn != c.torn || o.log.Stats().SetAside != 0 || hintFiles(t, path) != "" {
			t.Errorf("%s: delivered are %q, left %q, %+v", c.what, got, hintFiles(t, path), o.log.Stats())
		}
	}
}

func TestFilesThatAreNotThisNodesAreSetAsideWhoeverIsUp(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.owe(2, "a", "value")
	o.rounds(1)
	file := filepath.Join(path, "hints", firstFile)
	whole := contents(t, file)
	for what, at := range map[string]int{"of a later version": 11, "of another cluster": 19, "of another node": 27, "of another target": 35, "no segment": 0} {
		b := bytes.Clone(whole)
		if b[at]++; at != 0 && at != 11 {
			w := hints.Whose{Cluster: 7, Node: o.log.whose.Node, Target: 2}
			switch at {
			case 19:
				w.Cluster++
			case 27:
				w.Node++
			case 35:
				w.Target++
			}
			b = append(hints.AppendHeader(nil, w), whole[hints.HeaderBytes:]...)
		}
		overwrite(t, file, b)
		o = o.again()
		o.rounds(1)
		if got := hintFiles(t, path); got != firstFile+asideEnd || len(o.said) != 1 || o.log.Stats().SetAside != 1 {
			t.Errorf("%s: the files are %s, said was %q", what, got, o.said)
		}
		if err := os.Remove(file + asideEnd); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoMoreThanAFewFilesAreSetAside(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.owe(2, "a", "value")
	o.rounds(1)
	for i := range 3 * asideMax {
		overwrite(t, filepath.Join(path, "hints", fmt.Sprintf(hintFormat, 2, i+1)), []byte(strings.Repeat("nonsense", 10)))
	}
	o = o.again()
	o.rounds(1)
	if got := strings.Fields(hintFiles(t, path)); len(got) != asideMax || o.log.Stats().SetAside != 3*asideMax {
		t.Errorf("%d files are left, %+v", len(got), o.log.Stats())
	}
}

// I17: whatever stands in the place of one file, the others are found, and hints go to disk.
func TestWhatIsNoFileOfHintsKeepsNoOtherFromBeingFound(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"a directory":            func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":                 func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to nothing":      func(path string) error { return os.Symlink("/nowhere/at/all", path) },
		"a link to itself":       func(path string) error { return os.Symlink(path, path) },
		"a device":               func(path string) error { return os.Symlink("/dev/zero", path) },
		"a file that has no end": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
		"the last number there can be": func(path string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(path), fmt.Sprintf(hintFormat, 2, uint64(math.MaxUint64))), nil, 0o600)
		},
	} {
		path := t.TempDir()
		o := owingOn(t, OS(), path)
		o.owe(2, "a", "value")
		o.rounds(1)
		if err := put(filepath.Join(path, "hints", fmt.Sprintf(hintFormat, 2, 7))); err != nil {
			t.Fatal(err)
		}
		o = o.again()
		o.rounds(60) // fifteen seconds
		o.owe(2, "b", "value")
		o.rounds(1)
		if s := o.log.Stats(); s.Failing != 0 || o.queue.Stats().Unlogged != 0 || len(o.said) > 2 {
			t.Errorf("%s: %+v, said was %q", what, s, o.said)
		}
		o = o.again()
		o.up = true
		o.rounds(2)
		if got := o.deliver(); got != "a b" {
			t.Errorf("%s: delivered are %q", what, got)
		}
	}
}

// A file that cannot be moved is told of once, and hints go to disk beside it.
func TestAFileThatCannotBeSetAsideStaysAndIsToldOfOnce(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.owe(2, "a", "value")
	o.rounds(1)
	overwrite(t, filepath.Join(path, "hints", firstFile), []byte(strings.Repeat("nonsense", 10)))
	if err := os.MkdirAll(filepath.Join(path, "hints", firstFile+asideEnd, "in its way"), 0o700); err != nil {
		t.Fatal(err)
	}
	o = o.again()
	o.owe(2, "b", "value")
	o.rounds(60)
	if s := o.log.Stats(); s.SetAside != 0 || s.Failed != 1 || len(o.said) != 1 || o.queue.Stats().Unlogged != 0 {
		t.Errorf("%+v, said was %q", s, o.said)
	}
	o.up = true
	if got := o.deliver(); got != "b" || hintFiles(t, path) != firstFile+" "+firstFile+asideEnd {
		t.Errorf("delivered are %q, the files are %s", got, hintFiles(t, path))
	}
}

// One that cannot be removed is tried now and then; the others go.
func TestAFileThatCannotBeRemovedKeepsNoOther(t *testing.T) {
	path := t.TempDir()
	disk := &moody{Disk: OS(), stuck: firstFile}
	o := owingOn(t, disk, path)
	o.owe(2, "a", "value")
	o.owe(3, "b", "value")
	o.rounds(1)
	o.up = true
	o.deliver() // eight seconds
	o.rounds(10)
	if s := o.log.Stats(); hintFiles(t, path) != firstFile || s.Failed > 3 || s.Failing != 1 || len(o.said) != 1 {
		t.Errorf("the files are %s, %+v, said was %q", hintFiles(t, path), s, o.said)
	}
	disk.stuck = ""
	o.rounds(21)
	if s := o.log.Stats(); hintFiles(t, path) != "" || s.Failing != 0 {
		t.Errorf("once it can be, the files are %s, %+v", hintFiles(t, path), s)
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	o.owe(2, "a", "value")
	o.rounds(1)
	for _, name := range []string{"notes.txt", "0000000000000002-01.log", "2-1.log", firstFile + ".bak", "0000000000000002-0.log"} {
		overwrite(t, filepath.Join(path, "hints", name), []byte("mine"))
	}
	o = o.again()
	o.up = true
	o.rounds(1)
	if o.deliver(); len(strings.Fields(hintFiles(t, path))) != 5 || len(o.said) > 0 {
		t.Errorf("left are %s, said was %q", hintFiles(t, path), o.said)
	}
}

func TestWhatNobodyIsOwedAnyMoreIsSkippedAndCounted(t *testing.T) {
	path := t.TempDir()
	o := owingOn(t, OS(), path)
	for _, key := range []string{"a", "b"} {
		o.owe(2, key, "value")
	}
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: 5}, Deadline: vclock.Deadline{At: wallTest - 1, Stamp: 5}}
	o.queue.Add(hints.Owed{Target: 2, Partition: 1, Key: []byte("gone"), Set: &set})
	o.rounds(1)
	o = o.again()
	o.up, o.stray = true, "b"
	o.rounds(2)
	if got := o.deliver(); got != "a" || o.log.Stats().Skipped != 1 || o.log.Stats().Expired != 1 {
		t.Errorf("delivered are %q, %+v", got, o.log.Stats())
	}
	o.owe(2, "c", "value")
	o.rounds(1)
	o = o.again()
	o.removed = true
	o.rounds(2)
	if hintFiles(t, path) != "" || o.log.Stats().Skipped != 1 {
		t.Errorf("of a node that was removed %s is left, %+v", hintFiles(t, path), o.log.Stats())
	}
}

// moody is a disk that refuses, and counts how often it is asked.
type moody struct {
	Disk
	err   error // of what would write below hints
	reads error
	stuck string // a file that cannot be removed
	asked int
}

func (m *moody) Remove(path string) error {
	if m.stuck != "" && filepath.Base(path) == m.stuck {
		return syscall.EPERM
	}
	return m.Disk.Remove(path)
}

func (m *moody) Open(path string, flag int) (File, error) {
	if strings.Contains(path, "hints") && flag&os.O_CREATE != 0 {
		if m.asked++; m.err != nil {
			return nil, m.err
		}
	}
	f, err := m.Disk.Open(path, flag)
	return moodyFile{f, m, strings.Contains(path, "hints")}, err
}

func (m *moody) Mkdir(path string) error {
	if strings.Contains(path, "hints") && m.err == syscall.EROFS {
		m.asked++
		return m.err
	}
	return m.Disk.Mkdir(path)
}

type moodyFile struct {
	File
	of    *moody
	hints bool
}

func (f moodyFile) ReadAt(b []byte, at int64) (int, error) {
	if f.hints && f.of.reads != nil && len(b) > hints.HeaderBytes {
		return 0, f.of.reads
	}
	return f.File.ReadAt(b, at)
}

func (f moodyFile) WriteAt(b []byte, at int64) (int, error) {
	if f.hints && f.of.err != nil {
		f.of.asked++
		n, _ := f.File.WriteAt(b[:len(b)/2], at)
		return n, f.of.err
	}
	return f.File.WriteAt(b, at)
}

func TestADiskThatRefusesHintsIsAskedNowAndThenAndTakesThemLater(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EROFS} {
		path := t.TempDir()
		disk := &moody{Disk: OS(), err: err}
		o := owingOn(t, disk, path)
		o.owe(2, "a", "value")
		o.rounds(41) // ten seconds
		if disk.asked < 2 || disk.asked > 3 || len(o.said) != 1 || o.log.Stats().Failing != 1 || o.queue.Stats().Unlogged != 1 {
			t.Errorf("%v: asked %d times, said %q, %+v", err, disk.asked, o.said, o.log.Stats())
		}
		disk.err = nil
		o.rounds(21)
		if s := o.log.Stats(); s.Failing != 0 || o.queue.Stats().Unlogged != 0 || s.Bytes == 0 {
			t.Errorf("%v: once it takes them %+v", err, s)
		}
		disk.err = err // in the middle of a file that is open
		o.owe(2, "b", "value")
		o.rounds(1)
		disk.err = nil
		o.owe(2, "c", "value")
		o.rounds(21)
		o = o.again()
		o.up = true
		o.rounds(3)
		if got := o.deliver(); got != "a b c" || o.log.Stats().SetAside != 0 {
			t.Errorf("%v: after all delivered are %q, %+v", err, got, o.log.Stats())
		}
	}
}

func TestAFileThatCannotBeReadIsTriedAgainAndThenSetAside(t *testing.T) {
	path := t.TempDir()
	disk := &moody{Disk: OS()}
	o := owingOn(t, disk, path)
	o.owe(2, "a", "value")
	o.rounds(1)
	o = o.again()
	o.up, disk.reads = true, syscall.EIO
	o.rounds(30)
	disk.reads = nil
	o.rounds(30)
	if got := o.deliver(); got != "a" || len(o.said) != 1 {
		t.Fatalf("once it can be read delivered are %q; said was %q", got, o.said)
	}
	o.up = false
	o.owe(2, "b", "value")
	o.rounds(1)
	o = o.again()
	o.up, disk.reads = true, syscall.EIO
	o.rounds(100)
	if s := o.log.Stats(); s.SetAside != 1 || s.Segments != 0 || !strings.HasSuffix(hintFiles(t, path), asideEnd) {
		t.Errorf("%+v, the files are %s", s, hintFiles(t, path))
	}
}

// shaky is a disk that does not sync one directory until it is well.
type shaky struct {
	Disk
	path   string
	ill    bool
	synced int
}

type shakyFile struct {
	File
	of *shaky
}

func (s *shaky) Open(path string, flag int) (File, error) {
	f, err := s.Disk.Open(path, flag)
	if err == nil && path == s.path {
		f = shakyFile{f, s}
	}
	return f, err
}

func (f shakyFile) Sync() error {
	if f.of.ill {
		return syscall.EIO
	}
	f.of.synced++
	return f.File.Sync()
}

// TestHintsCountAsOnDiskOnceTheirDirectoryIs: one that was made before the disk refused, or by a process that ended then, may not be.
func TestHintsCountAsOnDiskOnceTheirDirectoryIs(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		disk := &shaky{Disk: OS(), path: t.TempDir()}
		o := owingOn(t, disk, disk.path)
		o.owe(2, "a", "value")
		disk.ill = true
		o.rounds(1)
		if o.queue.Stats().Unlogged != 1 {
			t.Fatal("it passes for written")
		}
		disk.ill, disk.synced = false, 0
		if restarts {
			o = o.again()
			o.owe(2, "a", "value")
			disk.synced = 0
		}
		o.rounds(21)
		if o.queue.Stats().Unlogged != 0 || disk.synced == 0 {
			t.Errorf("%+v, and the directory of the directory was synced %d times", o.queue.Stats(), disk.synced)
		}
		if err := os.RemoveAll(filepath.Join(disk.path, "hints")); err != nil {
			t.Fatal(err)
		}
		o.owe(3, "b", "value")
		if o.rounds(21); o.queue.Stats().Unlogged != 0 {
			t.Errorf("after somebody has removed it: %+v", o.queue.Stats())
		}
	}
}

// TestWhatIsOnDiskComesBackAsFastAsItsTargetTakesIt: memory has room for a few of the hints at a time, and so the log comes round again when these
// are delivered, and not when a period is over.
func TestWhatIsOnDiskComesBackAsFastAsItsTargetTakesIt(t *testing.T) {
	const many, tick = 1000, 10 * time.Millisecond
	o := owingOn(t, OS(), t.TempDir())
	for i := range many {
		o.owe(2, fmt.Sprint("k", i), "v")
	}
	o.rounds(4)
	o = o.again()
	small := hints.DefaultConfig()
	small.BytesMax, small.Log = 4096, true
	o.queue = hints.New(small)
	o.up, o.mono = true, time.Hour
	began, round := o.mono, o.mono
	for ; o.queue.Stats().Delivered < many; o.mono += tick {
		if o.mono-began > 10*time.Second {
			t.Fatalf("%d of %d were delivered in %v", o.queue.Stats().Delivered, many, o.mono-began)
		}
		for _, s := range o.queue.Tick(o.now(), func(uint64) bool { return true }, nil) {
			o.queue.Ack(o.now(), hints.Reply{From: 2, ID: s.ID, Outcome: wire.OutcomeOK}, nil)
		}
		for round <= o.mono {
			round += o.log.Round(o.now(), o)
		}
	}
	t.Logf("delivered in %v", o.mono-began)
}

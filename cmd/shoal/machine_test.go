package main

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// system is a machine of 8 GiB with further files.
func system(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:        8388608 kB\nMemFree:          512 kB\n")}}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

const (
	v1Mounts = "25 24 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"32 25 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	v2Mounts = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Group  = "9:name=systemd:/\n4:memory:/pods/one\n2:cpu,cpuacct:/\n0::/\n"
)

func TestTheNearestLimitAboveAProcessCounts(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		bytes int64
		of    string
	}{
		"no control groups": {nil, 8 << 30, "this machine"},
		"version 1": {map[string]string{
			"proc/self/cgroup": v1Group, "proc/self/mountinfo": v1Mounts, "sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": "536870912\n",
		}, 512 << 20, "control group /sys/fs/cgroup/memory/pods/one"},
		"version 1, of the group above": {map[string]string{
			"proc/self/cgroup": v1Group, "proc/self/mountinfo": v1Mounts,
			"sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/pods/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30, "control group /sys/fs/cgroup/memory/pods"},
		"version 1, without any": {map[string]string{
			"proc/self/cgroup": v1Group, "proc/self/mountinfo": v1Mounts, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 8 << 30, "this machine"},
		"version 1, in a container that sees its own group only": {map[string]string{
			"proc/self/cgroup": "4:memory:/docker/abc\n", "proc/self/mountinfo": "32 25 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
		}, 256 << 20, "control group /sys/fs/cgroup/memory"},
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/shoal.service\n", "proc/self/mountinfo": v2Mounts,
			"sys/fs/cgroup/system.slice/shoal.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "2147483648\n",
		}, 2 << 30, "control group /sys/fs/cgroup/system.slice"},
		"version 2, the smallest of all": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mounts,
			"sys/fs/cgroup/a/b/memory.max": "2147483648\n", "sys/fs/cgroup/a/memory.max": "1073741824\n",
		}, 1 << 30, "control group /sys/fs/cgroup/a"},
		"version 2, in a namespace of its own": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/memory.max": "134217728\n",
		}, 128 << 20, "control group /sys/fs/cgroup"},
		"what makes no sense": {map[string]string{
			"proc/self/cgroup": "0\n4:memory\nx:memory:/../../etc\n", "proc/self/mountinfo": "1 2 3\n - cgroup2\n" + v1Mounts, "sys/fs/cgroup/memory/memory.limit_in_bytes": "-1\n",
		}, 8 << 30, "this machine"},
	} {
		r, err := findRoom(system(c.files))
		if err != nil || r.bytes != c.bytes || r.of != c.of {
			t.Errorf("%s: %+v, %v, want %d of %s", name, r, err, c.bytes, c.of)
		}
	}
}

func TestMemoryMayBeAPartOfWhatThereIs(t *testing.T) {
	group := system(map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/memory.max": "1073741824\n"})
	for v, want := range map[string]int64{"75%": 768 << 20, "100%": 1 << 30, " 50% ": 512 << 20, "12.5%": 128 << 20, "3GiB": 3 << 30} {
		if got, err := memoryOf(v, group); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", v, got, err, want)
		}
	}
	for _, v := range []string{"0%", "101%", "75 %x", "%", "-5%", "75%%", "NaN%", "1e1%", "75 %"} {
		if got, err := memoryOf(v, group); err == nil || !strings.Contains(err.Error(), "use 1% to 100%") {
			t.Errorf("%q: %d, %v", v, got, err)
		}
	}
	if _, err := memoryOf("75%", fstest.MapFS{}); !errors.Is(err, errNoRoom) {
		t.Errorf("a part of what nobody knows: %v", err)
	}
	if err := checkMemory(1<<30+1, group); err == nil || !strings.Contains(err.Error(), "1GiB is more than the 1GiB of control group /sys/fs/cgroup: use less") {
		t.Errorf("more than there is: %v", err)
	}
	if checkMemory(1<<30, group) != nil || checkMemory(1<<50, fstest.MapFS{}) != nil {
		t.Error("all there is, or what nobody knows, is refused")
	}
}

func TestTheDefaultFitsIntoASmallControlGroup(t *testing.T) {
	small := system(map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/memory.max": "536870912\n"})
	if got := memoryByDefault(1<<30, small); got != 512<<20/100*75 {
		t.Errorf("of 512 MiB: %d", got)
	}
	for _, root := range []fstest.MapFS{system(nil), {}} {
		if got := memoryByDefault(1<<30, root); got != 1<<30 {
			t.Errorf("where there is enough, or nobody says: %d", got)
		}
	}
}

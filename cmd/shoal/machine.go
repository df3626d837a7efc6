package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// This file finds out how much memory a process of this machine may have: what the control groups that it is in leave it, and
// else what the machine has.

// room is how much memory a process may have at most, and who says so.
type room struct {
	bytes int64
	of    string // "this machine", or which control group
}

// errNoRoom is where nobody says, as on systems that are not Linux.
var errNoRoom = errors.New("this system does not say how much memory there is: give a size, as in 512MiB")

// findRoom reads what the system says of itself below root, which is / but in tests.
func findRoom(root fs.FS) (room, error) {
	least, err := machineRoom(root)
	if err != nil {
		return room{}, err
	}
	list, _ := fs.ReadFile(root, "proc/self/cgroup") // a kernel without control groups has none
	mounts := cgroupMounts(root)
	for line := range strings.Lines(string(list)) {
		// number:controllers:path; the one hierarchy of version 2 has number 0 and names no controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		file, m := "memory.max", mounts.unified
		if parts[1] != "" {
			file, m = "memory.limit_in_bytes", mounts.memory
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
		}
		for _, dir := range m.upwards(parts[2]) {
			if n, ok := readBytes(root, path.Join(dir, file)); ok && n < least.bytes {
				least = room{bytes: n, of: "control group /" + dir}
			}
		}
	}
	return least, nil
}

// machineRoom is what the machine has.
func machineRoom(root fs.FS) (room, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return room{}, errNoRoom
	}
	if n, ok := procBytes(string(text), "MemTotal:"); ok {
		return room{bytes: n, of: "this machine"}, nil
	}
	return room{}, errNoRoom
}

// procBytes finds a size in a list of "name: number kB".
func procBytes(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err == nil && kib > 0 && kib < math.MaxInt64>>10
		}
	}
	return 0, false
}

// mount is where a hierarchy of control groups can be seen: top of it at dir, both without a slash in front.
type mount struct{ top, dir string }

// upwards are the directories of a group and of all above it that can be seen. In a container what is mounted is often the
// group itself, under another name than the process knows: then that is the one.
func (m *mount) upwards(group string) (dirs []string) {
	if m.dir == "" {
		return nil
	}
	below, ok := strings.CutPrefix("/"+strings.Trim(path.Clean("/"+group), "/"), "/"+m.top)
	if !ok || below != "" && m.top != "" && below[0] != '/' {
		below = ""
	}
	for below = strings.Trim(below, "/"); below != "" && below != "."; below = path.Dir(below) {
		dirs = append(dirs, path.Join(m.dir, below))
	}
	return append(dirs, m.dir)
}

type cgroups struct{ memory, unified mount }

// cgroupMounts finds where the hierarchy of memory, of version 1, and the one of version 2 are mounted.
func cgroupMounts(root fs.FS) (c cgroups) {
	text, _ := fs.ReadFile(root, "proc/self/mountinfo")
	for line := range bytes.Lines(text) {
		// 25 30 0:23 TOP DIR options … - TYPE source options
		before, after, ok := strings.Cut(string(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		m := mount{top: strings.Trim(fields[3], "/"), dir: strings.Trim(fields[4], "/")}
		switch {
		case kind[0] == "cgroup2" && c.unified.dir == "":
			c.unified = m
		case kind[0] == "cgroup" && strings.Contains(","+kind[2]+",", ",memory,") && c.memory.dir == "":
			c.memory = m
		}
	}
	return c
}

// readBytes reads a limit; "max" is none.
func readBytes(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil && n > 0
}

// machine is where this one says what it has.
var machine = os.DirFS("/")

// groupPercent is the part of what there is that a node takes by default where its usual default is more: the kernel counts
// sockets and files to a control group, too.
const groupPercent = 75

// memoryOf is the memory that v asks for, a size or a part of what there is, as in 75%.
func memoryOf(v string, root fs.FS) (int64, error) {
	if !strings.Contains(v, "%") {
		return parseSize(v)
	}
	share, err := parsePercent(v, 1, 100)
	if err != nil {
		return 0, err
	}
	r, err := findRoom(root)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", v, err)
	}
	return int64(share * float64(r.bytes)), nil
}

// checkMemory refuses what is more than there is: the kernel would end the process when it is half full.
func checkMemory(n int64, root fs.FS) error {
	r, err := findRoom(root)
	if err != nil || n <= r.bytes { // where nobody says how much there is, whoever gave the size knows
		return nil
	}
	return fmt.Errorf("%s is more than the %s of %s: use less, as in %d%%", formatSize(n), formatSize(r.bytes), r.of, groupPercent)
}

// memoryByDefault is the memory of a node that is told of none: the usual, or what is sane of a smaller control group or machine.
func memoryByDefault(usual int64, root fs.FS) int64 {
	if r, err := findRoom(root); err == nil && r.bytes/100*groupPercent < usual {
		return r.bytes / 100 * groupPercent
	}
	return usual
}

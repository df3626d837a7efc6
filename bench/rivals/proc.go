package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// This file owns what Linux says of memory.

const (
	statusFile = "/proc/self/status"
	rollupFile = "/proc/self/smaps_rollup" // counted page by page, where status may lag behind
	memoryFile = "/proc/meminfo"
)

// residentBytes is what this process has in memory now, and the most that it ever had.
func residentBytes() (now, peak int64, err error) {
	if now, err = kilobytes(rollupFile, "Rss:"); err != nil {
		return 0, 0, err
	}
	peak, err = kilobytes(statusFile, "VmHWM:")
	return now, max(now, peak), err
}

// availableBytes is what programs may still take on this machine.
func availableBytes() (int64, error) { return kilobytes(memoryFile, "MemAvailable:") }

// kilobytes returns the figure of the line that begins with name, in bytes.
func kilobytes(path, name string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("%w: memory is measured on Linux only, use -parts without weigh", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no line %s kB: memory is measured on Linux only, use -parts without weigh", path, name)
}

// hugePages is whether the system makes large pages of what it is not asked to, which would count as resident.
func hugePages() string {
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return "unknown"
	}
	_, after, _ := strings.Cut(string(b), "[")
	chosen, _, _ := strings.Cut(after, "]")
	return chosen
}

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are what a size may end in, those of 1024 in both spellings; longer ones first, so that "KiB" is not read as "B".
var units = []struct {
	name  string
	bytes float64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"tib", 1 << 40},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"tb", 1e12},
	{"k", 1 << 10},
	{"m", 1 << 20},
	{"g", 1 << 30},
	{"t", 1 << 40},
	{"b", 1},
}

// parseSize reads a number of bytes: "1073741824", "1GiB", "1.5g", "500MB".
func parseSize(s string) (int64, error) {
	number, unit := strings.ToLower(strings.TrimSpace(s)), 1.0
	for _, u := range units {
		if cut, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(cut), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && unit == 1 && n >= 0 {
		return n, nil
	}
	v, err := strconv.ParseFloat(number, 64)
	if bytes := v * unit; err == nil && bytes >= 0 && bytes < math.MaxInt64 && strings.Trim(number, "0123456789.") == "" {
		return int64(bytes), nil
	}
	return 0, fmt.Errorf("%q is no size: use bytes, or a number with KiB, MiB or GiB, as in 512MiB", s)
}

// parsePercent reads a share of least to most hundredths: "75%".
func parsePercent(s string, least, most float64) (share float64, err error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	p, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || strings.Trim(number, "0123456789.") != "" || p < least || p > most {
		return 0, fmt.Errorf("%q: use %g%% to %g%%", s, least, most)
	}
	return p / 100, nil
}

// formatSize is n bytes for people, with three digits that count.
func formatSize(n int64) string {
	const step = 1024
	v, unit := float64(n), 0
	names := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for v >= step && unit < len(names)-1 {
		v, unit = v/step, unit+1
	}
	digits := 0
	if unit > 0 && v < 10 {
		digits = 2
	} else if unit > 0 && v < 100 {
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + names[unit]
}

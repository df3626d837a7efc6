package main

import (
	"math"
	"testing"
)

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1073741824": 1 << 30, "1GiB": 1 << 30, "512MiB": 512 << 20, "1g": 1 << 30, "64K": 64 << 10,
		"1.5 GiB": 3 << 29, "500MB": 500e6, "10b": 10, " 2 kib ": 2048, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "GiB", "-1", "-1GiB", "1XiB", "1e3", "0x10", "inf", "NaN", "1,5GiB", "9223372036854775808", "9000000TiB", "1 2"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("%q was read as %d", in, got)
		}
	}
}

func TestSizesAreShownWithThreeDigits(t *testing.T) {
	for want, n := range map[string]int64{
		"0B": 0, "1023B": 1023, "1KiB": 1 << 10, "1.5KiB": 1536, "256MiB": 256 << 20, "1GiB": 1 << 30, "14.2GiB": 15_247_000_000,
	} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestSuggestionsAreNearOrNone(t *testing.T) {
	known := []string{"memory", "name", "join", "data-dir", "rack"}
	for in, want := range map[string]string{
		"memry": "memory", "mem": "", "naem": "name", "datadir": "data-dir", "data_dir": "data-dir", "joins": "join", "xyz": "", "": "",
	} {
		if got := nearest(in, known); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcache/shoal/bench"
)

// parseSizes reads the sizes of values: "100", "100-4KiB", or several with their weights, "100:9,1KiB-4KiB:1".
func parseSizes(s string) (all []bench.Size, err error) {
	parts := strings.Split(s, ",")
	for _, part := range parts {
		k := bench.Size{Weight: 1}
		text, weight, weighted := strings.Cut(part, ":")
		if weighted != (len(parts) > 1) {
			return nil, fmt.Errorf("%q: give each of several sizes a weight, as in 100:9,4KiB:1", s)
		}
		if weighted {
			if k.Weight, err = strconv.ParseFloat(strings.TrimSpace(weight), 64); err != nil {
				return nil, fmt.Errorf("%q: the weight is a number, as in 100:9,4KiB:1", part)
			}
		}
		least, most, ranged := strings.Cut(text, "-")
		if !ranged {
			most = least
		}
		if k.Least, err = sizeOfValue(least); err != nil {
			return nil, err
		}
		if k.Most, err = sizeOfValue(most); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

// sizeOfValue reads one size; what no value may have is left to the bounds of a Config, which say so.
func sizeOfValue(s string) (int, error) {
	n, err := parseSize(s)
	return int(min(n, 1<<30)), err
}

// parseInterval reads a time, "10s", or two, "10s-60s"; nothing is none.
func parseInterval(s string) (i bench.Interval, err error) {
	if s == "" {
		return i, nil
	}
	least, most, ranged := strings.Cut(s, "-")
	if !ranged {
		most = least
	}
	for _, d := range []struct {
		text string
		to   *time.Duration
	}{{least, &i.Least}, {most, &i.Most}} {
		if *d.to, err = time.ParseDuration(strings.TrimSpace(d.text)); err != nil || *d.to <= 0 {
			return i, fmt.Errorf("%q: use a number and its unit, as in 90s, or two, as in 10s-60s", s)
		}
	}
	return i, nil
}

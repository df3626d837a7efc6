package main

import (
	"fmt"
	"strconv"
	"strings"
)

// noNumbers is a list that is given and empty; a list that is not given leaves out nothing.
const noNumbers = "none"

// parseNumbers reads a list such as "3,7,40-52", of numbers from 1 to most, or "none"; whole begins what is said where
// there is no such number, as in "this seed has". What it returns is never nil, in order, and without repetitions, so
// that no text makes it longer than most.
func parseNumbers(list, whole string, most int) ([]int, error) {
	numbers := []int{}
	if list == noNumbers {
		return numbers, nil
	}
	named := make([]bool, most+1)
	for part := range strings.SplitSeq(list, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 64)
		last, errLast := strconv.ParseUint(high, 10, 64)
		switch {
		case err != nil || errLast != nil || first > last:
			return nil, fmt.Errorf("%q is no list: use numbers and ranges from 1, as in 3,7,40-52, or %s", list, noNumbers)
		case most == 0:
			return nil, fmt.Errorf("%q: %s none: leave it out", part, whole)
		case first < 1 || last > uint64(most):
			return nil, fmt.Errorf("%q: %s 1 to %d", part, whole, most)
		}
		for n := first; n <= last; n++ {
			named[n] = true
		}
	}
	for n, is := range named {
		if is {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// formatNumbers is a list in order as short as parseNumbers reads it.
func formatNumbers(numbers []int) string {
	if len(numbers) == 0 {
		return noNumbers
	}
	var parts []string
	for at := 0; at < len(numbers); {
		end := at + 1
		for end < len(numbers) && numbers[end] == numbers[end-1]+1 {
			end++
		}
		if end-at < 3 {
			end = at + 1
			parts = append(parts, strconv.Itoa(numbers[at]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[at], numbers[end-1]))
		}
		at = end
	}
	return strings.Join(parts, ",")
}

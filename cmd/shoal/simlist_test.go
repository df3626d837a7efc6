package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestAListIsReadInOrderAndOnce(t *testing.T) {
	for list, want := range map[string][]int{
		"3":            {3},
		"3,7,40-42":    {3, 7, 40, 41, 42},
		"7, 3":         {3, 7},
		"1-3,2-4,3":    {1, 2, 3, 4},
		"5-5":          {5},
		"100":          {100},
		"none":         {},
		"99-100,1-1,1": {1, 99, 100},
	} {
		got, err := parseNumbers(list, "this seed has", 100)
		if err != nil || got == nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
}

func TestWhatIsNoListIsRefusedBeforeAnythingIsMadeOfIt(t *testing.T) {
	for list, want := range map[string]string{
		"":                       "is no list",
		",":                      "is no list",
		"x":                      "is no list",
		"3;4":                    "is no list",
		"-3":                     "is no list",
		"3-":                     "is no list",
		"1-2-3":                  "is no list",
		"9-3":                    "is no list",
		"none,3":                 "is no list",
		"1.5":                    "is no list",
		"18446744073709551616":   "is no list",
		"0":                      "1 to 100",
		"0-3":                    "1 to 100",
		"101":                    "1 to 100",
		"1-18446744073709551615": "1 to 100",
	} {
		if got, err := parseNumbers(list, "this seed has", 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	if _, err := parseNumbers("1", "this seed has", 0); err == nil || !strings.Contains(err.Error(), "this seed has none") {
		t.Errorf("of none: %v", err)
	}
	if got, err := parseNumbers("none", "this seed has", 0); err != nil || len(got) != 0 {
		t.Errorf("none of none: %v, %v", got, err)
	}
}

func TestAListIsWrittenAsShortAsItIsRead(t *testing.T) {
	for want, numbers := range map[string][]int{
		"none": {}, "3": {3}, "3,4": {3, 4}, "3-5": {3, 4, 5}, "1-3,7,9,10": {1, 2, 3, 7, 9, 10},
	} {
		if got := formatNumbers(numbers); got != want {
			t.Errorf("%v: %q, not %q", numbers, got, want)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		var numbers []int
		for n := 1; n <= 30; n++ {
			if r.IntN(3) > 0 {
				numbers = append(numbers, n)
			}
		}
		back, err := parseNumbers(formatNumbers(numbers), "this seed has", 30)
		if err != nil || !slices.Equal(back, numbers) {
			t.Fatalf("%v became %q and %v: %v", numbers, formatNumbers(numbers), back, err)
		}
	}
}

package main

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole comparison, small: it starts and loads all three, and leaves no figure out.
func TestComparisonFillsItsTable(t *testing.T) {
	for _, program := range []string{"redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	shoal := filepath.Join(t.TempDir(), "shoal")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", shoal, "../../cmd/shoal").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, door := range []string{doorNative, doorResp} {
		var out bytes.Buffer
		args := []string{"-shoal", shoal, "-door", door, "-rounds", "1", "-depths", "8", "-requests", "1000", "-fill", "200000"}
		if err := run(t.Context(), args, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 5 {
			t.Fatalf("%s", out.String())
		}
		for i, op := range []string{"set", "get"} {
			if f := strings.Fields(lines[2+i]); len(f) != 17 || f[0] != "8" || f[1] != op || f[2] == "0" || f[3] == "0" || f[6] == "0" {
				t.Errorf("%s: %q", door, lines[2+i])
			}
		}
	}
}

func TestAServerThatEndsAtOnceIsSaidSoWithItsLog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	_, err := begin(t.Context(), &options{shoal: "/bin/ls"}, one)
	if err == nil || !strings.Contains(err.Error(), "does not serve") || !strings.Contains(err.Error(), "--name") {
		t.Fatal(err)
	}
}

func TestTableHasMediansAndRatiosRoundByRound(t *testing.T) {
	r := results{}
	for _, round := range []struct{ redis, one, three float64 }{{100, 50, 20}, {200, 160, 50}, {400, 240, 200}} {
		r[cell{redis, 1, "set"}] = append(r[cell{redis, 1, "set"}], measurement{perSecond: round.redis, p99: 2 * time.Millisecond})
		r[cell{one, 1, "set"}] = append(r[cell{one, 1, "set"}], measurement{perSecond: round.one, mallocs: 0.5, cpu: 1500, goroutines: 7})
		r[cell{three, 1, "set"}] = append(r[cell{three, 1, "set"}], measurement{perSecond: round.three, mallocs: 1.5, goroutines: 9})
	}
	for at, m := range r {
		r[cell{at.subject, 1, "get"}] = m
	}
	text := r.table([]int{1})
	for _, want := range []string{"0.60 (0.50–0.80)", "0.25 (0.20–0.50)", " 200 ", " 160 ", " 50 ", "2ms", " 0.50 ", " 1.50 ", "1.50µs"} {
		if strings.Count(text, want) < 2 {
			t.Errorf("no %q for set and for get in\n%s", want, text)
		}
	}
	if !strings.HasSuffix(text, ": 9\n") {
		t.Error("the most goroutines are not told")
	}
}

func TestMiddleOfAnEvenNumberLiesBetweenTheTwo(t *testing.T) {
	if got := middle([]float64{8, 1, 2, 4}); got != 3 {
		t.Fatal(got)
	}
}

func TestFiguresOfRedisAreReadByName(t *testing.T) {
	m, err := parseRedis([]byte(`"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"SET","81300.81","0.3","0.1","0.2","0.5","1.5","9.0"
`))
	if err != nil || m.perSecond != 81300.81 || m.p99 != 1500*time.Microsecond {
		t.Fatal(m, err)
	}
	for _, bad := range []string{"", "\"test\",\"rps\"\n", "\"test\",\"latency\"\n\"SET\",\"1\"\n", "Could not connect\n"} {
		if _, err := parseRedis([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFiguresWithFailedRequestsAreRefused(t *testing.T) {
	m, err := parseShoal([]byte(`{"requests_per_second":5.5,"p99_us":20,"reads":100,"misses":1}`))
	if err != nil || m.perSecond != 5.5 || m.p99 != 20*time.Microsecond {
		t.Fatal(m, err)
	}
	for _, bad := range []string{
		`{"requests_per_second":5.5,"errors":{"quorum":1}}`, `{"requests_per_second":5.5,"reads":100,"misses":11}`, `table`,
	} {
		if _, err := parseShoal([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-depths", "1,x"},
		{"-depths", "0"},
		{"-rounds", "0"},
		{"-requests", "-1"},
		{"-door", "back"},
		{"-shoal", "/does/not/exist"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

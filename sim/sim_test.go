package sim

import (
	"flag"
	"runtime"
	"strings"
	"testing"
)

var (
	seeds = flag.Int("sim.seeds", 60, "runs")
	from  = flag.Uint64("sim.from", 1, "first seed")
	trace = flag.Bool("sim.trace", false, "cut a failing run down and print its timeline")
)

// I1, I2, I4, I6, I7, I11, I12 and I18, as far as each checker goes.
func TestEverySeedKeepsEveryPromise(t *testing.T) {
	n := *seeds
	if testing.Short() {
		n = min(n, 2)
	}
	var tally Tally
	for seed := *from; seed < *from+uint64(n); seed++ {
		r := Run(Draw(seed), false)
		tally.Add(&r)
		if r.Failure != nil {
			t.Errorf("seed %d: %v (replay with -sim.from %d -sim.seeds 1 -sim.trace)", seed, r.Failure, seed)
			if *trace {
				plan := Shrink(Draw(seed), 500)
				r = Run(plan, true)
				t.Logf("cut down to %d operations and %d faults: %v\n%+v\n%s", len(plan.Asks), len(plan.Faults), r.Failure, plan.Cluster, strings.Join(r.Timeline, "\n"))
			}
		}
	}
	t.Logf("%d operations, %d acknowledged, %d faults, %d events, %d runs starved", tally.Operations, tally.Acknowledged, tally.Faults, tally.Events, tally.Starved)
	if testing.Short() || *seeds < 60 {
		return
	}
	if 2*tally.Acknowledged < tally.Operations || tally.Starved > n/4 {
		t.Errorf("too little was acknowledged: the runs prove less than they say")
	}
	for _, state := range []string{
		"crash", "wipe", "pause", "cut", "split", "ring", "flap", "jump", "full", "lost", "copied", "slow",
		"agreement judged", "deadline judged", "answered too late", "turned away", "retried",
		"evicted", "expired", "ghost dropped", "conflict", "behind", "restamp", "repair", "hedge", "late", "ahead", "forgotten", "recovered", "refilled",
		"forwarded", "hint added", "hint merged", "hint delivered", "hint refused", "hint dropped", "ceiling wanted", "map learnt",
	} {
		if tally.States[state] == 0 {
			t.Errorf("no run reached %q", state)
		}
	}
}

// Seeds of mended bugs: what they found must not come back.
func TestSeedsThatFoundSomething(t *testing.T) {
	if testing.Short() {
		t.Skip("nothing that runs at once")
	}
	for seed, found := range map[uint64]string{
		603:  "owners whose recovery had to wait dropped together what a quorum had acknowledged",
		3981: "a node without its directory waited by its own slow clock, and voted against what it had acknowledged",
		1270: "a node whose clock was far behind refused its own writes as late",
	} {
		if r := Run(Draw(seed), false); r.Failure != nil {
			t.Errorf("seed %d, which once found that %s: %v", seed, found, r.Failure)
		}
	}
}

func TestOnePlanHasOneTrace(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for seed := range uint64(3) {
		if testing.Short() && seed > 0 {
			break
		}
		runtime.GOMAXPROCS(1 + int(seed))
		if r := Twice(Draw(seed)); r.Failure != nil {
			t.Errorf("seed %d: %v", seed, r.Failure)
		}
	}
	if a, b := Run(Draw(1), false), Run(Draw(2), false); a.Trace == b.Trace {
		t.Error("two seeds have one trace")
	}
}

func TestATimelineDoesNotChangeTheRun(t *testing.T) {
	if testing.Short() {
		t.Skip("the other tests run the same code")
	}
	quiet, loud := Run(Draw(3), false), Run(Draw(3), true)
	if quiet.Trace != loud.Trace || len(quiet.Timeline) > 0 || len(loud.Timeline) < 1000 {
		t.Errorf("traces %x and %x, timelines of %d and %d lines", quiet.Trace, loud.Trace, len(quiet.Timeline), len(loud.Timeline))
	}
}

func TestReduceLeavesWhatIsNeeded(t *testing.T) {
	all := make([]int, 100)
	for i := range all {
		all[i] = i
	}
	runs := 10_000
	got := reduce(all, &runs, func(some []int) bool {
		has := map[int]bool{}
		for _, x := range some {
			has[x] = true
		}
		return has[3] && has[77]
	})
	if len(got) != 2 || got[0] != 3 || got[1] != 77 {
		t.Errorf("%v is left", got)
	}
	if got := reduce(all, &runs, func([]int) bool { return true }); len(got) != 0 {
		t.Errorf("%v is left where nothing is needed", got)
	}
}

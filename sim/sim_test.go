package sim

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var seeds = flag.Int("sim.seeds", 200, "runs of TestEverySeedKeepsEveryPromise, each of them made twice")

// I1, I2, I4 to I13 and I18 to I21, as far as each checker goes; that whatever is asked is answered and whatever is
// owed is delivered; and that equal plans have equal traces.
func TestEverySeedKeepsEveryPromise(t *testing.T) {
	n := *seeds
	if testing.Short() {
		n = min(n, 4)
	}
	tally := Sweep{From: 1, Seeds: n}.Run(context.Background())
	for _, f := range tally.Failures {
		t.Errorf("seed %d: %v (shoal sim run --seed %d --shrink)", f.Seed, &f.Failure, f.Seed)
	}
	t.Logf("%d seeds, %d starved: %d operations, %d acknowledged, %d faults, %d events", tally.Seeds, tally.Starved, tally.Operations, tally.Acknowledged, tally.Faults, tally.Events)
	for _, state := range slices.Sorted(maps.Keys(tally.States)) {
		t.Logf("%8d %s", tally.States[state], state)
	}
	if testing.Short() {
		return
	}
	if 2*tally.Acknowledged < tally.Operations || tally.Starved > n/4 {
		t.Errorf("too little was acknowledged: the runs prove less than they say")
	}
	for _, state := range reached() {
		if tally.States[state] == 0 {
			t.Errorf("no run reached %q", state)
		}
	}
}

// reached is what the seeds of the test must have seen: every fault, and every state that promises are about.
func reached() []string {
	states := []string{
		"exchange", "exchange failed", "exchange differed", "exchange merged", "exchange judged", "rest judged", "comparison judged", "repair judged",
		"lost", "copied", "slow", "undelivered", "malformed", "replayed", "map refused", "map learnt", "map claimed", "ousted", "older copy", "start refused", "place taken", "ended while it waited", "power lost while writing", "ceiling not saved", "directory damaged",
		"gossip forgot", "greeting late", "answered too late", "turned away", "retried", "asked a node that stands still", "ceiling wanted",
		"agreement judged", "mending judged", "deadline judged", "quorum judged without an owner", "handoff judged", "known judged", "vote refused", "recovering read", "repair sent", "hint sent",
		"store behind", "store superseded", "store late", "store ahead", "store missing", "store gone", "store hinted",
		"evicted", "expired", "mark raised", "conflict", "behind", "restamp", "repair", "repair of late", "repair of checked", "repair withheld", "check", "hedge", "late", "ahead", "forgotten", "recovered", "refilled",
		"condition met", "condition not met", "previous value", "condition judged", "condition judged by what is missing", "rivals judged", "list judged", "append judged", "counter judged by what was acknowledged",
		"session judged", "session asked again and was answered", "session let go",
		"change flush", "change drop", "change create", "change answered", "flush judged",
		"forwarded", "hint added", "hint merged", "hint delivered", "hint refused", "hint dropped", "hint spilled", "hint restored", "handoff outlives a process",
	}
	for k := range faultKinds {
		states = append(states, "fault "+k.String())
	}
	return states
}

func TestASweepComesToTheSameHoweverManyRunAtATime(t *testing.T) {
	n := 6
	if testing.Short() {
		n = 2
	}
	one := Sweep{From: 3, Seeds: n, Workers: 1}.Run(context.Background())
	four := Sweep{From: 3, Seeds: n, Workers: 4}.Run(context.Background())
	if one.Elapsed, four.Elapsed = 0, 0; !reflect.DeepEqual(one, four) {
		t.Errorf("one at a time %+v, four %+v", one, four)
	}
	if one.Seeds != n || one.Clean+one.Starved != n {
		t.Errorf("%d seeds were asked for: %+v", n, one)
	}
}

func TestASweepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if tally := (Sweep{From: 1}).Run(ctx); tally.Seeds != 0 {
		t.Errorf("%d seeds after the end", tally.Seeds)
	}
}

func TestOnePlanHasOneTraceForAnyNumberOfProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for seed := range uint64(3) {
		if testing.Short() && seed > 0 {
			break
		}
		var traces []uint64
		for _, processors := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(processors)
			r := Run(Draw(seed), false)
			traces = append(traces, r.Trace)
		}
		if traces[0] != traces[1] || traces[1] != traces[2] {
			t.Errorf("seed %d: traces %x", seed, traces)
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

func TestAPanicIsAFailureOfItsSeed(t *testing.T) {
	plan := Draw(1)
	plan.Cluster.Shards = 3 // which no node takes
	r := Twice(plan)
	if f := r.Failure; f == nil || f.Promise != "panic" || !strings.Contains(f.Text, "shards") || !strings.Contains(f.Text, "at node.go:") {
		t.Errorf("%+v", f)
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

func TestAPlanKeepsWhatIsNamed(t *testing.T) {
	p := Draw(5)
	kept := p.Keep([]int{7, 3}, []int{2})
	if got := fmt.Sprint(kept.Numbers()); got != "[3 7] [2]" {
		t.Errorf("%s is kept", got)
	}
	if all, faults := p.Keep(nil, nil).Numbers(); len(all) != len(p.Asks) || len(faults) != len(p.Faults) {
		t.Errorf("%d operations and %d faults of all", len(all), len(faults))
	}
	if none, _ := p.Keep([]int{}, nil).Numbers(); len(none) != 0 {
		t.Errorf("%d operations of none", len(none))
	}
	if r := Run(kept, true); r.Failure != nil || r.Operations < 2 || !strings.Contains(strings.Join(r.Timeline, "\n"), "op 1 ") {
		t.Errorf("what is kept does not run: %+v", r)
	}
}

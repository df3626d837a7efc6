package antientropy

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// TestMain lets the laws run a few thousand cases, within seconds; -rapid.checks=N on the command line wins.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1") // the same cases each time; make laws draws others
	_ = flag.Set("rapid.checks", "5000")
	flag.Parse()
	if testing.Short() {
		_ = flag.Set("rapid.checks", "100")
	}
	os.Exit(m.Run())
}

// partition is the one that the tests refill.
const partition = 3

func sum64(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b)
	return h.Sum64()
}

func sum(key string) uint64 { return sum64([]byte(key)) }

func everyone(uint64) bool { return true }

// version is the same for everyone who holds it.
func version(stamp vclock.Stamp) *vclock.Set {
	return &vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 100, Boot: 1}, Stamp: stamp}, Value: fmt.Append(nil, "v", stamp)}
}

// body builds a page from "key=stamp" for records and "key~stamp" for ghosts.
func body(entries ...string) (b []byte) {
	for _, e := range entries {
		var stamp vclock.Stamp
		at := strings.IndexAny(e, "=~")
		if _, err := fmt.Sscan(e[at+1:], &stamp); err != nil {
			panic(err)
		}
		if key := e[:at]; e[at] == '=' {
			b = wire.AppendPageRecord(b, []byte(key), version(stamp), 0)
		} else {
			b = wire.AppendPageGhost(b, wire.Ghost{Hash: sum(key), Stamp: stamp, Digest: uint32(stamp)})
		}
	}
	return b
}

// bench is a refill and what it asked for and installed.
type bench struct {
	*Refill
	t         testing.TB
	now       time.Duration
	pulls     []Pull
	installed []string
	verdict   Verdict
	serial    uint64
}

// newBench refills from nodes; it may begin at once.
func newBench(t testing.TB, nodes ...uint64) *bench {
	b := &bench{t: t}
	b.Refill = NewRefill(DefaultConfig(), partition, near(nodes...), 0, &b.serial)
	return b
}

// tick returns "node:cursor" of every page asked for.
func (b *bench) tick() string {
	b.pulls = b.Tick(b.now, everyone, DefaultConfig().PageBytes, b.pulls[:0])
	return b.asked()
}

func (b *bench) asked() string {
	var s []string
	for _, p := range b.pulls {
		if p.Message.Kind != wire.KindPull || p.Message.Partition != partition || p.Message.Limit != uint32(DefaultConfig().PageBytes) {
			b.t.Errorf("pull %+v", p.Message)
		}
		s = append(s, fmt.Sprint(p.Node, ":", p.Message.Cursor))
	}
	return strings.Join(s, " ")
}

// serialOf is that of the page asked of node last.
func (b *bench) serialOf(node uint64) uint64 {
	for i := range b.sources {
		if b.sources[i].Node == node {
			return b.sources[i].serial
		}
	}
	return 0
}

func (b *bench) inward() Inward {
	limits := wire.DefaultLimits()
	return Inward{Hash: sum64, Limits: &limits, Install: func(e *wire.PageEntry) Verdict {
		what := fmt.Sprint(string(e.Key), "=", uint64(e.Set.Dot.Stamp))
		if e.IsGhost || e.IsBrief {
			what = fmt.Sprint("~", uint64(e.Ghost.Stamp))
		}
		b.installed = append(b.installed, what)
		return b.verdict
	}}
}

// page hands over a page, in reply to what was asked of node last, and returns what is asked for next.
func (b *bench) page(node uint64, m wire.Message) string {
	return b.pageTo(node, b.serialOf(node), m)
}

func (b *bench) pageTo(node, serial uint64, m wire.Message) string {
	m.Kind, m.Partition = wire.KindPullReply, partition
	if _, err := b.Page(node, serial, &m, b.inward()); err != nil {
		b.t.Errorf("page from %d: %v", node, err)
	}
	b.pulls = b.Tick(b.now, func(n uint64) bool { return n == node }, DefaultConfig().PageBytes, b.pulls[:0])
	return b.asked()
}

// whole tells all that node knows on one page.
func (b *bench) whole(node uint64, mark vclock.Stamp, entries ...string) {
	b.tick()
	b.page(node, wire.Message{Floor: mark, Body: body(entries...)})
}

// I1 of the package: writes under way when memory was lost must have ended.
func TestNothingIsAskedForBeforeNotBefore(t *testing.T) {
	var serial uint64
	r := NewRefill(DefaultConfig(), partition, near(1, 2), 5*time.Second, &serial)
	if got := r.Tick(5*time.Second-1, everyone, 1, nil); len(got) != 0 {
		t.Errorf("asked %+v", got)
	}
	if got := r.Tick(5*time.Second, everyone, 1, nil); len(got) != 2 {
		t.Errorf("asked %+v", got)
	}
}

func TestPagesAreAskedForOneAfterAnotherUntilTheCursorIsZero(t *testing.T) {
	b := newBench(t, 2, 1)
	if got := b.tick(); got != "1:0 2:0" {
		t.Fatalf("asked %q", got)
	}
	if got := b.page(1, wire.Message{Cursor: 40, Body: body("a=1", "b=2")}); got != "1:40" {
		t.Errorf("then asked %q", got)
	}
	if got := b.page(1, wire.Message{Cursor: 20, Body: body("c~3")}); got != "1:20" {
		t.Errorf("then asked %q", got)
	}
	if got := b.page(1, wire.Message{Body: body("d=4")}); got != "" || b.Done() {
		t.Errorf("asked %q after the last page, done %v without node 2", got, b.Done())
	}
	if b.page(2, wire.Message{}); !b.Done() {
		t.Error("not done")
	}
	if got := strings.Join(b.installed, " "); got != "a=1 b=2 ~3 d=4" {
		t.Errorf("installed %q", got)
	}
}

func TestANodeThatIsDownIsAskedOnceItIsUpAndHoldsTheRefillUp(t *testing.T) {
	b := newBench(t, 1, 2)
	b.pulls = b.Tick(0, func(n uint64) bool { return n == 1 }, 256<<10, nil)
	if b.asked() != "1:0" {
		t.Errorf("asked %q", b.asked())
	}
	if b.page(1, wire.Message{}); b.Done() {
		t.Error("done without node 2")
	}
	if got := b.tick(); got != "2:0" {
		t.Errorf("asked %q", got)
	}
}

func TestAnUnansweredPageIsAskedForAgainAndTheFirstAnswerCounts(t *testing.T) {
	b := newBench(t, 1)
	b.tick()
	first := b.pulls[0].Message.ID
	b.now = time.Second - 1
	if got := b.tick(); got != "" {
		t.Errorf("asked %q too soon", got)
	}
	b.now = 2 * time.Second
	if got := b.tick(); got != "1:0" {
		t.Fatalf("asked %q", got)
	}
	if got := b.pageTo(1, first, wire.Message{Cursor: 7}); got != "1:7" {
		t.Errorf("over a link slower than Retry no page would ever count: asked %q", got)
	}
	if got := b.pageTo(1, first, wire.Message{}); got != "" || b.Done() {
		t.Error("the second answer to the first page ended the refill")
	}
}

// I2 of the package.
func TestAPageThatWasNotAskedForDoesNotCount(t *testing.T) {
	for name, give := range map[string]func(b *bench){
		"before anything was asked": func(b *bench) {
			b.Refill = NewRefill(DefaultConfig(), partition, near(1), 0, &b.serial)
			b.pageTo(1, 0, wire.Message{Floor: 9})
		},
		"after the node was lost": func(b *bench) { b.Lost(1); b.pageTo(1, 0, wire.Message{Floor: 9}) },
		"to an earlier serial": func(b *bench) {
			b.page(1, wire.Message{Cursor: 5})
			b.pageTo(1, b.serialOf(1)-1, wire.Message{Floor: 9})
		},
		"from another owner": func(b *bench) { b.pageTo(2, b.serialOf(1), wire.Message{Floor: 9}) },
		"from no owner":      func(b *bench) { b.pageTo(3, b.serialOf(1), wire.Message{Floor: 9}) },
		"of another partition": func(b *bench) {
			_, _ = b.Page(1, b.serialOf(1), &wire.Message{Partition: partition + 1, Floor: 9}, b.inward())
		},
		"by a node that does not own it": func(b *bench) { b.page(1, wire.Message{Floor: 9, Outcome: wire.OutcomeNotOwner}) },
	} {
		b := newBench(t, 1, 2)
		b.tick()
		b.pulls = b.pulls[:0]
		give(b)
		if b.Mark() != 0 || slices.ContainsFunc(b.sources, func(s source) bool { return s.walked }) || len(b.installed) != 0 {
			t.Errorf("%s: it counted", name)
		}
	}
}

func TestAPageAfterTheLastDoesNotCount(t *testing.T) {
	b := newBench(t, 1)
	b.whole(1, 4, "a=5")
	b.page(1, wire.Message{Floor: 9, Cursor: 3, Body: body("b=6")})
	if b.Mark() != 4 || len(b.installed) != 1 || !b.Done() {
		t.Errorf("mark %v, installed %q", b.Mark(), b.installed)
	}
}

func TestANodeThatDoesNotOwnThePartitionYetIsAskedAgain(t *testing.T) {
	b := newBench(t, 1)
	b.tick()
	b.page(1, wire.Message{Outcome: wire.OutcomeNotOwner})
	b.now = 2 * time.Second
	if got := b.tick(); got != "1:0" {
		t.Errorf("asked %q", got)
	}
}

func TestTwoRefillsOfAShardNeverShareASerial(t *testing.T) {
	var serial uint64
	seen := map[uint64]bool{}
	for p := range uint32(3) {
		r := NewRefill(DefaultConfig(), p, near(1, 2), 0, &serial)
		for _, x := range r.Tick(0, everyone, 1, nil) {
			if seen[x.Message.ID] || x.Message.ID == 0 {
				t.Errorf("serial %d again", x.Message.ID)
			}
			seen[x.Message.ID] = true
		}
	}
}

func TestANodeThatWasLostGoesOnWhereItWas(t *testing.T) {
	b := newBench(t, 1, 2, 3)
	b.tick()
	b.page(1, wire.Message{Boot: 7, Cursor: 9, Floor: 70, Body: body("a=5", "b~60")})
	b.page(2, wire.Message{Cursor: 8, Body: body("a=5")})
	b.page(3, wire.Message{Floor: 30})
	old := b.serialOf(1)
	if !b.Lost(1) || b.Lost(3) || b.Lost(4) {
		t.Error("the refill waits for 1 and neither for 3, which has told all, nor for a stranger")
	}
	if got := b.tick(); got != "1:9" {
		t.Errorf("asked %q", got)
	}
	if got := b.pageTo(1, old, wire.Message{Boot: 7}); got != "" || b.sources[0].walked {
		t.Error("a page of before it was lost counted")
	}
	b.page(2, wire.Message{})
	if b.page(1, wire.Message{Boot: 7}); !b.Done() || b.Mark() != 70 || len(b.Ghosts()) != 1 {
		t.Errorf("done %v, mark %v, ghosts %v", b.Done(), b.Mark(), b.Ghosts())
	}
}

// Its cursor means nothing to its next boot, and what it has forgotten it does not vote for. What it told to another owner that
// recovers as well, and to this one not yet, that one may have told of as if it had never been there.
func TestWhenANodeHasRestartedAllTellAnew(t *testing.T) { // I2
	b := newBench(t, 1, 2)
	b.tick()
	b.page(2, wire.Message{Boot: 5, Floor: 90})
	b.page(1, wire.Message{Boot: 7, Cursor: 9, Floor: 70, Known: vclock.Dot{Stamp: 80}, Body: body("a=5", "b~60")})
	if got := b.page(1, wire.Message{Boot: 8, Body: body("c=90")}); got != "1:0" {
		t.Errorf("asked %q", got)
	}
	if b.Mark() != 0 || len(b.Ghosts()) != 0 || len(b.sources[0].knows) != 0 {
		t.Errorf("what was told before 1 restarted still counts: mark %v, ghosts %v, %v", b.Mark(), b.Ghosts(), b.sources[0].knows)
	}
	if got := b.tick(); got != "2:0" {
		t.Errorf("asked %q", got)
	}
	b.page(2, wire.Message{Boot: 5})
	if b.page(1, wire.Message{Boot: 8, Floor: 3}); !b.Done() || b.Mark() != 3 {
		t.Errorf("done %v, mark %v", b.Done(), b.Mark())
	}

	b = newBench(t, 1, 2)
	b.tick()
	b.page(2, wire.Message{Boot: 5, Cursor: 4, Floor: 90})
	b.Lost(1) // it had told nothing, and may have restarted
	if got := b.tick(); got != "1:0 2:0" || b.Mark() != 0 {
		t.Errorf("asked %q, mark %v", got, b.Mark())
	}
}

// What one source told whole the others tell no more of than which version it is; what none did is asked for by its hash.
func TestValuesComeOnce(t *testing.T) {
	b := newBench(t, 1, 2, 3)
	b.tick()
	var teller uint64
	briefly := map[uint64]bool{}
	for _, p := range b.pulls {
		if briefly[p.Node] = p.Message.Brief; !p.Message.Brief {
			teller = p.Node
		}
	}
	others := slices.DeleteFunc([]uint64{1, 2, 3}, func(n uint64) bool { return n == teller })
	if len(others) != 2 || !briefly[others[0]] || !briefly[others[1]] {
		t.Fatalf("asked briefly: %v", briefly)
	}
	second, third := others[0], others[1]
	brief := func(key string, stamp vclock.Stamp) []byte {
		v := version(stamp)
		return wire.AppendPageBrief(nil, sum(key), stamp, v.Ghost(v.Deadline), 0)
	}
	b.page(second, wire.Message{Body: slices.Concat(brief("a", 5), brief("b", 7), brief("c", 1), brief("d", 4), brief("e", 9))})
	b.page(third, wire.Message{Body: slices.Concat(brief("a", 5), brief("b", 7), brief("e", 9))})
	if got := b.page(teller, wire.Message{Body: body("a=5", "b=6", "c~3")}); got != "" {
		t.Errorf("asked %q of who has told all", got)
	}
	wants := func(node uint64, keys ...string) {
		t.Helper()
		var want []uint64
		for _, k := range keys {
			want = append(want, sum(k))
		}
		slices.Sort(want)
		b.now += time.Minute
		b.tick()
		if len(b.pulls) != 1 || b.pulls[0].Node != node || b.Done() {
			t.Fatalf("asked %v, done %v", b.pulls, b.Done())
		}
		if got, err := wire.Wants(nil, b.pulls[0].Message.Body); err != nil || !slices.Equal(got, want) {
			t.Errorf("wants %x, %v, want %x", got, err, want)
		}
	}
	wants(second, "b", "c", "d", "e")
	order := []string{"b", "c", "d", "e"}
	slices.SortFunc(order, func(a, b string) int { return cmp.Compare(sum(a), sum(b)) })
	is := map[string]string{"b": "b=7", "c": "c=1", "d": "d~4"} // d was evicted meanwhile, and e dropped without a trace
	var first, rest []string
	for i, k := range order {
		if s := is[k]; s != "" && i < 2 {
			first = append(first, s)
		} else if s != "" {
			rest = append(rest, s)
		}
	}
	b.page(second, wire.Message{Cursor: 2, Body: body(first...)})
	wants(second, order[2:]...)
	b.page(second, wire.Message{Cursor: 2, Floor: 9, Body: body(rest...)})
	wants(third, "e") // which nobody has told yet
	if b.page(third, wire.Message{Cursor: 1, Body: body("e=9")}); !b.Done() {
		t.Fatal("not done")
	}
	slices.Sort(b.installed)
	if got := strings.Join(slices.DeleteFunc(b.installed, func(s string) bool { return s[0] == '~' }), " "); got != "a=5 b=6 b=7 c=1 e=9" {
		t.Errorf("installed %s", got)
	}
	for s, want := range map[vclock.Stamp]vclock.Stamp{3: 4, 8: 9} { // d is a ghost at 4, of e all up to 9 may be forgotten
		if got := b.sources[second-1].floorOf(sum(map[vclock.Stamp]string{3: "d", 8: "e"}[s])); got != want {
			t.Errorf("floor %v, want %v", got, want)
		}
	}
}

func TestPartitionsHaveTheirValuesFromAllOwnersNearbyAlike(t *testing.T) {
	var serial uint64
	for _, step := range []uint32{1, 16} { // of one shard too
		told := map[uint64]int{}
		for p := range uint32(256) {
			for _, x := range NewRefill(DefaultConfig(), p*step, append(near(1, 2), Other{Node: 3}), 0, &serial).Tick(0, everyone, 1, nil) {
				if !x.Message.Brief {
					told[x.Node]++
				}
			}
		}
		if told[1]+told[2] != 256 || told[1] < 96 || told[2] < 96 {
			t.Errorf("%v", told)
		}
	}
}

func TestAPageThatCannotBeJudgedYetIsAskedForAgainAndHoldsTheRefillUp(t *testing.T) {
	b := newBench(t, 1)
	b.tick()
	b.verdict = Later
	if got := b.page(1, wire.Message{Body: body("a=5")}); got != "" || b.Done() {
		t.Errorf("asked %q, done %v", got, b.Done())
	}
	b.now = 2 * time.Second
	if got := b.tick(); got != "1:0" {
		t.Errorf("asked %q", got)
	}
	b.verdict = Taken
	if b.page(1, wire.Message{Body: body("a=5")}); !b.Done() {
		t.Error("not done")
	}
}

func TestAGhostThatCannotBeBelievedIsNotTakenOver(t *testing.T) {
	b := newBench(t, 1)
	b.tick()
	b.verdict = Later
	if b.page(1, wire.Message{Body: body("a~999")}); b.Done() || len(b.Ghosts()) != 0 {
		t.Errorf("done %v, ghosts %v", b.Done(), b.Ghosts())
	}
}

// I5 of the package.
func TestTheMarkIsTheGreatestToldAndThatOfWhatCannotBeStored(t *testing.T) {
	b := newBench(t, 1, 2)
	b.tick()
	b.page(1, wire.Message{Cursor: 5, Floor: 40})
	b.page(1, wire.Message{Floor: 41})
	b.page(2, wire.Message{Floor: 12})
	if b.Mark() != 41 {
		t.Errorf("mark %v", b.Mark())
	}
	b = newBench(t, 1)
	b.tick()
	b.verdict = Refused
	if b.page(1, wire.Message{Floor: 40, Body: body("a=50", "b=45")}); b.Mark() != 50 || !b.Done() {
		t.Errorf("mark %v, done %v", b.Mark(), b.Done())
	}
}

func TestOfTheGhostsTheNewestOfEachKeyIsTakenOverOldestFirst(t *testing.T) {
	b := newBench(t, 1, 2)
	b.whole(1, 0, "a~5", "b~9", "c=7")
	b.whole(2, 0, "a~8", "b~3", "c~6", "d~1")
	want := []wire.Ghost{
		{Hash: sum("d"), Stamp: 1, Digest: 1},
		{Hash: sum("c"), Stamp: 6, Digest: 6},
		{Hash: sum("a"), Stamp: 8, Digest: 8},
		{Hash: sum("b"), Stamp: 9, Digest: 9},
	}
	if got := b.Ghosts(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestOfAKeyToldTwiceTheLaterTellingCountsUnlessItIsOlder(t *testing.T) {
	for _, c := range []struct {
		pages        string
		keep4, keep5 bool // whether versions stamped 4 and 5 have the vote
	}{
		{"a=5 a~5", false, true},  // evicted between two pages
		{"a~5 a=5", true, true},   // and come back
		{"a=5 a~6", false, false}, // overwritten, then evicted
		{"a~6 a=5", false, false}, // cannot happen; the newer is what it knows
	} {
		b := newBench(t, 1)
		b.whole(1, 0, strings.Fields(c.pages)...)
		if got4, got5 := b.Keep(sum("a"), 4, 9), b.Keep(sum("a"), 5, 9); got4 != c.keep4 || got5 != c.keep5 {
			t.Errorf("%s: vote for 4: %v, for 5: %v", c.pages, got4, got5)
		}
	}
}

// I4 of the package: what each other owner knows of a key, and whether a version of it stamped 50 stays.
// "=s" holds it at s; "~s" has a ghost; "-" knows nothing; then "m" its mark, "f" its floor while recovering.
func TestAVersionIsKeptByTheVotesOfHalfTheOwners(t *testing.T) {
	for _, c := range []struct {
		others string
		keep   bool
	}{
		{"", true}, // an only owner: its own since it began

		// N=2: the other one.
		{"=50", true},
		{"=40", true},      // held older: has forgotten nothing newer
		{"=60", true},      // held newer: that one is told too, and wins in the store
		{"-", true},        // never had it
		{"~50", true},      // forgot this very version
		{"~40", true},      // forgot an older one
		{"~60", false},     // forgot a newer one
		{"-m50", true},     // may have forgotten this very version, nothing newer
		{"-m51", false},    // may have forgotten a newer one
		{"=50m99", true},   // its mark is about keys it has nothing of
		{"~50m99", true},   //
		{"=50f60", false},  // recovering: whatever it holds, it may have forgotten a newer one
		{"=50f50", true},   //
		{"-f60", false},    //
		{"~40f60", false},  //
		{"-m51f40", false}, // the greater of both

		// N=3: both of the others.
		{"=50 =50", true},
		{"=50 -", true},
		{"- -", true}, // only this replica took it, since it began
		{"=50 ~60", false},
		{"=50 -m51", false},
		{"=50 =50f60", false},
		{"=40 ~50", true},

		// N=4: two of three.
		{"=50 - -m60", true},
		{"=50 ~60 -m60", false},

		// N=5: three of four.
		{"=50 =50 =50 ~60", true},
		{"=50 =40 - -m60", true},
		{"=50 =50 -m60 ~60", false},
		{"=50 =50 =50f60 -f60", false},
		{"-m60 -m60 -m60 -m60", false},
	} {
		others := strings.Fields(c.others)
		var nodes []uint64
		for i := range others {
			nodes = append(nodes, uint64(i+1))
		}
		b := newBench(t, nodes...)
		b.tick()
		for i, s := range others {
			var m wire.Message
			s, f, _ := strings.Cut(s, "f")
			s, mark, _ := strings.Cut(s, "m")
			_, _ = fmt.Sscan(f, &m.Known.Stamp)
			_, _ = fmt.Sscan(mark, &m.Floor)
			if s != "-" {
				m.Body = body("a" + s)
			}
			b.page(nodes[i], m)
		}
		if !b.Done() {
			t.Fatalf("%q: not done", c.others)
		}
		if got := b.Keep(sum("a"), 50, 9); got != c.keep {
			t.Errorf("N=%d %q: kept %v", len(others)+1, c.others, got)
		}
	}
}

func TestAnOnlyOwnerIsDoneAtOnceAndKeepsWhatItTookSinceItBegan(t *testing.T) { // I1
	var serial uint64
	r := NewRefill(DefaultConfig(), partition, nil, time.Hour, &serial)
	if !r.Done() || !r.Keep(sum("a"), 1, 9) || r.Mark() != 0 || len(r.Ghosts()) != 0 {
		t.Error("it has nobody to ask")
	}
}

// A source that began to recover, or finished, between two of its pages, is judged by its greatest floor.
func TestAFloorToldOnOnePageCountsForAll(t *testing.T) {
	b := newBench(t, 1)
	b.tick()
	b.page(1, wire.Message{Cursor: 5, Known: vclock.Dot{Stamp: 60}, Body: body("a=50")})
	b.page(1, wire.Message{Body: body("b=50")})
	if b.Keep(sum("a"), 50, 9) || b.Keep(sum("b"), 50, 9) || !b.Keep(sum("b"), 60, 9) {
		t.Error("the floor of the first page was forgotten")
	}
}

// I6 of the package.
func TestTheOrderOfNodesAndPagesDecidesNothing(t *testing.T) {
	pages := map[uint64][]string{1: {"a=5", "b~9"}, 2: {"a~7", "c~7", "d~7"}, 3: {"b=9", "e~7"}}
	var want *bench
	for _, order := range [][]uint64{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}} {
		b := newBench(t, order...)
		for _, n := range order {
			b.whole(n, vclock.Stamp(n), pages[n]...)
		}
		if want == nil {
			want = b
		}
		if !slices.Equal(b.Ghosts(), want.Ghosts()) || b.Mark() != want.Mark() {
			t.Errorf("order %v: ghosts %v, mark %v", order, b.Ghosts(), b.Mark())
		}
		for s := range vclock.Stamp(12) {
			for _, k := range []string{"a", "b", "c", "x"} {
				if b.Keep(sum(k), s, 9) != want.Keep(sum(k), s, 9) {
					t.Errorf("order %v: %s at %v", order, k, s)
				}
			}
		}
	}
}

// Bytes that make no sense, I17: an error of wire's, what stood before them stands, and the refill waits for sense.
func TestAPageThatMakesNoSenseNeverCompletesARefill(t *testing.T) {
	good := body("a=5", "b~6")
	for cut := 1; cut < len(good); cut++ {
		if cut == len(body("a=5")) {
			continue // whole entries are a whole page
		}
		if !hostile(t, good[:cut]) {
			t.Errorf("%x: cut off, and no error", good[:cut])
		}
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] = 0xc1 // a byte that MessagePack never uses
		hostile(t, bad)
	}
}

// hostile gives a refill one page and tells whether it was an error; it must be one of wire's, and then the
// page must not count.
func hostile(t *testing.T, page []byte) bool {
	t.Helper()
	b := newBench(t, 1)
	b.tick()
	m := wire.Message{Partition: partition, Body: page}
	_, err := b.Page(1, b.serialOf(1), &m, b.inward())
	if err == nil {
		return false
	}
	var format *wire.FormatError
	var limit *wire.LimitError
	if !errors.As(err, &format) && !errors.As(err, &limit) {
		t.Errorf("%x: %v", page, err)
	}
	if asked := b.tick(); b.Done() || asked != "" {
		t.Errorf("%x: done %v, asked for %q more", page, b.Done(), asked)
	}
	b.now = 2 * time.Second
	if b.tick() != "1:0" {
		t.Errorf("%x: not asked for again", page)
	}
	return true
}

func FuzzPage(f *testing.F) {
	f.Add(body("a=5", "b~6"))
	f.Add([]byte{0x93, 1, 0xc6, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, page []byte) { hostile(t, page) })
}

// What is remembered is one entry for each key a source told of, however often it tells of it.
func TestARefillRemembersAKeyOncePerSource(t *testing.T) {
	b := newBench(t, 1)
	for i := range 100 {
		b.now = time.Duration(i) * time.Minute
		b.tick()
		b.page(1, wire.Message{Cursor: 1, Body: body("a=5", "b~6", "c=7")})
	}
	if n := len(b.sources[0].knows); n != 3 {
		t.Errorf("%d entries for three keys", n)
	}
}

func TestValidateReturnsEveryProblemAtOnce(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := Config{}.Validate()
	if !errors.Is(err, ErrConfig) || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v: want two problems", err)
	}
}

// At a local level a majority of one datacenter acknowledges, and no other may know.
func TestAVersionNeedsVotesWithinItsDatacenterToo(t *testing.T) { // I2
	for told, want := range map[string]bool{
		"a=5 a=5 a=5 a=5 a=5": true,
		"a=5 a=5 - - -":       true,
		"a=5 a~9 a=5 a=5 a=5": false, // the near one may have acknowledged 9 together with this replica
		"a=5 a=5 a~9 a~9 a~9": false,
	} {
		var serial uint64
		b := newBench(t)
		b.Refill = NewRefill(DefaultConfig(), partition, append(near(7, 8), Other{Node: 1}, Other{Node: 2}, Other{Node: 3}), 0, &serial)
		b.tick()
		for i, s := range strings.Fields(told) {
			var m wire.Message
			if s != "-" {
				m.Body = body(s)
			}
			node := []uint64{7, 8, 1, 2, 3}[i]
			if node == 7 { // and it is lost once on the way
				b.Lost(node)
				b.tick()
			}
			b.page(node, m)
		}
		if !b.Done() {
			t.Fatalf("%q: not done", told)
		}
		if got := b.Keep(sum("a"), 5, 9); got != want {
			t.Errorf("%q: kept %v", told, got)
		}
	}
}

// Of a namespace with fewer replicas the first owners of each datacenter have the key; that others know nothing of it is no vote.
func TestOnlyTheOwnersOfAKeyVoteForIt(t *testing.T) { // I2
	for told, want := range map[string][4]bool{ // by replicas
		"a=5 -":   {1: true, 2: true, 3: true},
		"a~9 -":   {1: false, 2: false, 3: false},
		"a~9 a~9": {1: false, 2: false, 3: false},
		"a=5 a~9": {1: true, 2: true, 3: false},
	} {
		var serial uint64
		b := newBench(t)
		b.Refill = NewRefill(DefaultConfig(), partition, []Other{{Node: 1, Near: true, Rank: 0}, {Node: 2, Near: true, Rank: 2}}, 0, &serial)
		b.tick()
		for i, s := range strings.Fields(told) {
			var m wire.Message
			if s != "-" {
				m.Body = body(s)
			}
			b.page(uint64(i+1), m)
		}
		for replicas := uint8(1); replicas <= 3; replicas++ {
			if got := b.Keep(sum("a"), 5, replicas); got != want[replicas] {
				t.Errorf("%q, %d replicas: kept %v", told, replicas, got)
			}
		}
	}
	b := newBench(t)
	b.Refill = NewRefill(DefaultConfig(), partition, []Other{{Node: 2, Near: true, Rank: 1}}, 0, &b.serial)
	b.whole(2, 0, "a=5")
	if b.Keep(sum("a"), 5, 1) {
		t.Error("an only owner believes who is none")
	}
}

func TestOfOneVersionTheLatestDeadlineThatAnyoneRemembersIsTakenOver(t *testing.T) { // I11
	early, late := vclock.Deadline{At: 100, Stamp: 6}, vclock.Deadline{At: 50, Stamp: 7}
	for _, told := range [][2]vclock.Deadline{{early, late}, {late, early}} {
		b := newBench(t, 1, 2)
		b.tick()
		for i, d := range told {
			b.page(uint64(i+1), wire.Message{Body: wire.AppendPageGhost(nil, wire.Ghost{Hash: sum("a"), Stamp: 5, Digest: uint32(d.Stamp), Deadline: d})})
		}
		want := []wire.Ghost{{Hash: sum("a"), Stamp: 5, Digest: 7, Deadline: late}}
		if got := b.Ghosts(); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// near are owners in one datacenter, by rank.
func near(nodes ...uint64) (others []Other) {
	for i, n := range nodes {
		others = append(others, Other{Node: n, Near: true, Rank: uint8(i)})
	}
	return others
}

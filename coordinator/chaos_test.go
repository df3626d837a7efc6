package coordinator

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
	"pgregory.net/rapid"
)

// The properties run over 20,000 schedules each; -short, for the race detector, over 500.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1") // the same cases each time; make laws draws others
	_ = flag.Set("rapid.checks", "20000")
	flag.Parse()
	if testing.Short() {
		_ = flag.Set("rapid.checks", "500")
	}
	os.Exit(m.Run())
}

// chaos drives a machine through whatever can happen to it: replies in any order, again, for rounds long
// over, from nodes that were lost; time, restarts, ceilings. An oracle watches.
type chaos struct {
	t       *rapid.T
	cfg     Config
	clock   vclock.Clock
	env     Env
	eff     Effects
	peers   []Peer
	ask     Ask
	m       Machine
	call    Call
	sent    []Send // everything ever asked
	watch   oracle
	answers int
	over    bool
}

// oracle says what must hold; it is told everything before and after.
type oracle interface {
	replied(c *chaos, to *Send, m *wire.Message) // before the machine is
	lost(node uint64)
	restarted(peers []Peer)
	effects(c *chaos, what string) // after each call, before they are dropped
}

func drawPeers(t *rapid.T) []Peer {
	var peers []Peer
	owners := rapid.IntRange(1, 5).Draw(t, "owners")
	fallbacks := rapid.IntRange(0, 2).Draw(t, "fallbacks")
	first := rapid.IntRange(1, 3).Draw(t, "first") // so that restarts keep some owners
	for i := range owners + fallbacks {
		n := uint64(first + i)
		peers = append(peers, Peer{
			Node: n, Name: fmt.Sprint("n", n), Owner: i < owners, Datacenter: uint8(n % 2),
			Up: rapid.IntRange(0, 5).Draw(t, "up") > 0, Slow: rapid.Bool().Draw(t, "slow"),
		})
	}
	return peers
}

func drawAsk(t *rapid.T) Ask {
	return Ask{
		Level: rapid.SampledFrom([]wire.Level{
			wire.LevelAny, wire.LevelOne, wire.LevelTwo, wire.LevelQuorum, wire.LevelAll, wire.LevelLocalOne,
			wire.LevelLocalQuorum, wire.LevelEachQuorum, wire.LevelExplicit,
		}).Draw(t, "level"),
		Count: uint8(rapid.IntRange(0, 6).Draw(t, "count")), Sloppy: rapid.Bool().Draw(t, "sloppy"),
		Local: uint8(rapid.IntRange(0, 1).Draw(t, "local")),
	}
}

// enough is Resolve and tally once more, dumb: whether the owners in has are as many as the level asks.
func enough(ask Ask, peers []Peer, has map[uint64]bool) bool {
	var all, got, local, localGot int
	byDC, gotDC := map[uint8]int{}, map[uint8]int{}
	for _, p := range peers {
		if !p.Owner {
			continue
		}
		all++
		byDC[p.Datacenter]++
		if p.Datacenter == ask.Local {
			local++
		}
		if has[p.Node] {
			got++
			gotDC[p.Datacenter]++
			if p.Datacenter == ask.Local {
				localGot++
			}
		}
	}
	switch ask.Level {
	case wire.LevelAny, wire.LevelOne:
		return got >= 1
	case wire.LevelTwo:
		return got >= 2
	case wire.LevelQuorum:
		return 2*got > all
	case wire.LevelAll:
		return got == all && all > 0
	case wire.LevelLocalOne:
		return localGot >= 1
	case wire.LevelLocalQuorum:
		return 2*localGot > local
	case wire.LevelEachQuorum:
		for dc, n := range byDC {
			if 2*gotDC[dc] <= n {
				return false
			}
		}
		return all > 0
	}
	return ask.Count > 0 && got >= int(ask.Count)
}

func everyone(peers []Peer) map[uint64]bool {
	all := map[uint64]bool{}
	for _, p := range peers {
		all[p.Node] = true
	}
	return all
}

// newChaos starts m under a random level over random owners; false where the level cannot be met.
func newChaos(t *rapid.T, m Machine, op wire.Op, watch oracle) (*chaos, bool) {
	c := &chaos{t: t, cfg: DefaultConfig(), clock: vclock.NewClock(0, 1), m: m, watch: watch, ask: drawAsk(t), peers: drawPeers(t)}
	c.cfg.RestampsMax, c.cfg.ReadRepairChance, c.cfg.Hash = 3, 1, xxhash.Sum64
	c.env = Env{
		Now: vclock.Now{Wall: 1000}, Self: vclock.Actor{Node: 2, Boot: 1}, Clock: &c.clock, Config: &c.cfg, Eff: &c.eff, Repaired: new(Repaired),
		Ceiling: vclock.StampAt(int64(rapid.IntRange(900, 2500).Draw(t, "ceiling"))),
	}
	q, err := Resolve(c.ask, c.peers)
	if possible := enough(c.ask, c.peers, everyone(c.peers)); possible != (err == nil) {
		t.Fatalf("Resolve says %v; that all owners are enough is %v", err, possible)
	}
	if err != nil {
		return nil, false
	}
	c.call = Call{
		ID: stageID, Client: Client{Conn: 1, ID: 1}, Op: op, Key: []byte("key"), Value: []byte("value"), Quorum: q, Reads: q,
		Known: &vclock.Set{}, Body: []byte("body"), Peers: c.peers, Until: 100 * time.Millisecond, Expires: 1100,
		Hedge: 10 * time.Millisecond, Spare: rapid.Bool().Draw(t, "spare"),
	}
	m.Start(&c.env, &c.call)
	scribble(c.call.Key, c.call.Value, c.call.Body)
	c.after("start")
	return c, true
}

// scribble spoils memory that was lent for the duration of a call.
func scribble(lent ...[]byte) {
	for _, b := range lent {
		for i := range b {
			b[i] = '!'
		}
	}
}

// after checks what must hold of every machine, lets the oracle look, and drops the effects.
func (c *chaos) after(what string) {
	if c.over && (len(c.eff.Answers)+len(c.eff.Sends)+len(c.eff.Hints) > 0 || c.eff.CeilingWanted != 0) {
		c.t.Fatalf("effects after Done, on %s: %+v", what, c.eff)
	}
	if c.answers += len(c.eff.Answers); c.answers > 1 {
		c.t.Fatalf("answered twice, on %s", what)
	}
	if c.answers == 0 && what == "tick" && c.env.Now.Mono >= c.call.Until {
		c.t.Fatal("no answer at the first tick past the deadline")
	}
	for i := range c.eff.Sends {
		s := &c.eff.Sends[i]
		if m := &s.Message; m.Kind != wire.KindForward && string(m.Key) != "key" {
			c.t.Fatalf("a message of key %q", m.Key)
		}
		if s.Message.ID != 0 { // a repair has no reply
			c.sent = append(c.sent, Send{To: s.To, Message: wire.Message{
				Kind: s.Message.Kind, ID: s.Message.ID, Target: s.Message.Target, Check: s.Message.Check,
				Set: vclock.Set{Dot: s.Message.Set.Dot, Value: slices.Clone(s.Message.Set.Value)},
			}})
		}
	}
	if answered := c.m.Answered(); answered != (c.answers == 1) {
		c.t.Fatalf("Answered is %v after %d answers, on %s", answered, c.answers, what)
	}
	c.watch.effects(c, what)
	c.eff.Reset()
	c.over = c.m.Done()
}

// step lets one thing happen.
func (c *chaos) step() {
	switch k := rapid.IntRange(0, 19).Draw(c.t, "event"); {
	case k < 12 && len(c.sent) > 0:
		to := &c.sent[rapid.IntRange(max(0, len(c.sent)-8), len(c.sent)-1).Draw(c.t, "reply to")]
		m := c.draw(to)
		c.watch.replied(c, to, m)
		c.m.Reply(&c.env, to.To, m)
		c.after("reply")
		scribble(m.Set.Value, m.Body)
	case k < 14:
		node := rapid.Uint64Range(1, 8).Draw(c.t, "lost")
		c.watch.lost(node)
		c.m.Lost(&c.env, node)
		c.after("lost")
	case k < 15:
		if next := drawPeers(c.t); c.restart(next) {
			c.after("restart")
		}
	case k == 15 && c.m.Answered():
		c.m.Finish(&c.env)
		c.after("finish")
	case k < 16:
		c.env.Ceiling += vclock.Stamp(rapid.IntRange(0, 2000).Draw(c.t, "raise")) << 16
	default:
		c.pass(time.Duration(rapid.IntRange(0, 30).Draw(c.t, "ms")) * time.Millisecond)
		if rapid.Bool().Draw(c.t, "tick") {
			c.m.Tick(&c.env)
			c.after("tick")
		}
	}
}

func (c *chaos) restart(next []Peer) bool {
	q, err := Resolve(c.ask, next)
	if err != nil {
		return false
	}
	c.peers = next
	c.watch.restarted(next)
	c.m.Restart(&c.env, &Call{Peers: next, Quorum: q, Reads: q})
	return true
}

func (c *chaos) pass(d time.Duration) {
	c.env.Now.Mono += d
	c.env.Now.Wall += d.Milliseconds()
}

// draw makes a reply to a message; any outcome can come to any question.
func (c *chaos) draw(to *Send) *wire.Message {
	m := &wire.Message{ID: to.Message.ID, Kind: wire.KindStoreReply}
	if rapid.IntRange(0, 9).Draw(c.t, "refused") > 5 {
		m.Outcome = rapid.SampledFrom([]wire.Outcome{
			wire.OutcomeGone, wire.OutcomeHinted, wire.OutcomeSuperseded, wire.OutcomeBehind, wire.OutcomeMissing,
			wire.OutcomeNotOwner, wire.OutcomeNotReady, wire.OutcomeLate, wire.OutcomeFull, wire.OutcomeTooLarge,
		}).Draw(c.t, "outcome")
	} else if to.Message.Kind == wire.KindOwe {
		m.Outcome = wire.OutcomeHinted
	}
	stamp := func(what string) vclock.Stamp {
		if rapid.Bool().Draw(c.t, what+" as others") {
			return 1200 << 16
		}
		return vclock.Stamp(rapid.IntRange(980, 1500).Draw(c.t, what)) << 16
	}
	register := func(what string) vclock.Deadline {
		return vclock.Deadline{At: int64(rapid.SampledFrom([]int{0, 0, 1040, 9000}).Draw(c.t, what)), Stamp: 1}
	}
	if m.Outcome == wire.OutcomeSuperseded || m.Outcome == wire.OutcomeBehind {
		m.Known = vclock.Dot{Actor: vclock.Actor{Node: 9, Boot: 1}, Stamp: stamp("known")}
	}
	switch to.Message.Kind {
	case wire.KindFetch:
		m.Kind = wire.KindFetchReply
		if to.Message.Check && m.Outcome == wire.OutcomeOK && rapid.IntRange(0, 3).Draw(c.t, "same") == 0 {
			m.Outcome = wire.OutcomeSame
			return m
		}
		if rapid.Bool().Draw(c.t, "held") {
			m.Set = vclock.Set{
				Dot: vclock.Dot{Actor: vclock.Actor{Node: 9, Boot: 1}, Stamp: stamp("held")}, Tombstone: rapid.IntRange(0, 4).Draw(c.t, "tombstone") == 0,
				Deadline: register("until"),
			}
			if !m.Set.Tombstone {
				m.Set.Value = valueOf(m.Set.Dot)
			}
		}
		if rapid.IntRange(0, 2).Draw(c.t, "forgot") == 0 {
			m.Floor = stamp("floor")
		}
		if m.Set.IsZero() && m.Floor != 0 {
			m.Gone = register("gone")
			forgot := vclock.Dot{Actor: vclock.Actor{Node: rapid.SampledFrom([]uint64{9, 9, 8}).Draw(c.t, "forgotten of"), Boot: 1}, Stamp: m.Floor}
			m.Digest = vclock.Digest(forgot, m.Gone)
		}
	case wire.KindForward:
		m.Kind = wire.KindForwardReply
		m.Body = rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(c.t, "body")
		if rapid.Bool().Draw(c.t, "well-formed") {
			r := wire.Response{Status: wire.Status(rapid.SampledFrom([]int{0, 18, 21}).Draw(c.t, "status"))}
			m.Body = wire.AppendResponse(nil, &r)[wire.FrameHeader:]
		}
	}
	return m
}

// valueOf is the only value that a version of these tests can have.
func valueOf(d vclock.Dot) []byte { return fmt.Append(nil, "value of ", d.Stamp) }

// run lets things happen, and then time pass until the machine must be done.
func (c *chaos) run() {
	for range rapid.IntRange(0, 40).Draw(c.t, "events") {
		c.step()
	}
	c.pass(c.call.Until)
	c.m.Tick(&c.env)
	c.after("tick")
	c.pass(c.cfg.LingerMax)
	c.m.Tick(&c.env)
	c.after("tick")
	if !c.over {
		c.t.Fatal("not done a LingerMax after the deadline")
	}
	for range 5 {
		c.step()
	}
}

// unwatched is for machines of which only what after checks is known, and that values stay with their versions.
type unwatched struct{}

func (*unwatched) replied(*chaos, *Send, *wire.Message) {}
func (*unwatched) lost(uint64)                          {}
func (*unwatched) restarted([]Peer)                     {}
func (*unwatched) effects(c *chaos, what string) {
	for i := range c.eff.Sends {
		m := &c.eff.Sends[i].Message
		switch m.Kind {
		case wire.KindRetime:
			if m.Set.Value != nil || m.Set.Dot.IsZero() {
				c.t.Fatalf("a retime with a value or without a version: %+v", m.Set)
			}
		case wire.KindStore, wire.KindOwe:
			if m.ID == 0 && m.Set.Tombstone { // repaired, not written
				continue
			}
			checkValue(c, &m.Set)
		}
	}
	for i := range c.eff.Hints {
		checkValue(c, &c.eff.Hints[i].Set)
	}
}

func checkValue(c *chaos, s *vclock.Set) {
	if s.Tombstone || string(s.Value) != string(valueOf(s.Dot)) {
		c.t.Fatalf("%v is sent with the value %q", s.Dot, s.Value)
	}
}

// I8, invariants 1, 7 and 9.
func TestATouchAnswersOnceInTimeAndNeverMovesAValueToAnotherVersion(t *testing.T) {
	touch := new(Touch) // used again and again, as in a pool
	rapid.Check(t, func(t *rapid.T) {
		if c, ok := newChaos(t, touch, wire.OpTouch, new(unwatched)); ok {
			c.run()
		}
	})
}

// forwards checks that a request which may have been carried out is not sent again.
type forwards struct {
	unwatched
	mayHaveRun bool
}

func (f *forwards) replied(c *chaos, to *Send, m *wire.Message) {
	last := c.sent[len(c.sent)-1]
	if to.To != last.To || c.answers > 0 {
		return
	}
	var r wire.Response
	switch m.Outcome {
	case wire.OutcomeNotOwner, wire.OutcomeSkewed, wire.OutcomeLate, wire.OutcomeNotReady:
	case wire.OutcomeOK:
		err := wire.DecodeResponse(m.Body, &r, &c.cfg.Limits)
		f.mayHaveRun = err != nil || r.Status != wire.StatusNotReady
	default:
		f.mayHaveRun = true
	}
}

func (f *forwards) effects(c *chaos, what string) {
	if f.mayHaveRun && len(c.eff.Sends) > 0 {
		c.t.Fatalf("sent again, on %s, though the last node may have carried it out", what)
	}
	for _, s := range c.eff.Sends {
		if string(s.Message.Body) != "body" || s.To == c.env.Self.Node {
			c.t.Fatalf("forwarded %q to %d", s.Message.Body, s.To)
		}
	}
	if len(c.eff.Sends) > 1 {
		c.t.Fatalf("asked %d nodes at a time", len(c.eff.Sends))
	}
}

// Invariants 1, 8 and 9.
func TestAForwardAnswersOnceInTimeAndNeverRepeatsWhatMayHaveHappened(t *testing.T) {
	forward := new(Forward)
	rapid.Check(t, func(t *rapid.T) {
		if c, ok := newChaos(t, forward, wire.OpSet, new(forwards)); ok {
			c.run()
		}
	})
}

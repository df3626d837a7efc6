package coordinator

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// stage plays one machine against owners whose every reply the test says. It starts at 1 s on the wall
// clock and 0 on the monotonic one; a node nK has the id K, a fallback fK the id 100+K.
type stage struct {
	t       *testing.T
	cfg     Config
	clock   vclock.Clock
	env     Env
	eff     Effects
	peers   []Peer
	machine Machine
	call    Call
	sent    map[string]wire.Message // the last message to each node: any, of a round, of a kind ("n2", "n2 1", "n2 fetch")
	frames  [][]byte                // what replies aliased: overwritten after every step
	answers []wire.Response
	hints   []string     // nodes owed
	held    vclock.Set   // by the coordinator itself, as by its store
	floor   vclock.Stamp // of it
}

// Holding tells the machine what its own node holds.
func (s *stage) Holding(uint64, []byte) (vclock.Set, vclock.Stamp) { return s.held, s.floor }

const stageID = 7 << RoundBits

func newStage(t *testing.T) *stage {
	s := &stage{t: t, cfg: DefaultConfig(), clock: vclock.NewClock(0, 1), sent: map[string]wire.Message{}}
	s.cfg.RestampsMax, s.cfg.ReadRepairChance, s.cfg.Hash = 2, 1, xxhash.Sum64
	s.env = Env{
		Now: vclock.Now{Wall: 1000}, Self: vclock.Actor{Node: 1, Boot: 1}, Clock: &s.clock,
		Ceiling: vclock.StampAt(1 << 40), Config: &s.cfg, Eff: &s.eff, Own: s, Repaired: new(Repaired),
	}
	s.setPeers([]string{"n1", "n2", "n3"})
	return s
}

// words are the arguments of a step: bare ones in order, and name=value.
type words struct {
	t     *testing.T
	bare  []string
	named map[string]string
}

func (s *stage) words(line string) words {
	w := words{t: s.t, named: map[string]string{}}
	for _, f := range strings.Fields(line) {
		if name, value, ok := strings.Cut(f, "="); ok {
			w.named[name] = value
		} else {
			w.bare = append(w.bare, f)
		}
	}
	return w
}

func (w *words) has(word string) bool {
	for _, b := range w.bare {
		if b == word {
			return true
		}
	}
	return false
}

func (w *words) int(name string, otherwise int64) int64 {
	v, ok := w.named[name]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return n
}

// stamp reads 1000.5: milliseconds, a dot, the logical part.
func (w *words) stamp(name string) vclock.Stamp {
	if w.named[name] == "" {
		return 0
	}
	return stampOf(w.t, w.named[name])
}

func stampOf(t *testing.T, s string) vclock.Stamp {
	var ms, logical uint64
	if n, _ := fmt.Sscanf(s, "%d.%d", &ms, &logical); n < 1 {
		t.Fatalf("%q is no stamp: write 1000.5", s)
	}
	return vclock.Stamp(ms<<16 | logical)
}

// dot reads n2@1000.5.
func (w *words) dot(name string) (d vclock.Dot) {
	if v := w.named[name]; v != "" {
		node, stamp, _ := strings.Cut(v, "@")
		d = vclock.Dot{Actor: vclock.Actor{Node: nodeOf(w.t, node), Boot: 1}, Stamp: stampOf(w.t, stamp)}
	}
	return d
}

func nodeOf(t *testing.T, name string) uint64 {
	n, err := strconv.ParseUint(name[1:], 10, 64)
	if err != nil || name[0] != 'n' && name[0] != 'f' {
		t.Fatalf("%q is no node", name)
	}
	if name[0] == 'f' {
		n += 100
	}
	return n
}

func nodeName(id uint64) string {
	if id > 100 {
		return fmt.Sprint("f", id-100)
	}
	return fmt.Sprint("n", id)
}

// setPeers reads n1 n2/down n3/slow n4/dc1 f1: owners, then fallbacks.
func (s *stage) setPeers(names []string) {
	s.peers = nil
	for _, name := range names {
		parts := strings.Split(name, "/")
		p := Peer{Node: nodeOf(s.t, parts[0]), Name: parts[0], Owner: name[0] == 'n', Up: true}
		for _, x := range parts[1:] {
			switch {
			case x == "down":
				p.Up = false
			case x == "slow":
				p.Slow = true
			case strings.HasPrefix(x, "dc"):
				p.Datacenter = x[2] - '0'
			default:
				s.t.Fatalf("peer %q", name)
			}
		}
		s.peers = append(s.peers, p)
	}
}

// play carries out one step and returns what it caused, a line an effect.
func (s *stage) play(line string) []string {
	s.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	w := s.words(rest)
	switch verb {
	case "self":
		s.env.Self.Node = nodeOf(s.t, w.bare[0])
	case "peers":
		s.setPeers(w.bare)
	case "ceiling":
		s.env.Ceiling = stampOf(s.t, w.bare[0])
	case "clock": // the wall clock says so, whatever time has passed
		s.env.Now.Wall = int64(stampOf(s.t, w.bare[0]) >> 16)
	case "put", "delete", "get", "head", "touch", "forward", "incr", "append", "update":
		return s.start(verb, &w)
	case "own": // holds what was sent to it last, or what the words say
		if s.floor = w.stamp("floor"); w.has("sent") {
			s.held = s.sent["n1 store"].Set
		} else {
			s.held = s.set(&w)
		}
	case "restart":
		s.setPeers(w.bare)
		c := s.call
		c.Peers = s.peers
		ask := s.ask(&w)
		var err error
		if c.Quorum, err = Resolve(ask, s.peers); err != nil {
			s.t.Fatal(err)
		}
		c.Reads = c.Quorum
		s.machine.Restart(&s.env, &c)
	case "reply":
		s.reply(&w)
	case "lost":
		s.machine.Lost(&s.env, nodeOf(s.t, w.bare[0]))
	case "pass", "tick":
		d, err := time.ParseDuration(w.bare[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.env.Now.Mono += d
		s.env.Now.Wall += d.Milliseconds()
		if verb == "tick" {
			s.machine.Tick(&s.env)
		}
	case "finish":
		s.machine.Finish(&s.env)
	default:
		s.t.Fatalf("no step %q", line)
	}
	return s.drain()
}

func (s *stage) ask(w *words) Ask {
	a := Ask{Level: wire.LevelQuorum, Sloppy: w.has("sloppy"), Local: uint8(w.int("local", 0))}
	if name := w.named["level"]; name != "" {
		l, err := wire.ParseLevel(name)
		if err != nil {
			s.t.Fatal(err)
		}
		a.Level = l
	}
	if n := w.int("of", 0); n > 0 {
		a.Level, a.Count = wire.LevelExplicit, uint8(n)
	}
	return a
}

func (s *stage) start(verb string, w *words) []string {
	quorum, err := Resolve(s.ask(w), s.peers)
	if err != nil {
		return []string{"error " + err.Error()}
	}
	timeout := time.Duration(w.int("timeout", 2000)) * time.Millisecond
	s.call = Call{
		ID: stageID, Client: Client{Conn: 1, ID: 9}, Key: []byte(w.bare[0]), At: w.int("at", 0),
		Quorum: quorum, Reads: quorum, Peers: s.peers, Known: &vclock.Set{Dot: w.dot("known")}, Floor: w.stamp("floor"),
		Until: s.env.Now.Mono + timeout, Expires: s.env.Now.Wall + timeout.Milliseconds(),
		Hedge: time.Duration(w.int("hedge", 0)) * time.Millisecond,
	}
	if len(w.bare) > 1 && w.bare[1] != "sloppy" && w.bare[1] != "spare" {
		s.call.Value = []byte(w.bare[1])
	}
	if n := w.int("r", 0); n > 0 {
		if s.call.Reads, err = Resolve(Ask{Level: wire.LevelExplicit, Count: uint8(n)}, s.peers); err != nil {
			s.t.Fatal(err)
		}
	}
	s.call.ValueMax, s.call.Spare = 1000, w.has("spare")
	s.call.By, s.call.Previous, s.call.Siblings, s.call.Than = w.int("by", 0), w.has("previous"), w.has("siblings"), w.stamp("than")
	for i, name := range []string{"always", "absent", "present", "version"} {
		if w.has(name) {
			s.call.Condition = wire.Condition(i)
		}
	}
	if d := w.dot("context"); !d.IsZero() {
		s.call.HasContext, s.call.Context.Seen = true, []vclock.Dot{d}
	}
	switch verb {
	case "incr":
		s.call.Op, s.machine = wire.OpIncr, new(Update)
	case "append":
		s.call.Op, s.machine = wire.OpAppend, new(Update)
	case "update":
		s.call.Op, s.machine = wire.OpSet, new(Update)
	case "put":
		s.call.Op, s.machine = wire.OpSet, new(Put)
	case "delete":
		s.call.Op, s.machine = wire.OpDelete, new(Put)
	case "get":
		s.call.Op, s.machine = wire.OpGet, new(Get)
	case "head":
		s.call.Op, s.machine = wire.OpHead, new(Get)
	case "touch":
		s.call.Op, s.machine = wire.OpTouch, new(Touch)
	case "forward":
		s.call.Op, s.call.Body, s.machine = wire.OpSet, []byte("as it came"), new(Forward)
	}
	s.machine.Start(&s.env, &s.call)
	return s.drain()
}

var outcomes = map[string]wire.Outcome{}

func init() {
	for o := range 256 {
		outcomes[wire.Outcome(o).String()] = wire.Outcome(o)
	}
}

// reply makes a node answer its last message, or that of an earlier round or of the kind given by to.
func (s *stage) reply(w *words) {
	asked, ok := s.sent[w.bare[0]]
	if what := w.named["round"] + w.named["to"]; what != "" {
		asked, ok = s.sent[w.bare[0]+" "+what]
	}
	if !ok {
		s.t.Fatalf("%s was asked nothing", w.bare[0])
	}
	m := wire.Message{ID: asked.ID, Kind: wire.KindStoreReply, Known: w.dot("known"), Floor: w.stamp("floor")}
	if f := m.Floor; f != 0 {
		m.Known.Stamp = max(m.Known.Stamp, f)
	}
	for _, b := range w.bare[1:] {
		if o, ok := outcomes[b]; ok {
			m.Outcome = o
		} else if b != "tombstone" && b != "malformed" {
			s.t.Fatalf("%q is no outcome", b)
		}
	}
	switch asked.Kind {
	case wire.KindFetch:
		m.Kind = wire.KindFetchReply
		if m.Set = s.set(w); m.Set.IsZero() {
			m.Set.Deadline, m.Gone, m.Digest = vclock.Deadline{}, m.Set.Deadline, vclock.Digest(w.dot("left"), m.Set.Deadline)
		}
		s.frames = append(s.frames, m.Set.Value)
	case wire.KindForward:
		m.Kind = wire.KindForwardReply
		if status := w.int("status", -1); status >= 0 {
			r := wire.Response{Status: wire.Status(status), Stamp: uint64(w.stamp("stamp"))}
			if status >= int64(wire.StatusBadRequest) {
				r.Err = &wire.Error{Op: wire.OpSet, Text: "the owner's words"}
			}
			m.Body = wire.AppendResponse(nil, &r)[wire.FrameHeader:]
		}
		if w.has("malformed") {
			m.Body = []byte{0x99, 0xff}
		}
	}
	s.machine.Reply(&s.env, nodeOf(s.t, w.bare[0]), &m)
}

// set is a version: is=n1@900.0 value=v, with saw=, at= and register=; and what was added to it, add=n2@901.0:3, or
// siblings beside it, beside=n3@902.0:text; covered=902.0 takes all up to that for seen.
func (s *stage) set(w *words) vclock.Set {
	m := vclock.Set{Dot: w.dot("is"), Tombstone: w.has("tombstone"), Deadline: vclock.Deadline{At: w.int("at", 0), Stamp: w.stamp("register")}}
	if v := w.named["value"]; v != "" {
		m.Value = []byte(v)
	}
	if d := w.dot("saw"); !d.IsZero() {
		m.Context.Seen = []vclock.Dot{d}
	}
	for _, more := range []string{"add", "beside"} {
		dot, what, ok := strings.Cut(w.named[more], ":")
		if !ok {
			continue
		}
		w.named["dot"] = dot
		d := w.dot("dot")
		if more == "beside" {
			m, _ = m.Supersede(vclock.Version{Dot: d, Value: []byte(what)}, &vclock.Context{}, 16, 0)
			continue
		}
		by, err := strconv.ParseInt(what, 10, 64)
		if err == nil {
			m, err = m.Add(d.Actor.Node, d.Stamp, by, 0)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if floor := w.stamp("covered"); floor > 0 {
		m = m.Forget(floor)
	}
	return m
}

// drain prints the effects, and then where the machine stands.
func (s *stage) drain() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, a := range s.eff.Answers {
		s.answers = append(s.answers, a.Response)
		say("answer %s", responseText(&a.Response))
	}
	for _, m := range s.eff.Sends {
		if m.Message.ID != 0 {
			s.sent[nodeName(m.To)] = m.Message
			s.sent[fmt.Sprint(nodeName(m.To), " ", m.Message.ID&roundMask)] = m.Message
			s.sent[fmt.Sprint(nodeName(m.To), " ", m.Message.Kind)] = m.Message
		}
		say("send %s %s", nodeName(m.To), messageText(&m.Message))
	}
	for _, h := range s.eff.Hints {
		s.hints = append(s.hints, nodeName(h.Target))
		say("hint %s %s", nodeName(h.Target), setText(&h.Set))
	}
	if c := s.eff.CeilingWanted; c != 0 {
		say("wants a ceiling of %v", c)
	}
	for _, n := range []struct {
		name  string
		count *int
	}{{"hedges", &s.eff.Hedges}, {"checks", &s.eff.Checks}, {"repairs", &s.eff.Repairs}, {"late", &s.eff.RepairsLate}, {"checked", &s.eff.RepairsChecked}, {"withheld", &s.eff.Withheld}, {"restamps", &s.eff.Restamps}, {"forgotten", &s.eff.Forgotten}} {
		if *n.count > 0 {
			say("%s +%d", n.name, *n.count)
			*n.count = 0
		}
	}
	s.eff.Reset()
	for _, f := range s.frames {
		for i := range f {
			f[i] = '!'
		}
	}
	s.frames = nil
	if s.machine != nil {
		out = append(out, stateText(s.machine))
	}
	return out
}

func responseText(r *wire.Response) string {
	text := map[wire.Status]string{
		wire.StatusOK: "ok", wire.StatusNotFound: "not-found", wire.StatusQuorum: "quorum", wire.StatusTimeout: "timeout",
		wire.StatusNotMet: "not-met", wire.StatusNotNumber: "not-number", wire.StatusRange: "range",
		wire.StatusTooLarge: "too-large", wire.StatusNotReady: "not-ready", wire.StatusInternal: "internal", wire.StatusOutOfMemory: "out-of-memory",
	}[r.Status]
	if text == "" {
		text = fmt.Sprintf("status %d", r.Status)
	}
	if r.Value != nil {
		text += fmt.Sprintf(" %q", r.Value)
	}
	if r.Stamp != 0 {
		text += " " + vclock.Stamp(r.Stamp).String()
	}
	if r.Deadline != 0 {
		text += fmt.Sprintf(" until %d", r.Deadline)
	}
	if r.Hinted != 0 {
		text += fmt.Sprintf(" hinted=%d", r.Hinted)
	}
	if r.Forgotten {
		text += " forgotten"
	}
	for _, it := range r.Items {
		text += fmt.Sprintf(" was %d %q", it.Status, it.Value)
	}
	if e := r.Err; e != nil {
		text += fmt.Sprintf(": %v", e.Op)
		if e.Want != 0 {
			text += fmt.Sprintf(" got %d of %d", e.Got, e.Want)
		}
		text += ": " + e.Text
	}
	return text
}

func messageText(m *wire.Message) string {
	text := m.Kind.String()
	switch m.Pass {
	case wire.PassRepair:
		text += " repair"
	case wire.PassHint:
		text += " hint"
	}
	if m.Target != 0 {
		text += " for " + nodeName(m.Target)
	}
	if r := m.ID & roundMask; r != 0 {
		text += fmt.Sprint(" #", r)
	}
	if m.Kind == wire.KindStore && m.Floor != 0 {
		text += fmt.Sprintf(" vouching to %v", m.Floor)
	}
	if m.Check {
		text += " unless same"
	}
	if m.Force {
		text += " by force"
	}
	if m.Body != nil {
		text += fmt.Sprintf(" %q", m.Body)
	}
	if !m.Set.IsZero() {
		text += " " + setText(&m.Set)
	}
	return text
}

func setText(s *vclock.Set) string {
	text := nodeName(s.Dot.Actor.Node) + "@" + s.Dot.Stamp.String()
	switch {
	case s.Packed:
		text = ""
		for i, v := range s.Versions() {
			if i > 0 {
				text += " | "
			}
			text += nodeName(v.Dot.Actor.Node) + "@" + v.Dot.Stamp.String()
			if v.Sum {
				text += fmt.Sprintf(" %+d to %v", v.Added, v.Base.Stamp)
			} else {
				text += fmt.Sprintf(" %q", v.Value)
			}
		}
	case s.Tombstone:
		text += " tombstone"
	case s.Value == nil:
		text += " no value"
	default:
		text += fmt.Sprintf(" %q", s.Value)
	}
	if d := s.Deadline; d != (vclock.Deadline{}) {
		text += fmt.Sprintf(" until %d set %v", d.At, d.Stamp)
	}
	if s.Context.Floor != 0 {
		text += " above " + s.Context.Floor.String()
	}
	for _, d := range s.Context.Seen {
		text += " saw " + nodeName(d.Actor.Node) + "@" + d.Stamp.String()
	}
	return text
}

func stateText(m Machine) string {
	var table seats
	var text string
	switch m := m.(type) {
	case *Put:
		table, text = m.write.seats, writeText(&m.write)
	case *Get:
		table, text = m.read.seats, readText(&m.read)
	case *Touch:
		table, text = m.read.seats, readText(&m.read)
		if m.writing {
			table, text = m.write.seats, writeText(&m.write)
		}
	case *Update:
		table, text = m.read.seats, readText(&m.read)
		if m.writing {
			table, text = m.write.seats, writeText(&m.write)
		}
	case *Forward:
		table, text = m.seats, "forwarding"
	}
	if m.Done() {
		text = "done"
	}
	for i := range table {
		s := &table[i]
		text += fmt.Sprintf(" | %s %s", s.Name, [...]string{"idle", "asked", "served", "failed"}[s.state])
		if s.state == failed {
			text += " " + s.reason.String()
		}
		if s.target != 0 && s.state != idle {
			text += " for " + nodeName(s.target)
		}
	}
	return text
}

func writeText(w *write) string {
	text := [...]string{"open", "acked", "unacked", "timed out"}[w.outcome]
	if w.parked {
		text += " parked"
	}
	return text
}

func readText(r *read) string {
	return "read " + [...]string{"pending", "voted", "forgotten", "short"}[r.verdict]
}

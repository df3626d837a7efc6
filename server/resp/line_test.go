package resp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/shoalcache/shoal/wire"
)

// cluster answers the requests of a line in any order, carrying each out at any time before.
type cluster struct {
	rng   *rand.Rand
	line  *Line
	data  map[string]string
	calls []sent
	out   []byte
}

type sent struct {
	ticket uint64
	op     wire.Op
	key    string
	value  string
	plan   Plan
	done   bool
	answer wire.Response
}

func (c *cluster) step() {
	s := &c.calls[c.rng.IntN(len(c.calls))]
	if !s.done {
		s.done = true
		old, found := c.data[s.key]
		if writes := s.op == wire.OpSet || s.op == wire.OpDelete; writes && s.plan.Previous {
			it := wire.Item{Status: wire.StatusNotFound}
			if found {
				it = wire.Item{Value: []byte(old)}
			}
			s.answer.Items = []wire.Item{it}
		}
		if s.plan.Condition == wire.Absent && found || s.plan.Condition == wire.Present && !found {
			s.answer.Status = wire.StatusNotMet
			return
		}
		switch s.op {
		case wire.OpSet:
			c.data[s.key] = s.value
			found = true
		case wire.OpDelete:
			delete(c.data, s.key)
			found = true
		case wire.OpAppend:
			c.data[s.key] = old + s.value
			s.answer.Value, found = fmt.Append(nil, len(old+s.value)), true
		case wire.OpGet:
			s.answer.Value = []byte(old)
		}
		if !found {
			s.answer.Status = wire.StatusNotFound
		}
		return
	}
	ticket, answer := s.ticket, s.answer
	c.calls = slices.DeleteFunc(c.calls, func(x sent) bool { return x.ticket == ticket })
	c.out = c.line.Answer(c.out, ticket, &answer, 0)
	clear(answer.Value) // what it keeps, it copied
	for i := range answer.Items {
		clear(answer.Items[i].Value)
	}
}

// enter asks, waiting for what is in the way.
func (c *cluster) enter(n uint64, key int, op wire.Op, k, value string, plan Plan) {
	for !c.line.Enter(n, key, uint64(k[0]), op.Writes()) {
		c.step()
	}
	c.calls = append(c.calls, sent{ticket: Ticket(n, key), op: op, key: k, value: value, plan: plan})
}

// do carries a command out as the server does.
func (c *cluster) do(args [][]byte) {
	command, err := Lookup(args)
	if err != nil {
		c.out = c.line.replyOrAppend(c.out, AppendError(nil, string(err.(CommandError))))
		return
	}
	plan, err := NewPlan(command, args, 0)
	if err != nil || plan.Keys == 0 {
		c.out = c.line.replyOrAppend(c.out, []byte("+PONG\r\n"))
		return
	}
	first := plan.Read
	if first == 0 {
		first = plan.Write
	}
	if plan.Single() {
		n := c.line.Single(RESP2, plan.Shape)
		c.enter(n, 0, first, string(args[1]), value(&plan, args, 0), plan)
		return
	}
	n := c.line.Open(RESP2, plan.Shape, plan.Keys)
	for i := range plan.Keys {
		c.enter(n, i, first, string(args[1+i*plan.Step]), value(&plan, args, i), plan)
	}
	if plan.Read != 0 && plan.Write != 0 {
		for c.line.Waiting(n) {
			c.step()
		}
		for i := range plan.Keys {
			if _, write := c.line.Then(n, i, &plan, 0); write {
				c.enter(n, i, plan.Write, string(args[1+i*plan.Step]), value(&plan, args, i), plan)
			}
		}
	}
	c.out = c.line.Close(c.out, n, 0)
}

func value(p *Plan, args [][]byte, i int) string {
	if p.Write != wire.OpSet && p.Write != wire.OpAppend {
		return ""
	}
	return string(args[2+i*p.Step])
}

func (l *Line) replyOrAppend(dst, reply []byte) []byte {
	if l.Len() == 0 {
		return append(dst, reply...)
	}
	l.Reply(reply)
	return l.Advance(dst)
}

// model is one Redis after another.
func model(data map[string]string, args []string) string {
	bulk := func(k string) string {
		v, ok := data[k]
		if !ok {
			return "$-1\r\n"
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
	}
	count := func(keys []string, gone bool) string {
		n := 0
		for _, k := range keys {
			if _, ok := data[k]; ok {
				n++
			}
			if gone {
				delete(data, k)
			}
		}
		return fmt.Sprintf(":%d\r\n", n)
	}
	switch args[0] {
	case "GET":
		return bulk(args[1])
	case "GETDEL":
		defer delete(data, args[1])
		return bulk(args[1])
	case "SET", "GETSET":
		old := bulk(args[1])
		_, found := data[args[1]]
		switch how := args[len(args)-1]; {
		case args[0] == "SET" && len(args) > 3 && (how == "NX" && found || how == "XX" && !found):
			return "$-1\r\n"
		case args[0] == "GETSET" || how == "GET" && len(args) > 3:
			data[args[1]] = args[2]
			return old
		}
		data[args[1]] = args[2]
	case "SETNX":
		if _, found := data[args[1]]; found {
			return ":0\r\n"
		}
		data[args[1]] = args[2]
		return ":1\r\n"
	case "APPEND":
		data[args[1]] += args[2]
		return fmt.Sprintf(":%d\r\n", len(data[args[1]]))
	case "MSET":
		for i := 1; i < len(args); i += 2 {
			data[args[i]] = args[i+1]
		}
	case "MGET":
		all := fmt.Sprintf("*%d\r\n", len(args)-1)
		for _, k := range args[1:] {
			all += bulk(k)
		}
		return all
	case "DEL":
		return count(args[1:], true)
	case "EXISTS":
		return count(args[1:], false)
	case "PING":
		return "+PONG\r\n"
	}
	return "+OK\r\n"
}

// A pipeline sees its own effects in order, and gets its replies in order, whatever the order in which the
// cluster carries requests out and answers them.
func TestAnyPipelineIsAnsweredAsOneCommandAfterAnother(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		line := Line{ReplyMax: 1 << 20}
		c := &cluster{rng: rng, line: &line, data: map[string]string{}}
		data, want := map[string]string{}, ""
		key := func() string { return string(rune('a' + rng.IntN(4))) }
		for i := range 60 {
			v := fmt.Sprint("v", i)
			args := [][]string{
				{"GET", key()},
				{"SET", key(), v},
				{"SET", key(), v, "GET"},
				{"GETDEL", key()},
				{"DEL", key(), key(), key()},
				{"MSET", key(), v, key(), v + "x"},
				{"MGET", key(), key(), key()},
				{"EXISTS", key(), key()},
				{"PING"},
				{"SET", key(), v, "NX"},
				{"SET", key(), v, "XX"},
				{"SETNX", key(), v},
				{"GETSET", key(), v},
				{"APPEND", key(), v},
			}[rng.IntN(14)]
			want += model(data, args)
			words := make([][]byte, len(args))
			for i, a := range args {
				words[i] = []byte(a)
			}
			c.do(words)
			for rng.IntN(3) == 0 && len(c.calls) > 0 {
				c.step()
			}
		}
		for len(c.calls) > 0 {
			c.step()
		}
		if string(c.out) != want {
			t.Fatalf("seed %d:\n%q\nwant\n%q", seed, c.out, want)
		}
		if line.Len() != 0 || line.Asked() != 0 || line.Held() != 0 || line.Flying() != 0 || len(line.keys) != 0 {
			t.Fatalf("seed %d leaves %d commands, %d answers, %d bytes, %d keys", seed, line.Len(), line.Asked(), line.Held(), len(line.keys))
		}
	}
}

func TestAnswerBeforeItsCommandBeganIsKeptForIt(t *testing.T) {
	var l Line
	v := []byte("value")
	if out := l.Answer(nil, Ticket(l.Next(), 0), &wire.Response{Value: v}, 0); len(out) > 0 {
		t.Fatalf("%q", out)
	}
	clear(v)
	n := l.Single(RESP2, ShapeValue)
	l.Enter(n, 0, 1, false)
	if out := l.Early(nil, n, 0); string(out) != "$5\r\nvalue\r\n" {
		t.Fatalf("%q", out)
	}
	if out := l.Early(nil, n, 0); len(out) > 0 || l.Len() > 0 {
		t.Fatalf("twice: %q", out)
	}
}

func TestAnswersNobodyWaitsForAreLeftOut(t *testing.T) {
	var l Line
	n := l.Single(RESP2, ShapeOK)
	l.Enter(n, 0, 1, true)
	for _, ticket := range []uint64{Ticket(n, 1), Ticket(n+5, 0), Ticket(n-1, 0), 1<<64 - 1} {
		if out := l.Answer(nil, ticket, &wire.Response{}, 0); len(out) > 0 {
			t.Errorf("ticket %x: %q", ticket, out)
		}
	}
	if out := l.Answer(nil, Ticket(n, 0), &wire.Response{}, 0); string(out) != "+OK\r\n" {
		t.Fatalf("%q", out)
	}
	if out := l.Answer(nil, Ticket(n, 0), &wire.Response{}, 0); len(out) > 0 || l.Asked() != 0 {
		t.Errorf("twice: %q, %d asked", out, l.Asked())
	}
}

func TestReplyOverItsBoundIsAnErrorAndNotMemory(t *testing.T) {
	l := Line{ReplyMax: 10}
	n := l.Open(RESP3, ShapeValues, 3)
	var out []byte
	for i := range 3 {
		l.Enter(n, i, uint64(i), false)
	}
	out = l.Close(out, n, 0)
	for i := range 3 {
		if l.Answers() > 10 {
			t.Errorf("%d bytes of answers held", l.Answers())
		}
		out = l.Answer(out, Ticket(n, i), &wire.Response{Value: make([]byte, 6)}, 0)
	}
	if !bytes.HasPrefix(out, []byte("-ERR the values asked for do not fit one reply")) || l.Held() != 0 {
		t.Errorf("%q, %d held", out, l.Held())
	}
}

// A failed read is followed by no write; as another key was deleted, nobody must be told to do it all again.
func TestOneFailureFailsACommandOfSeveralKeys(t *testing.T) {
	var l Line
	plan := Plan{Read: wire.OpHead, Write: wire.OpDelete, Keys: 2, Step: 1, Shape: ShapeCount}
	n := l.Open(RESP2, plan.Shape, 2)
	l.Enter(n, 0, 1, false)
	l.Enter(n, 1, 2, false)
	l.Answer(nil, Ticket(n, 1), &wire.Response{Status: wire.StatusTimeout, Err: &wire.Error{Op: wire.OpHead}}, 0)
	l.Answer(nil, Ticket(n, 0), &wire.Response{}, 0)
	for i, want := range []bool{true, false} {
		if _, write := l.Then(n, i, &plan, 0); write != want {
			t.Errorf("key %d: write=%t", i, write)
		}
	}
	l.Enter(n, 0, 1, true)
	l.Answer(nil, Ticket(n, 0), &wire.Response{}, 0)
	if out := l.Close(nil, n, 0); !bytes.HasPrefix(out, []byte("-INDETERMINATE some keys may have been written, one was not: CLUSTERDOWN head: ran into its deadline")) {
		t.Errorf("%q", out)
	}
}

// One reply stands for many keys: what it says of them must be true of each.
func TestReplyToWritesOfWhichSomeFailedIsThatOfTheWorst(t *testing.T) {
	set := func(status wire.Status) *wire.Response {
		r := &wire.Response{Status: status}
		if status >= wire.StatusBadRequest {
			r.Err = &wire.Error{Op: wire.OpSet, Text: "text"}
		}
		return r
	}
	const ok, overloaded, notReady, quorum, large, full = wire.StatusOK, wire.StatusOverloaded, wire.StatusNotReady, wire.StatusQuorum, wire.StatusTooLarge, wire.StatusOutOfMemory
	for want, answers := range map[string][3]wire.Status{
		"+OK":                         {ok, ok, ok},
		"-TRYAGAIN set: ":             {overloaded, overloaded, notReady},
		"-LOADING set: ":              {notReady, overloaded, large},
		"-ERR set: ":                  {large, overloaded, notReady},
		"-INDETERMINATE set: ":        {quorum, overloaded, ok},
		"-OOM command not ":           {full, full, ok},
		"-INDETERMINATE set: 0":       {quorum, full, ok},
		unsureReply("TRYAGAIN set: "): {overloaded, quorum, notReady},
		unsureReply("LOADING set: "):  {notReady, notReady, ok},
		unsureReply("ERR set: "):      {ok, large, overloaded},
	} {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
			var l Line
			n := l.Open(RESP2, ShapeOK, 3)
			for i := range 3 {
				l.Enter(n, i, uint64(i), true)
			}
			out := l.Close(nil, n, 0)
			for _, i := range order {
				out = l.Answer(out, Ticket(n, i), set(answers[i]), 0)
			}
			if !strings.HasPrefix(string(out), want) {
				t.Errorf("%v, answered in the order %v: %q, want %q", answers, order, out, want)
			}
		}
	}
}

func unsureReply(first string) string {
	return "-INDETERMINATE some keys may have been written, one was not: " + first
}

// Keys are few bytes on the wire, and more in memory for as long as their command waits: whoever bounds what a line
// holds has to see them.
func TestKeysOfCommandsThatWaitAreCounted(t *testing.T) {
	if size := unsafe.Sizeof(part{}); size > partBytes {
		t.Errorf("a key takes %d bytes", size)
	}
	const keys = 1000
	l := Line{ReplyMax: 1 << 20}
	first := l.Single(RESP2, ShapeOK)
	l.Enter(first, 0, 0, true)
	n := l.Open(RESP2, ShapeValues, keys)
	for i := range keys {
		l.Enter(n, i, uint64(i+1), false)
	}
	if l.Held() < keys*int(unsafe.Sizeof(part{})) || l.Answers() != 0 {
		t.Errorf("%d bytes held for %d keys, %d of answers", l.Held(), keys, l.Answers())
	}
	for i := range keys {
		l.Answer(nil, Ticket(n, i), &wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: wire.OpGet}}, 0)
	}
	if out := l.Close(nil, n, 0); len(out) > 0 || l.Held() > 1000 {
		t.Errorf("with nothing but a reply to send %d bytes are held", l.Held())
	}
	if l.Answer(nil, Ticket(first, 0), &wire.Response{}, 0); l.Held() != 0 {
		t.Errorf("%d bytes held of nothing", l.Held())
	}
}

func TestIdleLineHoldsLittle(t *testing.T) {
	l := Line{ReplyMax: 1 << 20}
	var numbers []uint64
	for i := range 2000 {
		n := l.Single(RESP2, ShapeValue)
		l.Enter(n, 0, uint64(i), false)
		numbers = append(numbers, n)
	}
	slices.Reverse(numbers) // everything waits for the first
	for _, n := range numbers {
		l.Answer(nil, Ticket(n, 0), &wire.Response{Value: make([]byte, 1000)}, 0)
	}
	if l.Len() != 0 || l.turns != nil || l.keys != nil {
		t.Errorf("%d commands, room for %d, an index of %d", l.Len(), len(l.turns), len(l.keys))
	}
}

func TestHotPathOfALineAllocatesNothing(t *testing.T) {
	var l Line
	out := make([]byte, 0, 1<<10)
	r := wire.Response{Value: []byte("value")}
	if n := testing.AllocsPerRun(1000, func() {
		a := l.Single(RESP2, ShapeValue)
		l.Enter(a, 0, 1, false)
		b := l.Single(RESP2, ShapeOK)
		l.Enter(b, 0, 2, true)
		out = l.Answer(out[:0], Ticket(b, 0), &r, 0)
		out = l.Answer(out, Ticket(a, 0), &r, 0)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// How much may be under way follows from how large values turn out to be.
func TestLineLearnsHowLargeValuesAre(t *testing.T) {
	var l Line
	ask := func(size int) {
		n := l.Single(RESP2, ShapeValue)
		l.Enter(n, 0, n, false)
		if f := l.Flying(); size > 0 && (f < 2 || f > 2*max(l.usual, 1)) {
			t.Fatalf("%d bytes with one under way, of usually %d", f, l.usual)
		}
		l.Answer(nil, Ticket(n, 0), &wire.Response{Value: make([]byte, size)}, 0)
	}
	if ask(10); l.usual > firstGuess || l.usual < firstGuess/2 {
		t.Errorf("after one small value: %d", l.usual)
	}
	for range 200 {
		ask(10)
	}
	if l.usual != leastGuess {
		t.Errorf("after many small values: %d", l.usual)
	}
	if ask(1 << 20); l.usual != 1<<20 {
		t.Errorf("after a large one: %d", l.usual)
	}
	for i := range uint64(200) {
		n := l.Single(RESP2, ShapeValue)
		l.Enter(n, 0, i, false)
		l.Answer(nil, Ticket(n, 0), &wire.Response{Status: wire.StatusNotFound}, 0)
	}
	if l.usual != 1<<20 {
		t.Errorf("after many that are not there: %d", l.usual)
	}
	n := l.Single(RESP2, ShapeOK)
	if l.Enter(n, 0, 1, true); l.Flying() != 0 {
		t.Errorf("a write brings %d bytes", l.Flying())
	}
}

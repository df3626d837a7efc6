package exhaust

import (
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// told is one thing that clients see: that an operation begins, or how it was answered.
type told struct {
	op     int // from 1
	begins bool
	status wire.Status
	value  string
	stamp  vclock.Stamp
	unsure bool
}

func begins(op int) told                    { return told{op: op, begins: true} }
func acked(op int, stamp vclock.Stamp) told { return told{op: op, status: wire.StatusOK, stamp: stamp} }

func reads(op int, v string, stamp vclock.Stamp) told { return told{op: op, value: v, stamp: stamp} }

func misses(op int, stamp vclock.Stamp) told {
	return told{op: op, status: wire.StatusNotFound, stamp: stamp}
}
func isUnsure(op int) told { return told{op: op, status: wire.StatusNotFound, unsure: true} }

func TestJudgeSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		what  string
		kinds []Kind
		told  []told
		wrong string // begins so; empty: nothing is
	}{
		{"in turn", []Kind{Set, Set, Get}, []told{begins(1), acked(1, 5), begins(2), acked(2, 6), begins(3), reads(3, "2", 6)}, ""},
		{"an older value", []Kind{Set, Set, Get}, []told{begins(1), acked(1, 5), begins(2), acked(2, 6), begins(3), reads(3, "1", 5)}, "stale: op 3 reads op 1"},
		{"an older value under a new stamp", []Kind{Set, Set, Get}, []told{begins(1), acked(1, 5), begins(2), acked(2, 6), begins(3), reads(3, "1", 7)}, "op 3 reads op 1 as"},
		{"superseded before it was stamped", []Kind{Set, Set, Get}, []told{begins(1), acked(1, 5), begins(2), acked(2, 6), begins(3), reads(3, "1", 6)}, "op 3 reads op 1"},
		{"at once, so either will do", []Kind{Set, Set, Get}, []told{begins(1), begins(2), acked(2, 6), begins(3), reads(3, "1", 7), acked(1, 7)}, ""},
		{"stamped again until acknowledged", []Kind{Set, Get}, []told{begins(1), begins(2), acked(1, 7), reads(2, "1", 5)}, ""},
		{"what nobody wrote", []Kind{Set, Get}, []told{begins(1), acked(1, 5), begins(2), reads(2, "9", 5)}, `op 2 reads "9"`},
		{"what nobody wrote yet", []Kind{Set, Get}, []told{begins(2), reads(2, "1", 5)}, `op 2 reads "1"`},
		{"what was deleted", []Kind{Set, Delete, Get}, []told{begins(1), acked(1, 5), begins(2), acked(2, 6), begins(3), reads(3, "1", 5)}, "stale: op 3 reads op 1"},
		{"deleted, and found so", []Kind{Set, Delete, Get}, []told{begins(1), acked(1, 5), begins(2), acked(2, 6), begins(3), misses(3, 6)}, ""},
		{"lost", []Kind{Set, Get}, []told{begins(1), acked(1, 5), begins(2), misses(2, 0)}, "lost: op 2 finds nothing"},
		{"forgotten, and said so", []Kind{Set, Get}, []told{begins(1), acked(1, 5), begins(2), isUnsure(2)}, ""},
		{"a later write below an earlier one", []Kind{Set, Set}, []told{begins(1), acked(1, 5), begins(2), acked(2, 4)}, "op 2 is acknowledged as"},
		{"two writes of one stamp", []Kind{Set, Set}, []told{begins(1), begins(2), acked(1, 5), acked(2, 5)}, "ops 1 and 2 have one stamp"},
		{"an answer to nothing", []Kind{Set}, []told{acked(1, 5)}, "op 1 is answered, which nobody asked"},
		{"two answers", []Kind{Set}, []told{begins(1), acked(1, 5), acked(1, 5)}, "op 1 is answered again"},
		{"an answer to no operation", []Kind{Set}, []told{begins(1), acked(7, 5)}, "op 7 is answered, which nobody asked"},
	} {
		h := history{}
		for _, k := range c.kinds {
			h = append(h, record{kind: k})
		}
		wrong := ""
		for i, x := range c.told {
			if x.begins {
				h.ask(x.op - 1)
				continue
			}
			said := h.answer(x.op-1, &wire.Response{Status: x.status, Value: []byte(x.value), Stamp: uint64(x.stamp), Forgotten: x.unsure})
			if said != "" && i < len(c.told)-1 {
				t.Errorf("%s: %s, of what is right", c.what, said)
			}
			wrong = said
		}
		if (c.wrong == "") != (wrong == "") || !strings.HasPrefix(wrong, c.wrong) {
			t.Errorf("%s: %q, want %q", c.what, wrong, c.wrong)
		}
	}
}

// I8: what a node knows of a key only grows, whether it holds it, remembers it, or knows only that it may have forgotten.
func TestKnowledgeOnlyGrows(t *testing.T) {
	for _, c := range []struct {
		was, is knowledge
		ok      bool
	}{
		{knowledge{record: 5}, knowledge{record: 5}, true},
		{knowledge{record: 5}, knowledge{record: 6}, true},
		{knowledge{record: 5}, knowledge{ghost: 5}, true},
		{knowledge{ghost: 5}, knowledge{mark: 5}, true},
		{knowledge{ghost: 5}, knowledge{floor: 7}, true},
		{knowledge{record: 5, floor: 9}, knowledge{record: 5}, true},
		{knowledge{record: 5}, knowledge{record: 4}, false},
		{knowledge{record: 5}, knowledge{ghost: 4}, false},
		{knowledge{record: 5}, knowledge{}, false},
		{knowledge{ghost: 5}, knowledge{mark: 4}, false},
		{knowledge{record: 9, mark: 5}, knowledge{record: 9, mark: 4}, false},
	} {
		if wrong := c.is.follows(&c.was); (wrong == "") != c.ok {
			t.Errorf("%+v after %+v: %q", c.is, c.was, wrong)
		}
	}
}

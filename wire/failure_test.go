package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestEveryFailureIsAnErrorOfItsOwnTypeInOneLine(t *testing.T) {
	for _, c := range []struct {
		status Status
		is     func(error) bool
		says   string
	}{
		{StatusBadRequest, is[*BadRequestError], "wire: set: refused: the server's words: correct the request"},
		{StatusTooLarge, is[*TooLargeError], "wire: set: too large: the server's words: send less"},
		{StatusQuorum, is[*QuorumError], "wire: set: 1 of the 2 replies it needs; the server's words (the write may still have happened): try again, ask for a lower level, or look at these nodes"},
		{StatusTimeout, is[*TimeoutError], "wire: set: ran into its deadline: the server's words (the write may still have happened): try again or allow it more time"},
		{StatusOverloaded, is[*OverloadedError], "wire: set: the server is overloaded: the server's words: wait a little and try again"},
		{StatusOutOfMemory, is[*OutOfMemoryError], "wire: set: out of memory: the server's words (the write may still have happened): delete something, or give the nodes more --memory or another --policy"},
		{StatusNotReady, is[*NotReadyError], "wire: set: the node is starting or stopping: the server's words: try another node"},
		{StatusInternal, is[*InternalError], "wire: set: failed with status 22: the server's words (the write may still have happened): see the server's log"},
		{StatusNotNumber, is[*NotNumberError], "wire: set: the value is not an integer of 64 bits: set a number first, or use another key"},
		{StatusRange, is[*RangeError], "wire: set: the sum is not within 64 bits: use a smaller amount, or set the counter back"},
		{StatusContext, is[*ContextError], "wire: set: not a context of this key: the server's words: get the key again, and set it with the context of that answer"},
		{StatusNoNamespace, is[*NamespaceError], "wire: set: the server's words"},
		{99, is[*InternalError], "wire: set: failed with status 99: the server's words (the write may still have happened): see the server's log"},
	} {
		r := Response{Status: c.status, Err: &Error{
			Op: OpSet, Want: 2, Got: 1, Text: "the server's words",
			Failed: []Failure{{Node: 3, Reason: OutcomeDown}, {Node: 1 << 60, Reason: OutcomeSilent}},
		}}
		err := r.AsError()
		if !c.is(err) || err.Error() != c.says {
			t.Errorf("status %d: %T\n got %v\nwant %s", c.status, err, err, c.says)
		}
	}
}

func TestAQuorumErrorShowsIdsWhereTheServerSaidNoNames(t *testing.T) {
	e := QuorumError{Op: OpGet, Want: 2, Got: 1, Failed: []Failure{{Node: 3, Reason: OutcomeDown}, {Node: 1 << 60, Reason: OutcomeSilent}}}
	want := "wire: get: 1 of the 2 replies it needs; node 0000000000000003 down, node 1000000000000000 silent: try again, ask for a lower level, or look at these nodes"
	if e.Error() != want {
		t.Errorf("got %q\nwant %q", e.Error(), want)
	}
	e.Failed = nil
	if want := "wire: get: 1 of the 2 replies it needs: try again, ask for a lower level, or look at these nodes"; e.Error() != want {
		t.Errorf("got %q\nwant %q", e.Error(), want)
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestSuccessAndAMissAreNoErrors(t *testing.T) {
	for _, s := range []Status{StatusOK, StatusNotFound} {
		r := Response{Status: s}
		if err := r.AsError(); err != nil {
			t.Errorf("status %d: %v", s, err)
		}
	}
}

func TestOnlyWritesAreIndeterminate(t *testing.T) {
	indeterminate := func(status Status, e *Error) bool {
		r := Response{Status: status, Err: e}
		return strings.Contains(r.AsError().Error(), "may still have happened")
	}
	for op := range opNames {
		for _, s := range []Status{StatusQuorum, StatusTimeout, StatusInternal, StatusOutOfMemory} {
			if got := indeterminate(s, &Error{Op: op}); got != op.Changes() {
				t.Errorf("%v, status %d: indeterminate %v", op, s, got)
			}
		}
		for _, s := range []Status{StatusBadRequest, StatusTooLarge, StatusOverloaded, StatusNotReady, StatusNoNamespace} {
			if indeterminate(s, &Error{Op: op}) {
				t.Errorf("%v, status %d: indeterminate, though nothing was done", op, s)
			}
		}
	}
	if !indeterminate(StatusTimeout, nil) {
		t.Error("a failure that does not say of what must be taken for a write's")
	}
}

func TestAnErrorOutlivesTheResponseItCameFrom(t *testing.T) {
	r := Response{Status: StatusQuorum, Err: &Error{Op: OpGet, Want: 2, Failed: []Failure{{Node: 1, Reason: OutcomeDown}}}}
	err := r.AsError()
	before := err.Error()
	r.Err.Failed[0] = Failure{Node: 2, Reason: OutcomeLate}
	*r.Err = Error{Failed: r.Err.Failed}
	if err.Error() != before {
		t.Errorf("%q became %q", before, err.Error())
	}
}

func TestATimeoutIsOneToTheStandardLibrary(t *testing.T) {
	var timeout interface{ Timeout() bool }
	r := Response{Status: StatusTimeout}
	if !errors.As(r.AsError(), &timeout) || !timeout.Timeout() {
		t.Error("Timeout does not say so")
	}
}

func TestCodecErrorsSayWhatAndWhere(t *testing.T) {
	for err, want := range map[error]string{
		&LimitError{What: "key", Got: 5, Max: 4}:                      "wire: key: 5 is more than the limit of 4",
		&FormatError{What: "no number where one belongs", Offset: 12}: "wire: malformed bytes: no number where one belongs, at offset 12",
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestNamesAreStableAndUnknownOnesShowTheirNumber(t *testing.T) {
	for got, want := range map[string]string{
		OpSet.String(): "set", Op(200).String(): "op(200)",
		KindPullReply.String(): "pull-reply", Kind(200).String(): "kind(200)",
		OutcomeSilent.String(): "silent", Outcome(200).String(): "outcome(200)",
		LevelEachQuorum.String(): "each_quorum", Level(200).String(): "level(200)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLevelsAreReadByTheNamesTheyShow(t *testing.T) {
	for l := LevelDefault; l < LevelExplicit; l++ {
		if got, err := ParseLevel(strings.ToUpper(l.String())); err != nil || got != l {
			t.Errorf("%v: got %v, %v", l, got, err)
		}
	}
	for _, s := range []string{"", "explicit", "quorums"} {
		if _, err := ParseLevel(s); !errors.Is(err, ErrLevel) {
			t.Errorf("%q: %v, want ErrLevel", s, err)
		}
	}
	if (LevelExplicit + 1).Valid() || !LevelExplicit.Valid() {
		t.Error("Valid does not end at explicit")
	}
}

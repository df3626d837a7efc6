package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// A timeline tells a run to people: one line an event, in true time. What all nodes do all the time, beats, maps
// and pages, is left out. Stamps are shown as seconds since the beginning and their logical part: +13.844s.2.

// say adds a line.
func (w *world) say(format string, args ...any) {
	if w.talks {
		w.log = append(w.log, fmt.Sprintf("%12s  ", timeText(w.now))+fmt.Sprintf(format, args...))
	}
}

// tell adds a message that reaches a node.
func (w *world) tell(p *packet, m *wire.Message) {
	if !w.talks {
		return
	}
	what := ""
	switch m.Kind {
	case wire.KindBeat, wire.KindMap, wire.KindPull, wire.KindPullReply:
		return
	case wire.KindFetch:
		w.about[m.ID] = string(m.Key)
		what = fmt.Sprintf("fetch %s", m.Key)
	case wire.KindStore:
		w.about[m.ID] = string(m.Key)
		what = fmt.Sprintf("%s %s = %s", [...]string{"store", "repair", "hint"}[m.Pass], m.Key, describe(&m.Set))
	case wire.KindOwe:
		w.about[m.ID] = string(m.Key)
		what = fmt.Sprintf("owe n%d %s = %s", m.Target, m.Key, describe(&m.Set))
		if m.Expires == 0 {
			what += ", in my place"
		}
	case wire.KindRetime:
		w.about[m.ID] = string(m.Key)
		what = fmt.Sprintf("retime %s %s of %s", m.Key, until(m.Set.Deadline), stampText(m.Set.Dot.Stamp))
	case wire.KindForward:
		what = "forward"
	case wire.KindForwardReply:
		what = "forward-reply " + m.Outcome.String()
	case wire.KindFetchReply:
		what = fmt.Sprintf("holds of %s %s", w.about[m.ID], describe(&m.Set))
		if m.Outcome == wire.OutcomeSame {
			what = "holds the same of " + w.about[m.ID]
		} else if m.Outcome != wire.OutcomeOK {
			what = fmt.Sprintf("refuses to tell %s: %s", w.about[m.ID], m.Outcome)
		}
		if m.Floor > 0 {
			what += ", floor " + stampText(m.Floor)
		}
	case wire.KindStoreReply:
		what = fmt.Sprintf("%s, says of %s", m.Outcome, w.about[m.ID])
		if m.Known.Stamp > 0 {
			what += ": knows " + stampText(m.Known.Stamp)
		}
	}
	w.say("        n%d → n%d  %s", p.from, p.to, what)
}

// tellAsked and tellAnswered add what clients ask and hear.
func (w *world) tellAsked(o *op) {
	if !w.talks {
		return
	}
	text := fmt.Sprintf("op %d  n%d: %s k%d", o.number, o.node+1, o.ask.Op, o.key)
	if o.ask.TTL > 0 || o.ask.Op == wire.OpTouch {
		text += fmt.Sprintf(" for %v", o.ask.TTL)
	}
	if o.retry {
		text += ", again"
	}
	if o.ask.Number != o.number {
		text += fmt.Sprintf(", %d of the plan", o.ask.Number)
	}
	w.say("%s", text)
}

func (w *world) tellAnswered(o *op, r *wire.Response) {
	if !w.talks {
		return
	}
	text := ""
	switch {
	case r.Status == wire.StatusOK && o.ask.Op == wire.OpGet:
		text = fmt.Sprintf("reads what op %d wrote, %s", o.wrote, stampText(vclock.Stamp(r.Stamp)))
		if r.Deadline != 0 {
			text += ", until " + wallText(r.Deadline)
		}
	case r.Status == wire.StatusOK:
		text = "acknowledged, " + stampText(vclock.Stamp(r.Stamp))
	case r.Status == wire.StatusNotFound && r.Forgotten:
		text = "finds nothing it could vouch for"
	case r.Status == wire.StatusNotFound:
		text = "finds nothing"
	default:
		text = "fails"
		if r.Err != nil {
			text += ": " + r.Err.Text
		}
	}
	w.say("op %d  %s", o.number, text)
}

// describe shows a version.
func describe(s *vclock.Set) string {
	if s.IsZero() {
		return "nothing"
	}
	var b strings.Builder
	if s.Packed {
		for i, v := range s.Versions() {
			if i > 0 {
				b.WriteString(" | ")
			}
			if v.Sum {
				fmt.Fprintf(&b, "%+d to %s", v.Added, stampText(v.Base.Stamp))
			} else {
				fmt.Fprintf(&b, "%q", v.Value)
			}
			fmt.Fprintf(&b, " %s by n%d", stampText(v.Dot.Stamp), v.Dot.Actor.Node)
		}
		return b.String()
	}
	if s.Tombstone {
		b.WriteString("deleted")
	} else {
		fmt.Fprintf(&b, "%q", s.Value)
	}
	fmt.Fprintf(&b, " %s by n%d", stampText(s.Dot.Stamp), s.Dot.Actor.Node)
	if s.Deadline.At != 0 && !s.Tombstone {
		b.WriteString(" " + until(s.Deadline))
	}
	return b.String()
}

func until(d vclock.Deadline) string {
	if d.At == 0 {
		return "for ever"
	}
	return "until " + wallText(d.At)
}

func stampText(s vclock.Stamp) string {
	if s == 0 {
		return "none"
	}
	return fmt.Sprintf("%s.%d", wallText(s.Millis()), uint16(s))
}

// timeText shows a time of the run.
func timeText(t time.Duration) string { return fmt.Sprintf("%.6fs", t.Seconds()) }

// wallText shows a wall time, milliseconds since 1970, as the time since the run began.
func wallText(ms int64) string {
	return fmt.Sprintf("%+.3fs", (time.Duration(ms-wallBase) * time.Millisecond).Seconds())
}

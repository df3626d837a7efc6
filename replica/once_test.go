package replica

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/wire"
)

// Whatever copies of requests come, in whatever order and however little is remembered: each request is carried out once at
// most, and answered as what came of it.
func TestARequestIsCarriedOutOnceHoweverOftenItIsSent(t *testing.T) { // I9
	rapid.Check(t, func(t *rapid.T) {
		const boot = 7
		type copied struct {
			r      wire.Request
			client coordinator.Client
			sent   time.Duration
		}
		type fate struct {
			done    bool
			value   string
			running bool
		}
		var o once
		o.init(boot, rapid.IntRange(1, 5).Draw(t, "remembered"))
		var flying []copied // on their way, or lying in a connection
		fates := map[onceID]*fate{}
		waiting := map[uint64][]onceID{} // by the client's id: whose answer it waits for
		var running []coordinator.Client
		of := map[uint64]onceID{} // by the number that an answer is remembered by
		now := time.Duration(0)
		serials, conns, ids := map[uint64]uint64{}, uint64(0), uint64(0)
		judge := func(id onceID, resp *wire.Response) {
			f := fates[id]
			switch {
			case resp.Status == wire.StatusUnsure, resp.Status == wire.StatusNotReady, resp.Status == wire.StatusOverloaded:
			case resp.Status == wire.StatusOK && (!f.done || string(resp.Value) != f.value):
				t.Fatalf("%v is answered %q, it came to %+v", id, resp.Value, f)
			case resp.Status != wire.StatusOK:
				t.Fatalf("%v is answered with status %d", id, resp.Status)
			}
		}
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second
			flying = slices.DeleteFunc(flying, func(c copied) bool { return c.r.Boot == 0 && now-c.sent >= lingerMax })
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); {
			case step < 3: // a new request, and perhaps copies of it by newer connections
				session := uint64(rapid.IntRange(1, 3).Draw(t, "session"))
				serials[session]++
				r := wire.Request{Op: wire.OpIncr, Session: session, Serial: serials[session]}
				fates[onceID{session, r.Serial}] = &fate{}
				for range rapid.IntRange(1, 3).Draw(t, "copies") {
					if rapid.Bool().Draw(t, "connects") || r.Boot != 0 || conns == 0 {
						conns++
					}
					ids++
					flying = append(flying, copied{r, coordinator.Client{Conn: conns, ID: ids}, now})
					r.Boot = boot
				}
			case step < 8 && len(flying) > 0: // one arrives
				i := rapid.IntRange(0, len(flying)-1).Draw(t, "arrives")
				c := flying[i]
				flying = slices.Delete(flying, i, i+1)
				id := onceID{c.r.Session, c.r.Serial}
				resp, waits := o.begin(now, &c.client, &c.r)
				switch f := fates[id]; {
				case resp != nil:
					judge(id, resp)
				case waits:
					waiting[c.client.ID] = append(waiting[c.client.ID], id)
				case f.done, f.running:
					t.Fatalf("%v is carried out twice", id)
				default:
					f.running = true
					of[c.client.Once] = id
					running = append(running, c.client)
				}
			case len(running) > 0: // one comes to something
				i := rapid.IntRange(0, len(running)-1).Draw(t, "ends")
				client := running[i]
				running = slices.Delete(running, i, i+1)
				id := of[client.Once]
				f := fates[id]
				f.running = false
				resp := wire.Response{Status: wire.StatusOverloaded}
				if rapid.IntRange(0, 3).Draw(t, "happens") > 0 {
					f.done, f.value = true, rapid.StringMatching("[0-9]{1,4}").Draw(t, "value")
					resp = wire.Response{Value: []byte(f.value)}
				}
				if waiter, waits := o.done(now, client.Once, &resp); waits {
					judge(waiting[waiter.ID][0], &resp)
					delete(waiting, waiter.ID)
				}
			}
			for _, x := range o.orphans { // they are told that it is unsure
				if _, waits := waiting[x.client.ID]; !waits || x.op != wire.OpIncr {
					t.Fatalf("%+v is told of what it does not wait for", x)
				}
				delete(waiting, x.client.ID)
			}
			o.orphans = o.orphans[:0]
			owed := 0
			for i := range o.entries {
				if o.entries[i].waits {
					owed++
				}
			}
			if owed != len(waiting) {
				t.Fatalf("%d wait, and %d will be told", len(waiting), owed)
			}
			if len(o.entries) > o.most || len(o.index) > o.most || len(o.sessions) > 2*o.most {
				t.Fatalf("%d entries, %d ids, %d sessions: at most %d", len(o.entries), len(o.index), len(o.sessions), o.most)
			}
		}
	})
}

func TestWhatWasSentToAnotherBootIsNotCarriedOut(t *testing.T) {
	var o once
	o.init(7, 4)
	client := coordinator.Client{Conn: 1, ID: 1}
	if resp, waits := o.begin(0, &client, &wire.Request{Op: wire.OpIncr, Session: 1, Serial: 1, Boot: 8}); waits || resp == nil || resp.Status != wire.StatusUnsure {
		t.Errorf("%+v, waits %t", resp, waits)
	}
	if resp, waits := o.begin(0, &client, &wire.Request{Op: wire.OpIncr, Session: 1, Serial: 1, Boot: 7}); waits || resp != nil || client.Once == 0 {
		t.Errorf("sent again to this boot, which has forgotten nothing: %+v, waits %t", resp, waits)
	}
}

// A client's first requests may come in any order, over several connections.
func TestTheFirstRequestsOfAClientMayComeInAnyOrder(t *testing.T) {
	var o once
	o.init(7, 4)
	client := coordinator.Client{Conn: 1, ID: 1}
	o.begin(0, &client, &wire.Request{Op: wire.OpIncr, Session: 1, Serial: 9})
	o.done(0, client.Once, &wire.Response{Status: wire.StatusOverloaded})
	o.sweep(2 * lingerMax) // its session is forgotten: from now on what is not known may be of before
	for _, serial := range []uint64{2, 1} {
		if resp, waits := o.begin(2*lingerMax, &client, &wire.Request{Op: wire.OpIncr, Session: 2, Serial: serial}); resp != nil || waits {
			t.Errorf("serial %d: %+v, waits %t", serial, resp, waits)
		}
	}
	if resp, _ := o.begin(2*lingerMax, &client, &wire.Request{Op: wire.OpIncr, Session: 1, Serial: 9, Boot: 7}); resp == nil || resp.Status != wire.StatusUnsure {
		t.Errorf("of before, and sent again: %+v", resp)
	}
}

// What answers with a value, or may be sent as often as one likes, has no place in what is remembered: the parts of a multi-get
// would be taken for one.
func TestOnlyWritesOfOneKeyAreToldApart(t *testing.T) { // I16, I18
	for _, c := range []struct {
		r    wire.Request
		fine bool
	}{
		{wire.Request{Op: wire.OpIncr, Serial: 1}, true},
		{wire.Request{Op: wire.OpSet, Serial: 1}, true},
		{wire.Request{Op: wire.OpDelete, Serial: 1}, true},
		{wire.Request{Op: wire.OpAppend, Serial: 1}, true},
		{wire.Request{Op: wire.OpIncr}, false},
		{wire.Request{Op: wire.OpSet, Serial: 1, Previous: true}, false},
		{wire.Request{Op: wire.OpGet, Serial: 1}, false},
		{wire.Request{Op: wire.OpHead, Serial: 1}, false},
		{wire.Request{Op: wire.OpTouch, Serial: 1}, false},
		{wire.Request{Op: wire.OpScan, Serial: 1}, false},
	} {
		w := newTrio(t)
		c.r.Key, c.r.Value, c.r.Session = []byte("k"), []byte("1"), 5
		if got := w.ask(0, c.r); (got.Status == wire.StatusBadRequest) == c.fine {
			t.Errorf("%v, serial %d, previous %t: status %d", c.r.Op, c.r.Serial, c.r.Previous, got.Status)
		}
	}
}

// Who waits for a request and is pushed aside by another copy of it is told that it is unsure: nobody waits for ever.
func TestWhoIsPushedAsideIsAnswered(t *testing.T) {
	n := founded(t, 1, 3)
	s := n.Shards()[0]
	var out Outbox
	for conn := range uint64(3) {
		r := wire.Request{Op: wire.OpIncr, ID: conn + 1, Key: keyOf(t, n, 1, true), By: 1, Session: 5, Serial: 1}
		if conn > 0 {
			r.Boot = 1
		}
		k, _ := n.Locate(n.View(), &r)
		frame := wire.AppendRequest(nil, &r)
		s.Request(recoverNow(0), k, coordinator.Client{Conn: conn + 1, ID: r.ID}, &r, frame[wire.FrameHeader:], &out)
	}
	if len(out.Conns) != 1 || out.Conns[0].To != 2 {
		t.Fatalf("answers to %+v, want one, to the second, whom the third pushed aside", out.Conns)
	}
	frame, _, err := wire.NextFrame(out.Conns[0].Frames, &s.cfg.Limits)
	if err != nil {
		t.Fatal(err)
	}
	var resp wire.Response
	if err := wire.DecodeResponse(frame, &resp, &s.cfg.Limits); err != nil || resp.Status != wire.StatusUnsure || resp.ID != 2 {
		t.Errorf("%+v, %v", resp, err)
	}
}

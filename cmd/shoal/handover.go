package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// handOverPatience is how long a hand-over may stand still before others are said to have no room.
const handOverPatience = 10 * time.Second

// handOver lets a node hand what it owes to nodes that are down over to others, and waits until it owes nothing.
type handOver struct {
	*tool
	*session
	cluster    string
	name, addr string
	id         uint64
	begun      time.Time
	was, now   wire.HandOverState // when it was told, and as it said last
	moved      time.Time          // when that was another than before
	most       int64              // hints that were left at one time
}

// handedOver is what became of what a node owed, in JSON.
type handedOver struct {
	Cluster        string `json:"cluster"`
	Name           string `json:"name"`
	HandsOver      bool   `json:"hands_over"`
	Owed           int64  `json:"hints_owed"`
	LeftBytes      int64  `json:"left_bytes"`
	HandedOver     int64  `json:"hints_handed_over"` // since it was told, as are:
	Delivered      int64  `json:"hints_delivered"`
	Refused        int64  `json:"hints_refused"`
	Expired        int64  `json:"hints_expired"`
	Dropped        int64  `json:"hints_dropped"`
	DurationMillis int64  `json:"duration_ms"`
}

func handOverFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "hand-over", Usage: "let others keep what the node of this `NAME` owes to nodes that are down, until it restarts, and wait for it"},
		&cli.StringFlag{Name: "keep", Usage: "let the node of this `NAME` keep what it owes again"},
	}
}

// handOver carries out --hand-over and --keep.
func (t *tool) handOver(c *cli.Context, s *session, hints func(context.Context, string) (view, error)) error {
	h, err := t.newHandOver(c, s)
	if err != nil {
		return err
	}
	begins := c.IsSet("hand-over")
	if err := h.ask(c.Context, wire.HandOver{Begin: begins, End: !begins}); err != nil {
		return err
	}
	h.was = h.now
	switch {
	case c.IsSet("watch"):
		return t.follow(c, s.style, func(ctx context.Context) (view, error) { return hints(ctx, h.name) })
	case begins:
		return h.wait(c.Context, c.IsSet("timeout"), c.Duration("timeout"))
	}
	return t.present(s.style, h.result())
}

// newHandOver finds the node that is to be told.
func (t *tool) newHandOver(c *cli.Context, s *session) (*handOver, error) {
	m, err := s.Map(c.Context)
	if err != nil {
		return nil, err
	}
	name := c.String("hand-over") + c.String("keep") // of which one is given
	for _, n := range m.Nodes {
		if n.Name == name && n.State != ring.Removed {
			now := time.Now()
			return &handOver{tool: t, session: s, cluster: m.Cluster, name: name, addr: n.ClientAddr, id: n.ID, begun: now, moved: now}, nil
		}
	}
	return nil, usage("no node %q in cluster %s: see shoal status", name, m.Cluster)
}

// ask tells the node what to do, or only asks it how far it is.
func (h *handOver) ask(ctx context.Context, what wire.HandOver) error {
	state, err := h.HandOver(ctx, h.addr, what, client.WithTimeout(client.DefaultTimeout))
	switch {
	case err != nil:
		return err
	case state.Node != h.id:
		return fmt.Errorf("another node answers at %s: %s", h.addr, nodeID(state.Node))
	}
	before, now := h.now, state
	before.NotTaken, before.Takers, now.NotTaken, now.Takers = 0, nil, 0, nil // what leaves less to do
	if fmt.Sprint(before) != fmt.Sprint(now) {
		h.moved = time.Now()
	}
	h.now, h.most = state, max(h.most, state.Owed)
	return nil
}

// over reports whether the node owes nothing.
func (h *handOver) over() bool { return h.now.Owed == 0 && h.now.UnreadBytes == 0 && !h.now.Failing }

// wait waits until the node owes nothing: with a timeout so long, else until nobody takes anything.
func (h *handOver) wait(ctx context.Context, limited bool, timeout time.Duration) error {
	var limit <-chan time.Time
	if limited {
		limit = time.After(timeout)
	}
	look := time.NewTicker(repairEvery)
	defer look.Stop()
	for {
		switch {
		case h.over():
			h.wipe()
			return h.present(h.style, h.result())
		case !h.now.HandsOver:
			return h.stuck(h.name + " keeps what it owes: it was started anew, or told to: " + h.left() + ": begin again")
		case !limited && len(h.now.Takers) == 0:
			return h.stuck("nobody is up to keep what " + h.name + " owes: " + h.left() + ", with which it goes on when somebody is")
		case !limited && time.Since(h.moved) > handOverPatience:
			return h.stuck("nobody has room for what " + h.name + " owes: " + h.left() + ", with which it goes on: see shoal hints, or wait for it with --timeout")
		}
		h.draw()
		select {
		case <-look.C:
		case <-ctx.Done():
		case <-limit:
			h.wipe()
			text := fmt.Sprintf("hints: not over within %v: %s, with which %s goes on", timeout, h.left(), h.name)
			return &notedError{text, &client.TimeoutError{Op: wire.OpHandOver, Text: text}}
		}
		if err := h.ask(ctx, wire.HandOver{}); err != nil || ctx.Err() != nil {
			h.wipe()
			if ctx.Err() != nil {
				return &notedError{fmt.Sprintf("interrupted: %s, with which %s goes on: see shoal hints", h.left(), h.name), ctx.Err()}
			}
			return err
		}
	}
}

// stuck is the error of a hand-over that cannot end as things are.
func (h *handOver) stuck(why string) error {
	h.wipe()
	return &missingError{errors.New("hints: " + why)}
}

// left says what the node still owes, in words.
func (h *handOver) left() string {
	bytes := formatSize(h.now.MemoryBytes + h.now.UnreadBytes)
	switch {
	case h.now.UnreadBytes > 0: // how many hints that is shows when they are read
		return fmt.Sprintf("%s in memory and more on disk, %s, are left", count(int(h.now.Owed), "hint"), bytes)
	case h.now.Owed == 1:
		return "1 hint, " + bytes + ", is left"
	case h.now.Owed == 0 && h.now.Failing:
		return "what is on its disk, which fails, is not known"
	}
	return fmt.Sprintf("%s, %s, are left", count(int(h.now.Owed), "hint"), bytes)
}

// draw says on a terminal how far the hand-over is.
func (h *handOver) draw() {
	if !h.errTerminal {
		return
	}
	done := h.result()
	gone := done.HandedOver + done.Delivered + done.Refused + done.Expired + done.Dropped
	share := float64(gone) / float64(max(gone+h.now.Owed, 1))
	fmt.Fprintf(h.tool.err, "\rhand over  %s %3.0f%%  %s  %s handed over\x1b[K", bar(share, 30), 100*share, h.left(), count(int(done.HandedOver), "hint"))
}

// wipe takes away what draw has written.
func (h *handOver) wipe() {
	if h.errTerminal {
		fmt.Fprint(h.tool.err, "\r\x1b[K")
	}
}

func (h *handOver) result() *handedOver {
	return &handedOver{
		Cluster: h.cluster, Name: h.name, HandsOver: h.now.HandsOver, Owed: h.now.Owed, LeftBytes: h.now.MemoryBytes + h.now.UnreadBytes,
		HandedOver: h.now.HandedOver - h.was.HandedOver, Delivered: h.now.Delivered - h.was.Delivered, Refused: h.now.Refused - h.was.Refused,
		Expired: h.now.Expired - h.was.Expired, Dropped: h.now.Dropped - h.was.Dropped, DurationMillis: time.Since(h.begun).Milliseconds(),
	}
}

func (d *handedOver) show(t *tool) error {
	if !d.HandsOver {
		return t.write(fmt.Appendf(nil, "%s keeps what it owes: %s in memory, %s with what is on disk alone\n", d.Name, count(int(d.Owed), "hint"), formatSize(d.LeftBytes)))
	}
	line := fmt.Sprintf("%s owes nothing: %s handed over", d.Name, count(int(d.HandedOver), "hint"))
	for _, x := range []struct {
		count int64
		what  string
	}{{d.Delivered, "delivered"}, {d.Refused, "refused"}, {d.Expired, "expired"}, {d.Dropped, "dropped"}} {
		if x.count > 0 {
			line += fmt.Sprintf(", %d %s", x.count, x.what)
		}
	}
	return t.write(fmt.Appendf(nil, "%s, in %v\n", line, time.Duration(d.DurationMillis)*time.Millisecond))
}

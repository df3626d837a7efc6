package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPaceLetsSoManyGoInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, begun := newPace(1000), time.Now()
		for range 5 {
			if err := p.wait(t.Context(), 1000); err != nil { // more than goes at once
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("5000 at 1000 a second took %v", took)
		}
	})
}

func TestAPaceThatIsNoneWaitsForNothingButKnowsWhenToEnd(t *testing.T) {
	var p *pace
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.wait(ctx, 1<<30); err != nil {
		t.Error(err)
	}
	cancel()
	if err := p.wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v of a context that has ended", err)
	}
}

func TestProgressIsALineThatIsDrawnTenTimesASecondAtMost(t *testing.T) {
	var out bytes.Buffer
	begun := time.Unix(1000, 0)
	p := &progress{to: &out, name: "import", begun: begun}
	p.draw(begun.Add(10*time.Second), 25, 100, 500)
	p.draw(begun.Add(10*time.Second+time.Millisecond), 26, 100, 510)
	if want := "\rimport  [#######-----------------------]  25%  500 keys  50 keys/s  30s left\x1b[K"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if got, want := p.line(begun.Add(time.Second), 5, 0, 7), "import  7 keys  7 keys/s"; got != want {
		t.Errorf("of an unknown total: got %q, want %q", got, want)
	}
	if got, want := p.line(begun, 0, 100, 0), "import  [------------------------------]   0%  0 keys  0 keys/s  ? left"; got != want {
		t.Errorf("at the beginning: got %q, want %q", got, want)
	}
	var none *progress
	none.draw(begun, 1, 2, 3) // what is no terminal gets no line
	none.wipe()
}

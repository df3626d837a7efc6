package gossip

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMemberlistLinesBecomeOneEntryOfTheRightLevel(t *testing.T) {
	for line, want := range map[string]zapcore.Level{
		"[DEBUG] memberlist: one line": zapcore.DebugLevel,
		"[INFO] memberlist: one line":  zapcore.InfoLevel,
		"[WARN] memberlist: one\nline": zapcore.WarnLevel,
		"[ERR] memberlist: one line":   zapcore.ErrorLevel,
		"[ERROR] memberlist: one line": zapcore.ErrorLevel,
		"[ERR] one line":               zapcore.ErrorLevel,
		"one line\n":                   zapcore.ErrorLevel,
	} {
		core, seen := observer.New(zapcore.DebugLevel)
		l := &logs{zap: zap.New(core)}
		l.logger().Print(line)
		got := seen.TakeAll()
		if len(got) != 1 || got[0].Level != want || got[0].Message != "one line" {
			t.Errorf("%q became %+v", line, got)
		}
		l.closed.Store(true)
		l.logger().Print(line)
		if seen.Len() != 0 {
			t.Error("speaks after it was closed")
		}
	}
}

func TestAFloodOfLinesIsSampled(t *testing.T) {
	core, seen := observer.New(zapcore.DebugLevel)
	l := sampled(zap.New(core))
	for range 2000 {
		l.Warn("refused bytes")
	}
	if n := seen.Len(); n < 1 || n > 40 { // a tick of the sampler may fall in between
		t.Errorf("%d of 2000 lines", n)
	}
}

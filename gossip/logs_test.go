package gossip

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMemberlistLinesBecomeOneEntryOfTheRightLevel(t *testing.T) {
	for _, c := range []struct {
		line  string
		level zapcore.Level
		text  string
	}{
		{"[DEBUG] memberlist: one line", zapcore.DebugLevel, "one line"},
		{"[INFO] memberlist: one line", zapcore.InfoLevel, "one line"},
		{"[WARN] memberlist: one\n\tline", zapcore.WarnLevel, "one line"},
		{"[ERR] memberlist: one line", zapcore.ErrorLevel, "one line"},
		{"[ERROR] memberlist: one line", zapcore.ErrorLevel, "one line"},
		{"[ERR] memberlist: bad from=[::1]:5", zapcore.WarnLevel, "bad"},
		{"[ERR] one line", zapcore.ErrorLevel, "one line"},
		{"[WARN] memberlist: Got ping for unexpected node 'a' from=[::1]:5", zapcore.DebugLevel, "Got ping for unexpected node 'a'"},
		{"[ERR] memberlist: Failed fallback TCP ping: EOF", zapcore.DebugLevel, "Failed fallback TCP ping: EOF"},
		{"one line", zapcore.ErrorLevel, "one line"},
		{"[odd", zapcore.ErrorLevel, "[odd"},
	} {
		core, seen := observer.New(zapcore.DebugLevel)
		l := &logs{zap: zap.New(core)}
		l.logger().Print(c.line)
		got := seen.TakeAll()
		if len(got) != 1 || got[0].Level != c.level || got[0].Message != c.text {
			t.Errorf("%q became %+v", c.line, got)
		}
		l.closed.Store(true)
		l.logger().Print(c.line)
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

func TestAFloodFromManyPortsIsSampledAsOneLine(t *testing.T) {
	core, seen := observer.New(zapcore.DebugLevel)
	l := (&logs{zap: sampled(zap.New(core))}).logger()
	for port := range 2000 {
		l.Printf("[ERR] memberlist: bad stream: no label from=127.0.0.1:%d", port)
	}
	got := seen.All()
	if n := len(got); n < 1 || n > 40 {
		t.Errorf("%d of 2000 lines", n)
	}
	if from := got[0].ContextMap()["from"]; from != "127.0.0.1:0" {
		t.Errorf("from %q", from)
	}
}

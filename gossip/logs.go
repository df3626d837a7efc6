package gossip

import (
	"log"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logs turns memberlist's lines, "[WARN] memberlist: text", into one zap entry each. It falls silent when
// closed: memberlist's last timers fire after its shutdown and would complain of closed sockets.
type logs struct {
	zap    *zap.Logger
	closed atomic.Bool
}

// sampled lets ten equal lines a second through and then one in a thousand: most lines are caused by bytes
// from the network, and a flood of those must not become a flood of lines.
func sampled(l *zap.Logger) *zap.Logger {
	if l == nil {
		return zap.NewNop()
	}
	return l.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Second, 10, 1000)
	}))
}

func (l *logs) logger() *log.Logger { return log.New(l, "", 0) }

// Write takes one line of the standard logger.
func (l *logs) Write(p []byte) (int, error) {
	if !l.closed.Load() {
		level, text := parseLine(string(p))
		if said, from, ok := strings.Cut(text, " from="); ok { // lines that differ in nothing else are sampled as one
			l.zap.Log(level, said, zap.String("from", from))
		} else {
			l.zap.Log(level, text)
		}
	}
	return len(p), nil
}

// parseLine splits a line of memberlist's into level and text without line breaks. A few of its error
// lines carry no level. What it calls an error when another's bytes caused it is a warning here.
func parseLine(s string) (zapcore.Level, string) {
	level := zapcore.ErrorLevel
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if name, text, ok := strings.Cut(rest, "] "); ok {
			s = text
			switch name {
			case "DEBUG":
				level = zapcore.DebugLevel
			case "INFO":
				level = zapcore.InfoLevel
			case "WARN":
				level = zapcore.WarnLevel
			}
		}
	}
	switch {
	case strings.Contains(s, "Got ping for unexpected node"), strings.Contains(s, "Failed fallback TCP ping"):
		level = zapcore.DebugLevel // how every restart and every death begins; what comes of it is said elsewhere
	case level == zapcore.ErrorLevel && strings.Contains(s, " from="):
		level = zapcore.WarnLevel
	}
	return level, strings.Join(strings.Fields(strings.TrimPrefix(s, "memberlist: ")), " ")
}

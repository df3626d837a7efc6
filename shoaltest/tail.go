package shoaltest

import (
	"bytes"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// tailMax is how many bytes of the nodes' logs are kept: the last ones.
const tailMax = 64 << 10

// tail keeps the end of what the nodes log, for a test that fails.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool
}

func newTail() *tail { return &tail{} }

// logger returns a logger that writes here.
func (l *tail) logger() *zap.Logger {
	cfg := zap.NewDevelopmentEncoderConfig()
	cfg.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(cfg), zapcore.AddSync(l), zap.InfoLevel))
}

// Write takes whole lines, as a zap core writes them.
func (l *tail) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, line...)
	if over := len(l.buf) - tailMax; over > 0 { // go down to half, so that a line is not moved for every one that comes
		over = max(over, tailMax/2)
		if end := bytes.IndexByte(l.buf[over:], '\n'); end >= 0 {
			over += end + 1
		}
		l.buf = l.buf[:copy(l.buf, l.buf[over:])]
		l.cut = true
	}
	return len(line), nil
}

// String returns what is kept, oldest first.
func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return "(earlier lines are left out)\n" + string(l.buf)
	}
	return string(l.buf)
}

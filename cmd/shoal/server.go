package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/shoalcache/shoal/server"
	"github.com/urfave/cli/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func (t *tool) serverCommand() *cli.Command {
	list := settings()
	return &cli.Command{
		Name: "server", Usage: "run a node", Flags: flags(list),
		Description: "Every flag is also a variable, SHOAL_NAME and so on, and a key of the file named by --config; the flag counts\n" +
			"first, then the variable, then the file. SIGTERM and SIGINT let the node finish what is under way, a second one does not.",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			o, err := configure(c, list)
			if err != nil {
				return err
			}
			o.Version = version
			o.Log = newLog(t.err, o.logLevel, o.logFormat)
			return serve(c.Context, o.Config)
		},
	}
}

// serve runs one node until ctx ends or the node fails.
func serve(ctx context.Context, cfg server.Config) error {
	limitHeap(cfg, 1)
	n, err := start(ctx, cfg)
	if n == nil {
		return err
	}
	select {
	case <-n.Done():
		return n.Err()
	case <-ctx.Done():
		return stop(n)
	}
}

// limitHeap makes the collector work harder rather than let a process, of so many nodes like this one, outgrow their memory.
// GOGC, where it is set, counts.
func limitHeap(cfg server.Config, nodes int) {
	debug.SetMemoryLimit(int64(nodes) * server.HeapOf(cfg))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// gcPercent is how much the heap may grow before it is collected. No key lies in it, so that it is small and what it may have
// large; with 100 a node with values of 32 KiB collects twice as often.
const gcPercent = 400

// start starts a node. Without a node and without an error it was told to stop before it ran.
func start(ctx context.Context, cfg server.Config) (*server.Node, error) {
	n, err := server.Start(ctx, cfg)
	if err != nil && ctx.Err() != nil {
		return nil, nil
	}
	return n, err
}

// stop drains a node; another signal ends that at once.
func stop(n *server.Node) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return n.Shutdown(ctx)
}

// newLog writes lines, or JSON objects, to w.
func newLog(w io.Writer, level, format string) *zap.Logger {
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.ISO8601TimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(c)
	if format == "console" {
		c.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(c)
	}
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		at = zapcore.InfoLevel
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), at))
}

package main

import (
	"encoding/hex"
	"io"
	"os"
	"strings"
	"time"

	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

func hexFlag() cli.Flag {
	return &cli.BoolFlag{Name: "hex", DisableDefaultText: true, Usage: "keys and values are hexadecimal, as arguments and in results"}
}

func literalFlag() cli.Flag {
	return &cli.BoolFlag{Name: "literal", DisableDefaultText: true, Usage: "a VALUE that is - or begins with @ is just that"}
}

// keysOf reads arguments that are keys.
func keysOf(c *cli.Context, args []string) ([]string, error) {
	keys := make([]string, len(args))
	for i, arg := range args {
		b, err := plain(c, "key", arg)
		if err != nil {
			return nil, err
		}
		keys[i] = string(b)
	}
	return keys, nil
}

// oneKey reads the only argument of a command.
func oneKey(c *cli.Context) (string, error) {
	args, err := arguments(c, "KEY")
	if err != nil {
		return "", err
	}
	keys, err := keysOf(c, args)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// someKeys reads the arguments of a command that takes any number from one.
func someKeys(c *cli.Context) ([]string, error) {
	if c.NArg() == 0 {
		return nil, usage("%s needs KEY: shoal %s KEY...", c.Command.Name, c.Command.Name)
	}
	return keysOf(c, c.Args().Slice())
}

// asking is the action of a command that reads its arguments, and then asks a cluster about them.
func asking[A any](read func(*cli.Context) (A, error), do func(c *cli.Context, s *session, args A) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := read(c)
		if err != nil {
			return err
		}
		s, err := dial(c)
		if err != nil {
			return err
		}
		defer s.Close()
		return do(c, s, args)
	}
}

// plain is an argument as bytes, of which a key has some.
func plain(c *cli.Context, what, arg string) ([]byte, error) {
	if what == "key" && arg == "" {
		return nil, usage("%s: a key is empty: it takes at least one byte", c.Command.Name)
	}
	if !c.Bool("hex") {
		return []byte(arg), nil
	}
	b, err := hex.DecodeString(arg)
	if err != nil {
		return nil, usage("--hex: the %s %q: use pairs of hexadecimal digits, as in 00ff", what, arg)
	}
	return b, nil
}

// value reads an argument that may name where the value is: what a file or standard input holds is taken as it is,
// also with --hex. Values too large for any cluster are not read whole.
func (t *tool) value(c *cli.Context, arg string) ([]byte, error) {
	name, file := strings.CutPrefix(arg, "@")
	switch {
	case c.Bool("literal") || arg != "-" && !file:
		return plain(c, "value", arg)
	case file:
		return unlessInterrupted(c.Context, "the value, from "+name, func() ([]byte, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, usage("the value: %v", err)
			}
			defer f.Close()
			return readValue(f, name)
		})
	}
	if f, ok := t.in.(*os.File); ok && closed(f) {
		return nil, usage("the value: standard input is closed: send the value there, or name a file as in @FILE")
	}
	const where = "standard input"
	return unlessInterrupted(c.Context, "the value, from "+where, func() ([]byte, error) { return readValue(t.in, where) })
}

// readValue reads all that in holds; where says what that is.
func readValue(in io.Reader, where string) ([]byte, error) {
	most := wire.DefaultLimits().Value
	b, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	switch {
	case err != nil:
		return nil, usage("the value, from %s: %v", where, err)
	case len(b) > most:
		return nil, usage("the value, from %s: more than the %s that a value may have", where, formatSize(int64(most)))
	}
	return b, nil
}

// lifetimeMax is the longest that any node takes.
const lifetimeMax = 100 * 365 * 24 * time.Hour

// lifetime reads an argument that is how long something lives.
func lifetime(what, arg string) (time.Duration, error) {
	d, err := time.ParseDuration(arg)
	switch {
	case err != nil:
		return 0, usage("%s: %q: use a number and its unit, as in 500ms, 90s or 24h", what, arg)
	case d < time.Millisecond:
		return 0, usage("%s %v: give it 1ms or more, as in 1m", what, d)
	case d > lifetimeMax:
		return 0, usage("%s %s: use at most 100 years, which are %.0fh, or shoal persist", what, arg, lifetimeMax.Hours())
	}
	return d, nil
}

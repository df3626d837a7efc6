package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := command(ctx)
	if err == nil {
		return
	}
	if !errors.Is(err, errFailed) {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

// command does what the flags say, in the module whose root it is started in.
func command(ctx context.Context) error {
	var (
		name     = flag.String("bug", "", "plant this one only")
		seeds    = flag.Int("seeds", 10_000, "at most so many a bug")
		gapSeeds = flag.Int("gap-seeds", 500, "at most so many a bug that has a gap, which none is expected to find")
		write    = flag.Bool("record", false, "record what is found in "+bugsDir+" and "+page)
		recorded = flag.Bool("replay", false, "run each bug's recorded seed only")
		show     = flag.Bool("show", false, "with -bug: cut its recorded seed down, and tell what happens")
		told     = flag.Uint64("tell", 0, "plant nothing: cut this seed down and tell what happens, as a copy with a bug in it does")
		sweep    = flag.Bool("sweep", false, "plant nothing: sweep, as a copy with a bug in it does")
		from     = flag.Uint64("from", 1, "with -sweep: first seed")
	)
	flag.Parse()
	if *told > 0 {
		return tell(ctx, os.Stdout, *told)
	}
	if *sweep {
		return beSubject(ctx, *from, *seeds)
	}
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("planted: where it is started is not known: %w", err)
	}
	bugs, err := readBugs(root)
	if err != nil {
		return err
	}
	if *name != "" {
		i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == *name })
		if i < 0 {
			return fmt.Errorf("planted: there is no bug %q: see %s", *name, bugsDir)
		}
		bugs = bugs[i : i+1]
	}
	if *show {
		return showBug(ctx, os.Stdout, root, bugs)
	}
	if *recorded {
		if *name != "" && bugs[0].seed == 0 {
			return fmt.Errorf("planted: bug %s has no recorded seed: %s", *name, bugs[0].gap)
		}
		return replay(ctx, os.Stdout, root, bugs)
	}
	good, failed := run(ctx, os.Stdout, root, bugs, func(b *bug) int {
		if b.gap != "" {
			return min(*seeds, *gapSeeds)
		}
		return *seeds
	})
	if *write {
		if err := record(root, good); err != nil {
			return err
		}
	}
	return failed
}

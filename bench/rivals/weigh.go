package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"
)

// This file owns the processes of one subject each, in which memory and the collector are measured: what lies beside it
// would count, and what another left behind.

// weighCommand is the first argument of such a process; the second is a job.
const weighCommand = "weigh"

const (
	collections = 7       // are timed
	probes      = 200_000 // keys are looked up to see how many are held
	between     = 4096    // sets, what a cache does in the background is waited for: nothing is dropped
)

// job is what such a process does.
type job struct {
	Subject    string `json:"subject"`
	Entries    int    `json:"entries"`
	Universe   int    `json:"universe"` // keys that are set, in any order where they are more than the entries
	KeyBytes   int    `json:"key_bytes"`
	ValueBytes int    `json:"value_bytes"`
	Evicts     bool   `json:"evicts"`
	Seed       uint64 `json:"seed"`
}

// weight is what it finds.
type weight struct {
	Resident  int64     `json:"resident_bytes"`
	Peak      int64     `json:"peak_bytes"`
	Held      int       `json:"held"` // entries, from a sample where they are many
	CollectMS []float64 `json:"collect_ms"`
}

// weigh does a job in a process of its own.
func weigh(ctx context.Context, j job) (weight, error) {
	self, err := os.Executable()
	if err != nil {
		return weight{}, err
	}
	arg, err := json.Marshal(j)
	if err != nil {
		return weight{}, err
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, self, weighCommand, string(arg))
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); ctx.Err() != nil {
		return weight{}, ctx.Err()
	} else if err != nil {
		return weight{}, fmt.Errorf("weighing %s, %d entries: %w: %s", j.Subject, j.Entries, err, said.Bytes()[:min(said.Len(), 2000)])
	}
	var w weight
	if err := json.Unmarshal(out.Bytes(), &w); err != nil {
		return weight{}, fmt.Errorf("weighing %s: it answers %q: %w", j.Subject, out.String(), err)
	}
	return w, nil
}

// weighHere is the whole of that process.
func weighHere(arg string, out io.Writer) error {
	var j job
	if err := json.Unmarshal([]byte(arg), &j); err != nil {
		return fmt.Errorf("job %q: %w: this command is for the program's own use", arg, err)
	}
	s, ok := named(j.Subject)
	if !ok {
		return fmt.Errorf("job %q: there is no such subject", arg)
	}
	c, err := s.new(room{j.Entries, j.KeyBytes, j.ValueBytes, j.Evicts})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(j.Seed, 1))
	j.fill(c, s.keeps, random)
	var w weight
	runtime.GC() // twice: pools and finalisers let go at the second
	debug.FreeOSMemory()
	if w.Resident, w.Peak, err = residentBytes(); err != nil {
		return err
	}
	for range collections {
		start := time.Now()
		runtime.GC()
		w.CollectMS = append(w.CollectMS, float64(time.Since(start))/float64(time.Millisecond))
	}
	w.Held = j.held(c, random)
	runtime.KeepAlive(c)
	return json.NewEncoder(out).Encode(w)
}

// fill sets every key once, or, if not all have room, as many as there are, drawn evenly: most of what came first has gone
// then, and the ghosts and dead bytes of use are there.
func (j job) fill(c cache, keeps bool, random *rand.Rand) {
	key, value := make([]byte, j.KeyBytes), newValue(j.ValueBytes)
	draw := func(i int) int { return i }
	if j.Evicts {
		draw = func(int) int { return random.IntN(j.Universe) }
	}
	for i := range j.Universe {
		putKey(key, draw(i))
		own := key
		if keeps {
			own = bytes.Clone(key)
		}
		c.set(own, value)
		if i%between == 0 {
			c.settle()
		}
	}
	c.settle()
}

func (j job) held(c cache, random *rand.Rand) int {
	key, dst := make([]byte, j.KeyBytes), make([]byte, 0, j.ValueBytes)
	n, hits := min(probes, j.Universe), 0
	for range n {
		putKey(key, random.IntN(j.Universe))
		if _, ok := c.get(dst, key); ok {
			hits++
		}
	}
	return int(float64(hits) / float64(n) * float64(j.Universe))
}

// newValue is nothing that compresses.
func newValue(n int) []byte {
	value := make([]byte, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range value {
		value[i] = byte(random.Uint32())
	}
	return value
}

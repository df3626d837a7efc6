package hints

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// BenchmarkDeliver is a queue of a steady length: one hint answered, the next sent, another added.
func BenchmarkDeliver(b *testing.B) {
	for _, owed := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(owed), func(b *testing.B) { deliver(b, owed, b.N) })
	}
}

func deliver(t testing.TB, owed, times int) {
	t.Helper()
	q := New(Config{BytesMax: 1 << 40, WindowMax: 64, Rate: 1 << 40, RetryPeriod: time.Second})
	set := write(1, "a value of some thirty-two bytes")
	key := make([]byte, 0, 16)
	add := func(i int) { q.Add(Owed{Target: 1, Key: fmt.Appendf(key, "k%015d", i), Set: set}) }
	for i := range owed {
		add(i)
	}
	flying := q.Tick(at(0), everyone, nil)
	if b, ok := t.(*testing.B); ok {
		b.ReportAllocs()
		b.ResetTimer()
	}
	for i := range times {
		sends := q.Ack(at(0), Reply{From: 1, ID: flying[i%64].ID, Outcome: wire.OutcomeOK}, nil)
		if len(sends) != 1 {
			t.Fatalf("an ack drew %d", len(sends))
		}
		flying[i%64] = sends[0]
		add(owed + i)
	}
}

func TestBenchmarksRun(t *testing.T) { deliver(t, 100, 1000) }

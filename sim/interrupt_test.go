package sim

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// brief is a context that ends when it has been asked so often whether it has: at one and the same place on any machine.
type brief struct {
	context.Context
	left atomic.Int64
}

func endsAfter(looks int64) *brief {
	b := &brief{Context: context.Background()}
	b.left.Store(looks)
	return b
}

func (b *brief) Err() error {
	if b.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestASweepThatIsInterruptedLeavesTheSeedUnderWay(t *testing.T) {
	ctx := endsAfter(3)
	if tally := (Sweep{From: 1, Seeds: 1, Workers: 1}).Run(ctx); tally.Seeds != 0 {
		t.Errorf("%d seeds are counted", tally.Seeds)
	}
	if looks := 3 - ctx.left.Load(); looks > 6 {
		t.Errorf("after its end it was looked at %d times more", looks-4)
	}
}

func TestASweepEndsBehindTheLastSeed(t *testing.T) {
	if tally := (Sweep{From: math.MaxUint64, Seeds: 3, Workers: 1}).Run(t.Context()); tally.Seeds != 1 {
		t.Errorf("%d seeds from the last one on", tally.Seeds)
	}
}

// stuckPlan breaks a promise by two of its faults: a node comes back empty, and one of those that it would recover from
// stands still until the end.
func stuckPlan() Plan {
	plan := Plan{
		Seed: 7,
		Cluster: Cluster{
			Nodes: 3, Datacenters: 1, Replicas: 3, Read: wire.LevelQuorum, Write: wire.LevelQuorum,
			Partitions: 8, Shards: 1, Memory: 1 << 20, Keys: 1, Down: 1,
		},
		Net: Net{Delay: time.Millisecond, Gossip: time.Second}, Trouble: 90 * time.Second,
		Faults: []Fault{
			{Number: 1, Kind: Wipe, At: 89 * time.Second, For: time.Second / 2},
			{Number: 2, Kind: Pause, At: 91 * time.Second, For: time.Hour, Node: 1},
			{Number: 3, Kind: Pause, At: 91 * time.Second, For: time.Hour, Node: 2},
		},
	}
	for i := range 10 {
		plan.Asks = append(plan.Asks, Ask{Number: i + 1, At: time.Duration(i+10) * time.Second, Op: wire.OpSet, Patient: true})
	}
	return plan
}

func TestAShrinkThatIsInterruptedReturnsTheBestSoFar(t *testing.T) {
	size := func(p *Plan) int { return len(p.Asks) + len(p.Faults) }
	whole := stuckPlan()
	least, failure := Shrink(t.Context(), whole, 100)
	if size(&least) != 2 || failure == nil {
		t.Fatalf("%d of the plan are left, %v", size(&least), failure)
	}
	between, before := 0, size(&whole)
	for looks := int64(0); before > size(&least); looks = 1 + looks + looks/2 {
		left, failure := Shrink(endsAfter(looks), whole, 100)
		if size(&left) > before {
			t.Fatalf("%d are left after %d looks, and %d after fewer", size(&left), looks, before)
		}
		if before = size(&left); before > size(&least) && before < size(&whole) {
			between++
		}
		r := Run(left, false)
		if failure != nil && (r.Failure == nil || *r.Failure != *failure) || failure == nil && before < size(&whole) {
			t.Fatalf("after %d looks what is left fails by %v, not by %v", looks, r.Failure, failure)
		}
	}
	if between == 0 {
		t.Error("nothing was left out until all was")
	}
}

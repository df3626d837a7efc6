package ring

import (
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func BenchmarkCompile(b *testing.B) {
	for _, nodes := range []int{3, 30, 100, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			m := mapOf(1, Slots, nodes, 3)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(m, xxhash.Sum64); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	table := compile(b, mapOf(1, Slots, 100, 3))
	key := []byte("{user1000}.following")
	b.ReportAllocs()
	for b.Loop() {
		if len(table.List(table.Partition(Slot(key)))) != 6 {
			b.Fatal("not six places")
		}
	}
}

func TestAThousandNodesAreBalancedToAPartitionOrTwo(t *testing.T) {
	table := compile(t, mapOf(1, Slots, 1000, 3))
	if got := balance(table); got > 1.06 {
		t.Errorf("1,000 nodes: balance is %.4f, want less than two partitions of 49 above the mean", got)
	}
}

package server

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/storage"
)

func TestTheBudgetIsTheLimitAndStorageHasMostOfIt(t *testing.T) {
	for memory, share := range map[int64]float64{MemoryMin: 0.3, 64 << 20: 0.44, 256 << 20: 0.65, 1 << 30: 0.79, 16 << 30: 0.85, 1 << 40: 0.85} {
		c := Config{Memory: memory}.withDefaults()
		b := c.divide()
		sum := b.process + b.storage + b.spare + b.hints + b.pending + b.clients + b.unread + b.links + b.beside + b.sums + b.slack
		if sum > memory || sum < memory-memory/1000 {
			t.Errorf("of %d MiB %d are given away: %+v", memory>>20, sum>>20, b)
		}
		if got := float64(b.storage) / float64(memory); got < share || got > 0.95 {
			t.Errorf("of %d MiB storage has %.3f", memory>>20, got)
		}
		if heap := b.heap(memory); heap+b.storage+b.spare >= memory || heap < b.hints+b.pending+b.clients+b.unread+b.links+b.beside+b.sums {
			t.Errorf("of %d MiB the heap has %d", memory>>20, heap>>20)
		}
		if shard := b.storage / int64(c.Shards); b.beside < int64(c.Shards)*(storage.ShadowBytes(shard)+shard*2/5/256*20) {
			t.Errorf("of %d MiB %d KiB are for what %d stores have on the heap", memory>>20, b.beside>>10, c.Shards)
		}
		if back := StorageOf(MemoryOf(b.storage, c.Partitions), c.Partitions); back < b.storage || back > b.storage+b.storage/100 {
			t.Errorf("storage of %d bytes needs %d, which have %d", b.storage, MemoryOf(b.storage, c.Partitions), back)
		}
		if err := (Config{Name: "n", Memory: memory}).Validate(); err != nil {
			t.Error(err)
		}
	}
}

// I16: each partition may have a summary, which lies beside the store.
func TestMorePartitionsTakeRoomFromKeys(t *testing.T) {
	few, many := Config{Memory: 64 << 20, Partitions: 256}.withDefaults(), Config{Memory: 64 << 20, Partitions: 16384}.withDefaults()
	a, b := few.divide(), many.divide()
	if want := int64(16384-256) * storage.SummaryBytes; b.sums != 16384*storage.SummaryBytes || a.storage-b.storage < want || b.heap(64<<20)-a.heap(64<<20) < want {
		t.Errorf("storage of %d and %d bytes, the heap of %d and %d, for %d of summaries", a.storage, b.storage, a.heap(64<<20), b.heap(64<<20), b.sums)
	}
	cfg := Quick(testConfig(t, "n1"))
	cfg.Memory, cfg.Partitions = 64<<20, 16384
	if got := count(start(t, cfg), "storage", "bytes_max"); got > b.storage {
		t.Errorf("the shards of a node of 16384 partitions may take %d bytes, of %d", got, b.storage)
	}
}

func TestMoreClientsTakeRoomFromKeys(t *testing.T) {
	few, many := Config{Memory: 1 << 30}.withDefaults(), Config{Memory: 1 << 30, ClientsMax: 10_000}.withDefaults()
	a, b := few.divide(), many.divide()
	if b.connections() != 10_000 || a.storage-b.storage < (b.clients-a.clients)*9/10 {
		t.Errorf("%d and %d clients, storage of %d and %d MiB", a.connections(), b.connections(), a.storage>>20, b.storage>>20)
	}
}

func TestMoreForHintsTakesRoomFromKeys(t *testing.T) {
	few, many := Config{Memory: 1 << 30}.withDefaults(), Config{Memory: 1 << 30, HintsMemory: 300 << 20}.withDefaults()
	a, b := few.divide(), many.divide()
	if b.hints != 300<<20 || a.storage-b.storage < b.hints-a.hints || b.slack-a.slack < (b.hints-a.hints)/6 {
		t.Errorf("hints have %d and %d MiB, storage %d and %d, slack %d and %d", a.hints>>20, b.hints>>20, a.storage>>20, b.storage>>20, a.slack>>20, b.slack>>20)
	}
	cfg := Quick(testConfig(t, "n1"))
	cfg.HintsMemory = 1 << 20
	if got := count(start(t, cfg), "hints", "bytes_max"); got != 1<<20 {
		t.Errorf("a node that is given 1 MiB for hints keeps %d bytes", got)
	}
}

func TestWhatLeavesTooLittleForKeysIsNamed(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Memory: 128 << 20, ClientsMax: 100_000}, "100000 clients take 2343 MiB of 128 MiB of memory, which leaves too little for keys and values: use less, or more memory"},
		{Config{Memory: 20 << 20, HintsMemory: 10 << 20}, "hints take 10 MiB of 20 MiB of memory, "},
		{Config{Memory: 64 << 20, HintsMemory: 20 << 20, ClientsMax: 700}, "700 clients take 16 MiB and hints take 20 MiB of 64 MiB of memory, "},
		{Config{Memory: 1 << 30, Shards: 64, HintsMemory: 1 << 10}, "hints-memory of 1 KiB: 64 shards need at least 1024"},
		{Config{Memory: 1 << 30, HintsMemory: -1}, "hints-memory of -1 KiB: "},
		{Config{Memory: 1 << 30, HintsMemory: 513 << 20}, "hints-memory of 513 MiB: use at most 512, half of memory"},
		{Config{Memory: 1 << 30, HintsMemory: math.MaxInt64, ClientsMax: clientsCeiling}, "use at most 512, half of memory"},
		{Config{Memory: 64 << 20, Shards: 256}, "256 shards share 28 MiB, what memory of 64 MiB leaves for keys and values: use at most 16, or more memory"},
		{Config{Memory: 64 << 20, Shards: 256, HintsMemory: 4 << 20}, "256 shards share "},
	} {
		c.cfg.Name = "n"
		if err := c.cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// A node's end gives all of its memory back, and nothing looks at it after.
func TestAStoppedNodeHasNoMemory(t *testing.T) {
	n := start(t, Quick(testConfig(t, "n1")))
	kv := n.Client()
	if err := kv.Set(t.Context(), "k", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if n.arena.Used() < 1<<20 {
		t.Fatalf("a node that holds 1 MiB has %d bytes", n.arena.Used())
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.arena.Used() != 0 {
		t.Errorf("it has stopped, and has %d bytes", n.arena.Used())
	}
	if _, err := kv.Get(t.Context(), "k"); err == nil {
		t.Error("it has stopped, and answers")
	}
	n.Stats()
}

// One shard has all of a small node's storage, and could hold more than there is to spare for a call.
func TestNoRecordIsLargerThanWhatIsSpareForIt(t *testing.T) { // I16
	cfg := Quick(testConfig(t, "n1"))
	cfg.Memory, cfg.Shards, cfg.Replicas = 64<<20, 1, 1
	n := start(t, cfg)
	b := n.cfg.divide()
	kv := n.Client()
	var refused *client.TooLargeError
	err := kv.Set(t.Context(), "k", make([]byte, b.spare))
	if want := fmt.Sprintf("a node of this --memory holds at most %d: send less", b.spare); !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("key and value of one byte more than is spare: %v, want %q", err, want)
	}
	for i := range 40 {
		if err := kv.Set(t.Context(), fmt.Sprint("k", i%20), make([]byte, int(b.spare)-100-i)); err != nil {
			t.Fatal(err)
		}
	}
	if n.arena.Forced() != 0 || n.arena.Used() > b.storage {
		t.Errorf("%d bytes of %d are in use, %d records were let in without room", n.arena.Used(), b.storage, n.arena.Forced())
	}
}

func TestGhostsHaveTheShareOfStorageThatTheyAreGiven(t *testing.T) {
	var ghosts []int64
	for _, share := range []float64{0.01, 0.5} {
		cfg := Quick(testConfig(t, "n1"))
		cfg.Memory, cfg.Shards, cfg.Partitions, cfg.GhostShare, cfg.Replicas = MemoryMin, 1, 16, share, 1
		n := start(t, cfg)
		kv := n.Client()
		for i := range 100_000 {
			if err := kv.Set(t.Context(), fmt.Sprint("key:", i), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		ghosts = append(ghosts, count(n, "storage", "ghosts"))
	}
	if ghosts[0] == 0 || ghosts[1] < 5*ghosts[0] {
		t.Errorf("with 1 %% of storage and with half: %d ghosts", ghosts)
	}
}

// All keys are in one shard of four, as those of one tenant may be.
func TestKeysOfOneShardHaveTheRoomThatTheOthersDoNotNeed(t *testing.T) {
	const keys, bytes = 1500, 10_000
	cfg := Quick(testConfig(t, "n1"))
	cfg.Memory, cfg.Shards, cfg.Replicas = 64<<20, 4, 1
	n := start(t, cfg)
	b := n.cfg.divide()
	even := int(b.storage) / cfg.Shards / bytes
	if even*3/2 > keys {
		t.Fatalf("an equal share has room for %d of %d keys", even, keys)
	}
	kv, value := n.Client(), make([]byte, bytes)
	eventually(t, "the shard grows", func() bool {
		for i := range keys {
			if err := kv.Set(t.Context(), fmt.Sprint("{tenant}", i), value); err != nil {
				t.Fatal(err)
			}
		}
		return n.Stats().Keys > int64(even)*3/2
	})
	if n.arena.Used() > b.storage {
		t.Errorf("%d bytes of %d are in use", n.arena.Used(), b.storage)
	}
}

// Command rivals sets Shoal's storage engine beside the caches that a Go program would use instead, in one run on one
// machine: fastcache, freecache and bigcache, which keep bytes; otter, theine and ristretto, which keep objects; and a plain
// map under a mutex. Figures of different machines, or of different days, tell nothing; ratios of one run do.
//
//	make rivals
//	go run . -parts time -subjects shoal,fastcache -rounds 11
//	go run . -parts hits -traces a.gz b.gz
//
// Entries have keys of 16 bytes and values of 100 unless told otherwise, and there are a million. The engine is driven as
// a node drives it: 16 shards with a mutex each, 4,096 partitions, memory off the heap, each set stamped above the last. The
// time is not asked for in each call: a node does that once for a batch. It is the only one of them that keeps a
// version with each entry and remembers what it has evicted.
//
// # Memory and collector
//
// Each subject has a process of its own, from which what an empty one takes is subtracted: the program starts itself anew.
//
//	over B      resident bytes of an entry beside key and value, after a collection that gives free memory back; there is
//	            room to spare, and nothing is evicted
//	peak B      the same of the most that was ever resident: what filling it took
//	evicting B  the same as over B where as many entries fit as before, after as many sets as there are keys, drawn
//	            evenly: with ghosts, dead bytes and whatever else use brings
//	held        entries that were there then, by a sample: limits of bytes fit only about so many, and fastcache's is a
//	            multiple of 32 MiB
//	gc ms       time of a forced collection, of seven; who has pointers pays, all the time
//	gc big ms   the same with ten million entries (-big), of those named by -big-subjects
//	allocs get  objects that a get leaves on the heap, with what is done in the background
//	allocs set  the same of a set where entries are evicted
//
// # Gets and sets
//
// All subjects are in one process. In every round each has a short turn at each measurement, in an order that turns, with
// the same keys; figures are the median of all rounds, with the least and the greatest; the JSON has every round. ": fastcache" is the ratio to that,
// taken round by round. No collection runs during a turn, which flatters who leaves garbage: see gc ms for what is not in
// these figures. Keys lie one after the other as they are used, so that no time is spent on fetching them.
//
//	zipf p50    ns of a get, of keys by Zipf's law (-theta 0.99), value copied to a buffer of the caller
//	zipf p99    Each call is timed alone, by one look at a monotonic clock; the median cost of a look, measured in each
//	            round anew, is subtracted. A look waits for what the processor has begun: the next get's memory is not
//	            fetched meanwhile, so that these are latencies, and sums of them are more than calls in a row take.
//	uniform     ns of processor time of a get of keys drawn evenly, from all calls of a turn in a row and what they leave to
//	            the background. On a machine without other work that is the time they take, but for who has a background;
//	            the JSON has the time by the clock, too
//	batch       the same, of who looks up 16 keys in one call; the ratio is to fastcache's uniform
//	mean        the same of a set where about as many entries fit as there were before, of keys drawn from four times as
//	            many (-universe)
//	p50, p99    ns of a set, timed as for gets: what is left to the background runs on another core, and is not in it
//	p99.9       the same; who makes room for many sets at once shows it here. So do other programs on the machine
//
// Who keeps []byte is given []byte. Who wants strings is given strings that share the bytes of the key, made before; who
// keeps these gets bytes that nobody else uses. Who keeps the value as it is gets a copy that each set makes. bigcache
// returns a copy of its own making, and ristretto may drop a set.
//
// # Hits
//
// With -traces, hits by requests of each file, for caches of 0.1, 1 and 10 per cent of its different keys; a miss is a set.
// Each library is made to finish what a set left to do before the next request, as far as it can be: ristretto goes on
// counting gets by itself. The engine has the limit of bytes under which it holds so many entries. The other caches have a
// least limit that is more than most traces have keys.
package main

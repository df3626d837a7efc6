// Package arena hands out memory that the Go heap knows nothing of: the collector neither looks at it nor adds head room to it,
// and what is given back leaves the process at once. So what a node keeps in it is exactly what it takes, and can be held to a
// limit.
//
// Each power of two has a stretch of address space of its own, which is cut into slots of that size and costs nothing until
// its pages are touched:
//
//	 4 KiB  [page][page][....][....] …
//	 8 KiB  [page page][page page][.... ....] …                a request for 5 KiB takes two pages
//	16 KiB  [page page page ....][.... .... .... ....] …       and one for 9 KiB three
//
// Only the pages that a request needs are ever touched, so that rounding up to a slot costs addresses and no memory. Slots
// are handed out last freed first, which keeps page tables small. Where there is no such memory to have, on systems other
// than Unix, all of it comes from the Go heap.
package arena

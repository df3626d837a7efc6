// Package sim drives the code that ships through faults that users may meet once in years, many times a second.
//
// It is a shell like server, around the same replica.Node: but its clocks, network, disks and clients are simulated,
// one event after the other, by a seed. No promise is modelled here; what runs is what is sold.
//
//	seed ─► Draw ─► Plan: the cluster, what clients ask, what goes wrong when
//	                  │
//	                  ▼
//	                 Run ─► agenda of events ─► replica.Node × n ─► history ─► checkers ─► Result
//
// A Plan is data. Everything random about a run that is not in its plan (how long a message takes, which one is
// lost) comes from the plan's seed as well, so Run is a pure function: equal plans have equal traces. A plan with
// operations or faults left out is a plan again, which is how Shrink makes a failing run short enough to read.
//
// A run has two parts: 90 s in which things go wrong, and 45 s in which nothing does. Then the checkers judge, each
// in a file of its own (check_*.go): what was read (I2, I6, I9 to I11, I18 to I21), what was lost (I1, I12), who holds
// what (I4, I7), and that nothing is left pending. The numbers are those of docs/CONSISTENCY.md.
package sim

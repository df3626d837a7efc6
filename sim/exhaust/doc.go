// Package exhaust drives the code that ships through every order of events that a few operations on one key have.
//
// Three nodes hold the key, two votes read and two write it. A Slice says which operations there are, where they are
// asked, and how many faults may happen. Run then tries all of it: an operation starts; any message under way arrives,
// whichever was sent first; a node evicts the key, or drops the ghost that eviction left; a node starts again without
// its memory; a message is lost; or the time of every timeout passes.
//
//	Slice ─► search ─► world: replica.Node × 3, messages under way, what was answered
//	           ▲          │
//	           └──────────┴─► fingerprint, verdict of the judge
//
// There is no model and no copy of a node: a state is the choices that lead to it, and another way on from it is taken
// by making the world anew and choosing the same again. A state that was seen is not entered twice. States are told
// apart by what the nodes know of the key and by everything that still can change what happens; where that cannot be
// seen from outside, by the history that made it, which tells apart more than has to be.
//
// Package sim is the other half of the proof: it draws runs by chance, of many keys, nodes and faults at once. Here
// nothing is left to chance, and so little fits that all of it can be tried.
package exhaust

// Planted shows that the simulator would notice: it plants a bug in the core, sweeps seeds until one of them fails,
// and tells which promise it broke.
//
// A bug is a file in bugs/: what it does wrong, the promises it is expected to break, the first seed that finds it,
// and the lines it replaces. It is never part of what ships: a copy of this command is built with the go command's
// overlay, in which the changed files stand for the module's own, and that copy sweeps.
//
//	make planted               every bug, by up to 10,000 seeds each
//	make planted BUG=name      one of them
//	make planted-show BUG=name what happens in its recorded seed, cut down
//	make planted-seeds         every bug by its recorded seed alone: minutes
//	make planted-record        every bug; then records what was found in bugs/ and in docs/TESTING.md
//
// A bug whose file has a gap instead of a seed breaks a rule in a way that no seed shows yet: 500 are tried. A bug that is not
// found and has no gap, one that breaks another promise than expected, and one that no longer applies are failures.
package main

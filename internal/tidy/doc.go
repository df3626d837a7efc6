// Package tidy is the rules of the house as a test: layers, purity, sizes, documents.
//
// It reads sources and nothing else, and uses the standard library only, so that it never breaks for another
// reason than the one it states. What a rule cannot see, it does not claim: a table handed to a function that
// writes to it, or a channel behind another package's type, passes. The rules are for what happens by habit.
package tidy

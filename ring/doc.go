// Package ring decides placement: which nodes own which keys.
package ring

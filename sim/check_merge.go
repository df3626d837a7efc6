package sim

import (
	"bytes"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// checkMerge is I5 over versions as they came about: merging those of one key is commutative, associative and
// idempotent, and equal results have equal bytes.
func (w *world) checkMerge() {
	for key := range w.plan.Cluster.names() {
		of := w.samples[string(keyName(key))]
		for i := range of {
			if aa := merge(&of[i], &of[i]); !equalBytes(&aa, &of[i]) {
				w.fail("I5", "a version of k%d merged with itself is another: %+v", key, of[i])
			}
			for j := range i {
				ab, ba := merge(&of[i], &of[j]), merge(&of[j], &of[i])
				if !equalBytes(&ab, &ba) {
					w.fail("I5", "two versions of k%d merge to one thing and, the other way round, to another: %+v and %+v", key, of[i], of[j])
				}
				for k := range j {
					bc := merge(&of[j], &of[k])
					if x, y := merge(&ab, &of[k]), merge(&of[i], &bc); !equalBytes(&x, &y) {
						w.fail("I5", "three versions of k%d do not merge to the same in every order: %+v, %+v and %+v", key, of[i], of[j], of[k])
					}
				}
			}
		}
	}
}

// sample keeps a few of the versions that travelled, for checkMerge.
func (w *world) sample(key []byte, s *vclock.Set) {
	of := w.samples[string(key)]
	for i := range of {
		if of[i].Dot == s.Dot && of[i].Deadline == s.Deadline && of[i].Context.Equal(&s.Context) {
			return
		}
	}
	c := *s
	c.Value, c.Context = bytes.Clone(s.Value), s.Context.CopyInto(nil)
	if len(of) < samplesMax {
		w.samples[string(key)] = append(of, c)
		return
	}
	of[w.events%samplesMax] = c
}

const samplesMax = 4

func merge(a, b *vclock.Set) vclock.Set {
	m, _ := vclock.Merge(a, b)
	return m
}

// equalBytes reports whether two versions are the same on the wire. Whether an empty value has memory, which the wire
// tells, is no part of a version.
func equalBytes(a, b *vclock.Set) bool {
	return bytes.Equal(onWire(*a), onWire(*b))
}

func onWire(s vclock.Set) []byte {
	if len(s.Value) == 0 {
		s.Value = nil
	}
	return wire.AppendMessage(nil, &wire.Message{Kind: wire.KindStore, Set: s})
}

package main

import (
	"slices"
	"time"
)

// This file owns what a subject does in its turn, and what is written down of it.

// batchKeys is how many keys a call of a batcher has.
const batchKeys = 16

// draw has keys of which the first tenth warms up.
func (r *race) draw(number func() int) keyRun {
	return newKeyRun(r.o.ops+r.o.ops/10, r.o.keyBytes, number)
}

func (r *race) warmed(k keyRun) (warm, timed keyRun) {
	return k.part(r.o.ops, k.len()), k.part(0, r.o.ops)
}

// singleGets times call by call.
func (r *race) singleGets(s runner, keys keyRun) {
	warm, keys := r.warmed(keys)
	r.getAll(s, warm)
	last := now()
	for i := range keys.len() {
		s.cache.get(r.dst, keys.at(i))
		t := now()
		r.took[i], last = t-last, t
	}
	r.quantiles(s, getZipfP50, getZipfP99, getZipfMean)
}

// manyGets times all calls as one.
func (r *race) manyGets(s runner, keys keyRun) {
	warm, keys := r.warmed(keys)
	r.getAll(s, warm)
	before := allocated()
	start := now()
	misses := r.getAll(s, keys)
	took := now() - start
	s.cache.settle()
	n := float64(keys.len())
	r.figures.add(getUniform, s.name, float64(took)/n)
	r.figures.add(getAllocs, s.name, float64(allocated()-before)/n)
	r.figures.add(getMisses, s.name, float64(misses)/n)
}

func (r *race) getAll(s runner, keys keyRun) (misses int) {
	for i := range keys.len() {
		if _, ok := s.cache.get(r.dst, keys.at(i)); !ok {
			misses++
		}
	}
	return misses
}

// batches is manyGets of whoever looks up several keys at a time.
func (r *race) batches(s runner, keys keyRun) {
	b, ok := s.cache.(batcher)
	if !ok {
		return
	}
	warm, keys := r.warmed(keys)
	r.getAll(s, warm)
	list, dst := keys.list(), r.dst[:cap(r.dst)]
	n := len(list) - len(list)%batchKeys
	start := now()
	for i := 0; i < n; i += batchKeys {
		b.getMany(dst, list[i:i+batchKeys])
	}
	r.figures.add(getBatch, s.name, float64(now()-start)/float64(n))
}

// manySets times all calls as one, and with them what they leave to the background.
func (r *race) manySets(s runner, keys keyRun) {
	warm, keys := r.warmed(r.owned(s, keys))
	r.setAll(s, warm)
	before := allocated()
	start := now()
	r.setAll(s, keys)
	took := now() - start
	n := float64(keys.len())
	r.figures.add(setMean, s.name, float64(took)/n)
	r.figures.add(setAllocs, s.name, float64(allocated()-before)/n)
}

func (r *race) setAll(s runner, keys keyRun) {
	for i := range keys.len() {
		s.cache.set(keys.at(i), r.value)
		if i%between == 0 {
			s.cache.settle()
		}
	}
	s.cache.settle()
}

// singleSets times call by call; what is left to the background goes on meanwhile.
func (r *race) singleSets(s runner, keys keyRun) {
	warm, keys := r.warmed(r.owned(s, keys))
	r.setAll(s, warm)
	last := now()
	for i := range keys.len() {
		s.cache.set(keys.at(i), r.value)
		t := now()
		r.took[i], last = t-last, t
	}
	s.cache.settle()
	r.quantiles(s, setP50, setP99, "")
}

func (r *race) owned(s runner, keys keyRun) keyRun {
	if s.keeps {
		return keys.clone()
	}
	return keys
}

// quantiles takes what a look at the clock costs off what single calls took.
func (r *race) quantiles(s runner, p50, p99, mean string) {
	var sum time.Duration
	for _, d := range r.took {
		sum += d
	}
	slices.Sort(r.took)
	n := len(r.took)
	r.figures.add(p50, s.name, float64(r.took[n/2]-r.clock))
	r.figures.add(p99, s.name, float64(r.took[n*99/100]-r.clock))
	if mean != "" {
		r.figures.add(mean, s.name, float64(sum)/float64(n)-float64(r.clock))
	}
}

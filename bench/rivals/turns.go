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
	r.summarise(s, getZipfP50, getZipfP99, getZipfP999, getZipfMean)
}

// manyGets times all calls as one. Processor time is what is shown: a turn is long enough for other programs to come
// between, and what is left to the background counts.
func (r *race) manyGets(s runner, keys keyRun) {
	warm, keys := r.warmed(keys)
	r.getAll(s, warm)
	before := allocated()
	start, work := now(), worked()
	misses := r.getAll(s, keys)
	took := now() - start
	s.cache.settle()
	work = worked() - work
	n := float64(keys.len())
	r.figures.add(getUniform, s.name, float64(work)/n)
	r.figures.add(getUniformWall, s.name, float64(took)/n)
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
	work := worked()
	for i := 0; i < n; i += batchKeys {
		b.getMany(dst, list[i:i+batchKeys])
	}
	r.figures.add(getBatch, s.name, float64(worked()-work)/float64(n))
}

// manySets times all calls as one, until nothing is left to the background.
func (r *race) manySets(s runner, keys keyRun) {
	warm, keys := r.warmed(r.owned(s, keys))
	r.setAll(s, warm)
	before := allocated()
	start, work := now(), worked()
	r.setAll(s, keys)
	took := now() - start
	work = worked() - work
	n := float64(keys.len())
	r.figures.add(setMean, s.name, float64(work)/n)
	r.figures.add(setMeanWall, s.name, float64(took)/n)
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
	r.summarise(s, setP50, setP99, setP999, setSingle)
}

func (r *race) owned(s runner, keys keyRun) keyRun {
	if s.keeps {
		return keys.clone()
	}
	return keys
}

// summarise takes what a look at the clock costs off what single calls took.
func (r *race) summarise(s runner, p50, p99, p999, mean string) {
	var sum time.Duration
	for _, d := range r.took {
		sum += d
	}
	slices.Sort(r.took)
	n := len(r.took)
	r.figures.add(p50, s.name, float64(r.took[n/2]-r.clock))
	r.figures.add(p99, s.name, float64(r.took[n*99/100]-r.clock))
	r.figures.add(p999, s.name, float64(r.took[n*999/1000]-r.clock))
	r.figures.add(mean, s.name, float64(sum)/float64(n)-float64(r.clock))
}

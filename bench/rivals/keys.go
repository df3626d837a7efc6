package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sort"
)

// This file owns which keys are used, and how they are drawn.

// keyBytesLeast holds the number of a key.
const keyBytesLeast = 8

// putKey writes key number i over all of key, keyBytesLeast bytes or more. Different numbers have different keys, and
// neighbours have nothing in common at the front.
func putKey(key []byte, i int) {
	x := (uint64(i) + 1) * 0x9e3779b97f4a7c15
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	binary.BigEndian.PutUint64(key, x^x>>29)
	for j := keyBytesLeast; j < len(key); j++ {
		key[j] = 'a' + byte(j%26)
	}
}

// keyRun is keys in the order in which they are used, one after the other in memory: the processor fetches them ahead, so
// that what is timed is the cache alone.
type keyRun struct {
	flat []byte
	each int
}

// newKeyRun has the keys that draw returns the numbers of.
func newKeyRun(n, keyBytes int, draw func() int) keyRun {
	k := keyRun{make([]byte, n*keyBytes), keyBytes}
	for i := range n {
		putKey(k.at(i), draw())
	}
	return k
}

func (k keyRun) len() int { return len(k.flat) / k.each }

func (k keyRun) at(i int) []byte { return k.flat[i*k.each : (i+1)*k.each : (i+1)*k.each] }

// part is a run of the keys from up to, but not, to.
func (k keyRun) part(from, to int) keyRun { return keyRun{k.flat[from*k.each : to*k.each], k.each} }

// clone is for a cache that keeps the bytes.
func (k keyRun) clone() keyRun { return keyRun{append([]byte(nil), k.flat...), k.each} }

// list has the keys one by one.
func (k keyRun) list() [][]byte {
	all := make([][]byte, k.len())
	for i := range all {
		all[i] = k.at(i)
	}
	return all
}

// skew draws numbers by Zipf's law, the one of rank r with weight 1/r^theta, exactly: the sums of all weights are kept, and
// searched. Ranks are scattered, since what is popular did not come first.
type skew struct {
	sums   []float64
	number []int32
}

func newSkew(n int, theta float64, random *rand.Rand) *skew {
	s := &skew{make([]float64, n), make([]int32, n)}
	sum := 0.0
	for r := range n {
		sum += math.Pow(float64(r+1), -theta)
		s.sums[r] = sum
		s.number[r] = int32(r)
	}
	random.Shuffle(n, func(i, j int) { s.number[i], s.number[j] = s.number[j], s.number[i] })
	return s
}

func (s *skew) draw(random *rand.Rand) int {
	last := len(s.sums) - 1
	r := sort.SearchFloat64s(s.sums, random.Float64()*s.sums[last])
	return int(s.number[min(r, last)])
}

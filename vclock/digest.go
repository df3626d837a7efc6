package vclock

// Digest names a version and its deadline register in 32 bits: what a replica that has forgotten the version recognises
// them by. Two nodes may stamp alike, so a stamp alone names nothing. It travels: every node must work it out alike.
func Digest(version Dot, d Deadline) uint32 {
	var h uint64
	for _, x := range [...]uint64{version.Actor.Node, version.Actor.Boot, uint64(version.Stamp), uint64(d.At), uint64(d.Stamp)} {
		h = (h ^ x) * 0x9e3779b97f4a7c15 // odd, near 2⁶⁴ over the golden ratio (Knuth, TAOCP 3, 6.4)
		h ^= h >> 32
	}
	return uint32(h)
}

// Ghost is the digest of what is left of s once it is forgotten. That of several versions names what they cover, which
// their deadline belongs to, and none of them: what comes back may be less.
func (s *Set) Ghost(d Deadline) uint32 {
	if s.Packed {
		return ^Digest(s.Base(), d)
	}
	return Digest(s.Dot, d)
}

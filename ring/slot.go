package ring

import "bytes"

// Slots is the number of hash slots of Redis Cluster, and so of Shoal.
const Slots = 16384

// crcTable is CRC16/XMODEM by byte: polynomial 0x1021, initial value 0, not reflected.
var crcTable = crc16Table()

func crc16Table() (table [256]uint16) {
	for b := range table {
		crc := uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		table[b] = crc
	}
	return table
}

// Slot returns the slot of key, 0 to Slots-1, exactly as Redis Cluster computes it, so that every Redis
// Cluster client finds an owner by itself (Redis Cluster specification, "Key distribution model"). Keys
// with the same non-empty {tag} share a slot. It keeps nothing of key and allocates nothing.
func Slot(key []byte) uint16 {
	return crc16(hashTag(key)) % Slots
}

// hashTag is what lies between the first { and the first } after it, or the whole key where nothing does.
func hashTag(key []byte) []byte {
	open := bytes.IndexByte(key, '{')
	if open < 0 {
		return key
	}
	tag := key[open+1:]
	if n := bytes.IndexByte(tag, '}'); n > 0 {
		return tag[:n]
	}
	return key
}

func crc16(data []byte) uint16 {
	var crc uint16
	for _, b := range data {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	return crc
}

package ring

import "testing"

// Vectors of the Redis Cluster specification, and of CLUSTER KEYSLOT.
func TestSlotIsRedisClusters(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0x31C3 {
		t.Errorf("crc16 of 123456789 is %#04x, want 0x31c3", got)
	}
	for key, want := range map[string]uint16{"": 0, "123456789": 0x31C3, "foo": 12182, "bar": 5061, "hello": 866} {
		if got := Slot([]byte(key)); got != want {
			t.Errorf("slot of %q is %d, want %d", key, got, want)
		}
	}
}

func TestOnlyTheFirstTagDecidesTheSlot(t *testing.T) {
	for key, hashed := range map[string]string{
		"{user1000}.following": "user1000",
		"{user1000}.followers": "user1000",
		"foo{}{bar}":           "foo{}{bar}",
		"foo{{bar}}zap":        "{bar",
		"foo{bar}{zap}":        "bar",
		"foo{bar":              "foo{bar",
		"foo}bar{":             "foo}bar{",
		"}{a}":                 "a",
		"{}":                   "{}",
	} {
		if got, want := Slot([]byte(key)), crc16([]byte(hashed))%Slots; got != want {
			t.Errorf("slot of %q is %d, want %d, that of %q", key, got, want, hashed)
		}
	}
}

package wire

import (
	"errors"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

func FuzzParseScanCursor(f *testing.F) {
	f.Add([]byte{})
	f.Add(ScanCursor{Partition: 4095, Actor: vclock.Actor{Node: 1 << 63, Boot: 2}, At: 9}.Append(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ParseScanCursor(in)
		if _, format := errors.AsType[*FormatError](err); err != nil && !format {
			t.Fatalf("an error of another type: %v", err)
		}
		if again := c.Append(nil); err == nil && len(in) > 0 && string(again) != string(in) {
			t.Fatalf("%x became %x", in, again)
		}
	})
}

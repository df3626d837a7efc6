package ports

import (
	"net"
	"slices"
	"testing"
)

func TestFreePortsAreManyAndNoneIsInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addrs, err := Free(50)
	if err != nil || len(addrs) != 50 || slices.Contains(addrs, l.Addr().String()) {
		t.Fatalf("%v, %v", addrs, err)
	}
	slices.Sort(addrs)
	if len(slices.Compact(addrs)) != 50 {
		t.Error("one port was found twice")
	}
	if unused(l.Addr().String()) {
		t.Error("a port that has a listener is called unused")
	}
}

package wire_test

import (
	"fmt"

	"github.com/shoalcache/shoal/wire"
)

// A client writes requests one behind another; a server cuts and reads them.
func Example() {
	limits := wire.DefaultLimits()
	buf := wire.AppendRequest(nil, &wire.Request{Op: wire.OpSet, ID: 1, Key: []byte("greeting"), Value: []byte("hello")})
	buf = wire.AppendRequest(buf, &wire.Request{Op: wire.OpGet, ID: 2, Key: []byte("greeting")})

	var q wire.Request // read into again and again
	for {
		frame, rest, err := wire.NextFrame(buf, &limits)
		if err != nil || frame == nil {
			break
		}
		if err := wire.DecodeRequest(frame, &q, &limits); err != nil {
			fmt.Println(q.ID, err)
		} else {
			fmt.Printf("%d: %v %s %q\n", q.ID, q.Op, q.Key, q.Value)
		}
		buf = rest
	}
	// Output:
	// 1: set greeting "hello"
	// 2: get greeting ""
}

// A failed response becomes an error that says who failed, how, and what to do.
func ExampleResponse_AsError() {
	response := wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{
		Op: wire.OpSet, Want: 2, Got: 1, Failed: []wire.Failure{{Node: 0xa1, Reason: wire.OutcomeDown}},
	}}
	fmt.Println(response.AsError())
	// Output:
	// wire: set: 1 of the 2 replies it needs; node 00000000000000a1 down (the write may still have happened): try again, ask for a lower level, or look at these nodes
}

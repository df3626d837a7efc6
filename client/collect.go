package client

import (
	"fmt"

	"github.com/shoalcache/shoal/wire"
)

// collect takes what an attempt of a multi-get brought, and leaves for the next one only the keys that another node might
// answer; it returns the failure of the first of them. Nil where there is none, and of any other call.
func (k *call) collect() error {
	items := k.response.Items
	if k.partial == nil {
		if missed(items) == len(items) || len(items) != len(k.request.Keys) { // verbs.MGet sees to the latter
			return nil
		}
		k.partial = items
		for i := range items {
			k.open = append(k.open, i)
		}
	}
	if len(items) != len(k.open) {
		return &InternalError{Op: wire.OpMGet, Text: fmt.Sprintf("%d keys were asked for and %d answered", len(k.open), len(items))}
	}
	keys, open := k.request.Keys, k.open
	k.request.Keys, k.open = keys[:0], open[:0]
	for i, at := range open {
		k.partial[at] = items[i]
		if mayMiss(items[i].Status) {
			k.request.Keys, k.open = append(k.request.Keys, keys[i]), append(k.open, at)
		}
	}
	if len(k.open) == 0 {
		k.response.Items = k.partial
		return nil
	}
	failed := wire.Response{Status: k.partial[k.open[0]].Status, Err: &wire.Error{Op: wire.OpMGet}}
	return failed.AsError()
}

// missed is the index of the first item that another node might answer; the number of items where there is none.
func missed(items []wire.Item) int {
	for i := range items {
		if mayMiss(items[i].Status) {
			return i
		}
	}
	return len(items)
}

// mayMiss reports whether another node might answer what this one did not.
func mayMiss(s wire.Status) bool {
	return s == wire.StatusQuorum || s == wire.StatusOverloaded || s == wire.StatusNotReady
}

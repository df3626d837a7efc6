package wire

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/frames.txt anew; a difference is a change of the protocol")

// golden is every sample with its name, in order.
func golden() string {
	var b strings.Builder
	line := func(name string, bytes []byte) { fmt.Fprintf(&b, "%s %s\n", name, hex.EncodeToString(bytes)) }
	b.WriteString("# One frame of each operation and kind, in hexadecimal, its length included; maps, pages and documents have none.\n")
	for _, q := range sampleRequests() {
		line("request."+q.Op.String(), AppendRequest(nil, &q))
	}
	for _, p := range sampleResponses() {
		line(fmt.Sprintf("response.%d", p.Status), AppendResponse(nil, &p))
	}
	for _, m := range sampleMessages() {
		line("message."+m.Kind.String(), AppendMessage(nil, &m))
	}
	h := sampleHello()
	line("hello", AppendHello(nil, &h))
	line("map", EncodeMap(sampleMap()))
	page, _ := samplePage()
	line("page", page)
	where, err := EncodeDocument(sampleWhere())
	if err != nil {
		panic(err)
	}
	line("where", where)
	return b.String()
}

func TestTheProtocolDoesNotChangeByAccident(t *testing.T) {
	const path = "testdata/frames.txt"
	got := golden()
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	have, want := strings.Split(got, "\n"), strings.Split(string(file), "\n")
	if len(have) != len(want) {
		t.Errorf("%d lines, want %d", len(have), len(want))
	}
	for i := range min(len(have), len(want)) {
		if have[i] != want[i] {
			t.Errorf("line %d:\n got %s\nwant %s\nA released protocol only grows at the end of its arrays; if this is meant, run with -rewrite.", i+1, have[i], want[i])
		}
	}
}

func TestEveryOperationAndKindHasASample(t *testing.T) {
	all := golden()
	for op := range opNames {
		if !op.known() || !strings.Contains(all, "request."+op.String()+" ") {
			t.Errorf("operation %v is not known to the decoder or has no sample", op)
		}
	}
	for k := KindFetch; int(k) < len(kindNames); k++ {
		if !k.known() || !strings.Contains(all, "message."+k.String()+" ") {
			t.Errorf("kind %v is not known to the decoder or has no sample", k)
		}
	}
}

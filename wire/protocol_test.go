package wire

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/shoalcache/shoal/ring"
)

// What docs/PROTOCOL.md shows and tabulates is checked against the code, so that whoever writes a client from it writes
// one that works.
const protocolDocument = "../docs/PROTOCOL.md"

// example is one block of hexadecimal: a title, then lines of bytes, the name of the field they are, and its value.
type example struct {
	title string
	lines []exampleLine
}

type exampleLine struct {
	bytes       []byte
	name, value string
}

func (e *example) bytes() (all []byte) {
	for _, l := range e.lines {
		all = append(all, l.bytes...)
	}
	return all
}

// framed reports whether the example begins with a length, as all do but documents and maps.
func (e *example) framed() bool { return e.lines[0].name == "length" }

var columns = regexp.MustCompile(` {2,}`)

func readProtocol(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(protocolDocument)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func examples(t *testing.T) (all []example) {
	t.Helper()
	for _, block := range strings.Split(readProtocol(t), "```hex\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		title, rest, _ := strings.Cut(block, "\n")
		e := example{title: title}
		for line := range strings.Lines(rest) {
			cells := columns.Split(strings.TrimSpace(line), -1)
			b, err := hex.DecodeString(strings.ReplaceAll(cells[0], " ", ""))
			switch {
			case err != nil || len(b) == 0:
				t.Fatalf("%s: %q does not begin with bytes: %v", title, line, err)
			case len(cells) == 1: // more of the line above
				last := &e.lines[len(e.lines)-1]
				last.bytes = append(last.bytes, b...)
			default:
				e.lines = append(e.lines, exampleLine{b, cells[1], append(cells, "")[2]})
			}
		}
		all = append(all, e)
	}
	if len(all) < 20 {
		t.Fatalf("%d examples", len(all))
	}
	return all
}

// render writes the next value of dec as the examples do.
func render(dec *msgpack.Decoder) string {
	v, err := dec.DecodeInterfaceLoose()
	if err != nil {
		return err.Error()
	}
	return rendered(v)
}

func rendered(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return strconv.Quote(v)
	case []byte:
		return strconv.Quote(string(v))
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, rendered(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		b, err := json.Marshal(v) // sorts the names
		if err != nil {
			return err.Error()
		}
		return string(b)
	default:
		return fmt.Sprint(v)
	}
}

// Every example is what this code writes: decoding and encoding gives the same bytes.
func TestExamplesOfTheProtocolAreWhatTheCodeWrites(t *testing.T) {
	limits := DefaultLimits()
	for _, e := range examples(t) {
		b := e.bytes()
		frame := b
		if e.framed() {
			var rest []byte
			var err error
			if frame, rest, err = NextFrame(b, &limits); err != nil || frame == nil || len(rest) > 0 {
				t.Errorf("%s: not one frame: %v, %d bytes behind it", e.title, err, len(rest))
				continue
			}
		}
		var again []byte
		var err error
		switch kind, _, _ := strings.Cut(e.title, " "); kind {
		case "hello":
			var h Hello
			err = DecodeHello(frame, &h)
			again = AppendHello(nil, &h)
		case "request":
			var q Request
			err = DecodeRequest(frame, &q, &limits)
			again = AppendRequest(nil, &q)
		case "response":
			var p Response
			err = DecodeResponse(frame, &p, &limits)
			again = AppendResponse(nil, &p)
		case "document":
			if strings.HasSuffix(e.title, "namespace") {
				var c NamespaceChange
				if err = DecodeDocument(frame, &c); err == nil {
					again, err = EncodeDocument(&c)
				}
				break
			}
			var w Where
			if err = DecodeDocument(frame, &w); err == nil {
				again, err = EncodeDocument(&w)
			}
		case "map":
			var m *ring.Map
			if m, err = DecodeMap(frame); err == nil {
				again = EncodeMap(m)
			}
		default:
			err = errors.New("of no kind that this test knows")
		}
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: %v\n it is  %x\n again %x", e.title, err, b, again)
		}
	}
}

// Every line of an example carries the name of its field, in the order of that field's table, and the value that a
// MessagePack library reads from its bytes.
func TestExamplesOfTheProtocolSayWhatTheirBytesAre(t *testing.T) {
	fields := map[string][]string{"document": nil}
	for kind, heading := range map[string]string{"hello": "Hello", "request": "Request", "response": "Response", "map": "Map"} {
		fields[kind] = column(table(t, heading), 0)
	}
	for _, e := range examples(t) {
		kind, _, _ := strings.Cut(e.title, " ")
		lines := e.lines
		if e.framed() {
			length := lines[0]
			lines = lines[1:]
			if n := len(e.bytes()) - FrameHeader; length.value != strconv.Itoa(n) || !bytes.Equal(length.bytes, []byte{0, 0, byte(n >> 8), byte(n)}) {
				t.Errorf("%s: length %s of %d bytes", e.title, length.value, n)
			}
		}
		for i, l := range lines {
			in := bytes.NewReader(l.bytes)
			dec := msgpack.NewDecoder(in)
			name, value := "array", ""
			switch {
			case i == 0 && kind == "document":
				n, _ := dec.DecodeMapLen()
				name, value = "map", strconv.Itoa(n)
			case i == 0:
				n, _ := dec.DecodeArrayLen()
				value = strconv.Itoa(n)
			case kind == "document":
				name, _ = dec.DecodeString()
				value = render(dec)
			case i <= len(fields[kind]):
				name, value = fields[kind][i-1], render(dec)
			}
			if l.name != name || l.value != value || in.Len() > 0 {
				t.Errorf("%s: %x is %s %s and %d bytes more, not %s %s", e.title, l.bytes, name, value, in.Len(), l.name, l.value)
			}
		}
		// What stands last and says nothing is left out.
		least := map[string]int{"request": requestFields, "response": responseFields}
		if want := len(fields[kind]); kind != "document" && (len(lines) > 1+want || len(lines) < 1+cmp.Or(least[kind], want)) {
			t.Errorf("%s: %d lines of fields, the table has %d", e.title, len(lines)-1, want)
		}
	}
}

// table reads the rows of the first table below a heading, without its head.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	_, below, ok := strings.Cut(readProtocol(t), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("no heading %q", heading)
	}
	for line := range strings.Lines(below) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "|"):
			var cells []string
			for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
			}
			rows = append(rows, cells)
		case len(rows) > 0 || strings.HasPrefix(line, "#"):
			if len(rows) < 3 {
				t.Fatalf("no table below %q", heading)
			}
			return rows[2:]
		}
	}
	t.Fatalf("no table below %q", heading)
	return nil
}

func column(rows [][]string, i int) (cells []string) {
	for _, r := range rows {
		cells = append(cells, r[i])
	}
	return cells
}

// numbered is what a table must list, number by number: everything the code knows, and nothing else.
func numbered(names map[int]string) string {
	var b strings.Builder
	for n := range 256 {
		if name, ok := names[n]; ok {
			fmt.Fprintf(&b, "%d %s\n", n, name)
		}
	}
	return b.String()
}

func TestTablesOfTheProtocolListWhatTheCodeKnows(t *testing.T) {
	ops, levels, outcomes, states := map[int]string{}, map[int]string{}, map[int]string{}, map[int]string{}
	for op, name := range opNames {
		ops[int(op)] = name
	}
	for l, name := range levelNames {
		levels[l] = name
	}
	for o, name := range outcomeNames {
		outcomes[int(o)] = name
	}
	for s := ring.Joining; s <= ring.Removed; s++ {
		states[int(s)] = s.String()
	}
	modes := map[int]string{int(ring.LWW): ring.LWW.String(), int(ring.Siblings): ring.Siblings.String()}
	for heading, names := range map[string]map[int]string{
		"Conditions": constants(t, "request.go", "Condition"), "Operations": ops, "Levels": levels, "Outcomes": outcomes, "States": states, "Modes": modes, "Statuses": constants(t, "request.go", "Status"),
	} {
		got := ""
		for _, r := range table(t, heading) {
			got += r[0] + " " + r[1] + "\n"
		}
		if want := numbered(names); got != want {
			t.Errorf("%s:\n%swant\n%s", heading, got, want)
		}
	}
}

// constants are those of a type, by value, with what their names add to the type's: StatusNotFound is not-found.
func constants(t *testing.T, file, kind string) map[int]string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	upper := regexp.MustCompile(`(.)([A-Z])`)
	found := map[int]string{}
	ast.Inspect(tree, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Type != nil && fmt.Sprint(v.Type) == kind && len(v.Values) == 1 {
			number, err := strconv.Atoi(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := strings.CutPrefix(v.Names[0].Name, kind)
			if name != "OK" {
				name = upper.ReplaceAllString(name, "$1-$2")
			}
			found[number] = strings.ToLower(name)
		}
		return true
	})
	return found
}

// Where a field stands in its array is where the table has it: a value that no other field has is found there.
func TestFieldTablesOfTheProtocolAreInTheOrderOfTheBytes(t *testing.T) {
	check := func(heading string, b []byte, want map[string]any) {
		t.Helper()
		v, err := msgpack.NewDecoder(bytes.NewReader(b)).DecodeInterfaceLoose()
		if err != nil {
			t.Fatal(err)
		}
		got, rows := v.([]any), table(t, heading)
		if len(got) != len(rows) || len(got) != len(want) {
			t.Errorf("%s: %d rows, %d fields, %d known", heading, len(rows), len(got), len(want))
			return
		}
		for i, name := range column(rows, 0) {
			if w, ok := want[name]; !ok || rendered(got[i]) != rendered(w) {
				t.Errorf("%s: field %d is %s, the table says %s, which is %s", heading, i, rendered(got[i]), name, rendered(w))
			}
		}
	}
	check("Hello", AppendHello(nil, &Hello{
		Version: 1, Role: RoleNode, ClusterID: 3, Cluster: "four", Node: 5, Boot: 6, Name: "seven", MapHash: 8, Wall: 9, Error: "ten",
	})[FrameHeader:], map[string]any{
		"version": 1, "role": 2, "cluster_id": 3, "cluster": "four", "node": 5, "boot": 6, "name": "seven", "map_hash": 8, "wall_ms": 9, "error": "ten",
	})
	check("Request", AppendRequest(nil, &Request{
		Op: OpTouch, ID: 2, Level: LevelTwo, R: 5, W: 6, Sloppy: true, Timeout: 7, Key: []byte("8"), Value: []byte("9"), TTL: 10, Keys: [][]byte{[]byte("11")},
		Namespace: "twelve", Context: []byte("13"), Condition: Present, Than: 15, By: 16, Session: 17, Serial: 18, Boot: 19,
	})[FrameHeader:], map[string]any{
		"op": 4, "id": 2, "level": 3, "r": 5, "w": 6, "flags": 1, "timeout_ms": 7, "key": "8", "value": "9", "ttl_ms": 10, "keys": []any{"11"},
		"namespace": "twelve", "context": "13", "condition": 2, "than": 15, "by": 16, "session": 17, "serial": 18, "boot": 19,
	})
	failure := &Error{Op: OpSet, Want: 3, Got: 1, Failed: []Failure{{Node: 4, Reason: OutcomeDown}}, Text: "five"}
	item := Item{Status: StatusNotFound, Stamp: 2, Value: []byte("three"), Deadline: 4, Forgotten: true}
	response := AppendResponse(nil, &Response{
		Status: StatusQuorum, ID: 2, Stamp: 3, Value: []byte("four"), Deadline: 5, Forgotten: true, Hinted: 7, Items: []Item{item}, Err: failure, Context: []byte("ten"),
	})[FrameHeader:]
	items, failed := []any{1, 2, "three", 4, 1}, []any{2, 3, 1, []any{[]any{4, 25}}, "five"}
	check("Response", response, map[string]any{
		"status": 18, "id": 2, "stamp": 3, "value": "four", "deadline_ms": 5, "flags": 1, "hinted": 7, "items": []any{items}, "error": failed, "context": "ten",
	})
	check("Item", appendItem(nil, &item), map[string]any{"status": 1, "stamp": 2, "value": "three", "deadline_ms": 4, "flags": 1})
	check("Error", appendError(nil, failure), map[string]any{"op": 2, "want": 3, "got": 1, "failed": []any{[]any{4, 25}}, "text": "five"})
	node := ring.Node{
		ID: 1, Boot: 2, Name: "three", ClientAddr: "four", PeerAddr: "five", GossipAddr: "six", Datacenter: "seven", Rack: "eight", Weight: 9, State: ring.Active, Version: 11, RespAddr: "twelve",
	}
	space := ring.Namespace{Name: "one", Replicas: 2, Read: 3, Write: 4, Version: 5, Mode: 6, TTL: 7, Epoch: 8, Dropped: true}
	nodes := []any{1, 2, "three", "four", "five", "six", "seven", "eight", 9, 2, 11, "twelve"}
	spaces := []any{"one", 2, 3, 4, 5, 6, 7, 8, 1}
	check("Map", EncodeMap(&ring.Map{ClusterID: 1, Cluster: "two", Partitions: 3, Nodes: []ring.Node{node}, Namespaces: []ring.Namespace{space}}), map[string]any{
		"cluster_id": 1, "cluster": "two", "partitions": 3, "nodes": []any{nodes}, "namespaces": []any{spaces},
	})
	check("Node", appendNode(nil, &node), map[string]any{
		"id": 1, "boot": 2, "name": "three", "client_addr": "four", "peer_addr": "five", "gossip_addr": "six", "datacenter": "seven", "rack": "eight",
		"weight": 9, "state": 2, "version": 11, "resp_addr": "twelve",
	})
	check("Namespace", appendNamespace(nil, &space), map[string]any{"name": "one", "replicas": 2, "read": 3, "write": 4, "version": 5, "mode": 6, "ttl_ms": 7, "epoch": 8, "dropped": 1})
}

func TestDocumentTablesOfTheProtocolListEveryName(t *testing.T) {
	for heading, document := range map[string]any{"Where": Where{}, "Seat": Seat{}, "Stats": NodeStats{}, "HintDebt": HintDebt{}, "NamespaceChange": NamespaceChange{}, "Repair": Repair{}, "RepairState": RepairState{}, "Comparison": Comparison{}, "HandOver": HandOver{}, "HandOverState": HandOverState{}} {
		var want []string
		for i := range reflect.TypeOf(document).NumField() {
			want = append(want, reflect.TypeOf(document).Field(i).Tag.Get("msgpack"))
		}
		if got := column(table(t, heading), 0); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s lists %v, the document has %v", heading, got, want)
		}
	}
}

func TestLimitsOfTheProtocolAreThoseOfTheCode(t *testing.T) {
	l := DefaultLimits()
	want := map[string]int{
		"hello": HelloMax, "frame": l.Frame, "key": l.Key, "value": l.Value, "keys": l.Keys, "error text": textMax, "failed nodes": failuresMax,
		"name": ring.NameMax, "address": ring.AddressMax, "extra fields": extraMax, "nesting of extra fields": skipDepth,
		"values in a document": documentElements, "nesting of a document": documentDepth,
	}
	rows := table(t, "Limits")
	if len(rows) != len(want) {
		t.Errorf("%d limits, want %d", len(rows), len(want))
	}
	for _, r := range rows {
		if n, err := strconv.Atoi(strings.ReplaceAll(r[1], ",", "")); err != nil || n != want[r[0]] {
			t.Errorf("%s: %s, the code has %d", r[0], r[1], want[r[0]])
		}
	}
}

func TestSlotsOfTheProtocolAreThoseOfTheCode(t *testing.T) {
	for _, r := range table(t, "Slots") {
		if got := strconv.Itoa(int(ring.Slot([]byte(r[0])))); got != r[1] {
			t.Errorf("slot of %s is %s, not %s", r[0], got, r[1])
		}
	}
}

// A decoder that shares nothing with this code reads the same values from every example, and writes the same bytes.
func TestAnotherLanguageReadsTheExamplesOfTheProtocol(t *testing.T) {
	python3 := pythonWithMsgpack(t)
	var in bytes.Buffer
	var want []string
	for _, e := range examples(t) {
		b := e.bytes()
		if e.framed() {
			b = b[FrameHeader:]
		}
		fmt.Fprintf(&in, "%x\n", b)
		want = append(want, e.title+": "+render(msgpack.NewDecoder(bytes.NewReader(b))))
	}
	cmd := exec.Command(python3, "testdata/examples.py")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d examples went in and %d came out", len(want), len(got))
	}
	for i, w := range want {
		if title, value, _ := strings.Cut(w, ": "); got[i] != value {
			t.Errorf("%s: it reads\n%s\nwant\n%s", title, got[i], value)
		}
	}
}

// pythonWithMsgpack is the system's own Python if the one that comes first has no msgpack.
func pythonWithMsgpack(t *testing.T) string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import msgpack").Run() == nil {
			return python
		}
	}
	t.Skip("needs a python3 with msgpack, which Debian has as python3-msgpack")
	return ""
}

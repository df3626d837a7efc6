package ring

import (
	"errors"
	"strings"
	"testing"
)

func TestValidateReportsEveryProblemAtOnce(t *testing.T) {
	m := &Map{
		Partitions: 3, Nodes: []Node{{ID: 2, State: 9}, {ID: 2, State: Active, Weight: 1, Name: "a b"}},
		Namespaces: []Namespace{{Name: "b", Replicas: 8}, {Name: "a", Replicas: 1}},
	}
	err := m.Validate()
	if !errors.Is(err, ErrMap) {
		t.Fatalf("%v is not ErrMap", err)
	}
	for _, want := range []string{
		"cluster id is 0", "cluster name is empty", "3 partitions", "state(9)", "weight 0", `"a b"`,
		"listed twice", "8 replicas", `namespace "a" is out of order`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.HasPrefix(line, "ring: invalid map: ") {
			t.Errorf("line %q has no prefix", line)
		}
	}
}

func TestEveryLimitHoldsAndItsLastValuePasses(t *testing.T) {
	long := strings.Repeat("x", AddressMax+1)
	for name, change := range map[string]func(m *Map, over int){
		"nodes":       func(m *Map, over int) { *m = *mapOf(2, 16, NodesMax+over, 1) },
		"partitions":  func(m *Map, over int) { m.Partitions = Slots << over },
		"replicas":    func(m *Map, over int) { m.Namespaces[0].Replicas = uint8(ReplicasMax + over) },
		"weight":      func(m *Map, over int) { m.Nodes[0].Weight = uint32(WeightMax + over) },
		"name":        func(m *Map, over int) { m.Nodes[0].Name = long[:NameMax+over] },
		"address":     func(m *Map, over int) { m.Nodes[0].GossipAddr = long[:AddressMax+over] },
		"datacenters": func(m *Map, over int) { spreadOut(m, DatacentersMax+over) },
		"weights":     func(m *Map, over int) { weighDown(m, WeightSumMax+over) },
		"namespaces":  func(m *Map, over int) { nameSpaces(m, NamespacesMax+over) },
		"removed":     func(m *Map, over int) { bury(m, RemovedMax+over) },
	} {
		good, bad := mapOf(1, 16, 100, 1), mapOf(1, 16, 100, 1)
		change(good, 0)
		change(bad, 1)
		if err := good.Validate(); err != nil {
			t.Errorf("%s at the limit: %v", name, err)
		}
		if err := bad.Validate(); !errors.Is(err, ErrMap) {
			t.Errorf("%s above the limit: %v", name, err)
		}
	}
}

func spreadOut(m *Map, datacenters int) {
	for i := range datacenters {
		m.Nodes[i].Datacenter = strings.Repeat("d", i+1)
	}
	m.Nodes = m.Nodes[:datacenters]
}

func weighDown(m *Map, sum int) {
	for i := range m.Nodes {
		m.Nodes[i].Weight = uint32(sum / len(m.Nodes))
	}
	m.Nodes[0].Weight += uint32(sum % len(m.Nodes))
}

func nameSpaces(m *Map, count int) {
	m.Namespaces = nil
	for i := range count {
		m.Namespaces = append(m.Namespaces, Namespace{Name: string([]byte{'a' + byte(i/676), 'a' + byte(i/26%26), 'a' + byte(i%26)}), Replicas: 1})
	}
}

func bury(m *Map, count int) {
	m.Nodes = nil
	for i := range count {
		m.Nodes = append(m.Nodes, Node{ID: uint64(i + 1), State: Removed, Weight: StandardWeight})
	}
}

func TestANodeRemovedLongAgoDoesNotCountAsADatacenter(t *testing.T) {
	m := mapOf(1, 16, DatacentersMax+1, 1)
	spreadOut(m, DatacentersMax+1)
	m.Nodes[0].State = Removed
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

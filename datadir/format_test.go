package datadir

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// These bytes are on disks. What is read and written here changes only together with a version number.
const (
	goldenNode = `{
  "format": 1,
  "node_id": "0000000000000002",
  "name": "n1",
  "boot": "018bcfe568000001",
  "cluster_id": "0000000000000007",
  "cluster": "shoal",
  "check": "000000003503b862"
}
`
	goldenMap   = "53484f414c4d4150000000019ae878439507a573686f616c10919c0300a26e31a0a0a0a3646331a0640201a090"
	goldenSlot5 = "53484f414c43454900000001000000000000000511330a72"
	goldenSlot9 = "53484f414c4345490000000100000000000000095c70c5a2"
	goldenSlot  = "53484f414c43454900000002000000000000000945dfc98b0000000000000002018bcfe5680000013b8cee68"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ceilingBytes puts two slots into their blocks.
func ceilingBytes(t *testing.T, slots ...string) []byte {
	t.Helper()
	b := make([]byte, 2*blockSize)
	for i, s := range slots {
		copy(b[i*blockSize:], unhex(t, s))
	}
	return b
}

func TestFilesAreWrittenAsTheyAlwaysWere(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	for _, err := range []error{d.SetCluster(7, "shoal"), d.SaveMap(mapTest()), d.SaveCeiling(5), d.SaveCeiling(9)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]byte{
		"node.json": []byte(goldenNode), "map": unhex(t, goldenMap), "ceiling": ceilingBytes(t, goldenSlot, goldenSlot),
	} {
		if got := contents(t, filepath.Join(path, name)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// The slots were once written in turn, and said nothing of whose they are: then it is the last start.
func TestADirectoryWhoseSlotsDifferOpensWithTheGreater(t *testing.T) {
	for _, slots := range [][]string{{goldenSlot5, goldenSlot9}, {goldenSlot9, goldenSlot5}} {
		path := t.TempDir()
		for name, b := range map[string][]byte{"node.json": []byte(goldenNode), "map": unhex(t, goldenMap), "ceiling": ceilingBytes(t, slots...)} {
			if err := os.WriteFile(filepath.Join(path, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d := mustOpen(t, path)
		if s, boot := d.Ceiling(); s != 9 || boot != 0x018bcfe568000001 {
			t.Errorf("the ceiling is %v of boot %x", s, boot)
		}
		if id := d.Identity(); id.NodeID != 2 || id.ClusterID != 7 || id.Boot <= 0x018bcfe568000001 {
			t.Errorf("the node is %+v", id)
		}
		if m, err := d.LoadMap(); err != nil || !reflect.DeepEqual(m, mapTest()) {
			t.Errorf("the map is %+v, %v", m, err)
		}
	}
}

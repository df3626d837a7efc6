package ring

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1") // the same cases each time; make laws draws others
	flag.Parse()
	os.Exit(m.Run())
}

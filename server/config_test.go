package server

import (
	"math"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/storage"
)

// What the cluster map would refuse later is refused before anything is written to the data directory.
func TestWordsThatNoClusterMapTakesAreBadConfig(t *testing.T) {
	long := strings.Repeat("x", 300)
	for what, change := range map[string]func(*Config){
		"name":           func(c *Config) { c.Name = "a\x01b" },
		"cluster-name":   func(c *Config) { c.ClusterName = long },
		"datacenter":     func(c *Config) { c.Datacenter = "\xff" },
		"rack":           func(c *Config) { c.Rack = "a b" },
		"advertise-host": func(c *Config) { c.AdvertiseHost = "a b" },
		"weight":         func(c *Config) { c.Weight = math.NaN() },
	} {
		cfg := testConfig(t, "n1")
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		refused(t, cfg.Validate(), ErrConfig, what+" ", "use ")
	}
}

func TestAPolicyThatIsNoneIsBadConfigAndTheErrorNamesThoseThatAre(t *testing.T) {
	for _, name := range []string{"random", "LRU", "noeviction", " lru"} {
		cfg := testConfig(t, "n1")
		cfg.Policy = name
		refused(t, cfg.Validate(), ErrConfig, "policy ", "use one of adaptive, s3fifo, lru, lfu, none")
	}
	for _, name := range append(storage.PolicyNames(), "") {
		cfg := testConfig(t, "n1")
		if cfg.Policy = name; cfg.Validate() != nil {
			t.Errorf("%q: %v", name, cfg.Validate())
		}
	}
}

func TestAnAddressOfAnotherMachineIsNotCalledInUse(t *testing.T) {
	cfg := Quick(testConfig(t, "n1"))
	cfg.PeerAddr = "192.0.2.1:7401" // TEST-NET-1, RFC 5737: nobody's
	refused(t, startError(t, cfg), ErrRefused, "--peer-addr 192.0.2.1:7401", "of this machine")
}

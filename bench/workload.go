package bench

// Workload is a mix of requests that others know by name.
type Workload struct {
	Name                   string
	ReadShare, ModifyShare float64
	Distribution           string
	ValueBytes             int
}

// Workloads are those of YCSB (Cooper et al., SoCC 2010, table 2) that a store without scans can run: A updates, B mostly
// reads, C only reads, D reads what is new, F reads and then writes. Their records are 1,000 bytes, and every one is
// loaded before.
var Workloads = []Workload{
	{Name: "ycsb-a", ReadShare: 0.5, Distribution: Zipf, ValueBytes: 1000},
	{Name: "ycsb-b", ReadShare: 0.95, Distribution: Zipf, ValueBytes: 1000},
	{Name: "ycsb-c", ReadShare: 1, Distribution: Zipf, ValueBytes: 1000},
	{Name: "ycsb-d", ReadShare: 0.95, Distribution: Latest, ValueBytes: 1000},
	{Name: "ycsb-f", ReadShare: 0.5, ModifyShare: 0.5, Distribution: Zipf, ValueBytes: 1000},
}

// Apply makes w the mix of c. Sizes of values that are set already stay.
func (w Workload) Apply(c *Config) {
	c.ReadShare, c.ModifyShare, c.Kind, c.Load = w.ReadShare, w.ModifyShare, w.Distribution, true
	if len(c.Sizes) == 0 {
		c.Sizes = []Size{{Least: w.ValueBytes, Most: w.ValueBytes, Weight: 1}}
	}
}

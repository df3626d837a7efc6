package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/server/resp"
)

// slotRun is slots that stand one after the other and have the same owners in the same order, by index into the
// view's nodes.
type slotRun struct {
	from, to int
	owners   []uint16
}

// slotMap is how Redis clients see a view: who to ask first for which slots. It is made once for each view.
type slotMap struct {
	view  *replica.View
	runs  []slotRun
	led   [][]int // by node: the slots it comes first for, as from and to in turn
	slots []byte  // the reply to CLUSTER SLOTS, the same in both versions
}

// slotMap returns that of the view of now. Owners that are up come before those that are not, so that the
// node that clients take for the master can be reached; those that Redis clients cannot reach at all are left out. Where
// that leaves none that is up, another node stands first, as any takes any key: every slot has somebody.
func (n *Node) slotMap() *slotMap {
	v := n.view.Load()
	if m := n.respSlots.Load(); m != nil && m.view == v {
		return m
	}
	nodes := v.Table.Nodes()
	m := &slotMap{view: v, led: make([][]int, len(nodes))}
	size := ring.Slots / int(v.Table.Partitions())
	var owners, doors []uint16
	for i := range nodes {
		if nodes[i].RespAddr != "" && v.UpAt(uint16(i)) {
			doors = append(doors, uint16(i))
		}
	}
	for p := range v.Table.Partitions() {
		owners = owners[:0]
		for _, up := range [...]bool{true, false} {
			for _, x := range v.Table.Owners(p) {
				if v.UpAt(x.Node) == up && nodes[x.Node].RespAddr != "" {
					owners = append(owners, x.Node)
				}
			}
		}
		if len(doors) > 0 && (len(owners) == 0 || !v.UpAt(owners[0])) {
			owners = slices.Insert(owners, 0, doors[int(p)*len(doors)/int(v.Table.Partitions())])
		}
		from := int(p) * size
		if last := len(m.runs) - 1; last >= 0 && slices.Equal(m.runs[last].owners, owners) {
			m.runs[last].to = from + size - 1
			continue
		}
		m.runs = append(m.runs, slotRun{from, from + size - 1, slices.Clone(owners)})
	}
	m.runs = slices.DeleteFunc(m.runs, func(r slotRun) bool { return len(r.owners) == 0 })
	m.slots = resp.AppendArray(nil, len(m.runs))
	for _, r := range m.runs {
		led := &m.led[r.owners[0]]
		if last := len(*led) - 1; last > 0 && (*led)[last]+1 == r.from {
			(*led)[last] = r.to
		} else {
			*led = append(*led, r.from, r.to)
		}
		m.slots = resp.AppendArray(m.slots, 2+len(r.owners))
		m.slots = resp.AppendInt(resp.AppendInt(m.slots, int64(r.from)), int64(r.to))
		for _, o := range r.owners {
			x := &nodes[o]
			host, _ := split(x.RespAddr)
			m.slots = resp.AppendBulk(resp.AppendArray(m.slots, 3), host)
			m.slots = resp.AppendBulk(resp.AppendInt(m.slots, respPort(x)), redisID(x.ID))
		}
	}
	n.respSlots.Store(m)
	return m
}

// redisID is a node's id in the length that Redis' have.
func redisID(id uint64) string { return fmt.Sprintf("%040x", id) }

// tellCluster answers the subcommands of CLUSTER. Nobody is ever sent elsewhere, whatever they make of it: any
// node takes any key.
func (n *Node) tellCluster(v resp.Version, id resp.ID, args [][]byte) []byte {
	switch id {
	case resp.ClusterSlots:
		return n.slotMap().slots
	case resp.ClusterShards:
		return n.slotMap().shards(v)
	case resp.ClusterNodes:
		return resp.AppendText(nil, v, n.slotMap().lines())
	case resp.ClusterInfo:
		return resp.AppendText(nil, v, n.slotMap().info())
	case resp.ClusterKeySlot:
		return resp.AppendInt(nil, int64(ring.Slot(args[2])))
	case resp.ClusterMyID:
		return resp.AppendBulk(nil, redisID(n.self.Node))
	}
	return resp.AppendError(nil, "ERR a command of the table that nobody carries out")
}

// lines is CLUSTER NODES: the nodes, each as the master of the slots it comes first for.
func (m *slotMap) lines() string {
	var b strings.Builder
	for i, x := range m.view.Table.Nodes() {
		if x.RespAddr == "" {
			continue
		}
		flags, state := "master", "connected"
		switch {
		case x.ID == m.view.Self:
			flags = "myself,master"
		case !m.view.UpAt(uint16(i)):
			flags, state = "master,fail", "disconnected"
		}
		host, port := split(x.RespAddr)
		_, peer := split(x.PeerAddr)
		fmt.Fprintf(&b, "%s %s:%s@%s %s - 0 0 %d %s", redisID(x.ID), host, port, peer, flags, x.Version, state)
		ends := m.led[i]
		for j := 0; j < len(ends); j += 2 {
			if fmt.Fprintf(&b, " %d", ends[j]); ends[j] != ends[j+1] {
				fmt.Fprintf(&b, "-%d", ends[j+1])
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// shards is CLUSTER SHARDS: every node a shard of its own, as each has other neighbours in every slot.
func (m *slotMap) shards(v resp.Version) []byte {
	var nodes []uint16
	for i, x := range m.view.Table.Nodes() {
		if x.RespAddr != "" {
			nodes = append(nodes, uint16(i))
		}
	}
	b := resp.AppendArray(nil, len(nodes))
	for _, i := range nodes {
		x := &m.view.Table.Nodes()[i]
		host, _ := split(x.RespAddr)
		ends := m.led[i]
		b = resp.AppendArray(resp.AppendBulk(resp.AppendMap(b, v, 2), "slots"), len(ends))
		for _, slot := range ends {
			b = resp.AppendInt(b, int64(slot))
		}
		b = resp.AppendMap(resp.AppendArray(resp.AppendBulk(b, "nodes"), 1), v, 7)
		health := "online"
		if !m.view.UpAt(i) {
			health = "failed"
		}
		for _, f := range [...][2]string{{"id", redisID(x.ID)}, {"ip", host}, {"endpoint", host}, {"role", "master"}, {"health", health}} {
			b = resp.AppendBulk(resp.AppendBulk(b, f[0]), f[1])
		}
		b = resp.AppendInt(resp.AppendBulk(b, "port"), respPort(x))
		b = resp.AppendInt(resp.AppendBulk(b, "replication-offset"), 0)
	}
	return b
}

func (m *slotMap) info() string {
	masters, reached := map[uint16]bool{}, 0
	for _, r := range m.runs {
		masters[r.owners[0]] = true
		if m.view.UpAt(r.owners[0]) {
			reached += r.to - r.from + 1
		}
	}
	state := "ok"
	if reached < ring.Slots {
		state = "fail"
	}
	return fmt.Sprintf("cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:%d\r\n"+
		"cluster_known_nodes:%d\r\ncluster_size:%d\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n",
		state, ring.Slots, reached, ring.Slots-reached, len(m.view.Table.Nodes()), len(masters))
}

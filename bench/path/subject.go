package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shoalcache/shoal/internal/ports"
	"github.com/shoalcache/shoal/wire"
)

// The subjects, by the names in the table.
const (
	redis = "redis"
	one   = "one node"
	three = "three nodes"
)

var subjects = []string{redis, one, three}

// The doors of Shoal.
const (
	doorNative = "native"
	doorResp   = "resp"
)

// nodes is how many three nodes are.
const nodes = 3

const (
	startMax = 60 * time.Second // for a subject to serve
	poll     = 20 * time.Millisecond
	settle   = 400 * time.Millisecond // into a load, when its goroutines are counted
)

// subject is one store under test: its processes, and what loads it.
type subject struct {
	shoal  string // the program; "" for Redis
	door   string
	dir    string
	addr   string   // the node that takes all requests
	admins []string // of all nodes
	pids   []int
	logs   []string // files
	procs  sync.WaitGroup
	exited chan error // by each process that ended
	cancel context.CancelFunc
}

// measurement is one load.
type measurement struct {
	perSecond  float64
	p99        time.Duration
	cpu        time.Duration // a request, over all server processes; 0 where the system does not tell
	mallocs    float64       // a request, likewise
	goroutines int           // of the node that takes the requests, under load; 0: the load was too short to look
}

// begin starts a subject and returns when it serves.
func begin(ctx context.Context, o *options, name string) (*subject, error) {
	dir, err := os.MkdirTemp("", "path-*")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &subject{dir: dir, door: o.door, cancel: cancel, exited: make(chan error, nodes)}
	switch name {
	case redis:
		err = s.startRedis(ctx)
	case one:
		err = s.startNodes(ctx, o.shoal, 1)
	default:
		err = s.startNodes(ctx, o.shoal, nodes)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// end stops the processes and removes what they left.
func (s *subject) end() {
	s.cancel()
	s.procs.Wait()
	_ = os.RemoveAll(s.dir)
}

// start runs a program until the subject ends. It is killed then: nothing that it would save is needed.
func (s *subject) start(ctx context.Context, program string, args ...string) error {
	log, err := os.CreateTemp(s.dir, "log-*")
	if err != nil {
		return err
	}
	defer log.Close()
	p := exec.CommandContext(ctx, program, args...)
	p.Dir, p.Stdout, p.Stderr = s.dir, log, log
	if err := p.Start(); err != nil {
		return err
	}
	s.pids = append(s.pids, p.Process.Pid)
	s.logs = append(s.logs, log.Name())
	s.procs.Go(func() { s.exited <- fmt.Errorf("%s ended: %w", program, p.Wait()) })
	return nil
}

// await polls until ready says so. A start that fails or takes too long is told with what the logs end with.
func (s *subject) await(ctx context.Context, ready func(context.Context) bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for err == nil && !ready(ctx) {
		select {
		case <-tick.C:
		case err = <-s.exited:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		return nil
	}
	var said strings.Builder
	for _, name := range s.logs {
		b, _ := os.ReadFile(name)
		said.Write(b[max(0, len(b)-2048):])
	}
	return fmt.Errorf("it does not serve: %w; its log ends with:\n%s", err, said.String())
}

func (s *subject) startRedis(ctx context.Context) error {
	addrs, err := ports.Free(1)
	if err != nil {
		return err
	}
	s.addr = addrs[0]
	_, port, _ := net.SplitHostPort(s.addr)
	if err := s.start(ctx, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"); err != nil {
		return err
	}
	return s.await(ctx, func(ctx context.Context) bool {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// startNodes starts a cluster with as many replicas as nodes, at the default level, quorum.
func (s *subject) startNodes(ctx context.Context, shoal string, n int) (err error) {
	if s.shoal, err = filepath.Abs(shoal); err != nil {
		return err
	}
	const each = 5
	addrs, err := ports.Free(each * n)
	if err != nil {
		return err
	}
	if s.addr = addrs[0]; s.door == doorResp {
		s.addr = addrs[4]
	}
	for i := range n {
		at := addrs[each*i:]
		s.admins = append(s.admins, at[3])
		args := []string{
			"server", "--name", fmt.Sprint("n", i+1), "--client-addr", at[0], "--resp-addr", at[4], "--peer-addr", at[1], "--gossip-addr", at[2],
			"--admin-addr", at[3], "--data-dir", filepath.Join(s.dir, fmt.Sprint("n", i+1)), "--replicas", strconv.Itoa(n), "--log-level", "warn",
		}
		if i > 0 {
			args = append(args, "--join", addrs[2])
		}
		if err := s.start(ctx, s.shoal, args...); err != nil {
			return err
		}
	}
	return s.await(ctx, s.whole)
}

// whole reports whether all nodes know of all and none has anything to recover.
func (s *subject) whole(ctx context.Context) bool {
	for _, admin := range s.admins {
		if st, err := stats(ctx, admin); err != nil || st.Nodes != len(s.admins) || st.State != "active" {
			return false
		}
	}
	return true
}

func stats(ctx context.Context, admin string) (st wire.NodeStats, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/stats", http.NoBody)
	if err != nil {
		return st, err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return st, err
	}
	defer r.Body.Close()
	return st, json.NewDecoder(r.Body).Decode(&st)
}

// load drives one cell.
func (s *subject) load(ctx context.Context, op string, depth, requests int) (m measurement, err error) {
	drive := s.loadNodes
	if s.shoal == "" || s.door == doorResp {
		drive = s.loadRedis
	}
	mallocs, err := s.mallocs(ctx)
	if err != nil {
		return m, err
	}
	cpu := s.cpu()
	counted := make(chan int, 1)
	look := time.AfterFunc(settle, func() { counted <- s.goroutines(ctx) })
	m, err = drive(ctx, op, depth, requests)
	if !look.Stop() {
		m.goroutines = <-counted
	}
	if err != nil {
		return m, err
	}
	m.cpu = (s.cpu() - cpu) / time.Duration(requests)
	after, err := s.mallocs(ctx)
	m.mallocs = float64(after-mallocs) / float64(requests)
	return m, err
}

// goroutines is how many the node has that takes the requests.
func (s *subject) goroutines(ctx context.Context) int {
	if s.shoal == "" {
		return 0
	}
	st, _ := stats(ctx, s.admins[0]) // on a failure, which the load will notice too, none
	return st.Goroutines
}

// cpu is the processor time that the server processes have taken, on Linux.
func (s *subject) cpu() (sum time.Duration) {
	const tick = 10 * time.Millisecond // of these figures, whatever the kernel's own
	for _, pid := range s.pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, _ := strings.Cut(string(b), ") ") // the name in brackets may hold anything
		fields := strings.Fields(after)
		if len(fields) < 13 {
			return 0
		}
		for _, text := range fields[11:13] { // in user mode, in the kernel
			n, _ := strconv.Atoi(text)
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// mallocs is what all nodes have allocated until now.
func (s *subject) mallocs(ctx context.Context) (n uint64, err error) {
	for _, admin := range s.admins {
		st, err := stats(ctx, admin)
		if err != nil {
			return 0, err
		}
		n += st.Mallocs
	}
	return n, nil
}

func (s *subject) loadNodes(ctx context.Context, op string, depth, requests int) (m measurement, err error) {
	b, err := output(ctx, s.shoal, "bench", "--server", s.addr, "--op", op, "--conns", strconv.Itoa(conns), "--depth", strconv.Itoa(depth),
		"--requests", strconv.Itoa(requests), "--keys", strconv.Itoa(keys), "--value-size", strconv.Itoa(valueBytes), "--output", "json")
	if err != nil {
		return m, err
	}
	return parseShoal(b)
}

func (s *subject) loadRedis(ctx context.Context, op string, depth, requests int) (m measurement, err error) {
	_, port, _ := net.SplitHostPort(s.addr)
	b, err := output(ctx, "redis-benchmark", "-p", port, "-t", op, "-c", strconv.Itoa(conns), "-P", strconv.Itoa(depth),
		"-n", strconv.Itoa(requests), "-r", strconv.Itoa(keys), "-d", strconv.Itoa(valueBytes), "-q", "--csv")
	if err != nil {
		return m, err
	}
	return parseRedis(b)
}

// output runs a generator to its end and returns what it printed.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	b, err := exec.CommandContext(ctx, program, args...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, failed.Stderr)
	}
	return b, err
}

// parseShoal reads a report of shoal bench. Failed requests are fast: a figure that holds some is no figure.
func parseShoal(b []byte) (m measurement, err error) {
	var r struct {
		PerSecond float64           `json:"requests_per_second"`
		P99Micros int64             `json:"p99_us"`
		Reads     uint64            `json:"reads"`
		Misses    uint64            `json:"misses"`
		Errors    map[string]uint64 `json:"errors"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return m, fmt.Errorf("shoal bench printed %q: %w", b, err)
	}
	switch {
	case len(r.Errors) > 0:
		return m, fmt.Errorf("requests failed: %v", r.Errors)
	case r.Misses*10 > r.Reads:
		return m, fmt.Errorf("%d of %d reads found nothing", r.Misses, r.Reads)
	}
	return measurement{perSecond: r.PerSecond, p99: time.Duration(r.P99Micros) * time.Microsecond}, nil
}

// parseRedis reads what redis-benchmark --csv prints: a line of names, and one of figures.
func parseRedis(b []byte) (m measurement, err error) {
	rows, err := csv.NewReader(strings.NewReader(string(b))).ReadAll()
	if err != nil || len(rows) != 2 {
		return m, fmt.Errorf("redis-benchmark printed %q, not two lines of CSV: %w", b, err)
	}
	figures := map[string]float64{}
	for i, name := range rows[0] {
		figures[name], _ = strconv.ParseFloat(rows[1][i], 64) // the first is the test's name
	}
	m.perSecond = figures["rps"]
	m.p99 = time.Duration(figures["p99_latency_ms"] * float64(time.Millisecond))
	if m.perSecond <= 0 {
		return m, fmt.Errorf("redis-benchmark printed no rps: %q", b)
	}
	return m, nil
}

package replica

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/vclock"
)

// plant is a node whose requests take longer the more is done in the background, and one piece of work that never ends.
type plant struct {
	pacer   *Pacer
	shards  []*Shard
	now     time.Duration
	all     Latency
	answers int                                  // requests in each tick
	latency func(background int64) time.Duration // of 1 request in 50, by bytes per second; a fifth of that of the others
	idle    []bool                               // shards that have nothing to do
	piece   int                                  // bytes that work comes in
	done    int64                                // bytes
	lately  float64                              // in a tick
	counts  int                                  // since a request was slow
}

const plantTick = 5 * time.Millisecond

func newPlant(cfg Background, shards int) *plant {
	p := &plant{pacer: newPacer(cfg, shards), idle: make([]bool, shards), piece: 4 << 10, latency: func(int64) time.Duration { return time.Millisecond }}
	for i := range shards {
		s := &Shard{number: i}
		s.purse.init()
		p.shards = append(p.shards, s)
	}
	return p
}

// tick returns what was done in it.
func (p *plant) tick() (bytes int64) {
	p.now += plantTick
	p.pacer.Tick(vclock.Now{Mono: p.now}, func() Latency { return p.all })
	for i, s := range p.shards {
		p.pacer.Deal(s)
		for !p.idle[i] && s.purse.may(workRefill) {
			s.purse.pay(workRefill, p.piece)
			bytes += int64(p.piece)
		}
	}
	p.lately += (float64(bytes) - p.lately) / 8 // what is done in a tick is felt for 40 ms
	took := p.latency(int64(p.lately * float64(time.Second/plantTick)))
	slow := (p.counts + p.answers) / 50
	p.counts = (p.counts + p.answers) % 50
	p.all[LatencyBucket(took)] += uint32(slow)
	p.all[LatencyBucket(took/5)] += uint32(p.answers - slow)
	p.done += bytes
	return bytes
}

// run returns the bytes per second of so long.
func (p *plant) run(d time.Duration) int64 {
	before := p.done
	for end := p.now + d; p.now < end; {
		p.tick()
	}
	return (p.done - before) * int64(time.Second) / int64(d)
}

func (p *plant) rest(idle bool) {
	for i := range p.idle {
		p.idle[i] = idle
	}
}

// bending is the latency of a node that does so much in the background before it is felt, and twice as long at twice that.
func bending(usual time.Duration, knee int64) func(int64) time.Duration {
	return func(rate int64) time.Duration {
		if rate <= knee {
			return usual
		}
		return time.Duration(float64(usual) * float64(rate) / float64(knee))
	}
}

func TestWithoutRequestsANodeWorksAtFullRate(t *testing.T) {
	p := newPlant(DefaultBackground(), 16)
	if got := p.run(10 * time.Second); got < 60<<20 || got > 70<<20 {
		t.Errorf("%d bytes per second", got)
	}
}

// What a shard has no use for is done by the others.
func TestAShardThatWorksAloneMayDoWhatAllMay(t *testing.T) {
	for _, shards := range []int{1, 2, 16, 32} {
		p := newPlant(DefaultBackground(), shards)
		p.rest(true)
		p.idle[shards/2] = false
		if got := p.run(10 * time.Second); got < 60<<20 {
			t.Errorf("of %d shards: %d bytes per second", shards, got)
		}
	}
}

func TestShardsThatAllWorkDoAlikeMuch(t *testing.T) {
	p := newPlant(DefaultBackground(), 8)
	p.run(10 * time.Second)
	for i, s := range p.shards {
		if share := float64(s.purse.bytes[workRefill]) / float64(p.done); share < 0.11 || share > 0.14 {
			t.Errorf("shard %d did %.3f of it", i, share)
		}
	}
}

// I14: once nobody waits for answers any more, the rate is back.
func TestTheRateIsBackWithinTenSecondsAfterLoadEnds(t *testing.T) {
	p := newPlant(DefaultBackground(), 16)
	p.answers, p.latency = 50, bending(2*time.Millisecond, 1<<20)
	p.rest(true)
	p.run(5 * time.Second)
	p.rest(false)
	if got := p.run(20 * time.Second); got > 8<<20 {
		t.Fatalf("%d bytes per second are felt, and done", got)
	}
	p.answers = 0
	p.run(10 * time.Second)
	if p.pacer.pace.Rate != p.pacer.cfg.Max {
		t.Errorf("%+v", p.pacer.pace)
	}
}

// And so it is once requests are many still, but do not feel the work any more.
func TestTheRateIsBackWithinTenSecondsAfterItIsFeltNoMore(t *testing.T) {
	p := newPlant(DefaultBackground(), 16)
	p.answers, p.latency = 50, bending(2*time.Millisecond, 1<<20)
	p.rest(true)
	p.run(5 * time.Second)
	p.rest(false)
	p.run(20 * time.Second)
	p.latency = bending(2*time.Millisecond, 1<<30)
	p.run(10 * time.Second)
	if p.pacer.pace.Rate != p.pacer.cfg.Max {
		t.Errorf("%+v", p.pacer.pace)
	}
}

// A machine that others use, too, has stalls of all sizes, and most windows have one in their 99th percentile. They are met at rest as at
// work, and are no reason to work less.
func TestWhatComesFromElsewhereDoesNotSlowTheWork(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := newPlant(DefaultBackground(), 16)
		p.answers = 7 // in a tick: 1,400 a second
		p.latency = func(int64) time.Duration {
			return time.Duration(float64(time.Millisecond) * math.Exp(1.2*rng.NormFloat64()))
		}
		stalled := time.Duration(0)
		quiet := p.latency
		p.latency = func(rate int64) time.Duration {
			if rng.IntN(60) == 0 {
				stalled = p.now + time.Duration(rng.IntN(50))*time.Millisecond
			}
			return quiet(rate) + max(stalled-p.now, 0)
		}
		p.rest(true)
		p.run(10 * time.Second)
		p.rest(false)
		p.run(20 * time.Second)
		if got, start := p.run(60*time.Second), p.pacer.cfg.Max/paceStart; got < start {
			t.Errorf("seed %d: %d bytes per second, and work begins with %d; %+v", seed, got, start, p.pacer.pace)
		}
	}
}

// Work that hurts only while it is done is told from what is slow anyway: the rate shrinks though most of the latency is others'.
func TestWhatIsFeltIsFoundBesideWhatComesFromElsewhere(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		p := newPlant(DefaultBackground(), 16)
		p.answers = 7
		bends := bending(2*time.Millisecond, 4<<20)
		p.latency = func(rate int64) time.Duration {
			return time.Duration(float64(bends(rate)) * math.Exp(0.6*rng.NormFloat64()))
		}
		p.rest(true)
		p.run(10 * time.Second)
		p.rest(false)
		p.run(20 * time.Second)
		if got := p.run(60 * time.Second); got > 8<<20 || got < 2<<20 {
			t.Errorf("seed %d: %d bytes per second, felt from 4 MiB", seed, got)
		}
	}
}

// Shards that all have work take turns: together they never do much more at once than a tick is worth.
func TestShardsDoNotAllWorkAtOnce(t *testing.T) {
	p := newPlant(DefaultBackground(), 16)
	p.piece = 32 << 10
	p.answers, p.latency = 50, bending(2*time.Millisecond, 8<<20)
	p.rest(true)
	p.run(5 * time.Second)
	p.rest(false)
	p.run(5 * time.Second)
	for range 2000 {
		if got, most := p.tick(), 3*(int64(p.piece)+p.pacer.pace.Rate/int64(time.Second/plantTick)); got > most {
			t.Fatalf("%d bytes in one tick at %d a second", got, p.pacer.pace.Rate)
		}
	}
}

// The operator's one number bounds both ends.
func TestTheLeastIsAPartOfTheMost(t *testing.T) {
	for most, least := range map[int64]int64{64 << 20: 2 << 20, 1 << 30: 32 << 20, 4 << 20: 256 << 10, 256 << 10: 256 << 10, 1000: 1000, backgroundMost: backgroundMost / 32} {
		b := BackgroundOf(most)
		if b.Max != most || b.Least != least || b.Validate() != nil {
			t.Errorf("%d: %+v, %v", most, b, b.Validate())
		}
	}
}

// Requests that are slower for a reason of their own do not stop what is done in the background for good.
func TestWhatIsSlowAnywayIsUsualAfterAWhile(t *testing.T) {
	p := newPlant(DefaultBackground(), 16)
	p.answers, p.latency = 50, bending(2*time.Millisecond, 1<<30)
	p.rest(true)
	p.run(5 * time.Second)
	p.rest(false)
	p.run(20 * time.Second)
	p.latency = bending(20*time.Millisecond, 1<<30)
	p.run(30 * time.Second)
	if p.pacer.pace.Rate != p.pacer.cfg.Max {
		t.Errorf("%+v", p.pacer.pace)
	}
}

func TestWhatNobodyNoticesIsNoReasonToWait(t *testing.T) {
	p := newPlant(DefaultBackground(), 16)
	p.answers = 50
	p.latency = func(rate int64) time.Duration { // four times as long, and still well under a millisecond
		if rate > 1<<20 {
			return 800 * time.Microsecond
		}
		return 200 * time.Microsecond
	}
	p.run(30 * time.Second)
	if p.pacer.pace.Rate != p.pacer.cfg.Max || p.pacer.pace.Cuts != 0 {
		t.Errorf("%+v", p.pacer.pace)
	}
}

// Under a load that feels it from some rate on, a node comes to about that rate, wherever it lies, and keeps latencies near the usual.
func TestTheRateComesToWhatIsNotFelt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		knee := int64(rapid.IntRange(2<<20, 48<<20).Draw(t, "knee"))
		usual := time.Duration(rapid.IntRange(1500, 50_000).Draw(t, "usual")) * time.Microsecond
		p := newPlant(DefaultBackground(), rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "shards"))
		p.answers, p.latency = rapid.IntRange(10, 200).Draw(t, "answers"), bending(usual, knee)
		p.rest(true)
		p.run(5 * time.Second)
		p.rest(false)
		p.run(20 * time.Second)
		rates, slow := int64(0), 0
		const windows = 240
		for range windows {
			got := p.run(250 * time.Millisecond)
			rates += got
			if p.latency(got) > usual*3/2 {
				slow++
			}
		}
		if mean := rates / windows; mean < knee/3 || mean > knee*3/2 {
			t.Errorf("%d bytes per second, felt from %d", mean, knee)
		}
		if slow > windows/4 {
			t.Errorf("%d of %d windows were slow", slow, windows)
		}
	})
}

// Whatever latencies a node is told of: the rate stays within its bounds, what is done stays within the rate and a burst, and
// never ends.
func TestTheRateStaysWithinItsBoundsWhateverIsFelt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Background{Least: int64(rapid.IntRange(1<<10, 1<<20).Draw(t, "least"))}
		cfg.Max = cfg.Least * int64(rapid.IntRange(1, 300).Draw(t, "max"))
		p := newPlant(cfg, rapid.SampledFrom([]int{1, 2, 8, 64}).Draw(t, "shards"))
		p.piece = rapid.IntRange(1, 64<<10).Draw(t, "piece")
		for range rapid.IntRange(1, 20).Draw(t, "phases") {
			took := time.Duration(rapid.IntRange(1, 1_000_000).Draw(t, "took")) * time.Microsecond
			p.latency = func(int64) time.Duration { return took }
			p.answers = rapid.SampledFrom([]int{0, 1, 10, 1000}).Draw(t, "answers")
			p.rest(rapid.Bool().Draw(t, "idle"))
			for range rapid.IntRange(1, 400).Draw(t, "ticks") {
				p.tick()
				if r := p.pacer.pace.Rate; r < cfg.Least || r > cfg.Max {
					t.Fatalf("rate %d of %d to %d", r, cfg.Least, cfg.Max)
				}
			}
		}
		p.rest(false)
		p.answers, p.latency = 1000, func(int64) time.Duration { return time.Second }
		p.run(10 * time.Second)                        // down to the floor, with what was dealt before
		over := int64(p.piece*len(p.shards)) / 10 * 11 // what a piece is more than was allowed counts for a second at most: 11 begin in ten
		if got := p.run(10 * time.Second); got < cfg.Least/2 || got > cfg.Max+cfg.Max/10+over {
			t.Errorf("%d bytes per second, of %+v", got, cfg)
		}
	})
}

func TestHintsGoFirstAndLeaveAQuarterToWhatWaits(t *testing.T) {
	var b purse
	b.fill(1000, Pace{})
	b.pay(workHint, 800)
	if !b.may(workHint) || !b.may(workRefill) {
		t.Error("200 are left")
	}
	b.pay(workHint, 300)
	if b.may(workRefill) || b.may(workHint) {
		t.Error("nothing is left")
	}
	b.fill(1000, Pace{}) // while a refill waits
	b.pay(workHint, 749)
	if !b.may(workHint) {
		t.Error("more than a quarter is left")
	}
	b.pay(workHint, 1)
	if b.may(workHint) || !b.may(workRefill) {
		t.Error("a quarter is the refill's")
	}
}

func TestBackgroundReturnsEveryProblemAtOnce(t *testing.T) {
	if err := DefaultBackground().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := Background{Max: -1}.Validate()
	if !errors.Is(err, ErrConfig) || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v: want two problems", err)
	}
}

// TestTheFastestPaceThatMayBeSetIsOne: bytes a second times nanoseconds is more than 64 bits hold.
func TestTheFastestPaceThatMayBeSetIsOne(t *testing.T) {
	for _, cfg := range []Background{{Max: backgroundMost, Least: 256 << 10}, {Max: backgroundMost, Least: backgroundMost}} {
		for _, tick := range []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, time.Second, time.Minute} {
			p := newPacer(cfg, 1)
			s := &Shard{}
			s.purse.init()
			for i := range 4 {
				var busy Latency
				busy[LatencyBucket(time.Millisecond)] = uint32(i+1) * 1000
				p.Tick(vclock.Now{Mono: time.Duration(i+1) * tick}, func() Latency { return busy })
				if p.Deal(s); !s.purse.may(workRefill) {
					t.Errorf("%+v, each %v: nothing may be done", cfg, tick)
				}
				s.purse.left = 0 // all was done, and took no time
			}
		}
	}
}

// Requests that end just as the node rests leave windows of work unjudged: those that come later are felt all the same.
func TestARateIsJudgedAfterRequestsHaveEndedDuringRest(t *testing.T) {
	p := newPlant(DefaultBackground(), 4)
	p.answers, p.latency = 10, bending(2*time.Millisecond, 8<<20)
	for p.pacer.phase != resting {
		p.tick()
	}
	p.answers = 0
	p.run(3 * time.Second)
	p.answers = 10
	if p.run(30 * time.Second); p.pacer.pace.Rate > 32<<20 {
		t.Errorf("%d bytes per second, though that is felt: %+v", p.pacer.pace.Rate, p.pacer.pace)
	}
}

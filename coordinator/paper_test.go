package coordinator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// One test per claim of "Dynamo: Amazon's Highly Available Key-value Store" (DeCandia et al., 2007) about
// get and put, in the order of its sections.

// says plays steps and returns all that the last one printed.
func (s *stage) says(steps ...string) string {
	s.t.Helper()
	var out []string
	for _, step := range steps {
		out = s.play(step)
	}
	return strings.Join(out, "\n")
}

func (s *stage) wants(part string, steps ...string) {
	s.t.Helper()
	if got := s.says(steps...); !strings.Contains(got, part) {
		s.t.Fatalf("after %q:\n%s\nwant %s", steps[len(steps)-1], got, part)
	}
}

// owners is "peers n1 … nN".
func owners(n int) string {
	line := "peers"
	for i := range n {
		line += fmt.Sprint(" n", i+1)
	}
	return line
}

// §4.5: "Any storage node in Dynamo is eligible to receive client get and put operations for any key."
func TestDynamo45AnyNodeTakesRequestsForAnyKey(t *testing.T) {
	s := newStage(t)
	s.wants(`answer ok "v"`, "self n9", "get k of=1", "reply n1 is=n8@900.0 value=v")
	s = newStage(t)
	s.wants("answer ok", "self n9", "forward k", "reply n1 status=0")
}

// §4.5: "Read and write operations involve the first N healthy nodes in the preference list, skipping over
// those that are down or inaccessible."
func TestDynamo45ReadsSkipNodesThatAreDown(t *testing.T) {
	s := newStage(t)
	got := s.says("peers n1/down n2 n3/down n4 n5", "get k of=2")
	if !strings.HasPrefix(got, "send n2 fetch #1\nsend n4 fetch #1\nread") {
		t.Fatal(got)
	}
}

// §4.5: "R (W) is the minimum number of nodes that must participate in a successful read (write)"; "the latency
// of a get (or put) operation is dictated by the slowest of the R (or W) replicas."
func TestDynamo45AnswersComeWithTheRthOrWthReplyNeitherEarlierNorLater(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for k := 1; k <= n; k++ {
			for verb, reply := range map[string]string{"put k v": "ok", "get k": "is=n8@900.0 value=v"} {
				s := newStage(t)
				s.says(owners(n), fmt.Sprintf("%s of=%d", verb, k))
				for i := 1; i <= k; i++ {
					s.says(fmt.Sprintf("reply n%d %s", i, reply))
					if (len(s.answers) == 1) != (i == k) {
						t.Fatalf("%s, %d of %d: %d answers after %d replies", verb, k, n, len(s.answers), i)
					}
				}
				if s.answers[0].Status != wire.StatusOK {
					t.Fatalf("%+v", s.answers[0])
				}
			}
		}
	}
}

// §4.5: "Setting R and W such that R + W > N yields a quorum-like system": whichever W owners have the newest
// version, a read of whichever R answers it.
func TestDynamo45AReadOfRMeetsAWriteOfWWhereTheySumToMoreThanN(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for w := 1; w <= n; w++ {
			r := n + 1 - w
			for has := range 1 << n {
				for failed := range 1 << n {
					if ones(has) != w || ones(failed) > n-r {
						continue
					}
					s := newStage(t)
					s.says(owners(n), fmt.Sprintf("get k of=%d", r))
					for i := range n {
						if node := fmt.Sprint("n", i+1); s.sent[node].ID == 0 {
							continue // not asked
						} else if failed>>i&1 == 1 {
							s.says("reply " + node + " not-ready")
						} else if has>>i&1 == 1 {
							s.says("reply " + node + " is=n8@901.0 value=new")
						} else {
							s.says("reply " + node + " is=n8@900.0 value=old")
						}
					}
					if len(s.answers) != 1 || s.answers[0].Stamp != uint64(vclock.StampAt(901)) {
						t.Fatalf("N=%d R=%d, %b has it, %b failed: %+v", n, r, has, failed, s.answers)
					}
				}
			}
		}
	}
}

func ones(x int) (n int) {
	for ; x > 0; x >>= 1 {
		n += x & 1
	}
	return n
}

// §4.5: "Upon receiving a put() request for a key, the coordinator generates the vector clock for the new
// version", then "sends the new version (along with the new vector clock) to the N highest-ranked reachable nodes."
func TestDynamo45ThePutsCoordinatorMakesTheVersion(t *testing.T) {
	s := newStage(t)
	got := s.says("peers n1 n2/down n3", "put k v of=2 known=n3@950.7")
	for _, want := range []string{"send n1 store #1 n1@1000.0", "send n3 store #1 n1@1000.0", "saw n3@950.7"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "send n2") {
		t.Errorf("a node that is down is asked:\n%s", got)
	}
}

// §4.5: "The divergent versions are then reconciled and the reconciled version superseding the current versions
// is written back." In lww it is the coordinator that reconciles: the greater stamp, with what all had seen.
func TestDynamo45DivergentVersionsAreReconciledAndWrittenBack(t *testing.T) {
	s := newStage(t)
	s.says("get k of=2", "reply n1 is=n8@900.0 value=a saw=n3@700.0")
	s.wants(`send n1 store repair n9@901.0 "b" saw n3@700.0 saw n4@800.0 saw n8@900.0`, "reply n2 is=n9@901.0 value=b saw=n4@800.0")
}

// §4.6: "all read and write operations are performed on the first N healthy nodes from the preference list, which
// may not always be the first N nodes encountered while walking the consistent hashing ring." Here where asked for.
func TestDynamo46SloppyWritesGoToTheFirstHealthyNodes(t *testing.T) {
	s := newStage(t)
	got := s.says("peers n1 n2/down n3 f1/down f2", "put k v of=3 sloppy")
	for _, want := range []string{"send n1 store", "send n3 store", "send f2 owe for n2"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// §4.6: "The replica sent to D will have a hint in its metadata that suggests which node was the intended recipient
// of the replica (in this case A)."
func TestDynamo46AHintNamesItsIntendedRecipient(t *testing.T) {
	s := newStage(t)
	s.says("peers n1 n2/down n3 f1", "put k v of=3 sloppy")
	if m := s.sent["f1"]; m.Kind != wire.KindOwe || m.Target != 2 {
		t.Errorf("%+v", m)
	}
}

// §4.6: "Using hinted handoff, Dynamo ensures that the read and write operations are not failed due to temporary
// node or network failures."
func TestDynamo46SloppyWritesSurviveAnyFailuresThatFallbacksCanCover(t *testing.T) {
	for away := range 1 << 3 {
		s := newStage(t)
		s.says("peers n1 n2 n3 f1 f2 f3", "put k v of=3 sloppy")
		for i := range 3 {
			if node := fmt.Sprint("n", i+1); away>>i&1 == 1 {
				s.says("lost " + node)
			} else {
				s.says("reply " + node + " ok")
			}
		}
		for i := range ones(away) {
			s.says(fmt.Sprintf("reply f%d hinted", i+1))
		}
		if len(s.answers) != 1 || s.answers[0].Status != wire.StatusOK || int(s.answers[0].Hinted) != ones(away) {
			t.Errorf("owners away %03b: %+v", away, s.answers)
		}
	}
}

// §4.6: "Applications that need the highest level of availability can set W to 1, which ensures that a write is
// accepted as long as a single node in the system has durably written the key." Here level any; nothing is durable.
func TestDynamo46AnyAcceptsAWriteAsLongAsOneNodeTookIt(t *testing.T) {
	s := newStage(t)
	s.wants("answer ok 1000.0 hinted=1", "self f1", "peers n1/down n2/down n3/down f1 f2/down", "put k v level=any", "reply f1 hinted")
	s = newStage(t)
	s.wants("answer ok 1000.0", "peers n1 n2/down n3/down", "put k v level=any", "reply n1 ok")
}

// §4.6: "each object is replicated across multiple data centers", so that it is possible "to handle entire data
// center failures without a data outage."
func TestDynamo46ADatacenterMayFailAsAWhole(t *testing.T) {
	peers := "peers n1/dc0/down n2/dc0/down n3/dc1 n4/dc1 n5/dc2 n6/dc2"
	s := newStage(t)
	s.wants("answer ok 1000.0", "self n3", peers, "put k v level=quorum", "reply n3 ok", "reply n4 ok", "reply n5 ok", "reply n6 ok")
	s = newStage(t)
	s.wants(`answer ok "v"`, "self n3", peers, "get k level=local_quorum local=1", "reply n3 is=n8@900.0 value=v", "reply n4 is=n8@900.0 value=v")
}

// §5: "If stale versions were returned in any of the responses, the coordinator updates those nodes with the latest
// version. This process is called read repair."
func TestDynamo5StaleRepliesAreRepaired(t *testing.T) {
	s := newStage(t)
	s.wants("send n2 store repair n8@901.0", "get k of=2", "reply n2 is=n8@900.0 value=old", "reply n1 is=n8@901.0 value=new")
}

// §6.4: "Write requests … will be coordinated by a node in the key's current preference list", for it creates "a new
// version stamp that causally subsumes the version that has been updated by the write request".
func TestDynamo64WritesAreHandedToAnOwner(t *testing.T) {
	s := newStage(t)
	s.wants(`send n2 forward #1 "as it came"`, "self n9", "peers n1/down n2 n3", "forward k")
}

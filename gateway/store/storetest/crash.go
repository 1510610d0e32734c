package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// CrashEnv is set in the environment of the process that Crash starts; its
// value is the argument given to Crash.
const CrashEnv = "TRELLIS_STORETEST_CRASH"

// Crash kills a process again and again while it commits, and checks that each
// commit it acknowledged is in the store with all its parts, and that no
// commit is there with only some.
//
// The process is this test binary run again with CrashEnv set to arg: its
// TestMain must then open the store that arg names and call CrashLoop. Crash
// itself opens the store, after each kill, by open.
func Crash(t *testing.T, arg string, open func(t *testing.T) store.Store) {
	kills := 6
	if testing.Short() {
		kills = 2
	}
	var acked []string
	events := map[string]bool{} // leased so far
	for n := range kills {
		acked = append(acked, killOnce(t, arg, fmt.Sprintf("run%d", n))...)
		s := open(t)
		checkCrash(t, s, acked, events)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if t.Failed() {
			return
		}
	}
	if len(acked) < kills {
		t.Errorf("only %d commits in %d runs: nothing was proven", len(acked), kills)
	}
	t.Logf("%d acknowledged commits survived %d kills", len(acked), kills)
}

// killOnce starts the process, kills it at a random moment after its first
// commits, and returns the ids it acknowledged.
func killOnce(t *testing.T, arg, run string) []string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^$") //nolint:gosec // this very test binary
	cmd.Env = append(os.Environ(), CrashEnv+"="+arg, CrashEnv+"_RUN="+run)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	once := sync.OnceFunc(func() {
		time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "committed "); ok && strings.HasSuffix(id, ".") {
			acked = append(acked, strings.TrimSuffix(id, "."))
			once()
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
	return acked
}

// CrashLoop commits from eight goroutines, with a line to w for each commit
// that was acknowledged, until the process is killed or a commit fails.
func CrashLoop(s store.Store, w io.Writer) error {
	run := os.Getenv(CrashEnv + "_RUN")
	errs := make(chan error)
	var mu sync.Mutex
	for g := range 8 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s-%d-%d", run, g, n)
				if _, err := s.Commit(context.Background(), crashCommit(id)); err != nil {
					errs <- err
					return
				}
				mu.Lock()
				fmt.Fprintf(w, "committed %s.\n", id)
				mu.Unlock()
			}
		}()
	}
	return <-errs
}

// crashCommit is a commit of every kind of part, all found by id.
func crashCommit(id string) store.Commit {
	now := time.Now()
	write := func(typ string) store.Write {
		return store.Write{
			View: auth.SystemView(), Key: store.Key{Type: typ, ID: id}, Access: auth.NewAccess("a"), Updated: now,
			Body: []byte(`{"id":"` + id + `","padding":"` + strings.Repeat("x", rand.IntN(5000)) + `"}`),
			Index: []store.Index{
				{Param: "identifier", Kind: store.Token, System: "run", Value: id},
				{Param: "status", Kind: store.Token, Value: "active", Common: true},
			},
		}
	}
	return store.Commit{
		Writes:    []store.Write{write("Task"), write("Patient")},
		Claims:    []store.Claim{{Scope: "crash", Key: id, Expires: now.Add(time.Hour), Answer: []byte(id)}},
		Events:    []store.Event{{ID: id, Topic: "crash", Due: now, Payload: []byte(id)}},
		Originals: []store.Blob{blobOf([]byte(id), store.Key{Type: "Task", ID: id})},
		Audit:     []audit.Entry{{At: now, Action: audit.Create, Entities: []string{"Task/" + id}}},
	}
}

// checkCrash compares what is stored with what was acknowledged. It leases all
// events, for good, and adds them to events.
func checkCrash(t *testing.T, s store.Store, acked []string, events map[string]bool) {
	f := &fixture{Store: s, clock: new(Clock)}
	audited, found := map[string]bool{}, map[string]int{}
	for _, r := range f.audits(t) {
		audited[strings.TrimPrefix(r.Entities[0], "Task/")] = true
	}
	for _, typ := range []string{"Task", "Patient"} {
		for _, v := range f.walk(t, store.Query{View: system, Type: typ, Limit: 500, Where: []store.Clause{common(is("status", "", "active"))}}, func(int) {}) {
			found[v.Key.ID]++
		}
	}
	for leased := 1; leased > 0; {
		leases, err := s.LeaseEvents(ctx(t), "crash", 500, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leases {
			events[l.ID] = true
		}
		leased = len(leases)
	}
	for _, id := range acked {
		if found[id] != 2 || !audited[id] || !events[id] {
			t.Errorf("commit %s was acknowledged: %d of 2 resources, audited %t, event %t", id, found[id], audited[id], events[id])
		}
	}
	for id, n := range found {
		c, claimed, err := s.Claimed(ctx(t), "crash", id)
		blob, berr := s.Blob(ctx(t), blobOf([]byte(id)).Hash)
		if n != 2 || !audited[id] || !events[id] || !claimed || err != nil || string(c.Answer) != id || berr != nil || string(blob.Data) != id {
			t.Errorf("commit %s is torn: %d resources, audited %t, event %t, claim %t", id, n, audited[id], events[id], claimed)
		}
	}
	if len(audited) != len(found) || len(events) != len(found) {
		t.Errorf("%d commits found, %d audited, %d with events", len(found), len(audited), len(events))
	}
}

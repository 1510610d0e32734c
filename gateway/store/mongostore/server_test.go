package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

// commitOf is a commit of every kind of part, under one name.
func commitOf(id string, parties ...string) store.Commit {
	key := store.Key{Type: "Task", ID: id}
	return store.Commit{
		Writes: []store.Write{{
			View: auth.SystemView(), Key: key, Body: []byte(`{"resourceType":"Task"}`), Updated: time.Now(),
			Access: auth.NewAccess("a", parties...),
			Index: []store.Index{
				{Param: "identifier", Kind: store.Token, System: "s", Value: id},
				{Param: "patient", Kind: store.Reference, Value: "Patient/" + id},
				{Param: "status", Kind: store.Token, System: "s", Value: "active", Common: true},
				{Param: "authored", Kind: store.Date, Low: 10, High: 20},
			},
		}},
		Claims: []store.Claim{{Scope: "message", Key: id, Expires: time.Now().Add(time.Hour), Answer: []byte(id)}},
		Events: []store.Event{{ID: id, Topic: "delivery", Partition: "p", Due: time.Now()}},
		Audit:  []audit.Entry{{At: time.Now(), Action: audit.Create, Entities: []string{key.String()}}},
	}
}

func mustCommit(t testing.TB, s *Store, c store.Commit) store.Result {
	t.Helper()
	r, err := s.Commit(t.Context(), c)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return r
}

// records reads the whole audit log.
func records(t testing.TB, s *Store) []audit.Record {
	t.Helper()
	got, err := s.AuditEntries(t.Context(), store.AuditPosition{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A recorder keeps the commands that were sent.
type recorder struct {
	mu   sync.Mutex
	sent []bson.Raw
}

func (r *recorder) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sent = append(r.sent, slices.Clone(e.Command))
	}}
}

// take returns the commands since the last take, without the beats.
func (r *recorder) take() (out []bson.Raw) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.sent {
		if !strings.Contains(c.String(), writerNote) {
			out = append(out, c)
		}
	}
	r.sent = nil
	return out
}

func commandName(c bson.Raw) string {
	e, err := c.IndexErr(0)
	if err != nil {
		return ""
	}
	return e.Key()
}

func lookup(c bson.Raw, path ...string) any {
	v, err := c.LookupErr(path...)
	if err != nil {
		return nil
	}
	var out any
	_ = v.Unmarshal(&out)
	return out
}

// TestOneTransactionPerGroup watches what is sent: one transaction, snapshot
// reads inside it, write concern majority with journal, the counter first.
func TestOneTransactionPerGroup(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a commit is one transaction with write concern majority"))
	var rec recorder
	s := openTest(t, uri, Options{monitor: rec.monitor()})
	rec.take()
	mustCommit(t, s, commitOf("1"))
	sent := slices.DeleteFunc(rec.take(), func(c bson.Raw) bool { return lookup(c, "autocommit") == nil })
	if len(sent) == 0 {
		t.Fatal("nothing was sent in a transaction")
	}
	if name := commandName(sent[0]); name != "findAndModify" || lookup(sent[0], "startTransaction") != true ||
		lookup(sent[0], "findAndModify") != "meta" || lookup(sent[0], "readConcern", "level") != "snapshot" {
		t.Errorf("the transaction begins with %s", sent[0])
	}
	last := sent[len(sent)-1]
	if commandName(last) != "commitTransaction" || lookup(last, "writeConcern", "w") != "majority" || lookup(last, "writeConcern", "j") != true {
		t.Errorf("the transaction ends with %s", last)
	}
	for _, c := range sent {
		if lookup(c, "txnNumber") != lookup(sent[0], "txnNumber") || lookup(c, "autocommit") != false {
			t.Errorf("outside the transaction: %s", c)
		}
	}
}

// TestGroups checks that waiting commits share transactions.
func TestGroups(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that waiting commits share a transaction"))
	s := openTest(t, uri, Options{})
	const n = 200
	var wg sync.WaitGroup
	seqs := make([]int64, n)
	for i := range n {
		wg.Go(func() {
			r, err := s.Commit(t.Context(), commitOf(fmt.Sprint(i)))
			if err != nil {
				t.Errorf("Commit: %v", err)
			}
			seqs[i] = r.Seq
		})
	}
	wg.Wait()
	slices.Sort(seqs)
	groups := len(slices.Compact(seqs))
	t.Logf("%d commits at once took %d transactions", n, groups)
	if groups > n/4 {
		t.Errorf("%d commits at once took %d transactions", n, groups)
	}
	if got := len(records(t, s)); got != n {
		t.Errorf("%d audit records of %d commits", got, n)
	}
}

// TestPlainReadsAndWrites checks the concerns of what is sent outside
// transactions.
func TestPlainReadsAndWrites(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that reads are majority reads"))
	var rec recorder
	s := openTest(t, uri, Options{monitor: rec.monitor()})
	mustCommit(t, s, commitOf("1"))
	rec.take()
	view := auth.SystemView()
	_, _ = s.Read(t.Context(), view, store.Key{Type: "Task", ID: "1"})
	_, _ = s.Search(t.Context(), store.Query{View: view, Type: "Task", Limit: 1})
	_, _ = s.AuditEntries(t.Context(), store.AuditPosition{}, 1)
	_ = s.Ping(t.Context())
	for _, c := range rec.take() {
		switch commandName(c) {
		case "find", "aggregate":
			if lookup(c, "readConcern", "level") != "majority" {
				t.Errorf("not a majority read: %s", c)
			}
		case "update", "insert", "delete", "findAndModify":
			if lookup(c, "writeConcern", "w") != "majority" || lookup(c, "writeConcern", "j") != true {
				t.Errorf("not a durable write: %s", c)
			}
		}
	}
}

// TestSeveralGateways commits through several stores on one database: numbers
// are never shared between gateways and become visible in order.
func TestSeveralGateways(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that several gateways may share a database"))
	const gateways, each = 3, 40
	stores := make([]*Store, gateways)
	for i := range stores {
		stores[i] = openTest(t, uri, Options{})
	}
	var wg sync.WaitGroup
	var owner sync.Map
	var created atomic.Int32
	for g, s := range stores {
		wg.Go(func() {
			for n := range each {
				r, err := s.Commit(t.Context(), commitOf(fmt.Sprintf("%d-%d", g, n)))
				if err != nil {
					t.Errorf("gateway %d: %v", g, err)
					return
				}
				if other, taken := owner.LoadOrStore(r.Seq, g); taken {
					t.Errorf("number %d went to gateways %d and %d", r.Seq, other, g)
				}
				if _, err := s.Commit(t.Context(), commitOf(fmt.Sprintf("shared-%d", n))); err == nil {
					created.Add(1)
				} else if _, ok := errors.AsType[*store.Taken](err); !ok {
					t.Errorf("gateway %d: %v", g, err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	follow(t, stores[0], done)
	if got := created.Load(); got != each {
		t.Errorf("%d keys were created %d times", each, got)
	}
	if got := len(records(t, stores[1])); got != gateways*each+each {
		t.Errorf("%d audit records, want %d", got, gateways*each+each)
	}
}

// follow reads the log from where it last was until done: nothing may appear
// before what it has seen.
func follow(t *testing.T, s *Store, done <-chan struct{}) {
	t.Helper()
	var after store.AuditPosition
	seen := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := s.AuditEntries(t.Context(), after, 1000)
		if err != nil {
			t.Errorf("AuditEntries: %v", err)
			return
		}
		if seen += len(got); len(got) > 0 {
			last := got[len(got)-1]
			after = store.AuditPosition{Seq: last.Seq, N: last.N}
		}
	}
	if all := len(records(t, s)); all != seen {
		t.Errorf("a follower saw %d of %d records: some appeared behind it", seen, all)
	}
}

// TestDeadGateway leaves a transaction open that holds the counter, as a
// gateway does that is killed; another one must not wait for the server's
// minute.
func TestDeadGateway(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that a dead gateway's open transaction is ended"))
	dead, alive := openTest(t, uri, Options{}), openTest(t, uri, Options{})
	time.Sleep(100 * time.Millisecond) // let the first beat be noted
	err := dead.writer.txn.within(t.Context(), func(inside context.Context) error {
		if _, err := dead.nextSeq(inside); err != nil {
			return err
		}
		dead.stopBeat(t)
		began := time.Now()
		mustCommit(t, alive, commitOf("1"))
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the other gateway waited for %v", took)
		}
		return nil
	})
	if err == nil {
		t.Error("the dead gateway's transaction was committed")
	}
	mustCommit(t, dead, commitOf("2")) // it was only slow, and goes on
}

// stopBeat ends the store's goroutines but leaves its note, as a kill does.
func (s *Store) stopBeat(t *testing.T) {
	beats, err := s.beats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.running.Wait()
	for id, d := range beats {
		if d.Session.String() == s.writer.txn.sess.ID().String() {
			if _, err := s.meta.InsertOne(t.Context(), d); err != nil {
				t.Fatalf("keeping the note %s: %v", id, err)
			}
		}
	}
}

// TestOpenTwice opens a database that is there already.
func TestOpenTwice(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that collections and indexes are created once"))
	first := openTest(t, uri, Options{})
	r := mustCommit(t, first, commitOf("1"))
	second := openTest(t, uri, Options{})
	if got := mustCommit(t, second, commitOf("2")); got.Seq != r.Seq+1 {
		t.Errorf("commit %d after commit %d", got.Seq, r.Seq)
	}
	for _, ix := range second.indexes() {
		specs, err := ix.coll.Indexes().ListSpecifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, sp := range specs {
			found = found || sp.Name == ix.name
		}
		if !found {
			t.Errorf("%s has no index %s", ix.coll.Name(), ix.name)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, uri := range []string{"", "http://u:sesame@h", "mongodb://u:sesame@h:port/", "mongodb://u:sesame@127.0.0.1:1/?serverSelectionTimeoutMS=100"} {
		_, err := Open(ctx, uri, Options{})
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("Open(%q): %v", uri, err)
		}
	}
}

// TestRefusalTellsTheWay plays what a standalone mongod answers to the probe.
func TestRefusalTellsTheWay(t *testing.T) {
	err := refusal(t.Context(), "aborting", standaloneError())
	if !errors.Is(err, ErrNoTransactions) || !strings.Contains(err.Error(), "rs.initiate()") || !strings.Contains(err.Error(), "compose.yaml") {
		t.Errorf("refusal: %v", err)
	}
	if err := refusal(t.Context(), "aborting", errPretends); !errors.Is(err, ErrNoTransactions) {
		t.Errorf("a look-alike: %v", err)
	}
	if err := refusal(t.Context(), "aborting", errors.New("connection reset")); errors.Is(err, ErrNoTransactions) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a lost connection: %v", err)
	}
}

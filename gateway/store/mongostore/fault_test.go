package mongostore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

func standaloneError() error {
	return mongo.CommandError{Code: codeIllegalOperation, Name: "IllegalOperation"}
}

// A cutter is a proxy before the database that can swallow replies and close
// connections when a commit passes through it.
type cutter struct {
	l    net.Listener
	to   string
	cuts chan how // the next commit's fate
}

type how int

const (
	loseReply   how = iota // the server commits, the answer is cut off
	loseRequest            // the commit never reaches the server
)

// TestLostReply cuts the connection at the commit, before and after the server
// did the work: the caller gets one answer, the work is done once, and a
// repeat is told by its claim.
func TestLostReply(t *testing.T) {
	server := mongotest.URI(t, "that a lost reply never applies a commit twice")
	uri := mongotest.Database(t, server)
	c := newCutter(t, uri)
	s := openTest(t, c.through(uri), Options{})
	direct := openTest(t, uri, Options{})
	n := 0
	for _, fate := range []how{loseReply, loseRequest, loseReply, loseReply, loseRequest} {
		id := fmt.Sprint("cut-", n)
		n++
		c.cuts <- fate
		first, err := s.Commit(t.Context(), commitOf(id))
		if err != nil {
			t.Fatalf("commit %s, cut %d: %v", id, fate, err)
		}
		if len(c.cuts) != 0 {
			t.Fatalf("commit %s was not cut", id)
		}
		_, err = s.Commit(t.Context(), commitOf(id))
		if taken, ok := errors.AsType[*store.Taken](err); !ok || string(taken.Claim.Answer) != id {
			t.Errorf("repeat of %s: %v", id, err)
		}
		v, err := direct.Read(t.Context(), auth.SystemView(), store.Key{Type: "Task", ID: id})
		if err != nil || v.Number != 1 || v.Seq != first.Seq {
			t.Errorf("%s: version %d of commit %d, %v; want 1 of %d", id, v.Number, v.Seq, err, first.Seq)
		}
	}
	if got := len(records(t, direct)); got != n {
		t.Errorf("%d audit records of %d commits", got, n)
	}
	leased := 0
	for range n {
		l, err := direct.LeaseEvents(t.Context(), "delivery", 10, time.Minute)
		if err != nil || len(l) != 1 {
			t.Fatalf("events: %d, %v", len(l), err)
		}
		leased++
		if err := direct.DoneEvent(t.Context(), l[0]); err != nil {
			t.Fatal(err)
		}
	}
	if l, _ := direct.LeaseEvents(t.Context(), "delivery", 10, time.Minute); len(l) != 0 || leased != n {
		t.Errorf("%d deliveries of %d commits", leased+len(l), n)
	}
}

// hostOf returns the one host of a URI; a set of several cannot be proxied
// without its members' names.
func hostOf(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Skip("the test proxy stands before one server only, and TRELLIS_TEST_MONGODB names several. Unproven here: lost replies")
	}
	if u.Port() == "" {
		return u.Host + ":27017"
	}
	return u.Host
}

func newCutter(t *testing.T, uri string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l, to: hostOf(t, uri), cuts: make(chan how, 1)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return c
}

// through returns uri by way of the proxy. A set's own member list would lead
// around it.
func (c *cutter) through(uri string) string {
	uri = strings.Replace(uri, c.to, c.l.Addr().String(), 1)
	if i := strings.Index(uri, "replicaSet="); i >= 0 {
		rest := uri[i:]
		name, _, _ := strings.Cut(rest, "&")
		uri = strings.Replace(uri, name, "directConnection=true", 1)
	}
	return uri
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		_ = client.Close()
		return
	}
	swallow := make(chan struct{})
	done := func() { _ = client.Close(); _ = server.Close() }
	defer done()
	go func() {
		defer done()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			select {
			case <-swallow: // what the server says now is lost
				return
			default:
			}
			if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if strings.Contains(string(buf[:n]), "commitTransaction") {
			select {
			case fate := <-c.cuts:
				if fate == loseRequest {
					return
				}
				close(swallow)
				_, _ = server.Write(buf[:n])
				time.Sleep(200 * time.Millisecond) // the server does the work
				return
			default:
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestFailPoints makes the server itself refuse commands of the transaction.
func TestFailPoints(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "retries on the server's own errors"))
	s := openTest(t, uri, Options{})
	admin := s.client.Database("admin")
	off := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: "off"}}
	if err := admin.RunCommand(t.Context(), off).Err(); err != nil {
		t.Skipf("the server has no fail points (%s). Unproven here: retries on its own transient errors", describe(err))
	}
	t.Cleanup(func() { _ = admin.RunCommand(context.Background(), off).Err() })
	tests := []struct {
		name, command string
		times         int
		data          bson.D
	}{
		{"conflict at the counter", "findAndModify", 3, bson.D{{Key: "errorCode", Value: codeWriteConflict}, {Key: "errorLabels", Value: bson.A{"TransientTransactionError"}}}},
		{"no such transaction at an insert", "insert", 2, bson.D{{Key: "errorCode", Value: codeNoSuchTxn}, {Key: "errorLabels", Value: bson.A{"TransientTransactionError"}}}},
		{"connection closed at the commit", "commitTransaction", 2, bson.D{{Key: "closeConnection", Value: true}}},
		{"commit result unknown", "commitTransaction", 2, bson.D{{Key: "errorCode", Value: 64}, {Key: "errorLabels", Value: bson.A{"UnknownTransactionCommitResult"}}}},
		{"primary stepped down at the commit", "commitTransaction", 1, bson.D{{Key: "errorCode", Value: 10107}}},
	}
	for i, tt := range tests {
		fp := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: tt.times}}},
			{Key: "data", Value: append(bson.D{{Key: "failCommands", Value: bson.A{tt.command}}}, tt.data...)}}
		if err := admin.RunCommand(t.Context(), fp).Err(); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint("fp-", i)
		r, err := s.Commit(t.Context(), commitOf(id))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		v, err := s.Read(t.Context(), auth.SystemView(), store.Key{Type: "Task", ID: id})
		if err != nil || v.Number != 1 || v.Seq != r.Seq {
			t.Errorf("%s: version %d of commit %d, %v", tt.name, v.Number, v.Seq, err)
		}
	}
	if got := len(records(t, s)); got != len(tests) {
		t.Errorf("%d audit records of %d commits", got, len(tests))
	}
}

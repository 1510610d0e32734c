package mongostore

import (
	"context"
	"fmt"
	"os"
	"testing"

	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
	"trellis.example/gateway/store/storetest"
)

// TestMain is also the process that the crash test kills.
func TestMain(m *testing.M) {
	if uri := os.Getenv(storetest.CrashEnv); uri != "" {
		fmt.Fprintln(os.Stderr, crashLoop(uri))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func crashLoop(uri string) error {
	s, err := Open(context.Background(), uri, Options{})
	if err != nil {
		return err
	}
	return storetest.CrashLoop(s, os.Stdout)
}

const everything = "that mongostore keeps the storage contract"

// openTest opens the database at uri until the test ends.
func openTest(t testing.TB, uri string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), uri, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestContract(t *testing.T) {
	server := mongotest.URI(t, everything)
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) storetest.Opened {
		uri := mongotest.Database(t, server)
		s := openTest(t, uri, Options{Now: clock.Now})
		return storetest.Opened{Store: s, Reopen: func(t *testing.T) store.Store {
			// As near to a crash as one process comes: nothing is ended in
			// order, and what the server still holds stays there. TestCrash
			// does it for real.
			s.stop()
			_ = s.client.Disconnect(t.Context())
			s = openTest(t, uri, Options{Now: clock.Now})
			return s
		}}
	})
}

func TestCrash(t *testing.T) {
	uri := mongotest.Database(t, mongotest.URI(t, "that no acknowledged commit is lost or unaudited when the gateway is killed"))
	storetest.Crash(t, uri, func(t *testing.T) store.Store {
		s := openTest(t, uri, Options{})
		// The killed process may have left a transaction open that holds the
		// counter: writing must go on without a restart of the server.
		if _, err := s.Commit(t.Context(), store.Commit{}); err != nil {
			t.Errorf("first commit after the kill: %v", err)
		}
		return s
	})
}

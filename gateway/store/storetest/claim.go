package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

var claimTests = []test{
	{"FirstAnswerStands", testFirstAnswer},
	{"ExpiredIsFree", testClaimExpiry},
	{"ScopesAreApart", testScopes},
	{"DecidedBeforeWrites", testClaimFirst},
	{"ManyTakersOneWinner", testManyTakers},
	{"SweptWhenExpired", testClaimSweep},
}

func (f *fixture) claim(scope, key, answer string) store.Claim {
	return store.Claim{Scope: scope, Key: key, Expires: f.clock.Now().Add(time.Hour), Answer: []byte(answer)}
}

// wantTaken fails the test unless err is a Taken of the claim "s", "k" with
// that answer.
func wantTaken(t *testing.T, what string, err error, answer string) {
	t.Helper()
	taken, ok := errors.AsType[*store.Taken](err)
	if !ok {
		t.Errorf("%s: error %v, want a claim taken", what, err)
		return
	}
	if c := taken.Claim; c.Scope != "s" || c.Key != "k" || string(c.Answer) != answer {
		t.Errorf("%s: taken by %s %s with %q, want %q", what, c.Scope, c.Key, c.Answer, answer)
	}
}

func testFirstAnswer(t *testing.T, f *fixture) {
	if _, ok, err := f.Claimed(ctx(t), "s", "k"); ok || err != nil {
		t.Errorf("before: %t, %v", ok, err)
	}
	first := f.claim("s", "k", "first")
	f.commit(t, store.Commit{Claims: []store.Claim{first}})
	_, err := f.Commit(ctx(t), store.Commit{Claims: []store.Claim{f.claim("s", "k", "second")}})
	wantTaken(t, "second", err, "first")
	c, ok, err := f.Claimed(ctx(t), "s", "k")
	if err != nil || !ok || string(c.Answer) != "first" || c.Expires.Sub(first.Expires).Abs() > time.Millisecond {
		t.Errorf("claimed: %q until %v, %t, %v", c.Answer, c.Expires, ok, err)
	}
}

func testClaimExpiry(t *testing.T, f *fixture) {
	f.commit(t, store.Commit{Claims: []store.Claim{f.claim("s", "k", "first")}})
	f.clock.Advance(59 * time.Minute)
	_, err := f.Commit(ctx(t), store.Commit{Claims: []store.Claim{f.claim("s", "k", "second")}})
	wantTaken(t, "a minute early", err, "first")
	f.clock.Advance(2 * time.Minute)
	if _, ok, err := f.Claimed(ctx(t), "s", "k"); ok || err != nil {
		t.Errorf("expired, yet held: %t, %v", ok, err)
	}
	f.commit(t, store.Commit{Claims: []store.Claim{f.claim("s", "k", "third")}})
	if c, ok, err := f.Claimed(ctx(t), "s", "k"); err != nil || !ok || string(c.Answer) != "third" {
		t.Errorf("taken anew: %q, %t, %v", c.Answer, ok, err)
	}
}

func testScopes(t *testing.T, f *fixture) {
	f.commit(t, store.Commit{Claims: []store.Claim{f.claim("a", "bc", "1"), f.claim("ab", "c", "2"), f.claim("a", "BC", "3")}})
	for _, c := range []store.Claim{f.claim("a", "bc", "1"), f.claim("ab", "c", "2"), f.claim("a", "BC", "3")} {
		if got, ok, err := f.Claimed(ctx(t), c.Scope, c.Key); err != nil || !ok || string(got.Answer) != string(c.Answer) {
			t.Errorf("%s %s: %q, %t, %v", c.Scope, c.Key, got.Answer, ok, err)
		}
	}
}

// A repeated create must be told its first answer, not that its key exists.
func testClaimFirst(t *testing.T, f *fixture) {
	k := f.key("Task")
	c := store.Commit{Writes: []store.Write{f.write(k, 0, ownedBy("a"))}, Claims: []store.Claim{f.claim("s", "k", "201")}}
	f.commit(t, c)
	_, err := f.Commit(ctx(t), c)
	wantTaken(t, "repeat", err, "201")
}

func testManyTakers(t *testing.T, f *fixture) {
	const takers = 16
	ids := make([]store.Key, takers)
	errs := make([]error, takers)
	var wg sync.WaitGroup
	for i := range takers {
		ids[i] = f.key("Task")
		c := store.Commit{Writes: []store.Write{f.write(ids[i], 0, ownedBy("a"))}, Claims: []store.Claim{f.claim("s", "k", ids[i].ID)}}
		wg.Go(func() { _, errs[i] = f.Commit(ctx(t), c) })
	}
	wg.Wait()
	winner := ""
	for i, err := range errs {
		if err == nil && winner != "" {
			t.Fatal("two commits took one claim")
		}
		if err == nil {
			winner = ids[i].ID
		}
	}
	if winner == "" {
		t.Fatalf("nobody took the claim: %v", errs[0])
	}
	for i, err := range errs {
		if err != nil {
			wantTaken(t, "loser", err, winner)
			_, err = f.Read(ctx(t), system, ids[i])
			wantErr(t, "loser's write", err, store.ErrNotFound)
		}
	}
}

func testClaimSweep(t *testing.T, f *fixture) {
	f.commit(t, store.Commit{Claims: []store.Claim{f.claim("s", "k", "first")}})
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := f.Claimed(ctx(t), "s", "k"); !ok {
		t.Error("a sweep took a claim that has not expired")
	}
	f.clock.Advance(2 * time.Hour)
	if err := f.Sweep(ctx(t), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := f.Claimed(ctx(t), "s", "k"); ok {
		t.Error("an expired claim is still held")
	}
}

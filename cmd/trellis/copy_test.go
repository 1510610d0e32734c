package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/mongostore/mongotest"
)

// TestStoresMove copies a store with a little of everything from the embedded
// one to MongoDB and back, and restores backups of each into the other: every
// record stays what it was, the audit to the last field.
func TestStoresMove(t *testing.T) {
	server := mongotest.URI(t, "that a store moves to MongoDB and back with nothing lost")
	dir := t.TempDir()
	data, back, restored := filepath.Join(dir, "data"), filepath.Join(dir, "back"), filepath.Join(dir, "restored")
	moved, refilled := mongotest.Database(t, server), mongotest.Database(t, server)
	fillStore(t, data)
	want := dumpOf(t, "--data", data)
	if want.audit == nil || want.kinds() != "audit blob claim doc event version" {
		t.Fatalf("the store to move holds only %s", want.kinds())
	}

	must(t, "copy", "--data", data, "--to-mongo", moved)
	must(t, "copy", "--data", data, "--to-mongo", moved) // what is there is passed over
	must(t, "copy", "--mongo", moved, "--to-data", back)
	fromMongo, fromData := filepath.Join(dir, "mongo.backup"), filepath.Join(dir, "data.backup")
	must(t, "backup", fromMongo, "--mongo", moved)
	must(t, "restore", fromMongo, "--data", restored)
	must(t, "backup", fromData, "--data", data)
	must(t, "restore", fromData, "--mongo", refilled)

	counts := fmt.Sprint(numbers(t, must(t, "verify", "--data", data)))
	if !strings.Contains(counts, "faults:0") {
		t.Fatalf("the store to move: %s", counts)
	}
	for _, to := range [][]string{{"--mongo", moved}, {"--data", back}, {"--data", restored}, {"--mongo", refilled}} {
		if got := fmt.Sprint(numbers(t, must(t, append([]string{"verify"}, to...)...))); got != counts {
			t.Errorf("verify of %s: %s, want %s", to[0], got, counts)
		}
		want.same(t, to[0], dumpOf(t, to...))
	}
}

// fillStore makes a store with an import, a client, referrals by every door and
// what they leave, and with what no door leaves at once.
func fillStore(t *testing.T, data string) {
	t.Helper()
	must(t, "import", records(t, 2500), "--org", "Y99001", "--data", data)
	must(t, "client", "add", "worker", "--role", "link-worker", "--org", "Z9D01", "--data", data)
	cfg := gateway.Defaults()
	cfg.Data, cfg.Listen, cfg.Admin, cfg.MLLP = data, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg, err := demoConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if err := demo(t.Context(), cfg, &said, false); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	cfg.Listen = gateway.Defaults().Listen
	s, err := gateway.OpenStore(t.Context(), cfg, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range rareCommits(t, cfg) {
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	leases, err := s.LeaseEvents(t.Context(), "rri", 1, time.Minute)
	if err != nil || len(leases) != 1 {
		t.Fatalf("%d events leased, %v", len(leases), err)
	}
	if err := s.RetryEvent(t.Context(), leases[0], time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// rareCommits change, delete and share resources of the import, and leave
// originals, waiting events, a claim, and an audit entry with every field.
func rareCommits(t *testing.T, cfg gateway.Config) []store.Commit {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Millisecond)
	key := func(n int) store.Key { return store.Key{Type: "Patient", ID: fmt.Sprint("p", n)} }
	res, err := fhir.Decode([]byte("{\"resourceType\":\"Patient\",\n  \"_birthDate\":{\"id\":\"x\"}, \"multipleBirthInteger\":4}"))
	if err != nil {
		t.Fatal(err)
	}
	change := store.Write{View: auth.SystemView(), Key: key(1), Expect: 1, Updated: at, Body: res.Stamp("p1", 2, at), Index: cfg.Registry().Index(res),
		Access: auth.Access{Owner: "org/Y99001", Parties: []string{"org/Y99001", "org/Z9D01"}, Labels: []string{"http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R"}}}
	gone := store.Write{View: auth.SystemView(), Key: key(2), Expect: 1, Updated: at, Deleted: true}
	large := bytes.Repeat([]byte("a long original\r\n"), 150_000)
	original := func(b []byte, refs ...store.Key) store.Blob {
		sum := sha256.Sum256(b)
		return store.Blob{Hash: hex.EncodeToString(sum[:]), Type: "application/octet-stream", Data: b, Refs: refs}
	}
	event := func(n int) store.Event {
		return store.Event{ID: fmt.Sprint("event-", n), Topic: "rri", Partition: "hospital", Payload: []byte{0, 1, 0xff}, Due: at.Add(-time.Duration(n) * time.Second)}
	}
	entry := audit.Entry{At: at, Action: audit.Update, Interaction: "update", Outcome: audit.Success, Client: "worker", Party: "org/Z9D01", Role: "link-worker",
		Address: "127.0.0.1", RequestID: "r-1", Entities: []string{key(1).String(), key(2).String()}, Patients: []string{key(1).String()}, Count: 3}
	return []store.Commit{
		{Writes: []store.Write{change, gone}, Audit: []audit.Entry{entry, {At: at, Action: audit.Delete}},
			Originals: []store.Blob{original(large, key(1), key(2)), original([]byte{}), original([]byte("small"), key(1))},
			Events:    []store.Event{event(1), event(2)}},
		{Events: []store.Event{event(3)}, Claims: []store.Claim{{Scope: "message", Key: "m/1|*", Expires: at.Add(time.Hour), Answer: []byte("\x00answer")}},
			Docs: []store.DocWrite{{Kind: "agreement", ID: "a/b|c", Body: []byte{0xff}}}},
	}
}

// A contents is what a store holds, a line for each record. Those that come in
// an order are apart.
type contents struct {
	seq                int64
	audit, event, rest []string
}

func dumpOf(t *testing.T, where ...string) (out contents) {
	t.Helper()
	cmd := newVerify()
	if err := cmd.ParseFlags(where); err != nil {
		t.Fatal(err)
	}
	cfg, err := readConfig(cmd)
	if err != nil {
		t.Fatal(err)
	}
	s, err := gateway.OpenStore(t.Context(), cfg, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Dump(t.Context(), func(r store.Record) error {
		if r.Mark != nil {
			out.seq = r.Mark.Seq
			return nil
		}
		line, err := json.Marshal(r)
		switch {
		case r.Audit != nil:
			out.audit = append(out.audit, string(line))
		case r.Event != nil:
			out.event = append(out.event, string(line))
		default:
			out.rest = append(out.rest, string(line))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out.rest)
	return out
}

// kinds names the kinds of records that are there.
func (c contents) kinds() string {
	var out []string
	for _, lines := range [][]string{c.audit, c.event, c.rest} {
		for _, line := range lines {
			var fields map[string]any
			_ = json.Unmarshal([]byte(line), &fields)
			for name, v := range fields {
				if v != nil {
					out = append(out, strings.ToLower(name))
				}
			}
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

func (c contents) same(t *testing.T, where string, got contents) {
	t.Helper()
	if got.seq != c.seq {
		t.Errorf("%s: its last commit is %d, want %d", where, got.seq, c.seq)
	}
	for _, part := range []struct {
		name      string
		got, want []string
	}{{"audit records", got.audit, c.audit}, {"events", got.event, c.event}, {"records", got.rest, c.rest}} {
		if len(part.got) != len(part.want) {
			t.Errorf("%s: %d %s, want %d", where, len(part.got), part.name, len(part.want))
			continue
		}
		for i := range part.want {
			if part.got[i] != part.want[i] {
				t.Errorf("%s: %s differ:\n got %.1000s\nwant %.1000s", where, part.name, part.got[i], part.want[i])
				break
			}
		}
	}
}

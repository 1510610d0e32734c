package intake_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/mapping/formats/hl7v2"
	"trellis.example/profiles"
)

// A house is an Intake on a store whose commits can be made to fail.
type house struct {
	*intake.Intake
	store.Store
	log bytes.Buffer

	quiet   bool // nothing fails, and nothing is remembered
	mu      sync.Mutex
	fail    func(store.Commit) error // nil: nothing fails
	commits []store.Commit           // those that were done
}

func (h *house) Commit(ctx context.Context, c store.Commit) (store.Result, error) {
	if h.quiet {
		return h.Store.Commit(ctx, c)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		if err := h.fail(c); err != nil {
			return store.Result{}, err
		}
	}
	r, err := h.Store.Commit(ctx, c)
	if err == nil {
		h.commits = append(h.commits, c)
	}
	return r, err
}

func newHouse(t testing.TB) *house {
	t.Helper()
	s, err := sqlitestore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Store: s}
	h.Intake, err = intake.New(intake.Deps{
		Store: h, Validator: v, Index: search.NewRegistry(definitions.R4(), "http://t.example/fhir").Index,
		Formats: func(id string) (mapping.Format, bool) {
			e, ok, err := formats.Lookup(id)
			return e.Format, ok && err == nil
		},
		Clock: time.Now, IDKey: make([]byte, 32), Service: "org/Z9D01", Log: slog.New(slog.NewJSONHandler(&h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// caller returns a sender and the context of its requests.
func caller(t testing.TB, id string, role auth.Role, org string) (context.Context, intake.Sender) {
	t.Helper()
	scopes, err := auth.ParseScopes("system/*.cruds")
	if err != nil {
		t.Fatal(err)
	}
	p := auth.NewPrincipal(id, role, org, scopes)
	ctx := audit.NewContext(auth.NewContext(t.Context(), p), &audit.Caller{RequestID: "1"})
	return ctx, intake.Sender{Principal: p, ImpliedConsent: intake.DirectCare(role)}
}

// demo returns one of the demo's documents with a reference of its own.
func demo(t testing.TB, name, run string) string {
	t.Helper()
	b, err := os.ReadFile("../../cmd/trellis/demo/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("{{run}}", run, "{{now}}", "2026-03-04T10:15:30Z", "{{date}}", "2026-03-04",
		"{{hl7now}}", "20260304101530+0000", "{{hl7day}}", "20260304", "{{ukdatetime}}", "04/03/2026 10:15").Replace(string(b))
}

// notices returns the demo's file with one row per reference.
func notices(t *testing.T, refs ...string) string {
	t.Helper()
	out := ""
	for i, r := range refs {
		head, row, _ := strings.Cut(demo(t, "referral.csv", r), "\n")
		if i == 0 {
			out = head + "\n"
		}
		out += row
	}
	return out
}

func (h *house) send(t *testing.T, file string) (intake.Answer, error) {
	t.Helper()
	ctx, s := caller(t, "police", "police", "P99")
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/intake/ppn-csv", strings.NewReader(file))
	r.Header.Set("Content-Type", "text/csv")
	return h.Document(r, s, "ppn-csv", "http://t.example")
}

func (h *house) message(t *testing.T, msg string) intake.HL7Answer {
	t.Helper()
	ctx, s := caller(t, "hospital", "hospital-discharge", "RZ901")
	return h.HL7(ctx, s, []byte(msg))
}

// concerns reports whether the commit writes the row with that reference.
func concerns(c store.Commit, ref string) bool {
	for _, w := range c.Writes {
		if w.Key.Type == "ServiceRequest" && bytes.Contains(w.Body, []byte(ref)) {
			return true
		}
	}
	return false
}

// TestFileIsKeptWithItsFirstRow: a file of which nothing is taken leaves
// nothing; any other is kept once, by a commit that is audited.
func TestFileIsKeptWithItsFirstRow(t *testing.T) {
	file := notices(t, "ROW-1", "ROW-2", "ROW-3")
	tests := []struct {
		name, file string
		blobs      int
	}{
		{"bad header", strings.Replace(file, "subject_dob", "subject_forenames", 1), 0},
		{"header alone", file[:strings.Index(file, "\n")+1], 0},
		{"every row refused by the map", strings.ReplaceAll(file, "12/09/1939", "31/02/1939"), 0},
		{"every row refused by the profiles", strings.ReplaceAll(file, "9991234020", "9991234021"), 0},
		{"one good row", strings.Replace(strings.Replace(file, "9991234020", "9991234021", 1), "9991234020", "9991234021", 1), 1},
		{"all good", file, 1},
	}
	for _, tt := range tests {
		h := newHouse(t)
		if _, err := h.send(t, tt.file); fhir.AsError(err).HTTPStatus() >= 500 && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		blobs := 0
		for _, c := range h.commits {
			for _, b := range c.Originals {
				if b.Data == nil {
					continue
				}
				blobs++
				if len(c.Audit) != 1 || c.Audit[0].Client != "police" {
					t.Errorf("%s: the commit of the file has the audit %+v", tt.name, c.Audit)
				}
			}
		}
		if blobs != tt.blobs {
			t.Errorf("%s: kept %d times, want %d", tt.name, blobs, tt.blobs)
		}
	}
}

// TestRowInTrouble: what goes wrong with one row refuses that row; only a store
// that is away stops the file.
func TestRowInTrouble(t *testing.T) {
	tests := []struct {
		name string
		fail func() error
		want string // in the row of the result file; "" when the file stops
	}{
		{"too large", func() error { return store.ErrTooLarge }, "larger than the store keeps"},
		{"unknown", func() error { return os.ErrInvalid }, "internal error"},
		// A panic on purpose: it refuses its row alone and shows no value.
		{"panic", func() error { panic("holds Placeholder") }, "internal error"}, // on purpose: what a panic says reaches no partner
		{"store away", func() error { return store.ErrUnavailable }, ""},
	}
	for _, tt := range tests {
		h := newHouse(t)
		h.fail = func(c store.Commit) error {
			if concerns(c, "ROW-2") {
				return tt.fail()
			}
			return nil
		}
		a, err := h.send(t, notices(t, "ROW-1", "ROW-2", "ROW-3"))
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s: the file was answered:\n%s", tt.name, a.Body)
			}
			continue
		}
		if err != nil || a.Status != http.StatusOK || strings.Count(string(a.Body), ",created,") != 2 || !strings.Contains(string(a.Body), tt.want) {
			t.Errorf("%s: %d %v\n%s", tt.name, a.Status, err, a.Body)
		}
		if strings.Contains(h.log.String(), "Placeholder") || tt.want == "internal error" && !strings.Contains(h.log.String(), `"row":2`) {
			t.Errorf("%s: the log says\n%s", tt.name, h.log.String())
		}
		refused := 0
		for _, c := range h.commits {
			for _, e := range c.Audit {
				if e.Outcome == audit.Refused {
					refused++
				}
			}
		}
		if refused != 1 {
			t.Errorf("%s: %d refusals are audited, want 1", tt.name, refused)
		}
	}
}

// TestHL7LosesARace: a modification and a cancellation that lose against another
// writer are tried again.
func TestHL7LosesARace(t *testing.T) {
	msg := demo(t, "referral.hl7", "1")
	for _, event := range []string{"I13", "I14"} {
		h := newHouse(t)
		if a := h.message(t, msg); a.Code != hl7v2.AA {
			t.Fatalf("refused:\n%s", a.Ack)
		}
		lost := 0
		h.fail = func(c store.Commit) error {
			if len(c.Writes) > 0 && lost < 3 {
				lost++
				return &store.Conflict{Key: c.Writes[0].Key}
			}
			return nil
		}
		a := h.message(t, strings.NewReplacer("DEMO1", "DEMO2", "I12^", event+"^", "Would like help", "Would like much help").Replace(msg))
		if a.Code != hl7v2.AA || lost != 3 {
			t.Errorf("%s after %d lost races:\n%s", event, lost, a.Ack)
		}
	}
}

// TestHL7InTrouble: trouble on our side is AR with 207, so that the sender tries
// again; the failure is audited once that is possible.
func TestHL7InTrouble(t *testing.T) {
	h := newHouse(t)
	msg := demo(t, "referral.hl7", "1")
	h.fail = func(c store.Commit) error {
		if len(c.Writes) > 0 {
			return store.ErrUnavailable
		}
		return nil
	}
	if a := h.message(t, msg); a.Code != hl7v2.AR || !bytes.Contains(a.Ack, []byte("|207^")) {
		t.Errorf("store away: %s\n%s", a.Code, a.Ack)
	}
	if n := len(h.commits); n != 1 || h.commits[0].Audit[0].Outcome != audit.Failed {
		t.Errorf("%d commits: %+v; want the audit of a failure", n, h.commits)
	}
	h.fail = func(store.Commit) error { return store.ErrUnavailable }
	if a := h.message(t, strings.Replace(msg, "9991234012", "9991234013", 1)); a.Code != hl7v2.AR || !bytes.Contains(a.Ack, []byte("|207^")) {
		t.Errorf("a refusal that cannot be audited: %s\n%s", a.Code, a.Ack)
	}
	if a := h.RejectHL7([]byte(msg), store.ErrUnavailable); a.Code != hl7v2.AR || !bytes.Contains(a.Ack, []byte("|207^")) || bytes.Contains(a.Ack, []byte("not bound")) {
		t.Errorf("sender not looked up: %s\n%s", a.Code, a.Ack)
	}
	if a := h.RejectHL7([]byte(msg), fhir.Errorf(fhir.Login, "nobody")); a.Code != hl7v2.AR || bytes.Contains(a.Ack, []byte("|207^")) {
		t.Errorf("sender unknown: %s\n%s", a.Code, a.Ack)
	}
	h.fail = nil
	if a := h.message(t, msg); a.Code != hl7v2.AA {
		t.Errorf("afterwards: %s\n%s", a.Code, a.Ack)
	}
}

package intake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/store"
)

// numbered returns a file of n rows "ROW-0001" and on, each with the text in its
// summary.
func numbered(t testing.TB, n int, text string) string {
	t.Helper()
	head, row, _ := strings.Cut(demo(t, "referral.csv", "@@"), "\n")
	row = strings.Replace(strings.TrimSuffix(row, "\n"), "Neighbour asked", text+" Neighbour asked", 1)
	var b strings.Builder
	b.WriteString(head + "\n")
	for i := range n {
		b.WriteString(strings.Replace(row, "@@", fmt.Sprintf("ROW-%04d", i+1), 1) + "\n")
	}
	return b.String()
}

// body returns the whole body of an answer.
func body(t testing.TB, a intake.Answer) string {
	t.Helper()
	if a.Content == nil {
		return string(a.Body)
	}
	defer a.Content.Close()
	b, err := io.ReadAll(a.Content)
	if err != nil || int64(len(b)) != a.Size {
		t.Fatalf("read %d bytes of %d: %v", len(b), a.Size, err)
	}
	return string(b)
}

// became reads a result file: how many rows became what, and how many rows it
// has, each once and in their order.
func became(t testing.TB, result string) map[string]int {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(result)).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("no result file: %v\n%.300s", err, result)
	}
	n := map[string]int{}
	for i, r := range rows[1:] {
		if n[r[2]]++; r[0] != fmt.Sprint(i+1) {
			t.Fatalf("line %d is about row %s", i+1, r[0])
		}
	}
	return n
}

func is(n map[string]int, want string) bool {
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(n), "map["), "]") == want
}

func (h *house) post(ctx context.Context, s intake.Sender, body io.Reader) (intake.Answer, error) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/intake/ppn-csv", body)
	r.Header.Set("Content-Type", "text/csv")
	return h.Document(r, s, "ppn-csv", "http://t.example")
}

// onceAndAudited fails unless n referrals were written, each once, and each named
// by the audit of the commit that wrote it.
func (h *house) onceAndAudited(t *testing.T, n int) {
	t.Helper()
	made := map[store.Key]bool{}
	for _, c := range h.commits {
		named := map[string]bool{}
		for _, e := range c.Audit {
			for _, name := range e.Entities {
				named[name] = true
			}
		}
		for _, w := range c.Writes {
			if !named[fmt.Sprintf("%s/_history/%d", w.Key, w.Expect+1)] {
				t.Errorf("a %s was written and not audited", w.Key.Type)
			}
			if w.Key.Type == "ServiceRequest" {
				if made[w.Key] {
					t.Error("a referral was written twice")
				}
				made[w.Key] = true
			}
		}
	}
	if len(made) != n {
		t.Errorf("%d referrals were written, want %d", len(made), n)
	}
}

// TestFileGoesOn: a file that was stopped goes on where it stopped when it is
// sent again, by whatever it was stopped; what was taken keeps its first answer.
func TestFileGoesOn(t *testing.T) {
	const rows = 900
	file := numbered(t, rows, "")
	stops := map[string]func(*house, context.CancelFunc) error{
		"the store away":  func(*house, context.CancelFunc) error { return store.ErrUnavailable },
		"the client gone": func(_ *house, gone context.CancelFunc) error { gone(); return context.Canceled },
	}
	for name, stop := range stops {
		h := newHouse(t)
		ctx, s := caller(t, "police", "police", "P99")
		cut, gone := context.WithCancel(ctx)
		h.fail = func(c store.Commit) error {
			if concerns(c, "ROW-0600") {
				return stop(h, gone)
			}
			return nil
		}
		if _, err := h.post(cut, s, strings.NewReader(file)); err == nil {
			t.Fatalf("%s: the file was answered", name)
		}
		if n := len(h.commits); n == 0 {
			t.Fatalf("%s: nothing of the file was taken, which proves nothing", name)
		}
		sum := sha256.Sum256([]byte(file))
		half, err := h.Result(ctx, s, "ppn-csv", hex.EncodeToString(sum[:]))
		if err != nil || half.Status != http.StatusAccepted {
			t.Errorf("%s: the result of the half file: %d %v", name, half.Status, err)
		}
		done := became(t, body(t, half))["created"]
		h.fail = nil
		before := len(h.commits)
		a, err := h.post(ctx, s, strings.NewReader(file))
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%s: again: %d %v", name, a.Status, err)
		}
		result := body(t, a)
		if n := became(t, result); !is(n, "created:900") || done == 0 || done == rows {
			t.Errorf("%s: %v, %d of them before", name, n, done)
		}
		for _, c := range h.commits[before:] {
			if concerns(c, "ROW-0001") {
				t.Errorf("%s: what was done was done again", name)
			}
		}
		h.onceAndAudited(t, rows)
		whole, err := h.Result(ctx, s, "ppn-csv", hex.EncodeToString(sum[:]))
		if err != nil || whole.Status != http.StatusOK || body(t, whole) != result {
			t.Errorf("%s: the result fetched again is another: %d %v", name, whole.Status, err)
		}
	}
}

// TestFileAgain: a file that came to its end is answered by look-ups; rows that
// another file has changed meanwhile become what this one says.
func TestFileAgain(t *testing.T) {
	h := newHouse(t)
	ctx, s := caller(t, "police", "police", "P99")
	file := numbered(t, 20, "")
	bad := strings.Replace(file, "9991234020", "9991234021", 1) // row 1: wrong check digit
	send := func(file, want string) {
		t.Helper()
		a, err := h.post(ctx, s, strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if n := became(t, body(t, a)); !is(n, want) {
			t.Errorf("%v, want %s", n, want)
		}
	}
	send(bad, "created:19 rejected:1")
	writes := func() (n int) {
		for _, c := range h.commits {
			n += len(c.Writes)
		}
		return n
	}
	n := writes()
	send(bad, "rejected:1 unchanged:19")
	send(bad, "rejected:1 unchanged:19")
	if writes() != n {
		t.Error("rows that had not changed were written")
	}
	send(strings.Replace(file, "Would like company", "Would like a walk", 20), "created:1 updated:19")
	send(bad, "rejected:1 updated:19")
	send(file, "unchanged:19 updated:1")
	other, s2 := caller(t, "police-2", "police", "P98")
	if _, err := h.Result(other, s2, "ppn-csv", fmt.Sprintf("%x", sha256.Sum256([]byte(file)))); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another sender gets the result: %v", err)
	}
}

// TestRowTwice: the second row of a reference follows the first.
func TestRowTwice(t *testing.T) {
	h := newHouse(t)
	ctx, s := caller(t, "police", "police", "P99")
	file := numbered(t, 3, "")
	lines := strings.SplitAfter(file, "\n")
	file = strings.Join(lines, "") + lines[1] + strings.Replace(lines[2], "Would like company", "Would like a walk", 1) + lines[1]
	a, err := h.post(ctx, s, strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range strings.Split(strings.TrimSpace(body(t, a)), "\r\n")[1:] {
		got = append(got, strings.Split(l, ",")[2])
	}
	if want := "created created created unchanged updated unchanged"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}

// TestSameFileAtOnce: two senders of one organisation send the same file at the
// same moment. Every row is there once.
func TestSameFileAtOnce(t *testing.T) {
	h := newHouse(t)
	file := numbered(t, 300, "")
	created := make([]int, 2)
	var wg sync.WaitGroup
	for i := range created {
		ctx, s := caller(t, fmt.Sprintf("police-%d", i), "police", "P99")
		wg.Go(func() {
			a, err := h.post(ctx, s, strings.NewReader(file))
			if err != nil {
				t.Error(err)
				return
			}
			n := became(t, body(t, a))
			if created[i] = n["created"]; n["created"]+n["unchanged"] != 300 {
				t.Errorf("sender %d: %v", i, n)
			}
		})
	}
	wg.Wait()
	if created[0]+created[1] != 300 {
		t.Errorf("created %v, want 300 together", created)
	}
	h.onceAndAudited(t, 300)
}

// TestCutFile: nothing of a file that did not arrive whole is taken.
func TestCutFile(t *testing.T) {
	h := newHouse(t)
	ctx, s := caller(t, "police", "police", "P99")
	file := numbered(t, 50, "")
	_, err := h.post(ctx, s, io.MultiReader(strings.NewReader(file[:len(file)/2]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if fhir.AsError(err).HTTPStatus() != http.StatusBadRequest || len(h.commits) != 0 {
		t.Errorf("%v, %d commits", err, len(h.commits))
	}
	h.MaxFile = 1000
	_, err = h.post(ctx, s, strings.NewReader(file))
	if fhir.AsError(err).HTTPStatus() != http.StatusRequestEntityTooLarge || len(h.commits) != 0 {
		t.Errorf("too large: %v, %d commits", err, len(h.commits))
	}
}

// TestLargeFile: a file that is larger than one original is kept byte for byte,
// and its rows' memory does not add up.
func TestLargeFile(t *testing.T) {
	h := newHouse(t)
	h.quiet = true
	ctx, s := caller(t, "police", "police", "P99")
	file := numbered(t, 600, strings.Repeat("A long account of a long night. ", 600))
	if len(file) < 9<<20 {
		t.Fatalf("the file of %d bytes is no large one", len(file))
	}
	a, err := h.post(ctx, s, strings.NewReader(file))
	if err != nil || a.Status != http.StatusOK || !is(became(t, body(t, a)), "created:600") {
		t.Fatalf("%d %v", a.Status, err)
	}
	var got bytes.Buffer
	if err := h.Original(ctx, fmt.Sprintf("%x", sha256.Sum256([]byte(file))), &got); err != nil || got.String() != file {
		t.Errorf("the file came back with %d bytes of %d: %v", got.Len(), len(file), err)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 400<<20 {
		t.Errorf("%d MB are in use after the file", m.HeapAlloc>>20)
	}
}

// TestFileCounts: what became of rows is counted, and refusals are audited one by
// one.
func TestFileCounts(t *testing.T) {
	h := newHouse(t)
	counts := map[string]int{}
	h.Intake.Count = func(format string, s intake.Status, n int) { counts[format+" "+string(s)] += n }
	ctx, s := caller(t, "police", "police", "P99")
	if _, err := h.post(ctx, s, strings.NewReader(strings.ReplaceAll(numbered(t, 4, ""), "ROW-0002,99", "ROW-0002,"))); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, c := range h.commits {
		for _, e := range c.Audit {
			if e.Outcome == audit.Refused {
				refused++
			}
		}
	}
	if counts["ppn-csv created"] != 3 || counts["ppn-csv rejected"] != 1 || refused != 1 {
		t.Errorf("%v, %d refusals are audited", counts, refused)
	}
}

// TestWhoMaySend: a role that the format does not name, and a token without the
// right to create, are refused.
func TestWhoMaySend(t *testing.T) {
	h := newHouse(t)
	tests := []struct {
		role   auth.Role
		format string
		want   bool
	}{
		{"police", "ppn-csv", true}, {"importer", "ppn-csv", true}, {"gp-practice", "ppn-csv", false}, {"outcome-tool", "ppn-csv", false},
		{"auditor", "ppn-csv", false}, {"police", "hl7v2", false}, {"gp-practice", "hl7v2", true}, {"gp-practice", "no-such-format", false},
	}
	for _, tt := range tests {
		if _, s := caller(t, "x", tt.role, "A1"); h.MaySend(s, tt.format) != tt.want {
			t.Errorf("%s may send %s: %t", tt.role, tt.format, !tt.want)
		}
	}
}

package intake_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

// A shaped format is one whose documents are single, and acknowledged in a shape
// of their own. It reads what police files say, sent as a form's field "row" or
// bare.
type shaped struct {
	mapping.Format
	info mapping.Info
}

func (s shaped) Info() mapping.Info { return s.info }

func (s shaped) Read(doc []byte) mapping.Result {
	if q, err := url.ParseQuery(string(doc)); err == nil && q.Has("row") {
		doc = []byte(q.Get("row"))
	}
	return s.Format.Read(doc)
}

// shape makes the house read the format "shaped".
func (h *house) shape(t *testing.T, receipt string, mediaTypes ...string) {
	t.Helper()
	e, ok, err := formats.Lookup("ppn-csv")
	if !ok || err != nil {
		t.Fatal(err)
	}
	info := mapping.Info{ID: "shaped", Version: "1.0.0", In: true, MediaTypes: mediaTypes, Senders: []string{"police", "person"}, Receipt: receipt}
	h.Formats = func(id string) (mapping.Format, bool) { return shaped{e.Format, info}, id == "shaped" }
}

func (h *house) single(t *testing.T, role auth.Role, contentType, doc string) (intake.Answer, error) {
	t.Helper()
	ctx, s := caller(t, "portal", role, "P99")
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/intake/shaped", strings.NewReader(doc))
	r.Header.Set("Content-Type", contentType)
	return h.Document(r, s, "shaped", "http://t.example")
}

// TestReceipt: the receipt of a document, the same one when it is sent again, and
// the reference in it is that of the Task which people work on.
func TestReceipt(t *testing.T) {
	for _, shape := range []string{"receipt", "jsonapi"} {
		h := newHouse(t)
		h.shape(t, shape, "application/json")
		first, err := h.single(t, "police", "application/json", notices(t, "1"))
		if err != nil || first.Status != http.StatusCreated {
			t.Fatalf("%s: %d %v", shape, first.Status, err)
		}
		var got struct {
			Reference, HumanReference, Status string
			Warnings, Losses                  []any
			Data                              struct {
				Type, ID   string
				Attributes struct{ Reference, HumanReference, Status string }
			}
		}
		if err := json.Unmarshal(first.Body, &got); err != nil {
			t.Fatalf("%s: %v\n%s", shape, err, first.Body)
		}
		human := got.HumanReference
		if shape == "jsonapi" {
			if human = got.Data.Attributes.HumanReference; got.Data.Type != "referral" || "ServiceRequest/"+got.Data.ID != got.Data.Attributes.Reference || first.Type != intake.JSONAPI {
				t.Errorf("%s: %s", first.Type, first.Body)
			}
		} else if got.Status != "received" || !strings.HasPrefix(got.Reference, "ServiceRequest/") || got.Losses == nil || got.Warnings == nil {
			t.Errorf("%s", first.Body)
		}
		if !strings.HasPrefix(human, "SP-") || !h.tasked(human) {
			t.Errorf("%s: no Task has the reference %q", shape, human)
		}
		again, err := h.single(t, "police", "application/json", notices(t, "1"))
		if err != nil || again.Status != first.Status || !bytes.Equal(again.Body, first.Body) || again.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("%s again: %d %v\n%s", shape, again.Status, err, again.Body)
		}
	}
}

// tasked reports whether a Task was written that carries the reference.
func (h *house) tasked(reference string) bool {
	for _, c := range h.commits {
		for _, w := range c.Writes {
			if w.Key.Type == "Task" && bytes.Contains(w.Body, []byte(reference)) {
				return true
			}
		}
	}
	return false
}

// TestRefusal: all faults at once, in the shape of the format, each with its
// place and without a value.
func TestRefusal(t *testing.T) {
	bad := strings.NewReplacer("12/09/1939", "31/02/1939", ",Male,", ",Mael,").Replace(notices(t, "1"))
	for _, shape := range []string{"receipt", "jsonapi", "fhir"} {
		h := newHouse(t)
		h.shape(t, shape, "application/json")
		_, err := h.single(t, "police", "application/json", bad)
		e := fhir.AsError(err)
		if e.HTTPStatus() != http.StatusUnprocessableEntity {
			t.Fatalf("%s: %v", shape, err)
		}
		b, media := h.Refusal("shaped", e)
		if shape == "fhir" {
			if b != nil {
				t.Errorf("an OperationOutcome is the server's to write, not %s", media)
			}
			continue
		}
		for _, want := range []string{"subject_dob", "subject_gender", `"errors":[`} {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s: the refusal lacks %s:\n%s", shape, want, b)
			}
		}
		if bytes.Contains(b, []byte("Mael")) || bytes.Contains(b, []byte("31/02/1939")) {
			t.Errorf("%s: the refusal shows a value:\n%s", shape, b)
		}
	}
	h := newHouse(t)
	h.shape(t, "jsonapi", "application/json")
	b, _ := h.Refusal("shaped", &fhir.Error{Issues: []fhir.Issue{{Code: fhir.BadValue, Source: "/data/attributes/dob", Text: "expected a date", Expression: "Patient.birthDate"}}})
	var got struct {
		Errors []struct {
			Status, Code, Detail string
			Source               struct{ Pointer string }
		}
	}
	if err := json.Unmarshal(b, &got); err != nil || len(got.Errors) != 1 || got.Errors[0].Source.Pointer != "/data/attributes/dob" || got.Errors[0].Status != "422" {
		t.Errorf("%v\n%s", err, b)
	}
}

// TestForms: a form is read the same whether it comes urlencoded or as multipart;
// files, decoys and a missing boundary are refused; the original is kept as it
// came.
func TestForms(t *testing.T) {
	multi := func(fields ...string) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i := 0; i < len(fields); i += 2 {
			if err := w.WriteField(fields[i], fields[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), b.String()
	}
	const plain = "application/x-www-form-urlencoded"
	row := notices(t, "1")
	media, doc := multi("row", row, "website", "")
	_, spam := multi("row", row, "website", "http://buy.example")
	file := strings.Replace(doc, `name="row"`, `name="row"; filename="a.csv"`, 1)
	tests := []struct {
		name, media, doc string
		status           int
	}{
		{"urlencoded", plain, url.Values{"row": {row}}.Encode(), 201},
		{"multipart", media, doc, 201},
		{"decoy", plain, url.Values{"row": {row}, "website": {"x"}}.Encode(), 422},
		{"decoy in multipart", strings.Replace(media, strings.SplitN(media, "boundary=", 2)[1], boundaryOf(spam), 1), spam, 422},
		{"no boundary", "multipart/form-data", doc, 400},
		{"other boundary", "multipart/form-data; boundary=x", doc, 400},
		{"cut off", media, doc[:len(doc)/2], 400},
		{"a file", media, file, 400},
		{"another media type", "text/plain", doc, 415},
	}
	for _, tt := range tests {
		h := newHouse(t)
		h.shape(t, "receipt", plain, "multipart/form-data")
		a, err := h.single(t, "police", tt.media, tt.doc)
		status := a.Status
		if err != nil {
			status = fhir.AsError(err).HTTPStatus()
		}
		if status != tt.status {
			t.Errorf("%s: %d %v, want %d", tt.name, status, err, tt.status)
		}
		for _, c := range h.commits {
			for _, o := range c.Originals {
				if string(o.Data) != tt.doc {
					t.Errorf("%s: another original is kept", tt.name)
				}
			}
		}
	}
}

func boundaryOf(doc string) string {
	line, _, _ := strings.Cut(doc, "\r\n")
	return strings.TrimPrefix(line, "--")
}

// TestPersonsMinute: a portal where people refer themselves sends so many forms a
// minute; partners are not bounded here.
func TestPersonsMinute(t *testing.T) {
	for role, want := range map[auth.Role]bool{"person": true, "police": false} {
		h := newHouse(t)
		h.shape(t, "receipt", "application/json")
		throttled := false
		for range 40 {
			_, err := h.single(t, role, "application/json", "nothing")
			throttled = throttled || err != nil && fhir.AsError(err).HTTPStatus() == http.StatusTooManyRequests
		}
		if throttled != want {
			t.Errorf("%s: throttled %t", role, throttled)
		}
	}
}

// TestDryRunExplains: with explain, every record tells where its elements come
// from; without it the answer is as it was.
func TestDryRunExplains(t *testing.T) {
	h := newHouse(t)
	ask := func(query string) (map[string]any, error) {
		ctx, s := caller(t, "police", "police", "P99")
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/intake/ppn-csv?"+query, strings.NewReader(notices(t, "1", "2")))
		r.Header.Set("Content-Type", "text/csv")
		a, err := h.Document(r, s, "ppn-csv", "http://t.example")
		var m map[string]any
		if err == nil {
			err = json.Unmarshal(a.Body, &m)
		}
		return m, err
	}
	for query, want := range map[string]bool{"dryRun=true": false, "dryRun=true&explain=true": true} {
		m, err := ask(query)
		if err != nil {
			t.Fatal(err)
		}
		records, _ := m["records"].([]any)
		for _, rec := range records {
			elements, there := rec.(map[string]any)["explain"].([]any)
			if there != want || want && len(elements) < 20 {
				t.Errorf("%s: explain %t with %d elements", query, there, len(elements))
			}
		}
		if len(records) != 2 || m["accepted"] != true || len(h.commits) != 0 {
			t.Errorf("%s: %d records, accepted %v, %d commits", query, len(records), m["accepted"], len(h.commits))
		}
	}
	for _, query := range []string{"explain=true", "dryRun=1&dryRun=0", "dryRun=perhaps", "x=1"} {
		if _, err := ask(query); err == nil {
			t.Errorf("%s is accepted", query)
		}
	}
}

package itk3json

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
	"trellis.example/mapping/formats/itk3"
)

// response is an acknowledgement with the code.
func response(code string) []byte {
	c, _ := itk3.Lookup(code)
	return itk3.Ack{MessageID: "7c1d0000-0000-4000-8000-000000000001", SenderReference: "REF-1", Code: c, Text: "for people",
		From: itk3.Party{ODS: "Z9D01", Name: "Demo Link Workers", Endpoint: "Z9HC001"}, At: time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC)}.JSON()
}

// TestEveryCode: each code becomes the Task that the table says, and the Task
// the response again.
func TestEveryCode(t *testing.T) {
	for _, c := range itk3.Codes() {
		doc := response(c.Code)
		in := New().Read(doc)
		if !in.Accepted() {
			t.Fatalf("%s: %+v", c.Code, in.Records[0].Faults)
		}
		b, err := fhir.Decode(in.Records[0].Bundle)
		if err != nil {
			t.Fatal(err)
		}
		task := b.Root().At("entry", 0, "resource")
		status, ours := c.Task, c.Business
		if status == "" {
			status = map[bool]string{true: "failed", false: "completed"}[c.Negative]
		}
		if got := task.Get("status").Text(); got != status {
			t.Errorf("%s: Task is %s, want %s", c.Code, got, status)
		}
		if got := coding(task.Get("businessStatus"), businessStatus); got != ours {
			t.Errorf("%s: business status %q, want %q", c.Code, got, ours)
		}
		if got := strings.HasPrefix(task.At("focus", "reference").Text(), "ServiceRequest?"); got != c.AboutReferral() {
			t.Errorf("%s: focus on a referral %t", c.Code, got)
		}
		for _, l := range in.Records[0].Losses {
			if l.Rule != "envelope" {
				t.Errorf("%s: loss %+v", c.Code, l)
			}
		}
		back := New().Write(in.Records[0].Bundle)
		if again := New().Read([]byte(back.Document)); back.Faults != nil || !bytes.Equal(again.Records[0].Bundle, in.Records[0].Bundle) {
			t.Errorf("%s: %v\n%s\n%s", c.Code, back.Faults, in.Records[0].Bundle, again.Records[0].Bundle)
		}
		if !bytes.Equal(trim(t, []byte(back.Document)), trim(t, doc)) {
			t.Errorf("%s returns as\n%s\nwant\n%s", c.Code, back.Document, doc)
		}
	}
}

// trim takes the envelope's ids out of a message: they are the losses.
func trim(t *testing.T, doc []byte) []byte {
	t.Helper()
	var b map[string]any
	if err := json.Unmarshal(doc, &b); err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	for _, e := range b["entry"].([]any) {
		e := e.(map[string]any)
		r := e["resource"].(map[string]any)
		delete(e, "fullUrl")
		if header == nil {
			header = r
			delete(r["response"].(map[string]any), "details")
			delete(r, "sender")
		} else {
			delete(r, "id")
		}
	}
	delete(b, "id")
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func coding(c fhir.Value, system string) string {
	for x := range c.Get("coding").Items() {
		if x.Get("system").Text() == system {
			return x.Get("code").Text()
		}
	}
	return ""
}

// TestReadRefuses: what is wrong with a response, and where.
func TestReadRefuses(t *testing.T) {
	good := string(response("30016"))
	tests := []struct{ name, old, new, source, text string }{
		{"no Bundle", good, `{"resourceType":"Patient"}`, "", "message Bundle"},
		{"no header", `"MessageHeader"`, `"Basic"`, "", "MessageHeader"},
		{"another event", `"ITK008M"`, `"ITK003D"`, "/entry/0/resource/event/code", "ITK008M"},
		{"a code to come", `"30016"`, `"30099"`, "/entry/2/resource/issue/0/details/coding/0/code", "30005"},
		{"another code system", `ITK-ResponseCodes-1"`, `Other"`, "/entry/2/resource", "ITK-ResponseCodes-1"},
		{"no outcome", `"OperationOutcome"`, `"Basic"`, "/entry/0/resource/response", "OperationOutcome"},
		{"no word on what is answered", `"response":{"identifier":"7c1d0000-0000-4000-8000-000000000001",`, `"response":{`, "/entry/0/resource/response", "response.identifier"},
		{"a day", `"2026-03-05T09:00:00+00:00"`, `"2026-03-05"`, "/entry/0/resource/timestamp", "instant"},
		{"accepted and failed", `"code":"ok"`, `"code":"fatal-error"`, "/entry/0/resource/response/code", "beside a positive"},
		{"not JSON", good, "{", "line 1, column 2", "ends early"},
	}
	for _, tt := range tests {
		if !strings.Contains(good, tt.old) {
			t.Fatalf("%s: no %s in %s", tt.name, tt.old, good)
		}
		res := New().Read([]byte(strings.Replace(good, tt.old, tt.new, 1)))
		faults := res.Faults
		if len(res.Records) > 0 {
			faults = append(faults, res.Records[0].Faults...)
		}
		if len(faults) == 0 || !strings.Contains(faults[0].Text, tt.text) || faults[0].Source != tt.source {
			t.Errorf("%s: %+v", tt.name, faults)
		}
		if res.Accepted() {
			t.Errorf("%s: taken", tt.name)
		}
	}
}

// TestEveryLeafIsToldOf: what a response has besides is among the losses.
func TestEveryLeafIsToldOf(t *testing.T) {
	doc := strings.Replace(string(response("30005")), `"event":`, `"receiver":[{"reference":"urn:uuid:1"}],"event":`, 1)
	doc = strings.Replace(doc, `"valueBoolean":false`, `"valueBoolean":true`, 1)
	told := ""
	for _, l := range New().Read([]byte(doc)).Records[0].Losses {
		told += l.Source + " " + l.Rule + "\n"
	}
	for _, want := range []string{"/entry/0/resource/receiver/0/reference residue", "/entry/0/resource/extension/0/extension/0/valueBoolean acknowledgement", "/id envelope"} {
		if !strings.Contains(told, want) {
			t.Errorf("no loss %s in\n%s", want, told)
		}
	}
}

// TestWriteOurTask: our own Tasks become the acknowledgement that tells where
// the referral stands.
func TestWriteOurTask(t *testing.T) {
	const task = `{"resourceType":"Task","status":"%s",%s"intent":"order","focus":{"reference":"ServiceRequest/1"},"groupIdentifier":{"system":"https://trellis.example/fhir/Id/itk3-sender-reference","value":"REF-1"},` +
		`"lastModified":"2026-03-05T09:00:00Z","owner":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Z9D01"},"display":"Demo"}}`
	tests := []struct{ status, business, want string }{
		{"requested", "", "30005"},
		{"accepted", "", "30016"},
		{"accepted", "allocated", "30005"},
		{"rejected", "", "30017"},
		{"rejected", "returned-to-referrer", "30007"},
		{"cancelled", "declined-by-person", "30014"},
		{"cancelled", "duplicate", "30015"},
		{"cancelled", "withdrawn", ""},
		{"on-hold", "unattended", "30018"},
		{"on-hold", "", "30005"},
		{"failed", "no-contact", "30012"},
		{"completed", "signposted", "30011"},
		{"completed", "", "30006"},
		{"draft", "", ""},
		{"entered-in-error", "", ""},
	}
	for _, tt := range tests {
		business := ""
		if tt.business != "" {
			business = `"businessStatus":{"coding":[{"system":"` + businessStatus + `","code":"` + tt.business + `"}]},`
		}
		w := New().Write(fmt.Appendf(nil, task, tt.status, business))
		if tt.want == "" {
			if w.Document != "" || len(w.Faults) == 0 {
				t.Errorf("%s %s: %+v", tt.status, tt.business, w)
			}
			continue
		}
		for _, part := range []string{`"code":"` + tt.want + `"`, `"identifier":"REF-1","code":"ok"`, `"BusAckRequested","valueBoolean":false`, `"InfAckRequested","valueBoolean":false`, `"SenderReference","valueString":"REF-1"`} {
			if !strings.Contains(w.Document, part) {
				t.Errorf("%s %s: no %s in %s %+v", tt.status, tt.business, part, w.Document, w.Faults)
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, doc := range []string{`{`, `{"resourceType":"Patient"}`, `{"resourceType":"Bundle","type":"collection"}`, `{"resourceType":"Task","status":"accepted"}`} {
		if w := New().Write([]byte(doc)); w.Document != "" || len(w.Faults) == 0 {
			t.Errorf("%s: %+v", doc, w)
		}
	}
}

// TestPublishedSamples reads the samples of the standard, where they are.
func TestPublishedSamples(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/standards/samples/itk3/*.json")
	if len(files) == 0 {
		t.Skip("no published samples beside the project")
	}
	for _, f := range files {
		doc, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		in := New().Read(doc)
		if !in.Accepted() {
			t.Fatalf("%s: %+v", f, in.Records[0].Faults)
		}
		back := New().Write(in.Records[0].Bundle)
		if back.Document == "" || !bytes.Equal(trim(t, []byte(back.Document)), trim(t, doc)) {
			t.Errorf("%s returns as\n%s\n%+v", f, back.Document, back.Faults)
		}
	}
}

// FuzzRead: whatever comes, an accepted response is a JSON transaction that is
// written and read as the same again.
func FuzzRead(f *testing.F) {
	f.Add(response("30016"))
	f.Add(response("20007"))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"MessageHeader","event":{"code":"ITK008M"}}}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		in := New().Read(doc)
		if !in.Accepted() {
			if in.Faults == nil && in.Records[0].Faults == nil {
				t.Error("neither a record nor a fault")
			}
			return
		}
		if !json.Valid(in.Records[0].Bundle) {
			t.Fatalf("not JSON: %s", in.Records[0].Bundle)
		}
		New().Write(in.Records[0].Bundle)
	})
}

package bars

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// plain returns a referral in plain FHIR.
func plain(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/write/referral.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(doc string) mapping.Written { return New().Write([]byte(doc)) }

// lossRules are the rule ids of losses, in order.
func lossRules(w mapping.Written) []string {
	var out []string
	for _, l := range w.Losses {
		out = append(out, l.Rule+" "+l.Source)
	}
	return out
}

// TestWriteGolden: a plain referral becomes the message beside it, and what was
// made and left out is told.
func TestWriteGolden(t *testing.T) {
	for _, kind := range []string{"active", "revoked"} {
		w := write(strings.Replace(plain(t), `"status": "active",
        "intent"`, `"status": "`+kind+`",
        "intent"`, 1))
		if len(w.Faults) > 0 {
			t.Fatalf("%s: %q", kind, told(w.Faults))
		}
		var doc bytes.Buffer
		if err := json.Indent(&doc, []byte(w.Document), "", "  "); err != nil {
			t.Fatal(err)
		}
		doc.WriteByte('\n')
		golden(t, "testdata/write/"+kind+".message.json", doc.Bytes())
		golden(t, "testdata/write/"+kind+".losses.txt", []byte(strings.Join(lossRules(w), "\n")+"\n"))
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v):\n%s", path, err, got)
	}
}

// TestWriteIsTaken: what is written is a message that Read takes, and what Read
// made of it becomes the same message.
func TestWriteIsTaken(t *testing.T) {
	for _, doc := range []string{plain(t), strings.Replace(plain(t), `"status": "active",
        "intent"`, `"status": "entered-in-error",
        "intent"`, 1)} {
		w := write(doc)
		read := New().Read([]byte(w.Document))
		if !read.Accepted() || len(read.Records) != 1 {
			t.Fatalf("%+v", read)
		}
		again := New().Write(read.Records[0].Bundle)
		if again.Document != w.Document {
			t.Errorf("the message changed on its way through FHIR:\n%s\n%s", w.Document, again.Document)
		}
	}
}

// TestReturn: a message read and written is read as the same again.
func TestReturn(t *testing.T) {
	for _, doc := range []string{message(t), change(t, message(t), func(b object) { answerTo(b, "new", "revoked") })} {
		in := New().Read([]byte(doc))
		back := New().Write(in.Records[0].Bundle)
		if back.Faults != nil {
			t.Fatalf("%q", told(back.Faults))
		}
		if again := New().Read([]byte(back.Document)); !bytes.Equal(again.Records[0].Bundle, in.Records[0].Bundle) {
			t.Errorf("read as\n%s\nthen as\n%s", in.Records[0].Bundle, again.Records[0].Bundle)
		}
	}
}

// without takes out the entries of a type.
func without(typ string) func(object) {
	return func(b object) {
		b["entry"] = slices.DeleteFunc(b["entry"].([]any), func(e any) bool { return e.(object)["resource"].(object)["resourceType"] == typ })
	}
}

func TestWriteFaults(t *testing.T) {
	tests := []struct {
		name string
		f    func(object)
		want string
	}{
		{"no request", without("ServiceRequest"), "required Bundle.entry"},
		{"draft", set("ServiceRequest", "status", "draft"), "required Bundle.entry[0].resource.status"},
		{"no date", set("ServiceRequest", "authoredOn", nil), "required Bundle.entry[0].resource.authoredOn"},
		{"no person", without("Patient"), "required Bundle.entry[0].resource.subject"},
		{"no service", without("HealthcareService"), "required Bundle.entry[0].resource.performer"},
		{"no consent", without("Consent"), "required Bundle.entry"},
		{"consent withdrawn", set("Consent", "status", "inactive"), "required Bundle.entry"},
		{"denied", set("Consent", "provision", object{"type": "deny"}), "required Bundle.entry[7].resource.provision.type"},
		{"an organisation alone refers", set("ServiceRequest", "requester", object{"reference": "Organization/o-1"}), "required Bundle.entry[0].resource.requester"},
		{"nobody refers", set("ServiceRequest", "requester", nil), "required Bundle.entry[0].resource.requester"},
		{"no way to reach the person", set("Patient", "telecom", nil), "required Bundle.entry[1].resource.contact"},
		{"no number for people", set("ServiceRequest", "identifier", nil), "required Bundle.entry[0].resource.identifier"},
		{"a nameless sender", set("Organization", "identifier", nil), "required Bundle.entry[4].resource.identifier"},
		{"the service is nobody's", set("HealthcareService", "providedBy", object{"display": "x"}), ""},
	}
	for _, tt := range tests {
		w := write(change(t, plain(t), tt.f))
		if tt.want == "" {
			if len(w.Faults) > 0 || w.Document == "" {
				t.Errorf("%s: %q", tt.name, told(w.Faults))
			}
			continue
		}
		if !slices.Contains(told(w.Faults), tt.want) || w.Document != "" {
			t.Errorf("%s: got %q, want %q; document %q", tt.name, told(w.Faults), tt.want, w.Document)
		}
	}
	for _, doc := range []string{`{`, `{"resourceType":"Patient"}`, `{"resourceType":"ServiceRequest"}`} {
		if w := write(doc); w.Document != "" || len(w.Faults) == 0 {
			t.Errorf("%s: %+v", doc, w)
		}
	}
}

// TestWriteTells: what differs from the plain referral, and what is told of it.
func TestWriteTells(t *testing.T) {
	tests := []struct {
		name string
		f    func(object)
		want string
	}{
		{"unverified NHS number", func(b object) {
			delete(resource(b, "Patient")["identifier"].([]any)[0].(object), "extension")
		}, "nhs-number Bundle.entry[1].resource.identifier"},
		{"day only", set("ServiceRequest", "authoredOn", "2026-03-04"), "stamp Bundle.entry[0].resource.authoredOn"},
		{"a person with their own contact", set("Patient", "contact", []any{object{"name": object{"text": "x"}}}), "-made-contact Bundle.entry[1].resource.telecom"},
		{"a practitioner with a role", set("ServiceRequest", "requester", object{"reference": "Practitioner/gp-1"}), "-made-practitioner-role Bundle.entry[0].resource.requester"},
		{"a practitioner without a role", func(b object) {
			without("PractitionerRole")(b)
			resource(b, "ServiceRequest")["requester"] = object{"reference": "Practitioner/gp-1"}
			resource(b, "Patient")["managingOrganization"] = object{"reference": "Organization/o-1"}
		}, "made-practitioner-role Bundle.entry[0].resource.requester"},
		{"a receiver by identifier", func(b object) {
			resource(b, "ServiceRequest")["performer"] = []any{object{"reference": "HealthcareService/svc-1"}}
			resource(b, "HealthcareService")["providedBy"] = object{"display": "Link Workers", "identifier": object{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "Z9D01"}}
		}, "made-organization Bundle.entry[6].resource.providedBy"},
		{"a reference out", set("ServiceRequest", "supportingInfo", []any{object{"reference": "Observation/elsewhere"}}), "reference Bundle.entry[0].resource"},
		{"a contact that goes on", func(b object) {
			b["entry"] = append(b["entry"].([]any), object{"fullUrl": "https://surgery.example/fhir/Encounter/e", "resource": object{
				"resourceType": "Encounter", "status": "in-progress", "class": object{"code": "AMB"}, "subject": object{"reference": "Patient/p-1"}}})
			resource(b, "ServiceRequest")["encounter"] = object{"reference": "Encounter/e"}
		}, "encounter-status Bundle.entry[12].resource.status"},
		{"work that goes on", func(b object) {
			b["entry"] = append(b["entry"].([]any), object{"resource": object{"resourceType": "Task", "status": "accepted", "intent": "order"}})
		}, "left-out Bundle.entry[12].resource"},
	}
	for _, tt := range tests {
		w := write(change(t, plain(t), tt.f))
		if len(w.Faults) > 0 {
			t.Errorf("%s: %q", tt.name, told(w.Faults))
			continue
		}
		want, not := strings.CutPrefix(tt.want, "-")
		if slices.Contains(lossRules(w), want) == not {
			t.Errorf("%s: %q, want %q", tt.name, lossRules(w), tt.want)
		}
	}
}

// TestWriteKeepsWords: every word of the referral is in the message, or what it
// stood in is among the losses.
func TestWriteKeepsWords(t *testing.T) {
	w := write(plain(t))
	for _, word := range []string{"seeing people again", "not before ten", "Feeling lonely", "267076002", "Money worries", "Low mood", "Large print", "9991234039", "07700 900123", "SP-2026-000123", "1951-02"} {
		if !strings.Contains(w.Document, word) {
			t.Errorf("the message lacks %s", word)
		}
	}
	for _, word := range []string{"Kept by the sender", "No known risks"} {
		if strings.Contains(w.Document, word) {
			t.Errorf("the message has %s", word)
		}
	}
}

// TestWriteTextsAreClean: no loss or fault quotes the document.
func TestWriteTextsAreClean(t *testing.T) {
	w := write(change(t, plain(t), set("ServiceRequest", "identifier", nil)))
	for _, l := range w.Losses {
		clean(t, l.Text)
	}
	for _, f := range w.Faults {
		clean(t, f.Text)
	}
}

func clean(t *testing.T, text string) {
	t.Helper()
	for _, value := range []string{"Ada", "Sample", "999", "SP-", "07700", "Demo", "Y99001"} {
		if strings.Contains(text, value) {
			t.Errorf("%q quotes the document", text)
		}
	}
}

// FuzzWrite: whatever FHIR comes, what is written is a message that is taken.
func FuzzWrite(f *testing.F) {
	f.Add([]byte(plain(f)))
	f.Add(New().Read([]byte(message(f))).Records[0].Bundle)
	f.Add([]byte(`{"resourceType":"ServiceRequest","status":"active","authoredOn":"2026-03-04"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		w := New().Write(doc)
		if w.Document == "" {
			if fhir.Faults(w.Faults) == nil {
				t.Error("neither a document nor a fault")
			}
			return
		}
		if !New().Read([]byte(w.Document)).Accepted() {
			t.Errorf("not taken: %s", w.Document)
		}
	})
}

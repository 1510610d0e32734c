package gateway_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"trellis.example/mapping/formats"
)

// policeSecrets are the officer, log and crime references, and the incident,
// of the worked examples.
var policeSecrets = []string{"NTH/1234/26", "NTH-20260613-0412", "4410", "PC A Example", "2026-06-13", "Physically assaulted", "note.txt"}

// example is the input of a format's worked example.
func example(t *testing.T, format, name string) []byte {
	t.Helper()
	e, ok, err := formats.Lookup(format)
	if err != nil || !ok {
		t.Fatal(err)
	}
	b, err := fs.ReadFile(e.Files, "testdata/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A notice is one way in which police send.
type notice struct {
	format, media, name string
	status              int
	consent             []string // what turns the consent off
}

var noticeFormats = []notice{
	{"ppn-csv", "text/csv", "consented/in.csv", 200, []string{",Yes,Consent,", ",No,,"}},
	{"ppn-xml", "application/xml", "consented/in.xml", 201, []string{`obtained="true" basis="Consent"`, `obtained="false"`}},
	{"sdm-json", "application/vnd.api+json", "notice/in.json", 201, nil},
}

// refersOn makes the service refer the one referral it sees on to a club, and
// returns the id of the referral and of the person.
func (s *system) refersOn(club string) (referral, patient string) {
	s.t.Helper()
	referral = only(s.t, s.referrals("worker"))
	sr := s.want(s.get("worker", "/fhir/ServiceRequest/"+referral), 200).root(s.t)
	patient = sr.At("subject", "reference").Text()
	onward := fmt.Sprintf(`{"resourceType":"ServiceRequest","status":"active","intent":"order","basedOn":[{"reference":"ServiceRequest/%s"}],"category":[{"text":"Befriending"}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}],"text":"Befriending group"},"subject":{"reference":%q},"authoredOn":"2026-06-20T10:00:00Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":%q}},"performer":[{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":%q}}]}`, referral, patient, service, club)
	s.want(s.post("worker", "/fhir/ServiceRequest", fhirType, []byte(onward)), 201)
	return referral, patient
}

// everywhere asks by every way in which data can leave, and returns all of it.
func (s *system) everywhere(who, referral, patient string) []byte {
	s.t.Helper()
	var all []byte
	paths := []string{"ServiceRequest/" + referral, "ServiceRequest/" + referral + "/_history", "ServiceRequest/" + referral + "/$everything", patient, patient + "/_history", patient + "/$everything",
		"ServiceRequest?_include=ServiceRequest:based-on&_include=ServiceRequest:subject&_include:iterate=ServiceRequest:requester&_revinclude=Provenance:target&_revinclude=Task:focus&_count=200",
		"ServiceRequest?_include=*&_revinclude=*&_count=200", "Provenance?target=ServiceRequest/" + referral, "_history?_count=200"}
	for _, typ := range strings.Fields("Patient ServiceRequest Task Provenance Consent Condition Flag RiskAssessment QuestionnaireResponse Communication Organization DocumentReference Binary AuditEvent") {
		paths = append(paths, typ+"?_count=200", typ+"/_history?_count=200")
	}
	for _, p := range paths {
		a := s.get(who, "/fhir/"+p)
		if a.StatusCode >= 500 {
			s.t.Errorf("%s: %s", p, a.Status)
		}
		all = append(all, a.body...)
	}
	a := s.do(who, http.MethodGet, "/fhir/$export", http.Header{"Prefer": {"respond-async"}, "Accept": {"application/fhir+json"}}, nil)
	if a.StatusCode == http.StatusAccepted {
		_, m := s.export(who, "/fhir/$export")
		for _, o := range m.Output {
			f := s.want(s.do(who, http.MethodGet, strings.TrimPrefix(o.URL, s.g.PublicURL), http.Header{"Accept": {"application/fhir+ndjson"}}, nil), 200)
			all = append(all, f.body...)
		}
	}
	return all
}

// TestPoliceRecordsStay: officer, log, incident and crime references reach
// neither the service, nor the community provider it refers on to, nor a
// volunteer of the service's own, by any way in which data can leave.
func TestPoliceRecordsStay(t *testing.T) {
	for _, n := range noticeFormats {
		t.Run(n.format, func(t *testing.T) {
			s := newSystem(t, noChange)
			s.partners()
			s.partner("club", "community-provider", "VC901", nil)
			s.partner("volunteer", "community-provider", service, nil)
			s.partner("loader", "importer", "", nil)
			s.want(s.post("police", "/intake/"+n.format, n.media, example(t, n.format, n.name)), n.status)
			referral, patient := only(t, s.referrals("police")), ""
			if n.consent != nil {
				referral, patient = s.refersOn("VC901")
				if got := s.sees("club", "ServiceRequest"); got != 1 {
					t.Fatalf("the club sees %d referrals: this proves nothing", got)
				}
			}
			own := s.everywhere("police", referral, s.referrals("police")[referral].At("subject", "reference").Text())
			if !bytes.Contains(own, []byte("2026-06-13")) {
				t.Error("the force does not see its own record: this proves nothing")
			}
			for _, who := range []string{"worker", "club", "volunteer"} {
				seen := s.everywhere(who, referral, patient)
				for _, secret := range policeSecrets {
					if bytes.Contains(seen, []byte(secret)) {
						t.Errorf("%s sees a police record (%d)", who, len(secret))
					}
				}
			}
			s.logsAreClean()
		})
	}
}

// TestPoliceRecordsCannotBeHandedOn: the service cannot share by a reference
// what it does not see.
func TestPoliceRecordsCannotBeHandedOn(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("club", "community-provider", "VC901", nil)
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", example(t, "ppn-csv", "consented/in.csv")), 200)
	var hidden string
	for e := range s.want(s.get("police", "/fhir/Provenance?_count=50"), 200).root(t).Get("entry").Items() {
		if r := e.Get("resource"); bytes.Contains(r.Raw(), []byte("NTH/1234/26")) {
			hidden = "Provenance/" + r.Get("id").Text()
		}
	}
	if hidden == "" {
		t.Fatal("the force does not see its own record: this proves nothing")
	}
	s.want(s.get("worker", "/fhir/"+hidden), 404)
	referral := only(t, s.referrals("worker"))
	patient := s.referrals("worker")[referral].At("subject", "reference").Text()
	onward := fmt.Sprintf(`{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}],"text":"Befriending group"},"subject":{"reference":%q},"authoredOn":"2026-06-20T10:00:00Z","supportingInfo":[{"reference":%q}],"relevantHistory":[{"reference":%q}],"performer":[{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"VC901"}}]}`, patient, hidden, hidden)
	s.post("worker", "/fhir/ServiceRequest", fhirType, []byte(onward))
	s.want(s.get("club", "/fhir/"+hidden), 404)
}

// TestPoliceNeverActiveWithoutConsent: in none of the formats, by none of the
// doors, and nobody but the sender sees it.
func TestPoliceNeverActiveWithoutConsent(t *testing.T) {
	for _, n := range noticeFormats {
		t.Run(n.format, func(t *testing.T) {
			s := newSystem(t, noChange)
			s.partners()
			doc := example(t, n.format, n.name)
			if n.consent != nil {
				doc = edit(t, doc, n.consent...)
			}
			s.want(s.post("police", "/intake/"+n.format, n.media, doc), n.status)
			id := only(t, s.referrals("police"))
			sr := s.referrals("police")[id]
			if got := sr.Get("status").Text(); got != "on-hold" || !bytes.Contains(sr.Raw(), []byte("request-statusReason")) {
				t.Errorf("the referral is %s", got)
			}
			if got := s.task("police", id).Get("status").Text(); got != "on-hold" {
				t.Errorf("the Task is %s, want on-hold", got)
			}
			if n := s.sees("worker", "ServiceRequest") + s.sees("worker", "Patient") + s.sees("worker", "Task"); n != 0 {
				t.Errorf("the service sees %d resources", n)
			}
		})
	}
}

// TestPoliceConsent: who sees a notice follows what is recorded, and words that
// record nothing count as nothing.
func TestPoliceConsent(t *testing.T) {
	tests := []struct {
		share, basis, status string
		sees                 int
	}{
		{"Yes", "Consent", "active", 1},
		{"Yes", "Public task", "on-hold", 1},
		{"", "Public task", "on-hold", 1},
		{"", "vital interests", "on-hold", 1},
		{"", "Consent", "on-hold", 0},
		{"", "None", "on-hold", 0},
		{"", "Not obtained", "on-hold", 0},
		{"", "", "on-hold", 0},
		{"No", "Consent", "on-hold", 0},
		{"No", "Public task", "on-hold", 0},
	}
	s := newSystem(t, noChange)
	s.partners()
	file := notices(t, "1")
	for i, tt := range tests {
		ref := fmt.Sprintf("CONSENT-%d", i)
		doc := bytes.Replace(edit(t, file, ",Yes,Consent,Yes,", ","+tt.share+","+tt.basis+",Yes,"), reference(file), []byte(ref), 1)
		s.want(s.post("police", "/intake/ppn-csv", "text/csv", doc), 200)
		q := "ServiceRequest?identifier=" + ref
		own := s.want(s.get("police", "/fhir/"+q), 200).root(t).At("entry", 0, "resource")
		if got := own.Get("status").Text(); got != tt.status {
			t.Errorf("share %q, basis %q: status %q, want %q", tt.share, tt.basis, got, tt.status)
		}
		if got := s.want(s.get("worker", "/fhir/"+q), 200).root(t).Get("entry").Len(); got != tt.sees {
			t.Errorf("share %q, basis %q: the service sees %d, want %d", tt.share, tt.basis, got, tt.sees)
		}
	}
}

// reference is the first cell of the first row of a file.
func reference(file []byte) []byte {
	_, row, _ := bytes.Cut(file, []byte("\n"))
	ref, _, _ := bytes.Cut(row, []byte(","))
	return ref
}

// TestPoliceSubmission: stored before it is acknowledged, in the sender's own
// shape; a repeat gets the same answer; errors point into the document.
func TestPoliceSubmission(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	send := func(doc []byte) answer { return s.post("police", "/intake/sdm-json", "application/vnd.api+json", doc) }
	a := s.want(send(example(t, "sdm-json", "notice/in.json")), 201)
	data, _ := a.root2(t)["data"].(map[string]any)
	id, _ := data["id"].(string)
	if data["type"] != "incident" || id == "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/vnd.api+json") {
		t.Fatalf("%s\n%s", a.Header.Get("Content-Type"), a.body)
	}
	s.want(s.get("police", "/fhir/ServiceRequest/"+id), 200)
	again := s.want(send(example(t, "sdm-json", "notice/in.json")), 201)
	if !bytes.Equal(again.body, a.body) || len(s.referrals("police")) != 1 {
		t.Errorf("a repeat was answered\n%s\nwant\n%s", again.body, a.body)
	}
	bad := s.want(send(example(t, "sdm-json", "faulty/in.json")), 422)
	for _, pointer := range []string{"/data/type", "/included/0/attributes/dateOfBirth", "/included/1/attributes/telephoneNumber"} {
		if !bytes.Contains(bad.body, []byte(`"pointer":"`+pointer+`"`)) {
			t.Errorf("no error points to %s:\n%s", pointer, bad.body)
		}
	}
	s.logsAreClean()
}

// TestPoliceSkeleton: a submission without a person makes no referral. The
// service sees that there is something to triage, and nothing of what it says;
// the force sees both.
func TestPoliceSkeleton(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("police", "/intake/sdm-json", "application/vnd.api+json", example(t, "sdm-json", "skeleton/in.json")), 201)
	if n := len(s.referrals("police")) + s.sees("police", "Patient"); n != 0 {
		t.Errorf("%d referrals and persons were made of nothing", n)
	}
	for _, who := range []string{"police", "worker"} {
		tasks := s.want(s.get(who, "/fhir/Task?status=requested"), 200).root(t).Get("entry")
		if tasks.Len() != 1 || !bytes.Contains(tasks.Raw(), []byte("NTH-2026-0614-0043")) {
			t.Errorf("%s sees %d Tasks: %s", who, tasks.Len(), tasks.Raw())
		}
	}
	if all := s.everywhere("worker", "none", "Patient/none"); bytes.Contains(all, []byte("Lives alone")) {
		t.Error("the service sees the text")
	}
	if a := s.get("police", "/fhir/Communication"); !bytes.Contains(a.body, []byte("Lives alone")) {
		t.Errorf("the force does not see the text:\n%s", a.body)
	}
}

package gateway_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// root2 is the body of an answer that is no resource.
func (a answer) root2(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.body, &m); err != nil {
		t.Fatalf("%s: %v\n%s", a.Status, err, a.body)
	}
	return m
}

// statuses reads a result file: the status of each row, in order.
func statuses(t *testing.T, a answer) string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) == 0 || strings.Join(rows[0], ",") != "row,record_key,status,our_reference,code,column,message" {
		t.Fatalf("no result file: %v\n%s", err, a.body)
	}
	var out []string
	last := ""
	for _, r := range rows[1:] {
		if r[0] != last && r[0] != "" {
			out = append(out, r[2])
		}
		last = r[0]
	}
	return strings.Join(out, " ")
}

// notices returns the demo's file with one row per reference.
func notices(t *testing.T, refs ...string) []byte {
	t.Helper()
	var out []byte
	for i, r := range refs {
		head, row, _ := bytes.Cut(document(t, "referral.csv", r), []byte("\n"))
		if i == 0 {
			out = append(append(out, head...), '\n')
		}
		out = append(out, row...)
	}
	return out
}

func TestPoliceFile(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		send := func(body []byte) answer { return s.post("police", "/intake/ppn-csv", "text/csv", body) }
		file := notices(t, "1", "2", "3")
		bad := edit(t, file, "9991234020", "9991234021") // row 1: wrong check digit
		if got := statuses(t, s.want(send(bad), 200)); got != "rejected created created" {
			t.Errorf("a bad row among good ones: %s", got)
		}
		if got := statuses(t, s.want(send(file), 200)); got != "created unchanged unchanged" {
			t.Errorf("the mended file: %s", got)
		}
		if got := statuses(t, s.want(send(edit(t, file, "Would like company", "Would like a walk")), 200)); got != "updated unchanged unchanged" {
			t.Errorf("a changed row: %s", got)
		}
		if n := len(s.referrals("worker")); n != 3 {
			t.Errorf("%d referrals, want 3", n)
		}
		a := s.want(send(edit(t, file, "subject_dob", "subject_forenames")), 422) // duplicated header
		if n := a.root(t).Get("issue").Len(); n == 0 {
			t.Errorf("a bad header named no fault: %s", a.body)
		}
		s.logsAreClean()
	})
}

// TestPoliceFileNamesEveryFault: each fault with its column, no value shown.
func TestPoliceFileNamesEveryFault(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	bad := edit(t, notices(t, "1"), "12/09/1939", "31/02/1939", "9991234020", "9991234021", ",Male,", ",Mael,")
	a := s.want(s.post("police", "/intake/ppn-csv", "text/csv", bad), 422)
	for _, column := range []string{"subject_dob", "nhs_number", "subject_gender"} {
		if !bytes.Contains(a.body, []byte(","+column+",")) {
			t.Errorf("the result does not name %s:\n%s", column, a.body)
		}
	}
	for _, value := range []string{"31/02/1939", "9991234021", "Mael", "TESTCASE"} {
		if bytes.Contains(a.body, []byte(value)) {
			t.Errorf("the result shows the value %s", value)
		}
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("a refused file left %d referrals", n)
	}
}

// TestPoliceWithoutConsent: no consent and no lawful basis never becomes an
// active referral.
func TestPoliceWithoutConsent(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", edit(t, notices(t, "1"), ",Yes,Consent,Yes,", ",No,,Yes,")), 200)
	for id, sr := range s.referrals("police") {
		if got := sr.Get("status").Text(); got == "active" {
			t.Errorf("referral %s without consent is active", id)
		}
	}
}

// TestLabelledReferralStaysVisible: the map labels a police referral; its
// sender may still update it, and the service may still see it afterwards.
func TestLabelledReferralStaysVisible(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.want(s.post("police", "/intake/ppn-csv", "text/csv", notices(t, "1")), 200)
	id := only(t, s.referrals("police"))
	a := s.want(s.get("police", "/fhir/ServiceRequest/"+id), 200)
	if !bytes.Contains(a.body, []byte(`"security"`)) {
		t.Fatal("the map sets no label; this test proves nothing")
	}
	s.want(s.do("police", "PUT", "/fhir/ServiceRequest/"+id, map[string][]string{"Content-Type": {fhirType}}, a.body), 200)
	s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 200)
	more := edit(t, a.body, `"security":[`, `"security":[{"system":"urn:x","code":"other"},`)
	s.want(s.do("police", "PUT", "/fhir/ServiceRequest/"+id, map[string][]string{"Content-Type": {fhirType}}, more), 422)
}

// TestFileWithoutRecords: a header alone is refused, as an error, so that it is
// audited.
func TestFileWithoutRecords(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	head, _, _ := bytes.Cut(notices(t, "1"), []byte("\n"))
	a := s.want(s.post("police", "/intake/ppn-csv", "text/csv", append(head, '\n')), 422)
	if !bytes.Contains(a.body, []byte("OperationOutcome")) {
		t.Errorf("got %s", a.body)
	}
	if n := s.audits("intake"); n != 1 {
		t.Errorf("%d audit entries, want 1", n)
	}
}

// TestUnreadableFile holds that a file whose rows stop being rows is given up
// after a thousand in succession, says so, and keeps what came before; fewer
// block nobody.
func TestUnreadableFile(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	send := func(bad int) string {
		t.Helper()
		head, row, _ := bytes.Cut(notices(t, "1"), []byte("\n"))
		_, last, _ := bytes.Cut(notices(t, "2"), []byte("\n"))
		file := slices.Concat(head, []byte("\n"), row, bytes.Repeat([]byte("a,b\n"), bad), last)
		return string(s.want(s.post("police", "/intake/ppn-csv", "text/csv", file), 200).body)
	}
	if got := send(1000); strings.Count(got, ",created,") != 2 || strings.Contains(got, "in succession") {
		t.Errorf("a thousand rows that are none: %.300s", got)
	}
	if got := send(3000); strings.Count(got, ",unchanged,") != 1 || !strings.Contains(got, "in succession") || strings.Count(got, "\n") > 1200 {
		t.Errorf("three thousand rows that are none: %d lines, %.300s", strings.Count(got, "\n"), got)
	}
}

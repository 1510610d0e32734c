package hl7v2

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/hl7v2"
	"trellis.example/mapping/tables"
)

// open compiles the format from its folder.
func open() (*Format, error) {
	return New(os.DirFS("."), mapping.Library{Codecs: map[string]codec.Syntax{"hl7v2": hl7v2.Syntax{}}, Tables: tables.Files()})
}

var compiled = sync.OnceValues(open)

func newFormat(t testing.TB, o Options) *Format {
	t.Helper()
	f, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return f.With(o)
}

func example(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + "/in.hl7")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// read reads a message that must give one accepted record.
func read(t testing.TB, f *Format, msg string) (mapping.Record, bundle) {
	t.Helper()
	res := f.Read([]byte(msg))
	if len(res.Records) != 1 || res.Records[0].Refused() {
		t.Fatalf("refused: %v %v", res.Faults, res.Records)
	}
	tree, err := fhir.Parse(res.Records[0].Bundle, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return res.Records[0], bundle{tree.Root()}
}

type bundle struct{ fhir.Value }

// get returns the text at a path of the n-th resource of a type, such as
// get("Patient", 0, "name", 0, "family").
func (b bundle) get(typ string, n int, path ...any) string {
	for e := range b.Get("entry").All() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == typ {
			if n--; n < 0 {
				return r.At(path...).Text()
			}
		}
	}
	return ""
}

func (b bundle) count(typ string) int {
	n := 0
	for e := range b.Get("entry").All() {
		if e.At("resource", "resourceType").Text() == typ {
			n++
		}
	}
	return n
}

// with replaces fields of a message: with(msg, "PID-8", "X").
func with(t testing.TB, msg string, pairs ...string) string {
	t.Helper()
	lines := strings.Split(msg, "\r")
	for i := 0; i < len(pairs); i += 2 {
		p, ok := hl7v2.ParsePath(pairs[i])
		if !ok {
			t.Fatalf("bad place %s", pairs[i])
		}
		for j, l := range lines {
			f := strings.Split(l, "|")
			if f[0] != p.Segment {
				continue
			}
			n := p.Field
			if f[0] == "MSH" {
				n--
			}
			for len(f) <= n {
				f = append(f, "")
			}
			f[n] = pairs[i+1]
			lines[j] = strings.Join(f, "|")
			break
		}
	}
	return strings.Join(lines, "\r")
}

func TestStatus(t *testing.T) {
	refer := example(t, "refer")
	consent := refer + "CON|1||||||||||A^^HL70498\r"
	tests := []struct {
		name, msg string
		implied   bool
		want      string
	}{
		{"no consent", refer, false, "draft"},
		{"implied consent", refer, true, "active"},
		{"consent recorded", consent, false, "active"},
		{"consent accepted, no agreement", with(t, consent, "RF1-1", "A"), false, "active"},
		{"no RF1-1", with(t, consent, "RF1-1", ""), false, "active"},
		{"consent refused beats the agreement", with(t, consent, "CON-11", "R"), true, "draft"},
		{"consent withdrawn", with(t, consent, "CON-11", "X"), true, "draft"},
		{"consent with limits", with(t, consent, "CON-11", "L"), true, "draft"},
		{"rejected", with(t, consent, "RF1-1", "R"), true, "revoked"},
		{"expired", with(t, consent, "RF1-1", "E"), true, "revoked"},
		{"cancelled", with(t, consent, "MSH-9", "REF^I14"), true, "revoked"},
		{"deleted in v2.8", with(t, consent, "RF1-25", "D"), true, "entered-in-error"},
	}
	for _, tt := range tests {
		_, b := read(t, newFormat(t, Options{ImpliedConsent: tt.implied}), tt.msg)
		if got := b.get("ServiceRequest", 0, "status"); got != tt.want {
			t.Errorf("%s: status %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestConsent(t *testing.T) {
	refer := example(t, "refer")
	tests := []struct {
		name, msg            string
		implied              bool
		count                int
		status, rule, denied string
	}{
		{"none", refer, false, 0, "", "", ""},
		{"implied", refer, true, 1, "active", "IMPLIED", ""},
		{"given", refer + "CON|1||||||||||A\r", true, 1, "active", "OPTIN", ""},
		{"refused", refer + "CON|1||||||||||R\r", true, 1, "rejected", "OPTIN", "deny"},
		{"withdrawn", refer + "CON|1||||||||||X\r", false, 1, "inactive", "OPTIN", "deny"},
		{"bypassed", refer + "CON|1||||||||||B\r", false, 1, "proposed", "OPTIN", ""},
	}
	for _, tt := range tests {
		rec, b := read(t, newFormat(t, Options{ImpliedConsent: tt.implied}), tt.msg)
		got := []string{b.get("Consent", 0, "status"), b.get("Consent", 0, "policyRule", "coding", 0, "code"), b.get("Consent", 0, "provision", "type")}
		if b.count("Consent") != tt.count || !slices.Equal(got, []string{tt.status, tt.rule, tt.denied}) {
			t.Errorf("%s: %d consents, %q", tt.name, b.count("Consent"), got)
		}
		warned := slices.ContainsFunc(rec.Faults, func(is fhir.Issue) bool { return is.Source == "CON-11.1" })
		if want := tt.status != "active"; warned != want {
			t.Errorf("%s: warned %t, want %t", tt.name, warned, want)
		}
	}
}

func TestFacts(t *testing.T) {
	_, b := read(t, newFormat(t, Options{ImpliedConsent: true}), example(t, "refer"))
	tests := []struct {
		typ  string
		n    int
		path []any
		want string
	}{
		{"ServiceRequest", 0, []any{"code", "coding", 0, "code"}, "871731000000106"},
		{"ServiceRequest", 0, []any{"priority"}, "asap"},
		{"ServiceRequest", 0, []any{"identifier", 0, "value"}, "REF-7001"},
		{"ServiceRequest", 0, []any{"identifier", 0, "type", "coding", 0, "code"}, "PLAC"},
		{"ServiceRequest", 0, []any{"identifier", 1, "type", "coding", 0, "code"}, "FILL"},
		{"ServiceRequest", 0, []any{"occurrencePeriod", "end"}, "2027-02-02"},
		{"ServiceRequest", 0, []any{"authoredOn"}, "2026-11-02T09:25:00+00:00"},
		{"ServiceRequest", 0, []any{"note", 0, "text"}, "Lives alone. Hearing aid user | prefers texts."},
		{"ServiceRequest", 0, []any{"meta", "tag", 0, "code"}, ""},
		{"Patient", 0, []any{"identifier", 0, "value"}, "9990000018"},
		{"Patient", 0, []any{"name", 0, "given", 1}, "Lee"},
		{"Patient", 0, []any{"birthDate"}, "1951-03-09"},
		{"Patient", 0, []any{"telecom", 0, "use"}, "mobile"},
		{"Patient", 0, []any{"telecom", 1, "value"}, "rowan@example.org"},
		{"Patient", 0, []any{"contact", 0, "relationship", 0, "coding", 0, "code"}, "N"},
		{"Patient", 0, []any{"extension", 0, "valueCodeableConcept", "coding", 0, "code"}, "A"},
		{"HealthcareService", 0, []any{"identifier", 0, "system"}, "https://fhir.nhs.uk/Id/dos-service-id"},
		{"Organization", 1, []any{"identifier", 0, "value"}, "X26TW"},
		{"Practitioner", 0, []any{"identifier", 0, "system"}, "https://fhir.hl7.org.uk/Id/gmc-number"},
		{"Condition", 0, []any{"code", "text"}, "Alone since a bereavement"},
		{"AllergyIntolerance", 0, []any{"reaction", 0, "severity"}, "moderate"},
		{"QuestionnaireResponse", 0, []any{"questionnaire"}, "https://trellis.example/fhir/Questionnaire/ons4|1.0.0"},
		{"QuestionnaireResponse", 0, []any{"item", 0, "linkId"}, "satisfied"},
		{"QuestionnaireResponse", 0, []any{"item", 0, "answer", 0, "valueInteger"}, "3"},
		{"ServiceRequest", 0, []any{"note", 1, "text"}, "Asked by telephone"},
		{"Observation", 0, []any{"valueString"}, "Would like company\nLikes gardening & chess\nand a lift to town"},
		{"Encounter", 0, []any{"class", "code"}, "AMB"},
		{"Encounter", 0, []any{"status"}, "unknown"},
	}
	for _, tt := range tests {
		if got := b.get(tt.typ, tt.n, tt.path...); got != tt.want {
			t.Errorf("%s[%d].%v = %q, want %q", tt.typ, tt.n, tt.path, got, tt.want)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	const nhs = "https://fhir.nhs.uk/Id/nhs-number"
	tests := []struct{ pid3, system, value, code string }{
		{"9990000018^^^NHS^NH", nhs, "9990000018", ""},
		{"999 000 0018^^^NHS^NHS", nhs, "9990000018", ""},
		{"9990000018^^^NHS", nhs, "9990000018", ""},
		{"L1^^^WARD^MR", "", "L1", "MR"},
		{"L1^^^WARD", "", "L1", ""},
		{"L1", "", "L1", ""},
	}
	for _, tt := range tests {
		_, b := read(t, newFormat(t, Options{}), with(t, example(t, "refer"), "PID-3", tt.pid3))
		get := func(path ...any) string { return b.get("Patient", 0, append([]any{"identifier", 0}, path...)...) }
		if get("system") != tt.system || get("value") != tt.value || get("type", "coding", 0, "code") != tt.code {
			t.Errorf("%s: %q %q %q", tt.pid3, get("system"), get("value"), get("type", "coding", 0, "code"))
		}
	}
	if res := newFormat(t, Options{}).Read([]byte(with(t, example(t, "refer"), "PID-3", "9990000019^^^NHS"))); !res.Records[0].Refused() {
		t.Error("a wrong NHS number without a type must be refused too")
	}
}

func TestProcessingIDIsMarked(t *testing.T) {
	for id, want := range map[string]string{"P": "", "T": "T", "D": "D"} {
		_, b := read(t, newFormat(t, Options{}), with(t, example(t, "refer"), "MSH-11", id))
		if got := b.get("ServiceRequest", 0, "meta", "tag", 0, "code"); got != want {
			t.Errorf("MSH-11 %s: tag %q, want %q", id, got, want)
		}
	}
}

func TestRecordKey(t *testing.T) {
	rec, _ := read(t, newFormat(t, Options{}), example(t, "refer"))
	if rec.Key != "REF-7001" {
		t.Errorf("key %q", rec.Key)
	}
	rec, b := read(t, newFormat(t, Options{}), example(t, "without-rf1"))
	if rec.Key != "C000000002" || b.get("ServiceRequest", 0, "identifier", 0, "value") != "C000000002" {
		t.Errorf("without RF1: key %q", rec.Key)
	}
}

func TestUnknownSegmentIsResidue(t *testing.T) {
	rec, _ := read(t, newFormat(t, Options{}), example(t, "refer"))
	want := mapping.Loss{Source: "ZSP-2", Rule: "residue", Text: "no rule of the map carries this value"}
	if !slices.Contains(rec.Losses, want) {
		t.Errorf("losses %v do not name ZSP-2", rec.Losses)
	}
	for _, l := range rec.Losses {
		if strings.HasPrefix(l.Source, "MSH") || strings.HasPrefix(l.Source, "@") || l.Source == "PID-1" {
			t.Errorf("%s is no loss", l.Source)
		}
	}
}

// TestFaultsBecomeErr follows faults of content into the acknowledgement.
func TestFaultsBecomeErr(t *testing.T) {
	refer := example(t, "refer")
	tests := []struct{ name, msg, at string }{
		{"NHS number", with(t, refer, "PID-3", "9990000019^^^NHS^NH"), "PID^1^3^1^1|102^"},
		{"second repetition", with(t, refer, "PID-3", "L1^^^^MR~9990000019^^^NHS^NH"), "PID^1^3^2^1|102^"},
		{"gender", with(t, refer, "PID-8", "Z"), "PID^1^8^1|103^"},
		{"birth date", with(t, refer, "PID-7", "19511332"), "PID^1^7^1|102^"},
		{"status", with(t, refer, "RF1-1", "Q^^HL70283"), "RF1^1^1^1^1|103^"},
		{"no name", with(t, refer, "PID-5", ""), "PID^1^5^1^1|101^"},
		{"no person", strings.Replace(refer, "PID|", "ZID|", 1), "PID^1|101^"},
		{"two persons", refer + "PID|2||||Other^Person\r", "PID^2|100^"},
		{"observation without status", with(t, refer, "OBX-11", ""), "OBX^1^11^1|101^"},
	}
	for _, tt := range tests {
		res := newFormat(t, Options{ImpliedConsent: true}).Read([]byte(tt.msg))
		if len(res.Records) != 1 || res.Records[0].Bundle != nil {
			t.Errorf("%s: not refused", tt.name)
			continue
		}
		faults := res.Records[0].Faults
		if code := CodeFor(faults); code != AE {
			t.Errorf("%s: %s, want AE", tt.name, code)
		}
		ack := string(BuildAck([]byte(tt.msg), AE, faults, noon, "T1"))
		if !strings.Contains(ack, "\rERR||"+tt.at) {
			t.Errorf("%s: no ERR at %s in %q", tt.name, tt.at, ack)
		}
	}
}

func TestHeaderFaultsGiveNoRecord(t *testing.T) {
	for _, msg := range []string{"", "hello", with(t, example(t, "refer"), "MSH-9", "SIU^S12"), with(t, example(t, "refer"), "MSH-12", "3.0"), example(t, "refer") + "pid|x\r"} {
		res := newFormat(t, Options{}).Read([]byte(msg))
		if len(res.Records) != 0 || CodeFor(res.Faults) != AR {
			t.Errorf("%.20q: %d records, %s", msg, len(res.Records), CodeFor(res.Faults))
		}
	}
}

// TestHopelessMessages are short to send and must be short to refuse.
func TestHopelessMessages(t *testing.T) {
	refer := example(t, "refer")
	for name, msg := range map[string]string{
		"segments":    refer + strings.Repeat("NK1|1\r", hl7v2.MaxSegments),
		"fields":      refer + "ZZZ|" + strings.Repeat("a|", hl7v2.MaxFields) + "\r",
		"repetitions": with(t, refer, "PID-3", strings.Repeat("a~", hl7v2.MaxValues)+"b"),
		"components":  with(t, refer, "PID-3", strings.Repeat("a^", hl7v2.MaxValues)+"b"),
		"bytes":       refer + "NTE|1||" + strings.Repeat("a", hl7v2.MaxMessage) + "\r",
	} {
		res := newFormat(t, Options{}).Read([]byte(msg))
		issues := res.Faults
		for _, rec := range res.Records {
			issues = append(issues, rec.Faults...)
		}
		if !slices.ContainsFunc(issues, func(is fhir.Issue) bool { return is.Code == fhir.TooLong && is.IsError() }) {
			t.Errorf("%s: not refused as too long", name)
		}
	}
	long := with(t, refer, "OBX-2", "FT", "OBX-5", strings.Repeat("line~", 100_000))
	if rec, _ := read(t, newFormat(t, Options{}), long); rec.Refused() {
		t.Error("a long text is no fault")
	}
}

// TestFaultsShowNoValues sends marked values where they are wrong.
func TestFaultsShowNoValues(t *testing.T) {
	const secret = "SECRET7"
	msg := with(t, example(t, "refer"), "PID-3", secret+"^^^NHS^NH", "PID-7", secret, "PID-8", secret, "RF1-1", secret, "RF1-2", secret, "RF1-7", secret, "OBX-5", secret, "OBX-11", secret)
	res := newFormat(t, Options{}).Read([]byte(msg))
	if n := len(res.Records[0].Faults); n < 7 {
		t.Errorf("%d faults, want all at once", n)
	}
	ack := string(BuildAck([]byte(msg), AE, res.Records[0].Faults, noon, "T1"))
	all, _ := json.Marshal(res.Records[0])
	if strings.Contains(ack, secret) || strings.Contains(string(all), secret) {
		t.Error("a fault, loss or acknowledgement shows a value")
	}
}

func TestRRI(t *testing.T) {
	f := newFormat(t, Options{ImpliedConsent: true})
	rec, _ := read(t, f, example(t, "refer"))
	env := Envelope{
		SendingFacility: "X26TW", ReceivingApplication: "PRACTICE", ReceivingFacility: "Y90001",
		ControlID: "R1", Now: noon, InReplyTo: "M000000001", Version: "2.4",
	}
	for _, status := range []string{"A", "R", "P", "E", ""} {
		w := f.BuildRRI(rec.Bundle, Decision{Status: status, Reference: "SP-1", Authority: "X26TW", Text: "We will ring on Monday"}, env)
		m, err := hl7v2.Parse([]byte(w.Document))
		if err != nil {
			t.Fatalf("%v %v", err, w.Faults)
		}
		for place, want := range map[string]string{
			"MSH-9.1": "RRI", "MSH-9.2": "I12", "MSH-9.3": "RRI_I12", "MSH-10": "R1", "MSH-12": "2.4", "MSH-3": "TRELLIS", "MSH-6": "Y90001",
			"MSA-1": "AA", "MSA-2": "M000000001",
			"RF1-1.1": status, "RF1-6.1": "REF-7001", "RF1-11.1": "EXT-12", "RF1-11[2].1": "SP-1", "RF1-11[2].2": "X26TW",
			"PRD-1.1": "RP", "PID-3.1": "9990000018", "NTE-3": "We will ring on Monday",
		} {
			if got := m.Get(place); got != want {
				t.Errorf("status %q: %s = %q, want %q", status, place, got, want)
			}
		}
		for _, name := range []string{"NK1", "DG1", "OBX", "OBR", "CON", "PV1", "AL1"} {
			if m.First(name).Exists() {
				t.Errorf("an RRI tells only what the referrer needs: %s", name)
			}
		}
	}
}

func TestWriteRefusesWhatIsNoReferral(t *testing.T) {
	f := newFormat(t, Options{})
	for _, in := range []string{"", "{", `{"resourceType":"Patient"}`, `{"resourceType":"Bundle","type":"transaction"}`, `{"resourceType":"ServiceRequest","status":"active"}`} {
		for _, w := range []mapping.Written{f.Write([]byte(in)), f.BuildRRI([]byte(in), Decision{}, Envelope{})} {
			if w.Document != "" && !strings.Contains(w.Document, "\rPID|") || w.Document == "" && fhir.Faults(w.Faults) == nil {
				t.Errorf("Write(%q) = %q, %v", in, w.Document, w.Faults)
			}
		}
	}
}

// TestSamples reads the published samples when the folder is there, and
// compares facts with the outcome that an independent converter publishes.
func TestSamples(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "standards", "samples", "hl7v2")
	f := newFormat(t, Options{ImpliedConsent: true})
	msg, err := os.ReadFile(filepath.Join(dir, "01-REF-I12-01.hl7"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no samples at %s", dir)
	}
	want, err := os.ReadFile(filepath.Join(dir, "01-REF-I12-01.expected-microsoft.json"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := fhir.Parse(want, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	theirs := bundle{tree.Root()}
	_, ours := read(t, f, string(msg))
	for _, path := range [][]any{
		{"ServiceRequest", "identifier", 0, "value"}, {"ServiceRequest", "identifier", 1, "value"}, {"ServiceRequest", "authoredOn"},
		{"ServiceRequest", "occurrencePeriod", "start"}, {"ServiceRequest", "occurrencePeriod", "end"}, {"ServiceRequest", "priority"},
		{"ServiceRequest", "reasonCode", 0, "coding", 0, "code"}, {"ServiceRequest", "locationCode", 0, "coding", 0, "code"},
		{"ServiceRequest", "note", 0, "text"}, {"ServiceRequest", "intent"},
		{"Patient", "identifier", 0, "value"}, {"Patient", "name", 0, "family"}, {"Patient", "name", 0, "given", 0}, {"Patient", "birthDate"},
		{"Patient", "gender"}, {"Patient", "address", 0, "line", 0}, {"Patient", "address", 0, "city"}, {"Patient", "address", 0, "postalCode"},
		{"Condition", "code", "coding", 0, "code"}, {"Condition", "code", "coding", 0, "system"}, {"Condition", "code", "text"},
		{"AllergyIntolerance", "code", "coding", 0, "code"}, {"AllergyIntolerance", "reaction", 0, "manifestation", 0, "text"},
		{"Encounter", "class", "code"},
	} {
		typ := path[0].(string)
		got, want := ours.get(typ, 0, path[1:]...), theirs.get(typ, 0, path[1:]...)
		if got != want || want == "" {
			t.Errorf("%v = %q, the other converter has %q", path, got, want)
		}
	}
	testComposed(t, f, dir)
}

func testComposed(t *testing.T, f *Format, dir string) {
	msg, err := os.ReadFile(filepath.Join(dir, "03-composed-uk-REF-I12.hl7"))
	if err != nil {
		t.Fatal(err)
	}
	rec, b := read(t, f, string(msg))
	if rec.Key != "REF-2026-0001" || b.get("Patient", 0, "identifier", 0, "value") != "9991001018" || b.count("Observation") != 1 || b.count("QuestionnaireResponse") != 1 {
		t.Error("the composed UK referral is not read as it should")
	}
	for _, tt := range []struct{ name, typ, want string }{
		{"02-ADT-A03-01.hl7", "Patient", "ADT"},
		{"06-composed-ADT-A03-discharge.hl7", "Encounter", "ADT"},
		{"04-composed-RRI-I12-accepted.hl7", "Task", "RRI"},
	} {
		msg, err := os.ReadFile(filepath.Join(dir, tt.name))
		if err != nil {
			t.Fatal(err)
		}
		h, _ := ReadHeader(msg)
		_, b := read(t, f, string(msg))
		if h.Type != tt.want || b.count(tt.typ) != 1 || b.count("ServiceRequest") != 0 {
			t.Errorf("%s: %s with %d of %s and %d referrals", tt.name, h.Type, b.count(tt.typ), tt.typ, b.count("ServiceRequest"))
		}
	}
}

// FuzzRead checks that any bytes give a record or faults, that only our faults
// refuse, that what is accepted is JSON, and that an acknowledgement of it is
// itself a message.
func FuzzRead(f *testing.F) {
	format := newFormat(f, Options{ImpliedConsent: true})
	names, err := filepath.Glob("testdata/*/in.hl7")
	if err != nil || len(names) == 0 {
		f.Fatal("no examples")
	}
	for _, n := range names {
		b, _ := os.ReadFile(n)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		res := format.Read(in)
		issues := res.Faults
		for _, rec := range res.Records {
			issues = append(issues, rec.Faults...)
			if rec.Refused() != (rec.Bundle == nil) {
				t.Fatal("a refused record has no bundle, and only a refused one")
			}
			if rec.Bundle != nil {
				if _, err := fhir.Parse(rec.Bundle, 1<<26); err != nil {
					t.Fatalf("the bundle is not JSON: %v", err)
				}
			}
		}
		if len(res.Records) == 0 && fhir.Faults(res.Faults) == nil {
			t.Fatal("neither a record nor a fault")
		}
		ack := BuildAck(in, CodeFor(issues), issues, noon, "T1")
		if ack == nil {
			return
		}
		if _, err := hl7v2.Parse(ack); err != nil {
			t.Fatalf("the acknowledgement is refused: %v\n%q", err, ack)
		}
	})
}

package hl7v2

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec/hl7v2"
)

var update = flag.Bool("update", false, "rewrite the expected half of the cases of visits, results and responses")

// kindCases are the worked examples of messages that are no referrals.
func kindCases(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("*/testdata/*/in.hl7")
	if err != nil || len(found) < 3 {
		t.Fatalf("%d cases (%v)", len(found), err)
	}
	return found
}

func TestKindCases(t *testing.T) {
	f := newFormat(t, Options{})
	for _, in := range kindCases(t) {
		doc, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range mapping.CaseFiles(f, doc, ".hl7") {
			file := path.Join(path.Dir(in), name)
			if *update {
				if err := os.WriteFile(file, want, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs (%v): run with -update and read the diff", file, err)
			}
		}
	}
}

// TestKindsRoundTrip holds in(out(in(x))) = in(x) for every kind of message,
// but for what writing says is lost.
func TestKindsRoundTrip(t *testing.T) {
	f := newFormat(t, Options{})
	for _, in := range kindCases(t) {
		doc, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := read(t, f, string(doc))
		w := f.Write(first.Bundle)
		if fhir.Faults(w.Faults) != nil {
			t.Fatalf("%s: %v", in, w.Faults)
		}
		again, _ := read(t, f, w.Document)
		lost := map[string]bool{}
		for _, l := range w.Losses {
			lost[l.Source] = true
		}
		now := leavesOf(t, again.Bundle)
		for at, text := range leavesOf(t, first.Bundle) {
			if now[at] != text && !lost[at] {
				t.Errorf("%s: %s differs after the round trip and is not among the losses", in, at)
			}
		}
	}
}

// leavesOf lists the values of a bundle by their paths, the entries' own
// addresses excepted.
func leavesOf(t testing.TB, bundle []byte) map[string]string {
	t.Helper()
	tree, err := fhir.Parse(bundle, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(v fhir.Value)
	walk = func(v fhir.Value) {
		if v.Kind() != fhir.Object && v.Kind() != fhir.Array {
			if s := v.Text(); !strings.HasPrefix(s, "urn:uuid:") {
				out[v.Path()] = s
			}
			return
		}
		for m := range v.All() {
			walk(m)
		}
	}
	walk(tree.Root())
	return out
}

// TestKindsMakeNoReferral holds that nothing but REF ever makes a
// ServiceRequest.
func TestKindsMakeNoReferral(t *testing.T) {
	f := newFormat(t, Options{ImpliedConsent: true})
	for _, k := range []Kind{Visit, Result, Response} {
		files, err := fs.ReadFile(kinds, map[Kind]string{Visit: "adt", Result: "oru", Response: "rri"}[k]+"/map.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(files, []byte(`"ServiceRequest:`)) {
			t.Errorf("a rule of %s writes a ServiceRequest", k)
		}
		for _, l := range f.KindMap(k).Lint() {
			if l.Error {
				t.Errorf("%s: %s: %s", k, l.Place, l.Text)
			}
		}
	}
	for _, in := range kindCases(t) {
		doc, _ := os.ReadFile(in)
		if _, b := read(t, f, string(doc)); b.count("ServiceRequest") != 0 {
			t.Errorf("%s made a referral", in)
		}
	}
}

func TestScores(t *testing.T) {
	f := newFormat(t, Options{})
	doc, err := os.ReadFile("oru/testdata/scores/in.hl7")
	if err != nil {
		t.Fatal(err)
	}
	msg := string(doc)
	tests := []struct{ name, msg, place, code string }{
		{"no reference of the referral", with(t, msg, "OBR-2", ""), "OBR-2.1", "101"},
		{"a score that is no number", with(t, msg, "OBX-5", "many"), "OBX-5", "102"},
		{"no status", with(t, msg, "OBX-11", ""), "OBX-11", "101"},
		{"an answer twice", strings.Replace(msg, "ONS4-WOR^", "ONS4-SAT^", 1), "OBX[2]-3", "100"},
		{"no result", msg[:strings.Index(msg, "OBX|")], "OBX", "101"},
		{"two people", msg + "PID|2||1^^^A^PI||B^C\r", "PID[2]", "100"},
	}
	for _, tt := range tests {
		res := f.Read([]byte(tt.msg))
		found := false
		for _, rec := range res.Records {
			for _, is := range rec.Faults {
				found = found || is.IsError() && is.Source == tt.place && conditionOf(is).Code == tt.code
			}
		}
		if !found {
			t.Errorf("%s: no fault %s at %s: %v", tt.name, tt.code, tt.place, res.Records)
		}
	}
	codes := strings.NewReplacer("ONS4-SAT", "ons4-satisfied", "ONS4-ANX", "ons4-anxious").Replace(msg)
	if _, b := read(t, f, codes); b.get("QuestionnaireResponse", 0, "item", 3, "linkId") != "anxious" {
		t.Error("the codes of the code system are not known")
	}
}

// TestInstrumentsAreTheMap holds that the lists of codes in Go and in the map's
// groups are the same.
func TestInstrumentsAreTheMap(t *testing.T) {
	b, err := os.ReadFile("map.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, codes := range instruments() {
		list := `["` + strings.Join(strings.Fields(codes), `", "`) + `"]`
		if !bytes.Contains(b, []byte("in: "+list)) {
			t.Errorf("no group of map.yaml has the codes %s", list)
		}
	}
}

func TestMerge(t *testing.T) {
	head := "MSH|^~\\&|A|B|C|D|20261102||REF^I13|2|P|2.5.1||||||UNICODE UTF-8\r"
	before := "MSH|^~\\&|A|B|C|D|20261101||REF^I12|1|P|2.5.1\rRF1|P|R||||R1^A\rPRD|RP|One\rPRD|RT||||C1\rPID|1||1^^^A^PI||Old^Name||19500101|F||x|Street^^Town\r" +
		"NK1|1|Kin^A\rNK1|2|Kin^B\rDG1|1||X1\rOBX|1|ST|A||one||||||F\rNTE|1||of the result\rPV1|1|O\rNTE|1||of the message\rZZZ|1\r"
	tests := []struct {
		name, later string
		want        map[string]string
		none        []string
	}{
		{"empty keeps, value replaces, null deletes", head + "RF1||A||||R1^A\rPID|1||||New^Name||\"\"\r",
			map[string]string{"RF1-1": "P", "RF1-2": "A", "PID-5.1": "New", "PID-3.1": "1", "PID-8": "F", "PID-11.1": "Street", "NK1[2]-2.1": "Kin", "DG1-3": "X1",
				"OBX-5": "one", "NTE[2]-3": "of the message", "MSH-10": "2", "MSH-9.2": "I13"}, []string{"PID-7", "ZZZ-1"}},
		{"repeating segments as a whole", head + "PID|1\rNK1|1|Kin^C\r", map[string]string{"NK1-2.2": "C", "PID-5.1": "Old"}, []string{"NK1[2]-2"}},
		{"providers by their role", head + "PRD|RP|Two\rPID|1\r", map[string]string{"PRD-2": "Two", "PRD[2]-5": "C1"}, nil},
		{"results with their notes", head + "PID|1\rOBX|1|ST|A||two||||||F\r", map[string]string{"OBX-5": "two", "NTE-3": "of the message"}, []string{"NTE[2]-3"}},
		{"a null is done once", head + "PID|1||||^Only\r", map[string]string{"PID-5.2": "Only"}, []string{"PID-5.1"}},
	}
	for _, tt := range tests {
		out, err := Merge([]byte(before), []byte(tt.later))
		if err != nil {
			t.Fatal(err)
		}
		m, err := hl7v2.Parse(out)
		if err != nil {
			t.Fatalf("%s: %v\n%q", tt.name, err, out)
		}
		for at, want := range tt.want {
			if got := m.Get(at); got != want {
				t.Errorf("%s: %s = %q, want %q\n%q", tt.name, at, got, want, out)
			}
		}
		for _, at := range tt.none {
			if got := m.Get(at); got != "" {
				t.Errorf("%s: %s = %q, want nothing", tt.name, at, got)
			}
		}
	}
	nulled, _ := Merge([]byte(before), []byte(head+"PID|1||||||\"\"\r"))
	if m, _ := hl7v2.Parse(nulled); !m.First("PID").Field(7).Rep(0).IsNull() {
		t.Error("the null must be seen when the message is mapped, so that it is reported")
	}
	after, _ := Merge(nulled, []byte(head+"PID|1||||||||B\r"))
	if m, _ := hl7v2.Parse(after); m.First("PID").Field(7).Len() != 0 {
		t.Error("a deletion is not repeated")
	}
}

func TestMergeOfAnotherVisit(t *testing.T) {
	head := "MSH|^~\\&|A|B|C|D|20261102||ADT^A01|2|P|2.5.1\r"
	person := head + "PID|1||1^^^A^PI||Old^Name||19500101\rDG1|1||X1\rPV1|1|I|||||||||||||||||V1\r"
	out, err := Options{}.Merge(nil, []byte(person), []byte(head+"PID|1||1^^^A^PI||Old^Name\rPV1|1|I|||||||||||||||||V2\r"))
	m, _ := hl7v2.Parse(out)
	if err != nil || m.Get("PID-7") != "19500101" || m.First("DG1").Exists() || m.Get("PV1-19") != "V2" {
		t.Errorf("%v %q", err, out)
	}
}

// FuzzMerge holds that two messages that can be read give one that can be read,
// which says what the later one says.
func FuzzMerge(f *testing.F) {
	for _, n := range append(kindCases(f), "testdata/refer/in.hl7", "testdata/modify/in.hl7") {
		b, _ := os.ReadFile(n)
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		out, err := Merge(a, b)
		if err != nil {
			return
		}
		m, err := hl7v2.Parse(out)
		if err != nil {
			t.Fatalf("the merged message is refused: %v\n%q", err, out)
		}
		later, _ := hl7v2.Parse(b)
		if got, want := m.Get("MSH-10"), later.Get("MSH-10"); got != want {
			t.Errorf("MSH-10 %q, want %q", got, want)
		}
		if want := later.Get("PID-5.1"); want != "" && m.Get("PID-5.1") != want {
			t.Errorf("PID-5.1 %q, want %q", m.Get("PID-5.1"), want)
		}
	})
}

func TestKindAnswers(t *testing.T) {
	tests := []struct {
		typ, accept, app string
		p                AckPolicy
		want             Code
		send, rri, more  bool
	}{
		{"REF^I12", "", "", AckPolicy{}, AA, true, false, false},
		{"REF^I12", "", "", AckPolicy{RRI: true}, AA, true, true, false},
		{"REF^I12", "NE", "AL", AckPolicy{RRI: true}, AA, true, true, false},
		{"REF^I12", "AL", "AL", AckPolicy{RRI: true}, AA, true, false, false}, // ACK at once, RRI later
		{"REF^I12", "AL", "AL", AckPolicy{RRI: true, Commit: true}, CA, true, false, false},
		{"REF^I12", "NE", "NE", AckPolicy{RRI: true}, AA, false, false, false},
		{"REF^I12", "NE", "AL", AckPolicy{}, AA, false, false, false},
		{"ADT^A03", "NE", "AL", AckPolicy{}, AA, true, false, false},
		{"ADT^A03", "NE", "NE", AckPolicy{}, AA, false, false, false},
		{"ADT^A03", "AL", "NE", AckPolicy{Commit: true}, CA, true, false, false},
		{"ADT^A03", "AL", "AL", AckPolicy{Commit: true}, CA, true, false, true},
		{"ORU^R01", "SU", "SU", AckPolicy{Commit: true}, CA, true, false, true},
		{"ORU^R01", "ER", "AL", AckPolicy{Commit: true}, CA, false, false, false},
	}
	for _, tt := range tests {
		msg := "MSH|^~\\&|A|B|C|D|20260304||" + tt.typ + "|1|P|2.5.1|||" + tt.accept + "|" + tt.app + "\r"
		h, _ := ReadHeader([]byte(msg))
		code, send := h.Answer(AA, tt.p)
		if code != tt.want || send != tt.send || h.AnswersRRI(tt.p) != tt.rri || h.Follows(tt.p) != tt.more {
			t.Errorf("%s %q/%q %+v: %s, %t, RRI %t, more %t", tt.typ, tt.accept, tt.app, tt.p, code, send, h.AnswersRRI(tt.p), h.Follows(tt.p))
		}
	}
	ack := string(BuildFollowingAck([]byte("MSH|^~\\&|A|B|C|D|20260304||ADT^A03|7|P|2.5.1|||AL|AL\r"), noon, "T1"))
	m, err := hl7v2.Parse([]byte(ack))
	if err != nil || m.Get("MSA-1") != "AA" || m.Get("MSA-2") != "7" || m.Get("MSH-15") != "AL" || m.Get("MSH-16") != "NE" {
		t.Errorf("%v %q", err, ack)
	}
}

func TestCharsetOfTheAgreement(t *testing.T) {
	msg := with(t, example(t, "refer"), "MSH-18", "", "PID-5", "Example^Zo\xeb")
	if res := newFormat(t, Options{}).Read([]byte(msg)); len(res.Records) != 0 || CodeFor(res.Faults) != AR {
		t.Error("bytes outside ASCII without a character set must be refused")
	}
	_, b := read(t, newFormat(t, Options{Charset: hl7v2.Latin1}), msg)
	if got := b.get("Patient", 0, "name", 0, "given", 0); got != "Zo\u00eb" {
		t.Errorf("given name %q", got)
	}
}

func TestFactsOfMessages(t *testing.T) {
	doc, _ := os.ReadFile("adt/testdata/discharge/in.hl7")
	c := Told(doc, Options{})
	if len(c.Identifiers) != 2 || !strings.HasPrefix(c.Visit, "V-9001") || c.At != "20261103162500+0000" {
		t.Errorf("%d identifiers, visit %q, at %q", len(c.Identifiers), c.Visit, c.At)
	}
	doc, _ = os.ReadFile("rri/testdata/response/in.hl7")
	if a := Answered(doc, Options{}); a.Referral != "REF-7001" || a.Ours != "SP-5541" || a.NHSNumber != "9990000018" || a.Place != "RF1-6" {
		t.Errorf("%+v", a)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"20261103", "20261104", true}, {"20261104", "20261103", false}, {"", "20261103", false}, {"20261103", "", false},
		{"20261103120000+0100", "20261103120000+0000", true}, {"202611031200", "20261103120001", true}} {
		if got := Before(tt.a, tt.b); got != tt.want {
			t.Errorf("Before(%q, %q) = %t", tt.a, tt.b, got)
		}
	}
}

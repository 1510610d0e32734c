package itk3xml

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

var update = flag.Bool("update", false, "rewrite the expected half of the cases")

// TestCases reads each testdata/*/in.xml and compares with the files beside it.
func TestCases(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*/in.xml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	for _, in := range inputs {
		for name, got := range mapping.CaseFiles(New(), read(t, in), ".xml") {
			path := filepath.Join(filepath.Dir(in), name)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(read(t, path), got) {
				t.Errorf("%s differs:\n%s", path, got)
			}
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNeverARequest: no message becomes a request for anything.
func TestNeverARequest(t *testing.T) {
	inputs, _ := filepath.Glob("testdata/*/in.xml")
	samples, _ := filepath.Glob("../../../../shared/standards/samples/itk3/*.xml")
	if len(samples) == 0 {
		t.Log("no published samples beside the project")
	}
	for _, in := range append(inputs, samples...) {
		for _, rec := range New().Read(read(t, in)).Records {
			if bytes.Contains(rec.Bundle, []byte("ServiceRequest")) || bytes.Contains(rec.Bundle, []byte("ReferralRequest")) {
				t.Errorf("%s makes a request: %s", in, rec.Bundle)
			}
		}
	}
}

// TestEveryLeafIsToldOf: each value of a message is in what is read, or among
// the losses by its place.
func TestEveryLeafIsToldOf(t *testing.T) {
	doc := string(read(t, "testdata/discharge/in.xml"))
	for _, tt := range []struct{ old, new, place string }{
		{`<gender value="female"/>`, `<gender value="female"/><multipleBirthBoolean value="true"/>`, "/Bundle/entry[3]/resource/Bundle/entry[2]/resource/Patient/multipleBirthBoolean"},
		{`<source>`, `<receiver><display value="x"/></receiver><source>`, "/Bundle/entry[1]/resource/MessageHeader/receiver/display"},
		{`<section>
                <title value="Social context"/>`, `<section><mode value="working"/><title value="Social context"/>`, "/Bundle/entry[3]/resource/Bundle/entry[1]/resource/Composition/section[1]/mode"},
		{`</gender>`, ``, ""},
	} {
		if tt.place == "" {
			continue
		}
		told := false
		for _, l := range New().Read([]byte(strings.Replace(doc, tt.old, tt.new, 1))).Records[0].Losses {
			told = told || l.Source == tt.place && l.Rule == "residue"
		}
		if !told {
			t.Errorf("no loss at %s", tt.place)
		}
	}
}

// TestWords: narrative loses no word, and cells and lines stay apart.
func TestWords(t *testing.T) {
	b, err := fhir.Decode(New().Read(read(t, "testdata/discharge/in.xml")).Records[0].Bundle)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range b.Entries() {
		if e.Type() == "Communication" {
			got[e.Resource.At("topic", "text").Text()] = e.Resource.At("payload", 0, "contentString").Text()
		}
	}
	want := map[string]string{
		"Social context":                       "Lives alone since last year; sister visits on Sundays.\nItem\tSaid\t\nHousing\tRented flat,\nthird floor\t\nMoney & bills\t£40 behind",
		"Plan and requested actions / Patient": "- Would like company\n- Wants help with forms",
	}
	for heading, words := range want {
		if got[heading] != words {
			t.Errorf("%s: %q, want %q", heading, got[heading], words)
		}
	}
}

func TestRefuses(t *testing.T) {
	good := string(read(t, "testdata/update/in.xml"))
	tests := []struct{ name, doc, source, text string }{
		{"not XML", "{}", "", "document element"},
		{"cut off", good[:len(good)-20], "", "well-formed"},
		{"document type", `<!DOCTYPE Bundle [<!ENTITY x "y">]>` + good, "", "document type"},
		{"an entity", strings.Replace(good, `value="At rest"`, `value="&x;"`, 1), "", "well-formed"},
		{"another namespace", strings.Replace(good, "http://hl7.org/fhir", "urn:x", 1), "", "namespace"},
		{"text between", strings.Replace(good, "<type value", "words<type value", 1), "", "between elements"},
		{"Latin-1", `<?xml version="1.0" encoding="ISO-8859-1"?>` + good, "", "UTF-8"},
		{"deep", `<Bundle xmlns="http://hl7.org/fhir">` + strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200) + `</Bundle>`, "", "deeply"},
		{"two documents", good + good, "", "document element"},
		{"a Patient", `<Patient xmlns="http://hl7.org/fhir"/>`, "/Patient", "ITK3 message"},
		{"nobody", strings.Replace(strings.Replace(good, "<Patient>", "<Group>", 1), "</Patient>", "</Group>", 1), "/Bundle", "expected a Patient"},
		{"nothing said", strings.NewReplacer("<ClinicalImpression>", "<Basic>", "</ClinicalImpression>", "</Basic>").Replace(good), "/Bundle", "something to tell"},
		{"no summary", strings.Replace(good, `<summary value="Talked about walking groups; would like to hear more."/>`, "", 1), "/Bundle/entry[2]/resource/Bundle/entry[5]/resource/ClinicalImpression", "summary"},
	}
	for _, tt := range tests {
		res := New().Read([]byte(tt.doc))
		faults := res.Faults
		if len(res.Records) > 0 {
			faults = append(faults, res.Records[0].Faults...)
		}
		if res.Accepted() || len(faults) == 0 || faults[0].Source != tt.source || !strings.Contains(faults[0].Text, tt.text) {
			t.Errorf("%s: accepted %t, %+v", tt.name, res.Accepted(), faults)
		}
	}
}

func TestReadOnly(t *testing.T) {
	if w := New().Write([]byte(`{}`)); w.Document != "" || len(w.Faults) != 1 || New().Info().Out {
		t.Errorf("%+v", w)
	}
}

// FuzzRead: whatever comes, an accepted message is a JSON transaction and a
// refused one names a fault.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"discharge", "update", "signpost", "response"} {
		f.Add(read(f, "testdata/"+name+"/in.xml"))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		res := New().Read(doc)
		for _, rec := range res.Records {
			if !rec.Refused() && !json.Valid(rec.Bundle) {
				t.Errorf("accepted as %s", rec.Bundle)
			}
		}
		if len(res.Records) == 0 && fhir.Faults(res.Faults) == nil {
			t.Error("neither a record nor a fault")
		}
	})
}

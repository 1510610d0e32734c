package sdohcc

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// documents are the worked examples of both formats.
func documents(t testing.TB, folder string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(folder + "/testdata/*/in.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no documents (%v)", err)
	}
	var out [][]byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

var urn = regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`)

// TestRoundTrip holds in(out(in(x))) = in(x) but for the names of the entries,
// and the Task that a referral without one gets.
func TestRoundTrip(t *testing.T) {
	for folder, f := range map[string]Format{".": New(), "../bser-json": NewBSeR()} {
		read := 0
		for _, doc := range documents(t, folder) {
			rec := f.Read(doc).Records[0]
			if rec.Refused() || !strings.Contains(string(rec.Bundle), `"Task"`) {
				continue
			}
			read++
			w := f.Write(rec.Bundle)
			again := f.Read([]byte(w.Document)).Records[0]
			if again.Refused() {
				t.Errorf("what was written is refused: %v", again.Faults)
				continue
			}
			if got, want := plain(t, again.Bundle), plain(t, rec.Bundle); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v\nwant %v", folder, got, want)
			}
		}
		if read < 2 {
			t.Errorf("%s: %d documents were read", folder, read)
		}
	}
}

// plain is a document without the names of its entries.
func plain(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(urn.ReplaceAll(b, []byte("urn")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

const ukReferral = `{"resourceType":"Bundle","type":"collection","entry":[
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"ServiceRequest","id":"r","status":"active","intent":"order",
 "identifier":[{"system":"https://partner.example/refs","value":"A-1"},{"system":"https://partner.example/other","value":"A-2"}],
 "code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/p"},"authoredOn":"2026-01-02T10:00:00Z",
 "supportingInfo":[{"reference":"Flag/f"}],"performer":[{"reference":"Organization/o"}]}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Patient","id":"p",
 "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9992004118"}],"birthDate":"1950-01-01",
 "extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland","code":"A"}]}}]}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000003","resource":{"resourceType":"Flag","id":"f","status":"active","code":{"text":"x"},"subject":{"reference":"Patient/p"}}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000004","resource":{"resourceType":"Organization","id":"o","name":"Sample","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"X99901"}]}}]}`

// TestWhatDoesNotGoAbroad holds that numbers, codes and extensions of the UK do
// not leave, that each is listed, and that nothing of US Core is invented.
func TestWhatDoesNotGoAbroad(t *testing.T) {
	for _, f := range []Format{New(), NewBSeR()} {
		w := f.Write([]byte(ukReferral))
		if err := fhir.Faults(w.Faults); err != nil {
			t.Fatal(err)
		}
		for _, never := range []string{"9992004118", "nhs.uk", "hl7.org.uk", "X99901", "871731000000106", `"Flag"`, "us-core", "us/core", "Flag/f"} {
			if strings.Contains(w.Document, never) {
				t.Errorf("%s: %s was sent", f.info.ID, never)
			}
		}
		for _, always := range []string{`"fulfill"`, `"A-2"`, `"birthDate":"1950-01-01"`, `"requested"`} {
			if !strings.Contains(w.Document, always) {
				t.Errorf("%s: no %s", f.info.ID, always)
			}
		}
		rules := map[string]bool{}
		for _, l := range w.Losses {
			rules[l.Rule] = true
		}
		for _, rule := range []string{"nhs-number", "ods", "uk-extension", "uk-snomed", "type", "reference"} {
			if !rules[rule] {
				t.Errorf("%s: nothing was said by rule %s: %v", f.info.ID, rule, w.Losses)
			}
		}
	}
}

// FuzzRead holds for any bytes: no panic, and what is read or written is strict
// JSON.
func FuzzRead(f *testing.F) {
	for _, folder := range []string{".", "../bser-json"} {
		for _, doc := range documents(f, folder) {
			f.Add(doc)
		}
	}
	f.Add([]byte(ukReferral))
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, format := range []Format{New(), NewBSeR()} {
			for _, rec := range format.Read(doc).Records {
				if rec.Bundle == nil {
					continue
				}
				if _, err := fhir.DecodeLimit(rec.Bundle, 2*MaxDocument); err != nil {
					t.Errorf("the bundle is not strict JSON: %v", err)
				}
			}
			if w := format.Write(doc); w.Document != "" {
				if _, err := fhir.DecodeLimit([]byte(w.Document), 2*MaxDocument); err != nil {
					t.Errorf("the document is not strict JSON: %v", err)
				}
			}
		}
	})
}

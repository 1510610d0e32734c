package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/profiles"
)

// TestPrimitivesAgree holds the pattern of every primitive type against the
// validator, for texts that are right for some type or nearly so.
func TestPrimitivesAgree(t *testing.T) {
	v := newValidator(t)
	j := newJudge(ours(v))
	texts := []string{
		"", " ", "a", " a", "a ", "a b", "a  b", "a\tb", "a\nb", "\u00a0", "\u2003x", "é", "a\u0007", "\u007f", "0", "-1", "1.0", "true", "a_b", "a.b-C9",
		strings.Repeat("a", 64), strings.Repeat("a", 65), "http://example.org/a?b=c#d", "urn:x", "#", "#a", "urn:oid:1.2.3", "urn:oid:1.02", "urn:oid:3.1", "urn:oid:1", "1.2.3",
		"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:uuid:c757873dec9a4326a141556f43239520",
		"YWJj", "YWJjZA==", "YWJjZGU=", "YWJj\nYWJj", " YWJj ", "YW Jj", "YWJ", "A===", "====", "YWJjZA==YWJj", "YWJjZA= =", "    ",
		"0000", "0001", "2023", "23", "2023-", "2023-1", "2023-00", "2023-12", "2023-13", "2023-02-28", "2023-02-29", "2024-02-29", "1900-02-29", "2000-02-29", "2023-04-31", "2023-12-31", "2023-12-32", "2023-1-2",
		"2023-02-01T10:00:00Z", "2023-02-01T10:00:00.123+01:00", "2023-02-01T10:00:00", "2023-02-01T10:00Z", "2023-02-01T24:00:00Z", "2023-02-01T23:59:60Z", "2023-02-01T23:59:61Z",
		"2023-02-01T10:00:00+14:00", "2023-02-01T10:00:00+14:01", "2023-02-01T10:00:00-13:59", "2023-02-01T10:00:00+1:00", "2023-02-01 10:00:00Z", "2023-02-30T10:00:00Z", "2023-02T10:00:00Z", "2023-02-01T10:00:00.Z",
		"10:00:00", "10:00", "24:00:00", "23:59:60", "10:00:00.5", "10:00:00.", "1:00:00",
	}
	types := []string{"String", "Markdown", "Code", "Id", "Uri", "Url", "Canonical", "Oid", "Uuid", "Base64Binary", "Date", "DateTime", "Instant", "Time"}
	for _, typ := range types {
		for _, s := range texts {
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, v, j, typ, string(text), true)
		}
	}
	for _, typ := range []string{"Integer", "PositiveInt", "UnsignedInt", "Decimal", "Boolean"} {
		for _, n := range []string{"0", "1", "-1", "1.5", "2147483647", "2147483648", "-2147483648", "-2147483649", "1e400", "true", `"1"`, `{}`, `[1]`, "null"} {
			agree(t, v, j, typ, n, true)
		}
		for _, n := range []string{"1.0", "1e2", "-0"} { // integers to JSON Schema, not to FHIR
			agree(t, v, j, typ, n, false)
		}
	}
}

func agree(t *testing.T, v *profiles.Validator, j *judge, typ, raw string, exactly bool) {
	t.Helper()
	doc := fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://example.org/x","value%s":%s}]}`, typ, raw)
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		return // no JSON that the gateway reads
	}
	byUs, bySchema := !hasError(v.Validate(r, profiles.Options{BaseOnly: true})), j.verdict("r4-Basic", []byte(doc)) == nil
	if byUs && !bySchema || exactly && byUs != bySchema {
		t.Errorf("%s %s: accepted by the validator: %t, by the schema: %t", typ, raw, byUs, bySchema)
	}
}

// TestAcceptedByBoth are documents that are right in ways a schema easily misses.
func TestAcceptedByBoth(t *testing.T) {
	v := newValidator(t)
	j := newJudge(ours(v))
	const absent = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`
	const request = `{"resourceType":"ServiceRequest","intent":"order","subject":{"reference":"Patient/1"},"requester":{"display":"x"},"code":{"text":"x"}`
	docs := []string{
		request + `,"_status":` + absent + `}`,
		request + `,"status":"active","_authoredOn":` + absent + `}`,
		request + `,"status":"draft","quantityQuantity":{"value":1,"_code":` + absent + `}}`,
		request + `,"status":"draft","_occurrenceDateTime":` + absent + `,"occurrenceDateTime":"2023"}`,
		request + `,"status":"draft","locationReference":[{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}]}`,
		request + `,"status":"draft","instantiatesCanonical":[null,"http://a"],"_instantiatesCanonical":[` + absent + `,null]}`,
		request + `,"status":"draft","instantiatesCanonical":["http://a"],"_instantiatesCanonical":[null]}`,
		request + `,"status":"draft","_instantiatesCanonical":[` + absent + `]}`,
		request + `,"status":"draft","supportingInfo":[{"reference":"http://example.org/anything"},{"reference":"Patient?identifier=http://a|1"},{"type":"Patient","identifier":{"value":"1"}}]}`,
		`{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,` + absent + `]}],"maritalStatus":{"text":"x"}}`,
		`{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","_value":` + absent + `}]}`,
		`{"resourceType":"Patient","contact":[{"_gender":` + absent + `,"organization":{"reference":"#o"}}],"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`,
		`{"resourceType":"Patient","extension":[{"url":"http://a","_valueString":` + absent + `},{"_url":` + absent + `,"valueString":"x"}]}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"_valueString":` + absent + `}`,
	}
	for _, doc := range docs {
		r, err := fhir.Decode([]byte(doc))
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		for _, o := range []struct {
			name    string
			options profiles.Options
		}{{"r4-" + r.Type(), profiles.Options{BaseOnly: true}}, {r.Type(), profiles.Options{}}} {
			err := j.verdict(o.name, []byte(doc))
			issues := v.Validate(r, o.options)
			switch byUs := !hasError(issues); {
			case byUs && err != nil:
				t.Errorf("%s: accepted, but not by %s: %s", doc, o.name, reasons(err))
			case !byUs:
				t.Logf("%s: refused: %v", doc, fhir.Faults(issues))
			}
		}
	}
}

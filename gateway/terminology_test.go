package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/gateway"
)

const ourBase = "https://trellis.example/fhir/"

// TestTerminology asks each operation over HTTP, by GET and by POST, at the type
// and at an instance.
func TestTerminology(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	const jsonType = "application/fhir+json"
	const business = ourBase + "CodeSystem/task-business-status"
	for _, tt := range []struct {
		name, path, body string
		status           int
		want             []string
	}{
		{"expand", "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/request-status|4.0.1&count=2&offset=1", "", 200, []string{`"total":7`, `"offset":1`, `"code":"active"`, `"display":"Active"`, `"code":"on-hold"`}},
		{"expand ours", "ValueSet/$expand?url=" + ourBase + "ValueSet/support-list&filter=sing", "", 200, []string{`"total":1`, `"code":"singing"`, `"valueString":"sing"`}},
		{"expand an instance", "ValueSet/request-status/$expand", "", 200, []string{`"total":7`, `"display":"Draft"`}},
		{"expand our instance", "ValueSet/consent-scope/$expand", "", 200, []string{`"code":"summary"`, `"url":"` + ourBase + `ValueSet/consent-scope"`}},
		{"expand a definition", "ValueSet/$expand", `{"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":{"resourceType":"ValueSet","status":"draft","compose":{"include":[{"system":"http://hl7.org/fhir/request-status","filter":[{"property":"code","op":"regex","value":"a.*"}]}]}}}]}`, 200, []string{`"total":1`, `"code":"active"`}},
		{"expand what is too large", "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/procedure-code", "", 422, []string{"too-costly", "http://snomed.info/sct"}},
		{"expand what is not held", "ValueSet/$expand?url=urn:none", "", 404, []string{"not-found"}},
		{"expand an absent instance", "ValueSet/absent/$expand", "", 404, nil},
		{"expand with what is not understood", "ValueSet/$expand?url=urn:none&displayLanguage=cy", "", 400, []string{"not-supported", "includeDesignations"}},
		{"code in a set", "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/request-status&system=http://hl7.org/fhir/request-status&code=active", "", 200, []string{`"valueBoolean":true`, `"valueString":"Active"`}},
		{"code not in a set", "ValueSet/request-status/$validate-code?system=http://hl7.org/fhir/request-status&code=nonsense", "", 200, []string{`"valueBoolean":false`, `no such code`}},
		{"concept in a set", "ValueSet/$validate-code", `{"resourceType":"Parameters","parameter":[{"name":"url","valueUri":"` + ourBase + `ValueSet/business-status"},{"name":"codeableConcept","valueCodeableConcept":{"coding":[{"system":"` + business + `","code":"seen"}]}}]}`, 200, []string{`"valueBoolean":true`, `"valueString":"Seen"`}},
		{"code that cannot be decided", "ValueSet/$validate-code?url=" + ourBase + "ValueSet/need&system=http://snomed.info/sct&code=185086009", "", 422, []string{"unable to check"}},
		{"SNOMED CT check digit", "CodeSystem/$validate-code?url=http://snomed.info/sct&code=185086001", "", 200, []string{`"valueBoolean":false`, "check digit"}},
		{"code of a system", "CodeSystem/$validate-code?url=" + business + "&code=created&display=Made", "", 200, []string{`"valueBoolean":false`, `it is \"Created\"`}},
		{"code of a system by instance", "CodeSystem/task-business-status/$validate-code?code=created", "", 200, []string{`"valueBoolean":true`}},
		{"look-up", "CodeSystem/$lookup?system=" + business + "&code=created&property=definition", "", 200, []string{`"State of a referral"`, `"Created"`, `"Sent and not looked at yet."`}},
		{"look-up of SNOMED CT", "CodeSystem/$lookup?system=http://snomed.info/sct&code=422650009", "", 200, []string{`"Social isolation"`, `Fully specified name`}},
		{"look-up of nothing", "CodeSystem/$lookup?system=" + business + "&code=nonsense", "", 404, []string{"no such code"}},
		{"subsumes", "CodeSystem/$subsumes?system=" + ourBase + "CodeSystem/support-offered&codeA=creative&codeB=singing", "", 200, []string{`"subsumes"`}},
		{"translate", "ConceptMap/$translate?url=" + ourBase + "ConceptMap/business-status-to-bser&system=" + business + "&code=seen", "", 200, []string{`"valueBoolean":true`, `"5.1.4"`, `"equivalent"`}},
		{"translate by target", "ConceptMap/$translate?targetsystem=http://terminology.hl7.org/CodeSystem/v2-0283&system=http://hl7.org/fhir/task-status&code=rejected", "", 200, []string{`"code":"R"`, `"Rejected"`}},
		{"translate by instance", "ConceptMap/nhs-to-gender/$translate", `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"https://fhir.hl7.org.uk/CodeSystem/NHSDataModelAndDictionary-PersonStatedGenderCode","code":"9"}}]}`, 200, []string{`"inexact"`, `"other"`}},
		{"translate by nothing", "ConceptMap/$translate?system=urn:x&code=y", "", 404, nil},
	} {
		a := s.get("surgery", "/fhir/"+tt.path)
		if tt.body != "" {
			a = s.post("surgery", "/fhir/"+tt.path, jsonType, []byte(tt.body))
		}
		if a.StatusCode != tt.status {
			t.Errorf("%s: %s\n%s", tt.name, a.Status, a.body)
			continue
		}
		for _, w := range tt.want {
			if !strings.Contains(string(a.body), w) {
				t.Errorf("%s: no %s in\n%s", tt.name, w, a.body)
			}
		}
	}
	if a := s.get("", "/fhir/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/request-status"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", a.Status)
	}
	if a := s.get("surgery", "/fhir/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/request-status&_format=xml"); !strings.Contains(string(a.body), `<expansion>`) {
		t.Errorf("XML: %s", a.body)
	}
}

// TestStoredTerminology asks about definitions that somebody stored here, and in
// a batch.
func TestStoredTerminology(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("keeper", "administrator", "", nil)
	const jsonType = "application/fhir+json"
	made := s.want(s.post("keeper", "/fhir/ValueSet", jsonType, []byte(`{"resourceType":"ValueSet","url":"https://local.example/vs","version":"1","status":"active","compose":{"include":[{"system":"https://local.example/cs","concept":[{"code":"a","display":"Allotment"}]},{"valueSet":["`+ourBase+`ValueSet/time-point"]}]}}`)), 201)
	s.want(s.post("keeper", "/fhir/ConceptMap", jsonType, []byte(`{"resourceType":"ConceptMap","url":"https://local.example/cm","status":"active","group":[{"source":"https://local.example/cs","target":"`+ourBase+`CodeSystem/support-offered","element":[{"code":"a","target":[{"code":"allotment","equivalence":"equal"}]}]}]}`)), 201)
	id := strings.Split(strings.TrimPrefix(made.Header.Get("Location"), s.g.PublicURL+"/fhir/"), "/_history")[0]
	for path, want := range map[string]string{
		"ValueSet/$expand?url=https://local.example/vs&count=1":        `"total":5`,
		"ValueSet/$expand?url=https://local.example/vs|1&filter=allot": `"total":1`,
		id + "/$expand": `"display":"Baseline"`,
		id + "/$validate-code?system=https://local.example/cs&code=a":                                 `"valueBoolean":true`,
		"ValueSet/$validate-code?url=https://local.example/vs&system=https://local.example/cs&code=b": `"valueBoolean":false`,
		"ConceptMap/$translate?url=https://local.example/cm&system=https://local.example/cs&code=a":   `"display":"Allotment"`,
	} {
		if a := s.get("surgery", "/fhir/"+path); a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s\n%s", path, a.Status, a.body)
		}
	}
	batch := s.post("surgery", "/fhir", jsonType, []byte(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"ValueSet/$expand?url=https://local.example/vs&count=1"}},{"request":{"method":"GET","url":"CodeSystem/$lookup?system=`+ourBase+`CodeSystem/cost&code=free"}}]}`))
	if n := strings.Count(string(batch.body), `"status":"200`); batch.StatusCode != http.StatusOK || n != 2 {
		t.Errorf("batch: %s\n%s", batch.Status, batch.body)
	}
}

// TestTerminologyServer puts a terminology server beside the gateway: what is not
// held here is asked there, without the words of anybody.
func TestTerminologyServer(t *testing.T) {
	var seen strings.Builder
	away := false
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen.WriteString(r.Header.Get("Authorization") + " " + r.URL.Path + " " + string(b) + "\n")
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		var out any = map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "result", "valueBoolean": strings.Contains(string(b), "185086009")}}}
		if strings.HasSuffix(r.URL.Path, "$expand") {
			out = map[string]any{"resourceType": "ValueSet", "status": "active", "expansion": map[string]any{"timestamp": "2026-01-01T00:00:00Z", "contains": []any{map[string]any{"system": "http://snomed.info/sct", "code": "185086009", "display": "A need of the reference set"}}}}
		}
		json.NewEncoder(w).Encode(out) //nolint:errchkjson // a test
	}))
	defer peer.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, func(c *gateway.Config) { c.TerminologyURL, c.TerminologyTokenFile = peer.URL+"/fhir", token })
	s.partners()
	check := func(path string, status int, want string) {
		t.Helper()
		a := s.get("surgery", "/fhir/"+path)
		if a.StatusCode != status || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s\n%s", path, a.Status, a.body)
		}
	}
	need := "ValueSet/$validate-code?url=" + ourBase + "ValueSet/need&system=http://snomed.info/sct&code="
	check(need+"185086009", 200, `"valueBoolean":true`)
	check(need+"38341003&display=Jane+Citizen", 200, `"valueBoolean":false`)
	check(need+"267076002", 200, `"valueBoolean":true`) // held here
	check("ValueSet/$expand?url="+ourBase+"ValueSet/need&filter=reference", 200, `"total":1`)
	check("ValueSet/$expand?url="+ourBase+"ValueSet/need&filter=lonel", 200, `"total":2`)
	inline := `{"resourceType":"Parameters","parameter":[{"name":"code","valueCode":"185086009"},{"name":"system","valueUri":"http://snomed.info/sct"},{"name":"valueSet","resource":{"resourceType":"ValueSet","status":"active","compose":{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"404684003"}]}]}}}]}`
	if a := s.post("surgery", "/fhir/ValueSet/$validate-code", "application/fhir+json", []byte(inline)); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "unable to check") {
		t.Errorf("a definition sent: %s\n%s", a.Status, a.body)
	}
	if n := strings.Count(seen.String(), "\n"); n != 3 {
		t.Errorf("asked %d times:\n%s", n, seen.String())
	}
	for _, w := range []string{"Jane", "lonel", "filter\",\"value"} {
		if strings.Contains(seen.String(), w) {
			t.Errorf("%s left the house:\n%s", w, seen.String())
		}
	}
	if !strings.HasPrefix(seen.String(), "Bearer t0ken /fhir/ValueSet/$validate-code ") {
		t.Errorf("asked\n%s", seen.String())
	}
	away = true
	check(need+"73211009", 503, "unable to check")
	check("ValueSet/$expand?url="+ourBase+"ValueSet/support-offered", 503, "unable to list")
	check(need+"185086009", 200, `"valueBoolean":true`) // remembered
}

// TestTerminologyConfig: what is asked must not travel in the clear.
func TestTerminologyConfig(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://tx.example/r4": true, "http://127.0.0.1:8080/fhir": true, "http://localhost/fhir": true,
		"http://tx.example/r4": false, "https://tx.example/r4/": false, "https://u:p@tx.example": false, "tx.example": false, "https://tx.example?x=1": false,
	} {
		c := gateway.Defaults()
		c.TerminologyURL = url
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
	c := gateway.Defaults()
	c.TerminologyTokenFile = "token"
	if c.Validate() == nil {
		t.Error("a token for nobody")
	}
}

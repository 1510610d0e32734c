package terminology

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
)

func request(method, query, body string) *rest.Request {
	r := httptest.NewRequest(method, "/fhir/ValueSet/$validate-code?"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	params, _ := url.ParseQuery(query)
	return &rest.Request{Request: r, Params: params}
}

func TestParams(t *testing.T) {
	for _, tt := range []struct {
		name, method, query, body, want string // want: system|code of each coding, or what the error says
		bad                             bool
	}{
		{name: "address", method: "GET", query: "url=urn:v&system=urn:s&code=a&_format=json", want: "urn:s|a"},
		{name: "address of a post", method: "POST", query: "url=urn:v&system=urn:s&code=a", want: "urn:s|a"},
		{name: "body", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"code","valueCode":"a"},{"name":"system","valueUri":"urn:s"}]}`, want: "urn:s|a"},
		{name: "coding", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:s","code":"a"}}]}`, want: "urn:s|a"},
		{name: "concept", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"codeableConcept","valueCodeableConcept":{"coding":[{"system":"urn:s","code":"a"},{"code":"b"}]}}]}`, want: "urn:s|a |b"},
		{name: "nothing", method: "GET", want: ""},
		{name: "unknown parameter", method: "GET", query: "codes=a", bad: true, want: "no such parameter"},
		{name: "unknown in the body", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"context","valueUri":"x"}]}`, bad: true, want: "inferSystem"},
		{name: "wrong type", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"coding","valueString":"a"}]}`, bad: true, want: "type"},
		{name: "no value", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"code"}]}`, bad: true, want: "type"},
		{name: "a resource as text", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"valueSet","valueString":"x"}]}`, bad: true, want: "type"},
		{name: "no Parameters", method: "POST", body: `{"resourceType":"ValueSet"}`, bad: true, want: "Parameters"},
		{name: "too many", method: "POST", body: `{"resourceType":"Parameters","parameter":[{"name":"codeableConcept","valueCodeableConcept":{"coding":[{"code":"b"}` + strings.Repeat(`,{"code":"b"}`, maxCodings) + `]}}]}`, bad: true, want: "20"},
	} {
		p, err := inSetSpec.read(request(tt.method, tt.query, tt.body))
		if (err != nil) != tt.bad {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if err != nil {
			if e := fhir.AsError(err); e.HTTPStatus() != http.StatusBadRequest || !strings.Contains(e.Issues[0].Text, tt.want) {
				t.Errorf("%s: %d %v", tt.name, e.HTTPStatus(), err)
			}
			continue
		}
		var got []string
		for _, c := range p.asked("system", "systemVersion") {
			got = append(got, c.System+"|"+c.Code)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestNumbersAndFlags(t *testing.T) {
	p := params{plain: map[string][]string{"count": {"7"}, "offset": {"-1"}, "activeOnly": {"yes"}, "big": {"99999999999"}}}
	if n, err := p.number("count", -1); n != 7 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.number("absent", -1); n != -1 || err != nil {
		t.Error(n, err)
	}
	for _, name := range []string{"offset", "big", "activeOnly"} {
		if _, err := p.number(name, 0); err == nil {
			t.Errorf("%s is no count", name)
		}
	}
	if _, err := p.flag("activeOnly"); err == nil {
		t.Error("yes is no boolean")
	}
	if canonical("urn:a", "1") != "urn:a|1" || canonical("urn:a|2", "1") != "urn:a|2" || canonical("", "1") != "" {
		t.Error("versions beside a url")
	}
}

// FuzzParams checks that whatever is sent as Parameters is read or refused as the
// caller's fault.
func FuzzParams(f *testing.F) {
	f.Add("code=a", `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:s","code":"a"}},{"name":"valueSet","resource":{"resourceType":"ValueSet"}}]}`)
	f.Add("", `{"resourceType":"Parameters","parameter":{"name":"codeableConcept","valueCodeableConcept":{"coding":{"code":"x"}}}}`)
	f.Add("x", `{"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":{"resourceType":1}}]}`)
	f.Fuzz(func(t *testing.T, query, body string) {
		if _, err := url.ParseQuery(query); err != nil || strings.ContainsAny(query, " \t\r\n#\x7f") || !ascii(query) {
			return
		}
		p, err := inSetSpec.read(request("POST", query, body))
		if err != nil {
			if e := fhir.AsError(err); e.HTTPStatus() >= 500 {
				t.Errorf("%d %v", e.HTTPStatus(), err)
			}
			return
		}
		if len(p.asked("system", "systemVersion")) > 2*maxCodings {
			t.Error("too many codings")
		}
	})
}

func ascii(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

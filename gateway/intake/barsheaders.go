package intake

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"trellis.example/fhir"
	"trellis.example/mapping/formats/bars"
)

// barsHeaders checks the headers of a message and returns the service
// addressed as "system|value".
func barsHeaders(h http.Header) (string, error) {
	var issues []fhir.Issue
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		if _, err := uuid.Parse(h.Get(name)); err != nil {
			issues = append(issues, headerFault(name, "expected a UUID"))
		}
	}
	target, ok := targetIdentifier(h.Get("NHSD-Target-Identifier"))
	if !ok {
		issues = append(issues, headerFault("NHSD-Target-Identifier", `expected the base64 form of {"value":"…","system":"…"}`))
	}
	for _, name := range []string{"NHSD-End-User-Organisation", "NHSD-Requesting-Practitioner", "NHSD-Requesting-Software"} {
		if v := h.Get(name); v != "" && !isBase64Resource(v) {
			issues = append(issues, headerFault(name, "expected a FHIR resource in JSON, as base64"))
		}
	}
	return target, bars.Refusal(issues)
}

func headerFault(name, expected string) fhir.Issue {
	is := bars.BadRequest(fhir.Invalid, "", "the header "+name+" is missing or not well formed; "+expected)
	is.Source = "header " + name
	return is
}

func targetIdentifier(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) > 1<<10 {
		return "", false
	}
	var id struct{ Value, System string }
	if json.Unmarshal(b, &id) != nil || id.Value == "" || id.System == "" {
		return "", false
	}
	return id.System + "|" + id.Value, true
}

func isBase64Resource(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) > 16<<10 {
		return false
	}
	_, err = fhir.Decode(b)
	return err == nil
}

// sameService compares "system|value" names; systems differ in scheme and case
// in published material.
func sameService(a, b string) bool {
	cut := func(s string) string {
		if _, rest, ok := strings.Cut(s, "://"); ok {
			return rest
		}
		return s
	}
	return strings.EqualFold(cut(a), cut(b))
}

package intake

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/formats/bars"
)

// A barsEnvelope is what the headers of a message say.
type barsEnvelope struct {
	requestID string // X-Request-Id, in lower case
	target    string // the service addressed, "system|value"
}

// barsResources are the headers that carry a resource, and its type.
var barsResources = []struct{ header, typ string }{
	{"NHSD-End-User-Organisation", "Organization"},
	{"NHSD-Requesting-Practitioner", "PractitionerRole"},
	{"NHSD-Requesting-Software", "Device"},
}

// barsHeaders checks the headers of a message: 415 and 406 before all else, 400
// for everything that is wrong with the rest.
func barsHeaders(r *http.Request) (barsEnvelope, error) {
	if err := mediaType(r, bars.New().Info()); err != nil {
		return barsEnvelope{}, err
	}
	if err := barsVersion(r.Header["Accept"]); err != nil {
		return barsEnvelope{}, err
	}
	var issues []fhir.Issue
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		if v := r.Header.Values(name); len(v) != 1 || !bars.IsUUID(v[0]) {
			issues = append(issues, headerFault(name, "expected one UUID of 36 characters"))
		}
	}
	target, ok := targetIdentifier(r.Header.Get("NHSD-Target-Identifier"))
	if !ok {
		issues = append(issues, headerFault("NHSD-Target-Identifier", `expected the base64 form of {"value":"…","system":"…"}`))
	}
	for _, h := range barsResources {
		if v := r.Header.Get(h.header); v != "" && !isBase64Resource(v, h.typ) {
			issues = append(issues, headerFault(h.header, "expected a FHIR "+h.typ+" in JSON, as base64"))
		}
	}
	return barsEnvelope{requestID: strings.ToLower(r.Header.Get("X-Request-Id")), target: target}, bars.Refusal(issues)
}

// barsQuery refuses parameters of the address. $process-message of R4 may be
// asked to answer later; here it answers at once.
func barsQuery(r *http.Request) error {
	for name := range r.URL.Query() {
		if name == "async" || name == "response-url" {
			return fhir.StatusErrorf(http.StatusNotImplemented, fhir.NotSupported, "messages are answered at once; leave async and response-url out")
		}
		return bars.Refusal([]fhir.Issue{bars.BadRequest(fhir.NotSupported, "", "$process-message takes no parameters in the address")})
	}
	return nil
}

// barsCore are the versions of BaRS Core that are spoken.
var barsCore = regexp.MustCompile(`^1\.[1-4](\.[0-9A-Za-z.-]+)?$`)

// barsVersion refuses a sender who understands only other versions of BaRS Core
// (Accept: application/fhir+json; version=1.2.0).
func barsVersion(accept []string) error {
	asked := false
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		_, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue // negotiation judges media types
		}
		v := params["version"]
		if v == "" || barsCore.MatchString(v) {
			return nil
		}
		asked = true
	}
	if !asked {
		return nil
	}
	return fhir.StatusErrorf(http.StatusNotAcceptable, fhir.Processing, "the version of BaRS Core that is asked for is not spoken here; expected 1.1 to 1.4")
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

func isBase64Resource(s, typ string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) > 16<<10 {
		return false
	}
	res, err := fhir.Decode(b)
	return err == nil && res.Type() == typ
}

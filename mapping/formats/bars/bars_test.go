package bars

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// message returns the demo's referral.
func message(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("../../../cmd/trellis/demo/message.json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("{{run}}", "1", "{{uuid}}", "0d4f0000-0000-4000-8000-000000000001", "{{now}}", "2026-03-04T10:15:30Z", "{{date}}", "2026-03-04").Replace(string(b))
}

type object = map[string]any

// change decodes the document, lets f change it, and encodes it.
func change(t testing.TB, doc string, f func(bundle object)) string {
	t.Helper()
	var b object
	if err := json.Unmarshal([]byte(doc), &b); err != nil {
		t.Fatal(err)
	}
	f(b)
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func entry(b object, i int) object { return b["entry"].([]any)[i].(object) }

// resource returns the first resource of the type.
func resource(b object, typ string) object {
	for _, e := range b["entry"].([]any) {
		if r, ok := e.(object)["resource"].(object); ok && r["resourceType"] == typ {
			return r
		}
	}
	return nil
}

// set returns a change of one element of the first resource of the type; nil
// takes it out.
func set(typ, element string, value any) func(object) {
	return func(b object) {
		r := b
		if typ != "Bundle" {
			r = resource(b, typ)
		}
		if value == nil {
			delete(r, element)
		} else {
			r[element] = value
		}
	}
}

func parse(t testing.TB, doc string) (Message, []fhir.Issue) {
	t.Helper()
	b, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return Parse(b)
}

// told is each issue as "code place", warnings with a "?" before.
func told(issues []fhir.Issue) []string {
	var out []string
	for _, is := range issues {
		s := string(is.Code) + " " + is.Expression
		if !is.IsError() {
			s = "?" + s
		}
		out = append(out, s)
	}
	return out
}

func TestDemoMessageIsSound(t *testing.T) {
	m, issues := parse(t, message(t))
	if m.Kind != Request || len(issues) > 0 {
		t.Errorf("kind %d, issues %q", m.Kind, told(issues))
	}
}

func TestPayloadRules(t *testing.T) {
	tests := []struct {
		name string
		f    func(object)
		want string
	}{
		{"Bundle stamp", set("Bundle", "meta", object{"versionId": "1.0.0"}), "required Bundle.meta.lastUpdated"},
		{"resource stamp", set("Condition", "meta", nil), "required Bundle.entry[6].resource.meta.lastUpdated"},
		{"no destination", set("MessageHeader", "destination", nil), "required Bundle.entry[0].resource.destination"},
		{"two destinations", func(b object) {
			h := resource(b, "MessageHeader")
			h["destination"] = append(h["destination"].([]any), h["destination"].([]any)[0])
		}, "invariant Bundle.entry[0].resource.destination"},
		{"no receiver", func(b object) {
			delete(resource(b, "MessageHeader")["destination"].([]any)[0].(object), "receiver")
		}, "required Bundle.entry[0].resource.destination.receiver.reference"},
		{"no answer address", set("MessageHeader", "source", object{"name": "x"}), "required Bundle.entry[0].resource.source.endpoint"},
		{"no definition", set("MessageHeader", "definition", nil), "required Bundle.entry[0].resource.definition"},
		{"other definition", set("MessageHeader", "definition", definitions+"request-cancelled"), "invariant Bundle.entry[0].resource.definition"},
		{"intent", set("ServiceRequest", "intent", "order"), "invariant Bundle.entry[1].resource.intent"},
		{"intent is case sensitive", set("ServiceRequest", "intent", "PLAN"), "invariant Bundle.entry[1].resource.intent"},
		{"two categories", func(b object) {
			r := resource(b, "ServiceRequest")
			r["category"] = append(r["category"].([]any), object{"text": "x"})
		}, "invariant Bundle.entry[1].resource.category"},
		{"status", set("ServiceRequest", "status", "draft"), "invariant Bundle.entry[1].resource.status"},
		{"authoredOn", set("ServiceRequest", "authoredOn", nil), "required Bundle.entry[1].resource.authoredOn"},
		{"basedOn", set("ServiceRequest", "basedOn", nil), "required Bundle.entry[1].resource.basedOn"},
		{"encounter", set("ServiceRequest", "encounter", nil), "required Bundle.entry[1].resource.encounter"},
		{"requester", set("ServiceRequest", "requester", nil), "required Bundle.entry[1].resource.requester"},
		{"performer", set("ServiceRequest", "performer", nil), "required Bundle.entry[1].resource.performer"},
		{"reasonCode", set("ServiceRequest", "reasonCode", []any{object{"text": "x"}}), "invariant Bundle.entry[1].resource.reasonCode"},
		{"contact", set("Patient", "contact", nil), "required Bundle.entry[2].resource.contact"},
		{"encounter identifier", set("Encounter", "identifier", nil), "required Bundle.entry[3].resource.identifier"},
		{"encounter status", set("Encounter", "status", "planned"), "invariant Bundle.entry[3].resource.status"},
		{"plan intent", set("CarePlan", "intent", "order"), "invariant Bundle.entry[4].resource.intent"},
		{"plan status", set("CarePlan", "status", "active"), "invariant Bundle.entry[4].resource.status"},
		{"plan start is advice", set("CarePlan", "period", nil), "?required Bundle.entry[4].resource.period.start"},
		{"task status", set("Task", "status", "draft"), "invariant Bundle.entry[5].resource.status"},
		{"task intent", set("Task", "intent", "plan"), "invariant Bundle.entry[5].resource.intent"},
		{"consent status", set("Consent", "status", "draft"), "invariant Bundle.entry[7].resource.status"},
		{"consent scope", set("Consent", "scope", object{"coding": []any{object{"code": "research"}}}), "invariant Bundle.entry[7].resource.scope.coding.code"},
		{"service identifier", set("HealthcareService", "identifier", nil), "required Bundle.entry[12].resource.identifier"},
		{"full URL is no UUID", func(b object) { entry(b, 6)["fullUrl"] = "https://sender.example/Condition/1" }, "value Bundle.entry[6].fullUrl"},
		{"full URL twice", func(b object) { entry(b, 10)["fullUrl"] = entry(b, 11)["fullUrl"] }, "invariant Bundle.entry[11].fullUrl"},
		{"no full URL", func(b object) { delete(entry(b, 6), "fullUrl") }, "required Bundle.entry[6].fullUrl"},
		{"no resource", func(b object) { delete(entry(b, 6), "resource") }, "required Bundle.entry[6].resource"},
		{"resource is no object", func(b object) { entry(b, 6)["resource"] = 1 }, "required Bundle.entry[6].resource"},
		{"type without a place", func(b object) {
			entry(b, 6)["resource"] = object{"resourceType": "Slot", "meta": entry(b, 7)["resource"].(object)["meta"]}
		}, "invariant Bundle.entry[6].resource"},
	}
	for _, tt := range tests {
		_, issues := parse(t, change(t, message(t), tt.f))
		if !slices.Contains(told(issues), tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, told(issues), tt.want)
		}
	}
}

func TestAllIsToldAtOnce(t *testing.T) {
	_, issues := parse(t, change(t, message(t), func(b object) {
		set("ServiceRequest", "intent", "order")(b)
		set("Patient", "contact", nil)(b)
		set("Task", "status", "draft")(b)
	}))
	if got := told(issues); len(got) != 3 {
		t.Errorf("got %q, want three issues", got)
	}
}

func TestDefinitionMayCarryAVersionAndOtherCase(t *testing.T) {
	for _, d := range []string{definitions + "request-referral|1.0.0", strings.Replace(definitions, "https:", "http:", 1) + "request-referral"} {
		if _, issues := parse(t, change(t, message(t), set("MessageHeader", "definition", d))); len(issues) > 0 {
			t.Errorf("%s: %q", d, told(issues))
		}
	}
}

// answerTo makes a response of the demo's message.
func answerTo(b object, reason, status string) {
	h := resource(b, "MessageHeader")
	h["eventCoding"].(object)["code"] = "servicerequest-response"
	h["reason"].(object)["coding"].([]any)[0].(object)["code"] = reason
	h["response"] = object{"identifier": "x", "code": "ok"}
	h["definition"] = definitions + "response-referral"
	resource(b, "ServiceRequest")["status"] = status
}

func TestResponses(t *testing.T) {
	tests := []struct {
		reason, status string
		add            string
		kind           Kind
		want           string // code and HTTP status's code of the first issue
	}{
		{"new", "revoked", "", Response, ""},
		{"new", "revoked", "Appointment", Response, ""},
		{"new", "revoked", "RelatedPerson", Response, ""},
		{"new", "revoked", "Basic", Response, "invariant REC_BAD_REQUEST"},
		{"new", "active", "", 0, "not-supported REC_UNPROCESSABLE_ENTITY"},
		{"new", "completed", "", 0, "not-supported REC_UNPROCESSABLE_ENTITY"},
		{"update", "revoked", "", 0, "not-supported REC_UNPROCESSABLE_ENTITY"},
		{"new", "entered-in-error", "", 0, "invariant REC_BAD_REQUEST"},
	}
	for _, tt := range tests {
		m, issues := parse(t, change(t, message(t), func(b object) {
			answerTo(b, tt.reason, tt.status)
			if tt.add != "" {
				b["entry"] = append(b["entry"].([]any), object{"fullUrl": "urn:uuid:7c1d0000-0000-4000-8000-0000000000aa",
					"resource": object{"resourceType": tt.add, "meta": object{"lastUpdated": "2026-03-04T10:15:30Z"}}})
			}
		}))
		got := ""
		if len(issues) > 0 {
			got = string(issues[0].Code) + " " + issues[0].Details.Code
		}
		if m.Kind != tt.kind || got != tt.want {
			t.Errorf("%s %s %s: kind %d %q, want %d %q", tt.reason, tt.status, tt.add, m.Kind, got, tt.kind, tt.want)
		}
	}
}

// TestPublishedSamples reads the samples of the standard, where they are.
func TestPublishedSamples(t *testing.T) {
	dir := "../../../../shared/standards/samples/bars/"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no published samples beside the project")
	}
	tests := []struct {
		file, from, to string
		kind           Kind
		want           []string
	}{
		{"01-refreq03-gp-to-community-pharmacy.json", "1.0.0-beta", "1.1.2", Request, []string{"?required Bundle.entry[3].resource.period.start"}},
		{"02-social-prescribing-request-new.json", "", "", Request, nil},
		{"03-social-prescribing-request-cancel.json", "", "", Cancel, nil},
		{"04-refresp01-dna-safeguarding-response.json", "", "", Response, nil},
		{"05-servreq01-update-revoked.json", "", "", 0, []string{"not-supported Bundle.entry[1].resource.category"}},
	}
	for _, tt := range tests {
		b, err := os.ReadFile(filepath.Join(dir, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		m, issues := parse(t, strings.Replace(string(b), tt.from, tt.to, 1))
		if m.Kind != tt.kind || !slices.Equal(told(issues), tt.want) {
			t.Errorf("%s: kind %d %q, want %d %q", tt.file, m.Kind, told(issues), tt.kind, tt.want)
		}
	}
}

func TestTransactionIsJSONWhateverTheEntries(t *testing.T) {
	for _, entries := range []string{`[{"fullUrl":"a"},{"resource":{"resourceType":"Patient"}},{}]`, `[{"fullUrl":"a"}]`, `[]`} {
		b, err := fhir.Decode([]byte(`{"resourceType":"Bundle","entry":` + entries + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := transaction(b); !json.Valid(got) {
			t.Errorf("%s: %s", entries, got)
		}
	}
}

func TestErrors(t *testing.T) {
	warning := fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Required, Text: "w"}
	tests := []struct {
		name   string
		err    error
		status int
		want   string // code, details code, display of the first issue
	}{
		{"no token", fhir.Errorf(fhir.Login, "x"), 401, "forbidden REC_UNAUTHORIZED 401 - REC_UNAUTHORIZED"},
		{"forbidden", fhir.Errorf(fhir.Forbidden, "x"), 403, "forbidden REC_FORBIDDEN 403 - REC_FORBIDDEN"},
		{"method", fhir.StatusErrorf(405, fhir.NotSupported, "x"), 405, "not-supported SEND_METHOD_NOT_ALLOWED 405 - SEND_METHOD_NOT_ALLOWED"},
		{"accept", fhir.StatusErrorf(406, fhir.NotSupported, "x"), 406, "processing REC_NOT_ACCEPTABLE 406 - REC_NOT_ACCEPTABLE"},
		{"slow", fhir.StatusErrorf(http.StatusRequestTimeout, fhir.Timeout, "x"), 408, "timeout REC_TIMEOUT 408 - REC_TIMEOUT"},
		{"early", fhir.StatusErrorf(425, fhir.Duplicate, "x"), 425, "duplicate REC_TOO_EARLY 425 - REC_TOO_EARLY"},
		{"large", fhir.Errorf(fhir.TooLong, "x"), 413, "too-long REC_BAD_REQUEST 400 - REC_BAD_REQUEST"},
		{"type", fhir.StatusErrorf(415, fhir.NotSupported, "x"), 415, "not-supported REC_BAD_REQUEST 400 - REC_BAD_REQUEST"},
		{"gone", fhir.Errorf(fhir.Deleted, "x"), 410, "deleted REC_NOT_FOUND 404 - REC_NOT_FOUND"},
		{"several", fhir.Errorf(fhir.MultipleHits, "x"), 412, "multiple-matches REC_CONFLICT 409 - REC_CONFLICT"},
		{"throttled", fhir.Errorf(fhir.Throttled, "x"), 429, "throttled SEND_TOO_MANY_REQUESTS 429 - SEND_TOO_MANY_REQUESTS"},
		{"down", fhir.Errorf(fhir.Timeout, "x"), 503, "transient REC_SERVICE_UNAVAILABLE 503 - REC_SERVICE_UNAVAILABLE"},
		{"internal", errors.New("secret"), 500, "exception REC_SERVER_ERROR 500 - REC_SERVER_ERROR"},
		{"fault after a warning", &fhir.Error{Status: 422, Issues: []fhir.Issue{warning, {Code: fhir.BadValue}}}, 422, "value REC_UNPROCESSABLE_ENTITY 422 - REC_UNPROCESSABLE_ENTITY"},
	}
	for _, tt := range tests {
		e := fhir.AsError(Decorate(tt.err))
		first := e.Issues[0]
		if got := string(first.Code) + " " + first.Details.Code + " " + first.Details.Display; e.HTTPStatus() != tt.status || got != tt.want {
			t.Errorf("%s: %d %s, want %d %s", tt.name, e.HTTPStatus(), got, tt.status, tt.want)
		}
		for _, is := range e.Issues {
			if !is.IsError() && is.Details.Code != "" {
				t.Errorf("%s: the warning has the code of an error", tt.name)
			}
		}
	}
}

func TestRefusal(t *testing.T) {
	warning := fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Required}
	if err := Refusal([]fhir.Issue{warning}); err != nil {
		t.Errorf("a warning refuses: %v", err)
	}
	e := fhir.AsError(Refusal([]fhir.Issue{warning, Unprocessable(fhir.NotSupported, "", "x"), {Code: fhir.BadValue}}))
	if e.HTTPStatus() != 422 || e.Issues[0].Code != fhir.NotSupported || e.Issues[2].Details.Code != "" {
		t.Errorf("%d %+v", e.HTTPStatus(), e.Issues)
	}
}

func TestIsUUID(t *testing.T) {
	for s, want := range map[string]bool{
		"7c1d0000-0000-4000-8000-000000000001": true, "7C1D0000-0000-4000-8000-00000000000A": true,
		"7c1d000000004000800000000000000a": false, "{7c1d0000-0000-4000-8000-000000000001}": false,
		"urn:uuid:7c1d0000-0000-4000-8000-000000000001": false, "": false, "7c1d0000-0000-4000-8000-00000000000g": false,
	} {
		if IsUUID(s) != want {
			t.Errorf("IsUUID(%q) = %t", s, !want)
		}
	}
}

// FuzzRead: whatever comes, an accepted message is a JSON transaction and a
// refused one names a fault.
func FuzzRead(f *testing.F) {
	f.Add([]byte(message(f)))
	f.Add([]byte(change(f, message(f), func(b object) { answerTo(b, "new", "revoked") })))
	f.Add([]byte(`{"resourceType":"Bundle","type":"message","meta":{"versionId":"1.0.0"},"entry":[{}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		res := New().Read(doc)
		for _, r := range res.Records {
			if !r.Refused() && !json.Valid(r.Bundle) {
				t.Errorf("accepted as %s", r.Bundle)
			}
		}
		if len(res.Records) == 0 && fhir.Faults(res.Faults) == nil {
			t.Error("neither a record nor a fault")
		}
	})
}

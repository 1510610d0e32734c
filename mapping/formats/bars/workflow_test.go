package bars

import (
	"net/http"
	"testing"

	"trellis.example/fhir"
)

// TestWorkflow follows the receiver's published decision, step by step. Steps 1
// and 7 are about headers and answers, and tested over HTTP beside the gateway,
// as are what needs the store: repeats, unknown messages, local changes.
func TestWorkflow(t *testing.T) {
	reason := func(code string) func(object) {
		return func(b object) {
			resource(b, "MessageHeader")["reason"].(object)["coding"].([]any)[0].(object)["code"] = code
		}
	}
	event := func(code string) func(object) {
		return func(b object) { resource(b, "MessageHeader")["eventCoding"].(object)["code"] = code }
	}
	definition := func(kind string) func(object) { return set("MessageHeader", "definition", definitions+kind) }
	cancel := func(status string) []func(object) {
		return []func(object){short, reason("update"), set("ServiceRequest", "status", status), definition("request-cancelled")}
	}
	answer := func(r, status string) []func(object) {
		return []func(object){short, func(b object) { answerTo(b, r, status) }}
	}
	tests := []struct {
		step, name string
		changes    []func(object)
		kind       Kind
		want       string // "status details code issue code" of the refusal
	}{
		{"2", "no Application version", []func(object){set("Bundle", "meta", object{})}, 0, "400 REC_BAD_REQUEST invariant"},
		{"2", "an Application version to come", []func(object){set("Bundle", "meta", object{"versionId": "2.0.0"})}, 0, "422 REC_UNPROCESSABLE_ENTITY not-supported"},
		{"3", "new, active, completed, finished", nil, Request, ""},
		{"3", "new, active, completed, triaged", []func(object){set("Encounter", "status", "triaged")}, Request, ""},
		{"3", "plan not completed", []func(object){set("CarePlan", "status", "active")}, Request, "400 REC_BAD_REQUEST invariant"},
		{"3", "contact not over", []func(object){set("Encounter", "status", "in-progress")}, Request, "400 REC_BAD_REQUEST invariant"},
		{"3", "new and revoked", []func(object){set("ServiceRequest", "status", "revoked")}, Request, "400 REC_BAD_REQUEST invariant"},
		{"3", "new and a draft", []func(object){set("ServiceRequest", "status", "draft")}, Request, "400 REC_BAD_REQUEST invariant"},
		{"3", "no referral", []func(object){set("ServiceRequest", "category", []any{object{"coding": []any{object{"system": CategorySystem, "code": "validation"}}}})}, 0, "400 REC_BAD_REQUEST not-supported"},
		{"4", "update, revoked", cancel("revoked"), Cancel, ""},
		{"4", "update, entered in error", cancel("entered-in-error"), Cancel, ""},
		{"4", "update, active", cancel("active"), 0, "400 REC_BAD_REQUEST invariant"},
		{"4", "update, completed", cancel("completed"), 0, "400 REC_BAD_REQUEST invariant"},
		{"4", "update, on hold", cancel("on-hold"), 0, "400 REC_BAD_REQUEST invariant"},
		{"4", "delete", []func(object){reason("delete")}, 0, "400 REC_BAD_REQUEST value"},
		{"5", "response to nothing", append(answer("new", "revoked"), set("MessageHeader", "response", nil)), 0, "400 REC_BAD_REQUEST required"},
		{"5", "response, new, revoked", answer("new", "revoked"), Response, ""},
		{"5", "response, new, active", answer("new", "active"), 0, "422 REC_UNPROCESSABLE_ENTITY not-supported"},
		{"5", "response, update", answer("update", "revoked"), 0, "422 REC_UNPROCESSABLE_ENTITY not-supported"},
		{"5", "response, new, draft", answer("new", "draft"), 0, "400 REC_BAD_REQUEST invariant"},
		{"–", "a booking", []func(object){event("booking-request")}, 0, "422 REC_UNPROCESSABLE_ENTITY not-supported"},
		{"–", "a booking's response", []func(object){event("booking-response")}, 0, "422 REC_UNPROCESSABLE_ENTITY not-supported"},
		{"–", "an event that is none", []func(object){event("x")}, 0, "400 REC_BAD_REQUEST value"},
		{"–", "a reason that is none", []func(object){reason("x")}, 0, "400 REC_BAD_REQUEST value"},
		{"–", "events of another system", []func(object){func(b object) { resource(b, "MessageHeader")["eventCoding"].(object)["system"] = "urn:x" }}, 0, "400 REC_BAD_REQUEST value"},
		{"–", "no header", []func(object){func(b object) { b["entry"] = b["entry"].([]any)[1:] }}, 0, "400 REC_BAD_REQUEST invariant"},
		{"–", "another focus", []func(object){set("MessageHeader", "focus", []any{object{"reference": "urn:uuid:7c1d0000-0000-4000-8000-000000000003"}})}, 0, "400 REC_BAD_REQUEST invariant"},
		{"–", "no message", []func(object){set("Bundle", "type", "collection")}, 0, "400 REC_BAD_REQUEST invalid"},
	}
	for _, tt := range tests {
		m, issues := parse(t, change(t, message(t), func(b object) {
			for _, f := range tt.changes {
				f(b)
			}
		}))
		got := ""
		if err := Refusal(issues); err != nil {
			e := fhir.AsError(err)
			got = http.StatusText(e.HTTPStatus())
			got = map[string]string{http.StatusText(http.StatusBadRequest): "400", http.StatusText(http.StatusUnprocessableEntity): "422"}[got] + " " + e.Issues[0].Details.Code + " " + string(e.Issues[0].Code)
		}
		if m.Kind != tt.kind || got != tt.want {
			t.Errorf("step %s, %s: kind %d %q, want %d %q\n%q", tt.step, tt.name, m.Kind, got, tt.kind, tt.want, told(issues))
		}
	}
}

// short leaves what a cancellation or a response may carry.
func short(b object) {
	for _, typ := range []string{"Encounter", "CarePlan", "Task", "Condition", "Consent", "Practitioner", "PractitionerRole", "HealthcareService"} {
		without(typ)(b)
	}
}

// TestPublishedErrors: every status of the published table carries its code,
// with the issue codes that the table and its examples have for it.
func TestPublishedErrors(t *testing.T) {
	tests := []struct {
		err    error
		status int
		want   string
	}{
		{badRequest(fhir.Invalid), 400, "REC_BAD_REQUEST invalid"},
		{badRequest(fhir.Invariant), 400, "REC_BAD_REQUEST invariant"},
		{badRequest(fhir.NotSupported), 400, "REC_BAD_REQUEST not-supported"},
		{badRequest(fhir.Required), 400, "REC_BAD_REQUEST required"},
		{badRequest(fhir.BadValue), 400, "REC_BAD_REQUEST value"},
		{fhir.Errorf(fhir.Login, "x"), 401, "REC_UNAUTHORIZED forbidden"},
		{fhir.Errorf(fhir.Forbidden, "x"), 403, "REC_FORBIDDEN forbidden"},
		{fhir.StatusErrorf(403, fhir.Security, "x"), 403, "REC_FORBIDDEN security"},
		{fhir.Errorf(fhir.NotFound, "x"), 404, "REC_NOT_FOUND not-found"},
		{fhir.StatusErrorf(405, fhir.NotSupported, "x"), 405, "SEND_METHOD_NOT_ALLOWED not-supported"},
		{fhir.StatusErrorf(406, fhir.NotSupported, "x"), 406, "REC_NOT_ACCEPTABLE processing"},
		{fhir.StatusErrorf(408, fhir.Timeout, "x"), 408, "REC_TIMEOUT timeout"},
		{fhir.Errorf(fhir.Duplicate, "x"), 409, "REC_CONFLICT duplicate"},
		{fhir.Errorf(fhir.Conflict, "x"), 409, "REC_CONFLICT conflict"},
		{Refusal(single(Unprocessable(fhir.NotSupported, "", "x"))), 422, "REC_UNPROCESSABLE_ENTITY not-supported"},
		{fhir.StatusErrorf(422, fhir.TooCostly, "x"), 422, "REC_UNPROCESSABLE_ENTITY too-costly"},
		{fhir.StatusErrorf(425, fhir.Duplicate, "x"), 425, "REC_TOO_EARLY duplicate"},
		{fhir.Errorf(fhir.Throttled, "x"), 429, "SEND_TOO_MANY_REQUESTS throttled"},
		{fhir.StatusErrorf(500, fhir.Exception, "x"), 500, "REC_SERVER_ERROR exception"},
		{fhir.StatusErrorf(501, fhir.NotSupported, "x"), 501, "REC_NOT_IMPLEMENTED not-supported"},
		{fhir.Errorf(fhir.Transient, "x"), 503, "REC_SERVICE_UNAVAILABLE transient"},
	}
	for _, tt := range tests {
		e := fhir.AsError(Decorate(tt.err))
		is := e.Issues[0]
		if got := is.Details.Code + " " + string(is.Code); e.HTTPStatus() != tt.status || got != tt.want || is.Details.System != ErrorSystem {
			t.Errorf("%d %s %s, want %d %s", e.HTTPStatus(), is.Details.System, got, tt.status, tt.want)
		}
		out, err := fhir.Decode(fhir.Outcome(e.Issues))
		if err != nil {
			t.Fatal(err)
		}
		first := out.Root().At("issue", 0)
		if first.Get("severity").Text() != "error" || first.Get("diagnostics").Text() != "x" || first.At("details", "coding", 0, "display").Text() == "" {
			t.Errorf("%s", first.Raw())
		}
	}
}

// badRequest is a refusal with one issue.
func badRequest(code fhir.Code) error { return Refusal(single(BadRequest(code, "", "x"))) }

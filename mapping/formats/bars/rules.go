package bars

import (
	"strings"

	"trellis.example/fhir"
)

// A kinds is a set of message kinds.
type kinds uint8

const (
	inRequest  kinds = 1 << Request
	inCancel   kinds = 1 << Cancel
	inResponse kinds = 1 << Response
	inAll            = inRequest | inCancel | inResponse
)

// What a rule wants of an element, when it is not a value.
const (
	present = ""
	one     = "exactly one"
	absent  = "absent"
)

const definitions = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-"

// A rule is one MUST of the payload: in messages of these kinds, every resource
// of the type has at the path what is wanted: a value (or one of several,
// separated by "|"), one of the words above. The path runs through arrays.
type rule struct {
	in              kinds
	typ, path, want string
	// advice makes a breach a warning: official examples break the rule.
	advice bool
}

// rules are the MUST items of the guide that base FHIR does not demand.
var rules = []rule{
	{in: inAll, typ: "Bundle", path: "meta.lastUpdated"},
	{in: inAll, typ: "*", path: "meta.lastUpdated"},

	{in: inAll, typ: "MessageHeader", path: "destination", want: one},
	{in: inAll, typ: "MessageHeader", path: "destination.endpoint"},
	{in: inAll, typ: "MessageHeader", path: "destination.receiver.reference"},
	{in: inAll, typ: "MessageHeader", path: "source.endpoint"},
	{in: inRequest, typ: "MessageHeader", path: "definition", want: definitions + "request-referral"},
	{in: inCancel, typ: "MessageHeader", path: "definition", want: definitions + "request-cancelled"},
	{in: inResponse, typ: "MessageHeader", path: "definition", want: definitions + "response-referral"},

	{in: inAll, typ: "ServiceRequest", path: "intent", want: "plan"},
	{in: inAll, typ: "ServiceRequest", path: "category", want: one},
	{in: inRequest, typ: "ServiceRequest", path: "status", want: "active"},
	{in: inRequest, typ: "ServiceRequest", path: "authoredOn"},
	{in: inRequest, typ: "ServiceRequest", path: "basedOn"},
	{in: inRequest, typ: "ServiceRequest", path: "encounter"},
	{in: inRequest, typ: "ServiceRequest", path: "requester"},
	{in: inRequest, typ: "ServiceRequest", path: "performer"},
	{in: inRequest, typ: "ServiceRequest", path: "reasonCode", want: absent},

	{in: inRequest, typ: "CarePlan", path: "status", want: "completed"},
	{in: inRequest, typ: "CarePlan", path: "intent", want: "plan"},
	{in: inRequest, typ: "CarePlan", path: "period.start", advice: true},
	{in: inRequest, typ: "Consent", path: "status", want: "active"},
	{in: inRequest, typ: "Consent", path: "scope.coding.code", want: "patient-privacy"},
	{in: inRequest, typ: "Encounter", path: "status", want: "triaged|finished"},
	{in: inRequest, typ: "Encounter", path: "identifier"},
	{in: inRequest, typ: "HealthcareService", path: "identifier"},
	{in: inRequest, typ: "Patient", path: "contact"},
	{in: inRequest, typ: "Task", path: "status", want: "requested"},
	{in: inRequest, typ: "Task", path: "intent", want: "order"},
}

// payload names every rule that the message breaks, and where.
func payload(b fhir.Resource, kind Kind) []fhir.Issue {
	issues := obey("Bundle", b.Root(), kind)
	for i, e := range b.Entries() {
		if e.Type() != "" {
			issues = append(issues, obey(entryPath(i), e.Resource, kind)...)
		}
	}
	return issues
}

func obey(at string, res fhir.Value, kind Kind) []fhir.Issue {
	var issues []fhir.Issue
	typ := res.Get("resourceType").Text()
	for _, r := range rules {
		if r.in&(1<<kind) == 0 || r.typ != typ && (r.typ != "*" || typ == "Bundle") {
			continue
		}
		if is := r.breach(values(res, r.path)); is.Code != "" {
			is.Expression = at + "." + r.path
			issues = append(issues, is)
		}
	}
	return issues
}

// breach is what is wrong with the values found, or the zero Issue.
func (r rule) breach(found []fhir.Value) fhir.Issue {
	is := fhir.Issue{Code: fhir.Invariant}
	switch {
	case r.want == absent:
		if len(found) == 0 {
			return fhir.Issue{}
		}
		is.Text = "this element is for cancellations only"
	case len(found) == 0:
		is.Code, is.Text = fhir.Required, "this element is missing; a BaRS message of this kind needs it"
	case r.want == present || r.want == one && len(found) == 1 || anyOf(found, r.want):
		return fhir.Issue{}
	default:
		is.Text = "expected " + strings.ReplaceAll(r.want, "|", " or ")
	}
	if r.advice {
		is.Severity = fhir.SeverityWarning
		return is
	}
	is.Details = Detail(400)
	return is
}

// values returns what stands at the path, arrays taken apart.
func values(v fhir.Value, path string) []fhir.Value {
	found := []fhir.Value{v}
	for name := range strings.SplitSeq(path, ".") {
		var next []fhir.Value
		for _, f := range found {
			for x := range f.Get(name).Items() {
				next = append(next, x)
			}
		}
		found = next
	}
	return found
}

// anyOf reports whether one of the values is one of those wanted. A canonical
// may carry a version.
func anyOf(found []fhir.Value, want string) bool {
	for _, v := range found {
		got := v.Text()
		for w := range strings.SplitSeq(want, "|") {
			if canonical, _, _ := strings.Cut(got, "|"); got == w || strings.Contains(w, "://") && SameURI(canonical, w) {
				return true
			}
		}
	}
	return false
}

package intake_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/store"
)

const clientReference = "https://trellis.example/fhir/Id/client-reference"

// refer stores a referral of the sender under the reference, addressed to nobody
// but the default service.
func (h *house) refer(t *testing.T, org, reference string) store.Key {
	t.Helper()
	ctx, s := caller(t, "gp-"+org, "gp-practice", org)
	b, err := fhir.Decode(fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:7b0c0001-7d2f-4a63-8b11-000000000001","resource":
		{"resourceType":"ServiceRequest","identifier":[{"system":"%s","value":"%s"}],"status":"active","intent":"order",
		"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"display":"A person"},"authoredOn":"2026-03-04","requester":{"display":"A practice"}},"request":{"method":"POST","url":"ServiceRequest"}}]}`, clientReference, reference))
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Submit(ctx, intake.Submission{Sender: s, Format: "x", Key: org + reference, Bundle: b})
	if err != nil || out.Status == intake.Rejected {
		t.Fatalf("%v %+v", err, out.Issues)
	}
	return out.Referral
}

func answers(t *testing.T, basedOn string) fhir.Resource {
	t.Helper()
	b, err := fhir.Decode(fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:7b0c0001-7d2f-4a63-8b11-000000000002","resource":
		{"resourceType":"QuestionnaireResponse","questionnaire":"https://example.org/q|1","status":"completed","subject":{"display":"A person"},"authored":"2026-03-04T10:00:00Z","basedOn":[{"reference":"%s"}],"item":[{"linkId":"1","answer":[{"valueInteger":7}]}]},"request":{"method":"POST","url":"QuestionnaireResponse"}}]}`, basedOn))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOutcome: what a tool measured is based on a referral that the tool's party
// sees, by reference or by search, and is shared with those who see that. None,
// several, a hidden one and a search by something else get one and the same
// answer, at the same place.
func TestOutcome(t *testing.T) {
	h := newHouse(t)
	seen := h.refer(t, "A1", "SP-1")
	h.refer(t, "A1", "SP-2")
	h.refer(t, "A2", "SP-2")
	elsewhere := newHouse(t) // a referral that the tool's party does not see, in the same store
	elsewhere.Deps.Store, elsewhere.Service = h, ""
	hidden := elsewhere.refer(t, "A3", "SP-3")
	elsewhere.refer(t, "A3", "SP-1")
	h.commits = nil
	search := func(reference string) string { return "ServiceRequest?identifier=" + clientReference + "|" + reference }
	send := func(basedOn string) intake.Outcome {
		t.Helper()
		ctx, s := caller(t, "tool", "outcome-tool", "Z9D01")
		out, err := h.Submit(ctx, intake.Submission{Sender: s, Format: "y", Key: basedOn, Bundle: answers(t, basedOn), Interaction: "intake-y"})
		if err != nil {
			t.Fatalf("%s: %v", basedOn, err)
		}
		return out
	}
	for _, good := range []string{search("SP-1"), strings.ReplaceAll(search("SP-1"), "|", "%7C"), seen.String()} {
		h.commits = nil
		if out := send(good); out.Status != intake.Created {
			t.Fatalf("%s: %s %+v", good, out.Status, out.Issues)
		}
		for _, w := range h.commits[0].Writes {
			if w.Key.Type == "Task" {
				t.Error("an outcome started a Task")
			}
			if !slices.Contains(w.Access.Parties, "org/A1") || !slices.Contains(w.Access.Parties, "org/Z9D01") || w.Access.Owner != "org/Z9D01" {
				t.Errorf("%s: a %s is shared with %v", good, w.Key.Type, w.Access)
			}
			if w.Key.Type == "QuestionnaireResponse" && !strings.Contains(string(w.Body), `"reference":"`+seen.String()+`"`) {
				t.Errorf("%s became %s", good, w.Body)
			}
		}
		if a := h.commits[0].Audit; len(a) != 1 || len(a[0].Entities) != 2 {
			t.Errorf("%s: the audit is %+v", good, a)
		}
	}
	h.commits = nil
	first := ""
	for _, bad := range []string{search("SP-0"), search("SP-2"), search("SP-3"), hidden.String(), "ServiceRequest/absent", "ServiceRequest?status=active", search("")} {
		out := send(bad)
		got := fmt.Sprint(out.Status, len(out.Issues), out.Issues)
		if first == "" {
			first = got
		}
		if out.Status != intake.Rejected || got != first || out.Issues[len(out.Issues)-1].Expression != "Bundle.entry[0].resource.basedOn[0].reference" {
			t.Errorf("%s: %s, want %s", bad, got, first)
		}
	}
	if len(h.commits) != 0 {
		t.Error("a refused document was stored")
	}
}

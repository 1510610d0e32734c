package sdohcc

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// What the guides call things.
const (
	snomed     = "http://snomed.info/sct"
	taskCode   = "http://hl7.org/fhir/CodeSystem/task-code"
	v2Event    = "http://terminology.hl7.org/CodeSystem/v2-0003"
	v2Type     = "http://terminology.hl7.org/CodeSystem/v2-0203"
	bserStatus = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"
	ourKind    = "https://trellis.example/fhir/CodeSystem/service-request-category"
)

// Read reads a Bundle into the transaction that stores it. The record's key is
// the request's first identifier, the one of who refers where it says so.
func (f Format) Read(doc []byte) mapping.Result {
	out := mapping.Result{Map: f.info.ID + " " + version}
	res, err := fhir.DecodeLimit(doc, MaxDocument)
	if err != nil {
		out.Faults = fhir.AsError(err).Issues
		return out
	}
	es := list(res)
	rec := mapping.Record{Key: key(es)}
	if rec.Faults = f.shape(res, es); len(rec.Faults) == 0 {
		rec.Bundle, rec.Losses = f.transaction(es, rec.Key, doc)
	}
	out.Records = []mapping.Record{rec}
	return out
}

func key(es entries) string {
	first := ""
	for _, e := range es.of("ServiceRequest") {
		for id := range e.resource.Get("identifier").All() {
			v := id.Get("value").Text()
			if id.At("type", "coding", 0, "code").Text() == "PLAC" && v != "" {
				return v
			}
			if first == "" {
				first = v
			}
		}
	}
	return first
}

// shape names what the guides insist on and the document has not.
func (f Format) shape(res fhir.Resource, es entries) []fhir.Issue {
	var out []fhir.Issue
	fault := func(ok bool, at, text string) {
		if !ok {
			out = append(out, issue(fhir.BusinessRule, at, text))
		}
	}
	kind := res.Root().Get("type").Text()
	switch {
	case f.message:
		fault(kind == "message", "Bundle.type", "expected a Bundle of type message")
		fault(len(es) > 0 && es[0].typ() == "MessageHeader", "Bundle.entry[0]", "expected a MessageHeader as the first entry")
		for _, h := range es.of("MessageHeader") {
			fault(is(h.resource.Get("eventCoding"), v2Event, "I12"), h.at+".eventCoding", "expected the event I12 of v2-0003: REF/RRI, patient referral")
			focus := h.resource.At("focus", 0, "reference").Text()
			fault(slices.ContainsFunc(es.of("Task"), func(t entry) bool {
				return focus != "" && (t.url == focus || "Task/"+t.resource.Get("id").Text() == focus)
			}),
				h.at+".focus", "expected the Task of this Bundle as the focus")
		}
	default:
		fault(slices.Contains([]string{"collection", "transaction", "batch"}, kind), "Bundle.type", "expected a Bundle of type collection, transaction or batch")
	}
	fault(len(es.of("ServiceRequest")) == 1, "Bundle.entry", "expected one ServiceRequest")
	fault(len(es.of("Patient")) == 1, "Bundle.entry", "expected one Patient")
	for _, t := range es.of("Task") {
		fault(f.message || is(t.resource.At("code", "coding", 0), taskCode, "fulfill"), t.at+".code", "expected the code "+taskCode+"#fulfill")
		state := t.resource.At("businessStatus", "coding", 0)
		fault(!f.message || state.Get("system").Text() != bserStatus || slices.Contains(states(), state.Get("code").Text()), t.at+".businessStatus",
			"expected one of: "+strings.Join(states(), ", "))
	}
	return out
}

// states are BSeR's business states of a Task.
func states() []string {
	return []string{"2.0", "3.0", "4.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.2", "6.0", "7.0"}
}

func is(c fhir.Value, system, code string) bool {
	return c.Get("system").Text() == system && c.Get("code").Text() == code
}

// transaction makes the Bundle that stores what is carried.
func (f Format) transaction(es entries, key string, doc []byte) ([]byte, []mapping.Loss) {
	seed := key
	if seed == "" {
		seed = string(doc)
	}
	url := func(i int, _ entry) string { return mapping.URN(f.info.ID, []string{seed}, i) }
	c := &copier{names: es.names(url), drops: american}
	b := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i, e := range es {
		if !carried(e.typ()) {
			c.lose(e.at, "type", "a resource of this type is not part of a referral here")
			continue
		}
		resource, _ := c.object(nil, e.resource, []string{"id"}, c.in(e))
		b = post(b, url(i, e), resource, e.typ())
	}
	return append(b, "]}"...), c.losses
}

// american drops what a US document says that has no meaning here.
func american(v fhir.Value) (rule, text string) {
	url := v.Get("url").Text()
	switch {
	case v.Kind() == fhir.Object && strings.Contains(url, "/us/core/StructureDefinition/"):
		return "us-core", "race, ethnicity and the like of US Core are not the categories used here"
	case v.Key() == "profile" && v.Kind() == fhir.Array:
		return "profile", "profiles of the US are not claimed here"
	}
	return "", ""
}

// in are the members of a resource that become something else.
func (c *copier) in(e entry) map[string]string {
	r := e.resource
	switch e.typ() {
	case "ServiceRequest":
		out := map[string]string{
			"category": joined(c.part(r.Get("category")), concept(ourKind, "social-prescribing", "")),
			"code":     c.code(r.Get("code"), coding(snomed, "871731000000106", "Referral to social prescribing service (procedure)")),
		}
		if r.Get("status").Text() == "active" {
			out["status"] = `"on-hold"`
			out["extension"] = joined(c.part(r.Get("extension")), `{"url":"http://hl7.org/fhir/StructureDefinition/request-statusReason","valueCodeableConcept":{"text":"No permission to share is recorded under the law here: on hold until a person decides"}}`)
			c.lose(e.at+".status", "held", "an active request is on hold here until a person has seen to consent")
		}
		return out
	case "Consent":
		if r.Get("status").Text() == "active" {
			c.lose(e.at+".status", "consent", "a Consent of the US is kept as a proposal: it is no permission under the law here")
			return map[string]string{"status": `"proposed"`}
		}
	}
	return nil
}

// code is a CodeableConcept with one coding more.
func (c *copier) code(v fhir.Value, one string) string {
	var text []byte
	if v.Get("text").Exists() {
		text = append([]byte(`,"text":`), v.Get("text").Raw()...)
	}
	return `{"coding":` + joined(c.part(v.Get("coding")), one) + string(text) + `}`
}

package sdohcc

import (
	"regexp"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// Write writes a referral as the guide has it. A referral without a Task gets
// the one that asks for it to be fulfilled.
func (f Format) Write(resource []byte) mapping.Written {
	res, err := fhir.DecodeLimit(resource, MaxDocument)
	if err != nil {
		return mapping.Written{Faults: fhir.AsError(err).Issues}
	}
	es := list(res)
	if len(es.of("ServiceRequest")) != 1 || len(es.of("Patient")) != 1 {
		return mapping.Written{Faults: []fhir.Issue{issue(fhir.Required, "Bundle.entry", "expected one ServiceRequest and its Patient: nothing else is written as a referral")}}
	}
	w := &writer{f: f, es: es, copier: copier{drops: british}}
	w.names = es.names(w.url)
	return mapping.Written{Document: string(w.bundle()), Losses: w.losses}
}

type writer struct {
	copier
	f  Format
	es entries
}

// url is what an entry is called in the document: its fullUrl, or one made of
// its place.
func (w *writer) url(i int, e entry) string {
	if e.url != "" {
		return e.url
	}
	return mapping.URN(w.f.info.ID, []string{string(e.resource.Raw())}, i)
}

func (w *writer) bundle() []byte {
	kind := "collection"
	if w.f.message {
		kind = "message"
	}
	b := []byte(`{"resourceType":"Bundle","type":"` + kind + `","entry":[`)
	var parts [][]byte
	task := ""
	for i, e := range w.es {
		if !carried(e.typ()) {
			w.lose(e.at, "type", "a resource of this type has no place in a US referral")
			continue
		}
		url := w.url(i, e)
		if e.typ() == "Task" && task == "" {
			task = url
		}
		resource, _ := w.object(nil, e.resource, nil, w.out(e))
		parts = append(parts, whole(url, resource))
	}
	if task == "" {
		task = mapping.URN(w.f.info.ID, []string{"task", w.request()}, 0)
		parts = append(parts, whole(task, w.task()))
	}
	if w.f.message {
		parts = slices.Insert(parts, 0, whole(mapping.URN(w.f.info.ID, []string{"header", task}, 0), w.header(task)))
	}
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p...)
	}
	return append(b, "]}\n"...)
}

func whole(url string, resource []byte) []byte {
	b := fhir.AppendString([]byte(`{"fullUrl":`), url)
	return append(append(append(b, `,"resource":`...), resource...), '}')
}

// request is what the ServiceRequest is called.
func (w *writer) request() string {
	for i, e := range w.es {
		if e.typ() == "ServiceRequest" {
			return w.url(i, e)
		}
	}
	return ""
}

// task is the Task of a referral that has none: the request's own facts.
func (w *writer) task() []byte {
	sr := w.es.of("ServiceRequest")[0].resource
	b := []byte(`{"resourceType":"Task","status":"requested","intent":"order","code":` + concept(taskCode, "fulfill", "Fulfill the focal request") + `,"focus":{"reference":`)
	b = append(fhir.AppendString(b, w.request()), '}')
	for _, m := range []struct {
		name string
		v    fhir.Value
	}{{"for", sr.Get("subject")}, {"authoredOn", sr.Get("authoredOn")}, {"requester", sr.Get("requester")}, {"owner", sr.At("performer", 0)}} {
		if part := w.peek(m.v); part != nil {
			b = append(append(b, `,"`+m.name+`":`...), part...)
		}
	}
	if w.f.message {
		b = append(b, `,"businessStatus":`+concept(bserStatus, "2.0", "Service Request Created")...)
	}
	return append(b, '}')
}

// header is the header of the message.
func (w *writer) header(task string) []byte {
	event := coding(v2Event, "I12", "REF/RRI - Patient referral")
	b := []byte(`{"resourceType":"MessageHeader","eventCoding":` + event + `,"source":{"name":"Trellis","endpoint":"https://trellis.example/fhir"},"reason":{"coding":[` + event + `]},"focus":[{"reference":`)
	return append(fhir.AppendString(b, task), "}]}"...)
}

// ukSNOMED are the identifiers of the UK editions: namespaces 1000000 and
// 1000001.
var ukSNOMED = regexp.MustCompile(`^[0-9]+100000[01]1[01][0-9]$`)

// british drops what means nothing in the US, or must not go there.
func british(v fhir.Value) (rule, text string) {
	system, url := v.Get("system").Text(), v.Get("url").Text()
	switch {
	case v.Kind() != fhir.Object:
		if v.Key() == "profile" && v.Kind() == fhir.Array {
			return "profile", "our profiles are not claimed in the US: the document is not US Core validated"
		}
		return "", ""
	case strings.HasPrefix(system, "https://fhir.nhs.uk/Id/nhs-number"):
		return "nhs-number", "an NHS number is not sent to the US"
	case strings.Contains(system, "fhir.nhs.uk/Id/ods-"):
		return "ods", "an ODS code means nothing in the US"
	case ofTheUK(system):
		return "uk-code", "a code or identifier of the UK, or of ours, means nothing in the US"
	case ofTheUK(url):
		return "uk-extension", "an extension of the UK, or of ours, means nothing in the US"
	case system == snomed && ukSNOMED.MatchString(v.Get("code").Text()):
		return "uk-snomed", "a concept of the UK edition of SNOMED CT is not in the US edition: no other is guessed"
	}
	return "", ""
}

// ofTheUK reports a URL of the NHS, of HL7 UK or of this project.
func ofTheUK(url string) bool {
	for _, host := range []string{"fhir.nhs.uk", "fhir.hl7.org.uk", "fhir.hscni.net", "trellis.example"} {
		if strings.HasPrefix(url, "https://"+host+"/") || strings.HasPrefix(url, "http://"+host+"/") {
			return true
		}
	}
	return false
}

// out are the members of a resource that become something else.
func (w *writer) out(e entry) map[string]string {
	r := e.resource
	switch e.typ() {
	case "ServiceRequest":
		return w.asked(r)
	case "Task":
		out := map[string]string{}
		if !is(r.At("code", "coding", 0), taskCode, "fulfill") || r.At("code", "coding").Len() != 1 {
			out["code"] = concept(taskCode, "fulfill", "Fulfill the focal request")
			if r.Get("code").Exists() {
				w.lose(e.at+".code", "task-code", "the guide knows one code of a Task")
			}
		}
		if code, display := state(r.Get("status").Text()); w.f.message && code != "" && r.At("businessStatus", "coding", 0, "system").Text() != bserStatus {
			out["businessStatus"] = concept(bserStatus, code, display)
			if r.Get("businessStatus").Exists() {
				w.lose(e.at+".businessStatus", "business-status", "the business state is that of the guide")
			}
		}
		return out
	}
	return nil
}

// asked says in the guide's codes what is asked for.
func (w *writer) asked(r fhir.Value) map[string]string {
	out := map[string]string{}
	if w.f.message {
		if w.peek(r.At("code", "coding")) == nil {
			out["code"] = w.code(r.Get("code"), coding(snomed, "3457005", "Patient referral"))
		}
		if ids := w.placed(r.Get("identifier")); ids != "" {
			out["identifier"] = ids
		}
		return out
	}
	const social = "410606002"
	known := func(c fhir.Value) bool { return is(c.At("coding", 0), snomed, social) }
	if !slices.ContainsFunc(slices.Collect(r.Get("category").Items()), known) {
		out["category"] = joined(w.part(r.Get("category")), concept(snomed, social, "Social service procedure"))
	}
	if w.peek(r.Get("code")) == nil {
		w.part(r.Get("code")) // what is lost of it
		out["code"] = `{"text":"Referral to social prescribing service"}`
	}
	return out
}

// placed are the identifiers, the first marked as the number of who refers
// unless some are marked already; "" when nothing changes.
func (w *writer) placed(ids fhir.Value) string {
	for id := range ids.All() {
		if id.Get("type").Exists() {
			return ""
		}
	}
	var list []string
	for id := range ids.All() {
		one := string(w.part(id))
		switch {
		case one == "":
			continue
		case len(list) == 0 && id.Get("value").Exists():
			one = strings.TrimSuffix(one, "}") + `,"type":` + concept(v2Type, "PLAC", "Placer Identifier") + "}"
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return ""
	}
	return "[" + strings.Join(list, ",") + "]"
}

// state is BSeR's name for a Task's status, where there is one.
func state(status string) (code, display string) {
	switch status {
	case "requested":
		return "2.0", "Service Request Created"
	case "accepted":
		return "3.0", "Service Request Accepted"
	case "rejected":
		return "4.0", "Service Request Declined"
	case "cancelled":
		return "6.0", "Service Request Fulfillment Cancelled"
	case "completed":
		return "7.0", "Service Request Fulfillment Completed"
	}
	return "", ""
}

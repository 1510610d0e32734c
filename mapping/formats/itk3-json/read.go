package itk3json

import (
	"regexp"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/itk3"
)

// A reader turns one response into a transaction.
type reader struct {
	root   *itk3.Node
	losses []mapping.Loss
	faults []fhir.Issue
}

func (r *reader) fault(at *itk3.Node, place, expression, rule, text string) {
	if at != nil {
		place = at.Place()
	}
	r.faults = append(r.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.BadValue, Source: place, Expression: expression, Rule: rule, Text: text})
}

func (r *reader) lose(n *itk3.Node, rule, text string) {
	if n != nil {
		r.losses = append(r.losses, mapping.Loss{Source: n.Place(), Rule: rule, Text: text})
	}
}

// stamp is the grammar of an instant, to the second or finer.
var stamp = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$`)

func (r *reader) read(key string) []byte {
	header := itk3.HeaderOf(r.root)
	if r.root.Type != "Bundle" || header == nil {
		r.fault(nil, "", "Bundle.entry", "message", "expected a message Bundle whose first entry is the MessageHeader")
		return nil
	}
	r.root.Expect("message", "type")
	if event := header.Get("event", "code"); event.Text() != itk3.ResponseEvent {
		r.fault(event, "/entry/0/resource/event", "", "event", "expected the event ITK008M, a response; other messages are read as itk3-xml")
		return nil
	}
	task, owner := r.task(header), r.owner(header)
	r.envelope(header)
	for n := range r.root.Unread() {
		r.lose(n, "residue", "no rule reads it; kept with the original")
	}
	entries := []itk3.Element{entry(key, 0, "Task", task)}
	if owner != nil {
		entries = append(entries, entry(key, 1, "Organization", owner))
	}
	return itk3.Branch("Bundle", append([]itk3.Element{itk3.Leaf("resourceType", "Bundle"), itk3.Leaf("type", "transaction")}, entries...)...).JSON()
}

func entry(key string, n int, typ string, resource []itk3.Element) itk3.Element {
	return itk3.Array("entry", itk3.Leaf("fullUrl", mapping.URN("itk3-json", []string{key}, n)),
		itk3.Branch("resource", append([]itk3.Element{itk3.Leaf("resourceType", typ)}, resource...)...),
		itk3.Branch("request", itk3.Leaf("method", "POST"), itk3.Leaf("url", typ)))
}

// envelope tells what belongs to the message alone, and reads what goes without
// saying.
func (r *reader) envelope(header *itk3.Node) {
	own := []*itk3.Node{r.root.Get("id"), r.root.Get("meta"), r.root.Get("identifier"), r.root.Get("timestamp")}
	for e := range r.root.All("entry") {
		e.Get("fullUrl").Use()
		own = append(own, e.Get("resource", "meta"))
		if e.Get("resource") != header {
			own = append(own, e.Get("resource", "id"))
		}
	}
	for _, n := range own {
		n.Use()
		r.lose(n, "envelope", "belongs to the message; kept with the original")
	}
	header.Expect(itk3.EventSystem, "event", "system")
	header.Expect("ITK Response", "event", "display")
	header.Get("sender").Use()
	header.Get("response", "details").Use()
	handling := header.Extension(itk3.Handling)
	for part := range handling.All("extension") {
		switch part.Peek("url") {
		case "BusAckRequested", "InfAckRequested":
			part.Text("url")
			if v := part.Get("valueBoolean"); v.Text() != "false" {
				r.lose(v, "acknowledgement", "a response must ask for no acknowledgement; none is sent")
			}
		}
	}
}

// reference is the SenderReference.
func (r *reader) reference(header *itk3.Node) string {
	for part := range header.Extension(itk3.Handling).All("extension") {
		if part.Peek("url") == "SenderReference" {
			part.Text("url")
			return part.Text("valueString")
		}
	}
	return ""
}

// owner is the organisation that answers.
func (r *reader) owner(header *itk3.Node) []itk3.Element {
	org := r.resource(header.Peek("sender", "reference"), "Organization")
	mailbox := header.Text("source", "endpoint")
	if org == nil && mailbox == "" {
		return nil
	}
	var ids []itk3.Element
	for id := range org.All("identifier") {
		ids = append(ids, itk3.Array("identifier", itk3.Leaf("system", id.Text("system")), itk3.Leaf("value", id.Text("value"))))
	}
	if mailbox != "" {
		ids = append(ids, itk3.Array("identifier", itk3.Leaf("system", mailboxes), itk3.Leaf("value", mailbox)))
	}
	return append(ids, itk3.Leaf("name", org.Text("name")))
}

// resource finds the entry's resource with a fullUrl, of the type.
func (r *reader) resource(url, typ string) *itk3.Node {
	for e := range r.root.All("entry") {
		if res := e.Get("resource"); res != nil && res.Type == typ && (e.Peek("fullUrl") == url || url == "") {
			return res
		}
	}
	return nil
}

// task is what the response says, as a Task.
func (r *reader) task(header *itk3.Node) []itk3.Element {
	outcome := r.resource(header.Peek("response", "details", "reference"), "OperationOutcome")
	if outcome == nil {
		r.fault(header.Get("response"), "/entry/0/resource", "Task", "outcome", "expected response.details to refer to an OperationOutcome of this message")
		return nil
	}
	code, ok := r.code(outcome)
	id := header.Get("response", "identifier")
	if id == nil {
		r.fault(nil, "/entry/0/resource/response", "Task.focus", "answered", "expected response.identifier, the id of the message that is answered")
	}
	at := header.Text("timestamp")
	if !stamp.MatchString(at) {
		r.fault(header.Get("timestamp"), "/entry/0/resource/timestamp", "Task.lastModified", "timestamp", "expected an instant with an offset")
	}
	if !ok || fhir.Faults(r.faults) != nil {
		return nil
	}
	out := []itk3.Element{
		itk3.Array("identifier", itk3.Leaf("system", messages), itk3.Leaf("value", header.Text("id"))),
	}
	if ref := r.reference(header); ref != "" {
		out = append(out, itk3.Branch("groupIdentifier", itk3.Leaf("system", references), itk3.Leaf("value", ref)))
	}
	out = append(out, r.state(header, code)...)
	out = append(out, r.focus(code, id.Text()), itk3.Leaf("authoredOn", at), itk3.Leaf("lastModified", at))
	if r.resource(header.Peek("sender", "reference"), "Organization") != nil || header.Peek("source", "endpoint") != "" {
		out = append(out, itk3.Branch("owner", itk3.Leaf("reference", mapping.URN("itk3-json", []string{header.Peek("id")}, 1))))
	}
	return append(out, r.notes(outcome)...)
}

// focus is the referral that was in the message, or the message itself.
func (r *reader) focus(code itk3.Code, id string) itk3.Element {
	if code.AboutReferral() {
		return itk3.Branch("focus", itk3.Leaf("reference", request+escape(id)))
	}
	return itk3.Branch("focus", itk3.Branch("identifier", itk3.Leaf("system", messages), itk3.Leaf("value", id)))
}

// escape keeps what is special in a search out of a value.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`, `,`, `\,`, `$`, `\$`, `&`, `%26`, `+`, `%2B`, `#`, `%23`, `%`, `%25`, ` `, `%20`).Replace(s)
}

// code is the first response code of the outcome.
func (r *reader) code(outcome *itk3.Node) (code itk3.Code, ok bool) {
	for is := range outcome.All("issue") {
		for c := range is.Get("details").All("coding") {
			if c.Peek("system") != itk3.CodeSystem {
				continue
			}
			c.Text("system")
			n := c.Get("code")
			if code, ok = itk3.Lookup(n.Text()); !ok {
				r.fault(n, c.Place(), "Task.businessStatus", "response-code", "expected a code of ITK-ResponseCodes-1 whose meaning is published: 10001 to 20013, 30001 to 30003, 30005 to 30018")
				return code, false
			}
			if words := c.Text("display"); words != "" && words != code.Display {
				r.lose(c.Get("display"), "display", "the code is carried, with the words that are known for it")
			}
			severity, kind := code.Issue()
			is.Expect(severity, "severity")
			is.Expect(kind, "code")
			return code, true
		}
	}
	r.fault(outcome, "", "Task.businessStatus", "response-code", "expected an issue with a code of "+itk3.CodeSystem)
	return code, false
}

// state is the status of the Task. The response code itself is always carried.
func (r *reader) state(header *itk3.Node, code itk3.Code) []itk3.Element {
	itk := itk3.Array("coding", itk3.Leaf("system", itk3.CodeSystem), itk3.Leaf("code", code.Code), itk3.Leaf("display", code.Display))
	var ours itk3.Element
	if code.Business != "" {
		ours = itk3.Array("coding", itk3.Leaf("system", businessStatus), itk3.Leaf("code", code.Business))
	}
	status, about := code.Task, "Answer to a referral"
	if !code.AboutReferral() {
		status, about = "completed", "Delivery of a message"
		if code.Negative {
			status = "failed"
		}
	}
	out := []itk3.Element{itk3.Leaf("status", status)}
	reason := r.reason(header, code)
	switch status {
	case "rejected", "cancelled", "failed", "on-hold":
		reason = append(reason, itk3.Leaf("text", code.Display))
	}
	return append(out, itk3.Branch("statusReason", reason...), itk3.Branch("businessStatus", ours, itk),
		itk3.Leaf("intent", "order"), itk3.Branch("code", itk3.Leaf("text", about)))
}

// reason carries MessageHeader.response.code where the response code does not
// say the same: that sending again may help.
func (r *reader) reason(header *itk3.Node, code itk3.Code) []itk3.Element {
	got := header.Text("response", "code")
	switch {
	case got == "ok" && !code.Negative, got == "fatal-error" && code.Negative:
		return nil
	case got == "transient-error" && code.Negative:
		return []itk3.Element{itk3.Array("coding", itk3.Leaf("system", responseCodes), itk3.Leaf("code", got))}
	}
	r.fault(header.Get("response", "code"), "/entry/0/resource/response", "Task.statusReason", "response", "expected ok beside a positive response code, and fatal-error or transient-error beside a negative one")
	return nil
}

// notes carries the explanations of all issues, one to a line.
func (r *reader) notes(outcome *itk3.Node) []itk3.Element {
	var lines []string
	for is := range outcome.All("issue") {
		for _, path := range [][]string{{"diagnostics"}, {"details", "text"}} {
			if s := is.Text(path...); s != "" {
				lines = append(lines, s)
			}
		}
	}
	if lines == nil {
		return nil
	}
	return []itk3.Element{itk3.Array("note", itk3.Leaf("text", strings.Join(lines, "\n")))}
}

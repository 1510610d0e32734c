package itk3json

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/itk3"
)

// Write makes the acknowledgement of a Task, alone or in a Bundle with the
// Organization that owns it: the business acknowledgement that tells where the
// referral stands, with both flags false and the sender's reference copied. A
// Task that Read made of a message's own acknowledgement becomes that again.
func (Format) Write(resource []byte) mapping.Written {
	res, err := fhir.DecodeLimit(resource, itk3.MaxDocument)
	if err != nil {
		return mapping.Written{Faults: fhir.AsError(err).Issues}
	}
	w := &writer{res: res}
	if res.Type() == "Task" {
		w.task, w.at = res.Root(), "Task"
	}
	for i, e := range res.Entries() {
		if e.Type() == "Task" && !w.task.Exists() {
			w.task, w.at = e.Resource, e.Resource.Path()
			w.own = i
		}
	}
	if !w.task.Exists() {
		w.fault("Resource", "expected a Task, or a Bundle that holds one")
		return mapping.Written{Faults: w.faults}
	}
	ack := w.ack()
	w.residue()
	if fhir.Faults(w.faults) != nil {
		return mapping.Written{Losses: w.losses, Faults: w.faults}
	}
	return mapping.Written{Document: string(ack.JSON()), Losses: w.losses, Faults: w.faults}
}

type writer struct {
	res    fhir.Resource
	task   fhir.Value
	at     string
	own    int // the Task's entry
	owner  int // the Organization's entry, -1 when there is none
	losses []mapping.Loss
	faults []fhir.Issue
}

func (w *writer) fault(at, text string) {
	w.faults = append(w.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Source: at, Expression: at, Text: text})
}

func (w *writer) ack() itk3.Ack {
	a := itk3.Ack{From: w.from(), MessageID: w.answered(), SenderReference: w.reference()}
	var ok bool
	if a.Code, ok = w.code(); !ok {
		w.fault(w.at+".status", "no ITK3 code says this; codes exist for open, accepted, refused, back to the GP, declined by the person, duplicate, signposted, not reached, did not attend and completed")
	}
	if a.Stamp = w.task.Get("lastModified").Text(); !stamp.MatchString(a.Stamp) {
		a.Stamp = w.task.Get("authoredOn").Text()
	}
	if !stamp.MatchString(a.Stamp) {
		w.fault(w.at+".lastModified", "expected the time of the answer (lastModified or authoredOn)")
	}
	if a.MessageID == "" {
		w.fault(w.at+".focus", "expected the id of the message that is answered: an identifier of focus, or the Task's groupIdentifier")
	}
	if id := w.task.At("identifier", 0); id.Get("system").Text() == messages {
		a.ID = id.Get("value").Text()
	}
	a.Transient = w.hasCoding("statusReason", responseCodes, "transient-error") != ""
	a.Text = w.words()
	return a
}

// code is the ITK3 code the Task carries, else the one that says where it
// stands.
func (w *writer) code() (itk3.Code, bool) {
	for _, at := range []string{"businessStatus", "statusReason"} {
		if c := w.hasCoding(at, itk3.CodeSystem, ""); c != "" {
			return itk3.Lookup(c)
		}
	}
	return itk3.For(w.hasCoding("businessStatus", businessStatus, ""), w.task.Get("status").Text())
}

// hasCoding returns the code of a coding of the system, and of that code when
// one is asked for.
func (w *writer) hasCoding(element, system, code string) string {
	for c := range w.task.At(element, "coding").Items() {
		if got := c.Get("code").Text(); c.Get("system").Text() == system && (code == "" || code == got) {
			return got
		}
	}
	return ""
}

// words are the notes, one to a line; a reason in words when there are none.
func (w *writer) words() string {
	var lines []string
	for n := range w.task.Get("note").Items() {
		if t := n.Get("text").Text(); t != "" {
			lines = append(lines, t)
		}
	}
	if t := w.task.At("statusReason", "text").Text(); len(lines) == 0 && t != "" {
		if c, ok := w.code(); !ok || c.Display != t {
			lines = append(lines, t)
		}
	}
	return strings.Join(lines, "\n")
}

// answered is the id of the message that brought the referral.
func (w *writer) answered() string {
	focus := w.task.Get("focus")
	if id, ok := strings.CutPrefix(focus.Get("reference").Text(), request); ok {
		return unescape(id)
	}
	if id := focus.Get("identifier"); id.Get("system").Text() == messages || !w.task.Get("groupIdentifier").Exists() {
		if v := id.Get("value").Text(); v != "" {
			return v
		}
	}
	return w.reference()
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\|`, `|`, `\,`, `,`, `\$`, `$`, `%26`, `&`, `%2B`, `+`, `%23`, `#`, `%25`, `%`, `%20`, ` `).Replace(s)
}

// reference is what the sender calls its message.
func (w *writer) reference() string { return w.task.At("groupIdentifier", "value").Text() }

// from is the organisation that answers: the Task's owner.
func (w *writer) from() itk3.Party {
	w.owner = -1
	owner := w.task.Get("owner")
	var p itk3.Party
	ref := owner.Get("reference").Text()
	for i, e := range w.res.Entries() {
		if e.Type() == "Organization" && (ref == "" || e.FullURL == ref || "Organization/"+e.Resource.Get("id").Text() == ref) {
			w.owner = i
			p.Name = e.Resource.Get("name").Text()
			for id := range e.Resource.Get("identifier").Items() {
				switch id.Get("system").Text() {
				case itk3.ODS:
					p.ODS = id.Get("value").Text()
				case mailboxes:
					p.Endpoint = id.Get("value").Text()
				}
			}
			break
		}
	}
	if id := owner.Get("identifier"); p.ODS == "" && id.Get("system").Text() == itk3.ODS {
		p.ODS, p.Name = id.Get("value").Text(), owner.Get("display").Text()
	}
	if p.ODS == "" {
		w.fault(w.at+".owner", "expected the organisation that answers, with its ODS code: an Organization beside the Task, or owner.identifier")
	}
	return p
}

// carried are the elements of a Task that the acknowledgement says, or that go
// without saying.
var carried = map[string]bool{
	"resourceType": true, "id": true, "meta": true, "status": true, "businessStatus": true, "statusReason": true, "intent": true, "code": true,
	"focus": true, "groupIdentifier": true, "lastModified": true, "owner": true, "note": true, "identifier": true,
}

// residue tells what the acknowledgement does not say.
func (w *writer) residue() {
	lose := func(at, why string) {
		w.losses = append(w.losses, mapping.Loss{Source: at, Rule: "residue", Text: why})
	}
	for m := range w.task.All() {
		same := m.Key() == "authoredOn" && (m.Text() == w.task.Get("lastModified").Text() || !w.task.Get("lastModified").Exists())
		if !carried[m.Key()] && !same {
			lose(w.at+"."+m.Key(), "an ITK3 response has no place for it")
		}
	}
	for i, e := range w.res.Entries() {
		if i != w.own && i != w.owner {
			lose(e.Resource.Path(), "an ITK3 response has no place for it")
		}
	}
	if id := w.task.At("identifier", 0); id.Exists() && id.Get("system").Text() != messages || w.task.Get("identifier").Len() > 1 {
		lose(w.at+".identifier", "the response has an id of its own")
	}
	for i, e := range w.res.Entries() {
		if i == w.owner {
			w.ownerResidue(e, lose)
		}
	}
}

// ownerResidue tells what of the Organization is not said.
func (w *writer) ownerResidue(e fhir.Entry, lose func(at, why string)) {
	for m := range e.Resource.All() {
		switch m.Key() {
		case "resourceType", "id", "meta", "name":
		case "identifier":
			for id := range m.Items() {
				if s := id.Get("system").Text(); s != itk3.ODS && s != mailboxes {
					lose(id.Path(), "an ITK3 response has the ODS code and the mailbox alone")
				}
			}
		default:
			lose(m.Path(), "an ITK3 response has no place for it")
		}
	}
}

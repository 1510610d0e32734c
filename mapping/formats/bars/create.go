package bars

import "trellis.example/fhir"

const (
	contactRank     = ukCoreExtension + "ContactRank"
	verification    = ukCoreExtension + "NHSNumberVerificationStatus"
	ukCoreExtension = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
	nhsNumber       = "https://fhir.nhs.uk/Id/nhs-number"
	actCode         = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
)

// shapePatient makes the person as the standard wants: verified numbers only,
// somebody to contact, and organisations alone as general practitioner.
func (w *writer) shapePatient() {
	w.trimNumbers()
	p := w.patient
	if !p.get("contact").Exists() {
		w.makeContact(p)
	}
	var practices [][]byte
	n := 0
	for ref := range p.get("generalPractitioner").Items() {
		n++
		q := w.byURL(ref.Get("reference").Text())
		if q != nil && q.typ == "Organization" || q == nil && ref.Get("type").Text() != "Practitioner" {
			practices = append(practices, ref.Raw())
		}
	}
	if len(practices) < n {
		p.set.put("generalPractitioner", list(practices...))
		w.lose(p.at+".generalPractitioner", "general-practitioner", "the standard names the practice, not the person")
	}
}

// byURL returns the part of the message with a fullUrl.
func (w *writer) byURL(url string) *part {
	for _, p := range w.parts {
		if p.url == url && url != "" {
			return p
		}
	}
	return nil
}

// makeContact makes the person the one to contact, with their own telecom.
func (w *writer) makeContact(p *part) {
	var ways [][]byte
	for t := range p.get("telecom").Items() {
		var m members
		if len(ways) == 0 {
			m.put("rank", []byte("1"))
		} else {
			m.put("rank", nil)
		}
		ways = append(ways, m.over(nil, t))
	}
	if len(ways) == 0 {
		w.fault(p.at+".contact", "expected somebody to contact (contact), or a telephone number or e-mail of the person (telecom)")
		return
	}
	m := members{
		{"extension", list(build(members{{"url", quote(contactRank)}, {"valuePositiveInt", []byte("1")}}))},
		{"relationship", list(concept(coding("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "ONESELF", "self")))},
	}
	if n := p.get("name", 0); n.Exists() {
		m.put("name", n.Raw())
	}
	m.put("telecom", list(ways...))
	p.set.put("contact", list(build(m)))
	w.lose(p.at+".telecom", "made-contact", "the standard wants somebody to contact; the person stands there with their own telecom, the first of it ranked first")
}

// trimNumbers takes out NHS numbers that nobody has verified or traced.
func (w *writer) trimNumbers() {
	p := w.patient
	var keep [][]byte
	n := 0
	for id := range p.get("identifier").Items() {
		n++
		if SameURI(id.Get("system").Text(), nhsNumber) && !verified(id) {
			continue
		}
		keep = append(keep, id.Raw())
	}
	if len(keep) < n {
		p.set.put("identifier", list(keep...))
		w.lose(p.at+".identifier", "nhs-number", "the standard carries an NHS number only when it is verified, or present but not traced; its status is not recorded as one of these")
	}
}

// verified reports whether the number's status lets it travel: 01 present and
// verified, 02 present but not traced.
func verified(id fhir.Value) bool {
	for x := range id.Get("extension").Items() {
		if !SameURI(x.Get("url").Text(), verification) {
			continue
		}
		for c := range x.At("valueCodeableConcept", "coding").Items() {
			switch c.Get("code").Text() {
			case "01", "number-present-and-verified", "02", "number-present-but-not-traced":
				return true
			}
		}
	}
	return false
}

// shapeEncounter sends the contact that led to the referral, or makes one.
func (w *writer) shapeEncounter() {
	number := w.caseNumber()
	if w.encounter == nil {
		w.encounter = w.add("Encounter", members{
			{"identifier", number}, {"status", quote("triaged")}, {"class", coding(actCode, "AMB", "ambulatory")},
			{"subject", reference(w.patient)},
		})
		w.lose(w.request.at+".encounter", "made-encounter", "the standard wants an Encounter; one was made, triaged, with the referral's own reference as its number")
		return
	}
	e := w.encounter
	if s := e.get("status").Text(); s != "finished" && s != "triaged" {
		e.set.put("status", quote("triaged"))
		w.lose(e.at+".status", "encounter-status", "the standard wants finished or triaged; the referral is what it was triaged to")
	}
	if !e.get("identifier").Exists() {
		e.set.put("identifier", number)
		w.lose(e.at+".identifier", "encounter-number", "the standard wants a number that people can quote; it is the referral's own reference")
	}
}

// caseNumber is the number for people: the referral's own reference.
func (w *writer) caseNumber() []byte {
	id := w.request.get("identifier", 0)
	if id.Get("value").Text() == "" {
		if w.encounter.get("identifier").Exists() {
			return nil
		}
		w.fault(w.request.at+".identifier", "expected an identifier of the referral: it is the number that people quote")
		return nil
	}
	m := members{{"value", id.Get("value").Raw()}}
	if s := id.Get("system"); s.Exists() {
		m = append(members{{"system", s.Raw()}}, m...)
	}
	return list(build(m))
}

// makeConditions makes a Condition of each reason that is coded or in words.
func (w *writer) makeConditions() {
	for _, p := range w.parts {
		if p.typ == "Condition" && w.isReason(p) {
			w.conditions = append(w.conditions, p)
		}
	}
	for code := range w.request.get("reasonCode").Items() {
		c := w.add("Condition", members{
			{"clinicalStatus", concept(coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", ""))},
			{"verificationStatus", concept(coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", "unconfirmed", ""))},
			{"category", list(concept(coding(snomed, "33962009", "Presenting complaint")))},
			{"code", worded(code)}, {"subject", reference(w.patient)}, {"encounter", reference(w.encounter)},
		})
		w.conditions = append(w.conditions, c)
		w.lose(w.request.at+".reasonCode", "made-condition", "the reason became a Condition: unconfirmed, a presenting complaint")
	}
}

// isReason reports whether the request names the Condition as its reason.
func (w *writer) isReason(p *part) bool {
	for ref := range w.request.get("reasonReference").Items() {
		if ref.Get("reference").Text() == p.url {
			return true
		}
	}
	return false
}

// worded is a concept with words: its own, or the display of its first code.
func worded(c fhir.Value) []byte {
	if d := c.At("coding", 0, "display").Text(); d != "" && !c.Get("text").Exists() {
		return members{{"text", quote(d)}}.over(nil, c)
	}
	return c.Raw()
}

// makePlan makes the CarePlan that wraps the message, and its Task.
func (w *writer) makePlan() {
	if w.plan != nil {
		w.notesInto(w.plan)
		return
	}
	task := w.task()
	activity := members{}
	if s := w.notes(); s != "" {
		activity.put("outcomeCodeableConcept", list(build(members{{"text", quote(s)}})))
	}
	activity.put("reference", reference(task))
	var addresses [][]byte
	for _, c := range w.conditions {
		addresses = append(addresses, reference(c))
	}
	w.plan = w.add("CarePlan", members{
		{"status", quote("completed")}, {"intent", quote("plan")}, {"subject", reference(w.patient)}, {"encounter", reference(w.encounter)},
		{"period", build(members{{"start", w.request.get("authoredOn").Raw()}})}, {"addresses", list(addresses...)},
		{"activity", list(build(activity))},
	})
	w.lose(w.request.at+".basedOn", "made-care-plan", "the standard wants a CarePlan around the referral; one was made, completed, with the notes of the request as its text")
}

// task is the Task that asks for the work: one that is in the message, or a new
// one.
func (w *writer) task() *part {
	for _, p := range w.parts {
		if p.typ == "Task" {
			return p
		}
	}
	m := members{{"status", quote("requested")}, {"intent", quote("order")}}
	if c := w.request.get("code"); c.Exists() {
		m.put("code", c.Raw())
	}
	m = append(m, member{"for", reference(w.patient)}, member{"authoredOn", w.request.get("authoredOn").Raw()})
	w.lose(w.request.at, "made-task", "the standard wants a Task that the CarePlan refers to; one was made, requested, with the code of the request")
	return w.add("Task", m)
}

// notes are the words of the request's notes, in order.
func (w *writer) notes() string {
	s := ""
	for n := range w.request.get("note").Items() {
		if t := n.Get("text").Text(); t != "" {
			if s != "" {
				s += "\n"
			}
			s += t
		}
	}
	return s
}

// notesInto adds the request's notes to a CarePlan that was given.
func (w *writer) notesInto(p *part) {
	var notes [][]byte
	for _, from := range []*part{p, w.request} {
		for n := range from.get("note").Items() {
			notes = append(notes, n.Raw())
		}
	}
	if w.request.get("note").Exists() {
		p.set.put("note", list(notes...))
	}
}

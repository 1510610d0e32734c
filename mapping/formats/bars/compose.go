package bars

import "trellis.example/fhir"

// relate finds the people and organisations of the message.
func (w *writer) relate() {
	if w.patient == nil {
		w.fault(w.request.at+".subject", "expected the Patient among the entries of the Bundle")
	}
	w.refer(w.followed(w.request, "requester"))
	if w.kind == Request && w.service == nil {
		w.fault(w.request.at+".performer", "expected a HealthcareService, with the id that a directory of services gives it, among the entries of the Bundle")
	}
	if w.kind == Request && w.practitioner == nil {
		w.fault(w.request.at+".requester", "expected the Practitioner who refers among the entries of the Bundle; the standard has no referral by an organisation alone")
	}
	if w.sender == nil {
		w.fault(w.request.at+".requester", "expected the organisation that refers (requester, or PractitionerRole.organization) among the entries of the Bundle")
	}
	w.receive()
}

// followed is what a reference of a part leads to, as the document given had
// it.
func (w *writer) followed(p *part, path ...any) *part {
	if p == nil || p.made {
		return nil
	}
	return w.follow(p.before.At(path...))
}

// kept is the part when it goes into the message.
func kept(p *part) *part {
	if p == nil || !p.keep {
		return nil
	}
	return p
}

// refer reads who refers, and for which organisation.
func (w *writer) refer(p *part) {
	if p == nil {
		return
	}
	role, person, org := (*part)(nil), (*part)(nil), (*part)(nil)
	switch p.typ {
	case "Organization":
		org = p
	case "PractitionerRole":
		role, person = p, w.followed(p, "practitioner")
	case "Practitioner":
		role, person, org = w.roleOf(p), p, w.followed(w.patient, "managingOrganization")
	}
	if of := w.followed(role, "organization"); of != nil {
		org = of
	}
	w.role, w.practitioner, w.sender = kept(role), kept(person), kept(org)
}

// roleOf is the first role of a person.
func (w *writer) roleOf(p *part) *part {
	for _, r := range w.given {
		if r.typ == "PractitionerRole" && w.followed(r, "practitioner") == p {
			return r
		}
	}
	return nil
}

// receive reads which organisation is asked.
func (w *writer) receive() {
	if w.receiver = kept(w.followed(w.service, "providedBy")); w.receiver != nil {
		return
	}
	for ref := range w.request.before.Get("performer").Items() {
		if p := kept(w.follow(ref, "Organization")); p != nil {
			w.receiver = p
			return
		}
	}
	by := w.service.get("providedBy")
	id, name := by.Get("identifier"), by.Get("display").Text()
	if !id.Exists() || name == "" {
		w.fault(w.request.at+".performer", "expected the organisation that provides the service (HealthcareService.providedBy) among the entries of the Bundle, or by identifier and display")
		return
	}
	w.receiver = w.add("Organization", members{{"identifier", list(id.Raw())}, {"name", quote(name)}})
	w.lose(w.service.at+".providedBy", "made-organization", "the standard wants the receiver as a resource; an Organization was made of its identifier and name")
	w.service.set.put("providedBy", reference(w.receiver))
}

// referral shapes the resources of a new referral.
func (w *writer) referral() {
	w.permitted()
	w.shapePatient()
	w.shapeEncounter()
	w.makeConditions()
	w.makePlan()
	if w.role == nil {
		w.role = w.add("PractitionerRole", members{{"practitioner", reference(w.practitioner)}, {"organization", reference(w.sender)}})
		w.lose(w.request.at+".requester", "made-practitioner-role", "the standard wants a PractitionerRole; one was made that joins the person and the organisation that refer")
	}
	r := w.request
	w.plain("intent", `"plan"`, "the standard knows only plan")
	w.category()
	w.drop("priority", "the standard has no place for it; say in occurrencePeriod by when it is wanted")
	w.drop("reasonCode", "carried as Condition, which the CarePlan addresses")
	w.drop("note", "carried in the CarePlan")
	r.set.put("encounter", reference(w.encounter))
	r.set.put("basedOn", list(reference(w.plan)))
	if r.get("requester", "reference").Text() != w.practitioner.url {
		w.lose(r.at+".requester", "requester", "the standard names the Practitioner; the role and the organisation stand beside it")
	}
	r.set.put("requester", reference(w.practitioner))
	if n := r.get("performer").Len(); n > 1 || r.get("performer", 0, "reference").Text() != w.service.url {
		w.lose(r.at+".performer", "performer", "a message goes to one HealthcareService; other performers are not named")
	}
	r.set.put("performer", list(reference(w.service)))
}

// permitted wants a Consent, and none that denies.
func (w *writer) permitted() {
	n := 0
	for _, p := range w.parts {
		if p.typ != "Consent" {
			continue
		}
		if n++; p.get("provision", "type").Text() == "deny" {
			w.fault(p.at+".provision.type", "the person does not permit the sharing; the referral cannot be sent")
		}
	}
	if n == 0 {
		w.fault("Bundle.entry", "expected an active Consent about privacy (scope patient-privacy) or another lawful basis recorded as one; it is never made up")
	}
}

// plain sets an element of the request to a constant, and says so when it was
// another.
func (w *writer) plain(name, raw, why string) {
	if string(w.request.get(name).Raw()) != raw {
		w.lose(w.request.at+"."+name, name, why)
	}
	w.request.set.put(name, []byte(raw))
}

// drop takes an element out of the request.
func (w *writer) drop(name, why string) {
	if w.request.get(name).Exists() {
		w.lose(w.request.at+"."+name, name, why)
		w.request.set.put(name, nil)
	}
}

// category is one element with two codings: a referral, and our local use case.
func (w *writer) category() {
	r := w.request
	if r.get("category").Len() == 1 && hasCoding(r.get("category", 0), CategorySystem, "referral") && hasCoding(r.get("category", 0), UseCaseSystem, UseCase) {
		return
	}
	if r.get("category").Exists() {
		w.lose(r.at+".category", "category", "a message has one category, of the standard's own codes; others are not carried")
	}
	r.set.put("category", list(concept(coding(CategorySystem, "referral", "Transfer of Care"), coding(UseCaseSystem, UseCase, "Social prescribing (local use case)"))))
}

func hasCoding(c fhir.Value, system, code string) bool {
	for x := range c.Get("coding").Items() {
		if SameURI(x.Get("system").Text(), system) && x.Get("code").Text() == code {
			return true
		}
	}
	return false
}

// cancellation shapes the resources of a cancellation: the request with what
// identifies it, the person and the two organisations.
func (w *writer) cancellation() {
	w.plain("intent", `"plan"`, "the standard knows only plan")
	w.category()
	for _, name := range []string{"priority", "note"} {
		w.drop(name, "a cancellation does not carry it")
	}
	w.trimNumbers()
}

// stampPart gives a resource the stamp of the message, takes its id off, which
// is the receiver's to give, and names the standard's profile.
func (w *writer) stampPart(p *part) {
	if !p.made {
		p.set.put("id", nil)
	}
	m := members{{"lastUpdated", quote(w.stamp)}}
	for _, keep := range [...]string{"security", "tag"} {
		if v := p.get("meta", keep); v.Exists() {
			m = append(m, member{keep, v.Raw()})
		}
	}
	if url := shapes[p.typ]; url != "" {
		m = append(m, member{"profile", list(quote(url))})
	}
	p.set.put("meta", build(m))
}

const ukCore = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"

// shapes are the profiles that the standard's messages claim.
var shapes = map[string]string{
	"MessageHeader":  "https://fhir.nhs.uk/StructureDefinition/BARSMessageHeader-servicerequest-request",
	"ServiceRequest": "https://fhir.nhs.uk/StructureDefinition/BARSServiceRequest-request-referral",
	"Patient":        ukCore + "Patient", "Encounter": ukCore + "Encounter", "CarePlan": ukCore + "CarePlan", "Task": ukCore + "Task",
	"Condition": ukCore + "Condition", "Consent": ukCore + "Consent", "Practitioner": ukCore + "Practitioner",
	"PractitionerRole": ukCore + "PractitionerRole", "Organization": ukCore + "Organization", "HealthcareService": ukCore + "HealthcareService",
}

// header is the MessageHeader.
func (w *writer) header() *part {
	reason, definition := "new", definitions+"request-referral"
	if w.kind == Cancel {
		reason, definition = "update", definitions+"request-cancelled"
	}
	endpoint, ok := w.address(w.service, dosSystem)
	if !ok {
		endpoint, _ = w.address(w.receiver, odsSystem)
	}
	from, known := w.address(w.sender, odsSystem)
	if endpoint == "" {
		w.fault(w.request.at+".performer", "expected an identifier of the service or of the organisation that is asked")
	}
	if !known {
		w.fault(w.sender.at+".identifier", "expected an identifier of the organisation that refers: answers go to it")
	}
	source := members{{"endpoint", quote(from)}}
	if n := text(w.sender.get("name").Text()); n != nil {
		source.put("name", n)
	}
	h := &part{url: w.urn(999), typ: "MessageHeader", made: true, set: members{
		{"resourceType", quote("MessageHeader")}, {"meta", nil},
		{"eventCoding", coding(EventSystem, "servicerequest-request", "")},
		{"destination", list(build(members{{"endpoint", quote(endpoint)}, {"receiver", reference(w.receiver)}}))},
		{"sender", reference(w.sender)}, {"source", build(source)},
		{"reason", concept(coding(ReasonSystem, reason, ""))},
		{"focus", list(reference(w.request))}, {"definition", quote(definition)},
	}}
	w.stampPart(h)
	return h
}

// address is a resource's identifier as the address of a service: that of the
// system, else its first one.
func (w *writer) address(p *part, system string) (string, bool) {
	var found string
	ids := p.get("identifier")
	if p != nil && p.made { // an Organization of ours has the one identifier it was made of
		ids = w.service.get("providedBy", "identifier")
	}
	for id := range ids.Items() {
		s, v := id.Get("system").Text(), id.Get("value").Text()
		if s == "" || v == "" {
			continue
		}
		if SameURI(s, system) {
			return s + "|" + v, true
		}
		if found == "" {
			found = s + "|" + v
		}
	}
	return found, found != ""
}

package itk3xml

import (
	"regexp"

	"trellis.example/mapping/formats/itk3"
)

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// resource turns one resource of STU3 into R4.
func (r *reader) resource(g *resource) {
	n := g.n
	switch n.Type {
	case "Patient":
		r.person(g)
	case "Organization":
		r.add(g.url, g.typ, concat(identifiers(n), all(n, "type"), []itk3.Element{itk3.Leaf("name", n.Text("name"))}, all(n, "telecom"), all(n, "address"))...)
	case "Practitioner":
		r.add(g.url, g.typ, concat(identifiers(n), all(n, "name"), all(n, "telecom"), all(n, "address"))...)
	case "PractitionerRole":
		r.add(g.url, g.typ, concat(identifiers(n), []itk3.Element{r.reference("practitioner", n.Get("practitioner")), r.reference("organization", n.Get("organization"))},
			all(n, "code"), all(n, "specialty"), all(n, "telecom"))...)
	case "Encounter":
		r.contact(g)
	case "Condition":
		r.condition(g)
	case "Observation":
		r.observation(g)
	case "ClinicalImpression":
		r.impression(g)
	}
}

func concat(lists ...[]itk3.Element) []itk3.Element {
	var out []itk3.Element
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func (r *reader) person(g *resource) {
	n := g.n
	var gps []itk3.Element
	for gp := range n.All("generalPractitioner") {
		gps = append(gps, r.reference("generalPractitioner", gp).Many())
	}
	r.add(g.url, "Patient", concat(identifiers(n), all(n, "name"), all(n, "telecom"),
		[]itk3.Element{itk3.Leaf("gender", n.Text("gender")), itk3.Leaf("birthDate", n.Text("birthDate")),
			itk3.Raw("deceasedBoolean", literal(n.Text("deceasedBoolean"))), itk3.Leaf("deceasedDateTime", n.Text("deceasedDateTime"))},
		all(n, "address"), gps)...)
}

// contact is the Encounter. R4 wants a class, which STU3 may lack: then it is
// unknown.
func (r *reader) contact(g *resource) {
	n := g.n
	class := datatype(n.Get("class"))
	if n.Get("class") == nil {
		class = itk3.Branch("class", itk3.Leaf("system", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"), itk3.Leaf("code", "UNK"), itk3.Leaf("display", "unknown"))
	}
	var people, reasons []itk3.Element
	for p := range n.All("participant") {
		people = append(people, itk3.Array("participant", append(all(p, "type"), datatype(p.Get("period")), r.reference("individual", p.Get("individual")))...))
	}
	for c := range n.All("reason") {
		reasons = append(reasons, rename(datatype(c), "reasonCode").Many())
	}
	r.add(g.url, "Encounter", concat(identifiers(n), []itk3.Element{itk3.Leaf("status", n.Text("status")), class}, all(n, "type"),
		[]itk3.Element{r.reference("subject", n.Get("subject"))}, people, []itk3.Element{datatype(n.Get("period"))}, reasons,
		[]itk3.Element{r.reference("serviceProvider", n.Get("serviceProvider"))})...)
}

// status is a code of STU3 that R4 has as a concept.
func status(name, system, code string) itk3.Element {
	if code == "" {
		return itk3.Element{}
	}
	return itk3.Branch(name, itk3.Array("coding", itk3.Leaf("system", system), itk3.Leaf("code", code)))
}

func (r *reader) condition(g *resource) {
	n := g.n
	var notes []itk3.Element
	for t := range n.All("note") {
		notes = append(notes, itk3.Array("note", itk3.Leaf("text", t.Text("text"))))
	}
	r.add(g.url, "Condition", concat(identifiers(n), []itk3.Element{
		status("clinicalStatus", "http://terminology.hl7.org/CodeSystem/condition-clinical", n.Text("clinicalStatus")),
		status("verificationStatus", "http://terminology.hl7.org/CodeSystem/condition-ver-status", n.Text("verificationStatus")),
	}, all(n, "category"), []itk3.Element{datatype(n.Get("severity")), datatype(n.Get("code"))}, all(n, "bodySite"),
		[]itk3.Element{r.reference("subject", n.Get("subject")), r.reference("encounter", n.Get("context")),
			datatype(n.Get("onsetDateTime")), datatype(n.Get("onsetString")), datatype(n.Get("abatementDateTime")),
			itk3.Leaf("recordedDate", n.Text("assertedDate")), r.reference("asserter", n.Get("asserter"))}, notes)...)
}

// values are the choices of Observation.value[x] that are the same in R4.
var values = []string{"valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueRange", "valueRatio", "valueTime", "valueDateTime", "valuePeriod"}

func (r *reader) observation(g *resource) {
	n := g.n
	var performers, parts, notes []itk3.Element
	for p := range n.All("performer") {
		performers = append(performers, r.reference("performer", p).Many())
	}
	for c := range n.All("component") {
		parts = append(parts, itk3.Array("component", append([]itk3.Element{datatype(c.Get("code"))}, observed(c)...)...))
	}
	if s := n.Text("comment"); s != "" {
		notes = append(notes, itk3.Array("note", itk3.Leaf("text", s)))
	}
	r.add(g.url, "Observation", concat(identifiers(n), []itk3.Element{itk3.Leaf("status", n.Text("status"))}, all(n, "category"),
		[]itk3.Element{datatype(n.Get("code")), r.reference("subject", n.Get("subject")), r.reference("encounter", n.Get("context")),
			datatype(n.Get("effectiveDateTime")), datatype(n.Get("effectivePeriod")), itk3.Leaf("issued", n.Text("issued"))},
		performers, observed(n), notes, []itk3.Element{datatype(n.Get("bodySite"))}, parts)...)
}

func observed(n *itk3.Node) []itk3.Element {
	var out []itk3.Element
	for _, v := range values {
		out = append(out, datatype(n.Get(v)))
	}
	out = append(out, datatype(n.Get("dataAbsentReason")))
	for i := range n.All("interpretation") {
		out = append(out, datatype(i).Many())
	}
	return out
}

// impression is the summary of a ClinicalImpression, under the heading that its
// tag gives.
func (r *reader) impression(g *resource) {
	n := g.n
	if n.Get("summary") == nil {
		r.fault(n, "Communication.payload", "summary", "expected a summary")
		return
	}
	var topic itk3.Element
	if tag := n.Get("meta", "tag"); tag != nil {
		words := tag.Peek("display")
		topic = itk3.Branch("topic", rename(datatype(tag), "coding").Many(), itk3.Leaf("text", words))
	}
	r.told(g.url, identifiers(n), topic, n, n.Get("assessor"), n.Text("date"), n.Text("summary"))
	n.Expect("completed", "status")
}

// told is a Communication: words under a heading, about a person.
func (r *reader) told(url string, ids []itk3.Element, topic itk3.Element, n, sender *itk3.Node, at, words string, more ...itk3.Element) {
	encounter := n.Get("context")
	if encounter == nil {
		encounter = n.Get("encounter")
	}
	r.add(url, "Communication", concat(ids, []itk3.Element{itk3.Leaf("status", "completed"), r.reference("subject", n.Get("subject")), topic,
		r.reference("encounter", encounter), itk3.Leaf("sent", at), r.reference("sender", sender),
		itk3.Array("payload", itk3.Leaf("contentString", words))}, more)...)
}

// composition makes a Communication of each section that has words. Each
// carries the kind of the document and its title.
func (r *reader) composition(n *itk3.Node) {
	about := []itk3.Element{rename(datatype(n.Get("type")), "category").Many()}
	if title := n.Text("title"); title != "" {
		about = append(about, itk3.Array("note", itk3.Leaf("text", "Document: "+title)))
	}
	date := n.Text("date")
	for s := range n.All("section") {
		r.section(n, s, about, date, "")
	}
	for _, name := range []string{"status", "identifier", "subject", "encounter", "author"} {
		for k := range n.All(name) {
			k.Use()
			if name == "status" || name == "identifier" {
				r.lose(k, "document", "belongs to the document; kept with the original")
			}
		}
	}
}

// section makes a Communication of a section, and of those within it. What it
// refers to stands beside it.
func (r *reader) section(doc, s *itk3.Node, about []itk3.Element, date, above string) {
	heading := s.Text("title")
	if heading == "" {
		heading = s.Peek("code", "text")
	}
	if heading == "" {
		heading = s.Peek("code", "coding", "display")
	}
	if above != "" && heading != "" {
		heading = above + " / " + heading
	}
	for e := range s.All("entry") {
		e.Use()
	}
	if words := s.Text("text", "div"); words != "" {
		s.Get("text", "status").Use()
		r.told(r.url(), nil, topicOf(s, heading), doc, doc.Get("author"), date, words, about...)
	}
	for k := range s.All("section") {
		r.section(doc, k, about, date, heading)
	}
}

// topicOf is the heading: its codes, and its words.
func topicOf(s *itk3.Node, heading string) itk3.Element {
	var parts []itk3.Element
	for c := range s.Get("code").All("coding") {
		parts = append(parts, datatype(c))
	}
	s.Get("code", "text").Use()
	return itk3.Branch("topic", append(parts, itk3.Leaf("text", heading))...)
}

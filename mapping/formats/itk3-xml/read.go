package itk3xml

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/itk3"
)

// A resource is one of the message and where it goes.
type resource struct {
	n   *itk3.Node
	url string // its fullUrl in the transaction
	typ string // its R4 type; "" when it is not read
}

type reader struct {
	root    *itk3.Node
	key     string
	given   []*resource
	byURL   map[string]*resource // by the sender's fullUrl
	entries []itk3.Element
	count   int
	losses  []mapping.Loss
	faults  []fhir.Issue

	patient *resource
	doc     *itk3.Node // the Composition
}

func (r *reader) fault(at *itk3.Node, expression, rule, text string) {
	r.faults = append(r.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Source: at.Place(), Expression: expression, Rule: rule, Text: text})
}

func (r *reader) lose(n *itk3.Node, rule, text string) {
	if n != nil {
		r.losses = append(r.losses, mapping.Loss{Source: n.Place(), Rule: rule, Text: text})
	}
}

// url returns the next fullUrl.
func (r *reader) url() string {
	r.count++
	return mapping.URN("itk3-xml", []string{r.key}, r.count-1)
}

// add appends an entry of the transaction.
func (r *reader) add(url, typ string, parts ...itk3.Element) {
	r.entries = append(r.entries, itk3.Array("entry", itk3.Leaf("fullUrl", url),
		itk3.Branch("resource", append([]itk3.Element{itk3.Leaf("resourceType", typ)}, parts...)...),
		itk3.Branch("request", itk3.Leaf("method", "POST"), itk3.Leaf("url", typ))))
}

func (r *reader) read() []byte {
	switch header := itk3.HeaderOf(r.root); {
	case r.root.Type == "ClinicalImpression":
		r.alone()
	case r.root.Type != "Bundle" || header == nil:
		r.fault(r.root, "Bundle.entry", "message", "expected an ITK3 message: a Bundle whose first entry is the MessageHeader")
	case header.Peek("event", "code") == itk3.ResponseEvent:
		r.fault(header.Get("event", "code"), "MessageHeader.event", "event", "this is a response (ITK008M); send it in JSON as itk3-json")
	default:
		r.message(header)
	}
	if len(r.faults) > 0 {
		return nil
	}
	for n := range r.root.Unread() {
		r.lose(n, "residue", "no rule reads it; kept with the original")
	}
	return itk3.Branch("Bundle", append([]itk3.Element{itk3.Leaf("resourceType", "Bundle"), itk3.Leaf("type", "transaction")}, r.entries...)...).JSON()
}

// types are the types of STU3 that are read, and what each becomes.
var types = map[string]string{
	"Patient": "Patient", "Organization": "Organization", "Practitioner": "Practitioner", "PractitionerRole": "PractitionerRole",
	"Encounter": "Encounter", "Condition": "Condition", "Observation": "Observation", "ClinicalImpression": "Communication",
}

// message reads a whole message.
func (r *reader) message(header *itk3.Node) {
	r.root.Expect("message", "type")
	r.envelope(r.root)
	r.collect(r.root)
	if r.patient == nil {
		r.fault(r.root, "Patient", "patient", "expected a Patient in the document of the message")
		return
	}
	head := r.url()
	for _, g := range r.given {
		r.resource(g)
	}
	sections := len(r.entries)
	if r.doc != nil {
		r.composition(r.doc)
	}
	if len(r.entries) == sections && !r.has("Communication") {
		r.fault(r.root, "Communication", "content", "expected something to tell: a section with text, or a ClinicalImpression with a summary")
		return
	}
	r.header(head, header)
}

// collect finds the resources of the message and of the documents in it.
func (r *reader) collect(bundle *itk3.Node) {
	for e := range bundle.All("entry") {
		res := e.Get("resource")
		if res == nil {
			continue
		}
		g := &resource{n: res, typ: types[res.Type]}
		url := e.Text("fullUrl")
		switch {
		case res.Type == "Bundle":
			res.Expect("document", "type")
			r.collect(res)
		case res.Type == "Composition" && r.doc == nil:
			r.doc = res
		case res.Type == "MessageHeader":
			r.envelope(res)
			continue
		case strings.HasSuffix(res.Type, "Request"):
			res.Use()
			r.lose(res, "no-referral", "a message that informs makes no request here: if it is one for social prescribing, a person refers; kept with the original")
			continue
		case g.typ == "":
			res.Use()
			r.lose(res, "no-place", "this type of resource is not read; kept with the original")
			continue
		}
		r.envelope(res)
		if res.Type == "Bundle" || res.Type == "Composition" {
			continue
		}
		g.url = r.url()
		r.given = append(r.given, g)
		if url != "" && r.byURL[url] == nil {
			r.byURL[url] = g
		}
		if res.Type == "Patient" && r.patient == nil {
			r.patient = g
		}
	}
}

// envelope tells what of a resource is the message's own.
func (r *reader) envelope(n *itk3.Node) {
	names := []string{"id", "meta"}
	if n.Type == "Bundle" {
		names = append(names, "identifier", "timestamp")
	}
	for _, name := range names {
		m := n.Get(name)
		if m == nil {
			continue
		}
		if n.Type == "ClinicalImpression" && name == "meta" { // its tag is the heading
			for _, k := range []string{"lastUpdated", "profile", "versionId"} {
				m.Get(k).Use()
			}
		} else {
			m.Use()
		}
		r.lose(m, "envelope", "ids and stamps belong to the message; kept with the original")
	}
}

func (r *reader) has(typ string) bool {
	for _, g := range r.given {
		if g.typ == typ {
			return true
		}
	}
	return false
}

// header makes the MessageHeader: the event with its code system, who sent it,
// and how it is to be handled.
func (r *reader) header(url string, n *itk3.Node) {
	r.lose(n.Get("timestamp"), "timestamp", "R4's MessageHeader has no time; kept with the original")
	n.Get("timestamp").Use()
	var focus []itk3.Element
	n.Get("focus").Use()
	focus = append(focus, itk3.Array("focus", itk3.Leaf("reference", r.patient.url)))
	parts := []itk3.Element{}
	for e := range n.All("extension") {
		parts = append(parts, datatype(e))
	}
	parts = append(parts, rename(datatype(n.Get("event")), "eventCoding"))
	source := n.Get("source")
	parts = append(parts, r.reference("sender", n.Get("sender")), itk3.Branch("source", itk3.Leaf("name", source.Text("name")),
		itk3.Leaf("software", source.Text("software")), itk3.Leaf("version", source.Text("version")), itk3.Leaf("endpoint", source.Text("endpoint"))))
	r.add(url, "MessageHeader", append(parts, focus...)...)
}

// alone reads a ClinicalImpression that is sent by itself, as a message's part.
func (r *reader) alone() {
	g := &resource{n: r.root, typ: "Communication", url: r.url()}
	r.envelope(r.root)
	r.impression(g)
}

// reference is a Reference to a resource of the message; a logical one when it
// leads out of it.
func (r *reader) reference(name string, n *itk3.Node) itk3.Element {
	if n == nil {
		return itk3.Element{}
	}
	ref, display := n.Text("reference"), itk3.Leaf("display", n.Text("display"))
	if g := r.byURL[ref]; g != nil && ref != "" {
		return itk3.Branch(name, itk3.Leaf("reference", g.url), display)
	}
	id := n.Get("identifier")
	if id != nil {
		return itk3.Branch(name, datatype(id), display)
	}
	if strings.HasPrefix(ref, "urn:") {
		return itk3.Branch(name, itk3.Branch("identifier", itk3.Leaf("system", "urn:ietf:rfc:3986"), itk3.Leaf("value", ref)), display)
	}
	if ref != "" {
		r.lose(n.Get("reference"), "reference", "it leads out of the message, to nothing that is known here")
	}
	return itk3.Branch(name, display)
}

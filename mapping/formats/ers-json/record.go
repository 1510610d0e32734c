package ersjson

import (
	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/itk3"
)

const (
	// UBRN is the system of e-RS's own reference numbers.
	UBRN = "https://fhir.nhs.uk/Id/UBRN"
	// records is the system of the ids that e-RS gives its resources: those of
	// referrals begin with "r.", of advice with "a.".
	records = "https://trellis.example/fhir/Id/ers-record"

	extensions   = "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-"
	hours        = extensions + "HoursOfOperation"
	instructions = extensions + "ServiceInstructions"
	contact      = extensions + "HealthcareService-Contact"

	statusReason = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
)

// A reading is one resource of e-RS on its way here.
type reading struct {
	v      fhir.Value
	at     string
	parts  []itk3.Element
	losses []mapping.Loss
}

func (r *reading) lose(member, rule, text string) {
	r.losses = append(r.losses, mapping.Loss{Source: r.at + "/" + member, Rule: rule, Text: text})
}

// record reads one resource.
func record(v fhir.Value, at string, row int) mapping.Record {
	r := &reading{v: v, at: at}
	typ := v.Get("resourceType").Text()
	rec := mapping.Record{Key: v.Get("id").Text(), Row: row}
	switch typ {
	case "ServiceRequest":
		r.request()
		if rec.Key == "" {
			rec.Key = v.At("identifier", 0, "value").Text()
		}
	case "HealthcareService":
		r.service()
	default:
		rec.Faults = []fhir.Issue{fault(at, "Resource", "type", "expected a ServiceRequest or a HealthcareService of e-RS")}
		return rec
	}
	resource := itk3.Branch("resource", append([]itk3.Element{itk3.Leaf("resourceType", typ)}, r.parts...)...)
	rec.Bundle = itk3.Branch("Bundle", itk3.Leaf("resourceType", "Bundle"), itk3.Leaf("type", "transaction"),
		itk3.Array("entry", itk3.Leaf("fullUrl", mapping.URN("ers-json", []string{typ, rec.Key, string(v.Raw())}, 0)), resource,
			itk3.Branch("request", itk3.Leaf("method", "POST"), itk3.Leaf("url", typ)))).JSON()
	rec.Losses = r.losses
	return rec
}

// keep carries a member byte for byte.
func (r *reading) keep(m fhir.Value) { r.parts = append(r.parts, itk3.Raw(m.Key(), string(m.Raw()))) }

// identifiers carries the identifiers, and e-RS's id as one more.
func (r *reading) identifiers() {
	for id := range r.v.Get("identifier").Items() {
		r.parts = append(r.parts, itk3.Raw("identifier", string(id.Raw())).Many())
	}
	if id := r.v.Get("id").Text(); id != "" {
		r.parts = append(r.parts, itk3.Array("identifier", itk3.Leaf("system", records), itk3.Leaf("value", id)))
	}
}

// request is a referral or a request for advice, as it stands in e-RS.
func (r *reading) request() {
	active := r.v.Get("status").Text() == "active"
	for e := range r.v.Get("extension").Items() {
		r.parts = append(r.parts, itk3.Raw("extension", string(e.Raw())).Many())
	}
	if active {
		r.parts = append(r.parts, itk3.Array("extension", itk3.Leaf("url", statusReason),
			itk3.Branch("valueCodeableConcept", itk3.Leaf("text", "Active in the e-Referral Service, where it is worked on; here for reference, without a recorded consent"))))
		r.lose("status", "status", "active in e-RS becomes on-hold here: the work is done there, and no consent to it is recorded here")
	}
	r.identifiers()
	for m := range r.v.All() {
		switch m.Key() {
		case "resourceType", "id", "identifier", "extension":
		case "meta":
			r.lose("meta", "envelope", "e-RS's own version and time; kept with the original")
		case "status":
			if active {
				r.parts = append(r.parts, itk3.Leaf("status", "on-hold"))
				continue
			}
			r.keep(m)
		default:
			r.keep(m)
		}
	}
}

// service is a service of e-RS's directory.
func (r *reading) service() {
	var comment, details string
	var ways []itk3.Element
	for e := range r.v.Get("extension").Items() {
		switch text := e.Get("valueString").Text(); e.Get("url").Text() {
		case hours:
			comment = joined(comment, "Hours of operation: "+text)
		case instructions:
			details = joined(details, text)
		case contact:
			r.parts = append(r.parts, itk3.Raw("extension", string(e.Raw())).Many())
			ways = append(ways, telecoms(e)...)
		default:
			r.parts = append(r.parts, itk3.Raw("extension", string(e.Raw())).Many())
		}
	}
	r.identifiers()
	for m := range r.v.All() {
		switch m.Key() {
		case "resourceType", "id", "identifier", "extension":
		case "meta":
			r.lose("meta", "envelope", "e-RS's own version and time; kept with the original")
		case "comment":
			comment = joined(m.Text(), comment)
		case "extraDetails":
			details = joined(m.Text(), details)
		case "telecom":
			for t := range m.Items() {
				r.parts = append(r.parts, itk3.Raw("telecom", string(t.Raw())).Many())
			}
		default:
			r.keep(m)
		}
	}
	r.parts = append(r.parts, ways...)
	r.parts = append(r.parts, itk3.Leaf("comment", comment), itk3.Leaf("extraDetails", details))
}

// telecoms are the numbers of a contact; for whom they are stays in its
// extension.
func telecoms(e fhir.Value) []itk3.Element {
	var out []itk3.Element
	for part := range e.Get("extension").Items() {
		if t := part.Get("valueContactPoint"); t.Exists() {
			out = append(out, itk3.Raw("telecom", string(t.Raw())).Many())
		}
	}
	return out
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

package profiles

import "trellis.example/fhir"

// sourceOfRequest is the UK Core extension that names the referring service.
const sourceOfRequest = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest"

// referrer checks the four mandatory items of the referrer, wherever the
// requester's type lets them stand. A person who refers themselves is named by
// the Patient and has neither service nor organisation.
func (s *referral) referrer() {
	req := s.request.Get("requester")
	v, typ := s.resolve(s.request, req)
	if !req.Exists() {
		s.missing("prsb-referrer")
		return
	}
	if typ == "Patient" || typ == "RelatedPerson" {
		return
	}
	f := s.facts(v, typ)
	f.name = f.name || req.Get("display").Text() != ""
	f.service = f.service || hasExtension(s.request, sourceOfRequest)
	for _, m := range []struct {
		ok   bool
		rule string
	}{
		{f.name, "prsb-referrer-name"},
		{f.service, "prsb-referrer-service"},
		{f.organisation, "prsb-referrer-organisation"},
		{f.contact, "prsb-referrer-contact"},
	} {
		if !m.ok {
			s.missing(m.rule)
		}
	}
}

// facts are PRSB's referrer details as far as they are given.
type facts struct{ name, service, organisation, contact bool }

func (s *referral) facts(v fhir.Value, typ string) facts {
	if !v.Exists() && typ != "" {
		return facts{true, true, true, true} // held elsewhere, and judged there
	}
	f := facts{contact: v.Get("telecom").Len() > 0}
	switch typ {
	case "Practitioner":
		f.name = v.Get("name").Len() > 0
		s.roles(v, &f)
	case "Organization":
		f.organisation = v.Get("name").Exists() || hasIdentifier(v.Get("identifier"))
	case "PractitionerRole":
		who, _ := s.resolve(v, v.Get("practitioner"))
		org, _ := s.resolve(v, v.Get("organization"))
		f.name = who.Get("name").Len() > 0 || v.At("practitioner", "display").Exists() || literal(v.Get("practitioner")) && !who.Exists()
		f.organisation = v.Get("organization").Exists()
		f.service = v.Get("healthcareService").Exists() || v.Get("specialty").Exists() || v.Get("code").Exists()
		f.contact = f.contact || who.Get("telecom").Len() > 0 || org.Get("telecom").Len() > 0
	}
	return f
}

// roles adds what the practitioner's roles among the parts say: BaRS names the
// Practitioner as requester and sends the role beside it.
func (s *referral) roles(practitioner fhir.Value, f *facts) {
	for _, p := range s.parts {
		if p.typ != "PractitionerRole" {
			continue
		}
		if who, _ := s.resolve(p.v, p.v.Get("practitioner")); who == practitioner {
			r := s.facts(p.v, p.typ)
			f.service, f.organisation = f.service || r.service, f.organisation || r.organisation
			f.contact = f.contact || r.contact
		}
	}
}

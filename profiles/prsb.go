package profiles

import "trellis.example/fhir"

// Referral judges the parts of one referral together: what PRSB's Social
// Prescribing Information Standard 1.1 makes mandatory in a referral (person
// name, date of birth, GP practice; referrer's name, service, organisation and
// contact; referral to; at least one risk entry, each of which names the risk;
// the problem in an entry of a problem list). Each missing item is one issue
// whose rule begins with "prsb-" and whose expression is relative to the
// resource that should hold it. It is a warning, or an error when a
// ServiceRequest claims [Strict] or a Bundle claims [StrictBundle].
//
// Under such a claim there are warnings besides: for the items that PRSB calls
// must-haves without making them mandatory (rules "prsb-"), and for what its
// guidance asks and its printed model gets wrong (rules "tr-"). docs/prsb.md
// lists them all.
//
// A part may be a Bundle: its entries are parts, and references to their
// fullUrls are followed; pass the Bundle itself, not its entries, where they
// refer to each other by urn:uuid. What a literal reference (Patient/1) names
// outside the parts is taken to be held, and judged, where it is. A referral
// that is no longer asked for (revoked, completed, entered in error), a
// signpost, and parts without a ServiceRequest have no issues. What a sender
// cannot know is never filled in.
//
// agreed are the profiles of the sender's agreement, as in [Options]: [Strict] or
// [StrictBundle] among them counts as if the referral claimed it.
func (v *Validator) Referral(parts []fhir.Resource, agreed ...string) []fhir.Issue {
	s := referral{byAddress: map[string]int{}}
	for _, c := range agreed {
		url := fhir.ParseCanonical(c).URL
		s.strict = s.strict || url == Strict || url == StrictBundle
	}
	for _, p := range parts {
		s.add(p)
	}
	if !s.request.Exists() {
		return nil
	}
	s.patient()
	s.referrer()
	if !s.request.Get("performer").Exists() {
		s.missing("prsb-referral-to")
	}
	if !s.hasRisk() {
		s.missing("prsb-risk")
	}
	s.named()
	if s.strict {
		s.mustHaves()
		s.guidance()
		s.lengths()
	}
	return s.issues
}

// A referral is what Referral collects.
type referral struct {
	parts     []part
	byAddress map[string]int // parts by fullUrl and by Type/id
	request   fhir.Value
	strict    bool
	issues    []fhir.Issue
}

type part struct {
	v   fhir.Value
	typ string
}

func (s *referral) add(r fhir.Resource) {
	s.strict = s.strict || claims(r.Root(), StrictBundle)
	if r.Type() != "Bundle" {
		s.part(r.Root(), "")
		return
	}
	for _, e := range r.Entries() {
		if e.Resource.Exists() {
			s.part(e.Resource, e.FullURL)
		}
	}
}

func (s *referral) part(v fhir.Value, fullURL string) {
	typ := v.Get("resourceType").Text()
	if id := v.Get("id").Text(); id != "" {
		s.byAddress[typ+"/"+id] = len(s.parts)
	}
	if fullURL != "" {
		s.byAddress[fullURL] = len(s.parts)
	}
	s.parts = append(s.parts, part{v, typ})
	if typ == "ServiceRequest" && !s.request.Exists() && isAsked(v.Get("status").Text()) && !isSignpost(v) {
		s.request = v
		s.strict = s.strict || claims(v, Strict)
	}
}

// isAsked reports whether a request with that status still asks for something.
func isAsked(status string) bool {
	return status == "active" || status == "draft" || status == "on-hold"
}

// isSignpost reports whether a request only says that the person was told of a
// service: nothing was sent, so nothing is missing.
func isSignpost(v fhir.Value) bool {
	return v.Get("intent").Text() == "proposal" && hasCode(v.Get("category"), []string{"signposting"})
}

func claims(v fhir.Value, profile string) bool {
	for c := range v.At("meta", "profile").Items() {
		if fhir.ParseCanonical(c.Text()).URL == profile {
			return true
		}
	}
	return false
}

// resolve finds the part, or the contained resource of from, that a reference
// names; "" as type when it lies outside.
func (s *referral) resolve(from, ref fhir.Value) (v fhir.Value, typ string) {
	r, ok := fhir.ParseReference(ref.Get("reference").Text())
	if !ok {
		return fhir.Value{}, ""
	}
	if r.Kind == fhir.RefContained {
		c := containedByID(from.Get("contained"), r.Fragment)
		return c, c.Get("resourceType").Text()
	}
	i, ok := s.byAddress[r.URI]
	if !ok {
		i, ok = s.byAddress[r.Relative()]
	}
	if ok {
		return s.parts[i].v, s.parts[i].typ
	}
	return fhir.Value{}, r.Type
}

func (s *referral) patient() {
	subject := s.request.Get("subject")
	p := s.person()
	if !p.Exists() && literal(subject) {
		return // held elsewhere, and judged there
	}
	if !hasName(p) {
		s.missing("prsb-person-name")
	}
	if !p.Get("birthDate").Exists() {
		s.missing("prsb-birth-date")
	}
	if !s.hasPractice(p) {
		s.missing("prsb-gp-practice")
	}
}

// person returns the Patient among the parts that the request is about.
func (s *referral) person() fhir.Value {
	p, _ := s.resolve(s.request, s.request.Get("subject"))
	if !p.Exists() {
		p = s.only("Patient")
	}
	return p
}

// only returns the single part of a type, for subjects that are named by
// something else than the part's address.
func (s *referral) only(typ string) fhir.Value {
	var found fhir.Value
	for _, p := range s.parts {
		if p.typ == typ {
			if found.Exists() {
				return fhir.Value{}
			}
			found = p.v
		}
	}
	return found
}

func hasName(person fhir.Value) bool {
	for n := range person.Get("name").Items() {
		if n.Get("family").Text() != "" && n.Get("given").Len() > 0 {
			return true
		}
	}
	return false
}

// hasPractice reports whether a generalPractitioner is, or leads to, an
// identifier of an organisation. A practice held elsewhere counts: its
// identifier is known there.
func (s *referral) hasPractice(p fhir.Value) bool {
	for gp := range p.Get("generalPractitioner").Items() {
		if hasIdentifier(gp.Get("identifier")) {
			return true
		}
		v, typ := s.resolve(p, gp)
		if typ == "PractitionerRole" && v.Exists() {
			if hasIdentifier(v.At("organization", "identifier")) {
				return true
			}
			v, typ = s.resolve(v, v.Get("organization"))
		}
		if typ == "Organization" && (!v.Exists() || hasIdentifier(v.Get("identifier"))) {
			return true
		}
	}
	return false
}

func hasIdentifier(list fhir.Value) bool {
	for id := range list.Items() {
		if id.Get("value").Text() != "" {
			return true
		}
	}
	return false
}

// literal reports whether a reference names a resource that lies outside the
// parts.
func literal(ref fhir.Value) bool {
	r, ok := fhir.ParseReference(ref.Get("reference").Text())
	return ok && (r.Kind == fhir.RefRelative || r.Kind == fhir.RefAbsolute)
}

func hasExtension(v fhir.Value, url string) bool {
	for x := range v.Get("extension").Items() {
		if x.Get("url").Text() == url {
			return true
		}
	}
	return false
}

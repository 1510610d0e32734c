package bars

import (
	"slices"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// load reads the document given, decides which resources go into the message,
// and rewrites the references among them; false when there is no referral to
// send.
func (w *writer) load(res fhir.Resource) bool {
	lone := res.Type() == "ServiceRequest"
	if lone {
		res = alone(res)
	}
	if res.Type() != "Bundle" {
		w.fault("Resource", "expected a Bundle that holds a ServiceRequest and what it refers to")
		return false
	}
	for i, e := range res.Entries() {
		if e.Type() == "" {
			continue
		}
		p := &part{at: entryName(lone, e.Type(), i), url: e.FullURL, typ: e.Type(), v: e.Resource}
		w.given = append(w.given, p)
		w.name(p)
		if p.typ == "ServiceRequest" && w.request == nil {
			w.request = p
		}
	}
	if w.request == nil {
		w.fault("Bundle.entry", "expected a ServiceRequest")
		return false
	}
	if !w.begin() {
		return false
	}
	w.choose()
	return w.link(res)
}

// alone makes a Bundle of one resource.
func alone(res fhir.Resource) fhir.Resource {
	b := append([]byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":`), res.JSON()...)
	out, _ := fhir.DecodeLimit(append(b, `}]}`...), 2*maxMessage) // res was decoded
	return out
}

// name makes a part known by all that a reference may call it.
func (w *writer) name(p *part) {
	if w.byName == nil {
		w.byName = map[string]*part{}
	}
	names := []string{p.url}
	if r, ok := fhir.ParseReference(p.url); ok {
		names = append(names, r.Relative())
	}
	if id := p.v.Get("id").Text(); id != "" {
		names = append(names, p.typ+"/"+id)
	}
	for _, n := range names {
		if n != "" && w.byName[n] == nil {
			w.byName[n] = p
		}
	}
}

// follow returns the part that a Reference leads to, of one of the types when
// some are named; nil when there is none.
func (w *writer) follow(ref fhir.Value, types ...string) *part {
	s := ref.Get("reference").Text()
	p := w.byName[s]
	if p == nil {
		if r, ok := fhir.ParseReference(s); ok {
			p = w.byName[r.Relative()]
		}
	}
	if p == nil || len(types) > 0 && !slices.Contains(types, p.typ) {
		return nil
	}
	return p
}

// begin reads from the request what kind of message it becomes.
func (w *writer) begin() bool {
	w.seed = seedOf(w.request)
	switch w.request.get("status").Text() {
	case "active":
		w.kind = Request
	case "revoked", "entered-in-error":
		w.kind = Cancel
	default:
		w.fault(w.request.at+".status", "expected active, for a new referral, or revoked or entered-in-error, for a cancellation")
	}
	if w.stamp = instant(w.request.get("authoredOn").Text()); w.stamp == "" {
		w.fault(w.request.at+".authoredOn", "expected the day or the time of the request")
	} else if w.stamp != w.request.get("authoredOn").Text() {
		w.lose(w.request.at+".authoredOn", "stamp", "the message is stamped with the first moment of the day, in UTC")
	}
	return len(w.faults) == 0
}

// choose keeps what has a place in the message, and says what has none.
func (w *writer) choose() {
	w.patient = w.follow(w.request.get("subject"), "Patient")
	w.encounter = w.follow(w.request.get("encounter"), "Encounter")
	w.plan = w.wrapper()
	w.service = w.asked()
	only := map[string]*part{"ServiceRequest": w.request, "Patient": w.patient, "Encounter": w.encounter, "CarePlan": w.plan, "HealthcareService": w.service}
	bounds := boundsOf(w.kind)
	for _, p := range w.given {
		b, known := bounds[p.typ]
		why := ""
		switch {
		case !known:
			why = "a message of this kind has no place for this type of resource"
		case b.max == 1 && only[p.typ] != p:
			why = "a message carries one resource of this type, and the request refers to another"
		case labelled(p):
			why = "its security label keeps it with its sender"
		default:
			why = unfit(p)
		}
		if p.keep = why == ""; !p.keep {
			w.lose(p.at, "left-out", why)
		}
	}
}

// unfit says why a resource of a type that has a place cannot be sent.
func unfit(p *part) string {
	switch {
	case p.typ == "Task" && (p.get("status").Text() != "requested" || p.get("intent").Text() != "order"):
		return "only a Task that is requested and an order goes with a referral"
	case p.typ == "Consent" && (p.get("status").Text() != "active" || !anyOf(values(p.v, "scope.coding.code"), "patient-privacy")):
		return "only an active Consent about privacy goes with a referral"
	}
	return ""
}

// labelled reports a part that its sender keeps: restricted, very restricted,
// or not to be disclosed further.
func labelled(p *part) bool {
	return anyOf(values(p.v, "meta.security.code"), "R|V|NORDSCLCD")
}

// wrapper is the CarePlan that is a message's own already: completed, and what
// the request is based on.
func (w *writer) wrapper() *part {
	for ref := range w.request.get("basedOn").Items() {
		if p := w.follow(ref, "CarePlan"); p != nil && p.get("status").Text() == "completed" && p.get("intent").Text() == "plan" {
			return p
		}
	}
	return nil
}

// asked is the service that the request is sent to: a performer, or what a
// performing organisation provides.
func (w *writer) asked() *part {
	var org *part
	for ref := range w.request.get("performer").Items() {
		if p := w.follow(ref, "HealthcareService"); p != nil {
			return p
		}
		org = w.follow(ref, "Organization")
	}
	for _, p := range w.given {
		if p.typ == "HealthcareService" && org != nil && w.follow(p.get("providedBy")) == org {
			return p
		}
	}
	return nil
}

// link gives every part that is kept its fullUrl and rewrites all references.
// One to what is left out becomes words; one to what never was there stays.
func (w *writer) link(res fhir.Resource) bool {
	for i, p := range w.given {
		if !p.keep {
			continue
		}
		if len(p.url) != len("urn:uuid:")+36 || fullURL(i, p.url, map[string]bool{}) != nil {
			p.url = mapping.URN("bars", w.seed, i+1)
		}
	}
	ed := fhir.NewEditor(res.Root())
	for _, p := range w.given {
		if p.keep {
			fhir.EachReference(p.v, func(ref fhir.Value) { w.relink(ed, p, ref) })
		}
	}
	linked, err := fhir.DecodeLimit(ed.Bytes(), 4*maxMessage)
	if err != nil {
		w.faults = append(w.faults, fhir.AsError(err).Issues...)
		return false
	}
	i := 0
	for _, e := range linked.Entries() {
		if e.Type() == "" {
			continue
		}
		p := w.given[i]
		i++
		if p.before = p.v; p.keep {
			p.v = e.Resource
			w.parts = append(w.parts, p)
		}
	}
	return true
}

func (w *writer) relink(ed *fhir.Editor, from *part, ref fhir.Value) {
	target := w.follow(ref.Parent())
	switch {
	case target != nil && target.keep:
		ed.SetString(ref, target.url)
	case target != nil:
		words := ref.Parent().Get("display").Text()
		if words == "" {
			words = "not part of this message"
		}
		ed.SetRaw(ref.Parent(), append(append([]byte(`{"display":`), quote(words)...), '}'))
	case len(ref.Text()) == 0 || ref.Text()[0] != '#':
		w.lose(from.at, "reference", "a reference leads out of the message; its receiver may not be able to follow it")
	}
}

package bars

import (
	"slices"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// Code systems and names of what Write makes and what is published.
const (
	// UseCaseSystem is ours: no national use case for social prescribing exists.
	UseCaseSystem = "https://trellis.example/fhir/CodeSystem/local-usecases"
	// UseCase is the use case of a referral to social prescribing.
	UseCase = "sp1"

	snomed      = "http://snomed.info/sct"
	odsSystem   = "https://fhir.nhs.uk/Id/ods-organization-code"
	dosSystem   = "https://fhir.nhs.uk/Id/dos-service-id"
	bundleShape = "https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"
)

// Write makes the message that sends a referral: a new one from an active
// ServiceRequest, a cancellation from one that is revoked or entered in error.
// The resource is a Bundle with all that the request refers to. What BaRS wants
// and FHIR leaves open is made from what is there, and each piece that was made
// or left out is told among the losses. Persons, consent and services are never
// made up: where one is missing, that is a fault.
//
// A Bundle that holds a MessageHeader is a message's content; it becomes that
// message again, resource by resource.
//
// The same referral gives the same bytes: ids come from its identifier, and the
// stamp is the request's own time. Who sends the message stamps it anew.
func (Format) Write(resource []byte) mapping.Written {
	res, err := fhir.DecodeLimit(resource, maxMessage)
	if err != nil {
		return mapping.Written{Faults: fhir.AsError(err).Issues}
	}
	w := &writer{}
	var doc []byte
	if header, ok := first(res, "MessageHeader"); ok {
		doc = w.rewrap(res, header)
	} else {
		doc = w.message(res)
	}
	if fhir.Faults(w.faults) == nil {
		w.faults = append(w.faults, proof(doc)...)
	}
	if fhir.Faults(w.faults) != nil {
		doc = nil
	}
	return mapping.Written{Document: string(doc), Losses: w.losses, Faults: w.faults}
}

// proof reads the message as its receiver would.
func proof(doc []byte) []fhir.Issue {
	b, err := fhir.DecodeLimit(doc, 2*maxMessage)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	_, issues := Parse(b)
	return issues
}

// first returns the number of the first entry of the type.
func first(res fhir.Resource, typ string) (int, bool) {
	for i, e := range res.Entries() {
		if e.Type() == typ {
			return i, true
		}
	}
	return 0, false
}

// A part is one resource on its way into the message.
type part struct {
	at   string // where it stood in the document given
	url  string // its fullUrl in the message
	typ  string
	v    fhir.Value // with its references rewritten
	set  members
	made bool // of our own making: v is absent, set is all of it
	// before is the resource as it was given, and keep says that it goes into
	// the message.
	before fhir.Value
	keep   bool
}

// get returns an element as given.
func (p *part) get(path ...any) fhir.Value {
	if p == nil || p.made {
		return fhir.Value{}
	}
	return p.v.At(path...)
}

type writer struct {
	kind                        Kind
	stamp                       string // meta.lastUpdated of every resource
	seed                        []string
	given, parts                []*part // of the document, of the message
	byName                      map[string]*part
	request, patient, encounter *part
	plan, service               *part
	sender, receiver            *part
	practitioner, role          *part
	conditions                  []*part
	losses                      []mapping.Loss
	faults                      []fhir.Issue
}

func (w *writer) lose(at, rule, text string) {
	w.losses = append(w.losses, mapping.Loss{Source: at, Rule: rule, Text: text})
}

func (w *writer) fault(at, text string) {
	w.faults = append(w.faults, fhir.Issue{Code: fhir.Required, Expression: at, Source: at, Text: text, Details: Detail(400)})
}

// rewrap makes the content of a message the message it was. The envelope's own
// id, stamp and time are the receiver's originals; they are derived anew.
func (w *writer) rewrap(res fhir.Resource, header int) []byte {
	var order []*part
	for i, e := range res.Entries() {
		p := &part{at: entryPath(i), url: e.FullURL, typ: e.Type(), v: e.Resource}
		if p.typ == "ServiceRequest" && w.request == nil {
			w.request = p
		}
		if i == header {
			order = slices.Insert(order, 0, p)
			w.stamp = instant(e.Resource.At("meta", "lastUpdated").Text())
			continue
		}
		order = append(order, p)
	}
	if w.request == nil {
		w.fault("Bundle.entry", "expected a ServiceRequest beside the MessageHeader")
		return nil
	}
	w.seed = seedOf(w.request)
	if w.stamp == "" {
		w.stamp = instant(w.request.get("authoredOn").Text())
	}
	w.lose("Bundle", "envelope", "id, stamp and time of the message are made from the referral's own; the Application version is "+Newest())
	return w.envelope(order)
}

// message makes a message of a plain referral.
func (w *writer) message(res fhir.Resource) []byte {
	if !w.load(res) {
		return nil
	}
	w.relate()
	if fhir.Faults(w.faults) != nil {
		return nil
	}
	if w.kind == Cancel {
		w.cancellation()
	} else {
		w.referral()
	}
	if fhir.Faults(w.faults) != nil {
		return nil
	}
	header := w.header()
	for _, p := range w.parts {
		w.stampPart(p)
	}
	return w.envelope(append([]*part{header}, w.parts...))
}

// envelope writes the Bundle.
func (w *writer) envelope(parts []*part) []byte {
	id := mapping.URN("bars", w.seed, 0)[len("urn:uuid:"):]
	b := append([]byte(nil), `{"resourceType":"Bundle","id":"`+id+`","meta":{"versionId":"`+Newest()+`","lastUpdated":`...)
	b = fhir.AppendString(b, w.stamp)
	b = append(b, `,"profile":["`+bundleShape+`"]},"identifier":{"system":"urn:ietf:rfc:3986","value":"urn:uuid:`+id+`"},"type":"message","timestamp":`...)
	b = append(fhir.AppendString(b, w.stamp), `,"entry":[`...)
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(append(b, `{"fullUrl":`...), p.url), `,"resource":`...)
		b = append(p.set.over(b, p.v), '}')
	}
	return append(b, `]}`...)
}

// Newest is the newest Application version, in which messages are made.
func Newest() string { return Versions[len(Versions)-1] }

// seedOf is what the ids of a referral's message are derived from: the same for
// a referral and its cancellation.
func seedOf(request *part) []string {
	id := request.get("identifier", 0)
	if s := id.Get("value").Text(); s != "" {
		return []string{id.Get("system").Text(), s}
	}
	return []string{request.url}
}

// instant returns a dateTime as an instant, "" for what is none; a date alone
// is its first moment in UTC.
func instant(s string) string {
	switch {
	case len(s) == len("2006-01-02"):
		return s + "T00:00:00Z"
	case len(s) > len("2006-01-02T15:04"):
		return s
	}
	return ""
}

// urn returns the fullUrl of the n-th resource of the message.
func (w *writer) urn(n int) string { return mapping.URN("bars", w.seed, n) }

// add appends a resource of our own making.
func (w *writer) add(typ string, m members) *part {
	p := &part{url: w.urn(1000 + len(w.parts)), typ: typ, made: true,
		set: append(members{{"resourceType", quote(typ)}, {"meta", nil}}, m...)}
	w.parts = append(w.parts, p)
	return p
}

// entryName is the place of the i-th entry in the document given.
func entryName(lone bool, typ string, i int) string {
	if lone {
		return typ
	}
	return "Bundle.entry[" + strconv.Itoa(i) + "].resource"
}

// Package fhir is the format fhir: a ServiceRequest, a QuestionnaireResponse of
// an outcome tool, or a Bundle of type transaction, batch or collection that
// holds one, as a partner that speaks FHIR sends it.
// Nothing is mapped: a transaction whose resources have no id passes byte for
// byte, without losses. Otherwise only the envelope is made anew, which is
// reported: ids give way to fullUrls and references between the entries follow;
// every other value keeps its spelling.
package fhir

import (
	"fmt"
	"io"
	"slices"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// MaxDocument is the largest document in bytes.
const MaxDocument = 16 << 20

// Format is the format fhir.
type Format struct{}

var _ mapping.Format = Format{}

const (
	version = "1.0.0"
	name    = "fhir " + version
)

// Info describes the format.
func (Format) Info() mapping.Info {
	return mapping.Info{ID: "fhir", Version: version, Partner: "FHIR R4: ServiceRequest, QuestionnaireResponse, or Bundle of type transaction, batch or collection",
		PartnerVersion: "4.0.1", Status: "active", In: true, Out: true, MediaTypes: []string{"application/fhir+json", "application/json"}, Receipt: "fhir",
		Senders: []string{"gp-practice", "pharmacy", "health-care-assistant", "social-care", "police", "hospital-discharge", "local-agency", "multi-disciplinary-team",
			"person", "link-worker", "service-manager", "community-provider", "outcome-tool", "importer", "sandbox"}}
}

// ReadStream reads one document; see [Format.Read].
func (f Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, MaxDocument, f.read, yield)
}

// Read wraps a single resource in a transaction Bundle, or passes a Bundle on
// as the package says. The record's key is the first ServiceRequest's first
// identifier, else the QuestionnaireResponse's.
func (f Format) Read(doc []byte) mapping.Result { return f.read(slices.Clone(doc)) }

func (Format) read(doc []byte) mapping.Result {
	out := mapping.Result{Map: name}
	res, err := fhir.DecodeLimit(doc, MaxDocument)
	if err != nil {
		out.Faults = fhir.AsError(err).Issues
		return out
	}
	rec := mapping.Record{Key: key(res)}
	switch res.Type() {
	case "ServiceRequest", "QuestionnaireResponse":
		rec.Bundle = wrap([]entry{{resource: res.Root()}}, rec.Key, doc)
	case "Bundle":
		rec.Bundle, rec.Faults = bundle(res, rec.Key, doc)
	default:
		rec.Faults = []fhir.Issue{issue(fhir.NotSupported, "Resource", "expected a ServiceRequest, a QuestionnaireResponse, or a Bundle that holds one")}
	}
	if len(rec.Bundle) > 0 && &rec.Bundle[0] != &doc[0] { // not as it came
		rec.Losses = envelope(res)
	}
	out.Records = []mapping.Record{rec}
	return out
}

// envelope tells what of the envelope is made anew: ids of resources, which are
// the receiver's to give, and what stands around the entries.
func envelope(res fhir.Resource) []mapping.Loss {
	var out []mapping.Loss
	lose := func(v fhir.Value, but ...string) {
		for m := range v.All() {
			if !slices.Contains(but, m.Key()) {
				out = append(out, mapping.Loss{Source: m.Path(), Rule: "envelope", Text: "belongs to the envelope, which is made anew; kept with the original"})
			}
		}
	}
	if res.Type() != "Bundle" {
		return ids(nil, res.Root())
	}
	lose(res.Root(), "resourceType", "type", "entry")
	for _, e := range res.Entries() {
		lose(e.Value, "fullUrl", "resource", "request")
		lose(e.Value.Get("request"), "method", "url")
		out = ids(out, e.Resource)
	}
	return out
}

// ids tells of a resource's id.
func ids(to []mapping.Loss, v fhir.Value) []mapping.Loss {
	if id := v.Get("id"); id.Exists() {
		to = append(to, mapping.Loss{Source: id.Path(), Rule: "envelope", Text: "ids of resources are the receiver's to give; kept with the original"})
	}
	return to
}

// entry is one resource on its way into the transaction.
type entry struct {
	url      string
	resource fhir.Value
}

// bundle checks the shape of a Bundle and passes it on.
func bundle(res fhir.Resource, key string, doc []byte) ([]byte, []fhir.Issue) {
	root := res.Root()
	switch root.Get("type").Text() {
	case "transaction", "batch", "collection":
	default:
		return nil, []fhir.Issue{issue(fhir.NotSupported, "Bundle.type", "expected a Bundle of type transaction, batch or collection")}
	}
	var entries []entry
	var faults []fhir.Issue
	referral, plain, i := false, root.Get("type").Text() == "transaction", 0
	for e := range root.Get("entry").All() {
		r := e.Get("resource")
		where := fmt.Sprintf("Bundle.entry[%d]", i)
		method := e.At("request", "method").Text()
		switch {
		case r.Kind() != fhir.Object || r.Get("resourceType").Kind() != fhir.String:
			faults = append(faults, issue(fhir.Required, where+".resource", "expected a resource"))
		case method != "" && method != "POST":
			faults = append(faults, issue(fhir.NotSupported, where+".request.method", "expected POST: a referral Bundle only creates"))
		}
		referral = referral || carries(r.Get("resourceType").Text())
		plain = plain && method == "POST" && e.Get("fullUrl").Text() != "" && !r.Get("id").Exists()
		entries = append(entries, entry{e.Get("fullUrl").Text(), r})
		i++
	}
	switch {
	case !referral:
		faults = append(faults, issue(fhir.Required, "Bundle.entry", "expected an entry with a ServiceRequest or a QuestionnaireResponse"))
	case len(faults) == 0 && plain:
		return doc, nil
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return relink(res, entries, key, doc)
}

// carries reports a type that a record is about: a referral, or answers that an
// outcome tool sends.
func carries(typ string) bool { return typ == "ServiceRequest" || typ == "QuestionnaireResponse" }

// relink turns references by "Type/id" between the entries into references by
// fullUrl, and wraps the result.
func relink(res fhir.Resource, entries []entry, key string, doc []byte) ([]byte, []fhir.Issue) {
	urls := map[string]string{}
	for i := range entries {
		e := &entries[i]
		if e.url == "" {
			e.url = mapping.URN("fhir", []string{key, string(doc)}, i)
		}
		if id := e.resource.Get("id").Text(); id != "" {
			urls[e.resource.Get("resourceType").Text()+"/"+id] = e.url
		}
	}
	ed := fhir.NewEditor(res.Root())
	for _, e := range entries {
		follow(ed, e.resource, urls)
	}
	linked, err := fhir.DecodeLimit(ed.Bytes(), 2*MaxDocument)
	if err != nil {
		return nil, fhir.AsError(err).Issues
	}
	i := 0
	for e := range linked.Root().Get("entry").All() {
		entries[i].resource = e.Get("resource")
		i++
	}
	return wrap(entries, key, doc), nil
}

// follow rewrites the literal references below v that are in urls.
func follow(ed *fhir.Editor, v fhir.Value, urls map[string]string) {
	for m := range v.All() {
		if url, ok := urls[m.Text()]; ok && m.Kind() == fhir.String && m.Key() == "reference" {
			ed.SetString(m, url)
		}
		follow(ed, m, urls)
	}
}

func issue(code fhir.Code, expression, text string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityError, Code: code, Expression: expression, Source: expression, Text: text}
}

// wrap writes a transaction that creates the entries.
func wrap(entries []entry, key string, doc []byte) []byte {
	b := append(make([]byte, 0, len(doc)+256*(len(entries)+1)), `{"resourceType":"Bundle","type":"transaction","entry":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		if e.url == "" {
			e.url = mapping.URN("fhir", []string{key, string(doc)}, i)
		}
		b = append(b, `{"fullUrl":`...)
		b = fhir.AppendString(b, e.url)
		b = append(b, `,"resource":`...)
		b = appendWithoutID(b, e.resource)
		b = append(b, `,"request":{"method":"POST","url":`...)
		b = fhir.AppendString(b, e.resource.Get("resourceType").Text())
		b = append(b, `}}`...)
	}
	return append(b, `]}`...)
}

// appendWithoutID appends the resource; an id is the receiver's to give.
func appendWithoutID(b []byte, r fhir.Value) []byte {
	if !r.Get("id").Exists() {
		return append(b, r.Raw()...)
	}
	sep := byte('{')
	for m := range r.All() {
		if m.Key() == "id" {
			continue
		}
		b = append(fhir.AppendString(append(b, sep), m.Key()), ':')
		b = append(b, m.Raw()...)
		sep = ','
	}
	return append(b, '}')
}

// key is the first ServiceRequest's first identifier value; where there is none,
// that of the first QuestionnaireResponse.
func key(res fhir.Resource) string {
	if res.Type() != "Bundle" {
		return identifier(res.Root())
	}
	for e := range res.Root().Get("entry").All() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == "ServiceRequest" {
			return identifier(r)
		}
	}
	for e := range res.Root().Get("entry").All() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == "QuestionnaireResponse" {
			return identifier(r)
		}
	}
	return ""
}

// identifier is a resource's first identifier; a QuestionnaireResponse has one.
func identifier(r fhir.Value) string {
	for id := range r.Get("identifier").Items() {
		return id.Get("value").Text()
	}
	return ""
}

// Write returns the document unchanged.
func (Format) Write(resource []byte) mapping.Written {
	if _, err := fhir.DecodeLimit(resource, MaxDocument); err != nil {
		return mapping.Written{Faults: fhir.AsError(err).Issues}
	}
	return mapping.Written{Document: string(resource)}
}

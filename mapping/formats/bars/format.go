package bars

import (
	"cmp"
	"io"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// Version is the version of these rules, stamped into Provenance.
const Version = "1.0.0"

const maxMessage = 8 << 20

// Format is the BaRS message format for `trellis map` and dry runs. Messages
// themselves are taken by POST /fhir/$process-message.
type Format struct{}

// New returns the format.
func New() mapping.Format { return Format{} }

// Info describes the format.
func (Format) Info() mapping.Info {
	return mapping.Info{ID: "bars", Version: Version, Partner: "NHS Booking and Referral Standard, Core 1.2, Application 5 rules",
		PartnerVersion: "Core 1.2.2, Application 5 1.1.2", Status: "active", In: true, Out: true, MediaTypes: []string{"application/fhir+json", "application/json"}, Receipt: "fhir",
		Senders: []string{"gp-practice", "pharmacy", "hospital-discharge", "link-worker", "service-manager", "community-provider", "importer", "sandbox"}}
}

// Read reads one message into a transaction Bundle of its resources.
func (f Format) Read(doc []byte) mapping.Result {
	res := mapping.Result{Map: "bars " + Version}
	b, err := fhir.DecodeLimit(doc, maxMessage)
	if err != nil {
		res.Faults = fhir.AsError(err).Issues
		return res
	}
	m, issues := Parse(b)
	rec := mapping.Record{Key: m.ID, Faults: placed(issues)}
	if !rec.Refused() {
		rec.Bundle = transaction(b)
		rec.Losses = envelopeLosses(b)
	}
	res.Records = []mapping.Record{rec}
	return res
}

// placed names the place in the sender's document, which is FHIR itself, and
// whose rule it is.
func placed(issues []fhir.Issue) []fhir.Issue {
	for i := range issues {
		is := &issues[i]
		is.Source, is.Rule = cmp.Or(is.Source, is.Expression), cmp.Or(is.Rule, "bars")
	}
	return issues
}

// ReadStream reads one message.
func (f Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, maxMessage, f.Read, yield)
}

// transaction makes the message's resources a transaction, each as received but
// for an id, which is the receiver's to give.
// An entry without a resource, which Parse refuses, is left out.
func transaction(b fhir.Resource) []byte {
	out := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for _, e := range b.Entries() {
		if !e.Resource.Exists() {
			continue
		}
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = append(out, `{"fullUrl":`...)
		out = fhir.AppendString(out, e.FullURL)
		out = append(out, `,"resource":`...)
		if e.Resource.Get("id").Exists() {
			out = members{{"id", nil}}.over(out, e.Resource)
		} else {
			out = append(out, e.Resource.Raw()...)
		}
		out = append(out, `,"request":{"method":"POST","url":`...)
		out = fhir.AppendString(out, e.Type())
		out = append(out, `}}`...)
	}
	return append(out, `]}`...)
}

// envelopeLosses names what of the envelope the resources do not carry; the
// original keeps it.
func envelopeLosses(b fhir.Resource) []mapping.Loss {
	var out []mapping.Loss
	for _, name := range []string{"id", "meta", "timestamp", "identifier", "signature"} {
		if b.Root().Get(name).Exists() {
			out = append(out, mapping.Loss{Source: "Bundle." + name, Rule: "envelope", Text: "belongs to the message, not to the referral; kept with the original"})
		}
	}
	for i, e := range b.Entries() {
		if e.Resource.Get("id").Exists() {
			out = append(out, mapping.Loss{Source: entryPath(i) + ".id", Rule: "envelope", Text: "ids of resources are the receiver's to give; kept with the original"})
		}
	}
	return out
}

// Package ersjson is the format ers-json: what the NHS e-Referral Service
// answers to those who read it (R4): a ServiceRequest, a searchset of them, a
// HealthcareService. Read only.
//
// A referral in e-RS is made and worked on there. What is read of it here is a
// copy for reference: it is never active, its person stays the identifier that
// e-RS gives, and nothing is made up to fill it out.
package ersjson

import (
	"io"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

const (
	version = "1.0.0"
	name    = "ers-json " + version
	// MaxDocument is the largest document in bytes.
	MaxDocument = 16 << 20
)

// Format is the format ers-json.
type Format struct{}

var _ mapping.Format = Format{}

// New returns the format.
func New() mapping.Format { return Format{} }

// Info describes the format.
func (Format) Info() mapping.Info {
	return mapping.Info{ID: "ers-json", Version: version, Partner: "NHS e-Referral Service, what its R4 API answers", PartnerVersion: "FHIR R4 API", Status: "active",
		In: true, Batch: true, MediaTypes: []string{"application/fhir+json", "application/json"}, Receipt: "csv",
		Senders: []string{"gp-practice", "service-manager", "importer", "sandbox"}}
}

// ReadStream reads one document.
func (f Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, MaxDocument, f.Read, yield)
}

// Read reads one answer of e-RS. Each resource of a searchset is a record. An
// OperationOutcome is a fault of the answer, and no record.
func (Format) Read(doc []byte) mapping.Result {
	out := mapping.Result{Map: name}
	res, err := fhir.DecodeLimit(doc, MaxDocument)
	if err != nil {
		out.Faults = fhir.AsError(err).Issues
		return out
	}
	switch res.Type() {
	case "OperationOutcome":
		out.Faults = refused(res.Root(), "")
	case "Bundle":
		searchset(res, &out)
	default:
		out.Records = []mapping.Record{record(res.Root(), "", 0)}
	}
	return out
}

// searchset reads the matches of a search.
func searchset(res fhir.Resource, out *mapping.Result) {
	if res.Root().Get("type").Text() != "searchset" {
		out.Faults = append(out.Faults, fault("/type", "Bundle.type", "bundle", "expected a searchset, a ServiceRequest or a HealthcareService"))
		return
	}
	for i, e := range res.Entries() {
		at := "/entry/" + strconv.Itoa(i) + "/resource"
		if e.Type() == "OperationOutcome" {
			out.Faults = append(out.Faults, refused(e.Resource, at)...)
			continue
		}
		rec := record(e.Resource, at, i+1)
		rec.Losses = append(envelope(e.Value, "/entry/"+strconv.Itoa(i), "resource"), rec.Losses...)
		if i == 0 {
			rec.Losses = append(envelope(res.Root(), "", "entry"), rec.Losses...)
		}
		out.Records = append(out.Records, rec)
	}
	if len(out.Records) == 0 && len(out.Faults) == 0 {
		out.Faults = append(out.Faults, fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.NotFound, Text: "the search found nothing"})
	}
}

// envelope tells what of an answer stands around the resources.
func envelope(v fhir.Value, at, but string) []mapping.Loss {
	var out []mapping.Loss
	for m := range v.All() {
		switch m.Key() {
		case "resourceType", "type", but:
		default:
			out = append(out, mapping.Loss{Source: at + "/" + fhir.SafeName(m.Key()), Rule: "envelope", Text: "belongs to the answer, not to what it found; kept with the original"})
		}
	}
	return out
}

func fault(source, expression, rule, text string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityError, Code: fhir.NotSupported, Source: source, Expression: expression, Rule: rule, Text: text}
}

// Write is not offered: e-RS is written to by other means.
func (Format) Write([]byte) mapping.Written {
	return mapping.Written{Faults: []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.NotSupported, Text: "this format is read only; see trellis map list for directions"}}}
}

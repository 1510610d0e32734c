// Package itk3xml is the format itk3-xml: ITK3 messages (FHIR STU3, XML) that
// tell a service about a person, such as a discharge summary or an update of
// the record after a consultation. They are read only.
//
// What a message says becomes R4 resources about the person, each section of it
// a Communication under its heading. No message becomes a ServiceRequest: an
// ITK3 document informs, it does not refer, and a person decides what follows.
package itk3xml

import (
	"io"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/itk3"
)

const (
	version = "1.0.0"
	name    = "itk3-xml " + version
)

// Format is the format itk3-xml.
type Format struct{}

var _ mapping.Format = Format{}

// New returns the format.
func New() mapping.Format { return Format{} }

// Info describes the format.
func (Format) Info() mapping.Info {
	return mapping.Info{ID: "itk3-xml", Version: version, Partner: "ITK3 message over MESH, FHIR STU3 in XML: discharge summary, update record", PartnerVersion: "ITK-MessageHeader-2",
		Status: "active", In: true, MediaTypes: []string{"application/fhir+xml", "application/xml", "text/xml"}, Receipt: "itk3",
		Senders: []string{"gp-practice", "hospital-discharge", "pharmacy", "importer", "sandbox"}}
}

// ReadStream reads one message.
func (f Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, itk3.MaxDocument, f.Read, yield)
}

// Read reads one message, or one ClinicalImpression by itself. The record's key
// is the id of the message.
func (Format) Read(doc []byte) mapping.Result {
	out := mapping.Result{Map: name}
	root, err := itk3.FromXML(doc)
	if err != nil {
		out.Faults = fhir.AsError(err).Issues
		return out
	}
	r := &reader{root: root, byURL: map[string]*resource{}}
	r.key = itk3.HeadOf(root).MessageID
	if r.key == "" {
		r.key = root.Peek("id")
	}
	rec := mapping.Record{Key: r.key, Bundle: r.read()}
	rec.Losses, rec.Faults = r.losses, r.faults
	if rec.Refused() {
		rec.Bundle = nil
	}
	out.Records = []mapping.Record{rec}
	return out
}

// Write is not offered: what the extractor reads is not the whole message.
func (Format) Write([]byte) mapping.Written {
	return mapping.Written{Faults: []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.NotSupported, Text: "this format is read only; see trellis map list for directions"}}}
}

// Package itk3json is the format itk3-json: ITK3 responses, which tell the
// sender of a message what became of it or of the referral it carried, both
// ways. An acknowledgement read becomes a Task; a Task written becomes the
// business acknowledgement.
package itk3json

import (
	"io"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/itk3"
)

const (
	version = "1.0.0"
	name    = "itk3-json " + version

	// messages is the system of ids of messages, and references that of what
	// their senders call them.
	messages   = "https://trellis.example/fhir/Id/itk3-message"
	references = "https://trellis.example/fhir/Id/itk3-sender-reference"
	mailboxes  = "https://trellis.example/fhir/Id/mesh-mailbox"

	businessStatus = "https://trellis.example/fhir/CodeSystem/task-business-status"
	responseCodes  = "http://hl7.org/fhir/response-code"
	request        = "ServiceRequest?identifier=" + messages + "|"
)

// Format is the format itk3-json.
type Format struct{}

var _ mapping.Format = Format{}

// New returns the format.
func New() mapping.Format { return Format{} }

// Info describes the format.
func (Format) Info() mapping.Info {
	return mapping.Info{ID: "itk3-json", Version: version, Partner: "ITK3 response (ITK008M), FHIR STU3 in JSON", PartnerVersion: "ITK-ResponseCodes-1",
		Status: "active", In: true, Out: true, MediaTypes: []string{"application/fhir+json", "application/json"}, Receipt: "itk3",
		Senders: []string{"gp-practice", "hospital-discharge", "pharmacy", "social-care", "community-provider", "importer", "sandbox"}}
}

// ReadStream reads one message.
func (f Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, itk3.MaxDocument, f.Read, yield)
}

// Read reads one response. The record's key is the id of the response message.
func (Format) Read(doc []byte) mapping.Result {
	out := mapping.Result{Map: name}
	root, err := itk3.FromJSON(doc)
	if err != nil {
		out.Faults = fhir.AsError(err).Issues
		return out
	}
	r := &reader{root: root}
	rec := mapping.Record{Key: itk3.HeadOf(root).MessageID}
	rec.Bundle = r.read(rec.Key)
	rec.Losses, rec.Faults = r.losses, r.faults
	if rec.Refused() {
		rec.Bundle = nil
	}
	out.Records = []mapping.Record{rec}
	return out
}

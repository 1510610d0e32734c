package mapping

import (
	"io"

	"trellis.example/fhir"
)

// Info describes a format.
type Info struct {
	// ID is the format id, such as "ppn-csv".
	ID string `json:"id"`
	// Version is the version of the map, such as "1.0.0".
	Version string `json:"version"`
	// Partner says whose format it is, and PartnerVersion which version of it.
	Partner        string `json:"partner"`
	PartnerVersion string `json:"partnerVersion,omitempty"`
	// Status is draft, active or retired.
	Status string `json:"status,omitempty"`
	// In and Out tell which directions work.
	In  bool `json:"in"`
	Out bool `json:"out"`
	// Batch says that a document is a file of many records, each taken or
	// refused by itself.
	Batch bool `json:"batch"`
	// MediaTypes are the media types of the documents, the first one is what
	// Write makes.
	MediaTypes []string `json:"mediaTypes"`
	// Senders are the roles that may send the format.
	Senders []string `json:"senders"`
	// Receipt is the shape of the acknowledgement over HTTP: fhir, jsonapi,
	// receipt, itk3, csv or ack.
	Receipt string `json:"receipt"`
}

// A Written is a FHIR document written in a partner's format.
type Written struct {
	// Document is the partner's document; "" when it could not be written.
	Document string `json:"document"`
	// Losses are what the format does not carry; Source is a FHIRPath.
	Losses []Loss `json:"losses"`
	// Faults of severity error mean that Document is "".
	Faults []fhir.Issue `json:"faults"`
}

// A Format reads and writes the documents of one partner format. It is
// immutable and safe for concurrent use.
type Format interface {
	Info() Info
	// Read reads a document. It keeps no part of doc.
	Read(doc []byte) Result
	// ReadStream reads a document of any length in constant memory; it yields
	// the records until yield returns false. The issues returned are those of
	// the document itself; when one is an error, the records that were yielded
	// before it still stand.
	ReadStream(r io.Reader, yield func(Record) bool) []fhir.Issue
	// Write writes a FHIR resource or Bundle in the partner's format.
	Write(resource []byte) Written
}

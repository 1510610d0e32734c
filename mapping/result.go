package mapping

import "trellis.example/fhir"

// A Loss is something of the sender's document that the FHIR side (or, in
// reverse, something of FHIR that the partner's format) does not carry.
type Loss struct {
	// Source is the place in the document read: "PID-7.1", "row 4, marking",
	// "/patient/dob", or a FHIRPath in reverse.
	Source string `json:"source"`
	// Rule is the map's rule id, or "residue" when no rule consumed it.
	Rule string `json:"rule"`
	// Text says what is lost and why; never the value.
	Text string `json:"text"`
}

// A Record is one referral (or one CSV row, one message) of a document.
type Record struct {
	// Key is the sender's own reference for the record (a PPN reference,
	// MSH-10); "" when it has none. It is personal data: never log it.
	Key string
	// Row is the 1-based line or record number in a batch file, header
	// excluded; 0 when the document is a single record.
	Row int
	// NotReferral says that the record was read and is no referral; Faults say
	// why, and Bundle is nil.
	NotReferral bool
	// Bundle is a FHIR Bundle of type transaction: every entry has a fullUrl
	// ("urn:uuid:…", the same for the same sender's record and instance
	// name), a resource without id, and request POST. Nil when refused,
	// and when it is no referral.
	Bundle []byte
	Losses []Loss
	// Faults are what is wrong with the record; those of severity error
	// refuse it.
	Faults []fhir.Issue
	// Places tells where in the sender's document an element came from; nil
	// when the document is the Bundle itself.
	Places *Places
}

// Refused reports whether the record has a fault of severity error.
func (r Record) Refused() bool { return fhir.Faults(r.Faults) != nil }

// A Result is a partner's document read into FHIR. Faults are those of the
// file itself: one of severity error (unparseable, wrong header) means that
// there are no records, or that the file broke off behind those that are there;
// warnings (another encoding, an unknown column) stand beside the records.
type Result struct {
	Records []Record
	Faults  []fhir.Issue
	// Map names the map and its version: "ppn-csv 1.0.0". It is stamped into
	// Provenance.
	Map string
}

package intake

import (
	"encoding/json"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/profiles"
)

// Applied is what `trellis map apply` prints and a dry run answers: the
// document as FHIR, with everything lost or wrong, and nothing stored.
type Applied struct {
	Accepted bool            `json:"accepted"`
	Records  []AppliedRecord `json:"records"`
	// Faults are those of the document itself; then there are no records.
	Faults []Fault `json:"faults"`
}

// An AppliedRecord is one record of the document. Bundle is null when the
// record is refused.
type AppliedRecord struct {
	Accepted bool            `json:"accepted"`
	Bundle   json.RawMessage `json:"bundle"`
	Losses   []mapping.Loss  `json:"losses"`
	Faults   []Fault         `json:"faults"`
}

// A Fault is an issue as commands print it.
type Fault struct {
	Severity   fhir.Severity `json:"severity"`
	Source     string        `json:"source"`
	Expression string        `json:"expression"`
	Rule       string        `json:"rule"`
	Text       string        `json:"text"`
}

// NewFaults turns issues into faults; never nil.
func NewFaults(issues []fhir.Issue) []Fault {
	out := make([]Fault, 0, len(issues))
	for _, is := range issues {
		if is.Severity == "" {
			is.Severity = fhir.SeverityError
		}
		if is.Rule == "" {
			is.Rule = string(is.Code)
		}
		out = append(out, Fault{is.Severity, is.Source, is.Expression, is.Rule, is.Text})
	}
	return out
}

// Apply reads a document through its format and validates what came out.
func Apply(f mapping.Format, doc []byte, v *profiles.Validator) Applied {
	res := f.Read(doc)
	out := Applied{Accepted: fhir.Faults(res.Faults) == nil, Records: []AppliedRecord{}, Faults: NewFaults(res.Faults)}
	for _, rec := range res.Records {
		r := applyRecord(rec, v)
		out.Accepted = out.Accepted && r.Accepted
		out.Records = append(out.Records, r)
	}
	if len(res.Records) == 0 && len(res.Faults) == 0 {
		out.Accepted = false
		out.Faults = NewFaults([]fhir.Issue{{Code: fhir.Structure, Text: "the document holds no record"}})
	}
	return out
}

func applyRecord(rec mapping.Record, v *profiles.Validator) AppliedRecord {
	issues := rec.Faults
	if rec.Bundle != nil {
		issues = append(issues, validateRecord(rec, v)...)
	}
	r := AppliedRecord{Accepted: rec.Bundle != nil && fhir.Faults(issues) == nil, Losses: rec.Losses, Faults: NewFaults(issues)}
	if r.Losses == nil {
		r.Losses = []mapping.Loss{}
	}
	if r.Accepted {
		r.Bundle = rec.Bundle
	}
	return r
}

func validateRecord(rec mapping.Record, v *profiles.Validator) []fhir.Issue {
	b, err := fhir.DecodeLimit(rec.Bundle, transactionLimit)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	return validate(b, rec.Places, v, false)
}

// validate checks a bundle against our profiles (or base R4 alone) and says
// where in the sender's document each fault lies.
func validate(b fhir.Resource, places map[string]string, v *profiles.Validator, baseOnly bool) []fhir.Issue {
	issues := v.Validate(b, profiles.Options{BaseOnly: baseOnly})
	if !baseOnly {
		issues = append(issues, v.Referral([]fhir.Resource{b})...)
	}
	for i := range issues {
		if issues[i].Source == "" {
			issues[i].Source = place(places, issues[i].Expression)
		}
	}
	return issues
}

// HasErrors reports whether an issue is of severity error or fatal.
func HasErrors(issues []fhir.Issue) bool { return fhir.Faults(issues) != nil }

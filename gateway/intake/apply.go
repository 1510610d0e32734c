package intake

import (
	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/profiles"
)

// Apply reads a document through its format and validates what came out: what
// `trellis map apply` prints and a dry run answers. Nothing is stored.
func Apply(f mapping.Format, doc []byte, v *profiles.Validator) mapping.Result {
	res := f.Read(doc)
	if len(res.Records) == 0 && fhir.Faults(res.Faults) == nil {
		res.Faults = append(res.Faults, fhir.Issue{Code: fhir.Structure, Text: "the document holds no record"})
	}
	for i := range res.Records {
		rec := &res.Records[i]
		if rec.Bundle != nil {
			rec.Faults = append(rec.Faults, validateRecord(*rec, v)...)
		}
	}
	return res
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
func validate(b fhir.Resource, places *mapping.Places, v *profiles.Validator, baseOnly bool) []fhir.Issue {
	issues := v.Validate(b, profiles.Options{BaseOnly: baseOnly})
	if !baseOnly {
		issues = profiles.Merge(issues, v.Referral([]fhir.Resource{b}))
	}
	for i := range issues {
		if issues[i].Source == "" {
			issues[i].Source = place(places, issues[i].Expression)
		}
	}
	return issues
}

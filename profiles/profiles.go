package profiles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
	"trellis.example/profiles/terminology"
)

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
	// agreement, which is a minimum. One for another type is passed over; one that
	// is not known here is an error.
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
	// Checks say what was looked at, such as "at least 1" or "pattern".
	Checks []string
	// Slice is the slice that the element was found to be in, or "".
	Slice string
}

// A Validator judges documents. It is immutable and safe for concurrent use.
type Validator struct {
	nodes   nodes
	codes   *terminology.Service
	element *node                  // the id and extensions of primitives
	forms   *forms                 // Questionnaires: ours and a user's
	shelf   *shelf                 // StructureDefinitions: ours and a user's
	byType  map[string]*definition // our default profile of a type: its newest version
}

// A Profile is one StructureDefinition of ours.
type Profile struct {
	URL, Type, Version, Title string
	// JSON is the StructureDefinition as published.
	JSON json.RawMessage
}

// New returns a validator with our profiles. Tables and profiles are compiled
// when first needed.
func New() (*Validator, error) { return NewWith() }

// NewWith returns a validator with our profiles and with definitions of a user:
// StructureDefinition, ValueSet, CodeSystem, ConceptMap and Questionnaire. They
// may not replace a url|version of ours; what stands in for UK Core's makes room
// for UK Core itself. A fault in them is an error that names the definition and
// its element.
func NewWith(extra ...fhir.Resource) (*Validator, error) {
	own, err := loadData()
	if err != nil {
		return nil, err
	}
	return newValidatorOf(own, extra)
}

func newValidatorOf(own *definitionFiles, extra []fhir.Resource) (*Validator, error) {
	all := own.without(extra)
	if err := all.add(extra); err != nil {
		return nil, err
	}
	v := &Validator{nodes: nodes{defs: definitions.R4()}, byType: map[string]*definition{}}
	var err error
	if v.codes, err = terminology.New(v.nodes.defs, all.codes); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	v.forms = newForms(v.codes, extra)
	if v.shelf, err = newShelf(v.nodes.defs, all.structures); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	v.element = v.nodes.of(v.nodes.defs.Table("Element"))
	for _, r := range own.structures {
		v.setDefault(v.shelf.exact(r))
	}
	return v, v.proved(extra)
}

// setDefault makes a definition of ours, never a user's, the default of the type
// that it is named like, unless there is a newer one.
func (v *Validator) setDefault(d *definition) {
	if d.URL != Base+d.Type {
		return
	}
	if have := v.byType[d.Type]; have == nil || fhir.CompareVersions(d.Version, have.Version) > 0 {
		v.byType[d.Type] = d
	}
}

// proved compiles a user's definitions: their faults are said when they are
// given, ours by a test.
func (v *Validator) proved(extra []fhir.Resource) error {
	var faults []fhir.Issue
	for _, r := range extra {
		if r.Type() != "StructureDefinition" {
			continue
		}
		d := v.shelf.exact(r)
		if _, err := v.compile(d); err != nil {
			faults = append(faults, definitionFaults(d, err)...)
		}
	}
	return fhir.Faults(faults)
}

// Profiles returns our profiles of resource types in order of their URL, older
// versions first.
func (v *Validator) Profiles() []Profile {
	out := make([]Profile, 0, len(v.shelf.list))
	for _, d := range v.shelf.list {
		if v.nodes.defs.IsResource(d.Type) {
			out = append(out, d.Profile)
		}
	}
	return out
}

// definitionFaults says of each fault in which line of the definition it is.
func definitionFaults(d *definition, err error) []fhir.Issue {
	e, ok := errors.AsType[*fhir.Error](err)
	if !ok {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Invalid, Profile: d.canonical(), Text: err.Error()}}
	}
	out := slices.Clone(e.Issues)
	for i := range out {
		if out[i].Profile == "" {
			out[i].Profile = d.canonical()
		}
	}
	return out
}

// Compile makes ready every definition, which otherwise happens when a document
// first needs it.
func (v *Validator) Compile() error {
	for _, d := range v.shelf.list {
		if v.profile(d) == nil {
			return fmt.Errorf("profiles: %s does not compile", d.canonical())
		}
	}
	return nil
}

// Structures returns the snapshots of our profiles and extensions, of those that
// stand in for UK Core's, and of a user's, in order of URL and version.
func (v *Validator) Structures() []*snapshot.Structure {
	out := make([]*snapshot.Structure, 0, len(v.shelf.list))
	for _, d := range v.shelf.list {
		if s, err := v.shelf.structure(d); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// Structure returns the snapshot of one of [Validator.Structures]: without a
// version, the newest; nil when there is none.
func (v *Validator) Structure(canonical string) *snapshot.Structure {
	d := v.shelf.find(canonical)
	if d == nil {
		return nil
	}
	s, err := v.shelf.structure(d)
	if err != nil {
		return nil
	}
	return s
}

// Terminology returns the code systems and value sets that codes are checked by.
func (v *Validator) Terminology() *terminology.Service { return v.codes }

// Knows reports whether a canonical, with or without version, is a profile of
// ours: what a partner's agreement may name in [Options].
func (v *Validator) Knows(canonical string) bool { return v.TypeOf(canonical) != "" }

// TypeOf returns the type of resource that such a profile is for, "" when there is
// no such profile: an extension or a data type is none, as no document follows it.
func (v *Validator) TypeOf(canonical string) string {
	if d := v.shelf.find(canonical); d != nil && v.nodes.defs.IsResource(d.Type) {
		return d.Type
	}
	return ""
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
	w.size = r.Root().Tree().Size()
	w.visits = freeVisits + visitsPerValue*w.size
	w.resourceAt(r.Root(), false)
	issues := w.issues
	if is, cut := w.more(); cut {
		issues = append(issues, is)
	}
	w.release()
	return Merge(issues)
}

package profiles

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// A slicing tells the values of a repeating element, or the types of a choice,
// apart (R4 profiling, section 5.1.0.12).
type slicing struct {
	by      []discriminator
	slices  []*slice // in the order of the definition, @default left out
	rest    *slice   // @default: what is in no other slice; nil: there is none
	ordered bool
	rules   string // open, closed or openAtEnd
	// parts says that the slices are all the parts an extension has: another
	// relative url is a fault.
	parts bool
}

// A discriminator is one test by which slices are told apart.
type discriminator struct {
	typ  string
	path []step
}

// A slice is one of the slices: its members meet a criterion of every
// discriminator.
type slice struct {
	name  string
	check *check
	tests []test
}

// A test is what one discriminator asks of the members of a slice.
type test struct {
	path []step
	// any are the alternatives, of which one must be met.
	any []criterion
}

// A criterion is a condition on what a discriminator's path leads to.
type criterion struct {
	fixed, pattern fhir.Value
	text           string // a string that is fixed by the url of an extension
	binding        *binding
	there, absent  bool
	types          []string
	profile        *definition // its rules are met
	check          *check      // its rules are met
}

const (
	sliceOpen      = "open"
	sliceClosed    = "closed"
	sliceOpenAtEnd = "openAtEnd"
	restOfSlices   = "@default"
)

// maxSlices bounds the slices of one element.
const maxSlices = 1000

// slicing compiles the slices of an element.
func (c *compiler) slicing(k *check, o *outline, at place) (*slicing, error) {
	if len(o.slices) > maxSlices {
		return nil, fmt.Errorf("%s: there are more than %d slices", o.e.ID, maxSlices)
	}
	s, err := c.discriminators(o, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.e.ID, err)
	}
	for _, so := range o.slices {
		where, one := c.slicePlace(at, o, so), &slice{name: so.slice}
		if one.check, err = c.check(so, where, k); err != nil {
			return nil, err
		}
		if strings.HasSuffix(so.slice, restOfSlices) {
			s.rest = one
			continue
		}
		if err := c.tests(one, so, s); err != nil {
			return nil, fmt.Errorf("%s: %w", so.e.ID, err)
		}
		s.slices = append(s.slices, one)
	}
	s.parts = o.name == "extension" && c.structure.Type == "Extension" && o.up != nil && (o.up.root() || o.up.name == "extension")
	return s, nil
}

// slicePlace finds the place of a slice: that of one type in a choice.
func (c *compiler) slicePlace(at place, o, so *outline) place {
	if at.slot != nil && at.slot.Choice() {
		if m := onlyMember(at.slot, so.e.Types); m != nil && o.up != nil {
			holder := place{table: contentTable(c.v.nodes.defs, m), slot: at.slot, path: m.Type.Code}
			return holder
		}
	}
	if at.table == nil && at.slot != nil {
		return c.resourcePlace(at.slot, so)
	}
	return at
}

// discriminators reads how the slices are told apart. Extensions and choices of
// type need not say it: they are told apart by url and by type.
func (c *compiler) discriminators(o *outline, at place) (*slicing, error) {
	s := &slicing{rules: sliceOpen}
	if given := o.e.Slicing; given != nil {
		s.ordered, s.rules = given.Ordered, given.Rules
		for _, d := range given.Discriminators {
			path, err := parseSteps(d.Path)
			if err != nil {
				return nil, err
			}
			if !slices.Contains([]string{"value", "pattern", "exists", "type", "profile"}, d.Type) {
				return nil, fmt.Errorf("there is no such type of discriminator")
			}
			s.by = append(s.by, discriminator{d.Type, path})
		}
	}
	switch {
	case s.rules == "":
		s.rules = sliceOpen
	case s.rules != sliceOpen && s.rules != sliceClosed && s.rules != sliceOpenAtEnd:
		return nil, fmt.Errorf("slicing rules are open, closed or openAtEnd")
	}
	if len(s.by) > 0 {
		return s, nil
	}
	switch {
	case o.name == "extension" || o.name == "modifierExtension":
		s.by = []discriminator{{"value", []step{{name: "url"}}}}
	case at.slot != nil && at.slot.Choice():
		s.by = []discriminator{{"type", nil}}
	}
	return s, nil
}

// tests finds what each discriminator asks of the members of a slice.
func (c *compiler) tests(one *slice, so *outline, s *slicing) error {
	for _, d := range s.by {
		t, err := c.test(so, d)
		if err != nil {
			return err
		}
		if len(t.any) > 0 {
			one.tests = append(one.tests, t)
		}
	}
	if len(one.tests) == 0 {
		return fmt.Errorf("nothing in the slice says by what its members are known")
	}
	return nil
}

func (c *compiler) test(so *outline, d discriminator) (test, error) {
	t := test{path: d.path}
	f := follower{c: c}
	path := d.path
	atTarget := d.typ == "profile" && len(path) > 0 && path[len(path)-1].kind == resolved
	if atTarget { // the reference says what profile its target has
		path = path[:len(path)-1]
	}
	f.follow(so, path)
	for _, v := range f.values {
		t.any = append(t.any, criterion{pattern: v})
	}
	for _, o := range f.found {
		list, err := c.criteria(o, d, f.resolved || atTarget)
		if err != nil {
			return t, err
		}
		t.any = append(t.any, list...)
	}
	if len(t.any) == 0 {
		if url := extensionURL(so, d); url != "" {
			t.any = append(t.any, criterion{text: url})
		}
	}
	return t, nil
}

// extensionURL is the url of the extension that a slice names as its profile.
func extensionURL(so *outline, d discriminator) string {
	if len(d.path) != 1 || d.path[0].name != "url" || len(so.e.Types) != 1 || len(so.e.Types[0].Profiles) != 1 {
		return ""
	}
	return fhir.ParseCanonical(so.e.Types[0].Profiles[0]).URL
}

// criteria reads, from the element that a discriminator's path leads to, what
// the members of the slice have there.
func (c *compiler) criteria(o *outline, d discriminator, resolved bool) ([]criterion, error) {
	switch d.typ {
	case "exists":
		return existence(o.e), nil
	case "type":
		return c.typeCriteria(o, resolved), nil
	case "profile":
		return c.profileCriteria(o, resolved)
	}
	return c.valueCriteria(o)
}

func existence(e *snapshot.Element) []criterion {
	switch {
	case e.Max == 0:
		return []criterion{{absent: true}}
	case e.Min > 0:
		return []criterion{{there: true}}
	}
	return nil
}

// valueCriteria are a fixed value, a pattern, a required binding, or else what
// is fixed below the element.
func (c *compiler) valueCriteria(o *outline) ([]criterion, error) {
	switch e := o.e; {
	case e.Fixed.Exists():
		return []criterion{{fixed: e.Fixed}}, nil
	case e.Pattern.Exists():
		return []criterion{{pattern: e.Pattern}}, nil
	case e.Binding != nil && e.Binding.Strength == "required" && (e.By != "" || !o.fixes(0)):
		if b := newBinding(e.Binding.Strength, e.Binding.ValueSet, "", "", ""); b != nil {
			return []criterion{{binding: b}}, nil
		}
	case o.fixes(0):
		k, err := c.apart(o)
		return []criterion{{check: k}}, err
	}
	return existence(o.e), nil
}

// apart compiles the checks of an element by themselves, to see whether a value
// follows them.
func (c *compiler) apart(o *outline) (*check, error) {
	if k := c.checks[o]; k != nil {
		return k, nil
	}
	at := place{path: "Element"}
	if len(o.e.Types) == 1 {
		if t := c.v.nodes.defs.Table(o.e.Types[0].Code); t != nil && t.Kind != definitions.Primitive {
			at = place{table: t, path: t.Path}
		}
	}
	return c.check(o, at, nil)
}

// fixes reports whether something below the element has a fixed value or a
// pattern.
func (o *outline) fixes(depth int) bool {
	if depth > maxElementDepth {
		return false
	}
	if o.e.Fixed.Exists() || o.e.Pattern.Exists() {
		return true
	}
	return slices.ContainsFunc(o.children, func(k *outline) bool { return k.e.Max != 0 && k.fixes(depth+1) }) ||
		slices.ContainsFunc(o.slices, func(k *outline) bool { return k.e.Min > 0 && k.fixes(depth+1) })
}

func (c *compiler) typeCriteria(o *outline, resolved bool) []criterion {
	var out criterion
	if resolved {
		out.types = append(out.types, c.structureType(o))
		return []criterion{out}
	}
	for _, t := range o.e.Types {
		out.types = append(out.types, t.Code)
	}
	if len(out.types) == 0 {
		return nil
	}
	return []criterion{out}
}

// structureType is the type of the structure whose first element o is.
func (c *compiler) structureType(o *outline) string {
	typ, _, _ := strings.Cut(o.e.Path, ".")
	return typ
}

func (c *compiler) profileCriteria(o *outline, resolved bool) ([]criterion, error) {
	var out []criterion
	canonicals := []string{}
	for _, t := range o.e.Types {
		canonicals = append(canonicals, t.Profiles...)
		if resolved {
			canonicals = append(canonicals, t.TargetProfiles...)
		}
	}
	for _, p := range canonicals {
		if typ := ownType(c.v.nodes.defs, p); typ != "" {
			out = append(out, criterion{types: []string{typ}})
			continue
		}
		d := c.v.shelf.find(p)
		if d == nil {
			return nil, fmt.Errorf("the profile %s is not known here", lastPart(p))
		}
		out = append(out, criterion{profile: d})
	}
	return out, nil
}

package profiles

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// extensionRules are what an extension's definition says of the extension as a
// whole.
type extensionRules struct {
	modifier bool
	max      int // how often it may be given on one element; -1: any number
	contexts []snapshot.Context
	// invariants are FHIRPath on the element that holds the extension.
	invariants []string
}

func (c *compiler) extensionRules(root *outline) (*extensionRules, error) {
	s := c.structure
	r := &extensionRules{modifier: root.e.IsModifier, max: root.e.Max, contexts: s.Contexts, invariants: s.ContextInvariants}
	for _, x := range s.Contexts {
		if !slices.Contains([]string{"element", "extension", "fhirpath"}, x.Type) || x.Expression == "" {
			return nil, fmt.Errorf("%s: a context is an element, an extension or a fhirpath", s.Canonical())
		}
	}
	return r, nil
}

// knownExtension checks an extension whose definition is held here: ours, those that
// stand in for UK Core's, a user's and R4's own. It reports whether there is one.
func (w *walk) knownExtension(v fhir.Value, url string) bool {
	if strings.IndexByte(url, ':') < 0 {
		return false // a part of another: that one's definition speaks of it
	}
	d := w.v.extension(url)
	if d == nil {
		return false
	}
	p := w.v.profile(d)
	if p == nil || p.extension == nil {
		return false
	}
	w.extensionPlace(v, p)
	if p.root != nil {
		w.apply(p.root, datum{v: v, typ: "Extension", table: w.v.nodes.defs.Table("Extension"), slice: noSlice})
	}
	return true
}

// extension returns the definition of an extension, or nil.
func (v *Validator) extension(url string) *definition {
	if d := v.shelf.find(url); d != nil {
		if d.Type != "Extension" {
			return nil
		}
		return d
	}
	if d, ok := v.shelf.foreign.Load(url); ok {
		known, _ := d.(*definition)
		return known
	}
	x := v.nodes.defs.Extension(url)
	if x == nil || !strings.HasPrefix(url, r4Base) {
		return nil // those of SMART, which R4's package has too, are SMART's to say
	}
	d := &definition{Profile: Profile{URL: x.URL, Type: "Extension", Version: "4.0.1"}}
	p, err := v.compileStructure(d, extensionStructure(x))
	if err != nil {
		p = &profile{def: d} // known, and nothing can be said of it
	}
	d.compiled.Store(p)
	actual, _ := v.shelf.foreign.LoadOrStore(x.URL, d)
	known, _ := actual.(*definition)
	return known
}

// extensionPlace checks where an extension stands.
func (w *walk) extensionPlace(v fhir.Value, p *profile) {
	r := p.extension
	list := v.Parent()
	if list.Kind() != fhir.Array {
		return // the walk has said so
	}
	holder := list.Parent()
	line := p.structure.Canonical() + "#Extension"
	switch asModifier := list.Key() == "modifierExtension"; {
	case asModifier && !r.modifier:
		w.misplaced(v, line, "this extension modifies nothing; it belongs in extension", "extension", "modifierExtension")
	case !asModifier && r.modifier:
		w.misplaced(v, line, "this extension modifies what holds it; it belongs in modifierExtension", "modifierExtension", "extension")
	}
	if r.max >= 0 && list.Len() > r.max && w.count(list, p.def) == r.max+1 {
		w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.BusinessRule, Rule: lastPart(p.def.URL) + "#Extension", Profile: line,
			Text: "there are more of this extension than are allowed on one element", Expected: "at most " + valuesFound(r.max), Found: "more"})
	}
	if len(r.contexts) > 0 && !w.inContext(holder, r.contexts) {
		w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Extension, Rule: ruleContext, Profile: line,
			Text: "this extension may not stand here", Expected: "the extension on " + contextText(r.contexts), Found: "the extension on another element"})
	}
	w.contextInvariants(holder, v, p, line)
}

func (w *walk) misplaced(v fhir.Value, line, text, expect, found string) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Extension, Rule: ruleModifierPlace, Profile: line,
		Text: text, Expected: "the extension in " + expect, Found: "the extension in " + found})
}

// count counts one more extension of a definition in a list.
func (w *walk) count(list fhir.Value, d *definition) int {
	if w.given == nil {
		w.given = map[givenKey]int{}
	}
	k := givenKey{list.Tree(), list.Index(), d}
	w.given[k]++
	return w.given[k]
}

func contextText(list []snapshot.Context) string {
	names := make([]string, 0, len(list))
	for _, x := range list {
		names = append(names, x.Expression)
	}
	if len(names) > 6 {
		names = append(names[:6], "…")
	}
	return strings.Join(names, " or ")
}

// unknownPart reports a part that the definition of an extension does not have.
func (w *walk) unknownPart(c *check, it datum) {
	is := w.issue(c, fhir.Extension, "the extension has no part of this name", "a part named "+strings.TrimPrefix(c.slicing.names(), "slice "), "another part")
	is.Rule = rulePart
	w.add(it.at(), "", is)
}

// wronglyPlaced are extensions whose definitions name other elements than those
// on which R4's own resources have them: there they may stand too.
var wronglyPlaced = map[string]string{
	"structuredefinition-fhir-type":         "ElementDefinition.type",
	"regex":                                 "ElementDefinition.type",
	"structuredefinition-normative-version": "Element",
}

// extensionStructure writes one of R4's own extensions, which the definitions
// hold as a table, as a structure.
func extensionStructure(x *definitions.ExtensionDef) *snapshot.Structure {
	s := &snapshot.Structure{URL: x.URL, Version: "4.0.1", Type: "Extension", Kind: "complex-type", Constraint: true, Base: r4Base + "Extension"}
	for _, c := range x.Contexts {
		s.Contexts = append(s.Contexts, snapshot.Context{Type: c.Type, Expression: c.Expression})
	}
	if also := wronglyPlaced[strings.TrimPrefix(x.URL, r4Base)]; also != "" {
		s.Contexts = append(s.Contexts, snapshot.Context{Type: "element", Expression: also})
	}
	s.ContextInvariants = x.Invariants
	s.Elements = append(s.Elements, snapshot.Element{ID: "Extension", Path: "Extension", Max: x.Max, IsModifier: x.Modifier, By: s.Canonical()})
	appendParts(s, "Extension", x)
	return s
}

func appendParts(s *snapshot.Structure, id string, x *definitions.ExtensionDef) {
	by := s.Canonical()
	add := func(e snapshot.Element) {
		e.By = by
		e.Path = e.ID
		s.Elements = append(s.Elements, e)
	}
	list := snapshot.Element{ID: id + ".extension", Max: 0, Types: []snapshot.Type{{Code: "Extension"}}}
	if len(x.Parts) > 0 {
		list.Max = -1
		list.Slicing = &snapshot.Slicing{Rules: sliceOpen, Discriminators: []snapshot.Discriminator{{Type: "value", Path: "url"}}}
	}
	add(list)
	for i := range x.Parts {
		part := &x.Parts[i]
		slice := id + ".extension:" + part.URL
		add(snapshot.Element{ID: slice, SliceName: part.URL, Min: part.Min, Max: part.Max, Types: []snapshot.Type{{Code: "Extension"}}})
		appendParts(s, slice, part)
	}
	add(snapshot.Element{ID: id + ".url", Min: 1, Max: 1, Fixed: textValue(x.URL), Types: []snapshot.Type{{Code: "uri"}}})
	value := snapshot.Element{ID: id + ".value[x]", Min: 1, Max: 1}
	if len(x.Types) == 0 {
		value.Min, value.Max = 0, 0
	}
	for _, t := range x.Types {
		typ := snapshot.Type{Code: t.Code}
		for _, target := range t.Targets {
			typ.TargetProfiles = append(typ.TargetProfiles, r4Base+target)
		}
		value.Types = append(value.Types, typ)
	}
	if b := x.Binding; b.Strength != "" {
		value.Binding = &snapshot.Binding{Strength: b.Strength, ValueSet: b.ValueSet, Max: b.Max}
	}
	add(value)
}

// textValue is a string as a value of a document of its own.
func textValue(s string) fhir.Value {
	t, err := fhir.Parse(fhir.AppendString(nil, s), fhir.MaxResource)
	if err != nil {
		return fhir.Value{}
	}
	return t.Root()
}

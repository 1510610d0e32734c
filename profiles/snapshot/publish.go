package snapshot

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// Publish returns the StructureDefinition as JSON with its snapshot and a short
// narrative. Everything that its author wrote is kept as written, but a snapshot
// of theirs.
func (s *Structure) Publish() ([]byte, error) {
	root := s.Source.Root()
	title := s.Title
	if title == "" {
		title = s.Name
	}
	return s.PublishWith(`<div xmlns="http://www.w3.org/1999/xhtml"><h2>` + escape(title) + `</h2><p>` +
		escape(root.Get("description").Text()+" ("+s.Canonical()+")") + `</p></div>`)
}

// PublishWith is [Structure.Publish] with a narrative of the caller's: a <div>
// of safe XHTML, which replaces that of the source.
func (s *Structure) PublishWith(narrative string) ([]byte, error) {
	root := s.Source.Root()
	if root.Kind() != fhir.Object || len(s.Elements) == 0 {
		return nil, fhir.Errorf(fhir.NotSupported, "only a definition with a source and a snapshot can be published")
	}
	w := writer{b: make([]byte, 0, 2*len(s.Source.JSON())+500*len(s.Elements))}
	w.open('{')
	text := func() { // its place is before everything that is the type's own
		if narrative != "" {
			w.key("text")
			w.open('{')
			w.text("status", "generated")
			w.text("div", narrative)
			w.shut('}')
			narrative = ""
		}
	}
	for m := range root.All() {
		switch key := m.Key(); key {
		case "text", "snapshot":
		case "resourceType", "id", "meta", "implicitRules", "language":
			w.raw(key, m.Raw())
		case "differential":
			text()
			s.publishElements(&w)
			w.raw(key, m.Raw())
		default:
			text()
			w.raw(key, m.Raw())
		}
	}
	if !root.Get("differential").Exists() {
		s.publishElements(&w)
	}
	w.shut('}')
	return w.b, nil
}

func (s *Structure) publishElements(w *writer) {
	w.key("snapshot")
	w.open('{')
	w.key("element")
	w.open('[')
	o := origins{defs: definitions.R4(), of: make(map[string]origin, len(s.Elements))}
	for i := range s.Elements {
		e := &s.Elements[i]
		p := elementWriter{writer: w, e: e, base: o.find(e)}
		w.comma()
		p.write(i == 0)
	}
	w.shut(']')
	w.shut('}')
}

// An elementWriter writes one element in the order of R4's ElementDefinition.
type elementWriter struct {
	*writer
	e    *Element
	base origin
}

func (p *elementWriter) write(root bool) {
	e := p.e
	p.open('{')
	p.text("id", e.ID)
	p.text("path", e.Path)
	p.copied("representation")
	p.text("sliceName", e.SliceName)
	if !root {
		p.copied("label", "code")
	}
	p.slicing()
	p.text("short", e.Short)
	p.text("definition", p.definition())
	p.copied("comment")
	if !root {
		p.copied("requirements")
	}
	p.copied("alias")
	p.number("min", e.Min)
	p.text("max", maxText(e.Max))
	p.key("base")
	p.open('{')
	p.text("path", p.base.path)
	p.number("min", p.base.min)
	p.text("max", maxText(p.base.max))
	p.shut('}')
	p.text("contentReference", e.ContentRef)
	p.types()
	p.copied("meaningWhenMissing", "orderMeaning")
	p.values()
	p.copied("condition")
	p.constraints()
	p.flags()
	p.binding()
	p.shut('}')
}

// copied writes descriptive members as the differential has them.
func (p *elementWriter) copied(names ...string) {
	for _, name := range names {
		if v := p.e.Diff.Get(name); v.Exists() {
			p.raw(name, v.Raw())
		}
	}
}

// definition is what the profile says of the element, else where R4 does.
func (p *elementWriter) definition() string {
	if d := p.e.Diff.Get("definition").Text(); d != "" {
		return d
	}
	if p.e.Short != "" {
		return strings.TrimSuffix(p.e.Short, ".") + "."
	}
	return "As in FHIR R4: " + p.base.page()
}

func (p *elementWriter) slicing() {
	s := p.e.Slicing
	if s == nil {
		return
	}
	p.key("slicing")
	p.open('{')
	p.key("discriminator")
	p.open('[')
	for _, d := range s.Discriminators {
		p.comma()
		p.open('{')
		p.text("type", d.Type)
		p.text("path", d.Path)
		p.shut('}')
	}
	p.shut(']')
	if d := p.e.Diff.At("slicing", "description"); d.Exists() {
		p.raw("description", d.Raw())
	}
	p.boolean("ordered", s.Ordered)
	p.text("rules", s.Rules)
	p.shut('}')
}

func (p *elementWriter) types() {
	if len(p.e.Types) == 0 || p.e.ContentRef != "" {
		return
	}
	p.key("type")
	p.open('[')
	for _, t := range p.e.Types {
		p.comma()
		p.open('{')
		if systemType(p.base.path, t.Code) {
			p.systemType(t.Code)
		} else {
			p.text("code", t.Code)
		}
		p.list("profile", t.Profiles)
		p.list("targetProfile", t.TargetProfiles)
		p.list("aggregation", t.Aggregation)
		p.shut('}')
	}
	p.shut(']')
}

// systemType writes a type of the format itself, as R4's own definitions do.
func (p *elementWriter) systemType(code string) {
	p.key("extension")
	p.open('[')
	p.open('{')
	p.text("url", fhirType)
	p.text("valueUrl", code)
	p.shut('}')
	p.shut(']')
	p.text("code", "http://hl7.org/fhirpath/System."+systemName(code))
}

func systemName(code string) string {
	switch code {
	case "boolean", "decimal", "date", "time", "integer":
		return strings.ToUpper(code[:1]) + code[1:]
	case "dateTime", "instant":
		return "DateTime"
	case "positiveInt", "unsignedInt":
		return "Integer"
	}
	return "String"
}

func (p *elementWriter) values() {
	for _, v := range [...]fhir.Value{p.e.Fixed, p.e.Pattern} {
		if v.Exists() {
			p.raw(v.Key(), v.Raw())
		}
	}
	p.copied("example")
	for _, v := range [...]fhir.Value{p.e.MinValue, p.e.MaxValue} {
		if v.Exists() {
			p.raw(v.Key(), v.Raw())
		}
	}
	if p.e.MaxLength > 0 {
		p.number("maxLength", p.e.MaxLength)
	}
}

func (p *elementWriter) constraints() {
	if len(p.e.Constraints) == 0 {
		return
	}
	p.key("constraint")
	p.open('[')
	for _, c := range p.e.Constraints {
		p.comma()
		p.open('{')
		p.text("key", c.Key)
		severity := "error"
		if c.Warning {
			severity = "warning"
		}
		p.text("severity", severity)
		p.text("human", c.Human)
		p.text("expression", c.Expression)
		p.text("source", c.Source)
		p.shut('}')
	}
	p.shut(']')
}

func (p *elementWriter) flags() {
	if p.e.MustSupport {
		p.boolean("mustSupport", true)
	}
	p.boolean("isModifier", p.e.IsModifier)
	if reason := p.e.Diff.Get("isModifierReason"); reason.Exists() {
		p.raw("isModifierReason", reason.Raw())
	} else if p.e.IsModifier {
		p.text("isModifierReason", "Who ignores it may misread what stands around it: "+p.base.page())
	}
	p.boolean("isSummary", p.e.IsSummary)
}

func (p *elementWriter) binding() {
	b := p.e.Binding
	if b == nil || !codedTypes(p.e.Types) || b.ValueSet == "" && b.Description == "" {
		return
	}
	p.key("binding")
	p.open('{')
	if b.Max != "" {
		p.key("extension")
		p.open('[')
		p.open('{')
		p.text("url", maxValueSet)
		p.text("valueCanonical", b.Max)
		p.shut('}')
		p.shut(']')
	}
	p.text("strength", b.Strength)
	p.text("description", b.Description)
	p.text("valueSet", b.ValueSet)
	p.shut('}')
}

// codedTypes reports whether one of the types may be bound (R4 eld-11).
func codedTypes(types []Type) bool {
	for _, t := range types {
		for _, c := range coded {
			if t.Code == c {
				return true
			}
		}
	}
	return len(types) == 0
}

package mutate

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/fhir/path"
	"trellis.example/profiles/snapshot"
)

// profileKinds break what a profile asks beyond R4.
func profileKinds() []kind {
	return []kind{
		profileKind("member that the profile requires", requiredHere),
		profileKind("member that the profile forbids", forbiddenHere),
		profileKind("more values than the profile allows", tooMany),
		profileKind("value other than the fixed one", otherThanFixed),
		profileKind("value without what the pattern asks", withoutPattern),
		profileKind("reference to a type that the profile leaves out", otherTarget),
		profileKind("code outside the profile's value set", otherCode),
		profileKind("type that the profile leaves out", otherType),
		profileKind("slice without what it requires", sliceRequires),
		profileKind("more values in a slice than the profile allows", sliceTooMany),
		profileKind("slice that is missing", sliceMissing),
		{name: "broken invariant of the profile", document: brokenInvariant},
	}
}

// A spot is an element of the profile in one object of the document.
type spot struct {
	g      *Generator
	e      *snapshot.Element
	holder fhir.Value
	slot   *definitions.Slot
	values []fhir.Value // the members of the slot that are there, arrays whole
}

func (s *spot) name() string { return s.slot.Name }

// at is where a fault of the element itself is reported.
func (s *spot) at() string { return s.holder.Path() + "." + s.slot.Name }

// items are the single values.
func (s *spot) items() (out []fhir.Value) {
	for _, v := range s.values {
		for i := range v.Items() {
			if i.Kind() != fhir.Null {
				out = append(out, i)
			}
		}
	}
	return out
}

// inSlice reports whether the element belongs to a slice.
func (s *spot) inSlice() bool { return strings.Contains(s.e.ID, ":") }

func (s *spot) edit(at fhir.Value, with, path string, rules ...string) edit {
	return edit{at: at, with: with, path: path, rules: rules, profile: true, element: s.e.ID}
}

// profileKind calls f with every spot of every element that the profile touched.
func profileKind(name string, f func(s *spot) []edit) kind {
	return kind{name: name, document: func(g *Generator, root fhir.Value) (out []edit) {
		if g.st == nil || g.st.Type != root.Get("resourceType").Text() {
			return nil
		}
		for i := range g.st.Elements {
			e := &g.st.Elements[i]
			if e.By == "" || !strings.Contains(e.ID, ".") {
				continue
			}
			for _, s := range g.spots(root, e) {
				out = append(out, f(&s)...)
			}
		}
		return out
	}}
}

// spots finds the objects of the document that hold, or could hold, an element.
func (g *Generator) spots(root fhir.Value, e *snapshot.Element) []spot {
	parts := strings.Split(e.ID, ".")
	holders := []fhir.Value{root}
	table := g.defs.Table(g.st.Type)
	id := parts[0]
	for i, part := range parts[1:] {
		name, slice, _ := strings.Cut(part, ":")
		name = strings.TrimSuffix(name, "[x]")
		id += "." + part
		if table == nil || table.Slot(name) == nil {
			return nil
		}
		slot := table.Slot(name)
		if i == len(parts)-2 {
			return g.found(e, holders, slot)
		}
		if len(slot.Members) != 1 || slot.Members[0].Primitive() {
			return nil
		}
		holders = below(holders, name)
		if slice != "" {
			holders = slices.DeleteFunc(holders, func(v fhir.Value) bool { return !g.isMember(id, v) })
		}
		table = slot.Members[0].Table()
	}
	return nil
}

func below(holders []fhir.Value, name string) (out []fhir.Value) {
	for _, h := range holders {
		for v := range h.Get(name).Items() {
			if v.Kind() == fhir.Object {
				out = append(out, v)
			}
		}
	}
	return out
}

func (g *Generator) found(e *snapshot.Element, holders []fhir.Value, slot *definitions.Slot) (out []spot) {
	for _, h := range holders {
		s := spot{g: g, e: e, holder: h, slot: slot}
		for _, m := range slot.Members {
			if v := h.Get(m.Name); v.Exists() {
				s.values = append(s.values, v)
			}
			if h.Get("_" + m.Name).Exists() {
				s.values = nil
				break // what counts then is not for here
			}
		}
		out = append(out, s)
	}
	return out
}

func requiredHere(s *spot) []edit {
	if s.inSlice() || s.e.Min == 0 || s.slot.Min > 0 || len(s.values) != 1 || s.holder.Len() < 3 {
		return nil
	}
	return []edit{s.edit(s.holder, without(s.holder, s.values[0].Key()), s.at())}
}

func forbiddenHere(s *spot) []edit {
	m := s.slot.Members[0]
	raw := sampleOf(m.Type.Code)
	if s.inSlice() || s.e.Max != 0 || s.slot.Max == 0 || len(s.values) > 0 || raw == "" || s.slot.Choice() {
		return nil
	}
	if m.Many {
		raw = "[" + raw + "]"
	}
	return []edit{s.edit(s.holder, with(s.holder, m.Name, raw), s.at())}
}

func tooMany(s *spot) []edit {
	if s.inSlice() || s.e.Max != 1 || !s.slot.Members[0].Many || len(s.values) != 1 || s.values[0].Len() == 0 {
		return nil
	}
	return []edit{s.edit(s.values[0], withItem(s.values[0], string(s.values[0].First().Raw())), s.at())}
}

func otherThanFixed(s *spot) (out []edit) {
	if s.inSlice() || !s.e.Fixed.Exists() {
		return nil
	}
	for _, v := range s.items() {
		raw := `"another-value"`
		if v.Kind() == fhir.Bool {
			raw = map[string]string{"true": "false", "false": "true"}[v.Text()]
		}
		if v.Kind() == fhir.Bool || v.Kind() == fhir.String {
			out = append(out, s.edit(v, raw, v.Path()))
		}
	}
	return out
}

func withoutPattern(s *spot) (out []edit) {
	if s.inSlice() || s.e.Pattern.Kind() != fhir.Object || len(s.e.Types) != 1 || s.e.Types[0].Code != "CodeableConcept" {
		return nil
	}
	for _, v := range s.items() {
		out = append(out, s.edit(v, `{"text":"x"}`, v.Path()))
	}
	return out
}

// otherTarget names a type that R4 allows and the profile does not.
func otherTarget(s *spot) (out []edit) {
	own := s.slot.Members[0].Type
	if s.inSlice() || own.Code != "Reference" || len(s.e.Types) != 1 || len(s.e.Types[0].TargetProfiles) == 0 {
		return nil
	}
	const base = "http://hl7.org/fhir/StructureDefinition/"
	var allowed []string
	for _, t := range s.e.Types[0].TargetProfiles {
		typ, ok := strings.CutPrefix(t, base)
		if !ok || typ == "Resource" {
			return nil // what a profile is for is not known here
		}
		allowed = append(allowed, typ)
	}
	for _, typ := range own.Targets {
		if typ == "Resource" {
			typ = "TestReport"
		}
		if slices.Contains(allowed, typ) {
			continue
		}
		for _, v := range s.items() {
			out = append(out, s.edit(v, `{"reference":"`+typ+`/1"}`, v.Path(), "reference-target"))
		}
	}
	return out
}

func otherCode(s *spot) (out []edit) {
	b := s.e.Binding
	if s.inSlice() || b == nil || b.Strength != "required" || strings.HasPrefix(b.ValueSet, s.slot.ValueSet) && s.slot.ValueSet != "" {
		return nil
	}
	for _, v := range s.items() {
		switch v.Kind() {
		case fhir.Object:
			if v.Get("coding").Exists() || v.Get("text").Exists() {
				out = append(out, s.edit(v, `{"coding":[{"system":"http://example.org/none","code":"none"}]}`, v.Path()))
			}
		case fhir.String:
			out = append(out, s.edit(v, `"none-of-them"`, v.Path()))
		}
	}
	return out
}

func otherType(s *spot) []edit {
	if s.inSlice() || !s.slot.Choice() || len(s.values) != 1 || s.e.Max == 0 {
		return nil
	}
	for _, m := range s.slot.Members {
		raw := sampleOf(m.Type.Code)
		allowed := slices.ContainsFunc(s.e.Types, func(t snapshot.Type) bool { return t.Code == m.Type.Code })
		if raw == "" || allowed {
			continue
		}
		parts := strings.TrimSuffix(without(s.holder, s.values[0].Key()), "}")
		if parts != "{" {
			parts += ","
		}
		return []edit{s.edit(s.holder, parts+member(m.Name, raw)+"}", s.holder.Path()+"."+m.Name)}
	}
	return nil
}

// brokenInvariant takes members out until an invariant of the profile no longer
// holds, as FHIRPath says.
func brokenInvariant(g *Generator, root fhir.Value) (out []edit) {
	if g.st == nil || g.st.Type != root.Get("resourceType").Text() || len(g.st.Elements) == 0 {
		return nil
	}
	for _, c := range g.st.Elements[0].Constraints {
		p, err := path.Compile(c.Expression, g.st.Type)
		if c.Warning || err != nil || c.Source == "" || strings.HasPrefix(c.Source, "http://hl7.org/fhir/") {
			continue
		}
		for m := range root.All() {
			if m.Key() == "resourceType" || !strings.Contains(c.Expression, strings.TrimPrefix(m.Key(), "_")) {
				continue
			}
			raw := without(root, m.Key())
			r, err := fhir.Decode([]byte(raw))
			if err != nil {
				continue
			}
			if ok, err := p.Holds(r.Root(), path.Context{Resource: r.Root(), Root: r.Root()}); err == nil && !ok {
				out = append(out, edit{at: root, with: raw, path: root.Path(), rules: []string{c.Key}, profile: true, element: g.st.Type})
			}
		}
	}
	return out
}

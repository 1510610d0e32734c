package snapshot

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// types narrows the types of an element. What a line does not repeat of a type,
// its profiles or targets, stays as it was.
func (m *merger) types(list fhir.Value) {
	if !list.Exists() || m.n.up == nil {
		return
	}
	if m.e.ContentRef != "" {
		m.fault("the element repeats the content of another and can have no type")
		return
	}
	var out []Type
	for t := range list.Items() {
		if narrowed, ok := m.narrow(readType(t, m.n)); ok {
			out = append(out, narrowed)
		}
	}
	if len(out) > 0 {
		m.e.Types = out
	}
}

const fhirType = core + "structuredefinition-fhir-type"

func readType(t fhir.Value, n *node) Type {
	out := Type{Code: t.Get("code").Text()}
	if system, ok := strings.CutPrefix(out.Code, "http://hl7.org/fhirpath/System."); ok {
		out.Code = strings.ToLower(system[:1]) + system[1:]
		for x := range t.Get("extension").Items() {
			if x.Get("url").Text() == fhirType {
				out.Code = x.Get("valueUrl").Text()
			}
		}
		if len(n.el.Types) == 1 { // how a string of the format is typed is R4's to say
			out.Code = n.el.Types[0].Code
		}
	}
	out.Profiles = texts(t.Get("profile"))
	out.TargetProfiles = texts(t.Get("targetProfile"))
	out.Aggregation = texts(t.Get("aggregation"))
	return out
}

func texts(list fhir.Value) []string {
	var out []string
	for v := range list.Items() {
		if s := v.Text(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// narrow finds the type of the base that t narrows.
func (m *merger) narrow(t Type) (Type, bool) {
	i := slices.IndexFunc(m.e.Types, func(b Type) bool { return b.Code == t.Code })
	if i < 0 {
		i = slices.IndexFunc(m.e.Types, func(b Type) bool { return m.specialises(t.Code, b.Code) })
	}
	if i < 0 {
		m.fault("the type %s is not among those of the base: %s", safe(t.Code), codeList(m.e.Types))
		return t, false
	}
	b := m.e.Types[i]
	t.Profiles = m.within(b.Profiles, t.Profiles, t.Code, "profile")
	t.TargetProfiles = m.within(b.TargetProfiles, t.TargetProfiles, "Resource", "targetProfile")
	switch {
	case len(t.Aggregation) == 0:
		t.Aggregation = b.Aggregation
	case len(b.Aggregation) > 0 && slices.ContainsFunc(t.Aggregation, func(a string) bool { return !slices.Contains(b.Aggregation, a) }):
		m.fault("the aggregation of the base cannot be widened")
	}
	return t, true
}

// specialises reports whether a type may stand where the base has an abstract
// one: Patient for Resource.
func (m *merger) specialises(code, base string) bool {
	t := m.defs.Type(base)
	return t != nil && t.Abstract && m.defs.Type(code) != nil && m.defs.IsA(code, base)
}

func codeList(types []Type) string {
	codes := typeCodes(types)
	if len(codes) > 12 {
		codes = append(codes[:12:12], "…")
	}
	for i, c := range codes {
		if c != "…" {
			codes[i] = safe(c)
		}
	}
	return strings.Join(codes, ", ")
}

// within checks that each of list narrows one of base; none means base's.
func (m *merger) within(base, list []string, code, what string) []string {
	if len(list) == 0 {
		return base
	}
	if len(base) == 0 {
		base = []string{core + code}
	}
	for _, p := range list {
		if slices.Contains(base, p) {
			continue
		}
		switch reached, known := m.descends(p, base); {
		case reached:
		case !known:
			m.fault("the %s %s is not known here, so that it cannot be told whether it narrows the base: supply it too", what, safe(p))
		default:
			m.fault("the %s %s does not narrow those of the base: %s", what, safe(p), m.shortList(base))
		}
	}
	return list
}

// shortList names canonicals, R4's own by their type alone.
func (m *merger) shortList(list []string) string {
	var out []string
	for i, p := range list {
		if i == 12 {
			out = append(out, "…")
			break
		}
		out = append(out, safe(strings.TrimPrefix(p, core)))
	}
	return strings.Join(out, ", ")
}

// maxChain bounds how many profiles build on each other.
const maxChain = 32

// descends follows a canonical through what it builds on until one of base.
// known is false when the way ends at something that is not known here.
func (g *generator) descends(canonical string, base []string) (reached, known bool) {
	for range maxChain {
		if c := fhir.ParseCanonical(canonical); slices.ContainsFunc(base, func(b string) bool { return covers(b, c) }) {
			return true, true
		}
		s := g.ownHead(canonical)
		if s == nil {
			return false, false
		}
		if s.Base == "" {
			return false, true
		}
		canonical = s.Base
	}
	return false, true
}

// covers reports whether a canonical of the base admits c: a version that the
// base does not name is free.
func covers(base string, c fhir.Canonical) bool {
	b := fhir.ParseCanonical(base)
	return b.URL == c.URL && (b.Version == "" || b.Version == c.Version)
}

// ownHead is head, which also knows the profile being made.
func (g *generator) ownHead(canonical string) *Structure {
	if fhir.ParseCanonical(canonical).Matches(g.s.URL, g.s.Version) {
		return g.s
	}
	return g.head(canonical)
}

// narrowChoices restricts each choice that the differential names by types
// (valueQuantity) to these and to the types of its other slices, as the
// snapshots of R4's own profiles do. Where the differential lists the types of
// the choice itself, that list stands.
func (g *generator) narrowChoices() {
	for n, codes := range g.shorts {
		if n.el.By == g.s.Canonical() && n.el.Diff.Get("type").Exists() {
			continue
		}
		for _, s := range n.slices {
			codes = append(codes, typeCodes(s.el.Types)...)
		}
		n.el.Types = slices.DeleteFunc(slices.Clone(n.el.Types), func(t Type) bool { return !slices.Contains(codes, t.Code) })
		if n.el.Slicing != nil && n.el.Slicing.Rules == "open" {
			own := *n.el.Slicing
			own.Rules = "closed"
			n.el.Slicing = &own
		}
		n.el.By = g.s.Canonical()
	}
}

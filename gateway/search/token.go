package search

import (
	"slices"

	"trellis.example/gateway/store"
)

const tokenForm = "a token is code, system|code, |code or system|" //nolint:gosec // of a search

// specialValues is the system of booleans (R4 search, token).
const specialValues = "http://terminology.hl7.org/CodeSystem/special-values"

func (p *Param) token(v string) ([]store.Match, string) {
	parts := splitEscaped(v, '|')
	for i := range parts {
		parts[i] = unescape(parts[i])
	}
	switch {
	case len(parts) == 1:
		return []store.Match{{Value: clip(parts[0]), AnySystem: true}}, ""
	case len(parts) > 2 || parts[0] == "" && parts[1] == "":
		return nil, tokenForm
	case parts[1] == "" && p.bare():
		return p.codesOf(parts[0]), ""
	case parts[1] == "":
		return append(p.codesOf(parts[0]), store.Match{System: clip(parts[0]), Op: store.OpSystem}), ""
	}
	ms := []store.Match{{System: clip(parts[0]), Value: clip(parts[1])}}
	if parts[0] != "" && p.implies(parts[0], parts[1]) {
		ms = append(ms, store.Match{Value: clip(parts[1])})
	}
	return ms, ""
}

// bare reports whether all values of the parameter stand without a system.
func (p *Param) bare() bool {
	return len(p.datatypes) == 1 && (p.datatypes[0] == "code" || p.datatypes[0] == "boolean")
}

// implies reports whether a code that stands without a system has that one,
// because of the element's binding.
func (p *Param) implies(system, code string) bool {
	for _, set := range p.sets {
		if !set.Open && set.Has(system, code) {
			return true
		}
	}
	return system == specialValues && p.has("boolean")
}

// codesOf returns matches for all codes of a system that stand without it.
func (p *Param) codesOf(system string) (ms []store.Match) {
	if system == specialValues && p.has("boolean") {
		ms = append(ms, store.Match{Value: "true"}, store.Match{Value: "false"})
	}
	for _, set := range p.sets {
		for s, codes := range set.Concepts() {
			for _, code := range codes {
				if s == system {
					ms = append(ms, store.Match{Value: clip(code)})
				}
			}
		}
	}
	return ms
}

func (p *Param) identifierToken(v string) ([]store.Match, string) {
	bare := Param{}
	return bare.token(v)
}

// ofType reads system|code|value of the identifier's type and value.
func (m *matches) ofType(v string) string {
	parts := splitEscaped(v, '|')
	if len(parts) != 3 || slices.Contains(parts, "") {
		return "an identifier with its type is system|code|value"
	}
	for i := range parts {
		parts[i] = unescape(parts[i])
	}
	m.own = append(m.own, store.Match{Value: clip(parts[2]), AnySystem: true})
	m.other = append(m.other, store.Match{System: clip(parts[0] + "|" + parts[1]), Value: clip(parts[2])})
	return ""
}

// inSet looks for every code of a value set.
func (m *matches) inSet(r *Registry, p *Param, url string) string {
	set := r.defs.ValueSet(url)
	if set == nil || set.Open {
		return "the value set is not one whose codes this server can list"
	}
	for system, codes := range set.Concepts() {
		for _, code := range codes {
			if !p.bare() {
				m.own = append(m.own, store.Match{System: clip(system), Value: clip(code)})
			}
			if p.has("code") {
				m.own = append(m.own, store.Match{Value: clip(code)})
			}
		}
	}
	return ""
}

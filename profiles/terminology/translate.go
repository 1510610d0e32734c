package terminology

import (
	"net/http"
	"slices"

	"trellis.example/fhir"
)

// A TranslateRequest asks what a code becomes (R4 ConceptMap $translate).
type TranslateRequest struct {
	// URL is the canonical of a ConceptMap; or ConceptMap is the map itself; or
	// neither, and the maps are chosen by Source, Target and TargetSystem.
	URL        string
	ConceptMap fhir.Resource
	// Source and Target are value sets, TargetSystem a code system, by URL.
	Source, Target, TargetSystem string
	// Codings are the code, or those of a CodeableConcept.
	Codings []Coding
	// Reverse asks which source codes lead to the code.
	Reverse bool
}

// A Translation is the answer; Matches may be empty.
type Translation struct {
	// Result is true when a match says more than that there is none.
	Result  bool
	Message string
	Matches []Match
}

// A Match is one translation. Equivalence is a code of
// http://hl7.org/fhir/concept-map-equivalence: how the target stands to the
// source asked about. Source is the map that says so.
type Match struct {
	Equivalence, Comment string
	Coding
	Source string
}

// A conceptMap is a compiled ConceptMap.
type conceptMap struct {
	canonical      string
	source, target string // value sets
	groups         []mapGroup
}

type mapGroup struct {
	source, sourceVersion, target, targetVersion string
	elements                                     map[string][]Match
	reverse                                      map[string][]Match
	unmapped                                     unmapped
}

type unmapped struct{ mode, code, display, url string }

// maxMaps bounds the chain of maps that stand in for each other (unmapped
// mode other-map).
const maxMaps = 5

// Translate finds what the codes become. No map that fits is not-found.
func (s *Service) Translate(q TranslateRequest) (*Translation, error) {
	if len(q.Codings) == 0 {
		return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "send a code with its system, a coding or a codeableConcept")
	}
	maps, err := s.mapsFor(q)
	if err != nil {
		return nil, err
	}
	out := &Translation{}
	for _, c := range q.Codings {
		for _, m := range maps {
			out.Matches = append(out.Matches, s.translate(m, c, q, 0)...)
		}
	}
	for i := range out.Matches {
		m := &out.Matches[i]
		if m.Display == "" {
			m.Display, _ = s.Display(m.System, m.Code)
		}
		out.Result = out.Result || m.Equivalence != "unmatched" && m.Equivalence != "disjoint"
	}
	switch {
	case len(out.Matches) == 0:
		out.Message = "the map says nothing of the code"
	case !out.Result:
		out.Message = "the map says that the code has no match"
	}
	return out, nil
}

func (s *Service) mapsFor(q TranslateRequest) ([]*conceptMap, error) {
	if q.ConceptMap.Type() == "ConceptMap" {
		return []*conceptMap{readMap(q.ConceptMap)}, nil
	}
	if q.URL != "" {
		if m := s.conceptMap(q.URL); m != nil {
			return []*conceptMap{m}, nil
		}
		return nil, fhir.Errorf(fhir.NotFound, "a concept map of that url and version is not held here")
	}
	var out []*conceptMap
	for _, list := range s.conceptMaps {
		if m := compiledMap(list[0]); m.fits(q) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *conceptMap) int { return compareText(a.canonical, b.canonical) })
	if len(out) == 0 {
		return nil, fhir.Errorf(fhir.NotFound, "no concept map held here leads from that system or value set to that target; name one by its url")
	}
	return out, nil
}

func compareText(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// fits reports whether the map leads from and to what the question names.
func (m *conceptMap) fits(q TranslateRequest) bool {
	from, to := m.source, m.target
	if q.Reverse {
		from, to = to, from
	}
	if q.Source != "" && q.Source != from || q.Target != "" && q.Target != to {
		return false
	}
	return slices.ContainsFunc(m.groups, func(g mapGroup) bool {
		from, to := g.source, g.target
		if q.Reverse {
			from, to = to, from
		}
		return (q.TargetSystem == "" || q.TargetSystem == to) &&
			slices.ContainsFunc(q.Codings, func(c Coding) bool { return c.System == from })
	})
}

func (s *Service) conceptMap(canonical string) *conceptMap {
	c := fhir.ParseCanonical(canonical)
	e := find(s.conceptMaps[c.URL], c.Version)
	if e == nil {
		return nil
	}
	return compiledMap(e)
}

func compiledMap(e *entry) *conceptMap {
	if m := e.mapped.Load(); m != nil {
		return m
	}
	m := readMap(e.resource)
	e.mapped.Store(m)
	return m
}

func (s *Service) translate(m *conceptMap, c Coding, q TranslateRequest, depth int) []Match {
	var out []Match
	for i := range m.groups {
		g := &m.groups[i]
		from, to, table := g.source, g.target, g.elements
		if q.Reverse {
			from, to, table = to, from, g.reverse
		}
		if from != c.System || q.TargetSystem != "" && to != q.TargetSystem {
			continue
		}
		found := table[c.Code]
		if len(found) == 0 && !q.Reverse {
			found = s.unmapped(g, c, q, depth)
		}
		for _, f := range found {
			if f.Source == "" {
				f.Source = m.canonical
			}
			out = append(out, f)
		}
	}
	return out
}

// unmapped applies the group's rule for codes that it does not name.
func (s *Service) unmapped(g *mapGroup, c Coding, q TranslateRequest, depth int) []Match {
	target := Coding{System: g.target, Version: g.targetVersion, Code: c.Code}
	switch g.unmapped.mode {
	case "provided":
		return []Match{{Equivalence: "equal", Coding: target}}
	case "fixed":
		target.Code, target.Display = g.unmapped.code, g.unmapped.display
		return []Match{{Equivalence: "inexact", Coding: target}}
	case "other-map":
		if m := s.conceptMap(g.unmapped.url); m != nil && depth < maxMaps {
			return s.translate(m, c, q, depth+1)
		}
	}
	return nil
}

func readMap(r fhir.Resource) *conceptMap {
	root := r.Root()
	m := &conceptMap{canonical: fhir.Canonical{URL: root.Get("url").Text(), Version: root.Get("version").Text()}.String()}
	m.source = root.Get("sourceUri").Text() + root.Get("sourceCanonical").Text()
	m.target = root.Get("targetUri").Text() + root.Get("targetCanonical").Text()
	for v := range root.Get("group").Items() {
		m.groups = append(m.groups, readGroup(v))
	}
	return m
}

func readGroup(v fhir.Value) mapGroup {
	u := v.Get("unmapped")
	g := mapGroup{
		source: v.Get("source").Text(), sourceVersion: v.Get("sourceVersion").Text(),
		target: v.Get("target").Text(), targetVersion: v.Get("targetVersion").Text(),
		elements: map[string][]Match{}, reverse: map[string][]Match{},
		unmapped: unmapped{u.Get("mode").Text(), u.Get("code").Text(), u.Get("display").Text(), u.Get("url").Text()},
	}
	for e := range v.Get("element").Items() {
		from := e.Get("code").Text()
		for t := range e.Get("target").Items() {
			match := Match{
				Equivalence: t.Get("equivalence").Text(), Comment: t.Get("comment").Text(),
				Coding: Coding{g.target, g.targetVersion, t.Get("code").Text(), t.Get("display").Text()},
			}
			g.elements[from] = append(g.elements[from], match)
			if match.Code != "" {
				back := match
				back.Equivalence = reversed(match.Equivalence)
				to := back.Code
				back.Coding = Coding{g.source, g.sourceVersion, from, e.Get("display").Text()}
				g.reverse[to] = append(g.reverse[to], back)
			}
		}
	}
	return g
}

// reversed is the equivalence seen from the target.
func reversed(e string) string {
	switch e {
	case "wider":
		return "narrower"
	case "narrower":
		return "wider"
	case "subsumes":
		return "specializes"
	case "specializes":
		return "subsumes"
	}
	return e
}

// HasMap reports whether the concept map with that canonical is held.
func (s *Service) HasMap(canonical string) bool {
	c := fhir.ParseCanonical(canonical)
	return find(s.conceptMaps[c.URL], c.Version) != nil
}

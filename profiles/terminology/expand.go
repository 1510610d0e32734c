package terminology

import (
	"net/http"
	"strings"
	"unicode"

	"trellis.example/fhir"
)

// MaxExpansion is the largest number of codes that one expansion returns; more
// have to be asked for in pages.
const MaxExpansion = 5000

// An ExpandRequest asks for the codes of a value set (R4 ValueSet $expand).
type ExpandRequest struct {
	// URL is the canonical; or ValueSet is the definition itself.
	URL      string
	ValueSet fhir.Resource
	// Filter is text: each word of it must begin a word of the display, or the
	// code.
	Filter string
	// Offset and Count choose a page; a negative Count means all, 0 only the
	// total.
	Offset, Count int
	ActiveOnly    bool
	// Rest is a ValueSet with the expansion of [Service.Undecided], from a
	// terminology server: with it a set that is not held in full can be listed.
	Rest fhir.Resource
}

// An Expansion is what a value set holds.
type Expansion struct {
	// URL, Version, Name, Title and Status are the value set's.
	URL, Version, Name, Title, Status string
	// Total counts all codes that pass the filter; Contains is the page.
	Total    int
	Contains []Member
	// Systems are the code systems used, url|version.
	Systems []string
}

// A Member is a code of an expansion.
type Member struct {
	System, Version string
	*Concept
}

// Expand lists a value set. One that is not held is not-found; one whose codes
// cannot all be listed from what is held, or that has more than [MaxExpansion]
// codes and no page was asked for, is too-costly.
func (s *Service) Expand(q ExpandRequest) (*Expansion, error) {
	set, err := s.asked(q.URL, q.ValueSet)
	if err != nil {
		return nil, err
	}
	if why := set.unlisted(); why != "" && q.Rest.Type() != "ValueSet" {
		return nil, fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.TooCostly, "the value set cannot be listed: %s", why)
	}
	out := &Expansion{URL: set.url, Version: set.version, Name: set.name, Title: set.title, Status: set.status}
	x := expander{q: q, words: words(q.Filter), out: out, seen: map[[2]string]bool{}}
	x.set(set)
	x.rest(set)
	if q.Count < 0 && len(out.Contains) > MaxExpansion {
		return nil, fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.TooCostly,
			"the value set has %d codes; ask for a page with count, or narrow it with filter", out.Total)
	}
	return out, nil
}

// asked finds the value set that a question is about.
func (s *Service) asked(canonical string, inline fhir.Resource) (*Set, error) {
	if inline.Type() == "ValueSet" {
		return s.compile(composeOfResource(inline), nil)
	}
	if canonical == "" {
		return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "name the value set by its url, or send it as valueSet")
	}
	set, err := s.valueSet(canonical)
	if err == nil && set == nil {
		err = fhir.Errorf(fhir.NotFound, "a value set of that url and version is not held here")
	}
	return set, err
}

// Listed reports whether Expand can list the set from what is held; when it
// cannot, why says what is missing.
func (s *Set) Listed() (ok bool, why string) {
	why = s.unlisted()
	return why == "", why
}

// An expander walks a set's parts in order.
type expander struct {
	q     ExpandRequest
	words []string
	out   *Expansion
	seen  map[[2]string]bool
}

func (x *expander) set(set *Set) {
	for i := range set.include {
		p := &set.include[i]
		x.used(p)
		p.each(func(system string, c *Concept) {
			if set.Has(system, c.Code) == Yes {
				x.take(p, system, c)
			}
		})
	}
}

// rest adds what a terminology server listed, unless the set excludes it.
func (x *expander) rest(set *Set) {
	for _, m := range Listing(x.q.Rest) {
		if set.without(Yes, m.System, m.Code) == Yes {
			x.take(&part{url: m.System, system: &system{version: m.Version}}, m.System, m.Concept)
		}
	}
}

// Listing returns the codes of a ValueSet's expansion, nested ones too; those
// that only group others are left out.
func Listing(r fhir.Resource) []Member {
	return listed(nil, r.Root().At("expansion", "contains"))
}

func listed(out []Member, list fhir.Value) []Member {
	for v := range list.Items() {
		m := Member{System: v.Get("system").Text(), Version: v.Get("version").Text(), Concept: &Concept{
			Code: v.Get("code").Text(), Display: v.Get("display").Text(), Designations: readDesignations(v),
			Inactive: v.Get("inactive").Text() == "true", Abstract: v.Get("abstract").Text() == "true",
		}}
		if m.Code != "" && !m.Abstract {
			out = append(out, m)
		}
		out = listed(out, v.Get("contains"))
	}
	return out
}

// each calls f for every concept that the part may hold: its own codes, or
// those of its first import.
func (p *part) each(f func(system string, c *Concept)) {
	switch {
	case p.members != nil:
		for i := range p.members {
			f(p.url, &p.members[i])
		}
	case p.url != "" && p.system != nil:
		for i := range p.system.concepts {
			f(p.url, &p.system.concepts[i])
		}
	case p.url == "" && len(p.imports) > 0:
		first := p.imports[0]
		for i := range first.include {
			first.include[i].each(f)
		}
	}
}

func (x *expander) take(p *part, system string, c *Concept) {
	key := [2]string{system, c.Code}
	if x.seen[key] || x.q.ActiveOnly && c.Inactive || !matches(c, x.words) {
		return
	}
	x.seen[key] = true
	x.out.Total++
	if at := x.out.Total - 1; at < x.q.Offset || x.q.Count >= 0 && at >= x.q.Offset+x.q.Count {
		return
	}
	m := Member{System: system, Concept: c}
	if p.system != nil && p.url == system {
		m.Version = p.system.version
	}
	x.out.Contains = append(x.out.Contains, m)
}

// used notes the code systems that an expansion rests on.
func (x *expander) used(p *part) {
	if p.system != nil {
		u := fhir.Canonical{URL: p.system.url, Version: p.system.version}.String()
		for _, have := range x.out.Systems {
			if have == u {
				return
			}
		}
		x.out.Systems = append(x.out.Systems, u)
	}
	for _, s := range p.imports {
		for i := range s.include {
			x.used(&s.include[i])
		}
	}
}

func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// matches reports whether each word begins the code or a word of the display.
func matches(c *Concept, want []string) bool {
	if len(want) == 0 {
		return true
	}
	have := append(words(c.Display), strings.ToLower(c.Code))
	for _, w := range want {
		found := false
		for _, h := range have {
			if found = strings.HasPrefix(h, w); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

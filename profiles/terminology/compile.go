package terminology

import (
	"fmt"
	"slices"

	"trellis.example/fhir"
)

// Limits on value sets, which strangers may send with a question.
const (
	maxIncludes = 200
	maxImports  = 20 // of value sets within value sets
	maxPattern  = 500
	// Each filter may look at every code of a system beside every other: so many,
	// and so many bytes of values together, and as many value sets imported as
	// includes.
	maxFilters     = 100
	maxFilterBytes = 64 << 10
)

// compile makes a Set of a definition. path are the canonicals being compiled,
// so that a circle is found.
func (s *Service) compile(c compose, path []string) (*Set, error) {
	if len(c.include)+len(c.exclude) > maxIncludes {
		return nil, fhir.Errorf(fhir.TooCostly, "a value set may have %d includes and excludes", maxIncludes)
	}
	if err := c.bounded(); err != nil {
		return nil, err
	}
	set := &Set{url: c.url, version: c.version, name: c.name, title: c.title, status: c.status}
	set.canonical = fhir.Canonical{URL: c.url, Version: c.version}.String()
	path = append(path, c.url)
	for _, inc := range c.include {
		p, err := s.part(inc, path, c.noInactive)
		if err != nil {
			return nil, err
		}
		set.include = append(set.include, p)
	}
	if len(c.include) == 0 { // as of some that R4 only names: to hold nothing is not what it says
		set.include = []part{{rest: anyForm, why: "its definition does not say which codes it has"}}
	}
	for _, exc := range c.exclude {
		p, err := s.part(exc, path, false)
		if err != nil {
			return nil, err
		}
		set.exclude = append(set.exclude, p)
	}
	return set, nil
}

// bounded refuses a definition that would take long to compile or to list.
func (c *compose) bounded() error {
	filters, size, sets := 0, 0, 0
	for _, list := range [...][]include{c.include, c.exclude} {
		for _, inc := range list {
			filters, sets = filters+len(inc.filters), sets+len(inc.sets)
			for _, f := range inc.filters {
				size += len(f.Property) + len(f.Value)
			}
		}
	}
	switch {
	case filters > maxFilters || size > maxFilterBytes:
		return fhir.Errorf(fhir.TooCostly, "a value set may have %d filters, of %d bytes together", maxFilters, maxFilterBytes)
	case sets > maxIncludes:
		return fhir.Errorf(fhir.TooCostly, "a value set may import %d others", maxIncludes)
	}
	return nil
}

func (s *Service) part(inc include, path []string, noInactive bool) (part, error) {
	p := part{url: inc.system}
	if inc.system != "" {
		if err := s.ownPart(&p, inc, noInactive); err != nil {
			return p, err
		}
	}
	for _, u := range inc.sets {
		imported, err := s.imported(u, path)
		if err != nil {
			return p, err
		}
		if imported == nil {
			p.rest, p.why = anyForm, "the value set "+u+" is not held here"
			if p.url != "" {
				p.codes, p.members, p.system = map[string]int32{}, nil, nil
			}
			continue
		}
		p.imports = append(p.imports, imported)
	}
	return p, nil
}

// imported compiles a value set that another one includes; nil when it is not
// held.
func (s *Service) imported(canonical string, path []string) (*Set, error) {
	url := fhir.ParseCanonical(canonical).URL
	if slices.Contains(path, url) || len(path) > maxImports {
		return nil, fhir.Errorf(fhir.Processing, "the value set %s includes itself", path[0])
	}
	return s.compiled(canonical, path)
}

// ownPart fills in what an include says of one system.
func (s *Service) ownPart(p *part, inc include, noInactive bool) error {
	p.system = s.system(inc.system, inc.version)
	if len(inc.concepts) > 0 {
		p.enumerate(inc.concepts)
		return nil
	}
	if p.system == nil || !p.system.complete {
		p.rest = formOf(inc.system)
		if !byGrammar(inc.system) {
			p.why = "the code system " + inc.system + " is not held here in full"
		}
	}
	if len(inc.filters) > 0 {
		return p.filter(inc)
	}
	if noInactive && p.system != nil {
		p.keep(func(i int32) bool { return !p.system.concepts[i].Inactive })
	}
	return nil
}

// enumerate lists the codes that the value set itself names; what the system
// knows of them is added.
func (p *part) enumerate(list []Concept) {
	p.codes = make(map[string]int32, len(list))
	p.members = make([]Concept, 0, len(list))
	for _, c := range list {
		if p.system != nil {
			if i := p.system.find(c.Code); i >= 0 {
				known := p.system.concepts[i]
				known.Code, known.Abstract = c.Code, false // what is named may be used
				if c.Display != "" {
					known.Display = c.Display
				}
				known.Designations = append(slices.Clone(known.Designations), c.Designations...)
				c = known
			}
		}
		p.codes[c.Code] = int32(len(p.members))
		p.members = append(p.members, c)
	}
	p.fold = p.system != nil && p.system.fold
}

// keep narrows the part to the concepts of its system that pass.
func (p *part) keep(pass func(i int32) bool) {
	codes := map[string]int32{}
	if p.system != nil {
		for i := range p.system.concepts {
			i := int32(i)
			code := p.system.concepts[i].Code
			if _, in := p.codes[code]; (p.codes == nil || in) && pass(i) {
				codes[code] = i
			}
		}
		p.fold = p.system.fold
	}
	p.codes = codes
}

// unlisted says, for people, why the part cannot be listed; "" when it can.
func (p *part) unlisted() string {
	if p.rest == nil {
		for _, s := range p.imports {
			if w := s.unlisted(); w != "" {
				return w
			}
		}
		return ""
	}
	if p.why == "" {
		return fmt.Sprintf("the codes of %s follow a grammar and cannot be listed", p.url)
	}
	return p.why
}

func (s *Set) unlisted() string {
	for _, list := range [...][]part{s.include, s.exclude} {
		for i := range list {
			if w := list[i].unlisted(); w != "" {
				return w
			}
		}
	}
	return ""
}

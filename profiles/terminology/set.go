package terminology

// A Set is a compiled value set, immutable.
type Set struct {
	url, version, name, title, status string
	canonical                         string
	include, exclude                  []part
}

// A part is one include or exclude: the codes of one system, or any, that are
// in all its imports.
type part struct {
	system *system // nil: of imports alone
	url    string  // of system; "" when only imports count
	// members are listed by the value set itself; otherwise codes are indexes
	// into the system. codes is nil when all of the system is meant.
	members []Concept
	codes   map[string]int32
	fold    bool
	// rest judges what is not in codes; nil: No. why says, for people, what
	// would have to be known.
	rest    form
	why     string
	imports []*Set
}

// Canonical returns url|version.
func (s *Set) Canonical() string { return s.canonical }

// Has says whether the code of that system is in the set; abstract codes are
// not. It does not allocate.
func (s *Set) Has(system, code string) Answer {
	a := No
	for i := range s.include {
		a = or(a, s.include[i].has(system, code))
		if a == Yes {
			break
		}
	}
	if a == No {
		return No
	}
	return s.without(a, system, code)
}

// without takes from a what the set excludes.
func (s *Set) without(a Answer, system, code string) Answer {
	for i := range s.exclude {
		switch s.exclude[i].has(system, code) {
		case Yes:
			return No
		case Unknown:
			a = Unknown
		}
	}
	return a
}

// HasCode says whether the code is in the set in any of its systems: the rule
// for elements of type code. It does not allocate.
func (s *Set) HasCode(code string) Answer {
	a := No
	for i := range s.include {
		p := &s.include[i]
		if p.url != "" {
			a = or(a, s.Has(p.url, code))
		} else {
			a = or(a, p.importsHaveCode(code))
		}
		if a == Yes {
			return Yes
		}
	}
	return a
}

func (p *part) importsHaveCode(code string) Answer {
	a := Yes
	if p.rest != nil {
		a = Unknown // an import that is not held
	}
	for _, s := range p.imports {
		a = and(a, s.HasCode(code))
	}
	return a
}

func (p *part) has(system, code string) Answer {
	a := Yes
	if p.url != "" {
		if system != p.url {
			return No
		}
		a = p.own(code)
	} else if p.rest != nil {
		a = Unknown // an import that is not held
	}
	for _, s := range p.imports {
		if a == No {
			return No
		}
		a = and(a, s.Has(system, code))
	}
	return a
}

// own judges the code by the part itself, without imports.
func (p *part) own(code string) Answer {
	if c := p.concept(code); c != nil {
		return yesIf(!c.Abstract)
	}
	if p.rest == nil {
		return No
	}
	return p.rest(code)
}

// concept returns the concept that the part holds for the code, or nil.
func (p *part) concept(code string) *Concept {
	if p.codes == nil && p.members == nil {
		if p.system != nil {
			if i := p.system.find(code); i >= 0 {
				return &p.system.concepts[i]
			}
		}
		return nil
	}
	i, ok := p.codes[code]
	if !ok && p.fold && p.system != nil {
		if j := p.system.find(code); j >= 0 {
			i, ok = p.codes[p.system.concepts[j].Code]
		}
	}
	switch {
	case !ok:
		return nil
	case p.members != nil:
		return &p.members[i]
	}
	return &p.system.concepts[i]
}

func or(a, b Answer) Answer {
	if a == Yes || b == Yes {
		return Yes
	}
	if a == Unknown || b == Unknown {
		return Unknown
	}
	return No
}

func and(a, b Answer) Answer {
	if a == No || b == No {
		return No
	}
	if a == Unknown || b == Unknown {
		return Unknown
	}
	return Yes
}

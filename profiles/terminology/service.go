package terminology

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A Service answers from the definitions of R4 and a set of resources.
type Service struct {
	defs      *definitions.Definitions
	resources []fhir.Resource
	// By canonical URL, newest version first.
	codeSystems, valueSets, conceptMaps map[string][]*entry
	supplements                         map[string][]*entry // by the URL of the system supplemented

	// What was read of R4's own, by URL. Compiling something twice at once does no
	// harm, so nothing is locked meanwhile.
	systems cache[system]
	sets    cache[Set]
}

// An entry is one of the resources and what was compiled of it.
type entry struct {
	resource     fhir.Resource
	url, version string

	system atomic.Pointer[system]
	set    atomic.Pointer[Set]
	mapped atomic.Pointer[conceptMap]
}

// A cache keeps what was compiled by URL. Unlike sync.Map it takes a string
// without allocating.
type cache[T any] struct {
	mu sync.RWMutex
	m  map[string]*T
}

func (c *cache[T]) get(url string) *T {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[url]
}

// put keeps the value under a copy of the URL, which may be a part of a document.
func (c *cache[T]) put(url string, v *T) {
	url = strings.Clone(url)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[string]*T{}
	}
	c.m[url] = v
}

// New returns a service over R4's definitions and the CodeSystems, ValueSets
// and ConceptMaps among resources; others are passed over. It refuses two
// resources of one kind with the same url and version.
func New(defs *definitions.Definitions, resources []fhir.Resource) (*Service, error) {
	s := &Service{
		defs: defs, codeSystems: map[string][]*entry{}, valueSets: map[string][]*entry{},
		conceptMaps: map[string][]*entry{}, supplements: map[string][]*entry{},
	}
	for _, r := range resources {
		if err := s.add(r); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Service) add(r fhir.Resource) error {
	root := r.Root()
	e := &entry{resource: r, url: root.Get("url").Text(), version: root.Get("version").Text()}
	into := s.codeSystems
	switch r.Type() {
	case "CodeSystem":
		if root.Get("content").Text() == "supplement" {
			of := fhir.ParseCanonical(root.Get("supplements").Text()).URL
			s.supplements[of] = append(s.supplements[of], e)
		}
	case "ValueSet":
		into = s.valueSets
	case "ConceptMap":
		into = s.conceptMaps
	default:
		return nil
	}
	if e.url == "" {
		return fhir.Errorf(fhir.Required, "a %s without url cannot be referred to", r.Type())
	}
	if slices.ContainsFunc(into[e.url], func(o *entry) bool { return o.version == e.version }) {
		return fhir.Errorf(fhir.Duplicate, "%s %s|%s is there twice", r.Type(), e.url, e.version)
	}
	s.resources = append(s.resources, r)
	into[e.url] = append(into[e.url], e)
	slices.SortFunc(into[e.url], func(a, b *entry) int { return fhir.CompareVersions(b.version, a.version) })
	return nil
}

// Resources returns the resources that the service was made of, in their order.
func (s *Service) Resources() []fhir.Resource { return s.resources }

// find returns the resource with that version, the newest when version is "".
func find(list []*entry, version string) *entry {
	for _, e := range list {
		if version == "" || e.version == version {
			return e
		}
	}
	return nil
}

// Set returns the value set with that canonical, compiled, or nil when it is
// not held or its definition cannot be read.
func (s *Service) Set(canonical string) *Set {
	set, err := s.valueSet(canonical)
	if err != nil {
		return nil
	}
	return set
}

// valueSet returns a compiled value set; nil when it is not held.
func (s *Service) valueSet(canonical string) (*Set, error) {
	return s.compiled(canonical, nil)
}

// cached returns the set when it was compiled before.
func (s *Service) cached(c fhir.Canonical) *Set {
	if e := find(s.valueSets[c.URL], c.Version); e != nil {
		return e.set.Load()
	}
	return s.sets.get(c.URL).ofVersion(c.Version)
}

// ofVersion returns one of R4's sets when the version asked for may mean it.
func (s *Set) ofVersion(version string) *Set {
	if s == nil || version != "" && version != s.version && !strings.HasPrefix("4.0.1", version) {
		return nil
	}
	return s
}

// compiled is valueSet within the compilation of the sets in path.
func (s *Service) compiled(canonical string, path []string) (*Set, error) {
	c := fhir.ParseCanonical(canonical)
	if set := s.cached(c); set != nil {
		return set, nil
	}
	if e := find(s.valueSets[c.URL], c.Version); e != nil {
		set, err := s.compile(composeOfResource(e.resource), path)
		if err == nil {
			e.set.Store(set)
		}
		return set, err
	}
	def := s.defs.Compose(c.URL)
	if def == nil {
		return nil, nil
	}
	set, err := s.compile(composeOfR4(def), path)
	if err != nil {
		return nil, err
	}
	s.sets.put(c.URL, set)
	return set.ofVersion(c.Version), nil
}

// system returns a code system as far as it is held, with its supplements, or
// nil. When the version is another, what is held of the system counts as
// incomplete.
func (s *Service) system(url, version string) *system {
	e := find(s.codeSystems[url], version)
	if e == nil {
		e = find(s.codeSystems[url], "")
	}
	sys := s.held(url, e)
	if sys != nil && version != "" && sys.version != version && sys.complete {
		other := *sys
		other.complete = false
		return &other
	}
	return sys
}

// held returns the system as read before, or reads it. Reading it twice at once
// does no harm.
func (s *Service) held(url string, e *entry) *system {
	if e != nil {
		if sys := e.system.Load(); sys != nil {
			return sys
		}
		sys := s.build(url, e)
		e.system.Store(sys)
		return sys
	}
	if sys := s.systems.get(url); sys != nil {
		return sys
	}
	sys := s.build(url, nil)
	if sys != nil {
		s.systems.put(url, sys)
	}
	return sys
}

// build reads a code system; e is nil for one of R4's.
func (s *Service) build(url string, e *entry) *system {
	var sys *system
	if e != nil {
		sys = fromResource(e.resource)
	} else if cs := s.defs.CodeSystem(url); cs != nil {
		sys = fromR4(cs)
	}
	for _, sup := range s.supplements[url] {
		if sys == nil {
			sys = &system{url: strings.Clone(url), index: map[string]int32{}}
		}
		sys.supplement(fromResource(sup.resource))
	}
	return sys
}

// Code says whether the code is one of the code system's.
func (s *Service) Code(system, code string) Answer {
	if sys := s.system(system, ""); sys != nil {
		return sys.has(code)
	}
	return formOf(system)(code)
}

// Display returns the code's preferred text; false when it is not known here.
func (s *Service) Display(system, code string) (string, bool) {
	c := s.concept(system, "", code)
	if c == nil || c.Display == "" {
		return "", false
	}
	return c.Display, true
}

func (s *Service) concept(system, version, code string) *Concept {
	sys := s.system(system, version)
	if sys == nil {
		return nil
	}
	i := sys.find(code)
	if i < 0 {
		return nil
	}
	return &sys.concepts[i]
}

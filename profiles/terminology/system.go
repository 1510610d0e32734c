package terminology

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A Concept is a code with what is known of it here.
type Concept struct {
	Code, Display, Definition string
	Designations              []Designation
	Properties                []Property
	// Abstract codes group others and must not be used; inactive ones should not
	// be used any more.
	Abstract, Inactive bool

	parents []int32 // indexes into the system's concepts
}

// A Designation is another text of a concept.
type Designation struct {
	Language, Value string
	Use             fhir.Coding
}

// A Property is a fact about a concept. Type is code, Coding, string, integer,
// boolean, dateTime or decimal; Value its text, or the code of Coding.
type Property struct {
	Code, Type, Value string
	Coding            fhir.Coding
}

// A system is a code system as far as it is held.
type system struct {
	url, version, name, title string
	// complete: a code that is not here does not exist.
	complete bool
	fold     bool // case does not matter
	concepts []Concept
	index    map[string]int32
}

// find returns the index of a code, or -1.
func (s *system) find(code string) int32 {
	if i, ok := s.index[code]; ok {
		return i
	}
	if s.fold {
		for i := range s.concepts {
			if strings.EqualFold(s.concepts[i].Code, code) {
				return int32(i)
			}
		}
	}
	return -1
}

// has says whether the code exists, abstract or not.
func (s *system) has(code string) Answer {
	switch {
	case s.find(code) >= 0:
		return Yes
	case s.complete:
		return No
	}
	return formOf(s.url)(code)
}

// isA reports whether concept i is the code at root or below it.
func (s *system) isA(i, root int32) bool { return s.under(i, root, 0) }

func (s *system) under(i, root int32, depth int) bool {
	if i == root {
		return true
	}
	if depth > 50 { // a definition that goes in a circle
		return false
	}
	for _, p := range s.concepts[i].parents {
		if s.under(p, root, depth+1) {
			return true
		}
	}
	return false
}

func (s *system) add(c Concept) {
	if _, ok := s.index[c.Code]; ok {
		return
	}
	s.index[c.Code] = int32(len(s.concepts))
	s.concepts = append(s.concepts, c)
}

func fromR4(cs *definitions.CodeSystem) *system {
	s := &system{
		url: cs.URL, version: cs.Version, name: cs.Name, title: cs.Title,
		complete: cs.Content == "complete", concepts: make([]Concept, 0, len(cs.Concepts)),
		index: make(map[string]int32, len(cs.Concepts)),
	}
	for _, c := range cs.Concepts {
		s.add(Concept{Code: c.Code, Display: c.Display, parents: c.Parents, Abstract: c.Abstract, Inactive: c.Inactive})
	}
	return s
}

// fromResource reads a CodeSystem, a supplement included.
func fromResource(r fhir.Resource) *system {
	root := r.Root()
	s := &system{
		url: root.Get("url").Text(), version: root.Get("version").Text(),
		name: root.Get("name").Text(), title: root.Get("title").Text(),
		complete: root.Get("content").Text() == "complete",
		fold:     root.Get("caseSensitive").Text() == "false", index: map[string]int32{},
	}
	s.read(root.Get("concept"), -1)
	for i := range s.concepts {
		s.link(int32(i))
	}
	return s
}

func (s *system) read(list fhir.Value, parent int32) {
	for v := range list.Items() {
		c := readConcept(v)
		if parent >= 0 {
			c.parents = []int32{parent}
		}
		s.add(c)
		s.read(v.Get("concept"), s.index[c.Code])
	}
}

func readConcept(v fhir.Value) Concept {
	c := Concept{Code: v.Get("code").Text(), Display: v.Get("display").Text(), Definition: v.Get("definition").Text()}
	c.Designations = readDesignations(v)
	for p := range v.Get("property").Items() {
		prop := readProperty(p)
		c.Properties = append(c.Properties, prop)
		switch prop.Code {
		case "notSelectable", "abstract":
			c.Abstract = c.Abstract || prop.Value == "true"
		case "inactive":
			c.Inactive = c.Inactive || prop.Value == "true"
		case "status":
			c.Inactive = c.Inactive || prop.Value == "retired" || prop.Value == "deprecated"
		}
	}
	return c
}

func readDesignations(v fhir.Value) []Designation {
	var out []Designation
	for d := range v.Get("designation").Items() {
		out = append(out, Designation{Language: d.Get("language").Text(), Value: d.Get("value").Text(), Use: readCoding(d.Get("use"))})
	}
	return out
}

func readCoding(v fhir.Value) fhir.Coding {
	return fhir.Coding{System: v.Get("system").Text(), Code: v.Get("code").Text(), Display: v.Get("display").Text()}
}

func readProperty(v fhir.Value) Property {
	p := Property{Code: v.Get("code").Text()}
	for m := range v.All() {
		typ, ok := strings.CutPrefix(m.Key(), "value")
		if !ok || typ == "" {
			continue
		}
		if p.Type = typ; typ != "Coding" {
			p.Type, p.Value = strings.ToLower(typ[:1])+typ[1:], m.Text()
			continue
		}
		p.Coding = readCoding(m)
		p.Value = p.Coding.Code
	}
	return p
}

// link adds the parents that the properties parent, child and subsumedBy give.
func (s *system) link(i int32) {
	for _, p := range s.concepts[i].Properties {
		other, ok := s.index[p.Value]
		if !ok || other == i {
			continue
		}
		switch p.Code {
		case "parent", "subsumedBy":
			s.concepts[i].parents = append(s.concepts[i].parents, other)
		case "child":
			s.concepts[other].parents = append(s.concepts[other].parents, i)
		}
	}
}

// supplement adds what another resource says of the system's codes. Codes that
// only the supplement has are known to exist: a supplement defines none.
func (s *system) supplement(other *system) {
	for _, c := range other.concepts {
		i := s.find(c.Code)
		if i < 0 {
			c.parents = nil
			s.add(c)
			continue
		}
		have := &s.concepts[i]
		have.Designations = append(have.Designations, c.Designations...)
		have.Properties = append(have.Properties, c.Properties...)
		if have.Display == "" {
			have.Display = c.Display
		}
	}
}

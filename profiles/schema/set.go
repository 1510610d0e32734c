package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// Address is where our schemas are said to live: the base of each $id.
const Address = "https://trellis.example/schemas/"

// A Code is one code of a value set.
type Code struct{ System, Code string }

// Codes lists a value set by canonical; false when it is not known or cannot be
// listed.
type Codes func(valueSet string) ([]Code, bool)

// A Set is every schema there is: one for each profile and version, and one for
// each resource type of R4. Where profiles of others have a name of ours, or the
// same name as another, the first keeps it and the rest have no schema.
type Set struct {
	defs       *definitions.Definitions
	codes      Codes
	structures map[string]*snapshot.Structure // by canonical, with and without version
	list       []Entry
	makers     map[string]func() Schema
}

// An Entry describes a schema without making it.
type Entry struct {
	Name, Title string
	// Type is the resource type, Canonical what the schema was made of, version
	// included.
	Type, Canonical string
}

// A Schema is one JSON Schema.
type Schema struct {
	Entry
	// JSON is the document; the caller must not modify it.
	JSON []byte
	// Tag changes when JSON does: a strong entity tag without quotes.
	Tag string
}

// New returns the schemas of R4's resource types and of the profiles of
// resources among structures; others among them, such as extensions, are used
// where the profiles name them. codes lists value sets beyond R4's own; it may be
// nil.
func New(defs *definitions.Definitions, structures []*snapshot.Structure, codes Codes) *Set {
	s := &Set{defs: defs, codes: codes, structures: map[string]*snapshot.Structure{}, makers: map[string]func() Schema{}}
	for _, st := range structures {
		s.structures[st.Canonical()] = st
		if newest := s.structures[st.URL]; newest == nil || fhir.CompareVersions(st.Version, newest.Version) > 0 {
			s.structures[st.URL] = st
		}
	}
	for _, own := range []bool{true, false} { // a name of ours stays ours
		for _, st := range structures {
			if strings.HasPrefix(st.URL, ours) == own && st.Kind == "resource" && st.Constraint && defs.IsResource(st.Type) {
				s.addProfile(st)
			}
		}
	}
	for _, typ := range defs.Resources() {
		s.add(Entry{Name: "r4-" + typ, Title: typ + " (FHIR R4)", Type: typ, Canonical: core + typ + "|4.0.1"}, nil)
	}
	slices.SortFunc(s.list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// core is the canonical base of R4's own definitions, ours that of Trellis.
const (
	core = "http://hl7.org/fhir/StructureDefinition/"
	ours = "https://trellis.example/fhir/StructureDefinition/"
)

// addProfile adds a profile under its name, when it is the newest version, and
// under name and version.
func (s *Set) addProfile(st *snapshot.Structure) {
	e := Entry{Name: lastPart(st.URL), Title: st.Title, Type: st.Type, Canonical: st.Canonical()}
	if s.structures[st.URL] == st {
		s.add(e, st)
	}
	if st.Version != "" {
		e.Name += "-" + st.Version
		s.add(e, st)
	}
}

// add adds a schema unless there is one of that name.
func (s *Set) add(e Entry, st *snapshot.Structure) {
	if s.makers[e.Name] != nil {
		return
	}
	s.list = append(s.list, e)
	s.makers[e.Name] = sync.OnceValue(func() Schema { return s.make(e, st) })
}

func (s *Set) make(e Entry, st *snapshot.Structure) Schema {
	b := newBuilder(s)
	doc := b.document(e, st)
	body, err := json.Marshal(doc)
	if err != nil { // maps, slices, strings and numbers always encode
		return Schema{Entry: e}
	}
	sum := sha256.Sum256(body)
	return Schema{Entry: e, JSON: body, Tag: hex.EncodeToString(sum[:12])}
}

// List returns every schema's description in order of name.
func (s *Set) List() []Entry { return s.list }

// Schema returns one schema by name; false when there is none of that name. The
// first call makes it, in some milliseconds.
func (s *Set) Schema(name string) (Schema, bool) {
	m := s.makers[name]
	if m == nil {
		return Schema{}, false
	}
	return m(), true
}

// find returns a structure by canonical, or nil.
func (s *Set) find(canonical string) *snapshot.Structure {
	if st := s.structures[canonical]; st != nil {
		return st
	}
	url, _, _ := strings.Cut(canonical, "|")
	return s.structures[url]
}

func lastPart(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

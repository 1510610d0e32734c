package profiles

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// r4Base is the canonical base of R4's own definitions.
const r4Base = "http://hl7.org/fhir/StructureDefinition/"

// A definition is one version of a StructureDefinition. Its snapshot and its
// checks are made when first needed.
type definition struct {
	Profile
	source   fhir.Resource
	compiled atomic.Pointer[profile]
}

func (d *definition) canonical() string {
	if d.Version == "" {
		return d.URL
	}
	return d.URL + "|" + d.Version
}

// A shelf holds definitions, several versions of each side by side.
type shelf struct {
	defs  *definitions.Definitions
	list  []*definition            // by URL, older versions first
	byURL map[string][]*definition // newest first

	mu       sync.Mutex // the library makes one snapshot at a time
	library  *snapshot.Library
	foreign  sync.Map // URL of an extension of R4 to its *definition
	ownTypes sync.Map // name of a type of R4 to its *snapshot.Structure
}

func newShelf(defs *definitions.Definitions, sources []fhir.Resource) (*shelf, error) {
	s := &shelf{defs: defs, byURL: map[string][]*definition{}}
	for _, r := range sources {
		d, err := newDefinition(defs, r)
		if err != nil {
			return nil, err
		}
		if s.exact(r) != nil {
			return nil, fhir.Errorf(fhir.Duplicate, "%s|%s is defined twice", shownURL(d.URL), shownVersion(d.Version))
		}
		s.list = append(s.list, d)
		s.byURL[d.URL] = append(s.byURL[d.URL], d)
		slices.SortStableFunc(s.byURL[d.URL], func(a, b *definition) int { return fhir.CompareVersions(b.Version, a.Version) })
	}
	slices.SortFunc(s.list, func(a, b *definition) int {
		return cmp.Or(strings.Compare(a.URL, b.URL), fhir.CompareVersions(a.Version, b.Version))
	})
	var err error
	s.library, err = snapshot.NewLibrary(defs, sources)
	return s, err
}

// newDefinition reads the head of a StructureDefinition. Types that are no
// constraint on one of R4's, and abstract ones, cannot be applied to a document.
func newDefinition(defs *definitions.Definitions, r fhir.Resource) (*definition, error) {
	root := r.Root()
	d := &definition{source: r, Profile: Profile{
		URL: root.Get("url").Text(), Type: root.Get("type").Text(),
		Version: root.Get("version").Text(), Title: root.Get("title").Text(), JSON: r.JSON(),
	}}
	refuse := func(text string) (*definition, error) {
		return nil, fhir.Errorf(fhir.Invalid, "%s: %s", shownURL(d.URL), text)
	}
	typ := defs.Type(d.Type)
	switch {
	case r.Type() != "StructureDefinition" || d.URL == "" || strings.ContainsAny(d.URL, "|# \t\r\n") || strings.ContainsAny(d.Version, "|# \t\r\n"):
		return refuse("expected a StructureDefinition with a url")
	case root.Get("kind").Text() == "logical":
		return refuse("a logical model describes no document")
	case root.Get("abstract").Text() == "true":
		return refuse("an abstract type has no documents of its own")
	case root.Get("derivation").Text() == "specialization" || typ == nil || typ.Abstract:
		return refuse("expected a constraint on a type of R4 that is not abstract")
	case d.URL == r4Base+d.Type:
		return refuse("R4's own type may not be replaced")
	}
	return d, nil
}

// find returns the definition that a canonical names: exactly the version it
// says, else the newest; nil when there is none.
func (s *shelf) find(canonical string) *definition {
	c := fhir.ParseCanonical(canonical)
	list := s.byURL[c.URL]
	if c.Version == "" && len(list) > 0 {
		return list[0]
	}
	for _, d := range list {
		if d.Version == c.Version {
			return d
		}
	}
	return nil
}

// exact returns the definition made of a resource.
func (s *shelf) exact(r fhir.Resource) *definition {
	url, version := r.Root().Get("url").Text(), r.Root().Get("version").Text()
	for _, d := range s.byURL[url] {
		if d.Version == version {
			return d
		}
	}
	return nil
}

// structure returns the snapshot of a definition.
func (s *shelf) structure(d *definition) (*snapshot.Structure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.library.Make(d.canonical())
}

// typeStructure returns the snapshot of one of R4's own types, or nil.
func (s *shelf) typeStructure(name string) *snapshot.Structure {
	if known, ok := s.ownTypes.Load(name); ok {
		t, _ := known.(*snapshot.Structure)
		return t
	}
	t := snapshot.Base(s.defs, name)
	if t != nil {
		s.ownTypes.Store(name, t)
	}
	return t
}

// ownType returns the type of R4 whose own definition a canonical names, or "".
func ownType(defs *definitions.Definitions, canonical string) string {
	name, ok := strings.CutPrefix(fhir.ParseCanonical(canonical).URL, r4Base)
	if !ok || defs.Type(name) == nil {
		return ""
	}
	return name
}

// shownURL and shownVersion show what a definition calls itself, unless it is too
// strange to be shown.
func shownURL(s string) string {
	if s == "" || len(s) > 300 || !isURI(s) {
		return "a definition"
	}
	return s
}

func shownVersion(s string) string {
	if len(s) > 64 || strings.ContainsAny(s, " \t\r\n") {
		return "?"
	}
	return s
}

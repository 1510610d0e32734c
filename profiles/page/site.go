package page

import (
	"cmp"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/profiles/snapshot"
	"trellis.example/profiles/terminology"
)

// A Link is a place that a page points to.
type Link struct{ Title, Address string }

// Codes lists the first codes of a value set in words, and how many there are;
// total 0 means that they cannot be listed.
type Codes func(valueSet string) (words []string, total int)

// Listed gives the codes that a terminology service can list.
func Listed(s *terminology.Service) Codes {
	return func(valueSet string) (words []string, total int) {
		x, err := s.Expand(terminology.ExpandRequest{URL: valueSet, Count: shownCodes})
		if err != nil {
			return nil, 0
		}
		for _, m := range x.Contains {
			words = append(words, cmp.Or(m.Display, m.Code))
		}
		return words, x.Total
	}
}

// shownCodes is how many codes of a value set a page shows.
const shownCodes = 30

// A Site knows all structures that pages are made of and that refer to each
// other. It is immutable.
type Site struct {
	list  []*snapshot.Structure
	byURL map[string][]*snapshot.Structure // newest first
	users map[string][]*snapshot.Structure // URL of an extension: the profiles that name it
	// examples are links by canonical URL of the profile they claim.
	examples map[string][]Link
	codes    Codes
}

// New returns the site of a list of structures, older versions before newer
// ones. examples are documents that claim a profile, by its canonical URL; they
// and codes may be nil.
func New(list []*snapshot.Structure, examples map[string][]Link, codes Codes) *Site {
	s := &Site{
		list: list, byURL: map[string][]*snapshot.Structure{}, users: map[string][]*snapshot.Structure{},
		examples: examples, codes: codes,
	}
	for _, st := range list {
		s.byURL[st.URL] = append([]*snapshot.Structure{st}, s.byURL[st.URL]...)
	}
	for _, st := range list {
		if s.newest(st) {
			s.use(st)
		}
	}
	return s
}

// use notes the extensions and profiles that a structure names on its types.
func (s *Site) use(st *snapshot.Structure) {
	for i := range st.Elements {
		e := &st.Elements[i]
		if e.By != st.Canonical() {
			continue
		}
		for _, t := range e.Types {
			for _, p := range t.Profiles {
				url := fhir.ParseCanonical(p).URL
				if !slices.Contains(s.users[url], st) {
					s.users[url] = append(s.users[url], st)
				}
			}
		}
	}
}

func (s *Site) newest(st *snapshot.Structure) bool {
	list := s.byURL[st.URL]
	return len(list) > 0 && list[0] == st
}

// find returns the structure that a canonical means, or nil.
func (s *Site) find(canonical string) *snapshot.Structure {
	c := fhir.ParseCanonical(canonical)
	for _, st := range s.byURL[c.URL] {
		if c.Version == "" || c.Version == st.Version {
			return st
		}
	}
	return nil
}

// Files returns the Markdown files of docs/profiles by name: README.md, and one
// for the newest version of each structure.
func (s *Site) Files() map[string][]byte {
	out := map[string][]byte{"README.md": s.Index()}
	for _, st := range s.list {
		if s.newest(st) {
			out[file(st)] = s.Markdown(st)
		}
	}
	return out
}

// file is the name of a structure's page.
func file(st *snapshot.Structure) string {
	id := st.Source.ID()
	if id == "" {
		id = st.URL[strings.LastIndexByte(st.URL, '/')+1:]
	}
	return id + ".md"
}

// Markdown returns the page of a structure.
func (s *Site) Markdown(st *snapshot.Structure) []byte {
	w := writer{site: s, st: st, link: func(to *snapshot.Structure) string { return file(to) }}
	w.page()
	return []byte(w.b.String())
}

// Narrative returns the page as the <div> of a narrative: links lead to the
// canonicals.
func (s *Site) Narrative(st *snapshot.Structure) string {
	w := writer{site: s, st: st, link: func(to *snapshot.Structure) string { return to.URL }, narrative: true}
	w.page()
	return xhtml(w.b.String())
}

// Publish returns the definition as it is served: with snapshot and narrative.
func (s *Site) Publish(st *snapshot.Structure) ([]byte, error) {
	return st.PublishWith(s.Narrative(st))
}

// Index returns the page that leads to the others.
func (s *Site) Index() []byte {
	w := writer{site: s, link: func(to *snapshot.Structure) string { return file(to) }}
	w.b.WriteString("# Profiles\n\n" + introduction)
	groups := [...]struct {
		title, text string
		in          func(*snapshot.Structure) bool
	}{
		{"Profiles applied to every document", "Each is named like its type and is applied to every document of it that the gateway takes.", isDefault},
		{"Profiles for a use", "A document claims one in `meta.profile`, or a partner's agreement asks for it.", isUse},
		{"Our extensions", "What FHIR and UK Core have no element for.", isOwnExtension},
		{"Extensions of UK Core", "Known here by their shape, context and terminology; their canonicals are UK Core's.", isOtherExtension},
	}
	for _, g := range groups {
		w.group(g.title, g.text, g.in)
	}
	return []byte(w.b.String())
}

const introduction = `These pages say what a document must hold to be accepted, and why. They are made from the definitions that
documents are judged by (` + "`profiles/data`" + `), so that page and validator cannot say different things.

How to read them: *How many* gives the least and the most, so that 1..1 is mandatory, 0..1 optional and 0..* any number.
A **must** element is one that every system must be able to fill and to use when it is there; it may still be absent.
An **error** refuses a document; a **warning** is passed on with it.

A gateway serves each of them to programs as well: the definition with its snapshot at ` + "`/fhir/StructureDefinition`" + `, found by
its ` + "`url` and `version`" + `, and a JSON Schema at ` + "`/schemas/`" + ` to check a document by before it is sent.

`

func (w *writer) group(title, text string, in func(*snapshot.Structure) bool) {
	var list []*snapshot.Structure
	for _, st := range w.site.list {
		if w.site.newest(st) && in(st) {
			list = append(list, st)
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b *snapshot.Structure) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(titleOf(a), titleOf(b)))
	})
	w.heading(2, title)
	w.paragraph(text)
	w.table("Page", "For", "Version", "In short")
	for _, st := range list {
		w.row(w.to(st, titleOf(st)), code(st.Type), plain(st.Version), plain(st.Source.Root().Get("description").Text()))
	}
	w.end()
}

const ourBase = "https://trellis.example/"

func isDefault(st *snapshot.Structure) bool {
	return st.Type != "Extension" && strings.HasPrefix(st.URL, ourBase) && strings.HasSuffix(st.URL, "/"+st.Type)
}

func isUse(st *snapshot.Structure) bool { return st.Type != "Extension" && !isDefault(st) }

func isOwnExtension(st *snapshot.Structure) bool {
	return st.Type == "Extension" && strings.HasPrefix(st.URL, ourBase)
}

func isOtherExtension(st *snapshot.Structure) bool {
	return st.Type == "Extension" && !isOwnExtension(st)
}

func titleOf(st *snapshot.Structure) string { return cmp.Or(st.Title, st.Name, st.URL) }

package snapshot

import (
	"cmp"
	"slices"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A Library makes the snapshots of a set of StructureDefinitions that build on
// and refer to each other, in whatever order they come. It is not safe for
// concurrent use while it makes them; what it returns is immutable.
type Library struct {
	trees *trees
	byURL map[string][]*volume // newest first
	all   []*volume            // by URL, older versions first
	depth int
}

// A volume is one definition of a library.
type volume struct {
	head *Structure
	made *Structure
	err  error
	// state tells what was begun from what is done.
	state state
}

type state uint8

const (
	untouched state = iota
	begun
	done
)

// NewLibrary returns a library of the given StructureDefinitions. Nothing is
// generated yet. Other types of resource, definitions without a url, and a
// second one of the same url and version are errors; the library holds the rest
// all the same.
func NewLibrary(defs *definitions.Definitions, list []fhir.Resource) (*Library, error) {
	l := &Library{trees: newTrees(defs), byURL: map[string][]*volume{}}
	var issues []fhir.Issue
	refuse := func(h *Structure, text string) {
		issues = append(issues, fhir.Issue{Code: fhir.Invalid, Rule: "snapshot", Profile: safe(h.Canonical()), Text: text})
	}
	for _, r := range list {
		h := Head(r)
		switch {
		case r.Type() != "StructureDefinition" || h.URL == "":
			refuse(h, "a StructureDefinition with a url was expected")
		case l.volume(h.Canonical(), true) != nil:
			refuse(h, "there are two definitions of this url and version")
		default:
			v := &volume{head: h}
			l.all = append(l.all, v)
			l.byURL[h.URL] = append(l.byURL[h.URL], v)
		}
	}
	for _, same := range l.byURL {
		slices.SortFunc(same, func(a, b *volume) int { return fhir.CompareVersions(b.head.Version, a.head.Version) })
	}
	slices.SortFunc(l.all, func(a, b *volume) int {
		return cmp.Or(cmp.Compare(a.head.URL, b.head.URL), fhir.CompareVersions(a.head.Version, b.head.Version))
	})
	return l, fhir.Faults(issues)
}

// volume finds a definition; exact asks for this very version.
func (l *Library) volume(canonical string, exact bool) *volume {
	c := fhir.ParseCanonical(canonical)
	for _, v := range l.byURL[c.URL] {
		if v.head.Version == c.Version || !exact && c.Version == "" {
			return v
		}
	}
	return nil
}

// Find returns the structure with that canonical, the newest when it names no
// version, R4's own types among them; nil when there is none or it is at fault.
func (l *Library) Find(canonical string) *Structure {
	if typ, ok := coreType(canonical); ok {
		if s := l.trees.base(typ); s != nil {
			return s
		}
	}
	v := l.volume(canonical, false)
	if v == nil {
		return nil
	}
	l.make(v)
	if v.state == begun { // it builds on itself: who asks sees its head alone
		return v.head
	}
	return v.made
}

// Make returns the structure with that canonical as Find does, and for one that
// is at fault the error with every fault of it.
func (l *Library) Make(canonical string) (*Structure, error) {
	if s := l.Find(canonical); s != nil {
		return s, nil
	}
	if v := l.volume(canonical, false); v != nil {
		return nil, v.err
	}
	return nil, fhir.Errorf(fhir.NotFound, "the definition %s is not known here", safe(canonical))
}

// head is Find for a structure's Type and Base, which are known before it is
// made.
func (l *Library) head(canonical string) *Structure {
	if v := l.volume(canonical, false); v != nil {
		return v.head
	}
	return nil
}

func (l *Library) make(v *volume) {
	if v.state != untouched {
		return
	}
	v.state = begun
	if l.depth++; l.depth > maxChain {
		v.err = fhir.Errorf(fhir.TooLong, "more than %d profiles build on each other", maxChain)
	} else {
		v.made, v.err = newGenerator(l.trees.defs, l.Find, l.head, l.trees).generate(v.head.Source)
	}
	l.depth--
	v.state = done
}

// All generates everything and returns what could be made in order of URL and
// version, with every fault of the rest.
func (l *Library) All() ([]*Structure, error) {
	var out []*Structure
	var issues []fhir.Issue
	for _, v := range l.all {
		if l.make(v); v.err != nil {
			issues = append(issues, fhir.AsError(v.err).Issues...)
			continue
		}
		out = append(out, v.made)
	}
	return out, fhir.Faults(issues)
}

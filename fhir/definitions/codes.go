package definitions

import (
	_ "embed" // the tables
	"maps"
	"slices"
	"strings"
	"sync"
)

// The code systems and the value sets' composition are text like the types:
//
//	S url version name title content s     a code system; "s": case matters
//	c code display parents flags           a code of it; parents are indexes,
//	                                       flags a (abstract) and i (inactive)
//	V url version name title status        a value set
//	+ system valueset…                     what it includes; "-": excludes
//	f property op value                    a filter of the include
//	c code display                         a code of the include
//
//go:embed r4codes.txt.gz
var compressedCodes []byte

// CodesText returns the embedded code systems and value sets as text.
func CodesText() string { return unpack(compressedCodes) }

// A CodeSystem is a code system of R4 as far as its content is published with
// the specification.
type CodeSystem struct {
	URL, Version, Name, Title string
	// Content is complete, fragment, example or not-present.
	Content       string
	CaseSensitive bool
	// Concepts are in document order: parents before children.
	Concepts []CodeConcept
}

// A CodeConcept is one code of a code system, or of a value set's include, of
// which only Code and Display are set.
type CodeConcept struct {
	Code, Display string
	// Parents are indexes into the system's Concepts: by nesting, and by the
	// child property with which the v3 systems give a code a second parent.
	Parents []int32
	// Abstract codes group others and must not be used; inactive ones are
	// retired or deprecated.
	Abstract, Inactive bool
}

// A Compose is how R4 defines one of its value sets.
type Compose struct {
	URL, Version, Name, Title, Status string
	Include, Exclude                  []Include
}

// An Include is one part of a value set: the codes of System, or Concepts of
// it, that pass every filter and are in every one of ValueSets.
type Include struct {
	System    string
	Concepts  []CodeConcept
	Filters   []Filter
	ValueSets []string
}

// A Filter selects codes by a property (ValueSet.compose.include.filter).
type Filter struct{ Property, Op, Value string }

type codeTable struct {
	once     sync.Once
	systems  map[string]*lazyCodes[CodeSystem]
	composes map[string]*lazyCodes[Compose]
}

// lazyCodes is a record's lines until it is asked for.
type lazyCodes[T any] struct {
	once  sync.Once
	text  string
	value T
}

func (l *lazyCodes[T]) get(parse func(string) T) *T {
	if l == nil {
		return nil
	}
	l.once.Do(func() { l.value = parse(l.text) })
	return &l.value
}

// CodeSystem returns R4's code system with that URL, or nil. The first call of
// it or of [Definitions.Compose] decompresses the table.
func (d *Definitions) CodeSystem(url string) *CodeSystem {
	d.codes.once.Do(d.codes.load)
	return d.codes.systems[url].get(parseCodeSystem)
}

// Compose returns the definition of R4's value set with that URL, or nil.
func (d *Definitions) Compose(url string) *Compose {
	d.codes.once.Do(d.codes.load)
	return d.codes.composes[url].get(parseCompose)
}

// CodeSystems returns the URLs of R4's code systems, sorted.
func (d *Definitions) CodeSystems() []string {
	d.codes.once.Do(d.codes.load)
	return slices.Sorted(maps.Keys(d.codes.systems))
}

// Composes returns the URLs of R4's value sets, sorted.
func (d *Definitions) Composes() []string {
	d.codes.once.Do(d.codes.load)
	return slices.Sorted(maps.Keys(d.codes.composes))
}

// load finds where each record starts; none is parsed.
func (t *codeTable) load() {
	t.systems = make(map[string]*lazyCodes[CodeSystem], 1100)
	t.composes = make(map[string]*lazyCodes[Compose], 1400)
	text := CodesText()
	for text != "" {
		end := nextRecord(text)
		record := text[:end]
		text = text[end:]
		url, _, _ := strings.Cut(strings.TrimSuffix(record[2:], "\n"), "\t")
		switch record[0] {
		case 'S':
			t.systems[url] = &lazyCodes[CodeSystem]{text: record}
		case 'V':
			t.composes[url] = &lazyCodes[Compose]{text: record}
		}
	}
}

// nextRecord returns the offset of the next line that begins with S or V.
func nextRecord(text string) int {
	for i := 0; ; {
		n := strings.IndexByte(text[i:], '\n')
		if n < 0 || i+n+1 == len(text) {
			return len(text)
		}
		i += n + 1
		if text[i] == 'S' || text[i] == 'V' {
			return i
		}
	}
}

func parseCodeSystem(text string) CodeSystem {
	head, rest, _ := strings.Cut(text, "\n")
	f := fields(head[2:], 6)
	cs := CodeSystem{URL: f[0], Version: f[1], Name: f[2], Title: f[3], Content: f[4], CaseSensitive: f[5] != ""}
	cs.Concepts = make([]CodeConcept, 0, strings.Count(rest, "\n"))
	for line := range strings.Lines(rest) {
		cs.Concepts = append(cs.Concepts, parseConcept(line))
	}
	return cs
}

func parseConcept(line string) CodeConcept {
	f := fields(strings.TrimSuffix(line, "\n")[2:], 4)
	c := CodeConcept{Code: f[0], Display: f[1], Abstract: strings.Contains(f[3], "a"), Inactive: strings.Contains(f[3], "i")}
	for _, p := range list(f[2], ",") {
		c.Parents = append(c.Parents, int32(number(p)))
	}
	return c
}

func parseCompose(text string) Compose {
	head, rest, _ := strings.Cut(text, "\n")
	f := fields(head[2:], 5)
	c := Compose{URL: f[0], Version: f[1], Name: f[2], Title: f[3], Status: f[4]}
	var inc *Include
	for line := range strings.Lines(rest) {
		kind, line, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		switch kind {
		case "+":
			inc = addInclude(&c.Include, line)
		case "-":
			inc = addInclude(&c.Exclude, line)
		case "f":
			f := fields(line, 3)
			inc.Filters = append(inc.Filters, Filter{f[0], f[1], f[2]})
		case "c":
			f := fields(line, 2)
			inc.Concepts = append(inc.Concepts, CodeConcept{Code: f[0], Display: f[1]})
		}
	}
	return c
}

func addInclude(to *[]Include, line string) *Include {
	system, sets, _ := strings.Cut(line, "\t")
	*to = append(*to, Include{System: system, ValueSets: list(sets, "\t")})
	return &(*to)[len(*to)-1]
}

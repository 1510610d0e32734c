package definitions

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the tables
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The tables are text, one record a line, fields separated by tabs, trailing
// empty fields left out:
//
//	T name kind[a] base regex                      a type; "a": abstract
//	E path min max flags types valueset contentref strength set max
//	                                               an element of it
//	I key e|w expression human                     an invariant of the line above
//	M url                                          a modifier extension of R4
//	V url e|x why                                  a value set; "x": open
//	C system code code…                            codes of it
//	S code type url bases targets expression parts a search parameter
//	K compartment resource params                  membership
//
// Types are "code<profile,profile>target,target|…".

//go:embed r4.txt.gz
var compressed []byte

const (
	definitionBase = "http://hl7.org/fhir/StructureDefinition/"
	valueSetBase   = "http://hl7.org/fhir/ValueSet/"
	searchBase     = "http://hl7.org/fhir/SearchParameter/"
)

// Text returns the embedded tables as text.
func Text() string { return unpack(compressed) }

func unpack(compressed []byte) string {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic(fmt.Sprintf("embedded definitions: %v", err)) // a broken build, not input
	}
	b, err := io.ReadAll(z)
	if err != nil {
		panic(fmt.Sprintf("embedded definitions: %v", err))
	}
	return string(b)
}

func load() *Definitions {
	d := &Definitions{
		types: map[string]*lazyType{}, tables: map[string]*lazyTable{}, valueSets: map[string]*ValueSet{},
		params: map[string][]*SearchParam{}, compartments: map[string]map[string][]string{},
	}
	l := loader{d: d, text: Text()}
	for l.next() {
		l.record()
	}
	l.endType()
	slices.Sort(d.resources)
	return d
}

// A loader reads the records in order; a type's lines are kept as one text.
type loader struct {
	d         *Definitions
	text      string
	pos       int    // of the line after line
	start     int    // of line
	line      string // the current line
	typeName  string
	typeStart int
	set       *ValueSet
}

func (l *loader) next() bool {
	if l.pos >= len(l.text) {
		return false
	}
	l.start = l.pos
	n := strings.IndexByte(l.text[l.pos:], '\n')
	if n < 0 {
		n = len(l.text) - l.pos
	}
	l.line, l.pos = l.text[l.start:l.start+n], l.start+n+1
	return true
}

func (l *loader) record() {
	if len(l.line) < 2 || l.line[1] != '\t' {
		return
	}
	rest := l.line[2:]
	switch l.line[0] {
	case 'T':
		l.endType()
		l.beginType(rest)
	case 'M':
		l.endType()
		l.d.modifiers = append(l.d.modifiers, rest)
	case 'V':
		l.endType()
		f := fields(rest, 3)
		l.set = &ValueSet{URL: f[0], Open: f[1] != "e"}
		l.d.valueSets[f[0]] = l.set
	case 'C':
		l.set.text = append(l.set.text, rest)
	case 'S':
		l.param(rest)
	case 'K':
		f := fields(rest, 3)
		if l.d.compartments[f[0]] == nil {
			l.d.compartments[f[0]] = map[string][]string{}
		}
		l.d.compartments[f[0]][f[1]] = list(f[2], ",")
	}
}

func (l *loader) beginType(rest string) {
	f := fields(rest, 4)
	l.typeName, l.typeStart = f[0], l.start
	if f[1] == "r" {
		l.d.resources = append(l.d.resources, f[0])
	}
}

func (l *loader) endType() {
	if l.typeName != "" {
		l.d.types[l.typeName] = &lazyType{text: l.text[l.typeStart:l.start]}
		l.d.tables[l.typeName] = &lazyTable{d: l.d, name: l.typeName}
		l.typeName = ""
	}
}

func (l *loader) param(rest string) {
	f := fields(rest, 7)
	p := &SearchParam{
		Code: f[0], Type: f[1], URL: searchBase + f[2],
		Bases: list(f[3], ","), Targets: list(f[4], ","), Expression: f[5],
	}
	for _, c := range list(f[6], ";") {
		def, expr, _ := strings.Cut(c, " ")
		p.Components = append(p.Components, Component{def, expr})
	}
	for _, b := range p.Bases {
		l.d.params[b] = append(l.d.params[b], p)
	}
}

func parseType(text string) Type {
	var t Type
	constraints := &t.Constraints
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			continue
		}
		switch rest := line[2:]; line[0] {
		case 'T':
			f := fields(rest, 4)
			t.Name, t.Kind, t.Abstract = f[0], Kind(f[1][0]), len(f[1]) > 1
			t.Base, t.Regex = f[2], f[3]
			t.Elements = make([]Element, 0, strings.Count(text, "\nE"))
		case 'E':
			t.Elements = append(t.Elements, parseElement(rest))
			constraints = &t.Elements[len(t.Elements)-1].Constraints
		case 'I':
			f := fields(rest, 4)
			*constraints = append(*constraints, Constraint{Key: f[0], Error: f[1] == "e", Expression: f[2], Human: f[3]})
		}
	}
	return t
}

func parseElement(rest string) Element {
	f := fields(rest, 10)
	e := Element{Path: f[0], ContentRef: f[6], ValueSet: valueSetURL(f[5])}
	e.Min, e.Max = number(f[1]), number(f[2])
	e.Modifier, e.Summary = strings.Contains(f[3], "m"), strings.Contains(f[3], "s")
	e.Types, e.Binding = parseTypes(f[4]), parseBinding(f[7:])
	return e
}

func parseTypes(text string) []TypeRef {
	var out []TypeRef
	for _, t := range list(text, "|") {
		t, targets, _ := strings.Cut(t, ">")
		code, profiles, _ := strings.Cut(t, "<")
		out = append(out, TypeRef{Code: code, Profiles: list(profiles, ","), Targets: list(targets, ",")})
	}
	return out
}

func parseBinding(f []string) Binding {
	b := Binding{ValueSet: valueSetURL(f[1]), Max: valueSetURL(f[2])}
	switch f[0] {
	case "r":
		b.Strength = "required"
	case "e":
		b.Strength = "extensible"
	case "p":
		b.Strength = "preferred"
	}
	return b
}

func valueSetURL(s string) string {
	if s == "" || strings.Contains(s, ":") {
		return s
	}
	return valueSetBase + s
}

// number reads a cardinality; -1 stands for "*".
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// fields splits a record into exactly n fields, missing ones empty.
func fields(s string, n int) []string {
	out := make([]string, n)
	for i := range n {
		out[i], s, _ = strings.Cut(s, "\t")
	}
	return out
}

func list(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

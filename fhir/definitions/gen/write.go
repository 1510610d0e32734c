package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Texts are the three tables.
type Texts struct{ Types, Codes, Extensions []byte }

// Generate returns the tables made from the package in dir.
func Generate(dir string) (Texts, error) {
	src, err := load(dir)
	if err != nil {
		return Texts{}, err
	}
	types, err := typesText(src)
	return Texts{types, codesText(src), extensionsText(src)}, err
}

// typesText is what every validation needs.
func typesText(src *source) ([]byte, error) {
	w := &writer{src: src, sets: map[string]bool{}}
	w.line("trellis-definitions", "1", "4.0.1")
	w.types()
	w.modifierExtensions()
	w.valueSets()
	w.searchParams()
	w.compartments()
	return w.b.Bytes(), w.err
}

type writer struct {
	src  *source
	b    bytes.Buffer
	sets map[string]bool // required value sets seen
	err  error
}

// line writes one line of tab-separated fields, without trailing empty ones.
func (w *writer) line(fields ...string) {
	for len(fields) > 0 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	for i, f := range fields {
		if i > 0 {
			w.b.WriteByte('\t')
		}
		if strings.ContainsAny(f, "\t\n\r") {
			f = strings.Join(strings.Fields(f), " ")
		}
		w.b.WriteString(f)
	}
	w.b.WriteByte('\n')
}

func (w *writer) types() {
	var list []structure
	for _, sd := range w.src.structures {
		if sd.Derivation != "constraint" && sd.Kind != "logical" {
			list = append(list, sd)
		}
	}
	slices.SortFunc(list, func(a, b structure) int { return cmp.Compare(a.Type, b.Type) })
	for _, sd := range list {
		w.typ(sd)
	}
}

var kindLetter = map[string]string{"resource": "r", "complex-type": "c", "primitive-type": "p"}

func (w *writer) typ(sd structure) {
	abstract, regex := "", ""
	if sd.Abstract {
		abstract = "a"
	}
	if sd.Kind == "primitive-type" {
		regex = primitiveRegex(sd)
	}
	w.line("T", sd.Type, kindLetter[sd.Kind]+abstract, short(sd.BaseDefinition), regex)
	for i, e := range sd.Snapshot.Element {
		if i > 0 {
			w.element(sd.Type, e)
		}
		for _, c := range e.Constraint {
			if c.Key != "ele-1" && c.Key != "ext-1" { // on nearly every element: checked by hand
				w.line("I", c.Key, c.Severity[:1], c.Expression, c.Human)
			}
		}
	}
}

func primitiveRegex(sd structure) string {
	for _, e := range sd.Snapshot.Element {
		if e.Path != sd.Type+".value" || len(e.Type) == 0 {
			continue
		}
		for _, x := range e.Type[0].Extension {
			if strings.HasSuffix(x.URL, "/regex") {
				return x.ValueString
			}
		}
	}
	return ""
}

func (w *writer) element(typ string, e element) {
	flags := ""
	if e.IsModifier {
		flags += "m"
	}
	if e.IsSummary {
		flags += "s"
	}
	b := bindingOf(e.Binding)
	w.line("E", strings.TrimPrefix(e.Path, typ+"."), strconv.Itoa(e.Min), e.Max, flags,
		typeList(e.Type), w.required(e.Binding), strings.TrimPrefix(e.ContentReference, "#"), b[0], b[1], b[2])
}

// typeList writes code<profile>target,target|code and so on.
func typeList(types []elementType) string {
	var out []string
	for _, t := range types {
		s := t.Code
		for _, x := range t.Extension {
			if strings.HasSuffix(x.URL, "structuredefinition-fhir-type") {
				s = cmp.Or(x.ValueURL, x.ValueString)
			}
		}
		s = strings.TrimPrefix(s, "http://hl7.org/fhirpath/System.")
		if len(t.Profile) > 0 {
			s += "<" + shortList(t.Profile)
		}
		if len(t.TargetProfile) > 0 {
			s += ">" + shortList(t.TargetProfile)
		}
		out = append(out, s)
	}
	return strings.Join(out, "|")
}

func shortList(urls []string) string {
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = short(u)
	}
	return strings.Join(out, ",")
}

// bindingOf returns the first letter of the strength, the value set and the
// largest set allowed; nothing of an example.
func bindingOf(b *binding) (f [3]string) {
	if b == nil || b.Strength == "example" || b.ValueSet == "" {
		return f
	}
	f[0], f[1] = b.Strength[:1], shortSet(b.ValueSet)
	for _, x := range b.Extension {
		if strings.HasSuffix(x.URL, "elementdefinition-maxValueSet") {
			f[2] = shortSet(x.ValueCanonical)
		}
	}
	return f
}

func shortSet(url string) string {
	url, _, _ = strings.Cut(url, "|")
	return strings.TrimPrefix(url, "http://hl7.org/fhir/ValueSet/")
}

// required returns the value set of a required binding, or of the largest set
// allowed; others cannot make a document wrong.
func (w *writer) required(b *binding) string {
	if b == nil {
		return ""
	}
	set := ""
	if b.Strength == "required" {
		set = b.ValueSet
	}
	for _, x := range b.Extension {
		if strings.HasSuffix(x.URL, "elementdefinition-maxValueSet") && set == "" {
			set = x.ValueCanonical
		}
	}
	set, _, _ = strings.Cut(set, "|")
	if set != "" {
		w.sets[set] = true
	}
	return shortSet(set)
}

func (w *writer) modifierExtensions() {
	for _, sd := range w.src.structures {
		if sd.Type == "Extension" && len(sd.Snapshot.Element) > 0 && sd.Snapshot.Element[0].IsModifier {
			w.line("M", sd.URL)
		}
	}
}

func (w *writer) searchParams() {
	list := slices.Clone(w.src.params)
	slices.SortFunc(list, func(a, b searchParameter) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.URL, b.URL))
	})
	for _, p := range list {
		if !strings.HasPrefix(p.URL, "http://hl7.org/fhir/SearchParameter/") {
			continue
		}
		var parts []string
		for _, c := range p.Component {
			parts = append(parts, c.Definition+" "+c.Expression)
		}
		w.line("S", p.Code, p.Type, strings.TrimPrefix(p.URL, "http://hl7.org/fhir/SearchParameter/"),
			strings.Join(p.Base, ","), strings.Join(p.Target, ","), p.Expression, strings.Join(parts, ";"))
	}
}

func (w *writer) compartments() {
	for _, c := range w.src.compartments {
		for _, r := range c.Resource {
			if len(r.Param) > 0 {
				w.line("K", c.Code, r.Code, strings.Join(r.Param, ","))
			}
		}
	}
}

func (w *writer) valueSets() {
	urls := make([]string, 0, len(w.sets))
	for u := range w.sets {
		urls = append(urls, u)
	}
	slices.Sort(urls)
	for _, u := range urls {
		x := expander{src: w.src}
		x.set(u, 0)
		if x.why != "" {
			w.line("V", u, "x", x.why)
			continue
		}
		w.line("V", u, "e")
		for _, s := range x.systems {
			w.line(append([]string{"C", s.url}, s.codes...)...)
		}
	}
	if len(urls) == 0 {
		w.err = fmt.Errorf("no required value set found")
	}
}

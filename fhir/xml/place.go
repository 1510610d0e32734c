package xml

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A step is one element on the way to where the decoder stands.
type step struct {
	name     string
	index    int // from 0, in a list
	list     bool
	resource bool // the element that names a resource's type
}

func (d *decoder) enter(s step) { d.places = append(d.places, s) }

// leave goes back to the owner; after a syntax error the place is kept for the
// fault.
func (d *decoder) leave() {
	if !d.failed {
		d.places = d.places[:len(d.places)-1]
	}
}

// report adds a fault of the element that the decoder stands in.
func (d *decoder) report(code fhir.Code, text string) { d.issue(code, d.at, text) }

// reportChild adds a fault of the start tag just read, which was not entered.
func (d *decoder) reportChild(text string) {
	d.enter(step{name: fhir.SafeName(d.name)})
	d.issue(fhir.Structure, d.at, text)
	d.leave()
}

// syntax adds the fault that ended the reading.
func (d *decoder) syntax(err error) {
	if e, ok := errors.AsType[*syntaxError](err); ok {
		d.issue(fhir.Invalid, e.at, e.text)
		return
	}
	d.issues = append(d.issues, fhir.AsError(err).Issues...)
}

func (d *decoder) issue(code fhir.Code, at int, text string) {
	if len(d.issues) >= maxIssues {
		return
	}
	at = min(at, len(d.src))
	line := 1 + bytes.Count(d.src[:at], []byte("\n"))
	column := at - bytes.LastIndexByte(d.src[:at], '\n')
	source := xpath(d.places)
	if source != "" {
		source += ", "
	}
	source += "line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column)
	d.issues = append(d.issues, fhir.Issue{Code: code, Text: text, Source: source, Expression: fhirpath(d.places)})
}

// xpath writes a place as the sender's document has it, such as
// "/Bundle/entry[1]/resource/Patient/name[2]".
func xpath(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteByte('/')
		b.WriteString(s.name)
		if s.list {
			b.WriteString("[" + strconv.Itoa(s.index+1) + "]")
		}
	}
	return b.String()
}

// fhirpath writes a place as package fhir does: "Bundle.entry[0].resource.name[1]".
func fhirpath(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		if s.resource && i > 0 {
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.list {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return b.String()
}

// XPath returns the place in the XML document that a FHIRPath such as
// "Bundle.entry[0].resource.name" stands for, where resource is the document as
// JSON: "/Bundle/entry[1]/resource/Patient/name". It is "" for what is no path
// of elements.
func XPath(resource fhir.Value, expression string) string {
	head, rest, _ := strings.Cut(expression, ".")
	if expression == "" || head != resource.Get("resourceType").Text() {
		return ""
	}
	steps := []step{{name: head, resource: true}}
	v := resource
	for rest != "" {
		head, rest, _ = strings.Cut(rest, ".")
		s, ok := parseStep(head)
		if !ok {
			return ""
		}
		if v = v.Get(s.name); s.list || v.Kind() == fhir.Array {
			v = v.At(s.index)
		}
		s.name = strings.TrimPrefix(s.name, "_")
		steps = append(steps, s)
		if typ := v.Get("resourceType").Text(); typ != "" {
			steps = append(steps, step{name: fhir.SafeName(typ), resource: true})
		}
	}
	return xpath(steps)
}

// parseStep reads "name" or "name[3]".
func parseStep(s string) (step, bool) {
	name, index, list := strings.Cut(s, "[")
	if list {
		n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		return step{name: name, index: n, list: true}, err == nil && n >= 0 && fhir.SafeName(name) == name
	}
	return step{name: name}, fhir.SafeName(name) == name
}

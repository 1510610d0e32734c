package patch

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A step is one operation of a FHIRPath Patch.
type step struct {
	at   fhir.Value // in the Parameters
	kind string
	// The parts that the operation has, by name.
	parts map[string]fhir.Value
}

// takes names the parts of each kind of operation besides type: all of them are
// required (R4 fhirpatch).
var takes = map[string][]string{
	"add":     {"path", "name", "value"},
	"insert":  {"path", "index", "value"},
	"delete":  {"path"},
	"replace": {"path", "value"},
	"move":    {"path", "source", "destination"},
}

// A stepReader collects the faults of the Parameters.
type stepReader struct{ issues []fhir.Issue }

func (r *stepReader) fault(code fhir.Code, at fhir.Value, text string) {
	r.issues = append(r.issues, fhir.Issue{Code: code, Expression: at.Path(), Text: text})
}

func steps(p fhir.Resource) ([]step, error) {
	if p.Type() != "Parameters" {
		return nil, fhir.StatusErrorf(400, fhir.Structure, "a FHIRPath Patch is a Parameters resource")
	}
	list := p.Root().Get("parameter")
	if list.Len() > MaxOperations {
		return nil, fhir.Errorf(fhir.TooLong, "a patch has at most %d operations", MaxOperations)
	}
	var r stepReader
	if list.Exists() && list.Kind() != fhir.Array {
		r.fault(fhir.Structure, list, "parameter is an array")
	}
	out := make([]step, 0, list.Len())
	for v := range list.All() {
		out = append(out, r.step(v))
	}
	return out, malformed(r.issues)
}

func (r *stepReader) step(v fhir.Value) step {
	s := step{at: v, parts: map[string]fhir.Value{}}
	if v.Get("name").Text() != "operation" {
		r.fault(fhir.Structure, v, "the parameters of a FHIRPath Patch are named operation")
		return s
	}
	for part := range v.Get("part").All() {
		name := part.Get("name")
		if s.parts[name.Text()].Exists() {
			r.fault(fhir.Structure, part, "a part is given once")
		}
		s.parts[name.Text()] = part
	}
	s.kind = r.text(s, "type", "valueCode")
	want, ok := takes[s.kind]
	if !ok {
		if s.parts["type"].Exists() {
			r.fault(fhir.Invalid, s.parts["type"], "type is add, insert, delete, replace or move")
		}
		return s
	}
	r.complete(s, want)
	return s
}

// complete checks that the operation has the parts it takes and no others.
func (r *stepReader) complete(s step, want []string) {
	for _, name := range want {
		switch name {
		case "path", "name":
			r.text(s, name, "valueString")
		case "value":
			r.present(s, name)
		default:
			r.number(s, name)
		}
	}
	for part := range s.at.Get("part").All() {
		name, ok := part.Get("name").Text(), false
		for _, w := range append(want, "type") {
			ok = ok || w == name
		}
		if !ok {
			r.fault(fhir.Structure, part, "this operation takes the parts type, "+strings.Join(want, ", "))
		}
	}
}

func (r *stepReader) present(s step, name string) bool {
	if !s.parts[name].Exists() {
		r.fault(fhir.Required, s.at, "this operation needs the part "+name)
		return false
	}
	return true
}

// text reads a part that is a code or a string; member is its proper name, for
// the fault.
func (r *stepReader) text(s step, name, member string) string {
	if !r.present(s, name) {
		return ""
	}
	part := s.parts[name]
	for _, m := range [...]string{"valueCode", "valueString"} {
		if v := part.Get(m); v.Kind() == fhir.String && v.Text() != "" {
			return v.Text()
		}
	}
	r.fault(fhir.Required, part, "this part has a "+member)
	return ""
}

func (r *stepReader) number(s step, name string) {
	if r.present(s, name) && s.number(name) < 0 {
		r.fault(fhir.Required, s.parts[name], "this part has a valueInteger of 0 or more")
	}
}

// number is the part's valueInteger; -1 when it is none.
func (s step) number(name string) int {
	v := s.parts[name].Get("valueInteger")
	n, err := strconv.Atoi(v.Text())
	if v.Kind() != fhir.Number || err != nil || n < 0 {
		return -1
	}
	return n
}

// text is the part's valueString or valueCode.
func (s step) text(name string) string {
	if v := s.parts[name].Get("valueString"); v.Exists() {
		return v.Text()
	}
	return s.parts[name].Get("valueCode").Text()
}

// fault is the fault of a step that does not fit the document, at one of its
// parts.
func (s step) fault(part, text string) error {
	at := s.at
	if v := s.parts[part]; v.Exists() {
		at = v
	}
	return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.Processing, Expression: at.Path(), Text: text}}}
}

package terminology

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/profiles/terminology"
)

// maxCodings bounds the codings of one question.
const maxCodings = 20

// A spec lists the parameters of an operation: those of primitive types, those
// that are Codings or CodeableConcepts, and those that are resources.
type spec struct{ plain, codings, resources []string }

// params are the parameters of one request, as far as the spec has them.
type params struct {
	plain     map[string][]string
	codings   map[string][]terminology.Coding
	resources map[string]fhir.Resource
}

func (s spec) has(name string) bool { return slices.Contains(s.plain, name) }

func (s spec) names() string {
	return strings.Join(slices.Concat(s.plain, s.codings, s.resources), ", ")
}

// read takes the parameters of the address and of the Parameters resource sent
// (R4 operations, section 3.2.0.2). Others are refused.
func (s spec) read(q *rest.Request) (params, error) {
	p := params{map[string][]string{}, map[string][]terminology.Coding{}, map[string]fhir.Resource{}}
	for name, values := range q.Params {
		switch {
		case name == "_format" || name == "_pretty":
		case s.has(name):
			p.plain[name] = values
		default:
			return p, s.unknown("")
		}
	}
	if q.Method != http.MethodPost || q.ContentLength == 0 {
		return p, nil
	}
	body, err := q.Parameters()
	if err != nil {
		return p, err
	}
	for v := range body.Root().Get("parameter").Items() {
		if err := s.add(&p, v); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (s spec) unknown(path string) error {
	return &fhir.Error{Status: http.StatusBadRequest, Issues: []fhir.Issue{{
		Code: fhir.NotSupported, Expression: path, Text: "this operation has no such parameter; supported are " + s.names(),
	}}}
}

func (s spec) add(p *params, v fhir.Value) error {
	name := strings.Clone(v.Get("name").Text())
	value := valueOf(v)
	switch {
	case s.has(name) && (value.Kind() == fhir.String || value.Kind() == fhir.Number || value.Kind() == fhir.Bool):
		p.plain[name] = append(p.plain[name], strings.Clone(value.Text()))
	case slices.Contains(s.codings, name) && value.Kind() == fhir.Object:
		list := value
		if name == "codeableConcept" {
			list = value.Get("coding")
		}
		for c := range list.Items() {
			p.codings[name] = append(p.codings[name], terminology.Coding{
				System: c.Get("system").Text(), Version: c.Get("version").Text(), Code: c.Get("code").Text(), Display: c.Get("display").Text(),
			})
		}
		if len(p.codings[name]) > maxCodings {
			return fhir.StatusErrorf(http.StatusBadRequest, fhir.TooLong, "one question may have %d codings", maxCodings)
		}
	case slices.Contains(s.resources, name) && v.Get("resource").Exists():
		r, err := fhir.Sub(v.Get("resource"))
		p.resources[name] = r
		return err
	case s.has(name) || slices.Contains(s.codings, name) || slices.Contains(s.resources, name):
		return &fhir.Error{Status: http.StatusBadRequest, Issues: []fhir.Issue{{
			Code: fhir.BadValue, Expression: v.Path(), Text: "the parameter has not the type that the operation's definition gives it",
		}}}
	default:
		return s.unknown(v.Path())
	}
	return nil
}

func valueOf(v fhir.Value) fhir.Value {
	for m := range v.All() {
		if strings.HasPrefix(m.Key(), "value") {
			return m
		}
	}
	return fhir.Value{}
}

// text returns the first value, or "".
func (p params) text(name string) string {
	if v := p.plain[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (p params) flag(name string) (bool, error) {
	switch p.text(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fhir.StatusErrorf(http.StatusBadRequest, fhir.BadValue, "%s is true or false", name)
}

// number reads a count; def when it is not given.
func (p params) number(name string, def int) (int, error) {
	s := p.text(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<20 {
		return 0, fhir.StatusErrorf(http.StatusBadRequest, fhir.BadValue, "%s is a number from 0", name)
	}
	return n, nil
}

// asked returns the codings of coding and codeableConcept, or the one that code
// stands for with the parameters named.
func (p params) asked(system, version string) []terminology.Coding {
	if list := slices.Concat(p.codings["coding"], p.codings["codeableConcept"]); len(list) > 0 {
		return list
	}
	if code := p.text("code"); code != "" {
		return []terminology.Coding{{System: p.text(system), Version: p.text(version), Code: code, Display: p.text("display")}}
	}
	return nil
}

// canonical joins a url and a version that came beside it.
func canonical(url, version string) string {
	if url == "" || version == "" || strings.Contains(url, "|") {
		return url
	}
	return url + "|" + version
}

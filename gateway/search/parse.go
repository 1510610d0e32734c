package search

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"trellis.example/fhir"
)

// Parse reads the parameters of a search on types (R4 search); no types are all
// that are held. Unless it is one type, _type chooses types in their place, of
// all that are held: [Query.Types] says which, and nobody has been asked yet
// whether they may be searched. Lenient turns an unknown parameter into a
// warning; a known one that is used wrongly is an error in either handling.
// Errors are *fhir.Error with every fault.
func (r *Registry) Parse(types []string, params url.Values, lenient bool) (*Query, error) {
	p := &parser{reg: r, lenient: lenient, q: &Query{Count: DefaultCount, Applied: url.Values{}}}
	p.types(types, params["_type"])
	names := slices.Sorted(maps.Keys(params))
	for _, n := range names {
		if n == "_type" {
			continue
		}
		for i, v := range params[n] {
			p.one(n, v, i > 0)
		}
	}
	p.finish()
	if len(p.issues) > 0 {
		return nil, &fhir.Error{Issues: p.issues, Status: 400}
	}
	return p.q, nil
}

type parser struct {
	reg     *Registry
	lenient bool
	q       *Query
	issues  []fhir.Issue
}

// types sets what is searched.
func (p *parser) types(types, asked []string) {
	switch {
	case len(asked) > 1:
		p.fail(fhir.Invalid, "_type", "this parameter can be given once; separate types with a comma")
	case len(asked) == 0 && len(types) == 0:
		types = p.reg.Types()
	case len(asked) == 0:
	case len(types) == 1 && asked[0] != types[0]:
		p.fail(fhir.NotSupported, "_type", "_type chooses types where several can be searched; here it is one")
	default:
		types = strings.Split(asked[0], ",")
		p.q.Applied["_type"] = asked
	}
	types = slices.Clone(types)
	slices.Sort(types)
	p.q.Types = slices.Compact(types)
	for _, t := range p.q.Types {
		if !p.reg.IsResource(t) || len(asked) > 0 && !p.reg.all && !p.reg.Held(t) {
			p.fail(fhir.NotSupported, "_type", "a resource type that this server holds was expected")
			p.q.types = nil
			return
		}
		p.q.types = append(p.q.types, &typeQuery{typ: t})
	}
}

func (p *parser) fail(code fhir.Code, param, format string, args ...any) {
	is := fhir.Issue{Code: code, Text: fmt.Sprintf(format, args...)}
	if param != "" {
		is.Source = "parameter " + ShowName(param)
	}
	if !slices.ContainsFunc(p.issues, func(o fhir.Issue) bool { return o.Source == is.Source && o.Text == is.Text }) {
		p.issues = append(p.issues, is)
	}
}

// one reads one parameter with one value.
func (p *parser) one(name, value string, again bool) {
	if base, _, _ := strings.Cut(name, ":"); base == "_include" || base == "_revinclude" {
		p.include(name, value)
		return
	}
	if control := controls[name]; control != nil {
		if again {
			p.fail(fhir.Invalid, name, "this parameter can be given once")
		} else if control(p, value) {
			p.q.Applied[name] = []string{value}
		}
		return
	}
	applied := false
	for _, t := range p.q.types {
		c, f := p.reg.condition(t.typ, name, value, 0)
		switch {
		case f == nil:
			t.where, applied = append(t.where, c), true
		case f.unknown:
			p.unknown(name, f)
			return
		default:
			p.fail(f.code, name, "%s", f.text)
		}
	}
	if applied {
		p.q.Applied.Add(name, value)
	}
}

// unknown reports a parameter that is not answered: an error, or under lenient
// handling a warning.
func (p *parser) unknown(name string, f *fault) {
	text := f.text
	if len(p.q.types) > 1 && !f.everywhere {
		text = "this search parameter is not supported for every type that is searched"
	}
	if !p.lenient {
		p.fail(f.code, name, "%s", text)
		return
	}
	for _, t := range p.q.types { // those before it may have the parameter
		t.where = slices.DeleteFunc(t.where, func(c condition) bool { return c.name == name })
	}
	p.q.Warnings = append(p.q.Warnings, fhir.Issue{Severity: fhir.SeverityWarning, Code: f.code, Source: "parameter " + ShowName(name), Text: text})
}

func (p *parser) finish() {
	if p.q.Conditions() > maxClauses {
		p.fail(fhir.TooCostly, "", "a search has at most %d conditions", maxClauses)
	}
	for _, t := range p.q.types {
		if !t.fits() {
			p.fail(fhir.TooCostly, "", "the conditions have more than %d combinations of alternatives; ask for fewer at once", maxAlternatives)
		}
	}
	if p.q.Count == 0 {
		p.q.Total = TotalAccurate
	}
}

// fits reports whether the alternatives combine to few enough.
func (t *typeQuery) fits() bool {
	n := 1
	for _, c := range t.where {
		if n *= max(len(c.any), 1); n > maxAlternatives {
			return false
		}
	}
	return true
}

// A fault says what is wrong with a parameter, never with its value.
type fault struct {
	code fhir.Code
	text string
	// unknown: there is no such parameter, for this type or everywhere.
	unknown, everywhere bool
}

func faultf(code fhir.Code, format string, args ...any) *fault {
	return &fault{code: code, text: fmt.Sprintf(format, args...)}
}

// condition reads one search parameter of a type with one value; depth counts
// the steps of the chain that led here.
func (r *Registry) condition(typ, name, value string, depth int) (condition, *fault) {
	if strings.HasPrefix(name, "_has:") {
		return r.reverse(typ, name, value, depth)
	}
	head, rest, chained := strings.Cut(name, ".")
	base, modifier, modified := strings.Cut(head, ":")
	param := r.Param(typ, base)
	if param == nil {
		return condition{}, r.noParam(typ, base)
	}
	if param.through != "" {
		if modified || chained {
			return condition{}, faultf(fhir.NotSupported, "this modifier is not supported for %s", base)
		}
		return r.chain(name, r.Param(typ, param.through), param.Targets, base, value, depth)
	}
	if chained {
		targets, f := r.targets(param, modifier, modified)
		if f != nil {
			return condition{}, f
		}
		return r.chain(name, param, targets, rest, value, depth)
	}
	if modified && asksPerson(typ, param) && r.Param("Patient", modifier) != nil {
		return r.ofPerson(param, name, modifier, value, depth)
	}
	if modified && !r.takes(param, modifier) {
		return condition{}, faultf(fhir.NotSupported, "this modifier is not supported for %s", param.Name)
	}
	if value == "" {
		return condition{}, faultf(fhir.BadValue, "a value is missing")
	}
	return r.plain(param, name, modifier, value)
}

// takes reports whether the parameter can be asked for with the modifier.
func (r *Registry) takes(p *Param, modifier string) bool {
	return slices.Contains(p.Modifiers(), modifier) || p.Type == "reference" && r.IsResource(modifier)
}

// noParam says why a type has no such parameter.
func (r *Registry) noParam(typ, name string) *fault {
	f := &fault{code: fhir.NotSupported, unknown: true}
	if f.text = answeredNowhere[name]; f.text != "" {
		f.everywhere = true
		return f
	}
	for _, ref := range r.Refused(typ) {
		if ref.Name == name {
			f.text = "this search parameter is not supported: " + ref.Why
			return f
		}
	}
	names := []string{"_id", "_lastUpdated"}
	for _, p := range r.Params(typ) {
		names = append(names, p.Name)
	}
	f.text = "this search parameter is not supported; supported are " + strings.Join(names, ", ")
	return f
}

// ShowName returns a parameter's name when it looks like one: a stranger's text
// must not reach a message.
func ShowName(name string) string {
	if len(name) > 64 {
		return "?"
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && c != '_' && c != '-' && c != ':' && c != '.' {
			return "?"
		}
	}
	return name
}

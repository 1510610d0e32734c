package search

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// Page sizes, in resources.
const (
	DefaultCount = 50
	MaxCount     = 1000
)

// Limits on one request: clauses, and values of one clause.
const (
	maxClauses = 32
	maxValues  = 200
)

// A Query is a search request read: the clauses that a store answers and how
// the answer is to be shaped.
type Query struct {
	Type  string
	Where []store.Clause
	// Count is the page's size; 0 asks for the total alone.
	Count int
	// Total says whether the number of matches is asked for.
	Total Total
	// Cursor is the _cursor of a page link, or "".
	Cursor string
	// Applied are the parameters that were understood, in a stable order: what
	// the self link says.
	Applied url.Values
	// Warnings name the parameters that lenient handling ignored.
	Warnings []fhir.Issue
}

// A Total says whether a search counts its matches.
type Total uint8

// Counting looks at every match, so it is done only where it costs little or is
// asked for.
const (
	// TotalAuto counts when a condition that few resources match is among the
	// conditions; otherwise the total is given if one page holds everything.
	TotalAuto Total = iota
	// TotalNone does not count (_total=none).
	TotalNone
	// TotalAccurate counts (_total=accurate or estimate, _summary=count,
	// _count=0).
	TotalAccurate
)

// Counts reports whether the store is to count the matches.
func (q *Query) Counts() bool {
	if q.Total != TotalAuto {
		return q.Total == TotalAccurate
	}
	for _, c := range q.Where {
		if !c.Common && c.Kind != store.Date {
			return true
		}
	}
	return false
}

// Names returns the names of the parameters applied, sorted, without values:
// "identifier,status".
func (q *Query) Names() string {
	names := make([]string, 0, len(q.Applied))
	for n := range q.Applied {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// Parse reads the parameters of a search on a type (R4 search). Lenient turns
// an unknown parameter into a warning; a known one that is used wrongly is an
// error in either handling. Errors are *fhir.Error with every fault.
func (r *Registry) Parse(typ string, params url.Values, lenient bool) (*Query, error) {
	p := &parser{reg: r, plan: r.plan(typ), lenient: lenient,
		q: &Query{Type: typ, Count: DefaultCount, Applied: url.Values{}}}
	names := make([]string, 0, len(params))
	for n := range params {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, v := range params[n] {
			p.one(n, v)
		}
	}
	if len(p.q.Where) > maxClauses {
		p.fail(fhir.TooCostly, "", "a search has at most %d conditions", maxClauses)
	}
	if p.q.Count == 0 {
		p.q.Total = TotalAccurate
	}
	if len(p.issues) > 0 {
		return nil, &fhir.Error{Issues: p.issues, Status: 400}
	}
	return p.q, nil
}

type parser struct {
	reg     *Registry
	plan    *plan
	lenient bool
	q       *Query
	issues  []fhir.Issue
}

func (p *parser) fail(code fhir.Code, param, format string, args ...any) {
	is := fhir.Issue{Code: code, Text: fmt.Sprintf(format, args...)}
	if param != "" {
		is.Source = "parameter " + ShowName(param)
	}
	p.issues = append(p.issues, is)
}

// one reads one parameter with one value.
func (p *parser) one(name, value string) {
	if control := controls[name]; control != nil {
		if control(p, value) {
			p.q.Applied[name] = []string{value}
		}
		return
	}
	base, modifier, _ := strings.Cut(name, ":")
	param := p.plan.byName[base]
	if base == "_id" || base == "_lastUpdated" {
		param = everyType[base]
	}
	if param == nil {
		p.unknown(name)
		return
	}
	c := store.Clause{Param: param.stored, Kind: param.kind, Common: param.common}
	if !p.modifier(param, name, modifier) {
		return
	}
	values := splitEscaped(value, ',')
	if len(values) > maxValues {
		p.fail(fhir.TooCostly, name, "at most %d values are accepted", maxValues)
		return
	}
	for _, v := range values {
		ms, text := p.match(param, modifier, v)
		if text != "" {
			p.fail(fhir.BadValue, name, "%s", text)
			return
		}
		c.Any = append(c.Any, ms...)
	}
	p.q.Where = append(p.q.Where, c)
	p.q.Applied.Add(name, value)
}

// everyType are the parameters that the store answers for every type.
var everyType = map[string]*Param{
	"_id":          {Name: "_id", Type: "token", kind: store.Token, stored: "_id"},
	"_lastUpdated": {Name: "_lastUpdated", Type: "date", kind: store.Date, stored: "_lastUpdated"},
}

func (p *parser) unknown(name string) {
	is := fhir.Issue{Code: fhir.NotSupported, Source: "parameter " + ShowName(name), Text: p.supported(name)}
	if p.lenient {
		is.Severity = fhir.SeverityWarning
		p.q.Warnings = append(p.q.Warnings, is)
		return
	}
	p.issues = append(p.issues, is)
}

func (p *parser) supported(name string) string {
	why := "this search parameter is not supported"
	if strings.Contains(name, ".") || strings.HasPrefix(name, "_has") || strings.Contains(name, "include") {
		why = "chained, reverse-chained and including searches are not supported"
	}
	names := []string{"_id", "_lastUpdated", "_count", "_total", "_sort", "_summary", "_cursor"}
	for _, pr := range p.plan.params {
		names = append(names, pr.Name)
	}
	return why + "; supported are " + strings.Join(names, ", ")
}

// modifier reports whether the parameter can be asked for with the modifier.
func (p *parser) modifier(param *Param, name, modifier string) bool {
	switch {
	case modifier == "" && !strings.Contains(name, ":"):
		return true
	case param.Type == "reference" && modifier != "identifier" && p.reg.defs.IsResource(modifier):
		return true
	}
	p.fail(fhir.NotSupported, name, "this modifier is not supported for %s", param.Name)
	return false
}

// match reads one value; text says what is wrong with it.
func (p *parser) match(param *Param, modifier, v string) (ms []store.Match, text string) {
	if v == "" {
		return nil, "a value is missing"
	}
	switch param.kind {
	case store.Token:
		return token(v)
	case store.Reference:
		return p.reference(param, modifier, v)
	case store.Date:
		m, text := ParseDate(v)
		return []store.Match{m}, text
	case store.Text:
		if v = normalText(unescape(v)); v == "" {
			return nil, "a value is missing"
		}
		return []store.Match{{Value: v}}, ""
	}
	return []store.Match{{Value: clip(unescape(v))}}, ""
}

func token(v string) ([]store.Match, string) {
	parts := splitEscaped(v, '|')
	switch {
	case len(parts) == 1:
		return []store.Match{{Value: clip(unescape(v)), AnySystem: true}}, ""
	case len(parts) > 2:
		return nil, "a token is code, system|code or |code"
	case parts[1] == "":
		return nil, "a token without a code is not supported; ask for system|code"
	}
	return []store.Match{{System: clip(unescape(parts[0])), Value: clip(unescape(parts[1]))}}, ""
}

func (p *parser) reference(param *Param, typ, v string) ([]store.Match, string) {
	v = unescape(v)
	if fhir.IsID(v) {
		return bareID(param, typ, v)
	}
	s := normalReference(v, p.reg.base)
	ref, ok := fhir.ParseReference(s)
	if s == "" || !ok {
		return nil, "a reference is Type/id, an absolute URL or an id"
	}
	for _, want := range [...]string{param.only, typ} {
		if want != "" && ref.Type != "" && ref.Type != want {
			return nil, "a reference to a " + want + " was expected"
		}
	}
	return []store.Match{{Value: clip(s)}}, ""
}

// bareID matches an id of any type that the parameter may point to.
func bareID(param *Param, typ, id string) ([]store.Match, string) {
	targets := param.Targets
	if typ != "" {
		targets = []string{typ}
	}
	if len(targets) == 0 || len(targets) > 16 {
		return nil, "the reference may point to many types; ask for Type/id"
	}
	ms := make([]store.Match, len(targets))
	for i, t := range targets {
		ms[i] = store.Match{Value: t + "/" + id}
	}
	return ms, ""
}

var prefixes = [...]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

// ParseDate reads the value of a date parameter; text says what is wrong with it.
func ParseDate(v string) (m store.Match, text string) {
	op := "eq"
	if len(v) > 2 && slices.Contains(prefixes[:], v[:2]) {
		op, v = v[:2], v[2:]
	}
	// A "+" of a zone that was not escaped arrives as a space.
	low, high, ok := dateRange(strings.Replace(v, " ", "+", 1))
	if !ok {
		return m, "a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.sss]][Z|±hh:mm], with an optional prefix eq, ne, gt, lt, ge, le, sa, eb or ap"
	}
	return store.Match{Low: low, High: high, Op: op}, ""
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

package search

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// clause returns a clause over the parameter's own index.
func (p *Param) clause(ms []store.Match) store.Clause {
	return store.Clause{Param: p.stored, Kind: p.kind, Common: p.common, Silent: p.silent, Single: p.single, Any: ms}
}

// beside returns a clause over one of the parameter's further indexes.
func beside(name string, kind store.Kind, ms []store.Match) store.Clause {
	return store.Clause{Param: name, Kind: kind, Silent: true, Any: ms}
}

// plain reads a parameter without chain, with the modifier, which it takes.
func (r *Registry) plain(p *Param, name, modifier, value string) (condition, *fault) {
	c := condition{name: name}
	if modifier == "missing" {
		return p.missing(c, value)
	}
	values := splitEscaped(value, ',')
	if len(values) > maxValues {
		return c, faultf(fhir.TooCostly, "at most %d values are accepted", maxValues)
	}
	if p.Type == "composite" {
		return r.compose(c, p, values)
	}
	var lists matches
	for _, v := range values {
		if v == "" {
			return c, faultf(fhir.BadValue, "a value is missing")
		}
		if text := r.match(&lists, p, modifier, v); text != "" {
			return c, faultf(fhir.BadValue, "%s", text)
		}
	}
	if len(lists.own) > maxCodes {
		return c, faultf(fhir.TooCostly, "more than %d codes would be looked for", maxCodes)
	}
	a, f := lists.alternative(p, modifier)
	c.any = []alternative{a}
	return c, f
}

// missing reads :missing. The store's own values are never missing.
func (p *Param) missing(c condition, value string) (condition, *fault) {
	if value != "true" && value != "false" {
		return c, faultf(fhir.BadValue, ":missing is true or false")
	}
	absent := value == "true"
	clause := p.clause(nil)
	switch {
	case everyType[p.Name] != nil:
		clause.Not = !absent
	case p.filtered:
		clause.Any, clause.Not = []store.Match{{Op: store.OpType, Value: p.only}}, absent
	default:
		clause.Absent, clause.Present = absent, !absent
	}
	c.any = []alternative{{clause}}
	return c, nil
}

// matches are what the values of one parameter look for: in its own index, and
// in the one that the modifier or a version asks for.
type matches struct {
	own, other []store.Match
	versioned  int
	values     int
}

// alternative makes the clauses for all values together.
func (m *matches) alternative(p *Param, modifier string) (alternative, *fault) {
	own := p.clause(m.own)
	switch modifier {
	case "not", "not-in":
		own.Not = true
		return alternative{own}, nil
	case "text":
		return alternative{beside(p.names.text, store.Text, m.other)}, nil
	case "identifier":
		return alternative{beside(p.names.identifier, store.Token, m.other)}, nil
	case "of-type":
		return alternative{own, beside(p.names.ofType, store.Token, m.other)}, nil
	}
	a := alternative{own}
	if m.versioned > 0 {
		if m.versioned < m.values {
			return nil, faultf(fhir.NotSupported, "give a version with all values or with none")
		}
		a = append(a, beside(p.names.version, store.Reference, m.other))
	}
	if refs := p.led(m.own); refs != nil {
		a = append(a, store.Clause{Param: anyReference, Kind: store.Reference, Any: refs})
	}
	if p.ledBy != nil {
		a = append(a, p.ledBy.clause(m.own))
	}
	return a, nil
}

// led returns the matches by which the references of [anyReference] lead to
// what a silent parameter looks for; nil when they do not.
func (p *Param) led(own []store.Match) []store.Match {
	if !p.byRef || len(own) == 0 {
		return nil
	}
	for _, m := range own {
		if ref, ok := fhir.ParseReference(m.Value); !ok || ref.Kind != fhir.RefRelative || m.Op != "" {
			return nil
		}
	}
	return own
}

// match reads one value; text says what is wrong with it.
func (r *Registry) match(to *matches, p *Param, modifier, v string) (text string) {
	to.values++
	switch modifier {
	case "text":
		s := normalText(unescape(v), maxValue)
		to.other = append(to.other, store.Match{Value: s})
		return emptyText(s)
	case "identifier":
		ms, text := p.identifierToken(v)
		to.other = append(to.other, ms...)
		return text
	case "of-type":
		return to.ofType(v)
	case "in", "not-in":
		return to.inSet(r, p, unescape(v))
	}
	var ms []store.Match
	switch p.kind {
	case store.Token:
		ms, text = p.token(v)
	case store.Reference:
		ms, text = r.reference(to, p, modifier, v)
	case store.Text:
		ms, text = p.textMatch(modifier, unescape(v))
	case store.URI:
		ms = uriMatch(modifier, unescape(v))
	default:
		var m store.Match
		m, text = p.amountOrPlace(v)
		ms = []store.Match{m}
	}
	to.own = append(to.own, ms...)
	return text
}

func (p *Param) amountOrPlace(v string) (store.Match, string) {
	switch p.kind {
	case store.Date:
		return ParseDate(v)
	case store.Number:
		return parseNumber(v)
	case store.Quantity:
		return parseQuantity(v)
	}
	return parseNear(v)
}

func emptyText(s string) string {
	if s == "" {
		return "a value is missing"
	}
	return ""
}

func (p *Param) textMatch(modifier, v string) ([]store.Match, string) {
	if p.sounds {
		s := soundex(v)
		return []store.Match{{Value: s}}, emptyText(s)
	}
	limit := maxValue
	if p.silent {
		limit = maxSilent
	}
	m := store.Match{Value: normalText(v, limit), Op: modifier}
	if modifier == "exact" {
		m.Op, m.System = store.OpExact, clip(v)
	}
	return []store.Match{m}, emptyText(m.Value)
}

// uriMatch reads a URI; :above looks for it and for what lies above it, :below
// for it and what lies below.
func uriMatch(modifier, v string) []store.Match {
	ms := []store.Match{{Value: clip(v)}}
	switch modifier {
	case "below":
		ms[0].Op = store.OpBelow
	case "above":
		scheme := strings.Index(v, "://") + 3
		for i := strings.LastIndexByte(v, '/'); i > scheme && len(ms) < maxValues; i = strings.LastIndexByte(v, '/') {
			v = v[:i]
			ms = append(ms, store.Match{Value: clip(v)}, store.Match{Value: clip(v + "/")})
		}
	}
	return ms
}

func (r *Registry) reference(to *matches, p *Param, typ, v string) ([]store.Match, string) {
	v = unescape(v)
	if fhir.IsID(v) {
		return bareID(p, typ, v)
	}
	s, versioned := splitReference(v, r.base)
	ref, ok := fhir.ParseReference(s)
	if s == "" || !ok {
		return nil, "a reference is Type/id, an absolute URL or an id"
	}
	for _, want := range [...]string{p.only, typ} {
		if want != "" && ref.Type != "" && ref.Type != want {
			return nil, "a reference to a " + want + " was expected"
		}
	}
	if versioned != "" {
		to.versioned++
		to.other = append(to.other, store.Match{Value: clip(versioned)})
	}
	return []store.Match{{Value: clip(s)}}, ""
}

// bareID matches an id of any type that the parameter may point to.
func bareID(p *Param, typ, id string) ([]store.Match, string) {
	targets := p.Targets
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

// compose reads the values of a composite: each is an alternative, and so is
// each element that R4 lets it look in.
func (r *Registry) compose(c condition, p *Param, values []string) (condition, *fault) {
	for _, v := range values {
		parts := splitEscaped(v, '$')
		for _, comps := range p.composites {
			if len(parts) != len(comps) || slices.Contains(parts, "") {
				return c, faultf(fhir.BadValue, "%d values joined by $ were expected", len(comps))
			}
			lists := make([][]store.Match, len(comps))
			for i, comp := range comps {
				var one matches
				if text := r.match(&one, comp, "", parts[i]); text != "" {
					return c, faultf(fhir.BadValue, "part %d: %s", i+1, text)
				}
				lists[i] = one.own
			}
			a := alternative{together(comps, lists)}
			if lead, i := p.leader(); lead != nil {
				a = append(a, lead.clause(lists[i]))
			}
			c.any = append(c.any, a)
		}
	}
	if len(c.any) > maxAlternatives {
		return c, faultf(fhir.TooCostly, "at most %d values are accepted", maxAlternatives/len(p.composites))
	}
	return c, nil
}

package rest

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
)

// A shape says which members of an object an answer shows: _summary and
// _elements (R4 search 3.1.1.5.8 and 3.1.1.5.9). What is shown keeps its bytes.
type shape struct {
	members map[string]*shape
	// rest is the shape of members that are not named; nil leaves them out.
	rest *shape
}

// whole shows a value as it is.
var whole = &shape{}

// shapes compiles the shapes of resource types at their first use.
type shapes struct {
	mu    sync.Mutex
	known map[shapeKey]*shape
}

type shapeKey struct {
	summary search.Summary
	typ     string
}

// shape returns how resources of the type are shown; nil for whole. Elements,
// when there are any, go before the summary.
func (a *API) shape(typ string, summary search.Summary, elements []string) *shape {
	if len(elements) > 0 {
		return elementsShape(definitions.R4().Type(typ), elements)
	}
	if summary == search.SummaryFalse {
		return nil
	}
	s := &a.shapes
	s.mu.Lock()
	defer s.mu.Unlock()
	key := shapeKey{summary, typ}
	if s.known[key] == nil {
		if s.known == nil {
			s.known = map[shapeKey]*shape{}
		}
		s.known[key] = summaryShape(definitions.R4().Type(typ), summary)
	}
	return s.known[key]
}

func summaryShape(t *definitions.Type, summary search.Summary) *shape {
	switch summary {
	case search.SummaryData:
		return &shape{members: map[string]*shape{"text": nil}, rest: whole}
	case search.SummaryText:
		return elementsShape(t, []string{"text"})
	}
	if t == nil || t.Abstract {
		return elementsShape(nil, nil)
	}
	s := summaryCompiler{}.compile(t)
	s.always()
	return s
}

// elementsShape shows the elements named and those without which a resource is
// none: the mandatory ones, and what changes the meaning of everything.
func elementsShape(t *definitions.Type, names []string) *shape {
	s := &shape{members: map[string]*shape{}}
	s.always()
	for _, e := range topElements(t) {
		if e.Min == 0 && !slices.ContainsFunc(names, func(n string) bool { return isNamed(e, n) }) {
			continue
		}
		for _, n := range memberNames(e) {
			s.members[n] = whole
		}
	}
	return s
}

// isNamed reports whether a name is that of the element; a choice has its own
// and one for each type.
func isNamed(e *definitions.Element, name string) bool {
	return e.Path == name || e.Name() == name || e.Choice() && slices.Contains(memberNames(e), name)
}

// topElements are the elements at the top level of a type; none for nil.
func topElements(t *definitions.Type) (out []*definitions.Element) {
	if t == nil {
		return nil
	}
	for i := range t.Elements {
		if e := &t.Elements[i]; !strings.Contains(e.Path, ".") {
			out = append(out, e)
		}
	}
	return out
}

func (s *shape) always() {
	for _, n := range [...]string{"resourceType", "id", "meta", "implicitRules", "modifierExtension"} {
		s.members[n] = whole
	}
}

// memberNames are the names under which an element may stand in JSON.
func memberNames(e *definitions.Element) []string {
	if !e.Choice() {
		return []string{e.Name()}
	}
	var out []string
	for _, t := range e.Types {
		out = append(out, e.Name()+strings.ToUpper(t.Code[:1])+t.Code[1:])
	}
	return out
}

// A summaryCompiler makes the shapes of _summary=true: the elements that the
// definitions mark, down to the data types. It keeps what it has made, because
// data types hold each other.
type summaryCompiler map[string]*shape

func (c summaryCompiler) compile(t *definitions.Type) *shape {
	if t == nil || t.Kind == definitions.Primitive || t.Abstract {
		return whole
	}
	if s := c[t.Name]; s != nil {
		return s
	}
	at := map[string]*shape{"": {members: map[string]*shape{}}}
	c[t.Name] = at[""]
	for i := range t.Elements {
		e := &t.Elements[i]
		dot := max(strings.LastIndexByte(e.Path, '.'), 0)
		parent := at[e.Path[:dot]]
		if parent == nil || !e.Summary && !e.Modifier && e.Min == 0 {
			continue
		}
		if backbone(e) {
			at[e.Path] = &shape{members: map[string]*shape{}}
		}
		for j, n := range memberNames(e) {
			parent.members[n] = c.element(t, e, j, at)
		}
	}
	return at[""]
}

// element returns the shape of an element as its j-th type.
func (c summaryCompiler) element(t *definitions.Type, e *definitions.Element, j int, at map[string]*shape) *shape {
	if e.ContentRef != "" {
		return at[strings.TrimPrefix(e.ContentRef, t.Name+".")]
	}
	if s := at[e.Path]; s != nil {
		return s
	}
	if code := e.Types[j].Code; code != "Resource" && code != "Extension" {
		return c.compile(definitions.R4().Type(code))
	}
	return whole
}

// backbone reports whether an element's children are defined in place.
func backbone(e *definitions.Element) bool {
	return len(e.Types) == 1 && (e.Types[0].Code == "BackboneElement" || e.Types[0].Code == "Element")
}

// apply returns a stored resource in the shape, tagged as a part of it.
func (s *shape) apply(body []byte) ([]byte, error) {
	if s == nil {
		return body, nil
	}
	res, err := fhir.Decode(body)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(body)+128), '{')
	var contained fhir.Value
	for m := range res.Root().All() {
		switch key := m.Key(); {
		case key == "meta":
			out = append(appendName(out, key), subsetted(m)...)
		case key == "contained" && s.of(key) == nil:
			contained = m
		default:
			out = s.appendMember(out, m)
		}
	}
	if contained.Exists() && bytes.Contains(out, []byte(`"#`)) { // no reference into nothing
		out = append(appendName(out, "contained"), contained.Raw()...)
	}
	return append(out, '}'), nil
}

// of returns the shape of a member. That of "_name" is that of "name".
func (s *shape) of(name string) *shape {
	sub, ok := s.members[strings.TrimPrefix(name, "_")]
	if !ok {
		return s.rest
	}
	if sub != nil && name[0] == '_' {
		return whole
	}
	return sub
}

// appendMember appends a member as far as it is shown, with the comma before it.
// FHIR has no empty objects: one of which nothing is left is left out.
func (s *shape) appendMember(b []byte, m fhir.Value) []byte {
	name := m.Key()
	if name == "" {
		return b
	}
	sub := s.of(name)
	if sub == nil {
		return b
	}
	named := appendName(b, name)
	out := sub.appendValue(named, m)
	if len(out) == len(named) {
		return b
	}
	return out
}

func appendName(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	return append(fhir.AppendString(b, name), ':')
}

func (s *shape) appendValue(b []byte, v fhir.Value) []byte {
	switch {
	case s == whole || s.members == nil:
		return append(b, v.Raw()...)
	case v.Kind() == fhir.Array:
		return s.appendList(b, v, '[', ']', func(b []byte, item fhir.Value) []byte {
			if b[len(b)-1] == '[' {
				return s.appendValue(b, item)
			}
			if out := s.appendValue(append(b, ','), item); len(out) > len(b)+1 {
				return out
			}
			return b
		})
	case v.Kind() == fhir.Object:
		return s.appendList(b, v, '{', '}', s.appendMember)
	}
	return append(b, v.Raw()...)
}

// appendList appends what is left of an object or array between its brackets;
// nothing when nothing is left.
func (s *shape) appendList(b []byte, v fhir.Value, open, end byte, item func([]byte, fhir.Value) []byte) []byte {
	start := len(b)
	b = append(b, open)
	for m := range v.All() {
		b = item(b, m)
	}
	if len(b) == start+1 {
		return b[:start]
	}
	return append(b, end)
}

const subsettedTag = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// subsetted returns a meta with the tag that marks a resource as a part, so that
// nobody writes it back as the whole.
func subsetted(meta fhir.Value) []byte {
	raw := meta.Raw()
	tags := meta.Get("tag")
	for t := range tags.Items() {
		if t.Get("code").Text() == "SUBSETTED" {
			return raw
		}
	}
	if meta.Kind() != fhir.Object || meta.Len() == 0 {
		return []byte(`{"tag":[` + subsettedTag + `]}`)
	}
	start, _ := meta.Span()
	from, to := len(raw)-1, len(raw)-1 // replaced by
	with := `,"tag":[` + subsettedTag + `]`
	if tags.Exists() {
		s, e := tags.Span()
		from, to, with = s-start, e-start, `[`+subsettedTag+`]`
		if tags.Kind() == fhir.Array && tags.Len() > 0 {
			from, to, with = to-1, to-1, ","+subsettedTag
		}
	}
	return slices.Concat(raw[:from], []byte(with), raw[to:])
}

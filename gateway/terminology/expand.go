package terminology

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/profiles/terminology"
)

type object = map[string]any

// expandSpec: the hierarchy is never shown and grouping codes never are, so
// excludeNested, excludeNotForUI and excludePostCoordinated change nothing.
var expandSpec = spec{
	plain:     []string{"url", "valueSetVersion", "filter", "offset", "count", "includeDesignations", "activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated"},
	resources: []string{"valueSet"},
}

// expand serves ValueSet $expand.
func (s *server) expand(q *rest.Request) (rest.Response, error) {
	p, err := expandSpec.read(q)
	if err != nil {
		return rest.Response{}, err
	}
	ask, designations, err := p.expansion()
	if err != nil {
		return rest.Response{}, err
	}
	if ask.URL, ask.ValueSet, err = s.definition(q, ask.URL, p.resources["valueSet"]); err != nil {
		return rest.Response{}, err
	}
	x, err := s.Service.Expand(ask)
	if err != nil && s.Remote != nil && ask.ValueSet.Type() == "" {
		x, err = s.expandWith(q, ask, err)
	}
	if err != nil {
		return rest.Response{}, err
	}
	body, err := json.Marshal(expanded(x, ask, designations, s.API.Clock()))
	return rest.Response{Body: body}, err
}

func (p params) expansion() (q terminology.ExpandRequest, designations bool, err error) {
	q.URL, q.Filter = canonical(p.text("url"), p.text("valueSetVersion")), p.text("filter")
	if q.Offset, err = p.number("offset", 0); err != nil {
		return q, false, err
	}
	if q.Count, err = p.number("count", -1); err != nil {
		return q, false, err
	}
	if q.ActiveOnly, err = p.flag("activeOnly"); err != nil {
		return q, false, err
	}
	designations, err = p.flag("includeDesignations")
	return q, designations, err
}

// expandWith lists with the help of the terminology server what cannot be listed
// from here; refused says why it cannot.
func (s *server) expandWith(q *rest.Request, ask terminology.ExpandRequest, refused error) (*terminology.Expansion, error) {
	var err error
	switch fhir.AsError(refused).Issues[0].Code {
	case fhir.NotFound:
		ask.Rest, err = s.Remote.Expand(q.Context(), ask.URL, nil)
		ask.ValueSet, _ = fhir.Decode([]byte(`{"resourceType":"ValueSet"}`))
	case fhir.TooCostly:
		open := s.Service.Undecided(ask.URL, "")
		if open == nil {
			return nil, refused
		}
		ask.Rest, err = s.Remote.Expand(q.Context(), ask.URL, open)
	default:
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	if ask.Rest.Type() == "" { // the server cannot list it either
		return nil, refused
	}
	x, err := s.Service.Expand(ask)
	if err == nil && x.URL == "" {
		x.URL = fhir.ParseCanonical(ask.URL).URL
	}
	return x, err
}

// expanded is the answer: a ValueSet with its expansion and without its
// definition.
func expanded(x *terminology.Expansion, q terminology.ExpandRequest, designations bool, at time.Time) object {
	parameters := []object{}
	add := func(name, typ string, v any) { parameters = append(parameters, object{"name": name, typ: v}) }
	if q.Filter != "" {
		add("filter", "valueString", q.Filter)
	}
	if q.Offset > 0 {
		add("offset", "valueInteger", q.Offset)
	}
	if q.Count >= 0 {
		add("count", "valueInteger", q.Count)
	}
	if q.ActiveOnly {
		add("activeOnly", "valueBoolean", true)
	}
	for _, u := range x.Systems {
		add("version", "valueUri", u)
	}
	e := object{"identifier": "urn:uuid:" + uuid.NewString(), "timestamp": fhir.Instant(at), "total": x.Total}
	if q.Count >= 0 || q.Offset > 0 {
		e["offset"] = q.Offset
	}
	if len(parameters) > 0 {
		e["parameter"] = parameters
	}
	if contains := members(x.Contains, designations); len(contains) > 0 {
		e["contains"] = contains
	}
	out := object{"resourceType": "ValueSet", "status": "active", "expansion": e}
	setText(out, "url", x.URL)
	setText(out, "version", x.Version)
	setText(out, "name", x.Name)
	setText(out, "title", x.Title)
	setText(out, "status", x.Status)
	return out
}

func members(list []terminology.Member, designations bool) []object {
	out := make([]object, 0, len(list))
	for _, m := range list {
		o := object{"code": m.Code}
		setText(o, "system", m.System)
		setText(o, "version", m.Version)
		setText(o, "display", m.Display)
		if m.Inactive {
			o["inactive"] = true
		}
		if designations && len(m.Designations) > 0 {
			o["designation"] = designationObjects(m.Designations)
		}
		out = append(out, o)
	}
	return out
}

func designationObjects(list []terminology.Designation) []object {
	var out []object
	for _, d := range list {
		o := object{"value": d.Value}
		setText(o, "language", d.Language)
		if d.Use.Code != "" {
			o["use"] = codingObject(d.Use)
		}
		out = append(out, o)
	}
	return out
}

func codingObject(c fhir.Coding) object {
	o := object{}
	setText(o, "system", c.System)
	setText(o, "code", c.Code)
	setText(o, "display", c.Display)
	return o
}

// setText sets a member unless the text is empty, which FHIR has no place for.
func setText(o object, name, text string) {
	if text != "" {
		o[name] = text
	}
}

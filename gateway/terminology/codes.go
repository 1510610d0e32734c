package terminology

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/profiles/terminology"
)

var inSetSpec = spec{
	plain:     []string{"url", "valueSetVersion", "code", "system", "systemVersion", "display", "abstract", "inferSystem"},
	codings:   []string{"coding", "codeableConcept"},
	resources: []string{"valueSet"},
}

// validateInSet serves ValueSet $validate-code.
func (s *server) validateInSet(q *rest.Request) (rest.Response, error) {
	p, err := inSetSpec.read(q)
	if err != nil {
		return rest.Response{}, err
	}
	ask := terminology.ValidateRequest{Codings: p.asked("system", "systemVersion")}
	if ask.Abstract, err = p.flag("abstract"); err != nil {
		return rest.Response{}, err
	}
	if ask.InferSystem, err = p.flag("inferSystem"); err != nil {
		return rest.Response{}, err
	}
	url := canonical(p.text("url"), p.text("valueSetVersion"))
	if ask.URL, ask.ValueSet, err = s.definition(q, url, p.resources["valueSet"]); err != nil {
		return rest.Response{}, err
	}
	if ask.URL == "" && ask.ValueSet.Type() == "" {
		return rest.Response{}, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "name the value set by its url, or send it as valueSet")
	}
	return s.validate(q, ask)
}

var inSystemSpec = spec{
	plain:   []string{"url", "code", "version", "display", "abstract"},
	codings: []string{"coding", "codeableConcept"},
}

// validateInSystem serves CodeSystem $validate-code. At an instance the system
// is the resource's.
func (s *server) validateInSystem(q *rest.Request) (rest.Response, error) {
	p, err := inSystemSpec.read(q)
	if err != nil {
		return rest.Response{}, err
	}
	if q.ID != "" {
		url, _, err := s.definition(q, p.text("url"), fhir.Resource{})
		if err != nil {
			return rest.Response{}, err
		}
		c := fhir.ParseCanonical(url)
		p.plain["url"], p.plain["version"] = []string{c.URL}, []string{c.Version}
	}
	codings := p.asked("url", "version")
	for _, c := range codings {
		if u := p.text("url"); u != "" && c.System != "" && c.System != u {
			return rest.Response{}, fhir.StatusErrorf(http.StatusBadRequest, fhir.Invalid, "the coding is of another system than url")
		}
	}
	return s.validate(q, terminology.ValidateRequest{Codings: codings, Abstract: true})
}

// validate answers from what is held, or by the terminology server. That is not
// asked about a definition sent or stored here: it would answer by another of
// the same url, or, without one, for the code system alone.
func (s *server) validate(q *rest.Request, ask terminology.ValidateRequest) (rest.Response, error) {
	r, err := s.Service.ValidateCode(ask)
	held, askable := true, s.Remote != nil && ask.ValueSet.Type() == ""
	if e := fhir.AsError(err); err != nil && askable && e.Issues[0].Code == fhir.NotFound && len(ask.Codings) > 0 {
		held, err, r = false, nil, &terminology.ValidateResult{System: ask.Codings[0].System, Code: ask.Codings[0].Code, Message: e.Issues[0].Text}
	}
	if err != nil {
		return rest.Response{}, err
	}
	if r.Answer == terminology.Unknown && askable && r.System != "" && (held || len(ask.Codings) == 1) {
		if err := s.askRemote(q, ask.URL, r); err != nil {
			return rest.Response{}, err
		}
	}
	if r.Answer == terminology.Unknown {
		status := http.StatusUnprocessableEntity
		if !held {
			status = http.StatusNotFound
		}
		return rest.Response{}, fhir.StatusErrorf(status, fhir.NotFound, "%s", unable(r.Message))
	}
	return parameters(object{"name": "result", "valueBoolean": r.Answer == terminology.Yes},
		text("message", r.Message), text("display", r.Display))
}

func unable(text string) string {
	if strings.HasPrefix(text, "unable to check") {
		return text
	}
	return "unable to check: " + text
}

func (s *server) askRemote(q *rest.Request, url string, r *terminology.ValidateResult) error {
	a, err := s.Remote.ValidateCode(q.Context(), terminology.Query{ValueSet: url, System: r.System, Code: r.Code})
	if err != nil {
		return fhir.Wrap(err, fhir.Transient, "unable to check: the terminology server does not answer")
	}
	switch r.Answer = a; a {
	case terminology.Yes:
		r.Message = ""
	case terminology.No:
		r.Message = "the terminology server says that the code is not valid there"
	}
	return nil
}

var lookupSpec = spec{plain: []string{"code", "system", "version", "property"}, codings: []string{"coding"}}

// lookup serves CodeSystem $lookup.
func (s *server) lookup(q *rest.Request) (rest.Response, error) {
	p, err := lookupSpec.read(q)
	if err != nil {
		return rest.Response{}, err
	}
	list := p.asked("system", "version")
	if len(list) != 1 {
		return rest.Response{}, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "a look-up needs code and system, or one coding")
	}
	c := list[0]
	r, err := s.Service.Lookup(c.System, c.Version, c.Code)
	if e := fhir.AsError(err); err != nil && s.Remote != nil && e.Issues[0].Code == fhir.NotFound && s.Service.Code(c.System, c.Code) == terminology.Unknown {
		r, err = s.Remote.lookup(q.Context(), c, err)
	}
	if err != nil {
		return rest.Response{}, err
	}
	out := []object{text("name", r.Name), text("version", r.Version), {"name": "display", "valueString": r.Display}}
	if r.Display == "" {
		out[2]["valueString"] = c.Code
	}
	return parameters(append(out, details(r, p.plain["property"])...)...)
}

// details are designations and properties: all, or those asked for.
func details(r *terminology.LookupResult, asked []string) []object {
	var out []object
	want := func(name string) bool { return len(asked) == 0 || slices.Contains(asked, name) }
	if want("designation") {
		for _, d := range r.Designations {
			part := []object{}
			if d.Language != "" {
				part = append(part, object{"name": "language", "valueCode": d.Language})
			}
			if d.Use.Code != "" {
				part = append(part, object{"name": "use", "valueCoding": codingObject(d.Use)})
			}
			out = append(out, object{"name": "designation", "part": append(part, object{"name": "value", "valueString": d.Value})})
		}
	}
	property := func(code, typ string, value any) {
		if want(code) {
			out = append(out, object{"name": "property", "part": []object{{"name": "code", "valueCode": code}, {"name": "value", typ: value}}})
		}
	}
	if r.Definition != "" {
		property("definition", "valueString", r.Definition)
	}
	for _, u := range r.Parents {
		property("parent", "valueCode", u)
	}
	for _, u := range r.Children {
		property("child", "valueCode", u)
	}
	for _, p := range r.Properties {
		property(p.Code, "value"+strings.ToUpper(p.Type[:1])+p.Type[1:], propertyValue(p))
	}
	return out
}

func propertyValue(p terminology.Property) any {
	switch p.Type {
	case "Coding":
		return codingObject(p.Coding)
	case "boolean", "integer", "decimal":
		return json.RawMessage(p.Value)
	}
	return p.Value
}

var subsumesSpec = spec{plain: []string{"codeA", "codeB", "system", "version"}, codings: []string{"codingA", "codingB"}}

// subsumes serves CodeSystem $subsumes.
func (s *server) subsumes(q *rest.Request) (rest.Response, error) {
	p, err := subsumesSpec.read(q)
	if err != nil {
		return rest.Response{}, err
	}
	a := terminology.Coding{System: p.text("system"), Version: p.text("version"), Code: p.text("codeA")}
	b := terminology.Coding{System: a.System, Version: a.Version, Code: p.text("codeB")}
	if len(p.codings["codingA"]) > 0 && len(p.codings["codingB"]) > 0 {
		a, b = p.codings["codingA"][0], p.codings["codingB"][0]
	}
	if a.Code == "" || b.Code == "" || a.System == "" || a.System != b.System {
		return rest.Response{}, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "send codeA, codeB and their system, or codingA and codingB of one system")
	}
	outcome, err := s.Service.Subsumes(a.System, a.Version, a.Code, b.Code)
	if err != nil {
		return rest.Response{}, err
	}
	return parameters(object{"name": "outcome", "valueCode": outcome})
}

var translateSpec = spec{
	plain:     []string{"url", "conceptMapVersion", "code", "system", "version", "source", "target", "targetsystem", "reverse"},
	codings:   []string{"coding", "codeableConcept"},
	resources: []string{"conceptMap"},
}

// translate serves ConceptMap $translate.
func (s *server) translate(q *rest.Request) (rest.Response, error) {
	p, err := translateSpec.read(q)
	if err != nil {
		return rest.Response{}, err
	}
	ask := terminology.TranslateRequest{
		Source: p.text("source"), Target: p.text("target"), TargetSystem: p.text("targetsystem"), Codings: p.asked("system", "version"),
	}
	if ask.Reverse, err = p.flag("reverse"); err != nil {
		return rest.Response{}, err
	}
	url := canonical(p.text("url"), p.text("conceptMapVersion"))
	if ask.URL, ask.ConceptMap, err = s.definition(q, url, p.resources["conceptMap"]); err != nil {
		return rest.Response{}, err
	}
	r, err := s.Service.Translate(ask)
	if err != nil {
		return rest.Response{}, err
	}
	out := []object{{"name": "result", "valueBoolean": r.Result}, text("message", r.Message)}
	for _, m := range r.Matches {
		out = append(out, matchObject(m))
	}
	return parameters(out...)
}

func matchObject(m terminology.Match) object {
	part := []object{}
	if m.Equivalence != "" {
		part = append(part, object{"name": "equivalence", "valueCode": m.Equivalence})
	}
	if m.Code != "" {
		c := codingObject(fhir.Coding{System: m.System, Code: m.Code, Display: m.Display})
		setText(c, "version", m.Version)
		part = append(part, object{"name": "concept", "valueCoding": c})
	}
	if url := fhir.ParseCanonical(m.Source).URL; url != "" {
		part = append(part, object{"name": "source", "valueUri": m.Source})
	}
	return object{"name": "match", "part": part}
}

// text is a parameter, or nothing when the text is empty.
func text(name, value string) object {
	if value == "" {
		return nil
	}
	return object{"name": name, "valueString": value}
}

func parameters(list ...object) (rest.Response, error) {
	list = slices.DeleteFunc(list, func(o object) bool { return o == nil })
	body, err := json.Marshal(object{"resourceType": "Parameters", "parameter": list})
	return rest.Response{Body: body}, err
}

package search

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// include reads _include or _revinclude, with or without :iterate.
func (p *parser) include(name, value string) {
	base, modifier, modified := strings.Cut(name, ":")
	in := Include{Reverse: base == "_revinclude", Iterate: modifier == "iterate"}
	if modified && !in.Iterate {
		p.fail(fhir.NotSupported, name, "the only modifier is :iterate")
		return
	}
	parts := strings.Split(value, ":")
	if value == "*" && !in.Reverse {
		parts = []string{"*", "*"}
	}
	if len(parts) < 2 || len(parts) > 3 {
		p.fail(fhir.BadValue, name, "Type:parameter or Type:parameter:TargetType was expected")
		return
	}
	if in.Type, in.Param = parts[0], parts[1]; len(parts) == 3 {
		in.Target = parts[2]
	}
	if text := p.checkInclude(in); text != "" {
		p.fail(fhir.NotSupported, name, "%s", text)
		return
	}
	if !slices.Contains(p.q.Includes, in) {
		p.q.Includes = append(p.q.Includes, in)
	}
	if len(p.q.Includes) > maxIncludes { // each looks at every resource of a page
		p.fail(fhir.TooCostly, "", "a search has at most %d _include and _revinclude", maxIncludes)
		return
	}
	p.q.Applied.Add(name, value)
}

// checkInclude says what is wrong with an include.
func (p *parser) checkInclude(in Include) string {
	switch {
	case in.Type != "*" && !p.reg.IsResource(in.Type) || in.Target != "" && !p.reg.IsResource(in.Target):
		return "Type:parameter was expected, with a resource type of R4"
	case in.Type == "*" && in.Param != "*":
		return "of every type all parameters can be followed: *:*"
	case in.Type == "*":
		return ""
	case !in.Iterate && !in.Reverse && !slices.Contains(p.q.Types, in.Type):
		return "what is included goes out from a type that is searched, or from one included before with :iterate"
	case in.Param == "*":
		return ""
	}
	param := p.reg.Param(in.Type, in.Param)
	if param == nil || param.kind != store.Reference {
		return "a reference parameter of the type was expected"
	}
	if in.Target != "" && len(param.Targets) > 0 && !slices.Contains(param.Targets, in.Target) {
		return "the reference cannot point to that type"
	}
	return ""
}

// References returns the values ("Type/id" or a URL) that a reference parameter
// has in a document, or with "*" those of all of them, in document order and
// without repeats.
func (r *Registry) References(res fhir.Resource, param string) []string {
	p := r.Param(res.Type(), param)
	if param != "*" && (p == nil || p.kind != store.Reference) {
		return nil
	}
	var out []string
	for _, ix := range r.Index(res) {
		if ix.Kind != store.Reference || ix.Value == "" || ix.Group != 0 || strings.Contains(ix.Param, ":") {
			continue
		}
		if param == "*" || ix.Param == p.stored && p.mayPoint(ix.Value) {
			if !slices.Contains(out, ix.Value) {
				out = append(out, ix.Value)
			}
		}
	}
	return out
}

// mayPoint reports whether a value is of the type that the parameter is limited
// to.
func (p *Param) mayPoint(value string) bool {
	if p.only == "" || !p.has("Reference") {
		return true
	}
	ref, ok := fhir.ParseReference(value)
	return ok && (ref.Type == "" || ref.Type == p.only)
}

// Referring returns the parts that find what refers to the targets ("Type/id" or
// a URL) by a reference parameter of the type, or with "*" by any of them.
func (r *Registry) Referring(typ, param string, targets []string) ([]store.Part, error) {
	if param == "*" {
		return r.referring(typ, targets), nil
	}
	p := r.Param(typ, param)
	if p == nil || p.kind != store.Reference {
		return nil, fhir.Errorf(fhir.NotSupported, "a reference parameter of the type was expected")
	}
	targets = slices.DeleteFunc(slices.Clone(targets), func(t string) bool { return !p.mayPoint(t) })
	if len(targets) == 0 {
		return nil, nil
	}
	return []store.Part{{Type: typ, Where: (&link{ref: p}).clauses(targets)}}, nil
}

// Referrers returns the parts that find every resource of a held type that
// refers to k by any element. What a Bundle holds refers within the Bundle and
// is not among them.
func (r *Registry) Referrers(k store.Key) []store.Part {
	var out []store.Part
	for _, typ := range r.Types() {
		out = append(out, r.referring(typ, []string{k.String()})...)
	}
	return out
}

// referring returns a part for each leading reference that may point to one of
// the targets, and one for all other references.
func (r *Registry) referring(typ string, targets []string) (out []store.Part) {
	pl := r.plan(typ)
	var ms []store.Match
	for _, t := range targets {
		ms = append(ms, store.Match{Value: t})
	}
	for _, ref := range pl.refs {
		if ref.mayPoint(targets) {
			out = append(out, store.Part{Type: typ, Where: []store.Clause{ref.param.clause(ms)}})
		}
	}
	if !pl.embeds {
		out = append(out, store.Part{Type: typ, Where: []store.Clause{{Param: anyReference, Kind: store.Reference, Any: ms}}})
	}
	return out
}

// A refIndex is the index of a leading reference, with the types that the
// parameters which share it may point to; none is any.
type refIndex struct {
	param *Param
	types []string
}

func (pl *plan) indexRefs() {
	for _, p := range pl.params {
		if p.kind != store.Reference || p.silent {
			continue
		}
		i := slices.IndexFunc(pl.refs, func(r refIndex) bool { return r.param.stored == p.stored })
		switch {
		case i < 0:
			pl.refs = append(pl.refs, refIndex{p, p.Targets})
		case len(p.Targets) == 0:
			pl.refs[i].types = nil
		case len(pl.refs[i].types) > 0:
			pl.refs[i].types = slices.Concat(pl.refs[i].types, p.Targets)
		}
	}
}

func (x refIndex) mayPoint(targets []string) bool {
	return len(x.types) == 0 || slices.ContainsFunc(targets, func(t string) bool {
		ref, ok := fhir.ParseReference(t)
		return !ok || ref.Type == "" || slices.Contains(x.types, ref.Type)
	})
}

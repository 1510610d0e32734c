package search

import (
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/store"
)

// A Param is a search parameter of one resource type.
type Param struct {
	Name string
	// Type is the FHIR search type: token, reference, date, uri or string.
	Type string
	// URL is the canonical of the SearchParameter.
	URL string
	// Targets are the resource types that a reference may point to; empty
	// means any.
	Targets []string

	kind   store.Kind
	common bool
	// stored is the name under which the index holds it: another parameter's
	// when both select the same element.
	stored string
	// only is the type that a shared reference parameter is limited to.
	only string
}

// Doc says in a few words what a request may ask of the parameter.
func (p *Param) Doc() string {
	switch p.Type {
	case "string":
		return "Begins with the value, whatever its case and accents."
	case "token":
		return "code, system|code or |code; several values with a comma."
	case "reference":
		return "Type/id, an absolute URL, or an id where only one type is possible."
	case "date":
		return "A date with an optional prefix eq, ne, gt, lt, ge, le, sa, eb or ap."
	}
	return "Compared exactly."
}

// A Registry knows the search parameters of every resource type. It is safe for
// concurrent use.
type Registry struct {
	defs *definitions.Definitions
	// base is the prefix of references to this server, "https://x/fhir/".
	base string
	held map[string][]string
	// all: held types have every parameter that can be answered, too.
	all bool

	mu    sync.RWMutex
	types map[string]*plan // compiled at the first use of the type
}

// NewRegistry returns the parameters of the definitions. base is the public
// FHIR URL without a trailing slash: absolute references below it are the same
// as relative ones.
func NewRegistry(defs *definitions.Definitions, base string) *Registry {
	r := &Registry{defs: defs, base: base + "/", held: map[string][]string{}, types: map[string]*plan{}}
	for _, h := range HeldTypes() {
		r.held[h.Type] = h.Params
	}
	return r
}

// NewSandboxRegistry is [NewRegistry] with every parameter that can be answered
// for every type, so that test kits find what they look for.
func NewSandboxRegistry(defs *definitions.Definitions, base string) *Registry {
	r := NewRegistry(defs, base)
	r.all = true
	return r
}

// Held reports whether Trellis holds the type outside the sandbox.
func (r *Registry) Held(typ string) bool { _, ok := r.held[typ]; return ok }

// IsResource reports whether R4 has the type.
func (r *Registry) IsResource(typ string) bool { return r.defs.IsResource(typ) }

// Params returns the parameters of a type, sorted by name, without those that
// every type has (_id, _lastUpdated).
func (r *Registry) Params(typ string) []*Param { return r.plan(typ).params }

// plan returns the compiled parameters of a type.
func (r *Registry) plan(typ string) *plan {
	r.mu.RLock()
	p := r.types[typ]
	r.mu.RUnlock()
	if p != nil {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p = r.types[typ]; p == nil {
		p = r.compile(typ)
		r.types[typ] = p
	}
	return p
}

// A plan is what the registry knows of one type: its parameters and one tree of
// the elements they select.
type plan struct {
	params []*Param
	byName map[string]*Param
	root   *node
}

var kinds = map[string]store.Kind{
	"token": store.Token, "reference": store.Reference, "date": store.Date, "uri": store.URI, "string": store.Text,
}

func (r *Registry) compile(typ string) *plan {
	pl := &plan{byName: map[string]*Param{}, root: &node{}}
	seen := map[string]*Param{} // by the elements selected
	for _, sp := range slices.Concat(r.defs.SearchParams(typ), r.defs.SearchParams("Resource")) {
		p, ps, ok := r.param(typ, sp)
		if !ok || pl.byName[p.Name] != nil {
			continue
		}
		pl.byName[p.Name] = p
		pl.params = append(pl.params, p)
		p.share(ps, seen)
		if p.stored == p.Name {
			for _, one := range ps {
				pl.root.add(one, p)
			}
		}
	}
	return pl
}

// param compiles one definition; ok is false when it is not for this type or
// cannot be answered.
func (r *Registry) param(typ string, sp *definitions.SearchParam) (*Param, []path, bool) {
	kind := kinds[sp.Type]
	if kind == 0 || everyType[sp.Code] != nil || !r.wanted(typ, sp.Code) {
		return nil, nil, false
	}
	ps, ok := paths(sp.Expression, typ)
	if !ok {
		if ps, ok = paths(sp.Expression, "Resource"); !ok {
			return nil, nil, false
		}
	}
	p := &Param{Name: sp.Code, Type: sp.Type, URL: sp.URL, Targets: sp.Targets, kind: kind, stored: sp.Code}
	p.common = common[sp.Code] && kind != store.Reference
	if t := ps[0].target; t != "" {
		p.Targets = []string{t}
	}
	if p.Name == "patient" {
		p.Targets = []string{"Patient"}
	}
	return p, ps, true
}

// wanted reports whether a parameter of the type is to be answered.
func (r *Registry) wanted(typ, code string) bool {
	names, held := r.held[typ]
	return r.all || !held || code == "_tag" || slices.Contains(names, code)
}

// share lets p use the index of a parameter that selects the same elements.
// Definitions come sorted by code, so "patient" is seen before "subject" and
// both before anything else they share with; the filter moves to the query.
func (p *Param) share(ps []path, seen map[string]*Param) {
	key := p.Type
	for _, one := range ps {
		key += "|" + strings.Join(one.steps, ".") + "." + one.last[0] + "?" + one.system
	}
	if p.Type == "reference" && len(p.Targets) == 1 {
		p.only = p.Targets[0]
	}
	if first := seen[key]; first != nil {
		p.stored = first.stored
		return
	}
	seen[key] = p
}

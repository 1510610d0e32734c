package search

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"

	"trellis.example/fhir/definitions"
)

// A Registry knows the search parameters of every resource type. It is safe for
// concurrent use.
type Registry struct {
	defs *definitions.Definitions
	// base is the prefix of references to this server, "https://x/fhir/".
	base string
	held map[string][]string
	// all: every type of R4 is held.
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

// NewSandboxRegistry is [NewRegistry] for a server that holds every type of R4.
func NewSandboxRegistry(defs *definitions.Definitions, base string) *Registry {
	r := NewRegistry(defs, base)
	r.all = true
	return r
}

// Held reports whether Trellis holds the type outside the sandbox.
func (r *Registry) Held(typ string) bool { _, ok := r.held[typ]; return ok }

// Types returns the types that are held, sorted: in the sandbox all of R4.
func (r *Registry) Types() []string {
	if r.all {
		return r.defs.Resources()
	}
	return slices.Sorted(maps.Keys(r.held))
}

// IsResource reports whether R4 has the type.
func (r *Registry) IsResource(typ string) bool { return r.defs.IsResource(typ) }

// Params returns the parameters of a type, sorted by name, without those that
// every type has (_id, _lastUpdated).
func (r *Registry) Params(typ string) []*Param { return r.plan(typ).params }

// Param returns a parameter of a type, _id and _lastUpdated among them, or nil.
func (r *Registry) Param(typ, name string) *Param {
	if p := everyType[name]; p != nil {
		return p
	}
	return r.plan(typ).byName[name]
}

// everyType are the parameters that the store answers for every type.
var everyType = map[string]*Param{
	"_id": {Name: "_id", Type: "token", URL: "http://hl7.org/fhir/SearchParameter/Resource-id", kind: kinds["token"], stored: "_id", datatypes: []string{"id"}},
	"_lastUpdated": {Name: "_lastUpdated", Type: "date", URL: "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated",
		kind: kinds["date"], stored: "_lastUpdated", single: true, datatypes: []string{"instant"}},
}

// A Refusal is a parameter of R4 that is not answered, with the reason.
type Refusal struct{ Name, Why string }

// Refused returns the parameters of a type that are not answered, sorted by
// name, without those that no type has answered (see [Registry.Parse]).
func (r *Registry) Refused(typ string) []Refusal { return r.plan(typ).refused }

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

// layout is raised when the same definitions come to be indexed differently.
const layout = 1

// Fingerprint is different when documents come to be indexed differently: by
// other parameters, or in another way. What was written under another one must
// be indexed anew before searches find it.
func (r *Registry) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintln(h, layout, r.base)
	for _, typ := range r.Types() {
		for _, p := range r.plan(typ).params {
			fmt.Fprintln(h, typ, p.Name, p.kind, p.stored, p.common, p.silent, p.datatypes, p.byRef)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

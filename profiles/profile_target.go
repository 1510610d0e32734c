package profiles

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// maxHops bounds the references that are followed one from another.
const maxHops = 4

// referenceTo checks a reference against the targets of a profile: the type as
// far as the reference tells it, and the resource itself where it is at hand.
// What it leads to in R4's terms has been checked by the walk.
func (w *walk) referenceTo(c *check, r *typeRule, it datum) {
	to, way := w.find(it.v)
	if r.aggregation != 0 && way != 0 && !r.aggregation.allows(way) {
		w.add(it.v, "", w.issue(c, fhir.BusinessRule, "expected the resource to be "+r.aggregation.String(), r.aggregation.String(), "a resource that is "+way.String()))
	}
	if len(r.targets) == 0 || !w.v.nodes.defs.IsResource(to.typ) {
		return
	}
	var fits []*definition
	for _, t := range r.targets {
		switch {
		case !w.isOneOf(to.typ, []string{t.typ}):
		case t.def == nil || !to.v.Exists():
			return // of the right type, and nothing more can be asked of it
		default:
			fits = append(fits, t.def)
		}
	}
	switch {
	case len(fits) == 0:
		w.wrongTarget(it.v, r.typeNames())
	case w.hops >= maxHops:
	case len(fits) == 1 && to.v.Tree() == it.v.Tree() && w.trying == 0:
		w.oneProfile(fits[0], to)
	default:
		w.targetProfiles(c, fits, it, to)
	}
}

// targetProfiles checks that the resource referred to follows one of the
// profiles.
func (w *walk) targetProfiles(c *check, fits []*definition, it, to datum) {
	bundle, urls := w.bundle, w.fullURLs
	if to.v.Tree() != it.v.Tree() {
		w.bundle, w.fullURLs = fhir.Value{}, nil
	}
	w.hops++
	ok := false
	for _, d := range fits {
		ok = ok || w.conforms(to, d)
	}
	w.hops--
	w.bundle, w.fullURLs = bundle, urls
	if !ok {
		is := w.issue(c, fhir.BusinessRule, "the resource referred to does not follow "+titles(fits), "a resource that follows "+titles(fits), "another "+to.typ)
		is.Hint = "Validate the resource by itself against that profile to see what it lacks."
		w.add(it.v, "", is)
	}
}

func (r *typeRule) typeNames() []string {
	var out []string
	for _, t := range r.targets {
		out = append(out, t.typ)
	}
	return out
}

// allows reports whether a way of reference is among those of a profile: what is
// in the Bundle may also be said to be referenced.
func (a aggregation) allows(way aggregation) bool {
	return a&way != 0 || way == bundled && a&referenced != 0
}

// String names the ways.
func (a aggregation) String() string {
	var out []string
	for _, name := range [...]string{"contained", "referenced", "bundled"} {
		if a&aggregations[name] != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, " or ")
}

// follow is what resolve() gives for a reference: the resource, or what is known
// of its type.
func (w *walk) follow(it datum) datum {
	to, _ := w.find(it.v)
	return to
}

// find looks up what a reference leads to: a contained resource, an entry of the
// Bundle, what Options.Resolve finds, or else its type alone. way is 0 where the
// reference names nothing by address.
func (w *walk) find(v fhir.Value) (to datum, way aggregation) {
	s := v.Get("reference")
	ref, ok := fhir.ParseReference(s.Text())
	if s.Kind() != fhir.String || !ok {
		return datum{typ: declaredType(v)}, 0
	}
	var at fhir.Value
	switch ref.Kind {
	case fhir.RefContained:
		way, at = contained, w.root
		if ref.Fragment != "" {
			at = w.containedResource(ref.Fragment)
		}
	case fhir.RefConditional:
		way = referenced
	default:
		way = bundled
		if at = w.entryOf(ref); !at.Exists() {
			way, at = referenced, w.elsewhere(ref)
		}
	}
	if typ := at.Get("resourceType").Text(); at.Exists() && typ != "" {
		return datum{v: at, typ: typ, table: w.v.nodes.defs.Table(typ), slice: noSlice}, way
	}
	if ref.Type != "" {
		return datum{typ: ref.Type}, way
	}
	return datum{typ: declaredType(v)}, way
}

// declaredType is the type that a reference says it leads to.
func declaredType(ref fhir.Value) string {
	return strings.TrimPrefix(ref.Get("type").Text(), r4Base)
}

// elsewhere asks Options.Resolve, once for each reference.
func (w *walk) elsewhere(ref fhir.Reference) fhir.Value {
	if w.o.Resolve == nil || w.hops >= maxHops {
		return fhir.Value{}
	}
	if v, asked := w.found[ref.URI]; asked {
		return v
	}
	var v fhir.Value
	if r, ok := w.o.Resolve(ref.URI); ok {
		v = r.Root()
	}
	if w.found == nil {
		w.found = map[string]fhir.Value{}
	}
	w.found[strings.Clone(ref.URI)] = v
	return v
}

// entryOf finds the entry that a reference leads to (R4 Bundle, section
// 2.36.4.1).
func (w *walk) entryOf(ref fhir.Reference) fhir.Value {
	if !w.bundle.Exists() {
		return fhir.Value{}
	}
	url, ok := path.AbsoluteURL(w.ownURL(), ref)
	if !ok {
		return fhir.Value{}
	}
	return w.entryAt(url)
}

// containedResource finds a contained resource of the innermost resource.
func (w *walk) containedResource(id string) fhir.Value {
	list := w.root.Get("contained")
	if list.Len() < 8 {
		return containedByID(list, id)
	}
	if w.containedIn != list {
		w.containedIn, w.byID = list, make(map[string]fhir.Value, list.Len())
		for c := list.First(); c.Exists(); c = c.Next() {
			if key := c.Get("id").Text(); !w.byID[key].Exists() {
				w.byID[key] = c
			}
		}
	}
	return w.byID[id]
}

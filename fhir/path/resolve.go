package path

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A Finder looks up the entries of a Bundle where the caller has an index of
// them. It returns the entry's resource, absent when there is none; indexed is
// false when it knows nothing of that Bundle.
type Finder interface {
	Find(bundle fhir.Value, fullURL string) (resource fhir.Value, indexed bool)
}

// resolve replaces references on the stack by what they stand for.
func (e *env) resolve(lo int) {
	n := lo
	for _, it := range e.stack[lo:] {
		if r, ok := e.target(it); ok {
			e.stack[n] = r
			n++
		}
	}
	e.stack = e.stack[:n]
}

// target finds the contained resource or the Bundle entry that a reference
// names, else a stand-in of the type that it names.
func (e *env) target(it item) (item, bool) {
	if it.kind != kindNode {
		return it, false
	}
	s, typ := it.v, ""
	if it.t.Type == "Reference" {
		s, typ = it.v.Get("reference"), it.v.Get("type").Text()
	}
	ref, ok := fhir.ParseReference(s.Text())
	if ok && ref.Kind == fhir.RefContained {
		return e.contained(it.v, ref.Fragment)
	}
	if ok {
		if r, found := e.entry(it.v, ref); found {
			return resourceItem(r), true
		}
		if ref.Type != "" {
			typ = ref.Type
		}
	}
	t := definitions.R4().Table(typ)
	return item{kind: kindResolved, t: t}, t != nil
}

// holder returns the resource that v stands in; of a contained resource, the
// one around it. Looking for a member costs a visit for each that is there.
func (e *env) holder(v fhir.Value) fhir.Value {
	for ; v.Exists() && e.visit(v.Len()); v = v.Parent() {
		if v.Kind() != fhir.Object || !v.Get("resourceType").Exists() {
			continue
		}
		if p := v.Parent(); !p.Exists() || p.Kind() != fhir.Array || p.Key() != "contained" {
			return v
		}
	}
	return v
}

func (e *env) contained(from fhir.Value, id string) (item, bool) {
	h := e.holder(from)
	if id == "" {
		return resourceItem(h), h.Exists()
	}
	for c := h.Get("contained").First(); c.Exists() && e.visit(1); c = c.Next() {
		if c.Get("id").Text() == id {
			it := resourceItem(c)
			return it, it.t != nil
		}
	}
	return item{}, false
}

// entry finds what a reference names within the Bundle around it (R4 Bundle,
// section 2.36.4.1): by fullUrl, a relative one against the base of the fullUrl
// of the entry it stands in.
func (e *env) entry(from fhir.Value, ref fhir.Reference) (fhir.Value, bool) {
	own := e.holder(from).Parent()
	bundle := own.Parent().Parent()
	if own.Kind() != fhir.Object || !e.visit(own.Len()+bundle.Len()) || bundle.Get("resourceType").Text() != "Bundle" {
		return fhir.Value{}, false
	}
	url, ok := AbsoluteURL(own.Get("fullUrl").Text(), ref)
	if !ok {
		return fhir.Value{}, false
	}
	if r, ok := e.find(bundle, url); ok && (ref.Version == "" || r.At("meta", "versionId").Text() == ref.Version) {
		return r, true
	}
	return fhir.Value{}, false
}

func (e *env) find(bundle fhir.Value, url string) (fhir.Value, bool) {
	if e.finder != nil && e.visit(1) {
		if r, indexed := e.finder.Find(bundle, url); indexed {
			return r, r.Exists()
		}
	}
	for c := bundle.Get("entry").First(); c.Exists() && e.visit(1); c = c.Next() {
		if c.Get("fullUrl").Text() == url && c.Get("resource").Kind() == fhir.Object {
			return c.Get("resource"), true
		}
	}
	return fhir.Value{}, false
}

// AbsoluteURL returns the fullUrl, without version, that a reference names in an
// entry that has a fullUrl itself. ok is false when there is none: a relative
// reference where the entry's own fullUrl is not a RESTful address.
func AbsoluteURL(fullURL string, ref fhir.Reference) (url string, ok bool) {
	switch ref.Kind {
	case fhir.RefURN, fhir.RefOther:
		return ref.URI, true
	case fhir.RefAbsolute:
		url, _, _ = strings.Cut(ref.URI, "/_history/")
		return url, true
	case fhir.RefRelative:
		own, parsed := fhir.ParseReference(fullURL)
		if !parsed || own.Kind != fhir.RefAbsolute {
			return "", false
		}
		return own.Base + "/" + ref.Type + "/" + ref.ID, true
	}
	return "", false
}

package search

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// reference indexes a Reference: the literal one, its version when it has one,
// and its logical identifier.
func (x *extractor) reference(v fhir.Value, p *Param) {
	value, versioned := splitReference(v.Get("reference").Text(), x.base)
	x.refer(p, value)
	if x.group != 0 {
		return
	}
	if versioned != "" {
		x.add(store.Index{Param: p.names.version, Kind: store.Reference, Silent: true, Value: clip(versioned)})
	}
	if id := v.Get("identifier"); id.Exists() {
		if s := id.Get("value").Text(); s != "" {
			x.add(store.Index{Param: p.names.identifier, Kind: store.Token, Silent: true, System: clip(id.Get("system").Text()), Value: clip(s)})
		}
	}
	if value == "" {
		x.bare(p, store.Reference)
	}
}

func (x *extractor) refer(p *Param, value string) {
	if value == "" {
		return
	}
	e := p.entry(store.Reference)
	e.Value = clip(value)
	x.add(e)
}

func (x *extractor) canonical(v fhir.Value, p *Param) {
	value, versioned := splitReference(v.Text(), x.base)
	x.refer(p, value)
	if versioned != "" && x.group == 0 {
		x.add(store.Index{Param: p.names.version, Kind: store.Reference, Silent: true, Value: clip(versioned)})
	}
}

// embedded indexes a resource that stands where a reference might.
func (x *extractor) embedded(v fhir.Value, p *Param) {
	typ, id := v.Get("resourceType").Text(), v.Get("id").Text()
	if id != "" && (p.only == "" || p.only == typ) {
		x.refer(p, typ+"/"+id)
	}
}

// Local returns a literal reference as "Type/id" when it points to this server,
// without its version; others as they are.
func (r *Registry) Local(ref string) string {
	value, _ := splitReference(ref, r.base)
	return value
}

// splitReference returns a reference as it is indexed: without its version,
// relative when it points to this server, "" for one inside the document; and
// the same with the version when it has one.
func splitReference(s, base string) (value, versioned string) {
	ref, ok := fhir.ParseReference(strings.TrimPrefix(s, base))
	if !ok {
		return "", ""
	}
	switch ref.Kind {
	case fhir.RefContained:
		return "", ""
	case fhir.RefRelative:
		value = ref.URI
		if ref.Version != "" {
			return ref.Relative(), ref.URI
		}
	case fhir.RefAbsolute:
		value = ref.URI
		if ref.Version != "" {
			return ref.Base + "/" + ref.Relative(), ref.URI
		}
	default:
		url, _, found := strings.Cut(ref.URI, "|")
		if found {
			return url, ref.URI
		}
		value = ref.URI
	}
	return value, ""
}

package fhir

import "strings"

// A ReferenceKind tells how a literal reference names its target.
type ReferenceKind uint8

// The kinds of literal reference (R4 references, section 2.3.0.1).
const (
	// RefOther is a URI that is none of the others, such as a page or a DICOM
	// address; only [Reference.URI] is set.
	RefOther ReferenceKind = iota
	// RefRelative is "Patient/1", with or without "/_history/2".
	RefRelative
	// RefAbsolute is a RESTful URL: Base, Type and ID are set.
	RefAbsolute
	// RefURN is "urn:uuid:…" or "urn:oid:…".
	RefURN
	// RefContained is "#id"; "#" alone names the container.
	RefContained
	// RefConditional is "Patient?identifier=…", legal in transactions only:
	// Type and Query are set.
	RefConditional
)

// A Reference is a parsed Reference.reference. Its strings share the memory of
// the string parsed.
type Reference struct {
	Kind ReferenceKind
	// URI is the whole reference as given.
	URI string
	// Base is the server of an absolute reference, without a trailing slash.
	Base string
	// Type and ID name the resource of a relative or absolute reference.
	Type, ID string
	// Version is the version id after "/_history/", or "".
	Version string
	// Fragment is the id of a contained resource, without "#".
	Fragment string
	// Query is what follows "?" in a conditional reference.
	Query string
}

// ParseReference reads a literal reference. ok is false for an empty string, or
// one with white space, which no URI has. It does not allocate.
func ParseReference(s string) (r Reference, ok bool) {
	r.URI = s
	if s == "" || strings.ContainsAny(s, " \t\r\n") {
		return r, false
	}
	switch {
	case s[0] == '#':
		r.Kind, r.Fragment = RefContained, s[1:]
		return r, r.Fragment == "" || IsID(r.Fragment)
	case strings.HasPrefix(s, "urn:"):
		r.Kind = RefURN
		return r, true
	case hasScheme(s):
		r.absolute(s)
		return r, true
	}
	if typ, query, found := strings.Cut(s, "?"); found && isTypeName(typ) {
		r.Kind, r.Type, r.Query = RefConditional, typ, query
		return r, true
	}
	if r.restful(s) {
		r.Kind = RefRelative
	}
	return r, true
}

// absolute fills r from a URL whose last parts are type and id.
func (r *Reference) absolute(s string) {
	if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
		return
	}
	host := strings.Index(s, "://") + 3
	body, version, _ := strings.Cut(s, "/_history/")
	last := strings.LastIndexByte(body, '/')
	if last <= host {
		return
	}
	prev := strings.LastIndexByte(body[:last], '/')
	if prev < host || !isTypeName(body[prev+1:last]) || !IsID(body[last+1:]) || version != "" && !IsID(version) {
		return
	}
	r.Kind, r.Base, r.Type, r.ID, r.Version = RefAbsolute, body[:prev], body[prev+1:last], body[last+1:], version
}

// restful fills r from "Type/id" or "Type/id/_history/version".
func (r *Reference) restful(s string) bool {
	typ, rest, ok := strings.Cut(s, "/")
	if !ok || !isTypeName(typ) {
		return false
	}
	id, version, versioned := strings.Cut(rest, "/_history/")
	if !IsID(id) || versioned && !IsID(version) {
		return false
	}
	r.Type, r.ID, r.Version = typ, id, version
	return true
}

// EachReference calls f with every Reference.reference below v, in document
// order.
func EachReference(v Value, f func(Value)) {
	for c := range v.All() {
		switch c.Kind() {
		case Object, Array:
			EachReference(c, f)
		case String:
			if c.Key() == "reference" {
				f(c)
			}
		}
	}
}

// String returns the reference as given.
func (r Reference) String() string { return r.URI }

// Relative returns "Type/id" of a relative or absolute reference, without the
// version; "" for any other kind.
func (r Reference) Relative() string {
	if r.Kind != RefRelative && r.Kind != RefAbsolute {
		return ""
	}
	return r.Type + "/" + r.ID
}

func hasScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c == ':' {
			return i > 0
		}
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return false
}

// isTypeName reports whether s looks like the name of a resource type; whether
// R4 has that type is for the definitions.
func isTypeName(s string) bool {
	if len(s) < 2 || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

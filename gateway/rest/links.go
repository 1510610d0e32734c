package rest

import (
	"regexp"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/store"
)

// links are the addresses of the entries of a transaction, and what they become
// (R4 http, section 3.1.0.11.2). Replaced are references, elements of the types
// uri, url, oid and uuid that are such an address, and the links and images of
// narratives.
type links struct {
	keys map[string]store.Key // by fullUrl
	// conditional are the references by search, and what they were resolved to.
	conditional map[string]string
	// lenient lets an OID without target pass.
	lenient bool
}

func newLinks(lenient bool) *links {
	return &links{keys: map[string]store.Key{}, conditional: map[string]string{}, lenient: lenient}
}

// A rewriting is one document being rewritten.
type rewriting struct {
	*links
	base    string // of the entry's fullUrl, for relative references
	ed      *fhir.Editor
	changed bool
	issues  []fhir.Issue
}

// rewrite returns the resource with its links replaced; every other byte is as
// received.
func (l *links) rewrite(v fhir.Value, fullURL string) (fhir.Resource, []fhir.Issue, error) {
	res, err := fhir.Sub(v)
	if err != nil {
		return res, nil, err
	}
	r := &rewriting{links: l, ed: fhir.NewEditor(res.Root())}
	if ref, ok := fhir.ParseReference(fullURL); ok && ref.Kind == fhir.RefAbsolute {
		r.base = strings.Clone(ref.Base)
	}
	r.walk(res.Root())
	switch {
	case r.changed:
		res, err = fhir.Decode(r.ed.Bytes())
	case len(res.JSON()) > fhir.MaxResource:
		err = fhir.Errorf(fhir.TooLong, "the resource is larger than %d bytes", fhir.MaxResource)
	}
	return res, r.issues, err
}

func (r *rewriting) walk(v fhir.Value) {
	for c := range v.All() {
		switch c.Kind() {
		case fhir.Object, fhir.Array:
			r.walk(c)
		case fhir.String:
			r.text(c)
		}
	}
}

func (r *rewriting) text(v fhir.Value) {
	switch v.Key() {
	case "reference":
		r.reference(v)
		return
	case "div":
		r.narrative(v)
		return
	}
	if k, ok := r.keys[v.Text()]; ok && isURI(v) {
		r.set(v, k.String())
	}
}

func (r *rewriting) set(v fhir.Value, s string) {
	r.ed.SetString(v, s)
	r.changed = true
}

func (r *rewriting) reference(v fhir.Value) {
	s := v.Text()
	if k, ok := r.keys[s]; ok {
		r.set(v, k.String())
		return
	}
	ref, ok := fhir.ParseReference(s)
	if !ok { // the validator has named the fault
		return
	}
	switch ref.Kind {
	case fhir.RefRelative, fhir.RefAbsolute:
		base := ref.Base
		if base == "" {
			base = r.base
		}
		if k, ok := r.keys[base+"/"+ref.Relative()]; ok && base != "" {
			r.set(v, k.String())
		}
	case fhir.RefConditional:
		if to := r.conditional[s]; to != "" {
			r.set(v, to)
		} else {
			r.conditional[strings.Clone(s)] = ""
		}
	case fhir.RefURN:
		if strings.HasPrefix(s, "urn:uuid:") || strings.HasPrefix(s, "urn:oid:") && !r.lenient {
			r.issues = append(r.issues, fhir.Issue{Code: fhir.BusinessRule, Rule: "reference-exists", Expression: v.Path(),
				Text: "the reference has no target; expected a resource of this Bundle or one stored here"})
		}
	}
}

// link finds href and src in a narrative, which is well-formed XML.
var link = regexp.MustCompile(`\b(?:href|src)\s*=\s*(?:"[^"]*"|'[^']*')`)

func (r *rewriting) narrative(v fhir.Value) {
	s := v.Text()
	if !strings.Contains(s, "href") && !strings.Contains(s, "src") {
		return
	}
	out := link.ReplaceAllStringFunc(s, func(m string) string {
		at := strings.IndexAny(m, `"'`)
		if k, ok := r.keys[m[at+1:len(m)-1]]; ok {
			return m[:at+1] + k.String() + m[len(m)-1:]
		}
		return m
	})
	if out != s {
		r.set(v, out)
	}
}

// isURI reports whether the string is an element of one of the types in which
// links are replaced. An identifier's value, say, is none.
func isURI(v fhir.Value) bool {
	name, holder := member(v)
	t := tableOf(holder)
	if t == nil {
		return false
	}
	m := t.Member(name)
	if m == nil {
		return false
	}
	switch m.Type.Code {
	case "uri", "url", "oid", "uuid":
		return true
	}
	return false
}

// member returns the name under which a value, or the list around it, stands,
// and the object that has it.
func member(v fhir.Value) (string, fhir.Value) {
	if p := v.Parent(); p.Kind() == fhir.Array {
		return p.Key(), p.Parent()
	} else {
		return v.Key(), p
	}
}

// tableOf returns the definition of an object's type; nil when it has none.
func tableOf(v fhir.Value) *definitions.Table {
	if t := v.Get("resourceType"); t.Exists() {
		return definitions.R4().Table(t.Text())
	}
	name, holder := member(v)
	if !holder.Exists() {
		return nil
	}
	t := tableOf(holder)
	if t == nil {
		return nil
	}
	m := t.Member(name)
	if m == nil {
		return nil
	}
	return m.Table()
}

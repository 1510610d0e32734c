package fhir

import (
	"slices"
	"strconv"
	"time"
)

// A Resource is one FHIR resource: the exact bytes and their parsed form.
type Resource struct {
	tree *Tree
	typ  string
}

// IsID reports whether s is a legal logical id (R4 datatypes, id).
func IsID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// Decode reads one resource strictly, as [Parse] does, and requires a JSON
// object with a resourceType; at most [MaxResource] bytes. Whether the type is
// one of R4's, and whether the content is valid, is for package profiles. It
// keeps b; the caller must not modify it afterwards.
func Decode(b []byte) (Resource, error) { return DecodeLimit(b, MaxResource) }

// DecodeLimit is [Decode] with another limit in bytes, for Bundles that are
// split before they are stored.
func DecodeLimit(b []byte, limit int) (Resource, error) {
	t, err := Parse(b, limit)
	if err != nil {
		return Resource{}, err
	}
	if t.Root().Kind() != Object {
		return Resource{}, Errorf(Structure, "a resource is a JSON object")
	}
	return fromTree(t)
}

// JSON returns the bytes of the resource. The caller must not modify them.
func (r Resource) JSON() []byte {
	if r.tree == nil {
		return nil
	}
	return r.tree.src
}

// Type returns the resource type.
func (r Resource) Type() string { return r.typ }

// ID returns the logical id, or "" when the document has none.
func (r Resource) ID() string { return r.Root().Get("id").Text() }

// VersionID returns meta.versionId, or "".
func (r Resource) VersionID() string { return r.Root().At("meta", "versionId").Text() }

// Root returns the top of the parsed document.
func (r Resource) Root() Value {
	if r.tree == nil {
		return Value{}
	}
	return r.tree.Root()
}

// Stamp returns the resource's bytes with the server's id, meta.versionId and
// meta.lastUpdated in place; every other byte is as received.
func (r Resource) Stamp(id string, version int, updated time.Time) []byte {
	e := edits{src: r.tree.src}
	root := r.Root()
	at := afterMember(root.Get("resourceType"))
	if v := root.Get("id"); v.Exists() {
		e.replace(v, quote(id))
	} else {
		e.insert(at, `,"id":`+quote(id))
	}
	ver, upd := quote(strconv.Itoa(version)), quote(Instant(updated))
	meta := root.Get("meta")
	if meta.Kind() != Object || meta.Len() == 0 {
		m := `{"versionId":` + ver + `,"lastUpdated":` + upd + `}`
		if meta.Exists() {
			e.replace(meta, m)
		} else {
			if v := root.Get("id"); v.Exists() {
				at = max(at, afterMember(v))
			}
			e.insert(at, `,"meta":`+m)
		}
		return e.apply()
	}
	front := ""
	for _, m := range [2][2]string{{"versionId", ver}, {"lastUpdated", upd}} {
		if v := meta.Get(m[0]); v.Exists() {
			e.replace(v, m[1])
		} else {
			front += `"` + m[0] + `":` + m[1] + `,`
		}
	}
	start, _ := meta.Span()
	e.insert(start+1, front)
	return e.apply()
}

// Instant formats a time as the FHIR instant the server writes: UTC,
// milliseconds.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func quote(s string) string { return text(AppendString(nil, s)) }

func afterMember(v Value) int { _, end := v.Span(); return end }

// edits collects replacements of byte ranges and applies them in one pass.
type edits struct {
	src  []byte
	list []edit
}

type edit struct {
	start, end int
	with       string
}

func (e *edits) replace(v Value, with string) {
	s, n := v.Span()
	e.list = append(e.list, edit{s, n, with})
}

func (e *edits) insert(at int, with string) {
	if with != "" {
		e.list = append(e.list, edit{at, at, with})
	}
}

func (e *edits) apply() []byte {
	slices.SortStableFunc(e.list, func(a, b edit) int { return a.start - b.start })
	size := len(e.src)
	for _, x := range e.list {
		size += len(x.with) - (x.end - x.start)
	}
	out, pos := make([]byte, 0, size), 0
	for _, x := range e.list {
		out = append(out, e.src[pos:x.start]...)
		out = append(out, x.with...)
		pos = x.end
	}
	return append(out, e.src[pos:]...)
}

// An Editor replaces values of a document by byte range, leaving every other
// byte as received: the way references are rewritten.
type Editor struct{ e edits }

// NewEditor returns an editor over the document of v.
func NewEditor(v Value) *Editor { return &Editor{edits{src: v.t.src}} }

// SetString replaces the value v by the JSON string s.
func (ed *Editor) SetString(v Value, s string) { ed.e.replace(v, quote(s)) }

// SetRaw replaces the value v by raw JSON.
func (ed *Editor) SetRaw(v Value, raw []byte) { ed.e.replace(v, string(raw)) }

// Insert adds the member name with raw JSON directly after the member whose
// value is v.
func (ed *Editor) Insert(v Value, name string, raw []byte) {
	ed.e.insert(afterMember(v), `,"`+name+`":`+string(raw))
}

// Bytes returns the edited document.
func (ed *Editor) Bytes() []byte { return ed.e.apply() }

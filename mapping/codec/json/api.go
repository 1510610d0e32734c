package json

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// API is the [codec.Syntax] of JSON:API documents (jsonapi.org, version 1.1)
// that hold one resource and what it includes.
//
// In the tree, a relationship leads to the included resource itself, found by
// type and id and never by position:
// /data/relationships/subject/-/attributes/surname. A resource that two
// relationships name stands in both places. Its type and id, which only link, are
// no leaves. When a document is written the map gives the type as a constant (else
// it is the name of the relationship), and the id is made from the content, so
// that equal resources are included once. A resource that no relationship names stays
// below /included/-, and one that is named but not included is a leaf with its
// id, and a warning. Places are those of the document as it was sent:
// /included/2/attributes/surname.
type API struct{}

var _ codec.Syntax = API{}

// maxResolved bounds how often included resources may be named.
const maxResolved = 1000

// Path compiles a path as [Syntax] does.
func (API) Path(path string) ([]codec.Step, error) { return Syntax{}.Path(path) }

// Place is the JSON pointer of the place in the document as it was sent.
func (API) Place(d *codec.Doc, at codec.ID, rest []codec.Step) string {
	return string(API{}.AppendPlace(nil, d, at, rest))
}

// AppendPlace appends the place that [API.Place] names.
func (API) AppendPlace(dst []byte, d *codec.Doc, at codec.ID, rest []codec.Step) []byte {
	dst = appendSent(dst, d, at)
	for _, s := range rest {
		dst = append(append(dst, '/'), fhir.SafeName(s.Name)...)
	}
	return dst
}

func appendSent(b []byte, d *codec.Doc, id codec.ID) []byte {
	if id == codec.Root {
		return b
	}
	if n := d.Ordinal(id); n > 0 {
		return strconv.AppendInt(append(b, "/included/"...), int64(n-1), 10)
	}
	b = appendSent(b, d, d.Parent(id))
	if d.Name(id) != element {
		b = append(append(b, '/'), fhir.SafeName(d.Name(id))...)
	}
	if d.Repeats(id) {
		b = strconv.AppendInt(append(b, '/'), int64(d.Element(id)), 10)
	}
	return b
}

// Read yields the document's resource with what it includes.
func (API) Read(r io.Reader, _ codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	r, err := skipBOM(r)
	if err != nil {
		return []fhir.Issue{unread}
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return []fhir.Issue{unread}
	}
	t, err := fhir.Parse(b, MaxDocument)
	if err != nil {
		return fhir.AsError(err).Issues
	}
	a := &apiReader{doc: codec.NewDoc(), included: map[linkage]int{}}
	a.document(t.Root())
	if fhir.Faults(a.issues) != nil {
		return a.issues
	}
	yield(a.doc, a.issues)
	return nil
}

// A linkage names a resource: what JSON:API calls a resource identifier.
type linkage struct{ typ, id string }

func linkageOf(v fhir.Value) linkage {
	l := linkage{v.Get("type").Text(), v.Get("id").Text()}
	if l.id == "" {
		l.id = v.Get("lid").Text()
	}
	return l
}

type apiReader struct {
	doc       *codec.Doc
	included  map[linkage]int
	resources []fhir.Value
	named     []bool // by some relationship
	open      []int  // resources around the place that is being read
	resolved  int
	issues    []fhir.Issue
}

func (a *apiReader) report(sev fhir.Severity, code fhir.Code, place, text string) {
	a.issues = append(a.issues, fhir.Issue{Severity: sev, Code: code, Source: place, Text: text})
}

func (a *apiReader) document(root fhir.Value) {
	data := root.Get("data")
	if data.Kind() != fhir.Object {
		a.report(fhir.SeverityError, fhir.Structure, "/data", "expected a JSON:API document with one resource object in data")
		return
	}
	if a.index(root.Get("included")); len(a.issues) > 0 {
		return
	}
	for m := range root.All() {
		switch m.Key() {
		case "data":
			a.resource(a.doc.Add(codec.Root, codec.Step{Name: "data"}, ""), data, true)
		case "included":
		default:
			add(a.doc, codec.Root, codec.Step{Name: m.Key()}, m)
		}
	}
	for i, r := range a.resources {
		if !a.named[i] {
			at := a.doc.Add(codec.Root, codec.Step{Name: "included", Repeats: true}, "")
			a.doc.SetOrdinal(at, i+1)
			a.resource(at, r, true)
		}
	}
}

// index lists what is included by type and id.
func (a *apiReader) index(list fhir.Value) {
	if list.Exists() && list.Kind() != fhir.Array {
		a.report(fhir.SeverityError, fhir.Structure, "/included", "expected an array of resource objects")
		return
	}
	for r := range list.All() {
		place := "/included/" + strconv.Itoa(len(a.resources))
		key := linkageOf(r)
		_, twice := a.included[key]
		switch {
		case r.Kind() != fhir.Object || key.typ == "" || key.id == "":
			a.report(fhir.SeverityError, fhir.Structure, place, "expected a resource object with type and id")
		case twice:
			a.report(fhir.SeverityError, fhir.Duplicate, place, "a resource of this type and id is included already")
		}
		a.included[key] = len(a.resources)
		a.resources = append(a.resources, r)
	}
	a.named = make([]bool, len(a.resources))
}

// resource adds the members of a resource object.
func (a *apiReader) resource(to codec.ID, v fhir.Value, linkage bool) {
	for m := range v.All() {
		switch {
		case m.Key() == "relationships" && m.Kind() == fhir.Object:
			at := a.doc.Add(to, codec.Step{Name: "relationships"}, "")
			for rel := range m.All() {
				a.relationship(at, rel)
			}
		case linkage || m.Key() != "type" && m.Key() != "id" && m.Key() != "lid":
			add(a.doc, to, codec.Step{Name: m.Key()}, m)
		}
	}
}

// relationship adds the resources that a relationship names, and what else it
// says.
func (a *apiReader) relationship(to codec.ID, rel fhir.Value) {
	data := rel.Get("data")
	switch {
	case rel.Kind() != fhir.Object:
		a.report(fhir.SeverityError, fhir.Structure, rel.Pointer(), "expected a relationship object with data")
		return
	case data.Kind() == fhir.Array:
		for l := range data.All() {
			a.follow(to, codec.Step{Name: rel.Key(), Repeats: true}, l)
		}
	case data.Kind() == fhir.Object:
		a.follow(to, codec.Step{Name: rel.Key()}, data)
	}
	for m := range rel.All() {
		if m.Key() != "data" {
			at := a.doc.Add(to, codec.Step{Name: rel.Key()}, "")
			add(a.doc, at, codec.Step{Name: m.Key()}, m)
		}
	}
}

// follow adds the resource that a resource identifier names.
func (a *apiReader) follow(to codec.ID, s codec.Step, l fhir.Value) {
	at := a.doc.Add(to, s, "")
	i, ok := a.included[linkageOf(l)]
	if a.resolved++; a.resolved > maxResolved {
		if a.resolved == maxResolved+1 {
			a.report(fhir.SeverityError, fhir.TooLong, "/included", "relationships name included resources more than "+strconv.Itoa(maxResolved)+" times")
		}
		return
	}
	circle := false
	for _, open := range a.open {
		circle = circle || ok && open == i
	}
	if !ok || circle {
		if !ok {
			a.report(fhir.SeverityWarning, fhir.NotFound, l.Pointer(), "included holds no resource of this type and id")
		}
		members(a.doc, at, l)
		return
	}
	a.named[i] = true
	a.doc.SetOrdinal(at, i+1)
	a.open = append(a.open, i)
	a.resource(at, a.resources[i], false)
	a.open = a.open[:len(a.open)-1]
	if meta := l.Get("meta"); meta.Exists() {
		add(a.doc, at, codec.Step{Name: "meta"}, meta)
	}
}

// Blank returns an empty record.
func (API) Blank(shape codec.Shape) *codec.Doc { return Syntax{}.Blank(shape) }

// Write returns the document: the resource in data, and what its relationships
// lead to in included.
func (API) Write(d *codec.Doc) ([]byte, error) {
	d.Sort(codec.NewOrder(API{}, d.Shape.Fields))
	w := apiWriter{d: d, have: map[string]bool{}}
	b := []byte{'{'}
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		if d.Name(c) == "included" { // named by no relationship
			w.add(value(nil, d, c))
			continue
		}
		if hollow(d, c) || d.Element(c) > 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, d.Name(c)), ':')
		switch {
		case d.Name(c) == "data":
			b = append(append(append(b, '{'), w.body(c)...), '}')
		case d.Repeats(c):
			b = list(b, d, c)
		default:
			b = value(b, d, c)
		}
	}
	if len(w.out) > 0 {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, `"included":[`...), w.out...), ']')
	}
	return append(b, "}\n"...), nil
}

type apiWriter struct {
	d    *codec.Doc
	out  []byte // the included resources
	have map[string]bool
}

// body is the members of a resource object.
func (w *apiWriter) body(id codec.ID) []byte {
	var b []byte
	for c := w.d.First(id); c != codec.None; c = w.d.Next(c) {
		if hollow(w.d, c) || w.d.Element(c) > 0 || w.d.Name(c) == "relationships" && w.lonely(c) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, w.d.Name(c)), ':')
		switch {
		case w.d.Name(c) == "relationships":
			b = w.relationships(b, c)
		case w.d.Repeats(c):
			b = list(b, w.d, c)
		default:
			b = value(b, w.d, c)
		}
	}
	return b
}

func (w *apiWriter) relationships(b []byte, id codec.ID) []byte {
	b = append(b, '{')
	start := len(b)
	last := ""
	for c := w.d.First(id); c != codec.None; c = w.d.Next(c) {
		if w.d.Element(c) > 0 || w.empty(c) || len(b) > start && w.d.Name(c) == last {
			continue // a later element, nothing, or what else a relationship said
		}
		last = w.d.Name(c)
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, w.d.Name(c)), `:{"data":`...)
		if !w.d.Repeats(c) {
			b = append(w.include(b, c), '}')
			continue
		}
		b = append(b, '[')
		first := len(b)
		for e := c; e != codec.None; e = w.d.NextSame(e) {
			if w.bare(e) {
				continue
			}
			if len(b) > first {
				b = append(b, ',')
			}
			b = w.include(b, e)
		}
		b = append(b, `]}`...)
	}
	return append(b, '}')
}

// bare reports a resource about which nothing is said but its type.
func (w *apiWriter) bare(id codec.ID) bool {
	for c := w.d.First(id); c != codec.None; c = w.d.Next(c) {
		switch w.d.Name(c) {
		case "type":
		case "relationships":
			for r := w.d.First(c); r != codec.None; r = w.d.Next(r) {
				if !w.bare(r) {
					return false
				}
			}
		default:
			if !hollow(w.d, c) {
				return false
			}
		}
	}
	return true
}

// lonely reports relationships that all lead to nothing.
func (w *apiWriter) lonely(id codec.ID) bool {
	for c := w.d.First(id); c != codec.None; c = w.d.Next(c) {
		if !w.bare(c) {
			return false
		}
	}
	return true
}

// empty reports a relationship that leads to nothing; c is its first node.
func (w *apiWriter) empty(c codec.ID) bool {
	for ; c != codec.None; c = w.d.NextSame(c) {
		if !w.bare(c) {
			return false
		}
	}
	return true
}

// include adds a resource to the document and appends its resource identifier.
func (w *apiWriter) include(b []byte, id codec.ID) []byte {
	typ, key := w.d.Name(id), ""
	var body []byte
	if c := w.d.Child(id, "type"); c != codec.None && w.d.Text(c) != "" {
		typ = w.d.Text(c)
	} else {
		body = append(fhir.AppendString(append(body, `"type":`...), typ), ',')
	}
	if own := w.d.Child(id, "id"); own != codec.None { // it was not included
		key = w.d.Text(own)
	} else {
		body = append(body, w.body(id)...)
		if key = contentID(body); !w.have[key] {
			w.have[key] = true
			w.add([]byte(`{"id":"` + key + `",` + string(body) + `}`))
		}
	}
	b = append(fhir.AppendString(append(b, `{"type":`...), typ), `,"id":`...)
	return append(fhir.AppendString(b, key), '}')
}

// add adds a resource to what is included.
func (w *apiWriter) add(resource []byte) {
	if len(w.out) > 0 {
		w.out = append(w.out, ',')
	}
	w.out = append(w.out, resource...)
}

// contentID is a UUID (RFC 9562, version 8) made of a resource's content.
func contentID(body []byte) string {
	sum := sha256.Sum256(body)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	s := hex.EncodeToString(sum[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

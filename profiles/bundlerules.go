package profiles

import (
	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// bundleOf checks what holds of a Bundle as a whole; the invariants of R4 see to
// its first entry, its identifier and its timestamp.
func (w *walk) bundleOf(v fhir.Value) {
	switch v.Get("type").Text() {
	case "document":
		w.documentReferences(v)
		w.reached(v, true)
	case "message":
		w.focus(v)
		w.reached(v, false)
	}
}

// documentReferences checks that what the Composition names is in the document
// (R4 documents, section 2.36.1): the reader of a document has nothing else.
func (w *walk) documentReferences(v fhir.Value) {
	e := v.Get("entry").First()
	c := e.Get("resource")
	if c.Get("resourceType").Text() != "Composition" {
		return
	}
	own := e.Get("fullUrl").Text()
	w.inDocument(own, c.Get("subject"))
	w.inDocument(own, c.Get("encounter"))
	w.inDocument(own, c.Get("custodian"))
	for a := range c.Get("author").All() {
		w.inDocument(own, a)
	}
	for a := range c.Get("attester").All() {
		w.inDocument(own, a.Get("party"))
	}
	for ev := range c.Get("event").All() {
		for d := range ev.Get("detail").All() {
			w.inDocument(own, d)
		}
	}
	w.sections(own, c.Get("section"))
}

func (w *walk) sections(own string, list fhir.Value) {
	for s := range list.All() {
		w.inDocument(own, s.Get("focus"))
		for a := range s.Get("author").All() {
			w.inDocument(own, a)
		}
		for r := range s.Get("entry").All() {
			w.inDocument(own, r)
		}
		w.sections(own, s.Get("section"))
	}
}

// inDocument checks a reference of the entry whose fullUrl is own.
func (w *walk) inDocument(own string, ref fhir.Value) {
	if !w.inBundle(own, ref) {
		w.wrong(ref.Get("reference"), fhir.Invariant, ruleBundleDocument, "a reference to an entry of the document",
			"a reference to something outside", "Add what is referred to as an entry of the document.")
	}
}

// inBundle reports whether a literal reference in the entry whose fullUrl is own
// names another entry. References to contained resources and those by identifier are not judged.
func (w *walk) inBundle(own string, ref fhir.Value) bool {
	r, ok := fhir.ParseReference(ref.Get("reference").Text())
	if !ok || r.Kind == fhir.RefContained {
		return true
	}
	url, ok := path.AbsoluteURL(own, r)
	return ok && w.entryAt(url).Exists()
}

// focus checks that what a message is about comes with it (R4 messaging,
// MessageHeader.focus).
func (w *walk) focus(v fhir.Value) {
	e := v.Get("entry").First()
	h := e.Get("resource")
	if h.Get("resourceType").Text() != "MessageHeader" {
		return
	}
	own := e.Get("fullUrl").Text()
	for f := range h.Get("focus").All() {
		if !w.inBundle(own, f) {
			w.add(f.Get("reference"), "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Invariant, Rule: ruleBundleMessage,
				Text: "the focus of the message is not one of its entries", Expected: "a reference to an entry of the message",
				Found: "a reference to something outside", Hint: "Add what the message is about as an entry."})
		}
	}
}

// A reach finds which entries hang together.
type reach struct {
	w       *walk
	entries []fhir.Value
	index   map[fhir.Value]int // of the entries' resources
	links   [][]int
	seen    []bool
}

// reached checks that each entry can be reached from the first by references. In
// a document only what the Composition leads to may stand (R4 documents, section
// 2.36.1), and Provenance and Binary, which point to or are shown by others.
func (w *walk) reached(v fhir.Value, document bool) {
	r := reach{w: w, index: map[fhir.Value]int{}}
	for e := range v.Get("entry").All() {
		if res := e.Get("resource"); res.Kind() == fhir.Object {
			r.index[res] = len(r.entries)
			r.entries = append(r.entries, e)
		}
	}
	if len(r.entries) < 2 {
		return
	}
	r.links, r.seen = make([][]int, len(r.entries)), make([]bool, len(r.entries))
	for i, e := range r.entries {
		r.link(i, e.Get("fullUrl").Text(), e.Get("resource"))
	}
	r.visit(0)
	back := r.backward()
	for i, e := range r.entries {
		if !r.seen[i] {
			r.unreached(e, back[i], document)
		}
	}
}

// link notes which entries the strings of a resource name; own is its fullUrl.
func (r *reach) link(i int, own string, v fhir.Value) {
	for c := range v.All() {
		switch c.Kind() {
		case fhir.Object, fhir.Array:
			r.link(i, own, c)
		case fhir.String:
			url := c.Text()
			if c.Key() == "reference" {
				ref, _ := fhir.ParseReference(url)
				url, _ = path.AbsoluteURL(own, ref)
			}
			if to, ok := r.index[r.w.entryAt(url)]; ok {
				r.links[i] = append(r.links[i], to)
			}
		}
	}
}

func (r *reach) visit(from int) {
	todo := []int{from}
	r.seen[from] = true
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range r.links[next] {
			if !r.seen[to] {
				r.seen[to] = true
				todo = append(todo, to)
			}
		}
	}
}

// backward returns the entries that lead to reached ones.
func (r *reach) backward() []bool {
	from := make([][]int, len(r.entries))
	for i, links := range r.links {
		for _, to := range links {
			from[to] = append(from[to], i)
		}
	}
	back := make([]bool, len(r.entries))
	var todo []int
	for i, seen := range r.seen {
		if seen {
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, i := range from[next] {
			if !back[i] && !r.seen[i] {
				back[i] = true
				todo = append(todo, i)
			}
		}
	}
	return back
}

func (r *reach) unreached(entry fhir.Value, back, document bool) {
	typ := entry.Get("resource").Get("resourceType").Text()
	if typ == "Binary" || back && (!document || typ == "Provenance") {
		return
	}
	is := fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Invariant, Rule: ruleBundleReached,
		Text:     "nothing in the Bundle leads from its first entry to this one",
		Expected: "an entry that the first entry leads to", Found: "an entry that stands alone"}
	if back {
		is.Text, is.Found = "this entry refers to others, but nothing leads to it from the first entry", "an entry that only refers to others"
	}
	if document && !back {
		is.Severity = fhir.SeverityError
	}
	r.w.add(entry, "", is)
}

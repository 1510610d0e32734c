package mapping

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// A Breach is a promise that a format does not keep with one document.
type Breach struct {
	// Promise is same, strict, conserve, invent, round or stable; see [Contract.Check].
	Promise string `json:"promise"`
	// Place is the place in the sender's document, or a FHIRPath.
	Place string `json:"place"`
	Text  string `json:"text"`
}

func (b Breach) String() string { return b.Promise + ": " + b.Place + ": " + b.Text }

// An Enveloper is a format whose documents have an envelope that no rule of its
// map is about.
type Enveloper interface {
	// Envelope reports whether the place lies in the envelope.
	Envelope(place string) bool
}

// An Explainer is a format that says where the elements of a bundle come from.
type Explainer interface {
	Explain(doc []byte) ([]Explained, []fhir.Issue)
}

// A Contract holds a format to what the package promises. It is not safe for
// concurrent use.
type Contract struct {
	m       *Map
	f       Format
	blank   *codec.Doc
	plain   map[string]string  // the map's paths as those of leaves
	readers map[string][]*rule // by path
	doc     []byte
	out     []Breach
}

// NewContract makes the contract of a format that works by this map.
func (m *Map) NewContract(f Format) *Contract {
	c := &Contract{m: m, f: f, blank: m.syntax.Blank(m.shape), plain: map[string]string{}, readers: map[string][]*rule{}}
	for _, r := range m.rules {
		for _, p := range r.spec.paths() {
			path := c.stepsPath(p)
			c.readers[path] = append(c.readers[path], r)
		}
	}
	return c
}

// Check returns the promises that are not kept with one document:
//
//   - same: reading twice gives the same answer;
//   - strict: a bundle is strict JSON, and a refused record has none;
//   - conserve: every value of the document is, at its path, in what is written
//     back, or among the losses or faults. Two texts are the same when a rule of
//     that path makes the same FHIR of both, or a condition takes both for one;
//   - invent: what is written back stands in the document or in the map, and
//     what stands in the bundle is explained;
//   - round: reading what was written back gives the same bundle, without what
//     writing said is lost;
//   - stable: writing that bundle gives the same document.
//
// The last four are held for records that are accepted, and, but for invent, by
// formats that can be written.
func (c *Contract) Check(doc []byte) []Breach {
	c.doc, c.out = doc, nil
	res := c.f.Read(doc)
	if !bytes.Equal(res.AppendJSON(nil), c.f.Read(doc).AppendJSON(nil)) {
		c.breach("same", "", "two readings differ")
	}
	docs, _ := c.leaves(doc)
	c.explained(res)
	for i, rec := range res.Records {
		switch {
		case rec.Refused() != (rec.Bundle == nil) && !rec.NotReferral:
			c.breach("strict", "", "a refused record has a bundle, or an accepted one has none")
		case rec.Bundle == nil:
		case i >= len(docs):
			c.breach("invent", "", "there are more records than in the document")
		default:
			c.record(rec, docs[i])
		}
	}
	return c.out
}

func (c *Contract) breach(promise, place, text string) {
	c.out = append(c.out, Breach{promise, place, text})
}

// A docLeaf is a value of a partner's document.
type docLeaf struct {
	path  string // without the numbers of repeats
	place string
	text  string
	used  bool
}

// leaves lists the values of a document, record by record.
func (c *Contract) leaves(doc []byte) ([][]docLeaf, []fhir.Issue) {
	var out [][]docLeaf
	faults := c.m.syntax.Read(bytes.NewReader(doc), c.m.shape, func(d *codec.Doc, _ []fhir.Issue) bool {
		var list []docLeaf
		for id := codec.ID(0); d != nil && int(id) < d.Len(); id++ {
			if text := strings.TrimSpace(d.Text(id)); d.First(id) == codec.None && text != "" {
				list = append(list, docLeaf{path: docPath(d, id), place: strings.Clone(c.m.syntax.Place(d, id, nil)), text: strings.Clone(text)})
			}
		}
		out = append(out, list)
		return true
	})
	return out, faults
}

// docPath is the path of a node without the numbers of repeats. In a positional
// record the first component of the first component is the field itself, and
// the text of an XML element is the element.
func docPath(d *codec.Doc, id codec.ID) string {
	var names []string
	for ; id != codec.Root && id != codec.None; id = d.Parent(id) {
		names = append(names, d.Name(id))
	}
	slices.Reverse(names)
	return joinPath(names, d)
}

func joinPath(names []string, d *codec.Doc) string {
	for n := len(names); n > 2 && d.Positional && names[n-1] == "1" || n > 1 && d.Own != "" && names[n-1] == d.Own; n-- {
		names = names[:n-1]
	}
	return strings.Join(names, "\x00")
}

// stepsPath is docPath of a path of the map.
func (c *Contract) stepsPath(path string) string {
	if p, ok := c.plain[path]; ok {
		return p
	}
	steps, err := c.m.syntax.Path(path)
	if err != nil {
		return ""
	}
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Name
	}
	c.plain[path] = joinPath(names, c.blank)
	return c.plain[path]
}

// record holds the promises about an accepted record.
func (c *Contract) record(rec Record, in []docLeaf) {
	if _, err := fhir.DecodeLimit(rec.Bundle, maxReverse); err != nil {
		c.breach("strict", "", "the bundle is not strict JSON")
		return
	}
	if !c.f.Info().Out {
		return
	}
	w := c.f.Write(rec.Bundle)
	if fhir.Faults(w.Faults) != nil {
		c.breach("round", w.Faults[0].Expression, "cannot be written back: "+w.Faults[0].Text)
		return
	}
	back, faults := c.leaves([]byte(w.Document))
	if len(back) != 1 {
		c.breach("round", "", fmt.Sprintf("%d records were written for one %v", len(back), faults))
		return
	}
	c.conserve(rec, w, in, back[0])
	c.round(rec, w)
}

// conserve holds that each value of the document is in what was written back or
// among the losses, and that nothing else is.
func (c *Contract) conserve(rec Record, w Written, in, out []docLeaf) {
	lost := c.lost(rec, w)
	met := make([]bool, len(in))
	for _, same := range [...]func(a, b *docLeaf) bool{
		func(a, b *docLeaf) bool { return a.path == b.path && a.text == b.text },
		func(a, b *docLeaf) bool { return a.path == b.path && c.sameValue(a.path, a.text, b.text) },
		func(a, b *docLeaf) bool { return c.otherSource(a, b) },
	} {
		index := map[string][]int{}
		for j := range out {
			index[out[j].path] = append(index[out[j].path], j)
		}
		for _, pass := range [...]bool{false, true} { // what was said to be lost comes last
			for i := range in {
				if met[i] || lost.holds(in[i]) != pass {
					continue
				}
				for _, path := range c.paths(in[i].path) {
					for _, j := range index[path] {
						if !met[i] && !out[j].used && same(&in[i], &out[j]) {
							out[j].used, met[i] = true, true
						}
					}
				}
			}
		}
	}
	elsewhere := map[string]bool{} // what is written in another place, as a loss says
	for i := range in {
		switch {
		case met[i]:
		case lost.holds(in[i]):
			elsewhere[in[i].text] = true
		case !c.envelope(in[i].place):
			c.breach("conserve", in[i].place, "neither written back nor among the losses")
		}
	}
	for j := range out {
		if !out[j].used && !elsewhere[out[j].text] && !c.states(&out[j]) && !c.envelope(out[j].place) {
			c.breach("invent", out[j].place, "written back, but neither in the document nor in the map")
		}
	}
}

func (c *Contract) envelope(place string) bool {
	e, ok := c.f.(Enveloper)
	return ok && e.Envelope(place)
}

// places are the places and paths of what was said to be lost or at fault.
type lostPlaces struct{ places, paths map[string]bool }

func (l lostPlaces) holds(leaf docLeaf) bool {
	if l.paths[leaf.path] {
		return true
	}
	for p := leaf.place; p != ""; p = p[:max(0, strings.LastIndexAny(p, "/.[-"))] {
		if l.places[p] {
			return true
		}
	}
	return false
}

// lost collects the losses both ways. A loss on the way back is one of the place
// that its element came from, or of all fields that its rule joins.
func (c *Contract) lost(rec Record, w Written) lostPlaces {
	l := lostPlaces{map[string]bool{}, map[string]bool{}}
	for _, x := range rec.Losses {
		l.places[x.Source] = true
	}
	for _, x := range rec.Faults {
		l.places[x.Source] = true
	}
	for _, x := range w.Losses {
		l.places[rec.Places.Source(x.Source)] = true
		for _, r := range c.m.rules {
			if r.spec.ID != x.Rule || !r.joins {
				continue
			}
			for _, s := range r.spec.Sources {
				l.paths[c.stepsPath(s)] = true
			}
		}
	}
	return l
}

// paths are the path itself and those that a rule takes for the same value.
func (c *Contract) paths(path string) []string {
	out := []string{path}
	for _, r := range c.m.rules {
		if len(r.spec.Sources) < 2 || r.joins || r.dir&outward == 0 {
			continue
		}
		for _, s := range r.spec.Sources[1:] {
			if c.stepsPath(s) == path {
				out = append(out, c.stepsPath(r.spec.Sources[0]))
			}
		}
	}
	return out
}

func (c *Contract) otherSource(a, b *docLeaf) bool {
	return a.path != b.path && (a.text == b.text || c.sameValue(b.path, a.text, b.text))
}

// sameValue reports whether two texts at a path say the same to the map.
func (c *Contract) sameValue(path, a, b string) bool {
	for _, r := range c.readers[path] {
		sep := c.m.groups[r.group].split
		switch {
		case r.link || sep == "" && sameFHIR(r, a, b):
			return true
		case sep != "" && sameParts(r, sep, a, b):
			return true
		}
	}
	for _, g := range c.m.groups {
		for _, n := range g.names {
			if c.stepsPath(n.path) == path {
				return true // a name may be another, as long as the links hold
			}
		}
	}
	return c.sameCondition(path, a, b)
}

// sameFHIR reports whether a rule makes the same of two texts.
func sameFHIR(r *rule, a, b string) bool {
	if r.conv.in == nil || r.dir&inward == 0 {
		return false
	}
	x, v := r.conv.in(nil, a)
	y, w := r.conv.in(nil, b)
	return v.fault == nil && w.fault == nil && !v.skip && !w.skip && bytes.Equal(x, y)
}

// sameParts reports whether two lists have the same parts in the eyes of a
// rule.
func sameParts(r *rule, sep, a, b string) bool {
	x, y := parts(a, sep), parts(b, sep)
	return slices.EqualFunc(x, y, func(p, q string) bool { return p == q || sameFHIR(r, p, q) })
}

func parts(s, sep string) []string {
	var out []string
	for p := range strings.SplitSeq(s, sep) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// sameCondition reports whether a condition takes both texts for one.
func (c *Contract) sameCondition(path, a, b string) bool {
	return c.anyCondition(path, func(k *cond) bool { return contains(k.in, a) && contains(k.in, b) })
}

func (c *Contract) anyCondition(path string, ok func(*cond) bool) bool {
	met := func(list []cond) bool {
		return slices.ContainsFunc(list, func(k cond) bool { return c.stepsPath(k.path) == path && ok(&k) })
	}
	for _, g := range c.m.groups {
		if met(g.when) {
			return true
		}
	}
	return slices.ContainsFunc(c.m.rules, func(r *rule) bool { return met(r.when) })
}

// states reports whether the map itself says a text that was written.
func (c *Contract) states(leaf *docLeaf) bool {
	for _, r := range c.readers[leaf.path] {
		switch {
		case r.isConst && r.inst == nil && r.constText == leaf.text,
			r.dir == outward && !r.isConst, // what FHIR's constants mean to this partner
			r.sum != nil,
			r.spec.Default != "" && (r.spec.Default == leaf.text || sameFHIR(r, r.spec.Default, leaf.text)):
			return true
		}
	}
	for _, g := range c.m.groups {
		if len(g.names) > 0 && c.stepsPath(g.names[0].path) == leaf.path {
			return true
		}
	}
	return c.anyCondition(leaf.path, func(k *cond) bool { return len(k.in) > 0 && k.in[0] == leaf.text })
}

var urn = regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`)

// round reads what was written back, and writes that again.
func (c *Contract) round(rec Record, w Written) {
	res := c.f.Read([]byte(w.Document))
	if len(res.Records) != 1 || res.Records[0].Refused() || res.Records[0].Bundle == nil {
		place := ""
		for _, is := range append(res.Faults, first(res.Records).Faults...) {
			place += is.Source + " " + is.Rule + " " + is.Text + "; "
		}
		c.breach("round", place, "what was written back is refused")
		return
	}
	again := res.Records[0]
	if len(w.Losses) == 0 && !bytes.Equal(plainURLs(rec.Bundle), plainURLs(again.Bundle)) {
		c.breach("round", firstDifference(rec.Bundle, again.Bundle), "differs from the first reading, and nothing was said to be lost")
	}
	c.within(rec, again, w.Losses, "is gone after writing and reading")
	c.within(again, rec, w.Losses, "is new after writing and reading")
	if second := c.f.Write(again.Bundle); second.Document != w.Document {
		c.breach("stable", "", "writing, reading and writing gives another document")
	}
}

func first(list []Record) Record {
	if len(list) == 0 {
		return Record{}
	}
	return list[0]
}

// plainURLs numbers the fullUrls of a bundle: they follow the key, and the
// content where there is none.
func plainURLs(b []byte) []byte {
	seen := map[string]int{}
	return urn.ReplaceAllFunc(b, func(u []byte) []byte {
		n, ok := seen[string(u)]
		if !ok {
			n = len(seen)
			seen[string(u)] = n
		}
		return fmt.Appendf(nil, "urn:%d", n)
	})
}

var index = regexp.MustCompile(`\[\d+\]`)

// within holds that each value of a that came from the document is in b, unless
// it was said to be lost.
func (c *Contract) within(a, b Record, losses []Loss, text string) {
	lost := lostPlaces{places: map[string]bool{}}
	for _, l := range losses {
		lost.places[index.ReplaceAllString(l.Source, "")] = true
	}
	have := map[string]int{}
	eachValue(b, true, func(path, value string) { have[index.ReplaceAllString(path, "")+value]++ })
	eachValue(a, false, func(path, value string) {
		key := index.ReplaceAllString(path, "") + value
		if have[key]--; have[key] < 0 && !lost.holds(docLeaf{place: index.ReplaceAllString(path, "")}) {
			c.breach("round", path, text)
		}
	})
}

// eachValue visits the values of a bundle that came from the document, or every
// one, references excepted.
func eachValue(r Record, every bool, visit func(path, value string)) {
	tree, err := fhir.Parse(r.Bundle, maxReverse)
	if err != nil {
		return
	}
	var walk func(fhir.Value)
	walk = func(v fhir.Value) {
		if v.Kind() != fhir.Object && v.Kind() != fhir.Array {
			if path := v.Path(); !urn.Match(v.Raw()) && (every || r.Places.Source(path) != "") {
				visit(path, string(v.Raw()))
			}
			return
		}
		for k := range v.All() {
			walk(k)
		}
	}
	for e := range tree.Root().Get("entry").All() {
		walk(e.Get("resource"))
	}
}

// firstDifference is the path of the first value in which two bundles differ.
func firstDifference(a, b []byte) string {
	x, errA := fhir.Parse(plainURLs(a), maxReverse)
	y, errB := fhir.Parse(plainURLs(b), maxReverse)
	if errA != nil || errB != nil {
		return "Bundle"
	}
	at := "Bundle"
	var walk func(v, w fhir.Value) bool
	walk = func(v, w fhir.Value) bool {
		if v.Kind() != w.Kind() || v.Len() != w.Len() || v.Key() != w.Key() || v.Len() == 0 && !bytes.Equal(v.Raw(), w.Raw()) {
			at = v.Path()
			return true
		}
		for k, l := v.First(), w.First(); k.Exists() && l.Exists(); k, l = k.Next(), l.Next() {
			if walk(k, l) {
				return true
			}
		}
		return false
	}
	walk(x.Root(), y.Root())
	return at
}

// explained holds that every value of the bundles has an explanation.
func (c *Contract) explained(res Result) {
	e, ok := c.f.(Explainer)
	if !ok {
		return
	}
	records, _ := e.Explain(c.doc)
	for i, rec := range res.Records {
		if rec.Bundle == nil {
			continue
		}
		known := map[string]bool{}
		if i < len(records) {
			for _, x := range records[i].Elements {
				known[x.Expression] = true
			}
		}
		c.unexplained(rec, known)
	}
}

func (c *Contract) unexplained(rec Record, known map[string]bool) {
	tree, err := fhir.Parse(rec.Bundle, maxReverse)
	if err != nil {
		return
	}
	var walk func(fhir.Value)
	walk = func(v fhir.Value) {
		switch path := v.Path(); {
		case known[path] || v.Key() == "resourceType":
		case v.Kind() == fhir.Object || v.Kind() == fhir.Array:
			for k := range v.All() {
				walk(k)
			}
		default:
			c.breach("invent", path, "no rule made this element")
		}
	}
	for e := range tree.Root().Get("entry").All() {
		walk(e.Get("resource"))
	}
}

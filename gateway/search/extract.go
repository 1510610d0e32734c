package search

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A node is an element that parameters select, or that leads to one. Merging
// all paths of a type into one tree lets a single walk find every value.
type node struct {
	children map[string]*node
	ends     []end
}

type end struct {
	param  *Param
	system string
}

func (n *node) add(p path, param *Param) {
	for _, s := range p.steps {
		n = n.child(s)
	}
	for _, name := range p.last {
		c := n.child(name)
		c.ends = append(c.ends, end{param, p.system})
	}
}

func (n *node) child(name string) *node {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	c := n.children[name]
	if c == nil {
		c = &node{}
		n.children[name] = c
	}
	return c
}

// Index returns the entries by which a resource is found. The entries share the
// resource's memory.
func (r *Registry) Index(res fhir.Resource) []store.Index {
	x := extractor{base: r.base, out: make([]store.Index, 0, 16)}
	x.walk(res.Root(), r.plan(res.Type()).root)
	return x.out
}

type extractor struct {
	base string
	out  []store.Index
	seen map[store.Index]bool // of out, once it is long
}

func (x *extractor) walk(v fhir.Value, n *node) {
	for m := range v.All() {
		c := n.children[m.Key()]
		if c == nil {
			continue
		}
		for item := range m.Items() {
			for _, e := range c.ends {
				x.value(item, e)
			}
			if c.children != nil && item.Kind() == fhir.Object {
				x.walk(item, c)
			}
		}
	}
}

func (x *extractor) value(v fhir.Value, e end) {
	switch e.param.kind {
	case store.Token:
		x.token(v, e)
	case store.Reference:
		x.reference(v, e.param)
	case store.Date:
		x.date(v, e.param)
	case store.Text:
		x.text(v, e.param)
	case store.URI:
		if v.Kind() == fhir.String {
			x.add(store.Index{Param: e.param.stored, Kind: store.URI, Value: clip(v.Text())})
		}
	}
}

// text indexes a string, or every string of a HumanName or an Address (R4
// search, string).
func (x *extractor) text(v fhir.Value, p *Param) {
	if v.Kind() != fhir.Object {
		x.addText(v, p)
		return
	}
	for m := range v.All() {
		if k := m.Key(); k == "use" || k == "type" || k == "id" {
			continue
		}
		for part := range m.Items() {
			x.addText(part, p)
		}
	}
}

func (x *extractor) addText(v fhir.Value, p *Param) {
	if s := normalText(v.Text()); s != "" && v.Kind() == fhir.String {
		x.add(store.Index{Param: p.stored, Kind: store.Text, Value: s})
	}
}

// token indexes a code, boolean, Coding, CodeableConcept, Identifier or
// ContactPoint; R4 tells them apart by the members they have.
func (x *extractor) token(v fhir.Value, e end) {
	if v.Kind() != fhir.Object {
		x.addToken(e.param, "", v.Text())
		return
	}
	if coding := v.Get("coding"); coding.Exists() {
		for c := range coding.Items() {
			x.addToken(e.param, c.Get("system").Text(), c.Get("code").Text())
		}
		return
	}
	system := v.Get("system").Text()
	if code := v.Get("code"); code.Exists() {
		x.addToken(e.param, system, code.Text())
		return
	}
	if e.system != "" {
		if system != e.system {
			return
		}
		system = v.Get("use").Text() // R4 search, token: a ContactPoint's use is the system
	}
	x.addToken(e.param, system, v.Get("value").Text())
}

func (x *extractor) addToken(p *Param, system, value string) {
	if value != "" {
		x.add(store.Index{Param: p.stored, Kind: store.Token, System: clip(system), Value: clip(value), Common: p.common})
	}
}

func (x *extractor) reference(v fhir.Value, p *Param) {
	s := v.Text() // a canonical
	if v.Kind() == fhir.Object {
		s = v.Get("reference").Text()
	}
	if s = x.local(s); s != "" {
		x.add(store.Index{Param: p.stored, Kind: store.Reference, Value: clip(s)})
	}
}

// local returns a reference as it is indexed: without the version, relative
// when it points to this server; "" for one inside the document.
func (x *extractor) local(s string) string { return normalReference(s, x.base) }

func normalReference(s, base string) string {
	ref, ok := fhir.ParseReference(strings.TrimPrefix(s, base))
	if !ok {
		return ""
	}
	switch ref.Kind {
	case fhir.RefContained:
		return ""
	case fhir.RefRelative:
		return ref.Relative()
	case fhir.RefAbsolute:
		return ref.Base + "/" + ref.Relative()
	}
	url, _, _ := strings.Cut(ref.URI, "|") // a canonical is found without its version
	return url
}

// date indexes a date, a Period or a Timing.
func (x *extractor) date(v fhir.Value, p *Param) {
	low, high, ok := int64(minMillis), int64(maxMillis), false
	if v.Kind() == fhir.Object {
		if t := v.At("repeat", "boundsPeriod"); t.Exists() {
			v = t
		}
		for e := range v.Get("event").Items() {
			x.date(e, p)
		}
		if l, _, found := dateRange(v.Get("start").Text()); found {
			low, ok = l, true
		}
		if _, h, found := dateRange(v.Get("end").Text()); found {
			high, ok = h, true
		}
	} else {
		low, high, ok = dateRange(v.Text())
	}
	if ok && low <= high { // a period that ends before it begins is not found
		x.add(store.Index{Param: p.stored, Kind: store.Date, Low: low, High: high, Common: p.common})
	}
}

// add adds an entry once. Few entries are compared one by one; a document with
// many gets a set, so that a hostile one costs no more than its size.
func (x *extractor) add(ix store.Index) {
	if x.seen == nil && len(x.out) >= 64 {
		x.seen = make(map[store.Index]bool, 2*len(x.out))
		for _, o := range x.out {
			x.seen[o] = true
		}
	}
	if x.seen == nil && slices.Contains(x.out, ix) || x.seen[ix] {
		return
	}
	if x.seen != nil {
		x.seen[ix] = true
	}
	x.out = append(x.out, ix)
}

// normalText returns s in lower case, without accents and outer space, cut to
// [maxValue] bytes: how strings are compared.
func normalText(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if !isASCII(s) {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(s))
	}
	if len(s) > maxValue {
		s = strings.ToValidUTF8(s[:maxValue], "")
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// maxValue is the longest value, in bytes, that is indexed as it stands.
const maxValue = 255

// clip replaces a long value by its hash: it is still found by equality, and
// the index stays narrow.
func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

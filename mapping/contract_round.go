package mapping

import (
	"bytes"
	"fmt"
	"regexp"

	"trellis.example/fhir"
)

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
	if !bytes.Equal(plainURLs(rec.Bundle), plainURLs(again.Bundle)) {
		if len(w.Losses) == 0 {
			c.breach("round", firstDifference(rec.Bundle, again.Bundle), "differs from the first reading, and nothing was said to be lost")
		}
		c.within(rec, again, w.Losses, "is gone after writing and reading")
		c.within(again, rec, w.Losses, "is new after writing and reading")
	}
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
			if path := v.Path(); !bytes.HasPrefix(v.Raw(), []byte(`"urn:uuid:`)) && (every || r.Places.Source(path) != "") {
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
	if _, plain := c.f.(*Map); !ok || plain { // what reads is what explains
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

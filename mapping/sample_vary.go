package mapping

import (
	"bytes"
	"math/rand/v2"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// vary copies the first record of a document, with other values.
func (g *sampler) vary(like []byte) {
	g.m.syntax.Read(bytes.NewReader(like), g.m.shape, func(d *codec.Doc, _ []fhir.Issue) bool {
		if d != nil {
			g.d = g.m.syntax.Blank(g.m.shape)
			g.copy(d, codec.Root, codec.Root)
		}
		return false
	})
}

func (g *sampler) copy(d *codec.Doc, from, to codec.ID) {
	for k := d.First(from); k != codec.None; k = d.Next(k) {
		if d.First(k) == codec.None {
			g.copyLeaf(d, k, to)
			continue
		}
		times := 1
		if d.Repeats(k) && !(d.Positional && from == codec.Root) && g.chance(0.1) { // a segment has its place in a message
			times = 2
		}
		for range times {
			g.copy(d, k, g.d.Add(to, codec.Step{Name: strings.Clone(d.Name(k)), Repeats: d.Repeats(k)}, ""))
		}
	}
}

// copyLeaf copies a value, invents another or leaves it out.
func (g *sampler) copyLeaf(d *codec.Doc, k, to codec.ID) {
	text := strings.Clone(d.Text(k))
	rules := g.c.readers[docPath(d, k)]
	if place := g.m.syntax.Place(d, k, nil); !g.c.envelope(place) && len(rules) > 0 && g.m.groups[rules[0].group].split == "" {
		r := rules[g.r.IntN(len(rules))]
		switch {
		case r.isConst || r.link || g.asked(docPath(d, k)):
		case g.chance(0.2) && !r.spec.Required && !g.isKey(r) && g.d.Find(to, []codec.Step{{Name: g.d.Own}}) == codec.None:
			return
		case g.chance(0.4):
			if other := g.accepted(r); other != "" {
				text = other
			}
		}
	}
	id := g.d.Child(to, d.Name(k))
	if id == codec.None || id == to || d.Repeats(k) || g.d.Text(id) != "" {
		id = g.d.Add(to, codec.Step{Name: strings.Clone(d.Name(k)), Repeats: d.Repeats(k)}, "")
	}
	g.d.Set(id, text, d.Kind(k))
}

// Mutate returns a document with one value changed as only a mistake would: left
// out, emptied, doubled, or with junk in its place. junk is what stands there.
func (c *Contract) Mutate(r *rand.Rand, doc []byte, junk string) ([]byte, error) {
	g := &sampler{m: c.m, r: r, c: c}
	n, leaves := 0, 0
	c.m.syntax.Read(bytes.NewReader(doc), c.m.shape, func(d *codec.Doc, _ []fhir.Issue) bool {
		if d == nil {
			return false
		}
		for id := range d.Len() {
			if d.First(codec.ID(id)) == codec.None {
				leaves++
			}
		}
		n = r.IntN(max(1, leaves))
		g.d = c.m.syntax.Blank(c.m.shape)
		g.spoil(d, codec.Root, codec.Root, &n, junk)
		return false
	})
	if g.d == nil {
		return doc, nil
	}
	return c.m.syntax.Write(g.d)
}

// spoil copies a document and changes its n-th value.
func (g *sampler) spoil(d *codec.Doc, from, to codec.ID, n *int, junk string) {
	for k := d.First(from); k != codec.None; k = d.Next(k) {
		step := codec.Step{Name: strings.Clone(d.Name(k)), Repeats: d.Repeats(k)}
		if d.First(k) != codec.None {
			g.spoil(d, k, g.d.Add(to, step, ""), n, junk)
			continue
		}
		text, times := strings.Clone(d.Text(k)), 1
		if *n--; *n == -1 {
			switch g.r.IntN(4) {
			case 0:
				times = 0
			case 1:
				text = ""
			case 2:
				text = junk
			default:
				times = 2
			}
		}
		for range times {
			id := g.d.Child(to, step.Name)
			if id == codec.None || id == to || step.Repeats || g.d.Text(id) != "" && g.m.spec.Codec != "json" && g.m.spec.Codec != "form" {
				id = g.d.Add(to, step, "")
			}
			g.d.Set(id, text, d.Kind(k))
		}
	}
}

// asked reports whether a condition looks at the path.
func (g *sampler) asked(path string) bool {
	return g.c.anyCondition(path, func(*cond) bool { return true })
}

package mapping

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"trellis.example/mapping/codec"
)

// Sample returns an invented document of the format, the same for the same
// state of r: values that the rules' types and tables accept, fields left out,
// groups that repeat, and sometimes a field that the format does not have. The
// people in it do not exist; NHS numbers are of the test range 999. With a
// document in like it is that one with other values and without some: for
// formats whose documents need more than their map says.
func (c *Contract) Sample(r *rand.Rand, like []byte) ([]byte, error) {
	g := &sampler{m: c.m, r: r, c: c}
	if like != nil {
		g.vary(like)
	}
	if g.d == nil {
		g.d = c.m.syntax.Blank(c.m.shape)
		g.element(0, []codec.ID{codec.Root}, "")
	}
	if g.chance(0.2) {
		g.unknown()
	}
	return c.m.syntax.Write(g.d)
}

// A sampler is the state of inventing one document.
type sampler struct {
	m *Map
	r *rand.Rand
	c *Contract
	d *codec.Doc
}

func (g *sampler) chance(p float64) bool { return g.r.Float64() < p }

// unknown adds a field that no format has.
func (g *sampler) unknown() {
	at := codec.Root
	if first := g.d.First(at); first != codec.None && !g.d.Positional && g.d.Next(first) == codec.None && g.d.First(first) != codec.None {
		at = first // the one element of an XML document
	}
	id := g.d.Add(at, codec.Step{Name: "ZZ9"}, "")
	if g.d.Positional {
		id = g.d.Add(id, codec.Step{Name: "3"}, "")
	}
	g.d.Set(id, "not in the format", codec.Text)
}

// element fills an element of a group and what lies in it. nodes are the nodes
// of the element and those around it, the innermost first.
func (g *sampler) element(group int, nodes []codec.ID, part string) {
	grp := g.m.groups[group]
	if part == "" {
		g.conditions(grp.when, nodes, true)
	}
	for _, n := range grp.names {
		g.put(&n, nodes, "urn:example:"+strconv.Itoa(g.d.Len()), codec.Text)
	}
	for _, r := range append(slices.Clone(grp.rules), g.links(group)...) {
		if r.dir&inward != 0 && !r.drops() || r.drops() && g.chance(0.3) {
			g.rule(r, nodes)
		}
	}
	for _, child := range grp.children {
		g.children(child, nodes)
	}
}

func (g *sampler) links(group int) []*rule {
	var out []*rule
	for _, r := range g.m.refs {
		if r.link && r.group == group && g.chance(0.3) {
			out = append(out, r)
		}
	}
	return out
}

// children adds some elements of a group to an element.
func (g *sampler) children(group int, nodes []codec.ID) {
	grp := g.m.groups[group]
	n := g.r.IntN(3)
	if c := g.m.spec.Codec; !grp.rest[len(grp.rest)-1].Repeats && (c == "json" || c == "form" || c == "csv") {
		n = min(n, 1) // there are no repeats but those of a list
	}
	if grp.split != "" {
		g.list(group, nodes, n)
		return
	}
	for range n {
		at := nodes[0]
		last := len(grp.rest) - 1
		for _, s := range grp.rest[:last] {
			if c := g.d.Child(at, s.Name); c != codec.None && c != at {
				at = c
				continue
			}
			at = g.d.Add(at, s, "")
		}
		id := g.d.Child(at, grp.rest[last].Name)
		if id == codec.None || id == at || g.d.First(id) != codec.None || g.d.Text(id) != "" || grp.rest[last].Repeats {
			id = g.d.Add(at, grp.rest[last], "")
		}
		g.element(group, append([]codec.ID{id}, nodes...), "")
	}
}

// list gives a split field its parts, none of which holds the separator.
func (g *sampler) list(group int, nodes []codec.ID, n int) {
	grp := g.m.groups[group]
	var list []string
	for range n {
		for _, r := range grp.rules {
			if len(r.sources) > 0 && len(r.sources[0].rest) == 0 && r.sources[0].up == 0 && r.dir&inward != 0 {
				if text := g.accepted(r); text != "" && !strings.Contains(text, strings.TrimSpace(grp.split)) {
					list = append(list, text)
				}
				break
			}
		}
	}
	if len(list) > 0 {
		g.put(&source{rest: grp.rest}, nodes, strings.Join(list, grp.split), codec.Text)
	}
}

// conditions makes conditions hold, where that takes a value.
func (g *sampler) conditions(list []cond, nodes []codec.ID, always bool) {
	for i := range list {
		c := &list[i]
		if len(c.in) > 0 && (always || g.chance(0.6)) {
			if text := c.in[g.r.IntN(len(c.in))]; text != "" {
				g.put(&c.source, nodes, text, codec.Text)
			}
		}
	}
}

// rule gives the rule's field a value, or leaves it out.
func (g *sampler) rule(r *rule, nodes []codec.ID) {
	g.conditions(r.when, nodes, false)
	if len(r.sources) == 0 || !r.spec.Required && !g.isKey(r) && g.chance(0.3) {
		return
	}
	s := &r.sources[0]
	if g.chance(0.2) {
		s = &r.sources[g.r.IntN(len(r.sources))]
	}
	if g.m.groups[r.group].split != "" && len(s.rest) == 0 && s.up == 0 {
		return // a part of a list
	}
	if r.raw {
		g.raw(s, nodes)
		return
	}
	if text := g.accepted(r); text != "" {
		kind := codec.Text
		if r.conv.literal && (text == "true" || text == "false" || isDigits(text)) {
			kind = codec.Literal
		}
		g.put(s, nodes, text, kind)
	}
}

func (g *sampler) isKey(r *rule) bool {
	return slices.ContainsFunc(r.spec.paths(), func(p string) bool { return slices.Contains(g.m.spec.Key, p) })
}

// put sets the text at a source that has none.
func (g *sampler) put(s *source, nodes []codec.ID, text string, kind codec.Kind) {
	at := nodes[min(s.up, len(nodes)-1)]
	if g.c.envelope(g.m.syntax.Place(g.d, at, s.rest)) {
		return
	}
	if found := g.d.Find(at, s.rest); found != codec.None && (g.d.First(found) != codec.None || g.d.Text(found) != "") {
		if !g.d.Positional || g.d.Leaf(found) != codec.None {
			return
		}
	}
	if id := g.d.Make(at, s.rest); g.d.Text(id) == "" {
		g.d.Set(id, text, kind)
	}
}

// raw invents a subtree.
func (g *sampler) raw(s *source, nodes []codec.ID) {
	if len(s.rest) == 0 || g.d.Positional {
		return
	}
	id := g.d.Make(nodes[min(s.up, len(nodes)-1)], s.rest)
	if g.d.First(id) != codec.None || g.d.Text(id) != "" || g.d.Repeats(id) {
		return
	}
	if g.chance(0.5) {
		g.d.Set(id, g.text(), codec.Text)
		return
	}
	g.d.Add(id, codec.Step{Name: "kind"}, g.text())
	g.d.Add(g.d.Add(id, codec.Step{Name: "detail"}, ""), codec.Step{Name: "word"}, g.text())
}

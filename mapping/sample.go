package mapping

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
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
		if d.Repeats(k) && g.chance(0.1) {
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

// accepted invents a text that the rule and the others of its field accept; ""
// when none was found.
func (g *sampler) accepted(r *rule) string {
	var others []*rule
	for _, o := range g.m.groups[r.group].rules {
		if len(o.when) == 0 && len(o.sources) > 0 && len(r.sources) > 0 && o.sources[0].path == r.sources[0].path {
			others = append(others, o)
		}
	}
	for range 8 {
		from := r
		if len(others) > 0 && g.chance(0.5) {
			from = others[g.r.IntN(len(others))]
		}
		text := g.value(from)
		if text != "" && takes(r, text) && !slices.ContainsFunc(others, func(o *rule) bool { return !takes(o, text) }) {
			return text
		}
	}
	return ""
}

// takes reports whether a rule reads a text without a fault.
func takes(r *rule, text string) bool {
	if r.conv.in == nil || r.dir&inward == 0 {
		return true
	}
	_, v := r.conv.in(nil, text)
	return v.fault == nil
}

// text invents free text with what syntaxes give a meaning.
func (g *sampler) text() string {
	words := [...]string{"walks", "Garden & shed", `"quoted"`, "tea; cake", "a|b^c~d", "£5, no more", "café", "o'clock", "<tag>", `back\slash`, "=1+1", "ünï", "line"}
	n := 1 + g.r.IntN(3)
	out := make([]string, n)
	for i := range out {
		out[i] = words[g.r.IntN(len(words))]
	}
	return strings.Join(out, " ")
}

// value invents a text of the rule's type.
func (g *sampler) value(r *rule) string {
	if r.table != nil {
		return g.row(r.table)
	}
	day := fmt.Sprintf("%04d-%02d-%02d", 1930+g.r.IntN(95), 1+g.r.IntN(12), 1+g.r.IntN(28))
	uk := day[8:] + "/" + day[5:7] + "/" + day[:4]
	clock := fmt.Sprintf("%02d:%02d", 8+g.r.IntN(10), g.r.IntN(60))
	one := func(list ...string) string { return list[g.r.IntN(len(list))] }
	if r.link {
		return "urn:example:" + strconv.Itoa(g.r.IntN(1+g.d.Len()))
	}
	switch r.spec.Type {
	case "boolean":
		return one("true", "false", "Yes", "no", "Y", "0")
	case "integer", "decimal":
		return g.number(r)
	case "date", "datepart":
		return one(day, day[:7], day[:4])
	case "ukdate":
		return uk
	case "ukdatetime":
		return one(uk+" "+clock, uk+" "+clock+":07", uk+" "+clock+"+02:00")
	case "ukdateorpartial":
		return one(uk, uk[3:], uk[6:])
	case "datetime":
		return one(day, day[:4], day+"T"+clock+":00Z", day+"T"+clock+":00.5+01:00")
	case "dateoruk":
		return one(day, uk, day[:7])
	case "datetimeoruk":
		return one(day, uk, uk+" "+clock, day+"T"+clock+":00Z")
	case "instant":
		return one(day+"T"+clock+":00Z", day+"T"+clock+":01.25+01:00")
	case "time":
		return one(clock, clock+":30")
	case "hl7date":
		return one(strings.ReplaceAll(day, "-", ""), day[:4])
	case "hl7ts":
		return strings.ReplaceAll(day, "-", "") + one("", strings.ReplaceAll(clock, ":", ""), strings.ReplaceAll(clock, ":", "")+"30+0100")
	}
	return g.word(r, one)
}

// word invents a text of a type that is no number and no time.
func (g *sampler) word(r *rule, one func(...string) string) string {
	switch r.spec.Type {
	case "code":
		return one("alpha", "b-2", "C_3", "en-GB")
	case "nhsnumber":
		return g.nhsNumber()
	case "postcode":
		return one("ZZ99 9ZZ", "zz99 3cz", "TS1 1AA", "ts11aa")
	case "phone":
		return fmt.Sprintf("01632 96%04d", g.r.IntN(10_000))
	case "email":
		return fmt.Sprintf("person%d@mail.example", g.r.IntN(100))
	case "digits":
		return strconv.Itoa(100_000 + g.r.IntN(900_000))
	case "ods":
		return one("A81001", "y04567", "RXX")
	case "snomed":
		return one("871731000000106", "73211009", "22298006")
	case "uri":
		return fmt.Sprintf("urn:example:%d", g.r.IntN(1000))
	}
	return g.text()
}

func (g *sampler) row(t *table) string {
	text := t.spec.Rows[g.r.IntN(len(t.spec.Rows))].Partner
	switch {
	case t.spec.Open && g.chance(0.2):
		return g.text()
	case t.spec.IgnoreCase && g.chance(0.2):
		return strings.ToUpper(text)
	}
	return text
}

func (g *sampler) number(r *rule) string {
	low, high := 0, 12
	if r.spec.Min != nil {
		low = int(*r.spec.Min)
		high = low + 12
	}
	if r.spec.Max != nil {
		high = int(*r.spec.Max)
	}
	n := strconv.Itoa(low + g.r.IntN(max(1, high-low+1)))
	if r.spec.Type == "decimal" && g.chance(0.3) && r.spec.Max == nil {
		n += ".50"
	}
	return n
}

// nhsNumber invents a number of the range that nobody has, 999.
func (g *sampler) nhsNumber() string {
	for {
		body := fmt.Sprintf("999%06d", g.r.IntN(1_000_000))
		sum := 0
		for i, c := range []byte(body) {
			sum += (10 - i) * int(c-'0')
		}
		if check := (11 - sum%11) % 11; check < 10 {
			n := body + strconv.Itoa(check)
			if g.chance(0.3) {
				return n[:3] + " " + n[3:6] + " " + n[6:]
			}
			return n
		}
	}
}

package mapping

import (
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// carry runs the rules backwards.
func (b *back) carry() {
	b.frames = append(b.frames, backFrame{parent: -1, node: codec.Root})
	b.open(0)
	// Rules that only read come last: what another rule carried is not lost.
	for _, out := range [...]bool{true, false} {
		for f := range b.frames {
			for _, r := range b.m.groups[b.frames[f].group].rules {
				if r.inst != nil && (r.dir&outward != 0 || r.isConst) == out && b.counts(r, f) {
					b.one(r, f)
				}
			}
		}
	}
	b.links()
	for _, r := range b.m.refs {
		if r.link {
			continue
		}
		for _, i := range b.found[r.inst] {
			visit(b.entries[i].resource, r.path, true, func(v fhir.Value) {
				if t := b.target(v.Text()); t >= 0 && slices.Contains(b.found[r.ref], t) {
					b.used[v.Index()] = true
				}
			})
		}
	}
}

// counts reports whether the frame is one that the rule writes to.
func (b *back) counts(r *rule, f int) bool {
	for _, g := range r.firsts {
		if b.frames[b.in(f, g)].n > 0 {
			return false
		}
	}
	return true
}

// one carries one value, if it is there.
func (b *back) one(r *rule, f int) {
	v := b.locate(r, f, r.path)
	if !v.Exists() || b.used[v.Index()] && r.isConst {
		return
	}
	if r.isConst {
		b.used[v.Index()] = v.Text() == r.constText
		return
	}
	if len(r.leaf.rules) > 1 && b.isUsed(v) {
		return // an earlier rule of the place has carried it
	}
	if r.dir&outward == 0 {
		b.oneWay = append(b.oneWay, oneWay{r, f, v})
		return
	}
	text, ok := r.conv.out(v)
	if !ok || text == "" {
		return // what no rule carries is residue
	}
	if lost := b.put(r, f, text); lost != "" {
		b.use(v, r)
		b.lose(v, r, lost)
		return
	}
	b.use(v, r)
	b.wrote = append(b.wrote, wrote{r, f})
	if r.spec.Loss != "" {
		b.lose(v, r, r.spec.Loss)
	}
}

// excuse reports the values that the map reads but never writes back, unless
// another rule wrote the same text to the same field.
func (b *back) excuse() {
	for _, o := range b.oneWay {
		if b.isUsed(o.value) {
			continue
		}
		b.use(o.value, o.rule)
		if !b.stands(o) {
			b.lose(o.value, o.rule, oneWayText(o.rule))
		}
	}
}

func (b *back) stands(o oneWay) bool {
	if o.rule.conv.out == nil || o.rule.spec.Partner == "" && o.rule.sum != nil {
		return false
	}
	text, ok := o.rule.conv.out(o.value)
	s, f := &o.rule.sources[0], o.frame
	for range s.up {
		f = b.frames[f].parent
	}
	g := b.m.groups[b.frames[f].group]
	if g.split != "" && len(s.rest) == 0 {
		at := b.d.Leaf(b.d.Find(b.frames[b.frames[f].parent].node, g.rest))
		return ok && at != codec.None && slices.Contains(strings.Split(b.d.Text(at), g.split), text)
	}
	if b.frames[f].node == codec.None {
		return false
	}
	at := b.d.Leaf(b.d.Find(b.frames[f].node, s.rest))
	return ok && at != codec.None && b.d.Text(at) == text
}

func oneWayText(r *rule) string {
	if r.spec.Loss != "" {
		return r.spec.Loss
	}
	return r.spec.Note
}

// use marks a value as carried; of a Coding, the members that a table knows.
func (b *back) use(v fhir.Value, r *rule) {
	if !r.conv.object {
		b.used[v.Index()] = true
		return
	}
	for _, name := range [...]string{"system", "code", "display"} {
		if m := v.Get(name); m.Exists() {
			b.used[m.Index()] = true
		}
	}
}

func (b *back) isUsed(v fhir.Value) bool {
	if v.Kind() == fhir.Object {
		v = v.Get("code")
	}
	return v.Exists() && b.used[v.Index()]
}

func (b *back) lose(v fhir.Value, r *rule, text string) { b.report(v, r.spec.ID, text) }

func (b *back) report(v fhir.Value, rule, text string) {
	if len(b.losses) == maxLosses {
		b.lost++
		return
	}
	b.losses = append(b.losses, Loss{Source: v.Path(), Rule: rule, Text: text})
}

// put writes text into the partner's document, and says what is lost when it
// cannot.
func (b *back) put(r *rule, f int, text string) string {
	if r.raw {
		return b.putRaw(r, f, text)
	}
	s := &r.sources[0]
	for range s.up {
		f = b.frames[f].parent
	}
	if sep := b.m.groups[b.frames[f].group].split; sep != "" && len(s.rest) == 0 {
		return b.part(r, f, sep, text)
	}
	id := b.d.Make(b.node(f), s.rest)
	switch old := b.d.Text(id); {
	case old == "":
		b.d.Set(id, text, kindOf(r))
	case old != text && !sameFHIR(r, old, text):
		return "another value already stands in the partner's field"
	}
	return ""
}

func kindOf(r *rule) codec.Kind {
	if r.conv.literal {
		return codec.Literal
	}
	return codec.Text
}

// part adds a part to a split list; a frame has one part.
func (b *back) part(r *rule, f int, sep, text string) string {
	if strings.Contains(text, sep) || strings.TrimSpace(text) != text {
		return "the value holds the separator of the partner's list"
	}
	if b.frames[f].node != codec.None {
		if old := b.frames[f].part; old != text && !sameFHIR(r, old, text) {
			return "the same part of the partner's list is written in another form"
		}
		return ""
	}
	id, written := b.d.Make(b.node(b.frames[f].parent), b.m.groups[b.frames[f].group].rest), text
	if old := b.d.Text(id); old != "" {
		text = old + sep + text
	}
	b.d.Set(id, text, codec.Text)
	b.frames[f].node, b.frames[f].part = id, written
	return ""
}

// node returns the partner's node of a frame, making it at first use.
func (b *back) node(f int) codec.ID {
	fr := &b.frames[f]
	if fr.node != codec.None {
		return fr.node
	}
	g := b.m.groups[fr.group]
	parent := b.node(fr.parent)
	last := len(g.rest) - 1
	for _, s := range g.rest[:last] {
		c := b.d.Child(parent, s.Name)
		if c == codec.None || c == parent {
			c = b.d.Add(parent, s, "")
		}
		parent = c
	}
	fr.node = b.d.Add(parent, g.rest[last], "")
	return fr.node
}

// settle fulfils the conditions of what was written, writes the constants of
// the partner's side and checks what is required.
func (b *back) settle() {
	for f := range b.frames {
		if g := b.m.groups[b.frames[f].group]; b.frames[f].node != codec.None && g.split == "" {
			b.fulfil(g.when, f)
		}
	}
	for _, w := range b.wrote {
		b.fulfil(w.rule.when, w.frame)
	}
	for f := range b.frames {
		if b.frames[f].node == codec.None {
			continue
		}
		for _, r := range b.m.groups[b.frames[f].group].rules {
			b.partnerSide(r, f)
		}
	}
	b.checks()
}

// asked reports whether a field is required of what is written: one that is so
// only where another field is there, or is not.
func (b *back) asked(conds []cond, f int) bool {
	for i := range conds {
		if c := &conds[i]; c.present != nil && b.there(c, f) != *c.present {
			return false
		}
	}
	return true
}

// there reports whether something was written at or below a condition's place.
func (b *back) there(c *cond, f int) bool {
	for range c.up {
		f = b.frames[f].parent
	}
	if b.frames[f].node == codec.None {
		return false
	}
	node := b.d.Find(b.frames[f].node, c.rest)
	return node != codec.None && !hollow(b.d, node)
}

// checks holds what is written against what the map asks of a record: that a
// field is there. Other checks are about partners' values and not ours.
func (b *back) checks() {
	for _, k := range b.m.checks {
		if k.group != 0 || k.want.present == nil || k.spec.Severity == string(fhir.SeverityWarning) {
			continue
		}
		if b.asked(k.when, 0) && b.there(&k.want, 0) != *k.want.present {
			b.faults = append(b.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Rule: k.spec.ID, Text: k.spec.Text})
		}
	}
}

func (b *back) partnerSide(r *rule, f int) {
	if r.isConst && r.inst == nil {
		b.put(r, f, r.constText)
	}
	if !r.spec.Required || r.dir&outward == 0 || r.drops() || !b.asked(r.when, f) {
		return
	}
	s := &r.sources[0]
	at := f
	for range s.up {
		at = b.frames[at].parent
	}
	leaf := b.d.Leaf(b.d.Find(b.frames[at].node, s.rest))
	if leaf == codec.None || b.d.Text(leaf) == "" {
		b.faults = append(b.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Expression: r.expr, Rule: r.spec.ID,
			Text: "expected a value: the partner's format requires " + s.path})
	}
}

// fulfil writes the first accepted value of each condition whose field is
// still empty.
func (b *back) fulfil(conds []cond, f int) {
	for i := range conds {
		c := &conds[i]
		if c.in == nil || c.in[0] == "" {
			continue
		}
		at := f
		for range c.up {
			at = b.frames[at].parent
		}
		if b.m.groups[b.frames[at].group].split != "" {
			continue
		}
		if id := b.d.Make(b.node(at), c.rest); b.d.Text(id) == "" {
			b.d.Set(id, c.in[0], codec.Text)
		}
	}
}

// residue lists every FHIR leaf that was not carried. What belongs to the
// envelope (the Bundle, ids and versions that a server gives) is no content.
func (b *back) residue(root fhir.Value) {
	if root.Get("resourceType").Text() != "Bundle" {
		b.rest(root, true)
		return
	}
	for m := range root.All() {
		switch m.Key() {
		case "resourceType", "type", "id", "meta", "link", "total":
		case "entry":
			for e := range m.All() {
				b.rest(e.Get("resource"), true)
			}
		default:
			b.rest(m, false)
		}
	}
}

func (b *back) rest(v fhir.Value, resource bool) {
	if v.Kind() != fhir.Object && v.Kind() != fhir.Array {
		if v.Exists() && !b.used[v.Index()] {
			b.report(v, "residue", "the partner's format has no place for this element")
		}
		return
	}
	for m := range v.All() {
		if resource && (m.Key() == "resourceType" || m.Key() == "id") {
			continue
		}
		if resource && m.Key() == "meta" {
			b.meta(m)
			continue
		}
		b.rest(m, m.Get("resourceType").Exists())
	}
}

// meta reports the parts of meta that are the sender's, not the server's.
func (b *back) meta(meta fhir.Value) {
	for m := range meta.All() {
		if k := m.Key(); k != "versionId" && k != "lastUpdated" && k != "source" {
			b.rest(m, false)
		}
	}
}

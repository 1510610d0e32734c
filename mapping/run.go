package mapping

import (
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// Limits on one record, so that a small document cannot become a huge answer.
const (
	maxElements = 10_000 // elements of all groups together
	maxLosses   = 10_000
	maxFaults   = 1_000
)

// A run is the state of reading one record. It is reused from record to
// record, so that a long file costs no memory per row.
type run struct {
	m      *Map
	d      *codec.Doc
	frames []frame
	vals   []val
	arena  []byte // the JSON of the values
	used   []bool // by node: some rule took it
	heads  []codec.ID
	urls   []byte       // the fullUrls made so far
	known  [64]madeURL  // by an instance's bit
	names  map[name]int // frames by the name of their element; nil until a link asks
	lost   int          // losses that are not listed
	losses []Loss
	faults []fhir.Issue

	trace          bool // places hold the constants too
	out            []byte
	at             []byte // the path of what is being written
	places         []placed
	texts          []byte
	lossAt         []int // where each loss's place ends in lossText; the next begins there
	lossText       []byte
	pathsAndPlaces []byte
}

// A val is what a rule wrote.
type val struct {
	rule       *rule
	node       codec.ID
	start, end int // in arena
}

// read maps one record.
func (x *run) read(d *codec.Doc) Record {
	x.reset(d)
	x.frame(frame{parent: -1, node: codec.Root})
	if len(x.frames) > maxElements {
		x.faults = append(x.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.TooLong, Source: x.m.syntax.Place(d, codec.Root, nil),
			Text: "the record has more than " + strconv.Itoa(maxElements) + " repeated elements"})
		return Record{Row: d.Row, Key: x.key(), Faults: slices.Clone(x.faults)}
	}
	if skip := x.skipped(); skip != nil {
		return Record{Row: d.Row, Key: x.key(), NotReferral: true, Faults: slices.Clone(x.faults)}
	}
	for f := range x.frames {
		for _, r := range x.m.groups[x.frames[f].group].rules {
			x.apply(r, f)
		}
	}
	x.checks()
	for f := range x.frames {
		for _, r := range x.m.groups[x.frames[f].group].refs {
			if r.link {
				x.connect(r, f)
			} else {
				x.refer(r, f)
			}
		}
	}
	x.residue()
	rec := Record{Row: d.Row, Key: x.key(), Faults: slices.Clone(x.faults)}
	if !rec.Refused() {
		rec.Bundle, rec.Places = x.render()
	}
	rec.Losses = x.listLosses()
	return rec
}

func (x *run) reset(d *codec.Doc) {
	x.d = d
	x.frames, x.vals, x.arena = x.frames[:0], x.vals[:0], x.arena[:0]
	x.losses, x.faults, x.lost = x.losses[:0], x.faults[:0], 0
	x.places, x.texts = x.places[:0], x.texts[:0]
	x.used = slices.Grow(x.used[:0], d.Len())[:d.Len()]
	clear(x.used)
	x.index()
	x.lossAt, x.lossText = x.lossAt[:0], x.lossText[:0]
	x.urls, x.known, x.names = x.urls[:0], [64]madeURL{}, nil
}

// holds reports whether all conditions hold; what they asked for has then been
// used.
func (x *run) holds(conds []cond, f int) bool {
	for i := range conds {
		if !x.hold(&conds[i], f) {
			return false
		}
	}
	for i := range conds {
		if c := &conds[i]; c.in != nil {
			at := &x.frames[x.up(f, c.up)]
			if at.split && len(c.rest) == 0 {
				x.used[at.node] = true
			} else if node := x.among(c, at.node, c.rest); node != codec.None {
				x.used[node] = true
			}
		}
	}
	return true
}

func (x *run) hold(c *cond, f int) bool {
	_, text := x.value(&c.source, f)
	switch {
	case c.present != nil:
		return *c.present == (text != "" || x.below(c, f))
	case c.in != nil && contains(c.in, text):
		return true
	case c.in != nil:
		at := &x.frames[x.up(f, c.up)]
		return !at.split && (c.head == 0 || x.heads[c.head] != codec.None) && x.among(c, at.node, c.rest) != codec.None
	}
	return !contains(c.not, text)
}

// below reports whether there is text below a path that leads to no leaf.
func (x *run) below(c *cond, f int) bool {
	return !x.d.Positional && slices.ContainsFunc(x.nodesAt(&c.source, f), func(id codec.ID) bool { return !hollow(x.d, id) })
}

// among returns the node below at whose text the condition accepts: of a field
// that repeats, any repetition will do.
func (x *run) among(c *cond, at codec.ID, rest []codec.Step) codec.ID {
	if len(rest) == 0 {
		leaf := x.d.Leaf(at)
		if leaf != codec.None && contains(c.in, strings.TrimSpace(x.d.Text(leaf))) {
			return leaf
		}
		return codec.None
	}
	for n := x.d.Child(at, rest[0].Name); n != codec.None; n = x.d.NextSame(n) {
		if leaf := x.among(c, n, rest[1:]); leaf != codec.None || n == at {
			return leaf
		}
	}
	return codec.None
}

func contains(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}

// apply runs one rule in one frame.
func (x *run) apply(r *rule, f int) {
	if r.dir&inward == 0 {
		return
	}
	for _, g := range r.firsts {
		if x.frames[x.in(f, g)].n > 0 {
			return
		}
	}
	if len(r.when) > 0 && !x.holds(r.when, f) {
		return
	}
	if r.isConst {
		x.constant(r, f)
		return
	}
	s, node, text := x.pick(r, f)
	if r.sum != nil {
		text = x.total(r, f, text)
	}
	switch {
	case r.drops():
		if text != "" {
			x.take(r, s, f, node)
			x.lose(s, f, r, r.spec.Loss)
		}
	case text != "":
		x.convert(r, f, s, node, text)
	case r.spec.Required:
		x.fault(r, x.place(s, f), &problem{fhir.Required, "expected a value: this field is required"})
	case r.spec.Default != "":
		x.lose(s, f, r, "the sender gave no value: the map's default was used")
		x.convert(r, f, s, codec.None, r.spec.Default)
	}
}

// pick chooses the rule's source: the first that has text, or all of them
// joined.
func (x *run) pick(r *rule, f int) (*source, codec.ID, string) {
	switch {
	case r.joins:
		return x.join(r, f)
	case r.raw:
		return x.subtree(r, f)
	case r.sum != nil && r.spec.Partner == "":
		return &r.sources[0], codec.None, ""
	}
	for i := range r.sources {
		if node, text := x.value(&r.sources[i], f); text != "" {
			return &r.sources[i], node, text
		}
	}
	return &r.sources[0], codec.None, ""
}

func (x *run) join(r *rule, f int) (*source, codec.ID, string) {
	var parts []string
	first, at := 0, codec.None
	for i := range r.sources {
		node, text := x.value(&r.sources[i], f)
		if text == "" {
			continue
		}
		if x.used[node] = true; at == codec.None {
			first, at = i, node
		}
		parts = append(parts, text)
	}
	sep := r.constText
	if sep == "" {
		sep = "\n"
	}
	return &r.sources[first], at, strings.Join(parts, sep)
}

func (x *run) convert(r *rule, f int, s *source, node codec.ID, text string) {
	v := x.cell(r, f)
	if v.rule != nil {
		return // an earlier rule wins; what no rule takes is residue
	}
	start := len(x.arena)
	arena, verdict := r.conv.in(x.arena, text)
	x.arena = arena
	x.take(r, s, f, node)
	switch {
	case verdict.fault != nil:
		x.fault(r, x.place(s, f), verdict.fault)
		return
	case verdict.loss != "":
		x.lose(s, f, r, verdict.loss)
	}
	if verdict.skip {
		return
	}
	if r.dir == inward|outward && r.spec.Loss != "" && node != codec.None {
		x.lose(s, f, r, r.spec.Loss)
	}
	*v = val{rule: r, node: node, start: start, end: len(x.arena)}
	x.frames[x.in(f, r.inst.group)].live |= 1 << r.inst.bit
}

// cell is the place for the rule's value.
func (x *run) cell(r *rule, f int) *val {
	return &x.vals[x.frames[x.in(f, r.region)].base+r.leaf.index]
}

// constant writes a constant. It makes an instance exist only when the
// instance consists of constants.
func (x *run) constant(r *rule, f int) {
	if r.inst == nil {
		return // a constant of the partner's side
	}
	v := x.cell(r, f)
	if v.rule != nil {
		return
	}
	start := len(x.arena)
	x.arena = append(x.arena, r.constJSON...)
	*v = val{rule: r, node: codec.None, start: start, end: len(x.arena)}
	if !r.inst.root.fed {
		x.frames[x.in(f, r.inst.group)].live |= 1 << r.inst.bit
	}
}

// total checks what the partner says is the sum of other fields, and is that
// sum when they say nothing. It says nothing when a summand is missing.
func (x *run) total(r *rule, f int, stated string) string {
	sum := 0
	for i := range r.sum {
		_, text := x.value(&r.sum[i], f)
		if _, p := checkInteger(text); p != nil {
			return stated
		}
		n, _ := strconv.Atoi(text) // nine digits at most
		sum += n
	}
	if n, err := strconv.Atoi(stated); stated != "" && err == nil && n != sum {
		x.fault(r, x.place(&r.sources[0], f), &problem{fhir.BusinessRule, "expected the sum of the fields that this is the total of"})
	}
	if stated == "" {
		return strconv.Itoa(sum)
	}
	return stated
}

// refer writes a reference when its target exists.
func (x *run) refer(r *rule, f int) {
	if r.dir&inward == 0 || len(r.when) > 0 && !x.holds(r.when, f) {
		return
	}
	for _, g := range r.firsts {
		if x.frames[x.in(f, g)].n > 0 {
			return
		}
	}
	v, target := x.cell(r, f), x.in(f, r.ref.group)
	if v.rule != nil || x.frames[target].live&(1<<r.ref.bit) == 0 {
		return
	}
	start := len(x.arena)
	x.arena = append(x.arena, '"')
	x.arena = x.appendURL(x.arena, r.ref, target)
	x.arena = append(x.arena, '"')
	*v = val{rule: r, node: codec.None, start: start, end: len(x.arena)}
}

// fault reports a problem of a place, once: several rules may read one field.
func (x *run) fault(r *rule, place string, p *problem) {
	for i := range x.faults {
		if x.faults[i].Source == place && x.faults[i].Text == p.want {
			return
		}
	}
	if len(x.faults) >= maxFaults {
		if len(x.faults) == maxFaults {
			x.faults = append(x.faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.TooLong, Text: "there are more faults than are listed"})
		}
		return
	}
	is := fhir.Issue{Severity: fhir.SeverityError, Code: p.code, Text: p.want, Expression: r.expr, Source: place, Rule: r.spec.ID}
	x.faults = append(x.faults, is)
}

func (x *run) lose(s *source, f int, r *rule, text string) {
	if len(x.losses) == maxLosses {
		x.lost++
		return
	}
	x.losses = append(x.losses, Loss{Rule: r.spec.ID, Text: text})
	at, rest := x.locate(s, f)
	x.lossText = x.m.syntax.AppendPlace(x.lossText, x.d, at, rest)
	x.lossAt = append(x.lossAt, len(x.lossText))
}

// listLosses returns the losses with their places, which share one string.
func (x *run) listLosses() []Loss {
	all, start := string(x.lossText), 0
	for i, end := range x.lossAt {
		x.losses[i].Source = all[start:end]
		start = end
	}
	return slices.Clone(x.losses)
}

// residue reports every leaf with text that no rule took.
func (x *run) residue() {
	for id := range x.used {
		node := codec.ID(id)
		if x.used[id] || x.d.First(node) != codec.None || strings.TrimSpace(x.d.Text(node)) == "" {
			continue
		}
		if len(x.losses) == maxLosses {
			x.lost++
			continue
		}
		x.losses = append(x.losses, Loss{Rule: "residue", Text: "no rule of the map carries this value"})
		x.lossText = x.m.syntax.AppendPlace(x.lossText, x.d, node, nil)
		x.lossAt = append(x.lossAt, len(x.lossText))
	}
	if x.lost > 0 {
		x.losses = append(x.losses, Loss{Rule: "residue", Text: strconv.Itoa(x.lost) + " more values are lost than are listed"})
	}
}

// key is the sender's own reference for the record: the last of the map's key
// paths, or all of them.
func (x *run) key() string {
	if x.m.spec.RecordKey == "all" {
		parts := make([]string, len(x.m.keys))
		for i := range x.m.keys {
			_, parts[i] = x.value(&x.m.keys[i], 0)
		}
		return strings.Join(parts, "/")
	}
	_, text := x.value(&x.m.keys[len(x.m.keys)-1], 0)
	return strings.Clone(text)
}

package profiles

import (
	"slices"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// profiles applies, to a resource that has been walked, the profiles it claims,
// those its sender agreed to and ours for its type, each once, and then what
// waits from an index on. A profile that another of them builds on is applied by
// that one.
func (w *walk) profiles(v fhir.Value, typ string, waiting int) {
	var room [8]*definition
	list := w.claims(v, typ, room[:0])
	list = w.agreed(v, typ, list)
	if d := w.v.byType[typ]; d != nil && !w.o.BaseOnly {
		list = once(list, d)
	}
	for _, d := range list {
		if !w.implied(d, list) {
			w.resourceProfile(v, typ, d)
		}
	}
	w.drain(waiting)
	if w.costly != nil {
		w.tooMuch(v, w.costly)
	}
}

func once(list []*definition, d *definition) []*definition {
	if slices.Contains(list, d) {
		return list
	}
	return append(list, d)
}

// claims collects the profiles named in meta.profile. One that is not ours can
// neither be checked nor excuse the document from ours.
func (w *walk) claims(v fhir.Value, typ string, list []*definition) []*definition {
	for c := v.At("meta", "profile").First(); c.Exists(); c = c.Next() {
		d := w.v.shelf.find(c.Text())
		switch {
		case c.Kind() != fhir.String:
			// the walk has said so
		case ownType(w.v.nodes.defs, c.Text()) == typ:
			// base R4, checked already
		case d == nil:
			w.unknownProfile(c)
		case d.Type != typ:
			w.wrong(c, fhir.BadValue, ruleProfileType, "a profile for "+typ, "a profile for "+d.Type, "")
		default:
			list = once(list, d)
		}
	}
	return list
}

// agreed collects the profiles of Options. A minimum that cannot be checked is
// not passed over: which types it is for, nobody here can tell.
func (w *walk) agreed(v fhir.Value, typ string, list []*definition) []*definition {
	for _, canonical := range w.o.Profiles {
		d := w.v.shelf.find(canonical)
		switch {
		case d != nil && d.Type == typ:
			list = once(list, d)
		case d == nil && !v.Parent().Exists() && ownType(w.v.nodes.defs, canonical) == "":
			w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Exception, Rule: ruleUnknownProfile, Profile: canonical + "#" + typ,
				Text:     "a profile that was agreed on is not known here, so the document cannot be judged",
				Expected: "a profile that is known here", Found: "another profile", Hint: "Ask the gateway's operator to renew the agreement."})
		}
	}
	return list
}

func (w *walk) unknownProfile(c fhir.Value) {
	is := fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.NotSupported, Rule: ruleUnknownProfile,
		Text: "this profile is not known here and was not checked", Expected: "a profile that is known here", Found: "another profile"}
	if w.v.shelf.find(fhir.ParseCanonical(c.Text()).URL) != nil {
		is.Text = "this version of the profile is not known here and was not checked"
		is.Expected, is.Found = "a version of the profile that is known here", "another version"
	}
	w.add(c, "", is)
}

// implied reports whether another of the profiles builds on d.
func (w *walk) implied(d *definition, list []*definition) bool {
	for _, other := range list {
		if other == d {
			continue
		}
		if p := w.v.profile(other); p != nil && slices.Contains(p.bases, d) {
			return true
		}
	}
	return false
}

// profile returns the compiled profile of a definition; nil when it is at fault.
func (v *Validator) profile(d *definition) *profile {
	if p := d.compiled.Load(); p != nil {
		return p
	}
	p, err := v.compile(d)
	if err != nil {
		return nil
	}
	d.compiled.CompareAndSwap(nil, p)
	return d.compiled.Load()
}

// drain applies what waits from the index on, and what comes to wait meanwhile.
func (w *walk) drain(from int) {
	for len(w.waiting) > from {
		last := len(w.waiting) - 1
		next := w.waiting[last]
		w.waiting = w.waiting[:last]
		w.within(next.it.v, func() { w.resourceProfile(next.it.v, next.it.typ, next.def) })
	}
}

// resourceProfile applies a profile to a resource, once in a validation.
func (w *walk) resourceProfile(v fhir.Value, typ string, d *definition) {
	k := w.key(v, d)
	state := w.applied[k]
	if state.done || state.open {
		return
	}
	it := datum{v: v, typ: typ, table: w.v.nodes.defs.Table(typ), slice: noSlice}
	if w.trying > 0 { // nothing is reported now, and may have to be later
		if !w.conforms(it, d) {
			w.errors++
		}
		return
	}
	w.remember(k, outcome{open: true})
	before := w.errors
	w.follows(it, d)
	w.remember(k, outcome{done: true, known: true, ok: w.errors == before})
}

// follows applies a profile to a value.
func (w *walk) follows(it datum, d *definition) {
	p := w.v.profile(d)
	switch {
	case p == nil:
		w.fault(it.at(), fhir.Exception, ruleUnknownProfile, "the profile "+lastPart(d.URL)+" cannot be applied")
	case p.root != nil:
		w.apply(p.root, it)
	}
}

// A datum is one value of an element.
type datum struct {
	v fhir.Value
	// shadow is the object under "_name" of a primitive.
	shadow fhir.Value
	// table is that of the value's children; nil when the type is not one of R4's.
	table *definitions.Table
	typ   string
	slice int // set while it is put into a slice
}

// at is the place to report a fault at.
func (it datum) at() fhir.Value {
	if it.v.Exists() && it.v.Kind() != fhir.Null {
		return it.v
	}
	return it.shadow
}

// holder is the object that has the value's children.
func (it datum) holder() fhir.Value {
	if it.v.Kind() == fhir.Object {
		return it.v
	}
	return it.shadow
}

// list applies a check to the values items[from:] of an element, or of a slice
// of it, and takes them off.
func (w *walk) list(c *check, holder datum, from int) {
	n := len(w.items) - from
	if c.min > n || c.max >= 0 && n > c.max {
		w.counted(c, holder, n)
	}
	if c.slicing != nil {
		w.sliced(c, holder, from, n)
	}
	for i := from; i < from+n; i++ {
		w.apply(c, w.items[i])
	}
	w.items = w.items[:from]
}

// counted reports a cardinality that is not kept.
func (w *walk) counted(c *check, holder datum, n int) {
	name := c.name
	if c.slice != "" {
		name += " (slice " + c.slice + ")"
	}
	switch {
	case n < c.min:
		w.add(holder.at(), c.name, w.issue(c, fhir.Required, name+" is required here", "at least "+valuesFound(c.min), valuesFound(n)))
	case c.max == 0:
		w.add(holder.at(), c.name, w.issue(c, fhir.BusinessRule, name+" may not be given here", "nothing", valuesFound(n)))
	default:
		w.add(holder.at(), c.name, w.issue(c, fhir.BusinessRule, "there are more of "+name+" than are allowed here", "at most "+valuesFound(c.max), valuesFound(n)))
	}
}

// issue is a fault of a profile's element.
func (w *walk) issue(c *check, code fhir.Code, text, expect, found string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityError, Code: code, Rule: c.rule, Text: text, Expected: expect, Found: found, Profile: c.line}
}

// apply checks one value and what is below it.
func (w *walk) apply(c *check, it datum) {
	w.effort++
	if w.effort > w.mayTry() {
		w.tooMuch(it.at(), c)
		return
	}
	if w.depth++; w.depth > maxApplied {
		w.depth--
		w.tooMuch(it.at(), c)
		return
	}
	w.checkValue(c, it)
	w.below(c.children, it)
	if c.content != nil {
		w.below(c.content.children, it)
	}
	w.depth--
}

// Slices that nothing but their rules tells apart are tried on each value, within
// each other even: what that may cost is bounded by the size of the document.
const (
	freeEffort     = 1_000_000
	effortPerValue = 200
)

func (w *walk) mayTry() int { return freeEffort + effortPerValue*w.size }

// tooMuch refuses, once, a document whose checks were given up.
func (w *walk) tooMuch(at fhir.Value, c *check) {
	w.costly = c
	if w.trying > 0 {
		w.errors++ // what was tried does not count as kept
		return
	}
	if !w.exhausted {
		w.exhausted = true
		w.add(at, "", w.issue(c, fhir.TooCostly, "the document has too many values to check its profiles", "a smaller document", "too many values"))
	}
}

// maxApplied bounds the nesting of checks. Documents nest no deeper.
const maxApplied = 400

func (w *walk) below(children []*check, it datum) {
	for _, c := range children {
		from := len(w.items)
		w.gather(c.name, it)
		w.list(c, it, from)
	}
}

// gather puts the values of a child element on the stack of items.
func (w *walk) gather(name string, it datum) {
	if it.table == nil {
		return
	}
	if s := it.table.Slot(name); s != nil {
		if !s.Choice() {
			w.memberItems(it.holder(), s.Members[0])
			return
		}
		for _, m := range s.Members {
			w.memberItems(it.holder(), m)
		}
		return
	}
	if m := it.table.Member(name); m != nil {
		w.memberItems(it.holder(), m)
	}
}

// memberItems puts the values of one JSON member on the stack.
func (w *walk) memberItems(holder fhir.Value, m *definitions.Member) {
	v, shadow := holder.Get(m.Name), fhir.Value{}
	if m.Primitive() {
		shadow = w.shadowOf(holder, m)
	}
	switch {
	case v.Kind() == fhir.Array || shadow.Kind() == fhir.Array:
		w.arrayItems(v, shadow, m)
	case v.Exists() && v.Kind() != fhir.Null || shadow.Exists():
		w.items = append(w.items, w.datum(v, shadow, m))
	}
}

func (w *walk) shadowOf(holder fhir.Value, m *definitions.Member) fhir.Value {
	for c := holder.First(); c.Exists(); c = c.Next() {
		if key := c.Key(); len(key) == len(m.Name)+1 && key[0] == '_' && key[1:] == m.Name {
			return c
		}
	}
	return fhir.Value{}
}

func (w *walk) arrayItems(v, shadow fhir.Value, m *definitions.Member) {
	c, s := v.First(), shadow.First()
	for c.Exists() || s.Exists() {
		one := s
		if one.Kind() == fhir.Null {
			one = fhir.Value{}
		}
		if c.Exists() && c.Kind() != fhir.Null || one.Exists() {
			w.items = append(w.items, w.datum(c, one, m))
		}
		c, s = c.Next(), s.Next()
	}
}

func (w *walk) datum(v, shadow fhir.Value, m *definitions.Member) datum {
	it := datum{v: v, shadow: shadow, typ: m.Type.Code, slice: noSlice}
	switch {
	case m.Primitive():
		it.table = w.v.element.table
	case m.Type.Code == "Resource":
		it.typ = v.Get("resourceType").Text()
		it.table = w.v.nodes.defs.Table(it.typ)
	default:
		it.table = m.Table()
	}
	return it
}

// tries runs checks without reporting anything, and says whether all were kept.
func (w *walk) tries(checks func()) bool {
	issues, pending, errors, warnings := len(w.issues), len(w.pending), w.errors, w.warnings
	explain := w.o.Explain
	w.o.Explain = nil
	w.errors, w.warnings = maxIssues, maxIssues // counted, not written
	w.trying++
	checks()
	w.trying--
	kept := w.errors == maxIssues
	w.issues, w.pending, w.errors, w.warnings = w.issues[:issues], w.pending[:pending], errors, warnings
	w.o.Explain = explain
	return kept
}

package profiles

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"trellis.example/fhir"
)

// A state is what applying profiles keeps during a walk.
type state struct {
	items   []datum // stack: the values that are being looked at
	depth   int     // of checks within checks
	applied map[appliedKey]outcome
	// found are the resources that Options.Resolve found, by reference.
	found map[string]fhir.Value
	hops  int // references followed from the document to here
	// waiting are resources of the document to which a profile applies besides,
	// as the target of a reference or in an element: they are many in a row at
	// times, so they are not looked into where they are met.
	waiting []awaited

	effort, size int    // checks applied; values of the document
	costly       *check // at which the effort was given up
	exhausted    bool   // and it was said
	// given counts the extensions of one definition on one element.
	given  map[givenKey]int
	trying int // trials within trials, that report nothing
	// byID are the contained resources of the list containedIn.
	byID        map[string]fhir.Value
	containedIn fhir.Value
}

// kept is the state without the document, for the next walk: its memory alone.
func (s *state) kept() state {
	if cap(s.items) > 4096 || cap(s.waiting) > 4096 || len(s.applied)+len(s.given) > 256 {
		return state{}
	}
	clear(s.items[:cap(s.items)])
	clear(s.applied)
	clear(s.given)
	clear(s.waiting[:cap(s.waiting)])
	return state{items: s.items[:0], applied: s.applied, given: s.given, waiting: s.waiting[:0]}
}

// givenKey names an extension's definition and the list that it is in.
type givenKey struct {
	tree  *fhir.Tree
	index int
	def   *definition
}

// An awaited is a resource with a profile that applies to it.
type awaited struct {
	it  datum
	def *definition
}

// appliedKey names a profile on a value. What is found of it depends on how many
// references may still be followed from there.
type appliedKey struct {
	tree  *fhir.Tree
	index int
	def   *definition
	hops  int
}

func (w *walk) key(v fhir.Value, d *definition) appliedKey {
	return appliedKey{v.Tree(), v.Index(), d, w.hops}
}

// A outcome is what is known of a profile on a value.
type outcome struct {
	open  bool // being applied, further out
	done  bool // its faults are reported
	known bool // ok says whether it was kept
	ok    bool
}

func (w *walk) remember(k appliedKey, v outcome) {
	if w.applied == nil {
		w.applied = map[appliedKey]outcome{}
	}
	w.applied[k] = v
}

// checkValue checks what an element asks of one value.
func (w *walk) checkValue(c *check, it datum) {
	if w.o.Explain != nil {
		w.o.Explain(Explanation{Path: it.at().Path(), Profile: c.line, Checks: c.describe(), Slice: c.slice})
	}
	if c.types != nil && !w.typed(c, it) {
		return
	}
	switch {
	case c.fixed.Exists() && !equals(it.v, c.fixed):
		w.add(it.at(), "", w.issue(c, fhir.BadValue, "expected exactly the value that the profile fixes", c.fixedText(), classOf(it.v)))
	case c.pattern.Exists() && !includes(it.v, c.pattern):
		w.add(it.at(), "", w.issue(c, fhir.BadValue, "expected the values that the profile's pattern gives", c.patternText(), classOf(it.v)))
	}
	for i := range c.limits {
		if l := &c.limits[i]; l.broken(it.v, it.typ) {
			w.add(it.at(), "", w.issue(c, fhir.BadValue, "expected "+l.String(), l.String(), "a value beyond the limit"))
		}
	}
	if c.maxLength > 0 && it.v.Kind() == fhir.String {
		if n := utf8.RuneCountInString(it.v.Text()); n > c.maxLength {
			expect := "at most " + strconv.Itoa(c.maxLength) + " characters"
			w.add(it.at(), "", w.issue(c, fhir.TooLong, "expected "+expect, expect, strconv.Itoa(n)+" characters"))
		}
	}
	if c.binding != nil && it.v.Exists() && it.v.Kind() != fhir.Null {
		if typ := w.codedType(it.typ); typ != "" {
			w.bound(it.v, typ, c.binding)
		}
	}
	w.profileRules(it, c.rules)
	if len(c.late) > 0 {
		w.profileRules(it, w.lateRules(it, c.late))
	}
}

// codedType is the type by which a value is bound to codes; "" for a type that
// has none, which a choice may have too.
func (w *walk) codedType(typ string) string {
	switch typ {
	case "code", "string", "uri", "url", "canonical", "markdown", "Coding", "CodeableConcept", "Quantity":
		return typ
	}
	if typ != "" && w.v.nodes.defs.IsA(typ, "Quantity") {
		return "Quantity"
	}
	return ""
}

// lateRules compiles invariants for the type that a value has in the document.
func (w *walk) lateRules(it datum, list []rule) []rule {
	root := it.typ
	if it.table != nil && it.v.Kind() == fhir.Object {
		root = it.table.Path
	}
	out := make([]rule, 0, len(list))
	for _, r := range list {
		if r.path = w.v.nodes.path(r.expression, root); r.path != nil || r.foreign != nil {
			out = append(out, r)
		}
	}
	return out
}

// fixedText and patternText show what the profile asks for: its own words, not
// the document's.
func (c *check) fixedText() string { return shown("exactly ", c.fixed) }

func (c *check) patternText() string { return shown("a value that has ", c.pattern) }

func shown(before string, v fhir.Value) string {
	const room = 200
	s := string(v.Raw())
	if len(s) > room || strings.ContainsAny(s, "\n\r\t") {
		return before + "what the profile gives"
	}
	return before + s
}

// profileRules evaluates a profile's invariants. PRSB's items are judged on the
// parts of a Bundle together, by Referral; as warnings they are given here only
// for a resource that stands alone.
func (w *walk) profileRules(it datum, list []rule) {
	if len(list) == 0 || it.v.Kind() == fhir.Absent || it.v.Kind() == fhir.Null {
		return
	}
	if !w.resource.Parent().Exists() {
		w.rules(it.v, list)
		return
	}
	for i := range list {
		if !list[i].warning || !strings.HasPrefix(list[i].key, "prsb-") {
			w.rules(it.v, list[i:i+1])
		}
	}
}

// typed checks a value's type and what the profile asks of that type, and
// reports whether the type is allowed.
func (w *walk) typed(c *check, it datum) bool {
	r := c.types.of(w.v.nodes.defs, it.typ)
	if r == nil {
		if c.types.narrowed {
			is := w.issue(c, fhir.BadValue, "expected "+c.types.String(), c.types.String(), w.typeName(it.typ))
			is.Hint = "Send one of the types that the profile allows."
			w.add(it.at(), "", is)
		}
		return false
	}
	if r.quantity != anyQuantity {
		w.quantityForm(c, r.quantity, it.v)
	}
	if len(r.profiles) > 0 {
		w.typeProfiles(c, r.profiles, it)
	}
	if r.code == "Reference" && (len(r.targets) > 0 || r.aggregation != 0) && it.v.Kind() == fhir.Object {
		w.referenceTo(c, r, it)
	}
	return true
}

// typeName is a type as an issue may show it: one that R4 has.
func (w *walk) typeName(typ string) string {
	if w.v.nodes.defs.Type(typ) == nil {
		return "another type"
	}
	return typ
}

// quantityForm checks R4's own profiles of Quantity.
func (w *walk) quantityForm(c *check, form quantityForm, v fhir.Value) {
	switch {
	case form == simpleQuantity && v.Get("comparator").Exists():
		w.add(v, "", w.issue(c, fhir.Invariant, "this quantity may not have a comparator", "a quantity without comparator", "a comparator"))
	case form == moneyQuantity && v.Get("value").Exists() &&
		(v.Get("system").Text() != "urn:iso:std:iso:4217" || !currency.valid(v.Get("code").Text())):
		w.add(v, "", w.issue(c, fhir.Invariant, "expected an amount of money with its currency", "a currency code of ISO 4217", "another unit"))
	}
}

// typeProfiles checks that a value follows one of the profiles of its type.
func (w *walk) typeProfiles(c *check, list []*definition, it datum) {
	if len(list) == 1 {
		w.oneProfile(list[0], it)
		return
	}
	for _, d := range list {
		if w.conforms(it, d) {
			return
		}
	}
	is := w.issue(c, fhir.BusinessRule, "expected a value that follows one of the profiles "+titles(list), "one of "+titles(list), "a value that follows none")
	w.add(it.at(), "", is)
}

// oneProfile applies a profile to a value inside the document, reporting its
// faults where they stand; to a resource, when the present one is done.
func (w *walk) oneProfile(d *definition, it datum) {
	if it.table == nil || it.table.Kind != 'r' {
		w.follows(it, d)
		return
	}
	switch {
	case d.Type != it.typ:
	case w.trying > 0:
		w.within(it.v, func() { w.resourceProfile(it.v, it.typ, d) })
	case !w.applied[w.key(it.v, d)].done:
		w.waiting = append(w.waiting, awaited{it, d})
	}
}

// conforms reports whether a value follows a profile, without reporting why not.
func (w *walk) conforms(it datum, d *definition) bool {
	if it.typ != d.Type {
		return false
	}
	k := w.key(it.v, d)
	known := w.applied[k]
	if known.known || known.open {
		return known.ok || known.open // one that refers to itself is judged further out
	}
	w.remember(k, outcome{open: true})
	ok := w.tries(func() {
		if it.table != nil && it.table.Kind == 'r' {
			w.within(it.v, func() { w.follows(it, d) })
		} else {
			w.follows(it, d)
		}
	})
	w.remember(k, outcome{known: true, ok: ok})
	return ok
}

// within runs f with a resource of the document, or another's, as the innermost
// one.
func (w *walk) within(v fhir.Value, f func()) {
	resource, root, inside := w.resource, w.root, w.inside
	w.resource, w.root, w.inside = v, v, false
	if list := v.Parent(); list.Key() == "contained" {
		w.root, w.inside = list.Parent(), true
	}
	f()
	w.resource, w.root, w.inside = resource, root, inside
}

func titles(list []*definition) string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = lastPart(d.URL)
	}
	return strings.Join(names, ", ")
}

// describe names what a check looks at.
func (c *check) describe() []string {
	var out []string
	add := func(is bool, what string) {
		if is {
			out = append(out, what)
		}
	}
	add(c.min > 0, "at least "+strconv.Itoa(c.min)) // what R4 itself says is not the profile's to check
	add(c.max >= 0, "at most "+strconv.Itoa(c.max))
	add(c.types != nil, "type")
	add(c.fixed.Exists(), "fixed value")
	add(c.pattern.Exists(), "pattern")
	add(len(c.limits) > 0, "limit")
	add(c.maxLength > 0, "length")
	add(c.binding != nil, "binding")
	add(c.slicing != nil, "slices")
	for i := range c.rules {
		out = append(out, c.rules[i].key)
	}
	return out
}

package profiles

import (
	"slices"
	"strings"
	"sync"
	"time"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// maxIssues bounds the errors, and the warnings, listed for one document.
const maxIssues = 200

// A walk is one validation. It visits every value of the document once.
type walk struct {
	v                *Validator
	o                Options
	issues           []fhir.Issue
	errors, warnings int // found, listed or not

	visits   int           // that invariants may still make
	seen     []int32       // stack: what fills each slot of the open objects: its member's index + 1
	locals   []local       // stack: "#id" references of the open resources
	resource fhir.Value    // the innermost resource
	root     fhir.Value    // the innermost one that is not contained
	inside   bool          // resource is contained
	bundle   fhir.Value    // the innermost Bundle, for references between entries
	fullURLs *addresses    // its fullUrls, indexed when needed
	spare    *addresses    // memory for the next index
	pending  []question    // codes that cannot be decided here
	spoken   speech        // the language of the innermost resource
	address  address       // of the entry around root
	named    resourceName  // the type of the innermost resource
	forms    map[int]*form // Questionnaires of the document, by their place
	// formIndex finds them: those of a Bundle by URL, contained ones by id.
	formIndex map[int]map[string]fhir.Value
	spent     time.Duration // on invariants of a user's definitions
	state                   // of applying profiles
}

// A local is a reference within the document.
type local struct {
	at      fhir.Value
	id      string
	targets []string
}

var walks = sync.Pool{New: func() any { return new(walk) }}

func newWalk(v *Validator, o Options) *walk {
	w, _ := walks.Get().(*walk)
	w.v, w.o = v, o
	return w
}

func (w *walk) release() {
	clear(w.locals[:cap(w.locals)])
	clear(w.pending[:cap(w.pending)])
	*w = walk{seen: w.seen[:0], locals: w.locals[:0], pending: w.pending[:0], spare: w.spare, state: w.kept()}
	if cap(w.seen) < 4096 && cap(w.locals) < 4096 && cap(w.pending) < 4096 {
		walks.Put(w)
	}
}

// add records an issue at v, or at a member of v that is not there.
func (w *walk) add(v fhir.Value, missing string, is fhir.Issue) {
	if is.IsError() {
		w.errors++
		if w.errors > maxIssues {
			return
		}
	} else if w.warnings++; w.warnings > maxIssues {
		return
	}
	is.Expression = v.Path()
	if missing != "" {
		is.Expression += "." + missing
	}
	w.complete(&is, v, missing)
	w.issues = append(w.issues, is)
}

// more is the last issue where the list is cut.
func (w *walk) more() (is fhir.Issue, cut bool) {
	is = fhir.Issue{Severity: fhir.SeverityError, Code: fhir.TooLong, Rule: ruleMore, Text: "there are more faults than are listed",
		Expected: "at most " + valuesFound(maxIssues), Found: "more", Hint: remedies[ruleMore].hint}
	if w.errors > maxIssues {
		return is, true
	}
	is.Severity, is.Text = fhir.SeverityWarning, "there are more warnings than are listed"
	return is, w.warnings > maxIssues
}

func (w *walk) fault(v fhir.Value, code fhir.Code, rule, text string) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: code, Rule: rule, Text: text})
}

// expected records a fault whose text is what was expected.
func (w *walk) expected(v fhir.Value, code fhir.Code, rule, expect string) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: code, Rule: rule, Text: "expected " + expect, Expected: expect})
}

// wrong is expected with the class found and a hint, each "" for the usual one.
func (w *walk) wrong(v fhir.Value, code fhir.Code, rule, expect, found, hint string) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: code, Rule: rule,
		Text: "expected " + expect, Expected: expect, Found: found, Hint: hint})
}

// resourceAt validates a resource inside or at the top of the document.
func (w *walk) resourceAt(v fhir.Value, contained bool) {
	if v.Kind() != fhir.Object {
		w.expected(v, fhir.Structure, ruleType, "a resource, which is a JSON object")
		return
	}
	typ := v.Get("resourceType")
	if typ.Kind() != fhir.String || !w.v.nodes.defs.IsResource(typ.Text()) {
		w.add(v, "resourceType", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleType,
			Text: "expected the name of an R4 resource type", Expected: "the name of an R4 resource type",
			Found: foundType(typ), Hint: "Name the type as R4 does, with a capital letter, as in Patient."})
		return
	}
	outer := *w
	w.resource, w.inside = v, contained
	if !contained {
		w.root = v
	}
	first := len(w.locals)
	n := w.v.nodes.of(w.v.nodes.defs.Table(typ.Text()))
	if n.special == isBundle {
		w.bundle, w.fullURLs = v, nil
	}
	w.object(v, n)
	if !contained {
		w.contained(v, first)
		w.locals = w.locals[:first]
	}
	w.profiles(v, typ.Text(), len(outer.waiting))
	switch typ.Text() {
	case "QuestionnaireResponse":
		w.answers(v)
	case "Questionnaire":
		w.questionnaire(v)
	}
	if n.special == isBundle { // what an entry indexed stays for the next
		w.dropAddresses()
		w.bundle, w.fullURLs = outer.bundle, outer.fullURLs
	}
	w.resource, w.root, w.inside = outer.resource, outer.root, outer.inside
	if !v.Parent().Exists() {
		w.finish()
	}
}

// object validates a JSON object against its node.
func (w *walk) object(v fhir.Value, n *node) {
	t := n.table
	base := len(w.seen)
	w.seen = slices.Grow(w.seen, len(t.Slots))[:base+len(t.Slots)]
	clear(w.seen[base:])
	content := 0
	for c := v.First(); c.Exists(); c = c.Next() {
		key := c.Key()
		if key == "resourceType" && t.Kind == definitions.Resource {
			continue
		}
		if key != "id" {
			content++
		}
		shadow := strings.HasPrefix(key, "_")
		m := t.Member(strings.TrimPrefix(key, "_"))
		if m == nil || shadow && !m.Primitive() {
			w.unknown(c, key, t)
			continue
		}
		seen := int32(m.Index) + 1
		if other := w.seen[base+m.Slot]; other != 0 && other != seen {
			w.add(c, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleChoice,
				Text:     "only one type of " + t.Slots[m.Slot].Name + "[x] may be given",
				Expected: "one of " + t.Slots[m.Slot].Name + "[x]", Found: "a second type"})
		}
		w.seen[base+m.Slot] = seen
		info := &n.members[m.Index]
		if shadow {
			w.shadow(v, c, m)
		} else {
			w.member(v, c, n, m, info)
		}
	}
	if v.Len() == 0 || content == 0 && t.Kind != definitions.Resource && n != w.v.element {
		w.childless(v)
	}
	for _, i := range n.required {
		if w.seen[base+i] == 0 {
			w.missing(v, &t.Slots[i])
		}
	}
	w.seen = w.seen[:base]
	if n.special != ordinary {
		w.special(v, n)
	}
	w.rules(v, n.rules)
}

func (w *walk) childless(v fhir.Value) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleElement,
		Text: "an element must have a value or children", Expected: "a value or children"})
}

func (w *walk) missing(v fhir.Value, s *definitions.Slot) {
	w.add(v, s.Name, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Rule: ruleCardinality,
		Text: s.Name + " is required", Expected: expectOf(s), Hint: "Add " + s.Members[0].Name + "."})
}

// expectOf names what fills a required element.
func expectOf(s *definitions.Slot) string {
	switch {
	case s.Choice():
		return "one of " + s.Name + "[x], such as " + s.Members[0].Name
	case s.Members[0].Many:
		return "at least one " + s.Members[0].Type.Code
	}
	return "a value of type " + s.Members[0].Type.Code
}

// foundType is the class of what stands as resourceType.
func foundType(typ fhir.Value) string {
	if typ.Kind() == fhir.String && typ.Text() != "" {
		return "a name that R4 does not have"
	}
	return classOf(typ)
}

// unknown reports a member that the type does not have, with what was probably
// meant.
func (w *walk) unknown(c fhir.Value, key string, t *definitions.Table) {
	if w.errors >= maxIssues {
		w.errors++
		return
	}
	is := fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleUnknownElement,
		Text: "this is not an element of " + t.Path, Expected: "an element of " + t.Path, Found: "an unknown name"}
	name := strings.TrimPrefix(key, "_")
	for i := range t.Slots {
		s := &t.Slots[i]
		switch {
		case s.Choice() && name == s.Name:
			is.Text += "; write the type too, as in " + s.Members[0].Name
			is.Hint = "Add the type to the name, as in " + s.Members[0].Name + "."
		case s.Choice() && strings.HasPrefix(name, s.Name):
			is.Text = t.Path + "." + s.Name + "[x] does not have this type"
			is.Expected = "one of the types of " + s.Name + "[x], such as " + s.Members[0].Name
		case name == s.Name && name != key: // "_name" of what has no primitive value
			is.Hint = "Put extensions inside " + s.Name + "; only primitives have a member with an underscore."
		}
	}
	if m := meant(name, t); m != "" && m != name && is.Hint == "" {
		is.Text += "; expected " + m
		is.Hint = "Write " + m + ": names must match in every letter."
	}
	w.add(c, "", is)
}

// member validates the value or values of a known member.
func (w *walk) member(parent, c fhir.Value, n *node, m *definitions.Member, info *member) {
	slot := &n.table.Slots[m.Slot]
	if slot.Max == 0 {
		w.add(c, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleCardinality,
			Text: "this element may not be given here", Expected: "nothing", Hint: "Leave the element out here."})
		return
	}
	if !m.Many {
		if c.Kind() == fhir.Array {
			w.wrong(c, fhir.Structure, ruleType, "a single value, not an array", "", kindHint(c, fhir.Object))
			return
		}
		w.value(c, m, info)
		return
	}
	if c.Kind() != fhir.Array {
		w.wrong(c, fhir.Structure, ruleType, "an array", "", "Put square brackets around it, even when there is only one.")
		return
	}
	if c.Len() == 0 {
		w.add(c, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleEmpty,
			Text: "an array may not be empty; leave the element out", Expected: "at least one value"})
		return
	}
	if slot.Max > 0 && c.Len() > slot.Max {
		w.add(c, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: ruleCardinality,
			Text: "there are too many of this element", Expected: "at most " + valuesFound(slot.Max), Found: valuesFound(c.Len())})
	}
	var shadow fhir.Value // the "_name" entry beside e, looked for at the first null
	looked := 0
	i := 0
	for e := c.First(); e.Exists(); e = e.Next() {
		if e.Kind() == fhir.Null && m.Primitive() {
			if looked == 0 {
				shadow, looked = parent.Get("_"+m.Name).First(), 1
			}
			for ; looked <= i; looked++ {
				shadow = shadow.Next()
			}
			if shadow.Kind() == fhir.Object {
				i++
				continue
			}
		}
		w.value(e, m, info)
		i++
	}
}

// value validates one value of a member.
func (w *walk) value(v fhir.Value, m *definitions.Member, info *member) {
	if m.Primitive() {
		w.primitive(v, info)
		return
	}
	if v.Kind() != fhir.Object {
		w.wrong(v, fhir.Structure, ruleType, "a JSON object: "+m.Type.Code, "", objectHint(v, m.Type.Code))
		return
	}
	n := w.v.nodes.child(m, info)
	if n == nil {
		w.nested(v, m)
		return
	}
	w.object(v, n)
	switch {
	case n.special == isReference:
		w.reference(v, info.targets)
	case info.set != nil || info.format != anyFormat:
		w.binding(v, m.Type.Code, info)
	case info.bind != nil:
		w.bound(v, m.Type.Code, info.bind)
	}
	if info.simple && v.Get("comparator").Exists() {
		w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleSimpleQuantity,
			Text: "this quantity may not have a comparator", Expected: "a quantity without comparator", Found: "a comparator"})
	}
	w.rules(v, info.rules)
}

// nested validates a resource within a resource: contained, entry.resource,
// parameter.resource, response.outcome.
func (w *walk) nested(v fhir.Value, m *definitions.Member) {
	if m.Name != "contained" {
		w.resourceAt(v, false)
		return
	}
	if w.inside {
		w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: ruleNestedResource,
			Text: "a contained resource may not contain resources", Expected: "no contained resources here", Found: "a resource"})
		return
	}
	w.resourceAt(v, true)
}

package profiles

import (
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/fhir/path"
)

// maxIssues bounds the errors, and the warnings, listed for one document.
const maxIssues = 200

// A walk is one validation. It visits every value of the document once.
type walk struct {
	v                *Validator
	o                Options
	issues           []fhir.Issue
	errors, warnings int // found, listed or not

	visits   int        // that invariants may still make
	seen     []int32    // stack: what fills each slot of the open objects: its member's index + 1
	locals   []local    // stack: "#id" references of the open resources
	resource fhir.Value // the innermost resource
	root     fhir.Value // the innermost one that is not contained
	inside   bool       // resource is contained
	bundle   fhir.Value // the innermost Bundle, for references between entries
	fullURLs *addresses // its fullUrls, indexed when needed
	spare    *addresses // memory for the next index
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
	*w = walk{seen: w.seen[:0], locals: w.locals[:0], spare: w.spare}
	if cap(w.seen) < 4096 && cap(w.locals) < 4096 {
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
	w.issues = append(w.issues, is)
}

func (w *walk) fault(v fhir.Value, code fhir.Code, rule, text string) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: code, Rule: rule, Text: text})
}

// resourceAt validates a resource inside or at the top of the document.
func (w *walk) resourceAt(v fhir.Value, contained bool) {
	if v.Kind() != fhir.Object {
		w.fault(v, fhir.Structure, "type", "a resource is a JSON object")
		return
	}
	typ := v.Get("resourceType")
	if typ.Kind() != fhir.String || !w.v.nodes.defs.IsResource(typ.Text()) {
		w.add(v, "resourceType", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Structure, Rule: "type",
			Text: "expected the name of an R4 resource type"})
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
	w.profiles(v, typ.Text())
	if typ.Text() == "QuestionnaireResponse" {
		w.answers(v)
	}
	if n.special == isBundle { // what an entry indexed stays for the next
		w.dropAddresses()
		w.bundle, w.fullURLs = outer.bundle, outer.fullURLs
	}
	w.resource, w.root, w.inside = outer.resource, outer.root, outer.inside
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
			w.fault(c, fhir.Structure, "choice", "only one type of "+t.Slots[m.Slot].Name+"[x] may be given")
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
		w.fault(v, fhir.Structure, "ele-1", "an element must have a value or children")
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

func (w *walk) missing(v fhir.Value, s *definitions.Slot) {
	w.add(v, s.Name, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Rule: "cardinality",
		Text: s.Name + " is required"})
}

// unknown reports a member that the type does not have; a name of its own that
// differs only in letter case is named as what was probably meant.
func (w *walk) unknown(c fhir.Value, key string, t *definitions.Table) {
	if w.errors >= maxIssues {
		w.errors++
		return
	}
	text := "this is not an element of " + t.Path
	name := strings.TrimPrefix(key, "_")
	for i := range t.Slots {
		s := &t.Slots[i]
		switch {
		case s.Choice() && name == s.Name:
			text += "; write the type too, as in " + s.Members[0].Name
		case s.Choice() && strings.HasPrefix(name, s.Name):
			text = t.Path + "." + s.Name + "[x] does not have this type"
		case strings.EqualFold(s.Name, name):
			text += "; expected " + s.Name
		}
	}
	w.fault(c, fhir.Structure, "unknown-element", text)
}

// member validates the value or values of a known member.
func (w *walk) member(parent, c fhir.Value, n *node, m *definitions.Member, info *member) {
	slot := &n.table.Slots[m.Slot]
	if slot.Max == 0 {
		w.fault(c, fhir.Structure, "cardinality", "this element may not be given here")
		return
	}
	if !m.Many {
		if c.Kind() == fhir.Array {
			w.fault(c, fhir.Structure, "type", "expected a single value, not an array")
			return
		}
		w.value(c, m, info)
		return
	}
	if c.Kind() != fhir.Array {
		w.fault(c, fhir.Structure, "type", "expected an array")
		return
	}
	if c.Len() == 0 {
		w.fault(c, fhir.Structure, "empty", "an array may not be empty; leave the element out")
		return
	}
	if slot.Max > 0 && c.Len() > slot.Max {
		w.fault(c, fhir.Structure, "cardinality", "there are too many of this element")
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
		w.fault(v, fhir.Structure, "type", "expected a JSON object: "+m.Type.Code)
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
	}
	if info.simple && v.Get("comparator").Exists() {
		w.fault(v, fhir.Invariant, "sqty-1", "this quantity may not have a comparator")
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
		w.fault(v, fhir.Invariant, "dom-2", "a contained resource may not contain resources")
		return
	}
	w.resourceAt(v, true)
}

// rules evaluates invariants on v.
func (w *walk) rules(v fhir.Value, list []rule) {
	for i := range list {
		r := &list[i]
		if r.sure != nil && r.sure(w, v) {
			continue
		}
		ok, err := r.path.Holds(v, path.Context{Resource: w.resource, Root: w.root, Visits: &w.visits})
		switch {
		case err != nil:
			w.fault(v, fhir.Processing, r.key, "the document has too many values to check this rule")
		case !ok:
			is := fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: r.key, Text: r.human}
			if r.warning {
				is.Severity = fhir.SeverityWarning
			}
			w.add(v, "", is)
		}
	}
}

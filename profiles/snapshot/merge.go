package snapshot

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A merger brings one line of a differential onto its element.
type merger struct {
	*generator
	n *node
	e *Element // n's own copy
	l *line
	// inherited is true when the element was in the base.
	inherited bool
}

// merge applies a line. An element that is changed keeps nothing shared with
// the base that it writes to.
func (g *generator) merge(n *node, l *line) {
	m := merger{generator: g, n: n, e: &n.el, l: l, inherited: n.inherited}
	from := m.source()
	m.types(l.v.Get("type"))
	m.cardinality(from)
	for c := range l.v.All() {
		m.member(c)
	}
	if l.short && n.slice != "" {
		if of := n.sliced(); of != nil {
			g.shorts[of] = append(g.shorts[of], typeSuffix(of, n.slice))
		}
	}
	m.e.Diff, m.e.By = l.v, g.s.Canonical()
}

// source names who made the element what it was: what a contradiction is with.
func (m *merger) source() string {
	switch {
	case m.e.By != "" && m.e.By != m.s.Canonical():
		return safe(m.e.By) + "#" + describe(m.n)
	case m.e.By != "":
		return "this profile"
	case strings.HasPrefix(m.s.Base, core):
		return safe(m.s.Base)
	}
	return core + safe(m.s.Type)
}

func (m *merger) fault(format string, args ...any) {
	m.generator.fault(m.l.id, fhir.BusinessRule, format, args...)
}

// descriptive are the members of an element that make no rule: they stay in the
// differential and are published from there.
var descriptive = map[string]bool{
	"id": true, "path": true, "sliceName": true, "representation": true, "label": true, "code": true,
	"definition": true, "comment": true, "requirements": true, "alias": true, "example": true, "mapping": true,
	"condition": true, "isModifierReason": true, "orderMeaning": true, "meaningWhenMissing": true, "base": true,
	"extension": true, "min": true, "max": true, "type": true,
}

// member applies one member of the line, after its types and cardinality.
func (m *merger) member(c fhir.Value) {
	key := c.Key()
	switch {
	case descriptive[key] || strings.HasPrefix(key, "_"):
	case key == "short":
		m.e.Short = c.Text()
	case key == "mustSupport", key == "isModifier", key == "isSummary":
		m.flag(key, c.Text() == "true")
	case key == "slicing":
		m.slicing(c)
	case key == "sliceIsConstraining":
		if c.Text() == "true" && !m.inherited {
			m.fault("the slice is said to constrain one of the base, which has none of that name")
		}
	case key == "constraint":
		for k := range c.Items() {
			m.constraint(k)
		}
	case key == "binding":
		m.binding(c)
	case key == "maxLength":
		m.maxLength(c)
	case key == "contentReference":
		if _, id, _ := strings.Cut(c.Text(), "#"); "#"+id != m.e.ContentRef && !m.lenient { // else R4's own stands
			m.fault("a profile cannot give an element another contentReference")
		}
	case strings.HasPrefix(key, "fixed"), strings.HasPrefix(key, "pattern"):
		m.value(c)
	case strings.HasPrefix(key, "minValue"), strings.HasPrefix(key, "maxValue"):
		m.bound(c)
	default:
		m.fault("%s in an element of a profile cannot be enforced", fhir.SafeName(key))
	}
}

// cardinality raises min and lowers max.
func (m *merger) cardinality(from string) {
	if c := m.l.v.Get("min"); c.Exists() {
		n, ok := count(c.Text())
		switch {
		case !ok:
			m.fault("min must be a number from 0")
		case n < m.e.Min && !m.lenient:
			m.fault("min %d is less than the %d of %s", n, m.e.Min, from)
		default:
			m.e.Min = max(m.e.Min, n)
		}
	}
	if c := m.l.v.Get("max"); c.Exists() {
		n, ok := maximum(c.Text())
		switch {
		case !ok:
			m.fault(`max must be a number from 0 or "*"`)
		case wider(n, m.e.Max) && m.n.up == nil: // a type says nothing of how often it is used
		case wider(n, m.e.Max):
			m.fault("max %s is more than the %s of %s", maxText(n), maxText(m.e.Max), from)
			return
		default:
			m.e.Max = n
		}
	}
	if wider(m.e.Min, m.e.Max) {
		m.fault("min %d is more than max %s", m.e.Min, maxText(m.e.Max))
	}
}

func maximum(s string) (int, bool) {
	if s == "*" {
		return -1, true
	}
	return count(s)
}

// count reads a number from 0 to 2^31-1.
func count(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= math.MaxInt32
}

// wider reports whether n admits more than limit; -1 is "*".
func wider(n, limit int) bool { return limit >= 0 && (n < 0 || n > limit) }

func maxText(n int) string {
	if n < 0 {
		return "*"
	}
	return strconv.Itoa(n)
}

// flag sets one of the boolean rules. What must be supported stays so, and
// whether an element changes the meaning of others is R4's to say, but for the
// definition of an extension.
func (m *merger) flag(key string, on bool) {
	switch key {
	case "isSummary":
		m.e.IsSummary = on
	case "mustSupport":
		if m.e.MustSupport && !on {
			m.fault("mustSupport is set in the base and cannot be taken back")
		}
		m.e.MustSupport = m.e.MustSupport || on
	case "isModifier":
		if on != m.e.IsModifier && (!on || m.n.up != nil) {
			m.fault("a profile cannot change isModifier, which is %t", m.e.IsModifier)
			return
		}
		m.e.IsModifier = on
	}
}

func (m *merger) maxLength(c fhir.Value) {
	n, ok := count(c.Text())
	switch {
	case !ok || n == 0:
		m.fault("maxLength must be a number from 1")
	case m.e.MaxLength > 0 && n > m.e.MaxLength:
		m.fault("maxLength %d is more than the %d of the base", n, m.e.MaxLength)
	default:
		m.e.MaxLength = n
	}
}

// constraint adds an invariant. One of the same key must be the same.
func (m *merger) constraint(c fhir.Value) {
	k := Constraint{
		Key: c.Get("key").Text(), Human: c.Get("human").Text(), Expression: c.Get("expression").Text(),
		Warning: c.Get("severity").Text() == "warning", Source: c.Get("source").Text(),
	}
	if k.Source == "" {
		k.Source = m.s.URL
	}
	if k.Key == "" || len(k.Key) > 100 {
		m.fault("a constraint must have a key of at most 100 characters")
		return
	}
	i := slices.IndexFunc(m.e.Constraints, func(x Constraint) bool { return x.Key == k.Key })
	switch {
	case i >= 0 && m.lenient: // R4's own wording of it stands
	case k.Expression == "":
		m.fault("the constraint %s has no FHIRPath expression and cannot be enforced", safe(k.Key))
	case i < 0:
		m.e.Constraints = append(slices.Clip(m.e.Constraints), k)
	case m.e.Constraints[i].Expression != k.Expression:
		m.fault("the constraint %s has another expression than in %s", safe(k.Key), safe(m.e.Constraints[i].Source))
	case k.Warning && !m.e.Constraints[i].Warning:
		m.fault("the constraint %s is an error in %s and cannot become a warning", safe(k.Key), safe(m.e.Constraints[i].Source))
	default:
		m.e.Constraints = slices.Clone(m.e.Constraints)
		k.Source = m.e.Constraints[i].Source
		m.e.Constraints[i] = k
	}
}

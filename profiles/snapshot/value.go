package snapshot

import (
	"math/big"
	"strings"

	"trellis.example/fhir"
)

// value sets fixed[x] or pattern[x]. A value that the base gives must be in what
// comes on top.
func (m *merger) value(v fhir.Value) {
	key := v.Key()
	fixed := strings.HasPrefix(key, "fixed")
	code := strings.TrimPrefix(strings.TrimPrefix(key, "fixed"), "pattern")
	if !m.typed(code, key) {
		return
	}
	switch {
	case m.l.v.Get("fixed"+code).Exists() && m.l.v.Get("pattern"+code).Exists():
		if fixed { // told once
			m.fault("an element has a fixed value or a pattern, not both")
		}
	case m.e.Fixed.Exists() && fixed && !equal(m.e.Fixed, v):
		m.fault("the base fixes another value")
	case m.e.Fixed.Exists() && !fixed && !includes(m.e.Fixed, v):
		m.fault("the value that the base fixes does not follow the pattern")
	case m.e.Fixed.Exists():
	case m.e.Pattern.Exists() && fixed && !includes(v, m.e.Pattern):
		m.fault("the fixed value does not follow the pattern of the base")
	case fixed:
		m.e.Fixed, m.e.Pattern = v, fhir.Value{}
	default:
		m.pattern(v)
	}
}

// pattern sets a pattern; one that says less than the base's is joined to it.
func (m *merger) pattern(v fhir.Value) {
	if !m.e.Pattern.Exists() || includes(v, m.e.Pattern) {
		m.e.Pattern = v
		return
	}
	joined, ok := join(m.e.Pattern, v)
	if !ok {
		m.fault("the pattern contradicts that of the base")
		return
	}
	m.e.Pattern = joined
}

// typed checks that a value is of the one type that the element has.
func (m *merger) typed(code, key string) bool {
	switch {
	case code == "":
		m.fault("%s must name a type", fhir.SafeName(key))
	case len(m.e.Types) == 0 && m.e.ContentRef == "" && m.n.up == nil, m.e.ContentRef != "":
		m.fault("%s is not for an element that has parts of its own", fhir.SafeName(key))
	case len(typeCodes(m.e.Types)) > 1:
		m.fault("%s needs an element of one type; narrow the types too", fhir.SafeName(key))
	case len(m.e.Types) == 1 && suffixType(m.e.Types, code) == "":
		m.fault("%s is not of the element's type %s", fhir.SafeName(key), safe(m.e.Types[0].Code))
	default:
		return true
	}
	return false
}

// equal reports whether two values say the same, whatever the order of members.
func equal(a, b fhir.Value) bool {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case fhir.Object:
		for m := range a.All() {
			if !equal(m, b.Get(m.Key())) {
				return false
			}
		}
		return true
	case fhir.Array:
		y := b.First()
		for x := range a.All() {
			if !equal(x, y) {
				return false
			}
			y = y.Next()
		}
		return true
	}
	return a.Text() == b.Text()
}

// includes reports whether a value follows a pattern (R4 ElementDefinition,
// pattern[x]).
func includes(v, pattern fhir.Value) bool {
	if v.Kind() != pattern.Kind() {
		return false
	}
	switch v.Kind() {
	case fhir.Object:
		for p := range pattern.All() {
			if !includes(v.Get(p.Key()), p) {
				return false
			}
		}
		return true
	case fhir.Array:
		for p := range pattern.All() {
			if !anyIncludes(v, p) {
				return false
			}
		}
		return true
	}
	return v.Text() == pattern.Text()
}

func anyIncludes(list, p fhir.Value) bool {
	for x := range list.All() {
		if includes(x, p) {
			return true
		}
	}
	return false
}

// join makes one pattern of two; ok is false where they contradict each other.
func join(a, b fhir.Value) (fhir.Value, bool) {
	raw, ok := joined(nil, a, b)
	if !ok {
		return fhir.Value{}, false
	}
	doc := fhir.AppendString([]byte{'{'}, b.Key())
	doc = append(append(append(doc, ':'), raw...), '}')
	t, err := fhir.Parse(doc, len(doc))
	if err != nil {
		return fhir.Value{}, false
	}
	return t.Root().First(), true
}

func joined(out []byte, a, b fhir.Value) ([]byte, bool) {
	switch {
	case a.Kind() != b.Kind():
		return out, false
	case a.Kind() == fhir.Object:
		return joinObjects(out, a, b)
	case a.Kind() == fhir.Array:
		return joinArrays(out, a, b), true
	}
	return append(out, a.Raw()...), a.Text() == b.Text()
}

func joinObjects(out []byte, a, b fhir.Value) ([]byte, bool) {
	out = append(out, '{')
	ok := true
	member := func(v fhir.Value) {
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(fhir.AppendString(out, v.Key()), ':')
	}
	for m := range a.All() {
		member(m)
		other := b.Get(m.Key())
		if !other.Exists() {
			out = append(out, m.Raw()...)
			continue
		}
		var fits bool
		out, fits = joined(out, m, other)
		ok = ok && fits
	}
	for m := range b.All() {
		if !a.Get(m.Key()).Exists() {
			member(m)
			out = append(out, m.Raw()...)
		}
	}
	return append(out, '}'), ok
}

// joinArrays keeps what either asks for; items of a that an item of b covers are
// left out.
func joinArrays(out []byte, a, b fhir.Value) []byte {
	out = append(out, '[')
	add := func(v fhir.Value) {
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = append(out, v.Raw()...)
	}
	for x := range a.All() {
		if !anyIncludes(b, x) {
			add(x)
		}
	}
	for y := range b.All() {
		add(y)
	}
	return append(out, ']')
}

// bound sets minValue[x] or maxValue[x]; neither may widen that of the base.
func (m *merger) bound(v fhir.Value) {
	low := strings.HasPrefix(v.Key(), "minValue")
	old := &m.e.MaxValue
	if low {
		old = &m.e.MinValue
	}
	if old.Exists() {
		order, ok := compare(*old, v)
		if !ok {
			m.fault("%s cannot be compared with that of the base", fhir.SafeName(v.Key()))
			return
		}
		if low && order > 0 || !low && order < 0 {
			m.fault("%s is wider than that of the base", fhir.SafeName(v.Key()))
			return
		}
	}
	*old = v
}

// compare orders two limits: numbers, dates of one precision, quantities of one
// unit.
func compare(a, b fhir.Value) (order int, ok bool) {
	switch {
	case a.Key() != b.Key() && a.Key() != "value":
		return 0, false
	case a.Kind() == fhir.Number && b.Kind() == fhir.Number:
		x, y := new(big.Rat), new(big.Rat)
		if len(a.Text()) > 40 || len(b.Text()) > 40 || strings.ContainsAny(a.Text()+b.Text(), "eE") {
			return 0, false
		}
		_, okX := x.SetString(a.Text())
		_, okY := y.SetString(b.Text())
		return x.Cmp(y), okX && okY
	case a.Kind() == fhir.String && b.Kind() == fhir.String:
		return strings.Compare(a.Text(), b.Text()), len(a.Text()) == len(b.Text())
	case a.Kind() == fhir.Object && b.Kind() == fhir.Object:
		for _, unit := range [...]string{"system", "code", "unit"} {
			if a.Get(unit).Text() != b.Get(unit).Text() {
				return 0, false
			}
		}
		return compare(a.Get("value"), b.Get("value"))
	}
	return 0, false
}

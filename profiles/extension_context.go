package profiles

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// A level is one element between a resource and an extension.
type level struct {
	table  *definitions.Table // nil: not one that R4 has
	name   string             // of the element, without "[x]"
	member string             // as written: "valueQuantity"
	value  fhir.Value
}

// maxLevels bounds the depth of a document: see [fhir.MaxDepth].
const maxLevels = fhir.MaxDepth

// inContext reports whether an extension may stand on holder, the object that
// has it.
func (w *walk) inContext(holder fhir.Value, contexts []snapshot.Context) bool {
	var room [16]level
	levels := w.levels(holder, room[:0], 0)
	for _, x := range contexts {
		switch x.Type {
		case "extension":
			url, _, _ := strings.Cut(x.Expression, "#")
			if holder.Get("url").Text() == url {
				return true
			}
		case "fhirpath":
			if w.selected(levels, x.Expression) {
				return true
			}
		default:
			if w.atElement(levels, x.Expression) {
				return true
			}
		}
	}
	return false
}

// levels lists the elements from the innermost resource down to v.
func (w *walk) levels(v fhir.Value, room []level, depth int) []level {
	up, key := v.Parent(), v.Key()
	if up.Kind() == fhir.Array {
		up, key = up.Parent(), up.Key()
	}
	if v == w.resource || !up.Exists() || depth > maxLevels {
		typ := w.nameOf(v)
		return append(room, level{table: w.v.nodes.defs.Table(typ), name: typ, value: v})
	}
	room = w.levels(up, room, depth+1)
	l := level{name: strings.TrimPrefix(key, "_"), member: strings.TrimPrefix(key, "_"), value: v}
	if t := room[len(room)-1].table; t != nil {
		if m := t.Member(l.member); m != nil {
			l.name, l.table = t.Slots[m.Slot].Name, m.Table()
			if key[0] == '_' {
				l.value = up.Get(l.member)
			}
		}
	}
	return append(room, l)
}

// A resourceName is the type of a resource, looked up once: one of a hostile
// document may have many members.
type resourceName struct {
	of   fhir.Value
	name string
}

// nameOf returns the type that a resource says it has.
func (w *walk) nameOf(resource fhir.Value) string {
	if w.named.of != resource {
		w.named = resourceName{resource, resource.Get("resourceType").Text()}
	}
	return w.named.name
}

// selected reports whether a FHIRPath expression on the resource selects the
// innermost level. One that cannot be read decides nothing against it.
func (w *walk) selected(levels []level, expression string) bool {
	if levels[0].table == nil {
		return true
	}
	p := w.v.nodes.path(expression, levels[0].table.Path)
	if p == nil {
		return true
	}
	if w.visits -= w.size; w.visits < 0 {
		return false // too often asked of too large a document
	}
	found := false
	p.Eval(levels[0].value, func(v fhir.Value, _ string) bool {
		found = v == levels[len(levels)-1].value
		return !found
	})
	return found
}

// atElement reports whether the innermost level is the element of that id: a
// path from any type around it, or the type itself.
func (w *walk) atElement(levels []level, expression string) bool {
	if expression == "Element" {
		return true // R4's own definitions mean resources too
	}
	if _, id, ok := strings.Cut(expression, "#"); ok {
		expression = id // an element of a profile: where R4 has it
	}
	for i := len(levels) - 1; i >= 0; i-- {
		if t := levels[i].table; t != nil && w.startsAt(t, expression, levels[i+1:]) {
			return true
		}
	}
	return false
}

// startsAt reports whether an element id is that of a table, or of a type that
// the table's specialises, followed by the names of the levels below.
func (w *walk) startsAt(t *definitions.Table, expression string, below []level) bool {
	if restMatches(expression, t.Path, below) {
		return true
	}
	for typ := t.Type; typ != ""; {
		if restMatches(expression, typ, below) {
			return true
		}
		def := w.v.nodes.defs.Type(typ)
		if def == nil {
			return false
		}
		typ = def.Base
	}
	return false
}

func restMatches(expression, prefix string, below []level) bool {
	rest, ok := strings.CutPrefix(expression, prefix)
	if !ok {
		return false
	}
	for _, l := range below {
		if rest == "" || rest[0] != '.' {
			return false
		}
		name, more, dotted := strings.Cut(rest[1:], ".")
		name, _, _ = strings.Cut(name, ":") // a slice of the element
		if name = strings.TrimSuffix(name, "[x]"); name != l.name && name != l.member {
			return false
		}
		if rest = ""; dotted {
			rest = "." + more
		}
	}
	return rest == ""
}

// contextInvariants evaluates what an extension's definition asks of the element
// that holds it.
func (w *walk) contextInvariants(holder, extension fhir.Value, p *profile, line string) {
	if len(p.extension.invariants) == 0 {
		return
	}
	var room [16]level
	levels := w.levels(holder, room[:0], 0)
	t := levels[len(levels)-1].table
	if t == nil || t.Kind == definitions.Primitive {
		return
	}
	for _, expression := range p.extension.invariants {
		r, err := w.v.nodes.invariant(rule{key: ruleContextInvariant, human: "what holds this extension does not meet the extension's own condition",
			expression: expression, line: line}, t.Path)
		if err == nil {
			r.extension = extension
			w.rules(holder, []rule{r})
		}
	}
}

package schema

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

type object = map[string]any

// A builder makes one document.
type builder struct {
	set   *Set
	defs  object          // $defs by name; a name that is there is not made again
	notes []string        // rules left out, in the order found
	noted map[string]bool // the same
}

func newBuilder(s *Set) *builder {
	return &builder{set: s, defs: object{}, noted: map[string]bool{}}
}

// note lists a rule that the schema does not check.
func (b *builder) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !b.noted[s] {
		b.noted[s] = true
		b.notes = append(b.notes, s)
	}
}

// always are the rules that no JSON Schema of ours checks.
var always = []string{
	"json: no member name may occur twice in one object",
	"type: an array beside \"_name\" must be as long as it, null where there is nothing to say",
	"ref-1, dom-3: \"#id\" must lead to a contained resource, and each contained resource must be referred to",
	"reference-target: the type of a contained, absolute or urn reference",
	"txt-1, txt-2: the XHTML of narratives, but for its <div> and elements such as <script>",
	"nhs-number: Modulus 11",
	"snomed: the form and check digit of SNOMED CT codes",
	"modifier-extension: unknown modifier extensions are refused",
	"binding: value sets of more than 200 codes or that cannot be listed; extensible bindings",
	"contained: of resources inside this one only the outline is checked; each has a schema of its own",
	"json: decimals keep their precision, so 1.0 is not 1 where a profile fixes a number",
}

// document is the whole schema of a type of R4, or of a profile when st is not
// nil.
func (b *builder) document(e Entry, st *snapshot.Structure) object {
	table := b.set.defs.Table(e.Type)
	var doc object
	about := "FHIR R4 " + e.Type + " in JSON."
	if st != nil {
		doc = b.profile(st, table)
		about = e.Title + ": the profile " + e.Canonical + " of FHIR R4 " + e.Type + " in JSON."
		if text := st.Source.Root().Get("description").Text(); text != "" {
			about += " " + text
		}
	} else {
		doc = object{}
	}
	doc["$ref"] = b.typeRef(table)
	doc["$schema"], doc["$id"] = "https://json-schema.org/draft/2020-12/schema", Address+e.Name+".json"
	doc["title"], doc["description"] = e.Title, about
	doc["$comment"] = "Not checked by this schema, but by the gateway:\n- " + strings.Join(slices.Concat(always, b.notes), "\n- ")
	doc["$defs"] = b.defs
	return doc
}

// typeRef returns the $ref of a type and makes its definition at the first call.
func (b *builder) typeRef(t *definitions.Table) string {
	name := t.Path
	if _, ok := b.defs[name]; !ok {
		b.defs[name] = nil // recursion ends here
		b.defs[name] = b.typeSchema(t)
	}
	return "#/$defs/" + name
}

func (b *builder) typeSchema(t *definitions.Table) object {
	if p, ok := primitives[t.Type]; ok && t.Kind == definitions.Primitive {
		return p
	}
	return b.objectSchema(t)
}

// objectSchema is the JSON object of a complex type, a resource or an element
// with children: closed, with all that R4 itself asks.
func (b *builder) objectSchema(t *definitions.Table) object {
	s := newShape()
	if t.Kind == definitions.Resource {
		s.properties["resourceType"] = object{"const": t.Type}
		s.require("resourceType")
	}
	for i := range t.Slots {
		b.slot(s, t, &t.Slots[i])
	}
	b.constraints(s, t.Constraints, t, t.Path)
	if t.Path == "Reference" {
		s.property("reference", object{"pattern": `^(#|[A-Z][A-Za-z]+[/?]|[^ \t\r\n]*:)[^ \t\r\n]*$`})
	}
	switch {
	case t.Path == "Extension":
		s.all = append(s.all, extensionOrValue(t))
	case t.Kind != definitions.Resource && t.Path != "Element":
		s.all = append(s.all, object{"not": object{"required": []string{"id"}, "maxProperties": 1}}) // ele-1
	}
	out := s.object()
	if len(s.single) > 0 {
		out["patternProperties"] = object{"^_(" + strings.Join(s.single, "|") + ")$": b.shadow()}
	}
	out["type"], out["additionalProperties"] = "object", false
	if t.Kind != definitions.Resource {
		out["minProperties"] = 1
	}
	return out
}

// slot adds the members of one element.
func (b *builder) slot(s *shape, t *definitions.Table, slot *definitions.Slot) {
	for _, m := range slot.Members {
		b.member(s, t, slot, m)
	}
	if slot.Min > 0 {
		s.requireSlot(slot.Members)
	}
	if slot.Choice() && slot.Max != 0 {
		s.all = append(s.all, atMostOne(slot.Members, otherNames(t, slot)))
	}
}

// otherNames are the JSON names that an object may have beside those of a slot.
func otherNames(t *definitions.Table, slot *definitions.Slot) (out []string) {
	for i := range t.Slots {
		if s := &t.Slots[i]; s != slot {
			out = append(out, names(s.Members)...)
		}
	}
	return out
}

func (b *builder) member(s *shape, t *definitions.Table, slot *definitions.Slot, m *definitions.Member) {
	if slot.Max == 0 {
		s.forbid(m)
		return
	}
	value := b.value(t, slot, m)
	if !m.Many {
		s.properties[m.Name] = value
		if m.Primitive() {
			s.single = append(s.single, m.Name)
		}
		return
	}
	list := object{"type": "array", "minItems": 1, "items": value}
	if slot.Max > 1 {
		list["maxItems"] = slot.Max
	}
	s.properties[m.Name] = list
	if m.Primitive() {
		list["items"] = object{"anyOf": []any{value, object{"type": "null"}}}
		s.properties["_"+m.Name] = object{"type": "array", "minItems": 1, "items": object{"anyOf": []any{b.shadow(), object{"type": "null"}}}}
		s.all = append(s.all, nullsBeside(m.Name, "_"+m.Name), nullsBeside("_"+m.Name, m.Name))
	}
}

// nullsBeside lets nulls stand in the array name only beside the array other.
func nullsBeside(name, other string) object {
	return object{"anyOf": []any{required(other), object{"properties": object{name: object{"items": object{"not": object{"type": "null"}}}}}}}
}

// shadow is the "_name" beside a primitive.
func (b *builder) shadow() object {
	return object{"$ref": b.typeRef(b.set.defs.Table("Element"))}
}

// value is one value of a member.
func (b *builder) value(t *definitions.Table, slot *definitions.Slot, m *definitions.Member) object {
	table := m.Table()
	switch {
	case table == nil && m.Name == "contained":
		return object{"$ref": b.outline("contained")}
	case table == nil:
		return object{"$ref": b.outline("resource")}
	case slot.Name == "id" && t.Kind == definitions.Resource:
		table = b.set.defs.Table("id") // the tables call it a string
	}
	s := newShape()
	if targets := m.Type.Targets; m.Type.Code == "Reference" && len(targets) > 0 && targets[0] != "Resource" {
		s.properties["reference"] = object{"pattern": targetPattern(targets)}
	}
	for _, p := range m.Type.Profiles {
		if p == "SimpleQuantity" {
			s.properties["comparator"] = false // sqty-1
		}
	}
	if codes := b.r4Codes(slot.ValueSet, slot.Path); codes != nil {
		s.all = append(s.all, b.bound(m.Type.Code, slot.ValueSet, codes)...)
	}
	b.constraints(s, slot.Constraints, table, t.Path+"."+slot.Name)
	out := s.object()
	switch to, _ := out["$ref"].(string); {
	case strings.HasPrefix(to, codesDef):
		return out // each of the codes is a value of the type
	case to != "":
		return object{"$ref": b.typeRef(table), "allOf": []any{out}}
	}
	out["$ref"] = b.typeRef(table)
	return out
}

// targetPattern lets through whatever does not name a type by itself: the
// validator finds that out from the document.
func targetPattern(types []string) string {
	return "^#|:|^(" + strings.Join(types, "|") + ")[/?]"
}

// outline defines a resource of any type, or one contained in another.
func (b *builder) outline(name string) string {
	if _, ok := b.defs[name]; ok {
		return "#/$defs/" + name
	}
	b.defs[name] = nil
	b.defs["any"] = object{
		"type": []string{"object", "array", "string", "number", "boolean"}, "minProperties": 1, "minItems": 1, "minLength": 1,
		"additionalProperties": object{"$ref": "#/$defs/any"},
		"items":                object{"anyOf": []any{object{"$ref": "#/$defs/any"}, object{"type": "null"}}},
	}
	props := object{
		"resourceType": object{"enum": b.set.defs.Resources()},
		"id":           object{"$ref": b.typeRef(b.set.defs.Table("id"))},
		"meta":         object{"$ref": b.typeRef(b.set.defs.Table("Meta"))},
		"language":     object{"$ref": b.typeRef(b.set.defs.Table("code"))},
	}
	if name == "contained" { // dom-2, dom-4, dom-5
		props["contained"] = false
		props["meta"] = object{"$ref": b.typeRef(b.set.defs.Table("Meta")), "properties": object{"versionId": false, "lastUpdated": false, "security": false}}
	}
	b.defs[name] = object{
		"type": "object", "required": []string{"resourceType"}, "properties": props,
		"additionalProperties": object{"$ref": "#/$defs/any"},
	}
	return "#/$defs/" + name
}

package schema

import (
	"slices"
	"strings"
)

// maxCodes is the largest value set that is listed in a schema.
const maxCodes = 200

// r4Codes lists a value set that R4 requires; nil when it cannot be listed.
func (b *builder) r4Codes(valueSet, where string) []Code {
	v := b.set.defs.ValueSet(valueSet)
	switch {
	case valueSet == "" || v == nil || v.Open:
		return nil
	case v.Codes() > maxCodes:
		b.note("binding: %s to %s (%d codes)", where, valueSet, v.Codes())
		return nil
	}
	var out []Code
	for system, codes := range v.Concepts() {
		for _, c := range codes {
			out = append(out, Code{system, c})
		}
	}
	return out
}

// listed lists any value set, R4's own or another.
func (b *builder) listed(valueSet, where string) []Code {
	if codes := b.r4Codes(valueSet, where); codes != nil {
		return codes
	}
	if b.set.codes != nil {
		if codes, ok := b.set.codes(valueSet); ok && len(codes) <= maxCodes && len(codes) > 0 {
			return codes
		}
	}
	b.note("binding: %s to %s", where, valueSet)
	return nil
}

// bound says that a value of the type has a code of the set; nil for types that
// have no codes.
func (b *builder) bound(typ, valueSet string, codes []Code) []any {
	switch typ {
	case "code": // a uri outside the set names a thing of its own
		return []any{object{"$ref": b.enum(valueSet, codes)}}
	case "CodeableConcept":
		return []any{object{"required": []string{"coding"}, "properties": object{"coding": object{"contains": b.coding(valueSet, codes)}}}}
	case "Coding", "Quantity", "Age", "Duration", "Count", "Distance", "MoneyQuantity":
		return []any{b.coding(valueSet, codes)}
	}
	return nil
}

// enum defines the list of a value set's codes, whatever their system.
func (b *builder) enum(valueSet string, codes []Code) string {
	url, _, _ := strings.Cut(valueSet, "|")
	name := codesDef[len("#/$defs/"):] + lastPart(url)
	if _, ok := b.defs[name]; !ok {
		list := make([]string, 0, len(codes))
		for _, c := range codes {
			list = append(list, c.Code)
		}
		slices.Sort(list)
		b.defs[name] = object{"title": valueSet, "enum": slices.Compact(list)}
	}
	return "#/$defs/" + name
}

// codesDef begins the references to lists of codes.
const codesDef = "#/$defs/codes:"

// coding defines an object with system and code of the value set.
func (b *builder) coding(valueSet string, codes []Code) object {
	url, _, _ := strings.Cut(valueSet, "|")
	name := "coding:" + lastPart(url)
	if _, ok := b.defs[name]; !ok {
		systems := map[string][]string{}
		var order []string
		for _, c := range codes {
			if systems[c.System] == nil {
				order = append(order, c.System)
			}
			systems[c.System] = append(systems[c.System], c.Code)
		}
		var any []any
		for _, s := range order {
			any = append(any, object{"properties": object{"system": object{"const": s}, "code": object{"enum": systems[s]}}})
		}
		b.defs[name] = object{"title": valueSet, "type": "object", "required": []string{"system", "code"}, "anyOf": any}
	}
	return object{"$ref": "#/$defs/" + name}
}

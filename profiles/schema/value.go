package schema

import (
	"encoding/json"

	"trellis.example/fhir"
)

// exactly is a fixed value.
func exactly(v fhir.Value) object { return object{"const": json.RawMessage(v.Raw())} }

// including is a pattern: a value that has at least what the pattern has,
// entries of arrays in any order (R4 ElementDefinition, pattern[x]).
func including(v fhir.Value) object {
	switch v.Kind() {
	case fhir.Object:
		props, names := object{}, []string{}
		for c := range v.All() {
			props[c.Key()] = including(c)
			names = append(names, c.Key())
		}
		return object{"type": "object", "properties": props, "required": names}
	case fhir.Array:
		var all []any
		for c := range v.All() {
			all = append(all, object{"contains": including(c)})
		}
		return object{"type": "array", "allOf": all}
	}
	return exactly(v)
}

func number(v fhir.Value) json.RawMessage { return json.RawMessage(v.Raw()) }

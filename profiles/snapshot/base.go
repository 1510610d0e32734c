package snapshot

import "trellis.example/fhir/definitions"

// Base returns one of R4's own types as a Structure, or nil when R4 has no type
// of that name.
func Base(defs *definitions.Definitions, typ string) *Structure {
	t := defs.Type(typ)
	if t == nil {
		return nil
	}
	return baseOf(defs, t)
}

func baseOf(_ *definitions.Definitions, t *definitions.Type) *Structure {
	return &Structure{URL: core + t.Name, Version: r4, Name: t.Name, Title: t.Name, Type: t.Name}
}

// core is the canonical base of R4's own definitions.
const core = "http://hl7.org/fhir/StructureDefinition/"

// r4 is the version of R4's own definitions.
const r4 = "4.0.1"

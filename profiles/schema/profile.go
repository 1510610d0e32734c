package schema

import (
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

func (b *builder) profile(st *snapshot.Structure, t *definitions.Table) object { return object{} }

package snapshot

import (
	"strings"

	"trellis.example/fhir/definitions"
)

// An origin is where R4 itself defines an element: ElementDefinition.base.
type origin struct {
	path     string // "Element.id", "Identifier.system"
	min, max int
	typ, rel string // the type whose table holds it, and its path there
}

// origins finds them while the elements of a snapshot are passed in order.
type origins struct {
	defs *definitions.Definitions
	of   map[string]origin // by element id
}

func (o *origins) find(e *Element) origin {
	found := o.locate(e)
	if e.ContentRef != "" { // what lies below is defined elsewhere
		_, id, _ := strings.Cut(e.ContentRef, "#")
		found.typ, found.rel, _ = strings.Cut(id, ".")
	} else if !o.nested(found) && len(e.Types) > 0 {
		found.typ, found.rel = e.Types[0].Code, ""
		if len(typeCodes(e.Types)) > 1 {
			found.typ = "Element"
		}
	}
	o.of[e.ID] = found
	return found
}

// nested reports whether the type has parts of the element in its own table.
func (o *origins) nested(at origin) bool {
	if at.rel == "" {
		return true
	}
	t := o.defs.Type(at.typ)
	if t == nil {
		return false
	}
	for i := range t.Elements {
		if strings.HasPrefix(t.Elements[i].Path, at.rel+".") {
			return true
		}
	}
	return false
}

func (o *origins) locate(e *Element) origin {
	parent, last := cutLast(e.ID)
	name, _, _ := strings.Cut(last, ":")
	if parent == "" {
		return origin{path: name, max: -1, typ: name}
	}
	above := o.of[parent]
	rel := name
	if above.rel != "" {
		rel = above.rel + "." + name
	}
	d := o.element(above.typ, rel)
	if d == nil {
		return origin{path: e.Path, min: e.Min, max: e.Max, typ: above.typ, rel: rel}
	}
	return origin{path: o.path(above.typ, rel, name), min: d.Min, max: d.Max, typ: above.typ, rel: rel}
}

func (o *origins) element(typ, rel string) *definitions.Element {
	t := o.defs.Type(typ)
	if t == nil {
		return nil
	}
	for i := range t.Elements {
		if t.Elements[i].Path == rel {
			return &t.Elements[i]
		}
	}
	return nil
}

// path names the most general type that defines the element.
func (o *origins) path(typ, rel, name string) string {
	if strings.Contains(rel, ".") {
		switch name {
		case "id", "extension":
			return "Element." + name
		case "modifierExtension":
			return "BackboneElement." + name
		}
	}
	for t := o.defs.Type(typ); t != nil && t.Base != "" && o.element(t.Base, rel) != nil; t = o.defs.Type(t.Base) {
		typ = t.Base
	}
	return typ + "." + rel
}

const pages = "http://hl7.org/fhir/R4/"

// page is the address of R4's own description of the element.
func (at origin) page() string {
	typ, _, _ := strings.Cut(at.path, ".")
	file := strings.ToLower(typ) + "-definitions.html"
	switch typ {
	case "Address", "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactPoint", "Count", "Distance",
		"Duration", "HumanName", "Identifier", "Money", "Period", "Quantity", "Range", "Ratio", "SampledData", "Signature", "Timing":
		file = "datatypes-definitions.html"
	case "ContactDetail", "Contributor", "DataRequirement", "Expression", "ParameterDefinition", "RelatedArtifact",
		"TriggerDefinition", "UsageContext":
		file = "metadatatypes-definitions.html"
	case "Extension":
		file = "extensibility-definitions.html"
	case "Reference":
		file = "references-definitions.html"
	case "Meta":
		file = "resource-definitions.html"
	}
	if typ != "" && typ[0] >= 'a' {
		return pages + "datatypes.html#" + typ
	}
	return pages + file + "#" + at.path
}

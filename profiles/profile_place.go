package profiles

import (
	"fmt"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles/snapshot"
)

// A place is where an element stands in R4's own definitions.
type place struct {
	// table is that of the element's content; nil where it depends on the
	// document: resources, and choices of type.
	table *definitions.Table
	slot  *definitions.Slot // nil for the first element, and below resources
	path  string            // root type of FHIRPath expressions: "Patient", "Period", "Patient.contact"
}

// below returns the place of a child element.
func (c *compiler) below(p place, o *outline) (place, error) {
	if p.table == nil {
		return place{}, nil
	}
	slot := p.table.Slot(o.name)
	if slot == nil {
		if m := p.table.Member(o.name); m != nil { // the short form valueQuantity
			slot = &p.table.Slots[m.Slot]
			return place{table: m.Table(), slot: slot, path: pathOf(p.table, slot, m)}, nil
		}
		if p.table.Kind == definitions.Primitive || o.name == "value" && p.table.Type == "Element" {
			return place{}, nil // the value itself
		}
		return place{}, fmt.Errorf("%s: there is no element %s here", o.e.ID, fhir.SafeName(o.name))
	}
	m := slot.Members[0]
	if slot.Choice() {
		if m = onlyMember(slot, o.e.Types); m == nil {
			return place{slot: slot}, nil
		}
	}
	if m.Type.Code == "Resource" {
		return c.resourcePlace(slot, o), nil
	}
	return place{table: contentTable(c.v.nodes.defs, m), slot: slot, path: pathOf(p.table, slot, m)}, nil
}

// contentTable is the table that the children of a member's value are looked up
// in: those of a primitive are an Element's.
func contentTable(defs *definitions.Definitions, m *definitions.Member) *definitions.Table {
	if m.Primitive() {
		return defs.Table("Element")
	}
	return m.Table()
}

func (c *compiler) resourcePlace(slot *definitions.Slot, o *outline) place {
	if len(o.e.Types) == 1 {
		if t := c.v.nodes.defs.Table(o.e.Types[0].Code); t != nil {
			return place{table: t, slot: slot, path: t.Path}
		}
	}
	return place{slot: slot, path: "Resource"}
}

// onlyMember returns the member of a choice that the types leave, or nil.
func onlyMember(slot *definitions.Slot, types []snapshot.Type) *definitions.Member {
	if len(types) != 1 {
		return nil
	}
	for _, m := range slot.Members {
		if m.Type.Code == types[0].Code {
			return m
		}
	}
	return nil
}

func pathOf(holder *definitions.Table, slot *definitions.Slot, m *definitions.Member) string {
	if m.Type.Code == "BackboneElement" || m.Type.Code == "Element" {
		if t := m.Table(); t != nil && t.Path != m.Type.Code {
			return t.Path
		}
		return holder.Path + "." + slot.Name
	}
	return m.Type.Code
}

// late reports whether only the document tells the type of the element.
func (p place) late() bool { return p.path == "" || p.path == "Resource" }

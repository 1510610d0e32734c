package itk3xml

import (
	"strings"

	"trellis.example/mapping/formats/itk3"
)

// arrays are the elements of datatypes that hold several values.
var arrays = map[string]bool{
	"coding": true, "given": true, "prefix": true, "suffix": true, "line": true, "extension": true,
}

// bare are the elements that JSON writes without quotation marks.
var bare = map[string]bool{
	"valueBoolean": true, "userSelected": true, "rank": true, "valueInteger": true, "valueDecimal": true, "valuePositiveInt": true, "valueUnsignedInt": true,
}

// datatype copies a datatype as it stands: these are the same in STU3 and R4.
// All of it counts as read.
func datatype(n *itk3.Node) itk3.Element {
	if n == nil {
		return itk3.Element{}
	}
	e := copied(n, false)
	n.Use()
	return e
}

func copied(n *itk3.Node, quantity bool) itk3.Element {
	quantity = quantity || strings.HasSuffix(n.Name, "Quantity") || n.Name == "low" || n.Name == "high"
	var kids []itk3.Element
	for k := range n.Kids() {
		kids = append(kids, copied(k, quantity))
	}
	var e itk3.Element
	switch {
	case len(kids) > 0:
		e = itk3.Branch(n.Name, kids...)
	case bare[n.Name] || quantity && n.Name == "value":
		e = itk3.Raw(n.Name, literal(n.Peek()))
	default:
		e = itk3.Leaf(n.Name, n.Peek())
	}
	if arrays[n.Name] {
		e = e.Many()
	}
	return e
}

// literal is a number or boolean as JSON; what is neither becomes a string,
// which the validator refuses by name.
func literal(s string) string {
	if s == "true" || s == "false" || number.MatchString(s) || s == "" {
		return s
	}
	return string(itk3.Leaf("x", s).JSON())
}

// all copies every element of a name, as an array.
func all(n *itk3.Node, name string) []itk3.Element {
	var out []itk3.Element
	for k := range n.All(name) {
		out = append(out, datatype(k).Many())
	}
	return out
}

// rename gives an element another name.
func rename(e itk3.Element, name string) itk3.Element { return e.Named(name) }

const (
	verified    = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
	verifiedSys = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus"
)

// identifiers copies identifiers; the extension that says whether an NHS number
// is verified takes UK Core's name, with the same code.
func identifiers(n *itk3.Node) []itk3.Element {
	var out []itk3.Element
	for id := range n.All("identifier") {
		var parts []itk3.Element
		for k := range id.Kids() {
			if k.Name == "extension" && strings.Contains(k.Peek("url"), "NHSNumberVerificationStatus") {
				parts = append(parts, verification(k))
				continue
			}
			parts = append(parts, datatype(k))
		}
		out = append(out, itk3.Array("identifier", parts...))
	}
	return out
}

func verification(ext *itk3.Node) itk3.Element {
	c := ext.Get("valueCodeableConcept", "coding")
	e := itk3.Array("extension", itk3.Leaf("url", verified), itk3.Branch("valueCodeableConcept",
		itk3.Array("coding", itk3.Leaf("system", verifiedSys), itk3.Leaf("code", c.Text("code")), itk3.Leaf("display", c.Text("display"))),
		itk3.Leaf("text", ext.Text("valueCodeableConcept", "text"))))
	ext.Use()
	return e
}

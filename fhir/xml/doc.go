// Package xml converts FHIR R4 resources between XML and JSON (R4 xml and json,
// sections 2.6.1 and 2.6.2).
//
// What the package promises:
//   - The element tables decide everything: the order of elements, what is an
//     attribute, what repeats and what a value's JSON kind is. No type of
//     resource is known by name.
//   - Nothing is lost or invented: JSON written as XML reads back as the same
//     members and values, decimals by their text, narratives byte for byte save
//     that the named HTML entities, which XML does not have, become numbers.
//   - [Decode] is strict: UTF-8, no document type declaration, no entities but
//     the five of XML, no text between elements, no unknown elements or
//     attributes, the specification's namespaces and order, at most
//     [fhir.MaxDepth] deep. Comments and processing instructions between
//     elements are passed over, because they carry no content.
//   - Every fault names its place as XPath with line and column, and as FHIRPath,
//     and says what was expected. None shows a value.
//
// Whether values are valid is for the validator: Decode checks only that booleans
// and numbers are such, because JSON writes them bare.
package xml

const (
	fhirNamespace  = "http://hl7.org/fhir"
	xhtmlNamespace = "http://www.w3.org/1999/xhtml"
	xsiNamespace   = "http://www.w3.org/2001/XMLSchema-instance"
)

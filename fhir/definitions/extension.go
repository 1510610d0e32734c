package definitions

// An ExtensionDef is an extension that R4 itself defines, or a part of one.
type ExtensionDef struct {
	// URL is the canonical, or the relative name of a part.
	URL string
	// Min and Max are the cardinality; Max is -1 for "*".
	Min, Max int
	Modifier bool
	// Contexts say where the extension may stand; a part has none.
	Contexts []Context
	// Invariants are FHIRPath expressions on the element that holds it
	// (StructureDefinition.contextInvariant).
	Invariants []string
	// Types are what value[x] may be; empty when the extension has parts.
	Types   []TypeRef
	Binding Binding
	// Parts are the nested extensions.
	Parts []ExtensionDef
}

// A Context is a place where an extension may stand: Type is element, fhirpath
// or extension (StructureDefinition.context).
type Context struct{ Type, Expression string }

// Extension returns R4's own extension with that URL, or nil.
func (d *Definitions) Extension(url string) *ExtensionDef { return nil }

package definitions

import (
	_ "embed" // the tables
	"maps"
	"slices"
	"strings"
	"sync"
)

// The extensions are text like the types:
//
//	X depth url min max m types strength set max   an extension; below depth 0 a part
//	c type expression                              a context of it
//	i expression                                   an invariant of what holds it
//
//go:embed r4extensions.txt.gz
var compressedExtensions []byte

// ExtensionsText returns the embedded extensions as text.
func ExtensionsText() string { return unpack(compressedExtensions) }

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

type extensionTable struct {
	once  sync.Once
	byURL map[string]*ExtensionDef
}

// Extension returns R4's own extension with that URL, or nil. The first call
// reads the table.
func (d *Definitions) Extension(url string) *ExtensionDef {
	d.extensions.once.Do(d.extensions.load)
	return d.extensions.byURL[url]
}

// Extensions returns the URLs of R4's own extensions, sorted.
func (d *Definitions) Extensions() []string {
	d.extensions.once.Do(d.extensions.load)
	return slices.Sorted(maps.Keys(d.extensions.byURL))
}

func (t *extensionTable) load() {
	t.byURL = map[string]*ExtensionDef{}
	var top *ExtensionDef
	for line := range strings.Lines(ExtensionsText()) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		switch kind {
		case "X":
			depth, x := parseExtension(rest)
			if depth == 0 {
				top = &x
				t.byURL[x.URL] = top
			} else {
				top.add(depth, x)
			}
		case "c":
			f := fields(rest, 2)
			top.Contexts = append(top.Contexts, Context{f[0], f[1]})
		case "i":
			top.Invariants = append(top.Invariants, rest)
		}
	}
}

func parseExtension(rest string) (depth int, x ExtensionDef) {
	f := fields(rest, 9)
	return number(f[0]), ExtensionDef{
		URL: f[1], Min: number(f[2]), Max: number(f[3]), Modifier: f[4] != "",
		Types: parseTypes(f[5]), Binding: parseBinding(f[6:]),
	}
}

// add appends a part below the last part of the depth above.
func (x *ExtensionDef) add(depth int, part ExtensionDef) {
	for ; depth > 1; depth-- {
		x = &x.Parts[len(x.Parts)-1]
	}
	x.Parts = append(x.Parts, part)
}

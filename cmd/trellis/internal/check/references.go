package check

import (
	"fmt"
	"path/filepath"
	"strings"

	"trellis.example/fhir"
)

// References holds the resources of a source by their address, so that
// references between its documents can be followed.
type References struct{ byAddress map[string]fhir.Resource }

// NewReferences reads every document of s once, the entries of Bundles too. What
// cannot be read is left out: judging it will say why.
func NewReferences(s *Source) (*References, error) {
	r := &References{byAddress: map[string]fhir.Resource{}}
	for doc, err := range s.All() {
		if err != nil {
			return nil, err
		}
		if res, err := doc.Resource(); err == nil {
			r.add(res)
		}
	}
	return r, nil
}

func (r *References) add(res fhir.Resource) {
	if res.ID() != "" {
		r.byAddress[res.Type()+"/"+res.ID()] = res
	}
	for _, e := range res.Entries() {
		part, err := e.Decode()
		if err != nil {
			continue
		}
		if e.FullURL != "" {
			r.byAddress[e.FullURL] = part
		}
		r.add(part)
	}
}

// Resolve finds the resource that a literal reference names, whatever server an
// absolute one gives.
func (r *References) Resolve(reference string) (fhir.Resource, bool) {
	if res, ok := r.byAddress[reference]; ok {
		return res, true
	}
	ref, ok := fhir.ParseReference(strings.TrimSpace(reference))
	if !ok {
		return fhir.Resource{}, false
	}
	res, ok := r.byAddress[ref.Relative()]
	return res, ok
}

// Definitions reads the conformance resources of a source, those in Bundles too;
// other types are left out, as packages of definitions hold examples beside
// them, and so are the two files by which a package describes itself. A document
// that cannot be read is an error.
func Definitions(s *Source) ([]fhir.Resource, error) {
	var out []fhir.Resource
	for doc, err := range s.All() {
		if err != nil {
			return nil, err
		}
		if base := filepath.Base(doc.Name); base == "package.json" || base == ".index.json" {
			continue
		}
		res, err := doc.Resource()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doc.Name, err)
		}
		if isDefinition(res.Type()) {
			out = append(out, res)
		}
		for _, e := range res.Entries() {
			if part, err := e.Decode(); err == nil && isDefinition(part.Type()) {
				out = append(out, part)
			}
		}
	}
	return out, nil
}

func isDefinition(typ string) bool {
	switch typ {
	case "StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "Questionnaire":
		return true
	}
	return false
}

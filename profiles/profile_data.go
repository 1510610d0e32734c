package profiles

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"trellis.example/fhir"
)

// The definitions that come with the package; see data/README.md.
//
//go:embed data
var data embed.FS

// definitionFiles are what a validator knows before a user adds to it.
type definitionFiles struct {
	structures []fhir.Resource
	codes      []fhir.Resource // CodeSystem, ValueSet, ConceptMap
}

// loadData reads the embedded definitions. Of each only the syntax is looked at.
func loadData() (*definitionFiles, error) {
	d := &definitionFiles{}
	for _, dir := range [...]string{"data/profiles", "data/profiles/1.0.0", "data/extensions", "data/ukcore", "data/codesystems", "data/valuesets", "data/conceptmaps"} {
		files, err := data.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // nothing of the kind comes with the package
		}
		if err != nil {
			return nil, fmt.Errorf("profiles: %w", err)
		}
		for _, f := range files {
			if f.IsDir() || !strings.HasSuffix(f.Name(), ".json") {
				continue
			}
			b, err := data.ReadFile(path.Join(dir, f.Name()))
			if err != nil {
				return nil, fmt.Errorf("profiles: %w", err)
			}
			r, err := fhir.Decode(b)
			if err == nil {
				err = d.add([]fhir.Resource{r})
			}
			if err != nil {
				return nil, fmt.Errorf("profiles: %s: %w", f.Name(), err)
			}
		}
	}
	return d, nil
}

// ukCore begins the canonicals of UK Core, of which we hold descriptions in our
// own words.
const ukCore = "https://fhir.hl7.org.uk/"

// without returns the definitions in lists of their own, less those of UK Core
// that the user gives.
func (d *definitionFiles) without(given []fhir.Resource) *definitionFiles {
	theirs := map[string]bool{}
	for _, r := range given {
		if url := r.Root().Get("url").Text(); strings.HasPrefix(url, ukCore) {
			theirs[r.Type()+url] = true
		}
	}
	stays := func(list []fhir.Resource) []fhir.Resource {
		return slices.DeleteFunc(slices.Clone(list), func(r fhir.Resource) bool {
			return len(theirs) > 0 && theirs[r.Type()+r.Root().Get("url").Text()]
		})
	}
	return &definitionFiles{structures: stays(d.structures), codes: stays(d.codes)}
}

// add sorts definitions by what they are for.
func (d *definitionFiles) add(list []fhir.Resource) error {
	for _, r := range list {
		switch r.Type() {
		case "StructureDefinition":
			d.structures = append(d.structures, r)
		case "CodeSystem", "ValueSet", "ConceptMap":
			d.codes = append(d.codes, r)
		case "Questionnaire":
		default:
			return fhir.Errorf(fhir.NotSupported, "a %s defines nothing that documents are judged by", fhir.SafeName(r.Type()))
		}
	}
	return nil
}

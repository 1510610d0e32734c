package terminology

import (
	"encoding/json"

	"trellis.example/fhir"
)

// Undecided returns, as a ValueSet, what of a value set held here only a
// terminology server can decide: its includes of systems that are not held, as
// far as they concern the system ("" means all). It is nil when nothing is left
// open, when the set is not held (ask by its canonical then), or when the open
// part cannot be asked about on its own.
func (s *Service) Undecided(canonical, system string) []byte {
	o := opener{s: s, system: system}
	if !o.set(canonical, 0) || len(o.includes) == 0 {
		return nil
	}
	b, _ := json.Marshal(map[string]any{ //nolint:errchkjson // strings and lists of them
		"resourceType": "ValueSet", "status": "active", "compose": map[string]any{"include": o.includes},
	})
	return b
}

// An opener collects open includes.
type opener struct {
	s        *Service
	system   string
	includes []map[string]any
}

// set collects the open includes of a value set; false when it cannot be asked
// about in parts.
func (o *opener) set(canonical string, depth int) bool {
	def, ok := o.s.definition(canonical)
	if !ok {
		if depth > 0 { // a server may hold what a set of ours imports
			o.includes = append(o.includes, map[string]any{"valueSet": []string{canonical}})
		}
		return depth > 0
	}
	if depth > maxImports {
		return false
	}
	for _, exc := range def.exclude {
		if o.open(exc) {
			return false
		}
	}
	for _, inc := range def.include {
		switch {
		case len(inc.sets) == 0:
			if o.open(inc) {
				o.includes = append(o.includes, includeObject(inc))
			}
		case inc.system != "" || len(inc.sets) > 1:
			return false
		case !o.set(inc.sets[0], depth+1):
			return false
		}
	}
	return true
}

// open reports whether an include leaves codes of the system open.
func (o *opener) open(inc include) bool {
	if o.system != "" && inc.system != o.system {
		return false
	}
	p, err := o.s.part(inc, nil, false)
	return err == nil && p.unlisted() != ""
}

// definition returns how a value set that is held is composed.
func (s *Service) definition(canonical string) (compose, bool) {
	c := fhir.ParseCanonical(canonical)
	if e := find(s.valueSets[c.URL], c.Version); e != nil {
		return composeOfResource(e.resource), true
	}
	if def := s.defs.Compose(c.URL); def != nil {
		return composeOfR4(def), true
	}
	return compose{}, false
}

func includeObject(inc include) map[string]any {
	o := map[string]any{"system": inc.system}
	if inc.version != "" {
		o["version"] = inc.version
	}
	var filters []map[string]any
	for _, f := range inc.filters {
		filters = append(filters, map[string]any{"property": f.Property, "op": f.Op, "value": f.Value})
	}
	if filters != nil {
		o["filter"] = filters
	}
	return o
}

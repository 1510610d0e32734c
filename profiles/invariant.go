package profiles

import (
	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// rules evaluates invariants on v.
func (w *walk) rules(v fhir.Value, list []rule) {
	for i := range list {
		r := &list[i]
		if r.sure != nil && r.sure(w, v) {
			continue
		}
		if r.path == nil {
			w.foreignRule(v, r)
			continue
		}
		ok, err := r.path.Holds(v, path.Context{Resource: w.resource, Root: w.root, Extension: r.extension, Finder: w, Visits: &w.visits})
		switch {
		case err != nil:
			w.broken(v, r, fhir.Processing, "the document has too many values to check this rule")
		case !ok:
			w.broken(v, r, fhir.Invariant, r.human)
		}
	}
}

// broken reports an invariant that does not hold.
func (w *walk) broken(v fhir.Value, r *rule, code fhir.Code, text string) {
	is := fhir.Issue{Severity: fhir.SeverityError, Code: code, Rule: r.key, Text: text,
		Expected: "true for " + r.expression, Found: "false", Profile: r.line}
	if r.warning && code == fhir.Invariant {
		is.Severity = fhir.SeverityWarning
	}
	w.add(v, "", is)
}

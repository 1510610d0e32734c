package questionnaire

import (
	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// Sets gives the value set with a canonical, or nil when it is not held.
type Sets func(canonical string) *terminology.Set

// Emit receives an issue at a value of a document, or at its member of the name
// missing when that is not "". The issue's Expression is the receiver's to set.
type Emit func(at fhir.Value, missing string, is fhir.Issue)

// A Questionnaire is a Questionnaire ready to check responses with.
type Questionnaire struct {
	url, version, canonical, status string

	subjects []string         // types a response may be about; empty: any
	items    []item           // in document order, parents first
	links    map[string]int32 // linkId -> index in items
	top      []int32          // top-level items that must be there
	watched  int32            // questions that conditions or scores look at
}

// noItem stands for the response itself where an item is asked for.
const noItem int32 = -1

// Compile reads a Questionnaire. sets may be nil: no value set is held then. It
// fails with an [fhir.Error] that lists every fault of the Questionnaire (see
// [Faults]); one with warnings alone is compiled.
func Compile(q fhir.Resource, sets Sets) (*Questionnaire, error) { return CompileAt(q.Root(), sets) }

// CompileAt is [Compile] for a Questionnaire that stands inside a document, whose
// contained value sets may stand beside it.
func CompileAt(q fhir.Value, sets Sets) (*Questionnaire, error) {
	var issues []fhir.Issue
	c := compile(q, sets, collect(&issues))
	if err := fhir.Faults(issues); err != nil {
		return nil, err
	}
	return c, nil
}

// Faults emits what is wrong with a Questionnaire itself: linkIds given twice,
// conditions on questions that are not there or that depend on each other,
// options and limits that do not fit the item's type, totals that cannot be
// computed. The rules of base R4, the que-… invariants among them, are not
// repeated.
func Faults(q fhir.Value, sets Sets, emit Emit) { compile(q, sets, emit) }

func collect(issues *[]fhir.Issue) Emit {
	return func(at fhir.Value, missing string, is fhir.Issue) {
		is.Expression = at.Path()
		if missing != "" {
			is.Expression += "." + missing
		}
		if len(*issues) < maxFaults {
			*issues = append(*issues, is)
		}
	}
}

// URL returns the Questionnaire's canonical URL and Version its version, either
// of which may be "".
func (q *Questionnaire) URL() string { return q.url }

// Version returns the business version, or "".
func (q *Questionnaire) Version() string { return q.version }

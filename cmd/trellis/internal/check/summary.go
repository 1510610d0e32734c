package check

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"trellis.example/fhir"
)

// A Summary counts what was judged.
type Summary struct {
	Documents, Refused, Warnings int
	rules                        map[string]int // documents with errors of a rule
}

// Count adds a verdict.
func (s *Summary) Count(c Checked) {
	s.Documents++
	if !c.Valid {
		s.Refused++
	}
	if s.rules == nil {
		s.rules = map[string]int{}
	}
	seen := map[string]bool{}
	for _, f := range c.Faults {
		switch {
		case f.Severity == fhir.SeverityWarning:
			s.Warnings++
		case f.Severity != fhir.SeverityInformation && !seen[f.Rule]:
			seen[f.Rule] = true
			s.rules[f.Rule]++
		}
	}
}

// listed is how many rules the summary names.
const listed = 10

// print writes the counts, and for several documents the rules broken most.
func (s *Summary) print(w io.Writer) {
	fmt.Fprintf(w, "%d examined, %d valid, %d with faults", s.Documents, s.Documents-s.Refused, s.Refused)
	switch s.Warnings {
	case 0:
	case 1:
		fmt.Fprint(w, "; 1 warning")
	default:
		fmt.Fprintf(w, "; %d warnings", s.Warnings)
	}
	fmt.Fprintln(w)
	if s.Refused < 2 {
		return
	}
	rules := slices.SortedFunc(maps.Keys(s.rules), func(a, b string) int {
		return cmp.Or(s.rules[b]-s.rules[a], cmp.Compare(a, b))
	})
	fmt.Fprintln(w, "\ndocuments  broken rule")
	for i, r := range rules {
		if i == listed {
			fmt.Fprintf(w, "%9s  %d more rules\n", "…", len(rules)-listed)
			break
		}
		fmt.Fprintf(w, "%9d  %s\n", s.rules[r], r)
	}
}

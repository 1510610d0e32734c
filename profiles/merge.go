package profiles

import "trellis.example/fhir"

// Merge joins lists of issues, as Validate and Referral give them for one
// document, and drops what is said twice: the same rule at the same place. Of
// two that differ in severity the error stays. It may reuse the first list.
func Merge(first []fhir.Issue, more ...[]fhir.Issue) []fhir.Issue {
	total := len(first)
	for _, m := range more {
		total += len(m)
	}
	if total < 2 {
		for _, m := range more {
			first = append(first, m...)
		}
		return first
	}
	type place struct{ rule, expression, text string }
	at := make(map[place]int, total)
	out := first[:0]
	keep := func(is fhir.Issue) {
		k := place{rule: is.Rule, expression: is.Expression}
		if is.Rule == "" {
			k.text = is.Text
		}
		i, seen := at[k]
		switch {
		case !seen:
			at[k] = len(out)
			out = append(out, is)
		case is.IsError() && !out[i].IsError():
			out[i] = is
		}
	}
	for _, is := range first {
		keep(is)
	}
	for _, m := range more {
		for _, is := range m {
			keep(is)
		}
	}
	return out
}

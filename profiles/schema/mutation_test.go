package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles"
	"trellis.example/profiles/mutate"
	"trellis.example/profiles/schema"
)

// wanted is how many mutations the schemas are held against.
const wanted = 10_000

// A trial is one broken document with what judges it.
type trial struct {
	mutate.Fault
	name, schema string
	options      profiles.Options
}

// TestMutationsAgree breaks valid examples and checks, for every broken document,
// that validator and schema agree on what both can express: the schema refuses no
// document that the validator accepts, and accepts none whose fault it can
// express. What a schema can express, mutate.Fault.Schema says, less the rules
// that the schema's own $comment names as left out.
func TestMutationsAgree(t *testing.T) {
	v := newValidator(t)
	j := newJudge(ours(v))
	trials := makeTrials(t, v, wanted)
	var mu sync.Mutex
	made, refused, missed := map[string]int{}, map[string]int{}, map[string]int{}
	parallel(len(trials), func(i int) {
		tr := trials[i]
		bySchema := j.verdict(tr.schema, tr.Doc)
		r, err := fhir.DecodeLimit(tr.Doc, 64<<20)
		byUs := err != nil || hasError(v.Validate(r, tr.options))
		mu.Lock()
		defer mu.Unlock()
		made[tr.Mutation]++
		switch {
		case bySchema != nil && !byUs:
			t.Errorf("%s, %s: only the schema %s refuses: %s", tr.name, tr.Mutation, tr.schema, reasons(bySchema))
		case bySchema != nil:
			refused[tr.Mutation]++
		case tr.Schema && !leftOut(t, j.set, tr):
			if missed[tr.Mutation]++; missed[tr.Mutation] <= 3 {
				t.Errorf("%s, %s at %s: the schema %s accepts it", tr.name, tr.Mutation, tr.Path, tr.schema)
			}
		}
	})
	all, both := 0, 0
	for _, k := range slices.Sorted(maps.Keys(made)) {
		t.Logf("%6d made %6d refused by the schema too %4d missed  %s", made[k], refused[k], missed[k], k)
		all, both = all+made[k], both+refused[k]
	}
	t.Logf("%6d made %6d refused by the schema too, in %d ways", all, both, len(made))
	if all < wanted && !testing.Short() {
		t.Errorf("%d mutations, want %d", all, wanted)
	}
}

// makeTrials makes n broken documents, half judged by R4 alone and half by the
// profile of the example; a tenth of them under -short.
func makeTrials(t *testing.T, v *profiles.Validator, n int) []trial {
	t.Helper()
	if testing.Short() {
		n /= 10
		t.Logf("%d mutations, a tenth, because of -short", n)
	}
	var r4, ours []trial
	for _, e := range ourExamples(t) {
		by := profiles.Options{Profiles: []string{profiles.Base + e.profile}}
		if hasError(v.Validate(e.r, by)) || len(e.r.JSON()) > 20_000 {
			continue // one that is wrong on purpose, or large
		}
		for f := range mutate.New(definitions.R4(), v.Structure(profiles.Base+e.profile), 5, 0.12).Faults(e.r) {
			if f.Mutation == "string of more than 1 MB" && len(f.Doc)%5 != 0 {
				continue // they are slow to check
			}
			ours = append(ours, trial{f, e.name, e.profile, by})
			if !f.Profile && !f.Strict {
				r4 = append(r4, trial{f, e.name, "r4-" + e.r.Type(), profiles.Options{BaseOnly: true}})
			}
		}
	}
	return append(spread(r4, n/3), spread(ours, n-n/3)...)
}

// spread takes n of a list, evenly.
func spread(list []trial, n int) []trial {
	if len(list) <= n {
		return list
	}
	out := make([]trial, 0, n)
	for i := range n {
		out = append(out, list[i*len(list)/n])
	}
	return out
}

// leftOut reports whether the schema's comment names the rule as one it does not
// check.
func leftOut(t *testing.T, set *schema.Set, tr trial) bool {
	t.Helper()
	s, _ := set.Schema(tr.schema)
	var head struct {
		Comment string `json:"$comment"`
	}
	if err := json.Unmarshal(s.JSON, &head); err != nil {
		t.Error(err)
	}
	for line := range strings.SplitSeq(head.Comment, "\n") {
		if tr.Element != "" && (strings.HasPrefix(line, "- slices: "+tr.Element) || strings.HasPrefix(line, "- binding: "+tr.Element+" ")) {
			return true
		}
		for _, rule := range tr.Rules {
			if strings.HasPrefix(line, fmt.Sprintf("- %s at ", rule)) {
				return true
			}
		}
	}
	return false
}

package formats

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"trellis.example/mapping"
)

var only = flag.String("only", "", "the one format whose contract is tested and whose cases are rewritten")

// samples is how many invented documents each format reads.
const samples = 200

// TestContract holds every format to the promises of package mapping: the
// schema, lint without errors, its cases, and [mapping.Contract] for the cases
// and for invented documents.
func TestContract(t *testing.T) {
	for _, e := range all(t) {
		id := e.Info().ID
		if e.Map == nil {
			continue
		}
		t.Run(id, func(t *testing.T) {
			t.Run("schema", func(t *testing.T) { followsSchema(t, e) })
			t.Run("lint", func(t *testing.T) { noLintError(t, e) })
			t.Run("cases", func(t *testing.T) { cases(t, e) })
			t.Run("promises", func(t *testing.T) { promises(t, e) })
			t.Run("invented", func(t *testing.T) { invented(t, e) })
		})
	}
}

func followsSchema(t *testing.T, e Entry) {
	if _, err := mapping.Compile(e.Files, library(false)); err != nil {
		t.Error(err)
	}
}

func noLintError(t *testing.T, e Entry) {
	for _, f := range e.Map.Lint() {
		if f.Error {
			t.Errorf("%s: %s", f.Place, f.Text)
		}
	}
}

func cases(t *testing.T, e Entry) {
	if *update {
		rewrite(t, e)
	}
	results, err := mapping.RunCases(e, e.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if len(r.Wrong) > 0 && !*update {
			t.Errorf("case %s: %v differ (read the diff after -update)", r.Name, r.Wrong)
		}
	}
}

// report prints each kind of breach a few times: one mistake of a map breaks
// many documents.
func report(t *testing.T, seen map[string]bool, doc []byte, list []mapping.Breach) {
	t.Helper()
	for _, b := range list {
		key := b.Promise + shape(b.Place)
		if seen[key] || len(seen) > 40 {
			continue
		}
		seen[key] = true
		t.Errorf("%v\nin %.1500s", b, doc)
	}
}

// shape is a place without its numbers.
func shape(place string) string {
	out := slices.DeleteFunc([]byte(place), func(c byte) bool { return c >= '0' && c <= '9' })
	return string(out)
}

func promises(t *testing.T, e Entry) {
	c, seen := e.Map.NewContract(e.Format), map[string]bool{}
	for _, doc := range inputs(t, e) {
		report(t, seen, doc, c.Check(doc))
	}
}

func invented(t *testing.T, e Entry) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same documents every time
	c, seen := e.Map.NewContract(e.Format), map[string]bool{}
	accepted := 0
	faults := map[string]int{}
	likes := [][]byte{nil}
	if e.HasCases() {
		likes = append(likes, inputs(t, e)...)
	}
	for i := range samples {
		var like []byte
		if i%2 == 1 {
			like = likes[i/2%len(likes)]
		}
		doc, err := c.Sample(r, like)
		if err != nil {
			t.Fatal(err)
		}
		res := e.Read(doc)
		if res.Accepted() {
			accepted++
		}
		for _, is := range res.Faults {
			faults[is.Text]++
		}
		for _, rec := range res.Records {
			for _, is := range rec.Faults {
				if is.IsError() {
					faults[is.Rule+" "+is.Text]++
				}
			}
		}
		report(t, seen, doc, c.Check(doc))
	}
	if accepted < samples/4 {
		t.Errorf("only %d of %d invented documents are accepted: %v", accepted, samples, faults)
	}
}

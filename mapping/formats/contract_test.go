package formats

import (
	"bytes"
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trellis.example/mapping"
)

var only = flag.String("only", "", "the one format whose contract is tested and whose cases are rewritten")

var samples = flag.Int("samples", 100, "how many invented documents, and how many with one mistake, each format reads")

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
			t.Run("readme", func(t *testing.T) { readme(t, e) })
			r := newReporter(t, e)
			t.Run("promises", func(t *testing.T) { promises(t, e, r) })
			t.Run("invented", func(t *testing.T) { invented(t, e, r) })
			t.Run("spoiled", func(t *testing.T) { spoiled(t, e, r) })
			r.unmet(t)
		})
	}
}

func followsSchema(t *testing.T, e Entry) {
	if _, err := compile(e.Info().ID, e.Files, library(false)); err != nil {
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

// readme holds that the README's field table is what the map does.
func readme(t *testing.T, e Entry) {
	b, err := fs.ReadFile(e.Files, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	want, ok := e.Map.WithFieldTable(string(b))
	switch {
	case !ok:
		t.Error("README.md has no field table: it stands between <!-- fields --> and <!-- /fields -->")
	case want != string(b) && *update:
		if err := os.WriteFile(filepath.Join(e.Info().ID, "README.md"), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	case want != string(b):
		t.Error("the field table of README.md is not what the map does: go test ./mapping/formats -run TestContract -only " + e.Info().ID + " -update, and read the diff")
	}
}

// A reporter prints each kind of breach once: one mistake of a map breaks many
// documents. What testdata/known.txt of the format lists with a reason is no
// failure.
type reporter struct {
	seen  map[string]bool
	known map[string]bool // whether it was met
	parts int             // how many kinds of documents were looked at
}

func newReporter(t *testing.T, e Entry) *reporter {
	r := &reporter{seen: map[string]bool{}, known: map[string]bool{}}
	b, err := os.ReadFile(e.Info().ID + "/testdata/known.txt")
	if err != nil {
		return r
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, "\t")
		if len(parts) != 3 || parts[2] == "" {
			t.Errorf("known.txt: expected a promise, a place and a reason, with tabs between: %s", line)
			continue
		}
		r.known[parts[0]+" "+parts[1]] = false
	}
	return r
}

func (r *reporter) report(t *testing.T, doc []byte, list []mapping.Breach) {
	t.Helper()
	for _, b := range list {
		key := b.Promise + " " + shape(b.Place)
		if _, ok := r.known[key]; ok {
			r.known[key] = true
			continue
		}
		if r.seen[key] || len(r.seen) > 40 {
			continue
		}
		r.seen[key] = true
		t.Errorf("%v\nin %.1500s", b, doc)
	}
}

// unmet says which known breaches no document of this run showed: another map
// gives other invented documents, so it may be mended or only not met.
func (r *reporter) unmet(t *testing.T) {
	for key, met := range r.known {
		if !met && r.parts == 3 {
			t.Logf("known.txt: %s was not met", key)
		}
	}
}

var number = regexp.MustCompile(`\[\d+\]|/\d+|row \d+, `)

// shape is a place without the numbers of what repeats.
func shape(place string) string { return number.ReplaceAllString(place, "") }

func promises(t *testing.T, e Entry, rep *reporter) {
	rep.parts++
	c := e.Map.NewContract(e.Format)
	for _, doc := range inputs(t, e) {
		rep.report(t, doc, c.Check(doc))
	}
}

func invented(t *testing.T, e Entry, rep *reporter) {
	rep.parts++
	r := rand.New(rand.NewPCG(1, 2))
	c := e.Map.NewContract(e.Format)
	accepted := 0
	faults := map[string]int{}
	likes := [][]byte{nil}
	if e.HasCases() {
		likes = append(likes, inputs(t, e)...)
	}
	for i := range *samples {
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
		rep.report(t, doc, c.Check(doc))
	}
	if accepted < *samples/8 { // most documents of blank fields lack what a format asks for
		t.Errorf("only %d of %d invented documents are accepted: %v", accepted, *samples, faults)
	}
}

// spoiled holds that a document with a mistake in it breaks nothing, and that
// what stands there shows in no message.
func spoiled(t *testing.T, e Entry, rep *reporter) {
	rep.parts++
	const junk = "Zq7Xw9"
	r := rand.New(rand.NewPCG(3, 4))
	c := e.Map.NewContract(e.Format)
	docs := inputs(t, e)
	for _, like := range docs {
		for range max(1, *samples/len(docs)) {
			doc, err := c.Mutate(r, like, junk)
			if err != nil {
				continue // what cannot be written, such as an element without a name
			}
			rep.report(t, doc, c.Check(doc))
			shows(t, e.Read(doc), junk)
		}
	}
}

// shows fails when a text stands in a message.
func shows(t *testing.T, res mapping.Result, junk string) {
	t.Helper()
	faults, losses := slices.Clone(res.Faults), []mapping.Loss(nil)
	for _, rec := range res.Records {
		faults, losses = append(faults, rec.Faults...), append(losses, rec.Losses...)
	}
	for _, is := range faults {
		if strings.Contains(is.Text+is.Source+is.Expression, junk) {
			t.Errorf("a value shows in the fault of rule %q", is.Rule)
		}
	}
	for _, l := range losses {
		if strings.Contains(l.Text+l.Source, junk) {
			t.Errorf("a value shows in the loss of rule %q", l.Rule)
		}
	}
}

// A wrong is a format with a mistake that a map or an engine could make.
type wrong struct {
	*mapping.Map
	read  func(mapping.Result) mapping.Result
	write func(mapping.Written) mapping.Written
	input func([]byte) []byte
}

func (w wrong) Read(doc []byte) mapping.Result {
	if w.input != nil {
		doc = w.input(doc)
	}
	res := w.Map.Read(doc)
	if w.read != nil {
		res = w.read(res)
	}
	return res
}

func (w wrong) Write(resource []byte) mapping.Written {
	out := w.Map.Write(resource)
	if w.write != nil {
		out = w.write(out)
	}
	return out
}

// TestContractFindsMistakes holds that the suite can fail: each of these
// mistakes is a breach of the promise named.
func TestContractFindsMistakes(t *testing.T) {
	if *only != "" {
		t.Skip("another format was asked for")
	}
	e, _, err := Lookup("ppn-csv")
	if err != nil {
		t.Fatal(err)
	}
	doc := "ppn_reference,force_code,created_datetime,subject_surname,subject_forenames,subject_town,subject_gender,summary\r\nR1,99,02/03/2026 08:00,SAMPLE,Ann,Hartlepool,Female,Lives alone\r\n"
	edit := func(from, to string) func(mapping.Result) mapping.Result {
		return func(res mapping.Result) mapping.Result {
			for i := range res.Records {
				if b := bytes.Replace(res.Records[i].Bundle, []byte(from), []byte(to), 1); len(res.Records[i].Bundle) > 0 {
					res.Records[i].Bundle = b
				}
			}
			return res
		}
	}
	cut := func(from, to string) func(mapping.Written) mapping.Written {
		return func(w mapping.Written) mapping.Written {
			w.Document = strings.Replace(w.Document, from, to, 1)
			return w
		}
	}
	noLosses := func(res mapping.Result) mapping.Result {
		for i := range res.Records {
			res.Records[i].Losses = nil
		}
		return res
	}
	tests := []struct {
		name, promise, doc string
		f                  wrong
	}{
		{"nothing is wrong", "", doc, wrong{}},
		{"everything is dropped", "conserve", doc, wrong{input: func([]byte) []byte {
			return []byte("ppn_reference,force_code,created_datetime,subject_surname\nR1,99,02/03/2026 08:00,SAMPLE\n")
		}}},
		{"one field is dropped silently", "conserve", doc, wrong{input: func(b []byte) []byte { return bytes.Replace(b, []byte("Hartlepool"), nil, 1) }}},
		{"two fields change places", "conserve", doc, wrong{write: cut("SAMPLE,Ann", "Ann,SAMPLE")}},
		{"a value is invented on the way in", "invent", doc, wrong{read: edit(`"family":`, `"text":"invented","family":`)}},
		{"a value is invented on the way out", "invent", doc, wrong{write: cut("Hartlepool,", "Hartlepool,TS1 1AA")}},
		{"a value changes on the way in", "conserve", doc, wrong{read: edit("Hartlepool", "Stockton")}},
		{"residue is not reported", "conserve", strings.Replace(strings.Replace(doc, "summary", "summary,shoe_size", 1), "Lives alone", "Lives alone,41", 1), wrong{read: noLosses}},
		{"the bundle is broken", "strict", doc, wrong{read: edit(`"resourceType":"Bundle",`, `"resourceType":"Bundle","resourceType":"Bundle",`)}},
	}
	for _, tt := range tests {
		tt.f.Map = e.Map
		list := e.Map.NewContract(tt.f).Check([]byte(tt.doc))
		found := slices.ContainsFunc(list, func(b mapping.Breach) bool { return b.Promise == tt.promise })
		if found != (tt.promise != "") || tt.promise == "" && len(list) > 0 {
			t.Errorf("%s: want a breach of %q, got %v", tt.name, tt.promise, list)
		}
	}
}

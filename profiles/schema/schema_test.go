package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles"
	"trellis.example/profiles/schema"
)

// A judge validates documents by our schemas with a library of others. It reads
// them as draft 2019-09, which means the same by every keyword that they use: the
// library takes thirty times as long to compile one of draft 2020-12, which
// TestProfileSchemas does for each.
type judge struct {
	set  *schema.Set
	mu   sync.Mutex
	made map[string]func() (*jsonschema.Schema, error)
}

func newJudge(set *schema.Set) *judge {
	return &judge{set: set, made: map[string]func() (*jsonschema.Schema, error){}}
}

func (j *judge) compiled(name string) (*jsonschema.Schema, error) {
	j.mu.Lock()
	f := j.made[name]
	if f == nil {
		f = sync.OnceValues(func() (*jsonschema.Schema, error) {
			s, ok := j.set.Schema(name)
			if !ok {
				return nil, os.ErrNotExist
			}
			return compile(name, bytes.Replace(s.JSON, []byte("draft/2020-12/"), []byte("draft/2019-09/"), 1))
		})
		j.made[name] = f
	}
	j.mu.Unlock()
	return f()
}

// compile lets nothing be loaded: a schema of ours is whole.
func compile(name string, body []byte) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	id := schema.Address + name + ".json"
	if err := c.AddResource(id, bytes.NewReader(body)); err != nil {
		return nil, err
	}
	return c.Compile(id)
}

// verdict returns nil when the schema accepts the document.
func (j *judge) verdict(name string, doc []byte) error {
	s, err := j.compiled(name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	return s.Validate(v)
}

func newValidator(tb testing.TB) *profiles.Validator {
	tb.Helper()
	v, err := profiles.New()
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// examples calls f with every official example on all processors.
func examples(t *testing.T, f func(i int, name string, body []byte)) {
	t.Helper()
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		dir = "../../build/r4-examples/package"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the official R4 examples are not here: set TRELLIS_R4_EXAMPLES or run make definitions")
	}
	parallel(len(files), func(i int) {
		b, err := os.ReadFile(files[i])
		switch {
		case err != nil:
			t.Error(err)
		case filepath.Base(files[i]) != "package.json":
			f(i, filepath.Base(files[i]), b)
		}
	})
}

// parallel calls f with 0 to n-1 on all processors.
func parallel(n int, f func(i int)) {
	work := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range work {
				f(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

// An example is a document of profiles/examples.
type example struct {
	name, profile string
	r             fhir.Resource
}

// ourExamples reads the examples of our profiles: the folder names the profile.
func ourExamples(tb testing.TB) (out []example) {
	tb.Helper()
	files, err := filepath.Glob("../examples/*/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no examples of our profiles: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		r, err := fhir.Decode(b)
		if err != nil {
			tb.Fatalf("%s: %v", f, err)
		}
		folder := filepath.Base(filepath.Dir(f))
		out = append(out, example{folder + "/" + filepath.Base(f), folder, r})
	}
	return out
}

func ours(v *profiles.Validator) *schema.Set {
	return schema.New(definitions.R4(), v.Structures(), schema.Held(v.Terminology()))
}

func hasError(issues []fhir.Issue) bool { return fhir.Faults(issues) != nil }

// definitional are the types that make up most of the official examples and are
// no part of a care record; one of them in twenty is looked at.
var definitional = []string{"StructureDefinition-", "SearchParameter-", "ValueSet-", "CodeSystem-", "ConceptMap-", "OperationDefinition-", "CompartmentDefinition-", "CapabilityStatement-"}

func isDefinitional(name string) bool {
	return slices.ContainsFunc(definitional, func(p string) bool { return strings.HasPrefix(name, p) })
}

// TestExamplesAccepted checks that no schema refuses an official example that
// our validator accepts, by R4 alone or by our profile of its type.
func TestExamplesAccepted(t *testing.T) {
	v := newValidator(t)
	j := newJudge(ours(v))
	var mu sync.Mutex
	seen := map[string]int{}
	check := func(name string, r fhir.Resource, kind, schema string, o profiles.Options) {
		if hasError(v.Validate(r, o)) {
			return
		}
		err := j.verdict(schema, r.JSON())
		mu.Lock()
		defer mu.Unlock()
		if seen[kind]++; err != nil {
			t.Errorf("%s is accepted by %s, not by its schema %s: %s", name, kind, schema, reasons(err))
		}
	}
	left := 0
	examples(t, func(i int, name string, body []byte) {
		if isDefinitional(name) && i%20 != 0 || len(body) > 200_000 || testing.Short() && i%20 != 0 {
			mu.Lock()
			left++
			mu.Unlock()
			return
		}
		r, err := fhir.Decode(body)
		if err != nil {
			return
		}
		check(name, r, "R4", "r4-"+r.Type(), profiles.Options{BaseOnly: true})
		if _, ok := j.set.Schema(r.Type()); ok {
			check(name, r, "our profile", r.Type(), profiles.Options{})
		}
	})
	t.Logf("%d examples by R4, %d by our profiles; %d left out: definitions but one in twenty, over 200 kB, and under -short all but one in twenty", seen["R4"], seen["our profile"], left)
}

// TestOurExamplesAccepted checks that what our validator accepts by a profile is
// accepted by the profile's schema, and counts what the schema finds of the rest.
func TestOurExamplesAccepted(t *testing.T) {
	v := newValidator(t)
	j := newJudge(ours(v))
	accepted, refused, found := 0, 0, 0
	for _, e := range ourExamples(t) {
		err := j.verdict(e.profile, e.r.JSON())
		if hasError(v.Validate(e.r, profiles.Options{Profiles: []string{profiles.Base + e.profile}})) {
			if refused++; err != nil {
				found++
			}
			continue
		}
		if accepted++; err != nil {
			t.Errorf("%s: accepted, but not by the schema: %s", e.name, reasons(err))
		}
	}
	t.Logf("%d accepted by validator and schema; of %d refused the schema refuses %d", accepted, refused, found)
	if accepted < 50 {
		t.Errorf("only %d valid examples", accepted)
	}
}

// reasons lists where a schema was not met, without values.
func reasons(err error) string {
	ve, ok := err.(*jsonschema.ValidationError) //nolint:errorlint // the library returns it bare
	if !ok {
		return err.Error()
	}
	var out []string
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			out = append(out, e.InstanceLocation+" by "+e.AbsoluteKeywordLocation[strings.IndexByte(e.AbsoluteKeywordLocation, '#')+1:])
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(ve)
	if len(out) > 6 {
		out = out[:6]
	}
	return strings.Join(out, "\n    ")
}

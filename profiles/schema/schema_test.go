package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles"
	"trellis.example/profiles/mutate"
	"trellis.example/profiles/schema"
)

// A judge validates documents by our schemas with a library of others.
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
		f = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile(j.set, name) })
		j.made[name] = f
	}
	j.mu.Unlock()
	return f()
}

// compile lets nothing be loaded: a schema of ours is whole.
func compile(set *schema.Set, name string) (*jsonschema.Schema, error) {
	s, ok := set.Schema(name)
	if !ok {
		return nil, os.ErrNotExist
	}
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	id := schema.Address + name + ".json"
	if err := c.AddResource(id, bytes.NewReader(s.JSON)); err != nil {
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
func examples(t *testing.T, f func(name string, body []byte)) {
	t.Helper()
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		dir = "../../build/r4-examples/package"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the official R4 examples are not here: set TRELLIS_R4_EXAMPLES or run make definitions")
	}
	work := make(chan string)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for name := range work {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Error(err)
					continue
				}
				f(filepath.Base(name), b)
			}
		})
	}
	for i, name := range files {
		if testing.Short() && i%20 != 0 || filepath.Base(name) == "package.json" {
			continue
		}
		work <- name
	}
	close(work)
	wg.Wait()
}

func hasError(issues []fhir.Issue) bool { return fhir.Faults(issues) != nil }

// TestExamplesAccepted checks that no schema refuses an official example that
// our validator accepts.
func TestExamplesAccepted(t *testing.T) {
	if testing.Short() {
		t.Log("one example in twenty, because of -short")
	}
	v, j := newValidator(t), newJudge(schema.New(definitions.R4(), nil, nil))
	var mu sync.Mutex
	accepted, refused := 0, 0
	examples(t, func(name string, body []byte) {
		r, err := fhir.DecodeLimit(body, 64<<20)
		if err != nil || hasError(v.Validate(r, profiles.Options{BaseOnly: true})) {
			return
		}
		err = j.verdict("r4-"+r.Type(), body)
		mu.Lock()
		defer mu.Unlock()
		accepted++
		if err != nil {
			refused++
			if refused <= 10 {
				t.Errorf("%s: %s", name, reasons(err))
			}
		}
	})
	t.Logf("%d examples that the validator accepts, %d refused by their schema", accepted, refused)
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

var _ = mutate.Names

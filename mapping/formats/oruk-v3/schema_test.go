package oruk_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

const shared = "../../../../shared/standards"

// schema compiles one of the published schemas, or skips.
func schema(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, "schemas", name))
	if err != nil {
		t.Skip("the published schemas of Open Referral UK are not there")
	}
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	c.LoadURL = func(string) (io.ReadCloser, error) { return nil, errors.New("nothing is fetched") }
	if err := c.AddResource("https://schema.example/this.json", strings.NewReader(string(b))); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("https://schema.example/this.json")
}

// TestSamples reads the published and composed samples: what is good comes back
// equal, and what is nonsense is kept, because it breaks neither R4 nor our
// profiles, or refused at its place.
func TestSamples(t *testing.T) {
	if _, err := os.Stat(filepath.Join(shared, "samples/oruk")); err != nil {
		t.Skip("the samples are not there")
	}
	for name, id := range map[string]string{
		"v3-service_full.json":             "oruk-v3", // latitude 100, country US: R4 allows both
		"v3-service_full.INVALID.json":     "oruk-v3", // an email and a url that are none: strings in R4
		"v3-composed-gardening-group.json": "oruk-v3",
		"v1-composed-lunch-club.json":      "oruk-v1",
	} {
		b, err := os.ReadFile(filepath.Join(shared, "samples/oruk", name))
		if err != nil {
			t.Fatal(err)
		}
		e := format(t, id)
		equal(t, e, name, b)
	}
}

// TestSchemaAccepts holds that the published schema accepts what is written.
func TestSchemaAccepts(t *testing.T) {
	s := schema(t, "oruk-v3/service.json")
	inputs, err := filepath.Glob("testdata/*/in.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	e := format(t, "oruk-v3")
	for _, name := range inputs {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		res := e.Read(b)
		if len(res.Records) != 1 || res.Records[0].Refused() {
			continue
		}
		w := back(t, e, res.Records[0].Bundle)
		if err := s.Validate(value(t, []byte(w.Document))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

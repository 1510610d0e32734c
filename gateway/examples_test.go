package gateway_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/profiles"
)

// TestOfficialExamplesSurvive stores every official R4 example that the
// validator accepts through the public port and reads it back: byte for byte
// the same, but for id and meta.
func TestOfficialExamplesSurvive(t *testing.T) {
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		t.Skip("TRELLIS_R4_EXAMPLES is not set (make r4-examples): unproven is that the official examples survive the whole gateway")
	}
	if testing.Short() {
		t.Skip("short: the 5,306 official examples are left to the full run")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 5000 {
		t.Fatalf("%d examples in %s: %v", len(files), dir, err)
	}
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, func(c *gateway.Config) { c.Sandbox = true })
	s.partner("kit", "sandbox", "", nil)
	s.token("kit")
	var wg sync.WaitGroup
	work := make(chan string)
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range work {
				s.survives(v, f)
			}
		})
	}
	for _, f := range files {
		work <- f
	}
	close(work)
	wg.Wait()
}

func (s *system) survives(v *profiles.Validator, file string) {
	name := filepath.Base(file)
	sent, err := os.ReadFile(file)
	if err != nil {
		s.t.Error(err)
		return
	}
	r, err := fhir.Decode(bytes.Clone(sent))
	if err != nil || fhir.Faults(v.Validate(r, profiles.Options{BaseOnly: true})) != nil {
		return // not a resource, or listed with its fault in package profiles
	}
	if r.Type() == "AuditEvent" {
		return // written by the gateway alone
	}
	a := s.do("kit", http.MethodPost, "/fhir/"+r.Type(), http.Header{"Content-Type": {fhirType}}, sent)
	if a.StatusCode != http.StatusCreated {
		s.t.Errorf("%s: %s\n%.500s", name, a.Status, a.body)
		return
	}
	_, path, _ := strings.Cut(a.Header.Get("Location"), s.g.PublicURL)
	path, _, _ = strings.Cut(path, "/_history/")
	got := s.do("kit", http.MethodGet, path, nil, nil)
	if got.StatusCode != http.StatusOK || !bytes.Equal(bare(s.t, got.body), bare(s.t, sent)) {
		s.t.Errorf("%s did not survive (%s)", name, got.Status)
	}
}

// bare takes id and meta out of a resource.
func bare(t *testing.T, b []byte) []byte {
	r, err := fhir.Decode(bytes.Clone(b))
	if err != nil {
		t.Error(err)
		return nil
	}
	var out []byte
	for m := range r.Root().All() {
		if k := m.Key(); k != "id" && k != "meta" {
			out = append(append(append(out, k...), ':'), m.Raw()...)
		}
	}
	return out
}

package profiles

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"trellis.example/fhir"
)

func sample(tb testing.TB) (*Validator, []byte) {
	tb.Helper()
	b, err := os.ReadFile("testdata/servicerequest.json")
	if err != nil {
		tb.Fatal(err)
	}
	v, err := New()
	if err != nil {
		tb.Fatal(err)
	}
	return v, b
}

// BenchmarkServiceRequest parses and validates a referral against our profile.
func BenchmarkServiceRequest(b *testing.B) {
	v, doc := sample(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		r, err := fhir.Decode(doc)
		if err != nil {
			b.Fatal(err)
		}
		if issues := v.Validate(r, Options{}); len(issues) > 0 {
			b.Fatal(issues)
		}
	}
}

func BenchmarkDecodeOnly(b *testing.B) {
	_, doc := sample(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhir.Decode(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew measures what a start costs: the tables and our profiles.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations holds the number of allocations of the hot path.
func TestAllocations(t *testing.T) {
	v, doc := sample(t)
	n := testing.AllocsPerRun(100, func() {
		r, err := fhir.Decode(doc)
		if err != nil || len(v.Validate(r, Options{})) > 0 {
			t.Fatal("the sample must be valid")
		}
	})
	if n > 100 {
		t.Errorf("%v allocations to parse and validate, at most 100", n)
	}
}

// plan writes a CarePlan with ten activities, each with its extensions.
func plan(tb testing.TB) fhir.Resource {
	tb.Helper()
	const activity = `{"extension":[{"url":"https://trellis.example/fhir/StructureDefinition/activity-confidence","valueInteger":7}],` +
		`"detail":{"kind":"Appointment","status":"scheduled","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}],"text":"walking group"},` +
		`"goal":[{"reference":"Goal/1"}],"scheduledPeriod":{"start":"2026-11-01"},"performer":[{"reference":"Organization/3"}],"description":"once a week"}},`
	r, err := fhir.Decode([]byte(`{"resourceType":"CarePlan","meta":{"profile":["` + Base + `personalised-plan"]},"status":"active","intent":"plan","title":"My plan",` +
		`"subject":{"reference":"Patient/1"},"period":{"start":"2026-11-01"},"created":"2026-11-01","author":{"reference":"PractitionerRole/1"},"goal":[{"reference":"Goal/1"}],` +
		`"activity":[` + strings.TrimSuffix(strings.Repeat(activity, 10), ",") + `],"note":[{"text":"agreed"}]}`))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// BenchmarkCarePlan validates a plan with ten activities against the profile
// that it claims.
func BenchmarkCarePlan(b *testing.B) {
	v, r := newValidator(b), plan(b)
	b.ReportAllocs()
	for b.Loop() {
		if fhir.Faults(v.Validate(r, Options{})) == nil && b.N == 0 {
			b.Fatal("never")
		}
	}
}

// BenchmarkAll measures what it costs to compile every definition that comes
// with the package, and what memory they keep.
func BenchmarkAll(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var keep *Validator
	for b.Loop() {
		v := newValidator(b)
		if err := v.Compile(); err != nil {
			b.Fatal(err)
		}
		keep = v
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB-kept")
	runtime.KeepAlive(keep)
}

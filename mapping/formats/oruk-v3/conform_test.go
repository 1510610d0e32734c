package oruk_test

import (
	"testing"

	"trellis.example/fhir"
	oruk "trellis.example/mapping/formats/oruk-v3"
)

// FuzzConform holds for any JSON object: what Conform makes of it is stable.
func FuzzConform(f *testing.F) {
	f.Add([]byte(`{"id":"1502","name":5,"schedules":[{"freq":"DAILY"}],"organization":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := fhir.Parse(b, 1<<20); err != nil {
			return
		}
		o, err := oruk.Decode(string(b))
		if err != nil {
			return
		}
		oruk.Conform(o, "x")
		once := string(oruk.Encode(o))
		oruk.Conform(o, "x")
		if again := string(oruk.Encode(o)); again != once {
			t.Errorf("it changes again:\n%s\n%s", once, again)
		}
	})
}

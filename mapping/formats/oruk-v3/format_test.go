package oruk_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

func format(t testing.TB, id string) formats.Entry {
	t.Helper()
	e, ok, err := formats.Lookup(id)
	if err != nil || !ok {
		t.Fatalf("format %s: %t, %v", id, ok, err)
	}
	return e
}

// value decodes JSON with numbers as they are written.
func value(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// one reads a document that is one good record.
func one(t testing.TB, e formats.Entry, doc []byte) mapping.Record {
	t.Helper()
	res := e.Read(doc)
	if len(res.Records) != 1 || res.Records[0].Refused() {
		t.Fatalf("%s: refused: %v %+v", e.Info().ID, res.Faults, res.Records)
	}
	return res.Records[0]
}

// back writes a bundle.
func back(t testing.TB, e formats.Entry, bundle []byte) mapping.Written {
	t.Helper()
	w := e.Write(bundle)
	if fhir.Faults(w.Faults) != nil {
		t.Fatalf("%s: cannot be written back: %v", e.Info().ID, w.Faults)
	}
	return w
}

// TestEqual holds that a service comes back as an equal JSON value.
func TestEqual(t *testing.T) {
	docs := map[string][]string{}
	for _, pattern := range []string{"../oruk-v3/testdata/*/in.json", "../oruk-v1/testdata/*/in.json"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents at %s (%v)", pattern, err)
		}
		id := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(pattern))))
		docs[id] = append(docs[id], found...)
	}
	for id, list := range docs {
		for _, name := range list {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(filepath.Dir(name)) == "faulty" {
				continue // refused
			}
			equal(t, format(t, id), name, b)
		}
	}
}

func equal(t testing.TB, e formats.Entry, name string, doc []byte) {
	t.Helper()
	rec := one(t, e, doc)
	w := back(t, e, rec.Bundle)
	if !reflect.DeepEqual(value(t, []byte(w.Document)), value(t, doc)) {
		t.Errorf("%s: came back as\n%s", name, w.Document)
	}
	if len(w.Losses) > 0 {
		t.Errorf("%s: losses on the way back of what came in: %v", name, w.Losses)
	}
}

// TestFromFHIR writes a service that no directory has known: what has no place
// is listed, what the standard requires is filled and listed, and the rest comes
// back.
func TestFromFHIR(t *testing.T) {
	e := format(t, "oruk-v3")
	w := back(t, e, []byte(`{"resourceType":"HealthcareService","id":"x1","active":false,"name":"Walks","comment":"Slow ones.",
		"type":[{"coding":[{"system":"https://terms.example/kinds","code":"walk","display":"Walk"}]}],"category":[{"coding":[{"system":"https://terms.example/groups","code":"out"}],"text":"Out of doors"}],
		"telecom":[{"system":"phone","value":"01632 960001"}],"availableTime":[{"daysOfWeek":["mon","wed"],"availableStartTime":"10:00:00","availableEndTime":"11:30:00"}],
		"specialty":[{"text":"x"}],"referralMethod":[{"text":"x"}],"appointmentRequired":true,"photo":{"url":"https://walks.example/p.png"}}`))
	want := map[string]bool{"HealthcareService.specialty[0].text": true, "HealthcareService.referralMethod[0].text": true, "HealthcareService.appointmentRequired": true, "HealthcareService.photo.url": true}
	for _, l := range w.Losses {
		if l.Rule != "default" && !want[l.Source] {
			t.Errorf("an unexpected loss: %+v", l)
		}
		delete(want, l.Source)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	again := one(t, e, []byte(w.Document))
	for _, part := range []string{`"active":false`, `"system":"https://terms.example/kinds","code":"walk","display":"Walk"`, `"code":"out"`, `"text":"Out of doors"`, `"daysOfWeek":["mon","wed"]`, `"availableEndTime":"11:30:00"`, `"value":"01632 960001"`} {
		if !bytes.Contains(again.Bundle, []byte(part)) {
			t.Errorf("%s does not come back:\n%s", part, again.Bundle)
		}
	}
}

// TestChanged: where the resource has since said something else it wins, and what
// the directory said beyond FHIR stays elsewhere.
func TestChanged(t *testing.T) {
	e := format(t, "oruk-v3")
	rec := one(t, e, []byte(`{"id":"1502","name":"Walks ","status":"active","extra":{"a":null},"schedules":[{"id":"s","freq":"WEEKLY","byday":"MO","opens_at":"10:00","notes":"n"},{"id":"m","freq":"MONTHLY","byday":"1MO"}]}`))
	edited := bytes.Replace(bytes.Replace(rec.Bundle, []byte(`"name":"Walks"`), []byte(`"name":"Strolls"`), 1), []byte(`10:00:00`), []byte(`11:00:00`), 1)
	w := back(t, e, edited)
	want := value(t, []byte(`{"id":"1502","name":"Strolls","status":"active","extra":{"a":null},"schedules":[{"id":"s","freq":"WEEKLY","byday":"MO","opens_at":"11:00","notes":"n"},{"id":"m","freq":"MONTHLY","byday":"1MO"}]}`))
	if !reflect.DeepEqual(value(t, []byte(w.Document)), want) {
		t.Errorf("got %s", w.Document)
	}
	if len(w.Losses) == 0 {
		t.Error("that the directory's own spelling is gone is not reported")
	}
}

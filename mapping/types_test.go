package mapping

import (
	"testing"
	"time"

	"trellis.example/fhir"
)

// TestTypes converts values in both directions. An empty want means a fault.
func TestTypes(t *testing.T) {
	tests := []struct {
		typ, in, want, back string
	}{
		{"text", "a\tb\n\"c\"", `"a\tb\n\"c\""`, "a\tb\n\"c\""},
		{"text", "a\x01", "", ""},
		{"code", "en-GB", `"en-GB"`, "en-GB"},
		{"code", "a  b", "", ""},
		{"boolean", "Yes", "true", "true"},
		{"boolean", "0", "false", "false"},
		{"boolean", "maybe", "", ""},
		{"integer", "-12", "-12", "-12"},
		{"integer", "012", "", ""},
		{"integer", "-0", "", ""},
		{"decimal", "4.50", "4.50", "4.50"},
		{"decimal", "1e3", "", ""},
		{"decimal", ".5", "", ""},
		{"date", "1990", `"1990"`, "1990"},
		{"date", "1990-02-30", "", ""},
		{"date", "01/02/1990", "", ""},
		{"ukdate", "29/02/2024", `"2024-02-29"`, "29/02/2024"},
		{"ukdate", "29/02/2023", "", ""},
		{"ukdate", "1/2/1990", "", ""},
		{"ukdate", "02/1990", "", ""},
		{"ukdatetime", "01/07/2026 09:05", `"2026-07-01T09:05:00+01:00"`, "01/07/2026 09:05"},
		{"ukdatetime", "01/01/2026 09:05:07", `"2026-01-01T09:05:07+00:00"`, "01/01/2026 09:05:07"},
		{"ukdatetime", "29/03/2026 01:30", "", ""}, // the clocks go forward
		{"ukdatetime", "29/03/2026 02:00", `"2026-03-29T02:00:00+01:00"`, "29/03/2026 02:00"},
		{"ukdatetime", "25/10/2026 01:30", "", ""}, // the clocks go back
		{"ukdatetime", "25/10/2026 01:30+01:00", `"2026-10-25T01:30:00+01:00"`, "25/10/2026 01:30+01:00"},
		{"ukdatetime", "25/10/2026 01:30Z", `"2026-10-25T01:30:00+00:00"`, "25/10/2026 01:30+00:00"},
		{"ukdatetime", "25/10/2026 00:59", `"2026-10-25T00:59:00+01:00"`, "25/10/2026 00:59"},
		{"ukdatetime", "25/10/2026 02:00", `"2026-10-25T02:00:00+00:00"`, "25/10/2026 02:00"},
		{"ukdatetime", "01/07/2026 09:05+05:30", `"2026-07-01T09:05:00+05:30"`, "01/07/2026 09:05+05:30"},
		{"ukdatetime", "01/07/2026", "", ""},
		{"ukdatetime", "01/07/2026 9:05", "", ""},
		{"datetime", "2026-07-01T09:05:00.123Z", `"2026-07-01T09:05:00.123Z"`, "2026-07-01T09:05:00.123Z"},
		{"datetime", "2026-07-01T09:05:00", "", ""},
		{"datetime", "2026-07", `"2026-07"`, "2026-07"},
		{"ukdateorpartial", "29/02/2024", `"2024-02-29"`, "29/02/2024"},
		{"ukdateorpartial", "02/2024", `"2024-02"`, "02/2024"},
		{"ukdateorpartial", "2024", `"2024"`, "2024"},
		{"ukdateorpartial", "2024-02", "", ""},
		{"ukdateorpartial", "13/2024", "", ""},
		{"instant", "2026-07-01T09:05:00.1234567Z", `"2026-07-01T09:05:00.1234567Z"`, "2026-07-01T09:05:00.1234567Z"},
		{"instant", "2026-07-01T09:05:00", "", ""},
		{"instant", "2026-07-01", "", ""},
		{"datepart", "2026-07-01T09:05:00Z", `"2026-07-01"`, "2026-07-01"},
		{"datepart", "2026-07", `"2026-07"`, "2026-07"},
		{"datepart", "01/07/2026", "", ""},
		{"time", "09:05", `"09:05:00"`, "09:05"},
		{"time", "09:05:30", `"09:05:30"`, "09:05:30"},
		{"time", "9:05", "", ""},
		{"time", "24:00", "", ""},
		{"dateoruk", "2026-07", `"2026-07"`, "2026-07"},
		{"dateoruk", "01/07/2026", `"2026-07-01"`, "2026-07-01"},
		{"dateoruk", "07/2026", "", ""},
		{"datetimeoruk", "01/07/2026 09:05", `"2026-07-01T09:05:00+01:00"`, "2026-07-01T09:05:00+01:00"},
		{"datetimeoruk", "2026-07-01T09:05:00Z", `"2026-07-01T09:05:00Z"`, "2026-07-01T09:05:00Z"},
		{"datetimeoruk", "25/10/2026 01:30", "", ""}, // occurs twice
		{"ods", "a8Ko1", `"A8KO1"`, "A8KO1"},
		{"ods", "A8 KO1", "", ""},
		{"ods", "A8", "", ""},
		{"snomed", "871731000000106", `"871731000000106"`, "871731000000106"},
		{"snomed", "871731000000107", "", ""},
		{"hl7date", "19481102", `"1948-11-02"`, "19481102"},
		{"hl7date", "1948", `"1948"`, "1948"},
		{"hl7date", "19481302", "", ""},
		{"hl7ts", "20260304101530+0000", `"2026-03-04T10:15:30+00:00"`, "20260304101530+0000"},
		{"hl7ts", "202607040915", `"2026-07-04T09:15:00+01:00"`, "20260704091500+0100"},
		{"hl7ts", "20260304101530.1230-0500", `"2026-03-04T10:15:30.1230-05:00"`, "20260304101530.1230-0500"},
		{"hl7ts", "202603", `"2026-03"`, "202603"},
		{"hl7ts", "202510260130", "", ""}, // occurs twice
		{"hl7ts", "2026030410", "", ""},
		{"nhsnumber", "999 100-1018", `"9991001018"`, "9991001018"},
		{"nhsnumber", "9991001019", "", ""},
		{"postcode", "ts23 3et", `"TS23 3ET"`, "TS23 3ET"},
		{"postcode", "TS233ET", `"TS23 3ET"`, "TS23 3ET"},
		{"postcode", "TS2", "", ""},
		{"phone", "+44 (0)1632 960123 ext 5", `"+44 (0)1632 960123 ext 5"`, "+44 (0)1632 960123 ext 5"},
		{"phone", "ex-directory", "", ""},
		{"email", "a.b@example.com", `"a.b@example.com"`, "a.b@example.com"},
		{"email", "a b@example.com", "", ""},
		{"digits", "0012", `"0012"`, "0012"},
		{"digits", "12a", "", ""},
		{"uri", "urn:x:1", `"urn:x:1"`, "urn:x:1"},
		{"uri", "not a uri", "", ""},
	}
	for _, tt := range tests {
		conv, err := typeSpecs()[tt.typ](&rule{})
		if err != nil {
			t.Fatal(err)
		}
		got, v := conv.in(nil, tt.in)
		if string(got) != tt.want || (v.fault != nil) != (tt.want == "") {
			t.Errorf("%s(%q) = %s, %v; want %s", tt.typ, tt.in, got, v.fault, tt.want)
			continue
		}
		if tt.want == "" {
			continue
		}
		tree, err := fhir.Parse([]byte(tt.want), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if back, ok := conv.out(tree.Root()); !ok || back != tt.back {
			t.Errorf("%s: back from %s is %q, %t; want %q", tt.typ, tt.want, back, ok, tt.back)
		}
	}
}

// TestPrefixed puts a text before the partner's and takes it off again.
func TestPrefixed(t *testing.T) {
	const search = "ServiceRequest?identifier=https://example.org/ref|"
	tests := []struct{ prefix, in, want string }{
		{"urn:x:", "a b?", "urn:x:a b?"},
		{search, "R-1_2.3", search + "R-1_2.3"},
		{search, "a&status=active", search + "a%26status%3Dactive"},
		{search, `a,b|c\d$ é`, search + `a%5C%2Cb%5C%7Cc%5C%5Cd%5C%24%20%C3%A9`},
	}
	for _, tt := range tests {
		conv, err := prefixedType(&rule{constText: tt.prefix})
		if err != nil {
			t.Fatal(err)
		}
		got, v := conv.in(nil, tt.in)
		tree, err := fhir.Parse(got, 1000)
		if err != nil || v.fault != nil {
			t.Fatal(err, v)
		}
		if back, ok := conv.out(tree.Root()); tree.Root().Text() != tt.want || !ok || back != tt.in {
			t.Errorf("%q: %s and back %q, %t", tt.in, got, back, ok)
		}
	}
}

// FuzzTypes holds for every type and text: what is written reads back to the
// same FHIR value.
func FuzzTypes(f *testing.F) {
	for _, s := range []string{"25/10/2026 01:30+01:00", "20260304101530.1230-0500", "999 100 1018", "TS1 1AA", "a@b", "4.50", "2026-07"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, spec := range typeSpecs() {
			if name == "headed" || name == "coding" || name == "join" {
				continue
			}
			conv, err := spec(&rule{})
			if err != nil {
				t.Fatal(err)
			}
			got, v := conv.in(nil, s)
			if v.fault != nil || s == "" {
				continue
			}
			tree, err := fhir.Parse(got, 1<<20)
			if err != nil {
				t.Fatalf("%s wrote what is not JSON: %v", name, err)
			}
			back, ok := conv.out(tree.Root())
			if !ok {
				continue // no form in the partner's format: reported as a loss
			}
			again, v := conv.in(nil, back)
			if v.fault != nil || string(again) != string(got) && !sameInstant(again, got) {
				t.Errorf("%s: %q gives %s, and %q gives %s", name, s, got, back, again)
			}
		}
	})
}

// sameInstant reports whether two JSON strings are one time, in whatever
// offset.
func sameInstant(a, b []byte) bool {
	x, errA := time.Parse(`"`+time.RFC3339Nano+`"`, string(a))
	y, errB := time.Parse(`"`+time.RFC3339Nano+`"`, string(b))
	return errA == nil && errB == nil && x.Equal(y)
}

package json

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// leaves reads a document into "place=text", rows apart by "--".
func leaves(in string) (out []string, issues []fhir.Issue) {
	issues = Syntax{}.Read(strings.NewReader(in), codec.Shape{}, func(d *codec.Doc, faults []fhir.Issue) bool {
		out = append(out, "--")
		for id := range d.Len() {
			if n := codec.ID(id); d.Text(n) != "" {
				out = append(out, Syntax{}.Place(d, n, nil)+"="+d.Text(n))
			}
		}
		for _, is := range faults {
			out = append(out, "!"+is.Source)
		}
		return true
	})
	return out, issues
}

func TestRead(t *testing.T) {
	tests := []struct {
		in   string
		want []string
		bad  bool
	}{
		{in: `{"a":"x","b":{"c":1.50,"d":[true,{"e":"y"}]},"n":null,"z":[]}`, want: []string{"--", "/a=x", "/b/c=1.50", "/b/d/0=true", "/b/d/1/e=y"}},
		{in: `{"a":[["x","y"],["z"]]}`, want: []string{"--", "/a/0/0=x", "/a/0/1=y", "/a/1/0=z"}},
		{in: `{"Mrs A Person":"x"}`, want: []string{"--", "/?=x"}},
		{in: `[{"a":"1"},3,{"a":"2"}]`, want: []string{"--", "row 1, /a=1", "--", "!row 2", "--", "row 3, /a=2"}},
		{in: `"x"`, bad: true},
		{in: `{"a":1,"a":2}`, bad: true},
		{in: `{"a":`, bad: true},
		{in: ``, bad: true},
	}
	for _, tt := range tests {
		got, issues := leaves(tt.in)
		if !slices.Equal(got, tt.want) || (fhir.Faults(issues) != nil) != tt.bad {
			t.Errorf("%s: %q, %v; want %q", tt.in, got, issues, tt.want)
		}
	}
}

func TestPath(t *testing.T) {
	tests := map[string]string{
		"/a":       "[{a false}]",
		"/a/b":     "[{a false} {b false}]",
		"/a/-/b":   "[{a true} {b false}]",
		"/a/-/-":   "[{a true} {- true}]",
		"/a~1b/~0": "[{a/b false} {~ false}]",
	}
	for in, want := range tests {
		got, err := Syntax{}.Path(in)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("Path(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "/", "a"} {
		if _, err := (Syntax{}).Path(bad); err == nil {
			t.Errorf("Path(%q) is accepted", bad)
		}
	}
}

// TestWrite writes what was read.
func TestWrite(t *testing.T) {
	for _, in := range []string{
		`{}`,
		`{"a":"x","b":{"c":1.50,"d":[true,{"e":"y"}]}}`,
		`{"a":[["x","y"],["z"]],"b":["only"]}`,
	} {
		Syntax{}.Read(strings.NewReader(in), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
			if out, err := (Syntax{}).Write(d); err != nil || strings.TrimSpace(string(out)) != in {
				t.Errorf("%s became %s, %v", in, out, err)
			}
			return true
		})
	}
}

// FuzzRead holds for any bytes: no panic, and what is written is strict JSON
// with the same leaves.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"a":"x","b":{"c":1.50,"d":[true,{"e":"y"},[]]},"-":{"-":[1]}}`))
	f.Add([]byte(`[{"a":1},{}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		Syntax{}.Read(bytes.NewReader(in), codec.Shape{}, func(d *codec.Doc, faults []fhir.Issue) bool {
			if len(faults) > 0 {
				return true
			}
			out, err := Syntax{}.Write(d)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fhir.Parse(out, 2*MaxDocument); err != nil {
				t.Errorf("%q became %q: %v", in, out, err)
			}
			return true
		})
	})
}

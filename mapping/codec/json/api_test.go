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

// resolved reads a JSON:API document into "path=text @ place".
func resolved(in string) (out []string, issues []fhir.Issue) {
	var more []fhir.Issue
	issues = API{}.Read(strings.NewReader(in), codec.Shape{}, func(d *codec.Doc, faults []fhir.Issue) bool {
		for id := range d.Len() {
			if n := codec.ID(id); d.Text(n) != "" {
				out = append(out, string(appendPointer(nil, d, n))+"="+d.Text(n)+" @"+API{}.Place(d, n, nil))
			}
		}
		more = faults
		for _, f := range faults {
			out = append(out, "!"+f.Source)
		}
		return true
	})
	return out, append(issues, more...)
}

func TestAPI(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		fault    string
	}{
		{"by type and id, not position", `{"data":{"type":"t","id":"1","attributes":{"a":true},"relationships":{"p":{"data":[{"type":"person","id":"2"}]}}},
			"included":[{"type":"place","id":"2","attributes":{"x":"wrong"}},{"type":"person","id":"2","attributes":{"x":"right"}}]}`,
			[]string{"/data/type=t @/data/type", "/data/id=1 @/data/id", "/data/attributes/a=true @/data/attributes/a",
				"/data/relationships/p/0/attributes/x=right @/included/1/attributes/x",
				"/included/0/type=place @/included/0/type", "/included/0/id=2 @/included/0/id", "/included/0/attributes/x=wrong @/included/0/attributes/x"}, ""},
		{"to one, and shared", `{"data":{"type":"t","relationships":{"p":{"data":{"type":"q","id":"1"}},"r":{"data":{"type":"q","lid":"1"}},"n":{"data":null}}},"included":[{"type":"q","id":"1","attributes":{"x":"y"}}]}`,
			[]string{"/data/type=t @/data/type", "/data/relationships/p/attributes/x=y @/included/0/attributes/x",
				"/data/relationships/r/attributes/x=y @/included/0/attributes/x"}, ""},
		{"a circle ends", `{"data":{"type":"t","relationships":{"p":{"data":[{"type":"q","id":"1"}]}}},"included":[{"type":"q","id":"1","relationships":{"k":{"data":[{"type":"q","id":"1"}]}}}]}`,
			[]string{"/data/type=t @/data/type", "/data/relationships/p/0/relationships/k/0/type=q @/included/0/relationships/k/0/type", "/data/relationships/p/0/relationships/k/0/id=1 @/included/0/relationships/k/0/id"}, ""},
		{"named but not there", `{"data":{"type":"t","relationships":{"p":{"data":[{"type":"q","id":"1"}]}}}}`,
			[]string{"/data/type=t @/data/type", "/data/relationships/p/0/type=q @/data/relationships/p/0/type", "/data/relationships/p/0/id=1 @/data/relationships/p/0/id", "!/data/relationships/p/data/0"}, "included holds no"},
		{"what else there is", `{"jsonapi":{"version":"1.1"},"data":{"type":"t","relationships":{"p":{"links":{"self":"u"}}}}}`,
			[]string{"/jsonapi/version=1.1 @/jsonapi/version", "/data/type=t @/data/type", "/data/relationships/p/links/self=u @/data/relationships/p/links/self"}, ""},
		{"no data", `{}`, nil, "/data"},
		{"many", `{"data":[]}`, nil, "/data"},
		{"included without id", `{"data":{},"included":[{"type":"x"}]}`, nil, "/included/0"},
		{"included twice", `{"data":{},"included":[{"type":"x","id":"1"},{"type":"x","id":"1"}]}`, nil, "/included/1"},
		{"included is no list", `{"data":{},"included":{}}`, nil, "/included"},
		{"relationship is no object", `{"data":{"relationships":{"p":[]}}}`, nil, "/data/relationships/p"},
		{"not JSON", `{"data":`, nil, "invalid"},
	}
	for _, tt := range tests {
		got, issues := resolved(tt.in)
		if text := fmt.Sprint(issues); !slices.Equal(got, tt.want) || !strings.Contains(text, tt.fault) || (tt.fault == "") != (len(issues) == 0) {
			t.Errorf("%s:\n%q, %s\nwant %q, %q", tt.name, got, text, tt.want, tt.fault)
		}
	}
}

// TestAPIGrows: resources that name each other cannot make a tree without end.
func TestAPIGrows(t *testing.T) {
	var included []string
	for i := range 40 {
		var all []string
		for j := range 40 {
			all = append(all, fmt.Sprintf(`{"type":"q","id":"%d"}`, j))
		}
		included = append(included, fmt.Sprintf(`{"type":"q","id":"%d","relationships":{"k":{"data":[%s]}}}`, i, strings.Join(all, ",")))
	}
	got, issues := resolved(`{"data":{"relationships":{"p":{"data":[{"type":"q","id":"1"}]}}},"included":[` + strings.Join(included, ",") + `]}`)
	if len(got) > 0 || !strings.Contains(fmt.Sprint(issues), "more than 1000") {
		t.Errorf("%d leaves, %v", len(got), issues)
	}
}

// TestAPIWrite: equal resources are included once, and what is written reads
// the same.
func TestAPIWrite(t *testing.T) {
	const in = `{"data":{"type":"t","id":"1","attributes":{"n":1.50},"relationships":{"a":{"data":[{"type":"q","id":"1"},{"type":"q","id":"2"}]},"b":{"data":{"type":"q","id":"3"}}}},
		"included":[{"type":"q","id":"1","attributes":{"x":"y"}},{"type":"q","id":"2","attributes":{"x":"z"}},{"type":"q","id":"3","attributes":{"x":"y"}}]}`
	API{}.Read(strings.NewReader(in), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
		out, err := API{}.Write(d)
		if err != nil || bytes.Count(out, []byte(`"attributes":{"x"`)) != 3 {
			t.Errorf("%s, %v", out, err)
		}
		API{}.Read(bytes.NewReader(out), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
			again, err := API{}.Write(d)
			if !bytes.Equal(again, out) || err != nil {
				t.Errorf("%s became %s, %v", out, again, err)
			}
			return true
		})
		return true
	})
}

// FuzzAPI holds for any bytes: no panic, and what was read is strict JSON when
// it is written, and reads the same again.
func FuzzAPI(f *testing.F) {
	f.Add([]byte(`{"data":{"type":"t","id":"1","attributes":{"n":1.50},"relationships":{"a":{"data":[{"type":"q","id":"1"}]},"b":{"data":{"type":"q","id":"1"}}}},"included":[{"type":"q","id":"1","attributes":{"x":"y"}},{"type":"z","id":"1"}],"meta":{"a":[1,[2]]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		API{}.Read(bytes.NewReader(in), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
			out, err := API{}.Write(d)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fhir.Parse(out, 1<<26); err != nil {
				t.Errorf("%q became %q: %v", in, out, err)
			}
			return true
		})
	})
}

package patch

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
)

func TestJSON(t *testing.T) {
	tests := []struct{ name, doc, ops, want string }{
		{"nothing", `{"a":1.50}`, `[]`, `{"a":1.50}`},
		{"add a member", `{ "a" : 1.50 }`, `[{"op":"add","path":"/b","value":[1.0,2]}]`, `{ "a" : 1.50, "b":[1.0,2] }`},
		{"add to an empty object", `{}`, `[{"op":"add","path":"/b","value":{}}]`, `{"b":{}}`},
		{"add replaces a member", `{"a":1,"b":2.0}`, `[{"op":"add","path":"/a","value":3}]`, `{"a":3,"b":2.0}`},
		{"add in front", `{"a":[1,2]}`, `[{"op":"add","path":"/a/0","value":0}]`, `{"a":[0,1,2]}`},
		{"add at the end", `{"a":[ 1, 2 ]}`, `[{"op":"add","path":"/a/2","value":3}]`, `{"a":[ 1, 2, 3 ]}`},
		{"append", `{"a":[]}`, `[{"op":"add","path":"/a/-","value":"x"},{"op":"add","path":"/a/-","value":"y"}]`, `{"a":["x","y"]}`},
		{"add the whole", `{"a":1}`, `[{"op":"add","path":"","value":{"b":2}}]`, `{"b":2}`},
		{"null is a value", `{"a":1}`, `[{"op":"replace","path":"/a","value":null}]`, `{"a":null}`},
		{"remove the first", `{"a":1,"b":2,"c":3}`, `[{"op":"remove","path":"/a"}]`, `{"b":2,"c":3}`},
		{"remove the last", `{"a":1,"b":2,"c":3}`, `[{"op":"remove","path":"/c"}]`, `{"a":1,"b":2}`},
		{"remove the only", `{"a":[{"x":1}]}`, `[{"op":"remove","path":"/a/0/x"}]`, `{"a":[{}]}`},
		{"remove an element", `{"a":["x,]","y","z"]}`, `[{"op":"remove","path":"/a/1"}]`, `{"a":["x,]","z"]}`},
		{"replace", "{\n \"a\": {\"b\": 1.10},\n \"c\": 2e0\n}", `[{"op":"replace","path":"/a/b","value":1.20}]`, "{\n \"a\": {\"b\": 1.20},\n \"c\": 2e0\n}"},
		{"names with ~ and /", `{"a/b":1,"m~n":2,"":3}`, `[{"op":"replace","path":"/a~1b","value":4},{"op":"remove","path":"/m~0n"},{"op":"test","path":"/","value":3}]`, `{"a/b":4,"":3}`},
		{"~01 is ~1", `{"~1":1}`, `[{"op":"remove","path":"/~01"}]`, `{}`},
		{"escaped name", `{"k\u0065y":1,"b":2}`, `[{"op":"remove","path":"/key"}]`, `{"b":2}`},
		{"move", `{"a":{"x":1.0},"b":{}}`, `[{"op":"move","from":"/a/x","path":"/b/y"}]`, `{"a":{},"b":{"y":1.0}}`},
		{"move within a list", `{"a":[0,1,2]}`, `[{"op":"move","from":"/a/0","path":"/a/2"}]`, `{"a":[1,2,0]}`},
		{"move onto itself", `{"a":[0]}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":[0]}`},
		{"copy", `{"a":[{"x":1.0}]}`, `[{"op":"copy","from":"/a/0","path":"/a/-"}]`, `{"a":[{"x":1.0},{"x":1.0}]}`},
		{"test", `{"a":{"x":1.0,"y":[true,null,"q\u0041"]}}`, `[{"op":"test","path":"/a","value":{"y":[true,null,"qA"],"x":10e-1}}]`, `{"a":{"x":1.0,"y":[true,null,"q\u0041"]}}`},
		{"unknown members", `{"a":1}`, `[{"op":"remove","path":"/a","why":"x"}]`, `{}`},
	}
	for _, tt := range tests {
		got, err := JSON([]byte(tt.doc), []byte(tt.ops))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestJSONRefuses(t *testing.T) {
	tests := []struct {
		name, ops string
		code      fhir.Code
		source    string
	}{
		{"not an array", `{"op":"add"}`, fhir.Structure, ""},
		{"not JSON", `[`, fhir.Invalid, "line 1, column 2"},
		{"no object", `[7]`, fhir.Structure, "/0"},
		{"unknown operation", `[{"op":"merge","path":"/a"}]`, fhir.Invalid, "/0/op"},
		{"no path", `[{"op":"remove"}]`, fhir.Required, "/0/path"},
		{"no from", `[{"op":"copy","path":"/a"}]`, fhir.Required, "/0/from"},
		{"no value", `[{"op":"add","path":"/a"}]`, fhir.Required, "/0/value"},
		{"no pointer", `[{"op":"remove","path":"a"}]`, fhir.Invalid, "/0/path"},
		{"bad escape", `[{"op":"remove","path":"/a~2"}]`, fhir.Invalid, "/0/path"},
		{"lone ~", `[{"op":"remove","path":"/~"}]`, fhir.Invalid, "/0/path"},
		{"absent", `[{"op":"test","path":"/a/0","value":1},{"op":"remove","path":"/secret"}]`, fhir.Processing, "/1"},
		{"absent owner", `[{"op":"add","path":"/secret/x","value":1}]`, fhir.Processing, "/0"},
		{"a string has no members", `[{"op":"add","path":"/s/x","value":1}]`, fhir.Processing, "/0"},
		{"negative index", `[{"op":"remove","path":"/a/-1"}]`, fhir.Processing, "/0"},
		{"leading zero", `[{"op":"remove","path":"/a/00"}]`, fhir.Processing, "/0"},
		{"end of list", `[{"op":"remove","path":"/a/-"}]`, fhir.Processing, "/0"},
		{"beyond the end", `[{"op":"add","path":"/a/3","value":1}]`, fhir.Processing, "/0"},
		{"into itself", `[{"op":"move","from":"/a","path":"/a/0"}]`, fhir.Processing, "/0"},
		{"remove the whole", `[{"op":"remove","path":""}]`, fhir.Processing, "/0"},
		{"test fails", `[{"op":"test","path":"/s","value":"other"}]`, fhir.Processing, "/0"},
		{"test of another kind", `[{"op":"test","path":"/a/0","value":"1"}]`, fhir.Processing, "/0"},
		{"too many", `[` + strings.Repeat(`{"op":"remove","path":"/a"},`, MaxOperations) + `{"op":"remove","path":"/a"}]`, fhir.TooLong, ""},
		{"doubling", `[` + strings.Repeat(`{"op":"copy","from":"/a","path":"/a/-"},`, 40) + `{"op":"remove","path":"/a"}]`, fhir.TooLong, "/18"},
		{"nesting", `[{"op":"add","path":"/s","value":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `},{"op":"copy","from":"/s","path":"/a/0"},{"op":"copy","from":"/a","path":"/a/0"}]`, fhir.Invalid, "/2"},
	}
	doc := []byte(`{"a":[1,2],"s":"hidden-value"}`)
	for _, tt := range tests {
		_, err := JSON(doc, []byte(tt.ops))
		is := fhir.AsError(err).Issues[0]
		if err == nil || is.Code != tt.code || is.Source != tt.source {
			t.Errorf("%s: got %v at %q (%s), want %s at %q", tt.name, err, is.Source, is.Code, tt.code, tt.source)
			continue
		}
		for _, value := range []string{"hidden-value", "secret", "other", "merge"} {
			if strings.Contains(err.Error()+is.Source, value) {
				t.Errorf("%s: the fault shows a value: %v", tt.name, err)
			}
		}
	}
}

// TestAllFaults: a patch that cannot be read is reported whole, as 400.
func TestAllFaults(t *testing.T) {
	_, err := JSON([]byte(`{}`), []byte(`[{"op":"x"},{"op":"add","path":"/a"},{"op":"move","path":"/a"}]`))
	if e := fhir.AsError(err); len(e.Issues) != 4 || e.HTTPStatus() != 400 {
		t.Errorf("got %d issues, status %d: %v", len(e.Issues), e.HTTPStatus(), err)
	}
}

// TestWork: many operations on a large document are refused rather than
// served slowly.
func TestWork(t *testing.T) {
	doc := []byte(`{"a":"` + strings.Repeat("x", 3<<20) + `","b":1}`)
	op := `{"op":"replace","path":"/b","value":2}`
	few := "[" + strings.Repeat(op+",", 3) + op + "]"
	if _, err := JSON(doc, []byte(few)); err != nil {
		t.Errorf("few: %v", err)
	}
	many := "[" + strings.Repeat(op+",", 200) + op + "]"
	_, err := JSON(doc, []byte(many))
	if err == nil || fhir.AsError(err).Issues[0].Code != fhir.TooCostly {
		t.Errorf("many: %v", err)
	}
}

func TestCanonical(t *testing.T) {
	tests := []struct {
		a, b  string
		equal bool
	}{
		{"1", "1.00", true}, {"10", "1e1", true}, {"0.10", "1E-1", true}, {"-0", "0", true}, {"0e99", "0.0", true},
		{"1", "-1", false}, {"1", "10", false}, {"1.01", "1.1", false}, {"1e999999999", "1e999999998", false},
	}
	for _, tt := range tests {
		if got := canonical(tt.a) == canonical(tt.b); got != tt.equal {
			t.Errorf("%s and %s: got %t", tt.a, tt.b, got)
		}
	}
}

// FuzzJSON: no panic, only our error type, a result that can be read, and the
// same result for the same patch.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.0],"b":{"c":"x"}}`), []byte(`[{"op":"add","path":"/a/-","value":{}},{"op":"move","from":"/b/c","path":"/a/0"},{"op":"copy","from":"/a","path":"/b/d"}]`))
	f.Add([]byte(` { "a" : [ ] } `), []byte(`[{"op":"remove","path":"/a"},{"op":"test","path":"","value":{}}]`))
	f.Fuzz(func(t *testing.T, doc, ops []byte) {
		out, err := JSON(bytes.Clone(doc), ops)
		if err != nil {
			wantFault(t, err)
			return
		}
		if _, err := fhir.Parse(out, fhir.MaxResource); err != nil {
			t.Errorf("the result cannot be read: %v\n%s", err, out)
		}
		if again, err := JSON(doc, ops); err != nil || !bytes.Equal(again, out) {
			t.Errorf("another result: %v\n%s\n%s", err, out, again)
		}
	})
}

func wantFault(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*fhir.Error](err)
	if !ok {
		t.Fatalf("the error is %T", err)
	}
	if e.HTTPStatus() >= 500 {
		t.Errorf("status %d: %v", e.HTTPStatus(), err)
	}
}

func BenchmarkJSON(b *testing.B) {
	doc := fmt.Appendf(nil, `{"resourceType":"ServiceRequest","status":"active","note":[{"text":"%s"}]}`, strings.Repeat("note ", 600))
	ops := []byte(`[{"op":"test","path":"/status","value":"active"},{"op":"replace","path":"/status","value":"revoked"}]`)
	for b.Loop() {
		if _, err := JSON(doc, ops); err != nil {
			b.Fatal(err)
		}
	}
}

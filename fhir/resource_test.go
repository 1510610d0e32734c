package fhir

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	at := time.Date(2026, 3, 4, 10, 15, 30, 0, time.UTC)
	const meta = `"meta":{"versionId":"2","lastUpdated":"2026-03-04T10:15:30.000Z"}`
	tests := []struct{ in, want string }{
		{`{"resourceType":"Patient"}`, `{"resourceType":"Patient","id":"x",` + meta + `}`},
		{`{"id":"a","resourceType":"Patient"}`, `{"id":"x","resourceType":"Patient",` + meta + `}`},
		{`{"resourceType":"Patient", "id" : "a" , "active":true}`, `{"resourceType":"Patient", "id" : "x",` + meta + ` , "active":true}`},
		{`{"resourceType":"Patient","meta":{"profile":["p"]}}`, `{"resourceType":"Patient","id":"x","meta":{"versionId":"2","lastUpdated":"2026-03-04T10:15:30.000Z","profile":["p"]}}`},
		{`{"meta":{"lastUpdated":"1","versionId":"9"},"resourceType":"Patient","v":4.50}`, `{"meta":{"lastUpdated":"2026-03-04T10:15:30.000Z","versionId":"2"},"resourceType":"Patient","id":"x","v":4.50}`},
		{`{"resourceType":"Patient","meta":{}}`, `{"resourceType":"Patient","id":"x",` + meta + `}`},
	}
	for _, tt := range tests {
		r, err := Decode([]byte(tt.in))
		if err != nil {
			t.Fatalf("Decode(%s): %v", tt.in, err)
		}
		if got := string(r.Stamp("x", 2, at)); got != tt.want {
			t.Errorf("Stamp(%s)\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, in, source string }{
		{"duplicate name", `{"resourceType":"Patient","a":1,"a":2}`, "line 1, column 33, /a"},
		{"trailing data", `{"resourceType":"Patient"} {}`, ""},
		{"not an object", `[]`, ""},
		{"no type", `{"id":"x"}`, ""},
		{"other case", `{"ResourceType":"Patient"}`, ""},
		{"type is a number", `{"resourceType":7}`, ""},
		{"cut short", `{"resourceType":"Patient"`, "line 1, column 26"},
		{"not UTF-8", "{\"resourceType\":\"Patient\",\"x\":\"\xff\"}", "line 1, column 32, /x"},
		{"lone surrogate", `{"resourceType":"Patient","x":"\ud800"}`, "line 1, column 32, /x"},
		{"byte order mark", "\xef\xbb\xbf{\"resourceType\":\"Patient\"}", ""},
	}
	for _, tt := range tests {
		_, err := Decode([]byte(tt.in))
		if err == nil {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		if got := AsError(err).Issues[0].Source; got != tt.source {
			t.Errorf("%s: source %q, want %q", tt.name, got, tt.source)
		}
	}
}

func TestTree(t *testing.T) {
	r, err := Decode([]byte(`{"resourceType":"X\u0050","a":[{"b":"q\"\\"},{"b":4.50}],"c":{"d":[1, -2e3 ,true,null]}, "k\u0065y":"v"}`))
	if err != nil {
		t.Fatal(err)
	}
	root := r.Root()
	tests := []struct{ got, want string }{
		{root.At("a", 0, "b").Text(), `q"\`},
		{root.At("a", 1, "b").Text(), "4.50"},
		{root.At("a", 1, "b").Path(), "XP.a[1].b"},
		{root.At("c", "d", 1).Text(), "-2e3"},
		{string(root.At("c", "d", 3).Raw()), "null"},
		{string(root.Get("c").Raw()), `{"d":[1, -2e3 ,true,null]}`},
		{root.Get("key").Text(), "v"},
		{root.At("c", "d", 2).Pointer(), "/c/d/2"},
		{root.At("c", "d", 9).Text(), ""},
	}
	for i, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("case %d: got %q, want %q", i, tt.got, tt.want)
		}
	}
}

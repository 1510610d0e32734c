package rest

import (
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// TestLinks: what of a document is replaced, and what is not.
func TestLinks(t *testing.T) {
	const u = "urn:uuid:3f0a1c52-0000-4000-8000-000000000001"
	tests := []struct{ name, doc, want string }{
		{"reference", `{"resourceType":"Flag","subject":{"reference":"U"}}`, `{"resourceType":"Flag","subject":{"reference":"Patient/p"}}`},
		{"contained", `{"resourceType":"Flag","contained":[{"resourceType":"Flag","subject":{"reference":"U"}}]}`, `{"resourceType":"Flag","contained":[{"resourceType":"Flag","subject":{"reference":"Patient/p"}}]}`},
		{"relative to the entry", `{"resourceType":"Flag","subject":{"reference":"Patient/1"}}`, `{"resourceType":"Flag","subject":{"reference":"Patient/q"}}`},
		{"absolute, with a version", `{"resourceType":"Flag","subject":{"reference":"https://a.example/fhir/Patient/1/_history/3"}}`, `{"resourceType":"Flag","subject":{"reference":"Patient/q"}}`},
		{"uri", `{"resourceType":"Flag","meta":{"source":"U"}}`, `{"resourceType":"Flag","meta":{"source":"Patient/p"}}`},
		{"url", `{"resourceType":"DocumentReference","content":[{"attachment":{"url":"U"}}]}`, `{"resourceType":"DocumentReference","content":[{"attachment":{"url":"Patient/p"}}]}`},
		{"uri in a list", `{"resourceType":"ServiceRequest","instantiatesUri":["U","V"]}`, `{"resourceType":"ServiceRequest","instantiatesUri":["Patient/p","V"]}`},
		{"uri of an extension", `{"resourceType":"Flag","extension":[{"url":"x","valueUri":"U"},{"url":"x","valueUuid":"U"},{"url":"x","valueString":"U"}]}`, `{"resourceType":"Flag","extension":[{"url":"x","valueUri":"Patient/p"},{"url":"x","valueUuid":"Patient/p"},{"url":"x","valueString":"U"}]}`},
		{"an identifier's value", `{"resourceType":"Flag","identifier":[{"system":"urn:ietf:rfc:3986","value":"U"}]}`, `{"resourceType":"Flag","identifier":[{"system":"urn:ietf:rfc:3986","value":"U"}]}`},
		{"a canonical", `{"resourceType":"ServiceRequest","instantiatesCanonical":["U"]}`, `{"resourceType":"ServiceRequest","instantiatesCanonical":["U"]}`},
		{"narrative", `{"resourceType":"Flag","text":{"div":"<div><a href=\"U\">U</a><img src='U'/><a href=\"V\"/></div>"}}`, `{"resourceType":"Flag","text":{"div":"<div><a href=\"Patient/p\">U</a><img src='Patient/p'/><a href=\"V\"/></div>"}}`},
		{"nothing to do", `{"resourceType":"Flag",  "status" : "active"}`, `{"resourceType":"Flag",  "status" : "active"}`},
	}
	l := newLinks(false)
	l.keys[u] = store.Key{Type: "Patient", ID: "p"}
	l.keys["https://a.example/fhir/Patient/1"] = store.Key{Type: "Patient", ID: "q"}
	fill := strings.NewReplacer(`"U`, `"`+u, `'U`, `'`+u, `>U`, `>`+u, `\"U`, `\"`+u)
	for _, tt := range tests {
		doc, err := fhir.Decode([]byte(fill.Replace(tt.doc)))
		if err != nil {
			t.Fatal(err)
		}
		got, issues, err := l.rewrite(doc.Root(), "https://a.example/fhir/Flag/1")
		if want := fill.Replace(tt.want); err != nil || len(issues) > 0 || string(got.JSON()) != want {
			t.Errorf("%s: %s %v %v\nwant %s", tt.name, got.JSON(), issues, err, want)
		}
	}
}

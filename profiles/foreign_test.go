package profiles

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

func userProfile(expressions ...string) json.RawMessage {
	var list []string
	for i, x := range expressions {
		s, _ := json.Marshal(x)
		list = append(list, `{"key":"own-`+string(rune('a'+i))+`","severity":"error","human":"the rule of a user","expression":`+string(s)+`}`)
	}
	return json.RawMessage(`[{"resourceType":"StructureDefinition","id":"p","url":"https://a.example/p","version":"1","name":"P","status":"active","kind":"resource","abstract":false,
"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
"differential":{"element":[{"id":"Patient","path":"Patient","constraint":[` + strings.Join(list, ",") + `]}]}}]`)
}

// TestForeignInvariants holds that expressions outside our subset are evaluated
// by the general evaluator.
func TestForeignInvariants(t *testing.T) {
	tests := []struct{ expression, want string }{
		{"birthDate <= today()", ""},
		{"birthDate > today()", "own-a@Patient"},
		{"name.given.aggregate($this + $total, '') = 'BA'", ""},
		{"name.given.aggregate($this + $total, '') = 'AB'", "own-a@Patient"},
		{"%resource.birthDate.toDate() < today()", ""},
		{"name.nofunction()", "~invariant-unchecked@Patient"},
	}
	for _, tt := range tests {
		v := withDefinitions(t, userProfile(tt.expression))
		got := strings.Join(faults(t, v, `{"resourceType":"Patient","meta":{"profile":["https://a.example/p"]},"birthDate":"1980-01-01","name":[{"given":["A","B"]}]}`, Options{BaseOnly: true}), " ")
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.expression, got, tt.want)
		}
	}
}

// TestForeignFails holds that an expression which nobody can evaluate is not said
// to have been too slow.
func TestForeignFails(t *testing.T) {
	for _, expression := range []string{"name.nofunction()", "%nobody.exists()", "birthDate.matches('(') or today() > @2000-01-01"} {
		v := withDefinitions(t, userProfile(expression))
		r, err := fhir.Decode([]byte(`{"resourceType":"Patient","meta":{"profile":["https://a.example/p"]},"birthDate":"1980-01-01"}`))
		if err != nil {
			t.Fatal(err)
		}
		list := v.Validate(r, Options{BaseOnly: true})
		if len(list) != 1 || list[0].Rule != ruleUntimely || !strings.HasSuffix(list[0].Text, "cannot be evaluated") {
			t.Errorf("%s: %v", expression, list)
		}
	}
}

// TestForeignTime holds that an expression that takes long is given up and said
// to be unchecked, and that all of a document's are bounded together.
func TestForeignTime(t *testing.T) {
	const slow = "today() > @2000-01-01 and name.given.all(%resource.name.given.all(%resource.name.given.all($this.matches('(a|aa)+$').not() or true)))"
	v := withDefinitions(t, userProfile(slow, slow+" and true", "birthDate <= today()"))
	doc := `{"resourceType":"Patient","meta":{"profile":["https://a.example/p"]},"name":[{"given":["` + strings.Repeat(`aaaaaaaaaaaaaaaaaaaaaaaa","`, 400) + `b"]}]}`
	r, err := fhir.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	unchecked := 0
	for _, is := range v.Validate(r, Options{BaseOnly: true}) {
		if is.Rule == ruleUntimely && !is.IsError() {
			unchecked++
		}
	}
	if unchecked == 0 {
		t.Error("a slow expression was passed in silence")
	}
	if d := time.Since(start); d > 10*foreignDocument {
		t.Errorf("it took %v", d)
	}
}

// TestOursInSubset holds that no invariant of R4 or of ours needs the general
// evaluator.
func TestOursInSubset(t *testing.T) {
	v := newValidator(t)
	n := &v.nodes
	for _, typ := range n.defs.Resources() {
		for _, r := range n.of(n.defs.Table(typ)).rules {
			if r.path == nil {
				t.Errorf("%s of %s", r.key, typ)
			}
		}
	}
	keys := dataKeys(t)
	if len(keys) < 50 {
		t.Errorf("only %d keys", len(keys))
	}
	for _, s := range v.Structures() {
		p, err := v.compileStructure(nil, s)
		if err != nil {
			t.Errorf("%s: %v", s.URL, err)
			continue
		}
		eachCheck(p.root, func(k *check) {
			for _, r := range k.rules {
				if r.path == nil {
					t.Errorf("%s of %s is outside the subset", r.key, s.URL)
				}
			}
		})
	}
}

func eachCheck(k *check, f func(*check)) {
	if k == nil {
		return
	}
	f(k)
	for _, c := range k.children {
		eachCheck(c, f)
	}
	if k.slicing != nil {
		for _, s := range k.slicing.slices {
			eachCheck(s.check, f)
		}
	}
}

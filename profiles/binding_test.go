package profiles

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// boundConcepts is a definition that binds Observation.code to a value set that
// only a terminology server can decide.
const boundConcepts = `[{"resourceType":"ValueSet","id":"v","url":"https://a.example/v","version":"1","name":"V","status":"active",
"compose":{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"73211009"}]}]}},
{"resourceType":"StructureDefinition","id":"p","url":"https://a.example/p","version":"1","name":"P","status":"active","kind":"resource","abstract":false,
"type":"Observation","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation","derivation":"constraint",
"differential":{"element":[{"id":"Observation.code","path":"Observation.code","binding":{"strength":"required","valueSet":"https://a.example/v"}}]}}]`

// A countingRemote answers yes after a while and counts how many wait at once.
type countingRemote struct {
	wait              time.Duration
	asked, now, worst atomic.Int32
}

func (r *countingRemote) ValidateCode(ctx context.Context, _ terminology.Query) (terminology.Answer, error) {
	r.asked.Add(1)
	now := r.now.Add(1)
	defer r.now.Add(-1)
	for worst := r.worst.Load(); now > worst && !r.worst.CompareAndSwap(worst, now); worst = r.worst.Load() {
	}
	select {
	case <-time.After(r.wait):
		return terminology.Yes, nil
	case <-ctx.Done():
		return terminology.Unknown, ctx.Err()
	}
}

// observations is a Bundle of n observations with twenty different codes.
func observations(n int) string {
	var codes []string
	for i := 1_000_000; len(codes) < 20; i++ {
		if s := strconv.Itoa(i); fhir.SNOMED(s) && strings.HasPrefix(s[4:], "00") { // a concept
			codes = append(codes, s)
		}
	}
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"resource":{"resourceType":"Observation","meta":{"profile":["https://a.example/p"]},"status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"` + codes[i%20] + `"}]}}}`)
	}
	return b.String() + `]}`
}

// TestRemote holds that a document's questions are asked together, each once, at
// most eight at one time.
func TestRemote(t *testing.T) {
	v := withDefinitions(t, json.RawMessage(boundConcepts))
	r, err := fhir.Decode([]byte(observations(60)))
	if err != nil {
		t.Fatal(err)
	}
	remote := &countingRemote{wait: time.Millisecond}
	for _, is := range v.Validate(r, Options{BaseOnly: true, Remote: remote}) {
		t.Errorf("%s at %s", is.Rule, is.Expression)
	}
	if n := remote.asked.Load(); n > 40 { // twenty codes, of the value set and of the code system
		t.Errorf("%d questions for twenty codes", n)
	}
	if n := remote.worst.Load(); n > remoteAtOne {
		t.Errorf("%d questions at one time", n)
	}
}

// TestRemoteTime holds that a server that hangs costs no more than the caller's
// time, and that each place says that it was not checked.
func TestRemoteTime(t *testing.T) {
	v := withDefinitions(t, json.RawMessage(boundConcepts))
	r, err := fhir.Decode([]byte(observations(60)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	issues := v.Validate(r, Options{BaseOnly: true, Remote: &countingRemote{wait: time.Hour}, Context: ctx})
	if len(issues) != 60 {
		t.Errorf("%d issues for 60 places", len(issues))
	}
	for _, is := range issues {
		if is.Rule != ruleUnchecked || is.IsError() || !strings.HasPrefix(is.Text, "unable to check") {
			t.Fatalf("%+v", is)
		}
	}
}

// TestStrengths holds what each strength makes of codes, words and other
// systems.
func TestStrengths(t *testing.T) {
	const marital = `{"resourceType":"Patient","maritalStatus":`
	const nameType = `{"resourceType":"Organization","name":"x","contact":[{"purpose":`
	tests := []struct {
		doc, want string
		explain   bool
	}{
		{marital + `{"text":"x"}}`, "", false},
		{marital + `{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]}}`, "", false},
		{marital + `{"coding":[{"system":"http://a.example","code":"M"}]}}`, "warning", false},
		{marital + `{"coding":[{"code":"M"}]}}`, "warning", false},
		{marital + `{"coding":[{"system":"http://a.example","code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]}}`, "", false},
		{marital + `{"coding":[{"display":"x"}]}}`, "", false},
		{nameType + `{"coding":[{"system":"http://a.example","code":"x"}]}}]}`, "warning", false},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[{"coding":[{"system":"http://a.example","code":"x"}]}]}`, "", false},           // preferred
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[{"coding":[{"system":"http://a.example","code":"x"}]}]}`, "information", true}, // preferred, explained
		{`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://a.example","code":"x"}]}}`, "", true},                                      // example
	}
	v := newValidator(t)
	for _, tt := range tests {
		r, err := fhir.Decode([]byte(tt.doc))
		if err != nil {
			t.Fatal(err)
		}
		o := Options{BaseOnly: true}
		if tt.explain {
			o.Explain = func(Explanation) {}
		}
		got := ""
		for _, is := range v.Validate(r, o) {
			got += string(is.Severity)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.doc, got, tt.want)
		}
	}
}

func TestSameWords(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"Married", " mARRIED ", true}, {"a b", "a  b", true}, {"a b", "ab", false}, {"", " ", true}, {"a", "", false}, {"a b", "a", false},
		{"Café", "CAFÉ", true}, {"a\u00a0b", "a b", true},
	}
	for _, tt := range tests {
		if sameWords(tt.a, tt.b) != tt.same || sameWords(tt.b, tt.a) != tt.same {
			t.Errorf("sameWords(%q, %q) is not %t", tt.a, tt.b, tt.same)
		}
	}
}

func TestOneEdit(t *testing.T) {
	tests := []struct {
		a, b string
		near bool
	}{
		{"address", "adress", true}, {"address", "addresss", true}, {"gender", "gendre", true}, {"gender", "gonder", true},
		{"gender", "gender", true}, {"gender", "render", true}, {"gender", "tender1", false}, {"name", "text", false}, {"", "a", true}, {"", "ab", false},
	}
	for _, tt := range tests {
		if oneEdit(tt.a, tt.b) != tt.near || oneEdit(tt.b, tt.a) != tt.near {
			t.Errorf("oneEdit(%q, %q) is not %t", tt.a, tt.b, tt.near)
		}
	}
}

package profiles

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// TestShippedQuestionnaires holds our Questionnaires against the base
// definitions, their own rules and the definitions of the extensions.
func TestShippedQuestionnaires(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	list := v.Questionnaires()
	if len(list) != 12 {
		t.Errorf("%d questionnaires", len(list))
	}
	for _, r := range list {
		for _, is := range v.Validate(r, Options{}) {
			t.Errorf("%s: %s %s %s: %s", r.ID(), is.Severity, is.Rule, is.Expression, is.Text)
		}
	}
}

// TestQuestionnaireHeldElsewhere asks the caller for a Questionnaire, and judges
// by what it gives each time.
func TestQuestionnaireHeldElsewhere(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	form := func(typ string) fhir.Resource {
		return decoded(t, `{"resourceType":"Questionnaire","url":"http://q.example/f","version":"1","status":"active","item":[{"linkId":"a","text":"A?","type":"`+typ+`"}]}`)
	}
	answer := decoded(t, `{"resourceType":"QuestionnaireResponse","status":"in-progress","questionnaire":"http://q.example/f|1","item":[{"linkId":"a","answer":[{"valueBoolean":true}]}]}`)
	tests := []struct {
		held fhir.Resource
		want string
	}{
		{form("boolean"), ""},
		{form("string"), "q-type"}, // changed since: what was compiled is not used again
		{form("nonsense"), "q-questionnaire"},
		{fhir.Resource{}, "questionnaire-unknown"},
	}
	for _, tt := range tests {
		var rules []string
		for _, is := range v.Validate(answer, Options{Questionnaire: func(canonical string) (fhir.Resource, bool) {
			return tt.held, tt.held.Type() != "" && canonical == "http://q.example/f|1"
		}}) {
			rules = append(rules, is.Rule)
		}
		if s := strings.Join(rules, ","); s != tt.want {
			t.Errorf("%q; want %q", s, tt.want)
		}
	}
}

// TestQuestionnaireOfBundle judges answers by the form that came with them.
func TestQuestionnaireOfBundle(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1": "q-type Bundle.entry[1].resource.item[0].answer[0].valueBoolean",
		"2": "questionnaire-unknown Bundle.entry[1].resource.questionnaire"} {
		b := decoded(t, `{"resourceType":"Bundle","type":"collection","entry":[
			{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Questionnaire","url":"http://q.example/f","version":"1","status":"active","item":[{"linkId":"a","type":"string"}]}},
			{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"QuestionnaireResponse","status":"in-progress","questionnaire":"http://q.example/f|`+version+`","item":[{"linkId":"a","answer":[{"valueBoolean":true}]}]}}]}`)
		var got []string
		for _, is := range v.Validate(b, Options{}) {
			got = append(got, is.Rule+" "+is.Expression)
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("version %s: %q; want %q", version, s, want)
		}
	}
}

// TestValueSetOfDocument holds that the name of a value set which the document
// brings is not shown: whether held, unknown, or asked about elsewhere.
func TestValueSetOfDocument(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	r := decoded(t, `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"#q","contained":[{"resourceType":"Questionnaire","id":"q","status":"active","item":[
		{"linkId":"a","type":"choice","answerValueSet":"https://secret.example/vs"},{"linkId":"b","type":"choice","answerValueSet":"http://hl7.org/fhir/ValueSet/request-status|4.0.1"}]}],
		"item":[{"linkId":"a","answer":[{"valueCoding":{"system":"http://loinc.org","code":"1-8"}}]},{"linkId":"b","answer":[{"valueCoding":{"system":"http://loinc.org","code":"1-8"}}]}]}`)
	for _, remote := range []terminology.Remote{nil, fixedRemote("no"), fixedRemote("unknown"), fixedRemote("away")} {
		issues := v.Validate(r, Options{BaseOnly: true, Remote: remote})
		found := 0
		for _, is := range issues {
			if strings.HasPrefix(is.Expression, "QuestionnaireResponse.item[") {
				found++
			}
			if all := fmt.Sprint(is); strings.Contains(all, "secret") || strings.Contains(all, "request-status") {
				t.Errorf("%v: %+v", remote, is)
			}
		}
		if found < 2 {
			t.Errorf("%v: %d issues of answers in %v", remote, found, issues)
		}
	}
}

// TestHostileForms validates documents of very many Questionnaires and answers
// that name each other: what is asked for again is found at once.
func TestHostileForms(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const n = 5_000
	var forms, answers strings.Builder
	for range n {
		forms.WriteString(`{"resourceType":"Questionnaire","id":"q","status":"active","item":[{"linkId":"a","type":"choice","answerValueSet":"#v"}]},`)
		answers.WriteString(`{"resourceType":"QuestionnaireResponse","status":"in-progress","questionnaire":"#q","item":[{"linkId":"a"}]},`)
	}
	r := decoded(t, `{"resourceType":"Patient","contained":[`+forms.String()+strings.TrimSuffix(answers.String(), ",")+`]}`)
	if len(v.Validate(r, Options{})) == 0 {
		t.Error("nothing is wrong with it")
	}
}

// TestFormCache bounds what is kept of Questionnaires held elsewhere.
func TestFormCache(t *testing.T) {
	f := newForms(nil, nil)
	big := decoded(t, `{"resourceType":"Questionnaire","description":"`+string(bytes.Repeat([]byte("x"), 1<<20))+`"}`)
	for i := range 3 * maxForms {
		f.elsewhere(strings.Repeat("q", i%50)+string(rune('a'+i%26))+string(rune('a'+i/26)), big)
	}
	if len(f.held) > maxForms || f.bytes > maxFormBytes {
		t.Errorf("%d forms of %d bytes are kept", len(f.held), f.bytes)
	}
	if a, b := f.elsewhere("a", big), f.elsewhere("a", big); a != b {
		t.Error("the same Questionnaire is compiled twice")
	}
}

// TestOwnVersions gives a user's newer version beside ours.
func TestOwnVersions(t *testing.T) {
	const url = "https://trellis.example/fhir/Questionnaire/ons4"
	newer := decoded(t, `{"resourceType":"Questionnaire","url":"`+url+`","version":"1.10.0","status":"active"}`)
	f := newForms(nil, []fhir.Resource{newer})
	for asked, want := range map[string]string{url: "1.10.0", url + "|1.0.0": "1.0.0", url + "|1.10.0": "1.10.0", url + "|2": ""} {
		m, known := f.find(fhir.ParseCanonical(asked))
		got := ""
		if m != nil {
			got = m.r.Root().Get("version").Text()
		}
		if got != want || m == nil && !known {
			t.Errorf("%s: version %q; want %q", asked, got, want)
		}
	}
}

func BenchmarkQuestionnaireResponse(b *testing.B) {
	v, err := New()
	if err != nil {
		b.Fatal(err)
	}
	r := readResource(b, "testdata/answers-28.json")
	if issues := v.Validate(r, Options{}); len(issues) > 0 {
		b.Fatal(issues)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Validate(r, Options{})
	}
}

package questionnaire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

func decode(tb testing.TB, s string) fhir.Resource {
	tb.Helper()
	r, err := fhir.DecodeLimit([]byte(s), 64<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// form makes a Questionnaire of items, with further members.
func form(items, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"resourceType":"Questionnaire","url":"http://q.example/q","version":"1","status":"active","item":[` + items + `]` + more + `}`
}

// response makes a completed response.
func response(items, more string) string {
	if !strings.Contains(more, `"status"`) {
		more += `,"status":"completed"`
	}
	return `{"resourceType":"QuestionnaireResponse","questionnaire":"http://q.example/q|1","item":[` + items + `]` + more + `}`
}

func judge(tb testing.TB, q, r string) []fhir.Issue {
	tb.Helper()
	c, err := Compile(decode(tb, q), nil)
	if err != nil {
		tb.Fatalf("Compile: %v", err)
	}
	var issues []fhir.Issue
	c.Check(decode(tb, r).Root(), Report{Emit: collect(&issues)})
	return issues
}

// brief writes issues as "rule expression", warnings with "~" before them.
func brief(issues []fhir.Issue) []string {
	var out []string
	for _, is := range issues {
		mark := ""
		if !is.IsError() {
			mark = "~"
		}
		out = append(out, mark+is.Rule+" "+strings.TrimPrefix(strings.TrimPrefix(is.Expression, "QuestionnaireResponse."), "Questionnaire."))
	}
	slices.Sort(out)
	return out
}

func ext(name, value string) string {
	return `"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/` + name + `",` + value + `}]`
}

// TestAnswers holds one answer against one item.
func TestAnswers(t *testing.T) {
	option := `"answerOption":[{"valueCoding":{"system":"s","code":"a"}},{"valueCoding":{"system":"s","code":"b"},` +
		ext("questionnaire-optionExclusive", `"valueBoolean":true`) + `}]`
	set := `"answerValueSet":"#vs"`
	tests := []struct {
		item, answers string // members of the item, answers
		want          string // "" for none
	}{
		{`"type":"boolean"`, `{"valueBoolean":true}`, ""},
		{`"type":"boolean"`, `{"valueString":"true"}`, "q-type item[0].answer[0].valueString"},
		{`"type":"decimal"`, `{"valueDecimal":1.5}`, ""},
		{`"type":"decimal"`, `{"valueInteger":1}`, "q-type item[0].answer[0].valueInteger"},
		{`"type":"integer"`, `{"valueInteger":1}`, ""},
		{`"type":"integer"`, `{"valueDecimal":1}`, "q-type item[0].answer[0].valueDecimal"},
		{`"type":"date"`, `{"valueDate":"2026-01-01"}`, ""},
		{`"type":"date"`, `{"valueDateTime":"2026-01-01"}`, "q-type item[0].answer[0].valueDateTime"},
		{`"type":"dateTime"`, `{"valueDateTime":"2026-01-01"}`, ""},
		{`"type":"time"`, `{"valueTime":"12:00:00"}`, ""},
		{`"type":"time"`, `{"valueString":"12:00:00"}`, "q-type item[0].answer[0].valueString"},
		{`"type":"string"`, `{"valueString":"x"}`, ""},
		{`"type":"text"`, `{"valueString":"x"}`, ""},
		{`"type":"text"`, `{"valueInteger":1}`, "q-type item[0].answer[0].valueInteger"},
		{`"type":"url"`, `{"valueUri":"http://x"}`, ""},
		{`"type":"url"`, `{"valueString":"http://x"}`, "q-type item[0].answer[0].valueString"},
		{`"type":"choice"`, `{"valueCoding":{"code":"x"}}`, ""},
		{`"type":"choice"`, `{"valueString":"x"}`, "q-type item[0].answer[0].valueString"},
		{`"type":"open-choice"`, `{"valueString":"x"}`, ""},
		{`"type":"open-choice"`, `{"valueCoding":{"code":"x"}}`, ""},
		{`"type":"open-choice"`, `{"valueInteger":1}`, "q-type item[0].answer[0].valueInteger"},
		{`"type":"attachment"`, `{"valueAttachment":{"url":"http://x"}}`, ""},
		{`"type":"attachment"`, `{"valueString":"x"}`, "q-type item[0].answer[0].valueString"},
		{`"type":"reference"`, `{"valueReference":{"reference":"Patient/1"}}`, ""},
		{`"type":"reference"`, `{"valueUri":"Patient/1"}`, "q-type item[0].answer[0].valueUri"},
		{`"type":"quantity"`, `{"valueQuantity":{"value":1}}`, ""},
		{`"type":"quantity"`, `{"valueDecimal":1}`, "q-type item[0].answer[0].valueDecimal"},
		{`"type":"group","item":[{"linkId":"c","type":"string"}]`, `{"valueString":"x"}`, "q-type item[0].answer"},
		{`"type":"display"`, `{"valueString":"x"}`, "q-type item[0].answer"},

		{`"type":"choice",` + option, `{"valueCoding":{"system":"s","code":"a","display":"whatever"}}`, ""},
		{`"type":"choice",` + option, `{"valueCoding":{"system":"s","code":"c"}}`, "q-option item[0].answer[0].valueCoding"},
		{`"type":"choice",` + option, `{"valueCoding":{"system":"t","code":"a"}}`, "q-option item[0].answer[0].valueCoding"},
		{`"type":"choice",` + option, `{"valueCoding":{"code":"a"}}`, "q-option item[0].answer[0].valueCoding"},
		{`"type":"open-choice",` + option, `{"valueString":"else"}`, ""},
		{`"type":"open-choice",` + option, `{"valueCoding":{"system":"s","code":"c"}}`, "q-option item[0].answer[0].valueCoding"},
		{`"type":"choice","repeats":true,` + option, `{"valueCoding":{"system":"s","code":"a"}},{"valueCoding":{"system":"s","code":"b"}}`,
			"q-exclusive item[0].answer[1].valueCoding"},
		{`"type":"choice","answerOption":[{"valueInteger":1},{"valueInteger":2}]`, `{"valueInteger":2}`, ""},
		{`"type":"choice","answerOption":[{"valueInteger":1},{"valueInteger":2}]`, `{"valueInteger":3}`, "q-option item[0].answer[0].valueInteger"},
		{`"type":"choice","answerOption":[{"valueInteger":1},{"valueInteger":2}]`, `{"valueCoding":{"code":"1"}}`, "q-type item[0].answer[0].valueCoding"},
		{`"type":"choice","answerOption":[{"valueDate":"2026-01-01"}]`, `{"valueDate":"2026-01-01"}`, ""},
		{`"type":"choice","answerOption":[{"valueTime":"08:00:00"}]`, `{"valueTime":"09:00:00"}`, "q-option item[0].answer[0].valueTime"},
		{`"type":"string","answerOption":[{"valueString":"a"}]`, `{"valueString":"b"}`, "q-option item[0].answer[0].valueString"},
		{`"type":"choice","answerOption":[{"valueReference":{"reference":"Patient/1"}}]`, `{"valueReference":{"reference":"Patient/1"}}`, ""},
		{`"type":"decimal","answerOption":[{"valueInteger":1}]`, `{"valueDecimal":1}`, ""},
		{`"type":"choice","answerOption":[{"valueCoding":{"display":"Yes"}}]`, `{"valueCoding":{"display":"Yes"}}`, ""},
		{`"type":"choice","answerOption":[{"valueCoding":{"display":"Yes"}}]`, `{"valueCoding":{"display":"No"}}`, "q-option item[0].answer[0].valueCoding"},

		{`"type":"choice",` + set, `{"valueCoding":{"system":"s","code":"in"}}`, ""},
		{`"type":"choice",` + set, `{"valueCoding":{"system":"s","code":"out"}}`, "q-value-set item[0].answer[0].valueCoding"},
		{`"type":"choice","answerValueSet":"#open"`, `{"valueCoding":{"system":"s","code":"in"}}`, ""},
		{`"type":"choice","answerValueSet":"#open"`, `{"valueCoding":{"system":"t","code":"any"}}`, "~q-undecided item[0].answer[0].valueCoding"},
		{`"type":"choice","answerValueSet":"#open"`, `{"valueCoding":{"system":"s","code":"out"}}`, "q-value-set item[0].answer[0].valueCoding"},
		{`"type":"choice","answerValueSet":"#without"`, `{"valueCoding":{"system":"s","code":"in"}}`, ""},
		{`"type":"choice","answerValueSet":"#without"`, `{"valueCoding":{"system":"s","code":"not"}}`, "q-value-set item[0].answer[0].valueCoding"},
		{`"type":"choice","answerValueSet":"#without"`, `{"valueCoding":{"system":"t","code":"x"}}`, "~q-undecided item[0].answer[0].valueCoding"},
		{`"type":"choice","answerValueSet":"#expanded"`, `{"valueCoding":{"system":"s","code":"deep"}}`, ""},
		{`"type":"choice","answerValueSet":"#expanded"`, `{"valueCoding":{"system":"s","code":"head"}}`, "q-value-set item[0].answer[0].valueCoding"},
		{`"type":"choice","answerValueSet":"http://unknown.example"`, `{"valueCoding":{"system":"s","code":"x"}}`, "~q-undecided item[0].answer[0].valueCoding"},

		{`"type":"string"`, `{"valueString":"a"},{"valueString":"b"}`, "q-repeats item[0].answer"},
		{`"type":"string","repeats":true`, `{"valueString":"a"},{"valueString":"b"}`, ""},
		{`"type":"string","repeats":true,` + ext("questionnaire-maxOccurs", `"valueInteger":1`), `{"valueString":"a"},{"valueString":"b"}`, "q-occurs item[0].answer"},
		{`"type":"string","repeats":true,` + ext("questionnaire-minOccurs", `"valueInteger":2`), `{"valueString":"a"}`, "q-occurs item[0]"},
		{`"type":"string","maxLength":3`, `{"valueString":"é€a"}`, ""},
		{`"type":"string","maxLength":3`, `{"valueString":"abcd"}`, "q-max-length item[0].answer[0].valueString"},
		{`"type":"integer","maxLength":2`, `{"valueInteger":123}`, "q-max-length item[0].answer[0].valueInteger"},
		{`"type":"string",` + ext("minLength", `"valueInteger":3`), `{"valueString":"ab"}`, "q-min-length item[0].answer[0].valueString"},
		{`"type":"integer",` + ext("minValue", `"valueInteger":1`), `{"valueInteger":0}`, "q-min-value item[0].answer[0].valueInteger"},
		{`"type":"integer",` + ext("maxValue", `"valueInteger":9`), `{"valueInteger":10}`, "q-max-value item[0].answer[0].valueInteger"},
		{`"type":"integer",` + ext("maxValue", `"valueInteger":9`), `{"valueInteger":9}`, ""},
		{`"type":"decimal",` + ext("maxValue", `"valueDecimal":0.5`), `{"valueDecimal":5e-1}`, ""},
		{`"type":"decimal",` + ext("maxValue", `"valueDecimal":0.5`), `{"valueDecimal":1e300}`, "q-max-value item[0].answer[0].valueDecimal"},
		{`"type":"quantity",` + ext("maxValue", `"valueDecimal":5`), `{"valueQuantity":{"value":6}}`, "q-max-value item[0].answer[0].valueQuantity"},
		{`"type":"date",` + ext("minValue", `"valueDate":"2026-02-01"`), `{"valueDate":"2026-01"}`, "q-min-value item[0].answer[0].valueDate"},
		{`"type":"date",` + ext("minValue", `"valueDate":"2026-02-01"`), `{"valueDate":"2026-02"}`, ""}, // cannot be decided
		{`"type":"dateTime",` + ext("maxValue", `"valueDateTime":"2026-02-01T00:00:00Z"`), `{"valueDateTime":"2026-02-01T00:30:00+01:00"}`, ""},
		{`"type":"time",` + ext("maxValue", `"valueTime":"10:00:00"`), `{"valueTime":"11:00:00"}`, "q-max-value item[0].answer[0].valueTime"},
		{`"type":"decimal",` + ext("maxDecimalPlaces", `"valueInteger":1`), `{"valueDecimal":1.25}`, "q-decimals item[0].answer[0].valueDecimal"},
		{`"type":"decimal",` + ext("maxDecimalPlaces", `"valueInteger":0`), `{"valueDecimal":1}`, ""},
		{`"type":"string",` + ext("regex", `"valueString":"[A-Z]{2}"`), `{"valueString":"AB"}`, ""},
		{`"type":"string",` + ext("regex", `"valueString":"[A-Z]{2}"`), `{"valueString":"xABx"}`, "q-regex item[0].answer[0].valueString"},
		{`"type":"string",` + ext("regex", `"valueString":"a|b"`), `{"valueString":"ab"}`, "q-regex item[0].answer[0].valueString"},
		{`"type":"attachment",` + ext("mimeType", `"valueCode":"image/png"`), `{"valueAttachment":{"contentType":"image/png"}}`, ""},
		{`"type":"attachment",` + ext("mimeType", `"valueCode":"image/png"`), `{"valueAttachment":{"contentType":"text/html"}}`, "q-mime-type item[0].answer[0].valueAttachment.contentType"},
		{`"type":"attachment",` + ext("maxSize", `"valueDecimal":0.001`), `{"valueAttachment":{"size":1001}}`, "q-size item[0].answer[0].valueAttachment"},
		{`"type":"reference",` + ext("questionnaire-referenceResource", `"valueCode":"Patient"`), `{"valueReference":{"reference":"Group/1"}}`, "q-reference item[0].answer[0].valueReference"},
		{`"type":"reference",` + ext("questionnaire-referenceResource", `"valueCode":"Patient"`), `{"valueReference":{"display":"x"}}`, ""},
		{`"type":"reference",` + ext("questionnaire-referenceProfile", `"valueCanonical":"http://hl7.org/fhir/StructureDefinition/Patient"`), `{"valueReference":{"reference":"Group/1"}}`, "q-reference item[0].answer[0].valueReference"},
		{`"type":"quantity",` + ext("questionnaire-unitOption", `"valueCoding":{"system":"http://unitsofmeasure.org","code":"kg"}`), `{"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"kg"}}`, ""},
		{`"type":"quantity",` + ext("questionnaire-unitOption", `"valueCoding":{"system":"http://unitsofmeasure.org","code":"kg"}`), `{"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}}`, "q-unit item[0].answer[0].valueQuantity"},
		{`"type":"integer","readOnly":true,"initial":[{"valueInteger":4}]`, `{"valueInteger":4}`, ""},
		{`"type":"integer","readOnly":true,"initial":[{"valueInteger":4}]`, `{"valueInteger":5}`, "q-read-only item[0].answer[0].valueInteger"},
		{`"type":"integer","readOnly":true`, `{"valueInteger":5}`, ""}, // filled in by whoever made the form
		{`"type":"integer","initial":[{"valueInteger":4}]`, `{"valueInteger":5}`, ""},
	}
	contained := `"contained":[{"resourceType":"ValueSet","id":"vs","compose":{"include":[{"system":"s","concept":[{"code":"in"}]}]}},
		{"resourceType":"ValueSet","id":"open","compose":{"include":[{"system":"s","concept":[{"code":"in"}]},{"system":"t"}]}},
		{"resourceType":"ValueSet","id":"without","compose":{"include":[{"system":"s","concept":[{"code":"in"},{"code":"not"}]},{"system":"t","concept":[{"code":"x"}]}],
			"exclude":[{"system":"s","concept":[{"code":"not"}]},{"system":"t","filter":[{"property":"p","op":"is-a","value":"y"}]}]}},
		{"resourceType":"ValueSet","id":"expanded","expansion":{"contains":[{"system":"s","code":"head","abstract":true,"contains":[{"system":"s","code":"deep"}]}]}}]`
	for _, tt := range tests {
		got := judge(t, form(`{"linkId":"a",`+tt.item+`}`, contained), response(`{"linkId":"a","answer":[`+tt.answers+`]}`, ""))
		if s := strings.Join(brief(got), "; "); s != tt.want {
			t.Errorf("%s answered %s: %q; want %q", tt.item, tt.answers, s, tt.want)
		}
	}
}

// TestStructure checks which items stand where.
func TestStructure(t *testing.T) {
	const items = `{"linkId":"a","type":"string","text":"A?"},
		{"linkId":"g","type":"group","repeats":true,"item":[
			{"linkId":"b","type":"string","required":true},
			{"linkId":"c","type":"boolean","item":[{"linkId":"d","type":"string","required":true}]}]},
		{"linkId":"h","type":"group","required":true,"item":[{"linkId":"e","type":"string"}]},
		{"linkId":"t","type":"group","required":true,"item":[{"linkId":"u","type":"display"}]}`
	const h = `{"linkId":"h","item":[{"linkId":"e","answer":[{"valueString":"x"}]}]}`
	tests := []struct{ items, more, want string }{
		{h, "", ""},
		{"", `,"status":"in-progress"`, ""},
		{`{"linkId":"a","text":"B?"},` + h, "", "~q-text item[0].text"},
		{`{"linkId":"zz"},` + h, "", "q-item item[0].linkId"},
		{h + `,{"linkId":"a"}`, "", "q-order item[1]"},
		{`{"linkId":"a"},{"linkId":"a"},` + h, "", "q-twice item[1]"},
		{`{"linkId":"b","answer":[{"valueString":"x"}]},` + h, "", "q-level item[0]"},
		{`{"linkId":"g","item":[{"linkId":"b","answer":[{"valueString":"x"}]}]},{"linkId":"g","item":[{"linkId":"b","answer":[{"valueString":"x"}]}]},` + h, "", ""},
		{`{"linkId":"g","item":[{"linkId":"b","answer":[{"valueString":"x"}]}]},{"linkId":"g","item":[{"linkId":"c"}]},` + h, "", "q-required item[1].item"},
		{`{"linkId":"g","item":[{"linkId":"b"}]},` + h, "", "q-required item[0].item[0].answer"},
		{`{"linkId":"g","item":[{"linkId":"b"}]},` + h, `,"status":"in-progress"`, ""},
		{`{"linkId":"g","item":[{"linkId":"b","answer":[{"valueString":"x"}]},{"linkId":"c","answer":[{"valueBoolean":true}]}]},` + h, "", "q-required item[0].item[1].answer[0].item"},
		{`{"linkId":"g","item":[{"linkId":"b","answer":[{"valueString":"x"}]},{"linkId":"c","answer":[{"valueBoolean":true,"item":[{"linkId":"d","answer":[{"valueString":"x"}]}]}]}]},` + h, "", ""},
		{`{"linkId":"g","item":[{"linkId":"b","answer":[{"valueString":"x"}]},{"linkId":"c","item":[{"linkId":"d","answer":[{"valueString":"x"}]}]}]},` + h, "", "q-level item[0].item[1].item"},
		{"", "", "q-required item"},
		{`{"linkId":"h"}`, "", "q-required item[0].item"},
		{h, `,"questionnaire":"http://q.example/q|2"`, "q-version questionnaire"},
		{h, `,"subject":{"reference":"Group/1"}`, "q-subject subject"},
		{h, `,"subject":{"reference":"Patient/1"}`, ""},
		{h, `,"contained":[{"resourceType":"Group","id":"s"}],"subject":{"reference":"#s"}`, "q-subject subject"},
	}
	for _, tt := range tests {
		r := response(tt.items, tt.more)
		if strings.Contains(tt.more, `"questionnaire"`) {
			r = strings.Replace(r, `"questionnaire":"http://q.example/q|1",`, "", 1)
		}
		got := judge(t, form(items, `"subjectType":["Patient"]`), r)
		if s := strings.Join(brief(got), "; "); s != tt.want {
			t.Errorf("%s %s: %q; want %q", tt.items, tt.more, s, tt.want)
		}
	}
	draft := strings.Replace(form(items, ""), `"active"`, `"draft"`, 1)
	if got := brief(judge(t, draft, response(h, ""))); !slices.Equal(got, []string{"~q-status questionnaire"}) {
		t.Errorf("a draft: %q", got)
	}
}

// TestEnabled answers a question and the item that depends on it.
func TestEnabled(t *testing.T) {
	when := func(op, answer string) string {
		return `"enableWhen":[{"question":"a","operator":"` + op + `",` + answer + `}]`
	}
	tests := []struct {
		question, when, answer string
		want                   verdict
	}{
		{"boolean", when("=", `"answerBoolean":true`), `{"valueBoolean":true}`, yes},
		{"boolean", when("=", `"answerBoolean":true`), `{"valueBoolean":false}`, no},
		{"boolean", when("=", `"answerBoolean":true`), ``, no},
		{"boolean", when("!=", `"answerBoolean":true`), `{"valueBoolean":false}`, yes},
		{"boolean", when("!=", `"answerBoolean":true`), `{"valueBoolean":true}`, no},
		{"boolean", when("!=", `"answerBoolean":true`), ``, open},
		{"string", when("exists", `"answerBoolean":true`), `{"valueString":"x"}`, yes},
		{"string", when("exists", `"answerBoolean":true`), ``, no},
		{"string", when("exists", `"answerBoolean":false`), ``, yes},
		{"string", when("exists", `"answerBoolean":false`), `{"valueString":"x"}`, no},
		{"integer", when(">", `"answerInteger":3`), `{"valueInteger":4}`, yes},
		{"integer", when(">", `"answerInteger":3`), `{"valueInteger":3}`, no},
		{"integer", when(">=", `"answerInteger":3`), `{"valueInteger":3}`, yes},
		{"integer", when("<", `"answerInteger":3`), `{"valueInteger":2}`, yes},
		{"integer", when("<=", `"answerInteger":3`), `{"valueInteger":4}`, no},
		{"decimal", when("=", `"answerDecimal":3`), `{"valueDecimal":3.0}`, yes},
		{"date", when(">", `"answerDate":"2026-01-01"`), `{"valueDate":"2026-01-02"}`, yes},
		{"date", when(">", `"answerDate":"2026-01-15"`), `{"valueDate":"2026-01"}`, open},
		{"dateTime", when(">", `"answerDateTime":"2026-01-01T00:00:00Z"`), `{"valueDateTime":"2026-01-01T00:30:00+01:00"}`, no},
		{"time", when("<", `"answerTime":"12:00:00"`), `{"valueTime":"11:59:59"}`, yes},
		{"string", when("=", `"answerString":"x"`), `{"valueString":"x"}`, yes},
		{"url", when("=", `"answerString":"http://x"`), `{"valueUri":"http://x"}`, yes},
		{"choice", when("=", `"answerCoding":{"system":"s","code":"a"}`), `{"valueCoding":{"system":"s","code":"a"}}`, yes},
		{"choice", when("=", `"answerCoding":{"system":"s","code":"a"}`), `{"valueCoding":{"system":"t","code":"a"}}`, no},
		{"choice", when("=", `"answerCoding":{"system":"s","code":"a"}`), `{"valueCoding":{"code":"a"}}`, open},
		{"quantity", when(">", `"answerQuantity":{"value":1,"unit":"kg"}`), `{"valueQuantity":{"value":2,"unit":"kg"}}`, yes},
		{"quantity", when(">", `"answerQuantity":{"value":1,"unit":"kg"}`), `{"valueQuantity":{"value":2,"unit":"g"}}`, open},
		{"reference", when("=", `"answerReference":{"reference":"Patient/1"}`), `{"valueReference":{"reference":"Patient/1"}}`, yes},
		{"integer", when(">", `"answerInteger":3`) + `,"repeats":true`, `{"valueInteger":1},{"valueInteger":9}`, yes}, // any answer
	}
	for _, tt := range tests {
		q := form(fmt.Sprintf(`{"linkId":"a","type":"%s","repeats":true},{"linkId":"b","type":"string","required":true,%s}`,
			tt.question, tt.when), "")
		a := `{"linkId":"a"}`
		if tt.answer != "" {
			a = `{"linkId":"a","answer":[` + tt.answer + `]}`
		}
		without := len(judge(t, q, response(a, ""))) > 0 // q-required
		with := len(judge(t, q, response(a+`,{"linkId":"b","answer":[{"valueString":"x"}]}`, ""))) > 0
		if got := map[[2]bool]verdict{{true, false}: yes, {false, true}: no, {false, false}: open}[[2]bool{without, with}]; got != tt.want {
			t.Errorf("%s %s, answered %s: %d; want %d", tt.question, tt.when, tt.answer, got, tt.want)
		}
	}
}

// TestEnabledTogether covers several conditions, chains, and questions in
// repeated groups.
func TestEnabledTogether(t *testing.T) {
	const ab = `{"linkId":"a","type":"boolean"},{"linkId":"b","type":"boolean"},`
	const two = `"enableWhen":[{"question":"a","operator":"=","answerBoolean":true},{"question":"b","operator":"=","answerBoolean":true}]`
	const oneTrue = `{"linkId":"a","answer":[{"valueBoolean":true}]},{"linkId":"b","answer":[{"valueBoolean":false}]}`
	const c = `,{"linkId":"c","answer":[{"valueString":"x"}]}`
	const chain = `{"linkId":"a","type":"boolean"},
		{"linkId":"b","type":"boolean","enableWhen":[{"question":"a","operator":"=","answerBoolean":true}]},
		{"linkId":"g","type":"group","enableWhen":[{"question":"b","operator":"=","answerBoolean":true}],"item":[{"linkId":"c","type":"string","required":true}]}`
	const rep = `{"linkId":"g","type":"group","repeats":true,"item":[{"linkId":"a","type":"boolean"},
		{"linkId":"c","type":"string","required":true,"enableWhen":[{"question":"a","operator":"=","answerBoolean":true}]}]}`
	group := func(a, c string) string {
		out := `{"linkId":"g","item":[{"linkId":"a","answer":[{"valueBoolean":` + a + `}]}`
		if c != "" {
			out += `,{"linkId":"c","answer":[{"valueString":"x"}]}`
		}
		return out + `]}`
	}
	tests := []struct{ form, answers, more, want string }{
		{ab + `{"linkId":"c","type":"string","enableBehavior":"any","required":true,` + two + `}`, oneTrue, "", "q-required item"},
		{ab + `{"linkId":"c","type":"string","enableBehavior":"any",` + two + `}`, oneTrue + c, "", ""},
		{ab + `{"linkId":"c","type":"string","enableBehavior":"all",` + two + `}`, oneTrue + c, "", "q-disabled item[2]"},
		{ab + `{"linkId":"c","type":"string","enableBehavior":"all",` + two + `}`, oneTrue + c, `,"status":"in-progress"`, "~q-disabled item[2]"},
		{ab + `{"linkId":"c","type":"string","enableBehavior":"all","required":true,` + two + `}`, oneTrue, "", ""},
		{ab + `{"linkId":"c","type":"string","required":true,` + two + `}`, oneTrue, "", ""}, // nothing says all or any
		{ab + `{"linkId":"c","type":"string",` + two + `}`, oneTrue + c, "", ""},
		// b is answered and disabled: it counts as not answered for the group
		{chain, `{"linkId":"a","answer":[{"valueBoolean":false}]},{"linkId":"b","answer":[{"valueBoolean":true}]},{"linkId":"g","item":[{"linkId":"c","answer":[{"valueString":"x"}]}]}`, "",
			"q-disabled item[1]; q-disabled item[2]"},
		{chain, `{"linkId":"a","answer":[{"valueBoolean":true}]},{"linkId":"b","answer":[{"valueBoolean":true}]},{"linkId":"g","item":[{"linkId":"c"}]}`, "",
			"q-required item[2].item[0].answer"},
		{chain, `{"linkId":"a","answer":[{"valueBoolean":false}]},{"linkId":"g","item":[{"linkId":"c"}]}`, "", ""}, // there, and empty
		{rep, group("true", "c") + "," + group("false", ""), "", ""},
		{rep, group("false", "c") + "," + group("true", ""), "", "q-disabled item[0].item[1]; q-required item[1].item"},
		// the question comes after the item that depends on it
		{`{"linkId":"c","type":"string","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]},{"linkId":"a","type":"boolean"}`,
			`{"linkId":"c","answer":[{"valueString":"x"}]},{"linkId":"a","answer":[{"valueBoolean":true}]}`, "", ""},
		// the item stands below the question it depends on
		{`{"linkId":"a","type":"boolean","item":[{"linkId":"c","type":"string","required":true,"enableWhen":[{"question":"a","operator":"=","answerBoolean":true}]}]}`,
			`{"linkId":"a","answer":[{"valueBoolean":false,"item":[{"linkId":"c","answer":[{"valueString":"x"}]}]}]}`, "", "q-disabled item[0].answer[0].item[0]"},
		{`{"linkId":"a","type":"boolean","item":[{"linkId":"c","type":"string","required":true,"enableWhen":[{"question":"a","operator":"=","answerBoolean":true}]}]}`,
			`{"linkId":"a","answer":[{"valueBoolean":true}]}`, "", "q-required item[0].answer[0].item"},
		// order of codes by their ordinal values
		{`{"linkId":"a","type":"choice","answerOption":[{"valueCoding":{"system":"s","code":"lo",` + ext("ordinalValue", `"valueDecimal":1`) +
			`}},{"valueCoding":{"system":"s","code":"hi",` + ext("ordinalValue", `"valueDecimal":2`) + `}}]},
			{"linkId":"c","type":"string","enableWhen":[{"question":"a","operator":">=","answerCoding":{"system":"s","code":"hi"}}]}`,
			`{"linkId":"a","answer":[{"valueCoding":{"system":"s","code":"lo"}}]}` + c, "", "q-disabled item[1]"},
	}
	for _, tt := range tests {
		got := judge(t, form(tt.form, ""), response(tt.answers, tt.more))
		if s := strings.Join(brief(got), "; "); s != tt.want {
			t.Errorf("%s\nanswered %s\n got %q\nwant %q", tt.form, tt.answers, s, tt.want)
		}
	}
}

func scoreOf(parts string) string {
	return `"extension":[{"url":"` + ScoreURL + `","extension":[` + parts + `]}]`
}

func part(url, value string) string { return `{"url":"` + url + `",` + value + `}` }

// TestTotals recomputes sums, means, tables and expressions.
func TestTotals(t *testing.T) {
	const limits = `"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/minValue","valueInteger":0},{"url":"http://hl7.org/fhir/StructureDefinition/maxValue","valueInteger":10}]`
	items := `{"linkId":"a","type":"integer",` + limits + `},{"linkId":"b","type":"integer",` + limits + `},`
	ab := part("item", `"valueString":"a"`) + "," + part("item", `"valueString":"b"`)
	aNotB := part("item", `"valueString":"a"`) + "," + part("reverse", `"valueString":"b"`)
	row := func(sum, value string) string {
		return `{"url":"row","extension":[` + part("sum", `"valueDecimal":`+sum) + "," + part("value", `"valueDecimal":`+value) + `]}`
	}
	total := func(parts string) string { return `{"linkId":"t","type":"decimal",` + scoreOf(parts) + `}` }
	sum := total(part("method", `"valueCode":"sum"`) + "," + ab)
	mean := total(part("method", `"valueCode":"mean"`) + "," + ab + "," + part("places", `"valueInteger":1`))
	table := total(part("method", `"valueCode":"table"`) + "," + ab + "," + row("3", "3.25") + "," + row("4", "4.5"))
	turned := total(part("method", `"valueCode":"sum"`) + "," + aNotB)
	calculated := `{"linkId":"t","type":"decimal","extension":[{"url":"` + calculatedURL + `","valueExpression":{"language":"text/fhirpath",
		"expression":"%resource.item.where(linkId = 'a').answer.value + %resource.item.where(linkId = 'b').answer.value"}}]}`
	tests := []struct{ total, a, b, given, want string }{
		{sum, "1", "2", "3", ""},
		{sum, "1", "2", "3.00", ""},
		{sum, "1", "2", "", ""}, // none is asked for
		{sum, "1", "2", "4", "q-total item[2].answer[0].valueDecimal"},
		{sum, "1", "", "1", "q-total item[1].answer[0].valueDecimal"},
		{mean, "1", "2", "1.5", ""},
		{mean, "1", "2", "1.54", ""},
		{mean, "1", "2", "1.6", "q-total item[2].answer[0].valueDecimal"},
		{table, "1", "2", "3.25", ""},
		{table, "1", "2", "3", "q-total item[2].answer[0].valueDecimal"},
		{table, "5", "5", "10", "q-total item[2].answer[0].valueDecimal"}, // no such row
		{turned, "1", "2", "9", ""},
		{turned, "1", "2", "3", "q-total item[2].answer[0].valueDecimal"},
		{calculated, "1", "2", "3", ""},
		{calculated, "1", "2", "4", "q-total item[2].answer[0].valueDecimal"},
	}
	for _, tt := range tests {
		answer := func(link, kind, v string) string {
			if v == "" {
				return ""
			}
			return `{"linkId":"` + link + `","answer":[{"` + kind + `":` + v + `}]},`
		}
		r := strings.TrimSuffix(answer("a", "valueInteger", tt.a)+answer("b", "valueInteger", tt.b)+answer("t", "valueDecimal", tt.given), ",")
		if s := strings.Join(brief(judge(t, form(items+tt.total, ""), response(r, ""))), "; "); s != tt.want {
			t.Errorf("%s of %s and %s, given %s: %q; want %q", tt.total, tt.a, tt.b, tt.given, s, tt.want)
		}
	}
}

// TestDecimalRows looks a sum of decimals up as it is written, not as binary
// fractions add up.
func TestDecimalRows(t *testing.T) {
	parts := part("method", `"valueCode":"table"`) + "," + part("item", `"valueString":"a"`) + "," + part("item", `"valueString":"b"`) +
		`,{"url":"row","extension":[` + part("sum", `"valueDecimal":0.3`) + "," + part("value", `"valueDecimal":7`) + `]}`
	q := form(`{"linkId":"a","type":"decimal"},{"linkId":"b","type":"decimal"},{"linkId":"t","type":"decimal",`+scoreOf(parts)+`}`, "")
	r := response(`{"linkId":"a","answer":[{"valueDecimal":0.1}]},{"linkId":"b","answer":[{"valueDecimal":0.2}]},{"linkId":"t","answer":[{"valueDecimal":7}]}`, "")
	if got := brief(judge(t, q, r)); len(got) > 0 {
		t.Error(got)
	}
}

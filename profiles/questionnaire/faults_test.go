package questionnaire

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

// TestFaults lists what is wrong with Questionnaires themselves.
func TestFaults(t *testing.T) {
	const a = `{"linkId":"a","type":"integer"},`
	score := func(parts string) string { return `{"linkId":"t","type":"integer",` + scoreOf(parts) + `}` }
	sum := part("method", `"valueCode":"sum"`) + ","
	tests := []struct{ items, want string }{
		{`{"linkId":"a","type":"string"},{"linkId":"g","type":"group","item":[{"linkId":"a","type":"string"}]}`, "q-def-link item[1].item[0].linkId"},
		{`{"linkId":"a","type":"question"}`, "q-def-type item[0]"},
		{`{"linkId":"a","type":"display","item":[{"linkId":"b","type":"string"}]}`, "q-def-type item[0]"},
		{`{"linkId":"a","type":"string","enableWhen":[{"question":"b","operator":"exists","answerBoolean":true}]}`, "q-def-enable item[0].enableWhen[0].question"},
		{a + `{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"=","answerString":"1"}]}`, "q-def-enable item[1].enableWhen[0].answerString"},
		{a + `{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"=","answerDecimal":1}]}`, ""},
		{`{"linkId":"a","type":"boolean"},{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":">","answerBoolean":true}]}`, "q-def-enable item[1].enableWhen[0].operator"},
		{`{"linkId":"g","type":"group","item":[` + a + `{"linkId":"b","type":"string","enableWhen":[{"question":"g","operator":"exists","answerBoolean":true}]}]}`,
			"q-def-enable item[0].item[1].enableWhen[0].question"},
		{`{"linkId":"a","type":"boolean","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]}`, "q-def-cycle item[0]"},
		{`{"linkId":"a","type":"boolean","enableWhen":[{"question":"b","operator":"exists","answerBoolean":true}]},
			{"linkId":"b","type":"boolean","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]},
			{"linkId":"c","type":"boolean","enableWhen":[{"question":"b","operator":"exists","answerBoolean":true}]}`, "q-def-cycle item[0]; q-def-cycle item[1]"},
		{`{"linkId":"g","type":"group","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}],"item":[{"linkId":"a","type":"boolean"}]}`, "q-def-cycle item[0]"},
		{`{"linkId":"a","type":"integer","answerOption":[{"valueString":"1"}]}`, "q-def-option item[0].answerOption[0].valueString"},
		{`{"linkId":"a","type":"choice","answerOption":[{"valueCoding":{"code":"1"}},{"valueCoding":{"code":"1"}}]}`, "q-def-option item[0].answerOption[1].valueCoding"},
		{`{"linkId":"a","type":"choice","answerValueSet":"#none"}`, "~q-def-set item[0].answerValueSet"},
		{`{"linkId":"a","type":"integer","initial":[{"valueString":"1"}]}`, "q-def-initial item[0].initial[0].valueString"},
		{`{"linkId":"a","type":"boolean",` + ext("minValue", `"valueInteger":1`) + `}`, "q-def-limit item[0].extension[0].valueInteger"},
		{`{"linkId":"a","type":"string","maxLength":2,` + ext("minLength", `"valueInteger":3`) + `}`, "q-def-limit item[0]"},
		{`{"linkId":"a","type":"integer","extension":[{"url":"` + core + `minValue","valueInteger":3},{"url":"` + core + `maxValue","valueInteger":2}]}`, "q-def-limit item[0]"},
		{`{"linkId":"a","type":"string",` + ext("questionnaire-minOccurs", `"valueInteger":2`) + `}`, "q-def-limit item[0]"},
		{`{"linkId":"a","type":"string",` + ext("regex", `"valueString":"("`) + `}`, "q-def-regex item[0].extension[0].valueString"},
		{`{"linkId":"a","type":"string",` + ext("regex", `"valueString":"(?=x)"`) + `}`, "q-def-regex item[0].extension[0].valueString"},
		{`{"linkId":"a","type":"string",` + ext("regex", `"valueString":"(((a{10}){10}){10}){9}"`) + `}`, "q-def-regex item[0].extension[0].valueString"},
		{`{"linkId":"a","type":"string",` + ext("regex", `"valueString":"`+strings.Repeat("a", 300)+`"`) + `}`, "q-def-regex item[0].extension[0].valueString"},
		{a + score(sum+part("item", `"valueString":"a"`)), ""},
		{a + score(sum+part("item", `"valueString":"b"`)), "q-def-score item[1].extension[0].extension[1].valueString"},
		{a + score(part("method", `"valueCode":"median"`)+","+part("item", `"valueString":"a"`)), "q-def-score item[1].extension[0]"},
		{a + score(part("method", `"valueCode":"table"`)+","+part("item", `"valueString":"a"`)), "q-def-score item[1].extension[0]"},
		{a + score(sum+part("reverse", `"valueString":"a"`)), "q-def-score item[1].extension[0].extension[1].valueString"},
		{score(sum + part("item", `"valueString":"t"`)), "q-def-cycle item[0]"},
		{`{"linkId":"c","type":"choice","answerOption":[{"valueCoding":{"code":"1"}}]},` + score(sum+part("item", `"valueString":"c"`)),
			"q-def-score item[1].extension[0].extension[1].valueString"},
		{`{"linkId":"t","type":"string",` + scoreOf(sum+part("item", `"valueString":"t"`)) + `}`, "q-def-score item[0].extension[0]"},
		{`{"linkId":"t","type":"integer","extension":[{"url":"` + calculatedURL + `","valueExpression":{"language":"text/fhirpath","expression":"%resource.item.answer.value.ordinal()"}}]}`,
			"~q-def-score item[0].extension[0]"},
	}
	for _, tt := range tests {
		var issues []fhir.Issue
		Faults(decode(t, form(tt.items, "")).Root(), nil, collect(&issues))
		if s := strings.Join(brief(issues), "; "); s != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.items, s, tt.want)
		}
		_, err := Compile(decode(t, form(tt.items, "")), nil)
		if refused := tt.want != "" && !strings.HasPrefix(tt.want, "~"); (err != nil) != refused {
			t.Errorf("%s: Compile gives %v", tt.items, err)
		}
	}
}

// hostile are pairs of documents made to cost much more than their size.
func hostile() map[string][2]string {
	list := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(f(i))
		}
		return b.String()
	}
	n := 10_000
	if testing.Short() {
		n = 2_000
	}
	item := func(more string) func(int) string {
		return func(i int) string { return fmt.Sprintf(`{"linkId":"i%d","type":"boolean"%s}`, i, more) }
	}
	answered := list(n, func(i int) string { return fmt.Sprintf(`{"linkId":"i%d","answer":[{"valueBoolean":true}]}`, i) })
	on := func(q string) string {
		return `,"enableWhen":[{"question":"` + q + `","operator":"=","answerString":"z"}],"required":true`
	}
	many := `{"linkId":"q","answer":[` + list(n, func(int) string { return `{"valueString":"y"}` }) + `]}`
	groups := list(n, func(int) string { return `{"linkId":"g","item":[{"linkId":"x","answer":[{"valueString":"y"}]}]}` })
	regex := list(200, func(i int) string {
		return fmt.Sprintf(`{"linkId":"i%d","type":"string","repeats":true,%s}`, i, ext("regex", `"valueString":"(.*a){60}b"`))
	})
	texts := list(200, func(i int) string {
		return fmt.Sprintf(`{"linkId":"i%d","answer":[%s]}`, i, list(5, func(int) string { return `{"valueString":"` + strings.Repeat("a", 4000) + `"}` }))
	})
	return map[string][2]string{
		"many items":                {form(list(n, item("")), ""), response(answered, "")},
		"unknown items":             {form(`{"linkId":"q","type":"string"}`, ""), response(answered, "")},
		"conditions on many":        {form(`{"linkId":"q","type":"string","repeats":true},`+list(n, item(on("q"))), ""), response(many+","+answered, "")},
		"groups with many required": {form(`{"linkId":"g","type":"group","repeats":true,"item":[{"linkId":"x","type":"string"},`+list(n, item(`,"required":true`))+`]}`, ""), response(groups, "")},
		"groups with many disabled": {form(`{"linkId":"g","type":"group","repeats":true,"item":[{"linkId":"x","type":"string"},`+list(n, item(on("x")))+`]}`, ""), response(groups, "")},
		"patterns":                  {form(regex, ""), response(texts, "")},
		"reversed":                  {form(list(n, item("")), ""), response(list(n, func(i int) string { return fmt.Sprintf(`{"linkId":"i%d"}`, n-1-i) }), "")},
	}
}

// TestHostile bounds the work of documents made to be costly: the steps of a
// check are counted, and what is beyond them is refused.
func TestHostile(t *testing.T) {
	for name, docs := range hostile() {
		q, err := Compile(decode(t, docs[0]), nil)
		if err != nil {
			t.Errorf("%s: Compile: %v", name, err)
			continue
		}
		faults, costly := 0, false
		r, start := decode(t, docs[1]).Root(), time.Now()
		q.Check(r, Report{Emit: func(_ fhir.Value, _ string, is fhir.Issue) {
			faults++
			costly = costly || is.Rule == "q-costly"
		}})
		t.Logf("%s: %d issues, costly %t, %v", name, faults, costly, time.Since(start))
		if faults > 100_000 {
			t.Errorf("%s: %d issues", name, faults)
		}
	}
}

// TestHostileQuestionnaires are refused at once.
func TestHostileQuestionnaires(t *testing.T) {
	var chain, many, big strings.Builder
	chain.WriteString(`{"linkId":"0","type":"boolean"}`)
	for i := 1; i < 5_000; i++ {
		fmt.Fprintf(&chain, `,{"linkId":"%d","type":"boolean","enableWhen":[{"question":"%d","operator":"exists","answerBoolean":true}]}`, i, i-1)
	}
	for i := range maxItems + 1 {
		fmt.Fprintf(&many, `,{"linkId":"%d","type":"boolean"}`, i)
	}
	for i := range 500 {
		fmt.Fprintf(&big, `,{"linkId":"%d","type":"string",%s}`, i, ext("regex", `"valueString":"`+strings.Repeat("[^a]{9}", 30)+`"`))
	}
	for name, items := range map[string]string{"chain": chain.String(), "many": many.String()[1:], "patterns": big.String()[1:]} {
		if _, err := Compile(decode(t, form(items, "")), nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

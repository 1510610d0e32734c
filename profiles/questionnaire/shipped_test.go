package questionnaire

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// TestShipped compiles the Questionnaires that Trellis ships.
func TestShipped(t *testing.T) {
	files, err := filepath.Glob("../data/questionnaires/*.json")
	if err != nil || len(files) != 12 {
		t.Fatalf("%d questionnaires (err %v)", len(files), err)
	}
	for _, f := range files {
		q, r := shipped(t, f)
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "Questionnaire-"), ".json")
		if r.ID() != name || q.URL() != "https://trellis.example/fhir/Questionnaire/"+name || q.Version() != "1.0.0" {
			t.Errorf("%s: id %s, url %s, version %s", f, r.ID(), q.URL(), q.Version())
		}
		Faults(r.Root(), nil, func(at fhir.Value, _ string, is fhir.Issue) { t.Errorf("%s: %s: %s", f, at.Path(), is.Text) })
	}
}

func shipped(tb testing.TB, file string) (*Questionnaire, fhir.Resource) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := fhir.Decode(b)
	if err != nil {
		tb.Fatal(err)
	}
	q, err := Compile(r, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return q, r
}

// TestMetric holds the table of SWEMWBS against its known ends and middle.
func TestMetric(t *testing.T) {
	q, _ := shipped(t, "../data/questionnaires/Questionnaire-swemwbs.json")
	if n := len(q.items[q.links["metric"]].score.table); n != 29 {
		t.Errorf("%d rows; want 29, for 7 to 35", n)
	}
	for raw, metric := range map[int]string{7: "7", 17: "16.88", 25: "22.35", 29: "26.02", 35: "35.0"} {
		for given, want := range map[string]int{metric: 0, "8.5": 1} {
			r := `{"resourceType":"QuestionnaireResponse","status":"completed","item":[{"linkId":"raw","answer":[{"valueInteger":` +
				strconv.Itoa(raw) + `}]},{"linkId":"metric","answer":[{"valueDecimal":` + given + `}]}]}`
			faults := 0
			q.Check(decode(t, r).Root(), Report{Emit: func(_ fhir.Value, _ string, is fhir.Issue) { faults++ }})
			if faults != want {
				t.Errorf("raw %d, metric %s: %d faults; want %d", raw, given, faults, want)
			}
		}
	}
}

// wide returns a Questionnaire of 28 choices in four groups with a total each,
// and its answers.
func wide() (q, r string) {
	var items, answers []string
	options := `"answerOption":[`
	for o := range 5 {
		if o > 0 {
			options += ","
		}
		options += `{"valueCoding":{"system":"http://loinc.org","code":"LA` + strconv.Itoa(o) + `",` + ext("ordinalValue", `"valueDecimal":`+strconv.Itoa(o)) + `}}`
	}
	options += `]`
	for g := range 4 {
		var in, out, counted []string
		for i := range 6 {
			link := "g" + strconv.Itoa(g) + "." + strconv.Itoa(i)
			in = append(in, `{"linkId":"`+link+`","text":"A question","type":"choice","required":true,`+options+`}`)
			out = append(out, `{"linkId":"`+link+`","text":"A question","answer":[{"valueCoding":{"system":"http://loinc.org","code":"LA2","display":"Answer"}}]}`)
			counted = append(counted, part("item", `"valueString":"`+link+`"`))
		}
		link := "g" + strconv.Itoa(g)
		in = append(in, `{"linkId":"`+link+`.t","type":"integer","readOnly":true,`+scoreOf(part("method", `"valueCode":"sum"`)+","+strings.Join(counted, ","))+
			`,"enableWhen":[{"question":"`+link+`.0","operator":"exists","answerBoolean":true}]}`)
		out = append(out, `{"linkId":"`+link+`.t","answer":[{"valueInteger":12}]}`)
		items = append(items, `{"linkId":"`+link+`","type":"group","required":true,"item":[`+strings.Join(in, ",")+`]}`)
		answers = append(answers, `{"linkId":"`+link+`","item":[`+strings.Join(out, ",")+`]}`)
	}
	return form(strings.Join(items, ","), ""), response(strings.Join(answers, ","), "")
}

func BenchmarkCheck28(b *testing.B) {
	form, answers := wide()
	q, err := Compile(decode(b, form), nil)
	if err != nil {
		b.Fatal(err)
	}
	r := decode(b, answers).Root()
	b.ReportAllocs()
	for b.Loop() {
		q.Check(r, Report{Emit: func(at fhir.Value, _ string, is fhir.Issue) { b.Fatal(at.Path(), is.Text) }})
	}
}

func BenchmarkCompile28(b *testing.B) {
	form, _ := wide()
	r := decode(b, form)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

package formats

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"trellis.example/fhir"
)

func lookup(t *testing.T, id string) Entry {
	t.Helper()
	e, ok, err := Lookup(id)
	if err != nil || !ok {
		t.Fatalf("%s: %t, %v", id, ok, err)
	}
	return e
}

// TestMetricTable holds the table of the map to the one of the Questionnaire,
// by which answers are judged.
func TestMetricTable(t *testing.T) {
	b, err := os.ReadFile("../../profiles/data/questionnaires/Questionnaire-swemwbs.json")
	if err != nil {
		t.Fatal(err)
	}
	q, err := fhir.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("swemwbs-csv/tables/metric.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for ext := range q.Root().At("item", 1, "extension", 0, "extension").All() {
		if ext.Get("url").Text() != "row" {
			continue
		}
		rows++
		line := `{partner: "` + ext.At("extension", 0, "valueDecimal").Text() + `", code: "` + ext.At("extension", 1, "valueDecimal").Text() + `"}`
		if !strings.Contains(string(table), line) {
			t.Errorf("tables/metric.yaml has no row %s", line)
		}
	}
	if got := strings.Count(string(table), "partner:"); rows != 29 || got != rows {
		t.Errorf("%d rows in the Questionnaire, %d in the table; want 29", rows, got)
	}
}

// TestOverride shows a platform with columns of its own: a map of a few lines.
func TestOverride(t *testing.T) {
	dir := fstest.MapFS{"acme-ons4/map.yaml": {Data: []byte(`
id: acme-ons4
version: 1.0.0
base: ons4-csv
partner: Acme wellbeing export
paths: {client_ref: Case ID, date_completed: Survey date, happiness: Happy}
rules:
  - {id: response-based-on, partner: Case ID, resource: "QuestionnaireResponse:response", fhir: "basedOn[0].reference", type: prefixed, value: "ServiceRequest?identifier=https://acme.example/cases|", required: true}
`)}}
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := set.Lookup("acme-ons4")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	res := e.Read([]byte("Case ID,stage,Survey date,life_satisfaction,worthwhile,Happy,anxiety\n77,Baseline,05/01/2026,3,5,2,8\n"))
	if !res.Accepted() {
		t.Fatalf("%v %v", res.Faults, res.Records)
	}
	for _, want := range []string{`"ServiceRequest?identifier=https://acme.example/cases|77"`, `"authored":"2026-01-05"`, `"linkId":"happy","answer":[{"valueInteger":2}]`} {
		if !strings.Contains(string(res.Records[0].Bundle), want) {
			t.Errorf("the bundle has no %s", want)
		}
	}
}

// TestONS4IsNeverAddedUp holds that four answers are four scores, and that a
// blank is none.
func TestONS4IsNeverAddedUp(t *testing.T) {
	e := lookup(t, "ons4-csv")
	tests := []struct {
		row    string
		scores int
		status string
	}{
		{"3,5,2,8", 4, "completed"},
		{"0,0,0,0", 4, "completed"},
		{"3,,2,8", 3, "in-progress"},
		{",,,", 0, "in-progress"},
	}
	for _, tt := range tests {
		res := e.Read([]byte("client_ref,stage,date_completed,life_satisfaction,worthwhile,happiness,anxiety\nA,End,05/01/2026," + tt.row + "\n"))
		if !res.Accepted() {
			t.Fatalf("%s: %v", tt.row, res.Records)
		}
		b := string(res.Records[0].Bundle)
		if got := strings.Count(b, `"valueQuantity"`); got != tt.scores || !strings.Contains(b, `"status":"`+tt.status+`"`) {
			t.Errorf("%s: %d scores; want %d and %s", tt.row, got, tt.scores, tt.status)
		}
	}
}

// prsbModel are the mandatory elements of the PRSB model: path and node.
type prsbModel struct{ path, node string }

// TestPRSBMandatory holds every referral that is written against the list of
// mandatory elements, which is read from the published model and not from our
// map.
func TestPRSBMandatory(t *testing.T) {
	f, err := os.Open("../../../shared/standards/data/prsb-elements.csv")
	if err != nil {
		t.Skip("the elements of the PRSB model are not at hand:", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var model []prsbModel
	for _, r := range rows[1:] {
		if strings.HasPrefix(r[7], "M") {
			model = append(model, prsbModel{r[4], r[5]})
		}
	}
	if len(model) < 15 {
		t.Fatalf("%d mandatory elements: the list was not read", len(model))
	}
	e := lookup(t, "prsb-json")
	written := 0
	for _, doc := range referrals(t, e) {
		w := e.Write(doc)
		if w.Document == "" {
			continue
		}
		written++
		var got map[string]any
		if err := json.Unmarshal([]byte(w.Document), &got); err != nil {
			t.Fatal(err)
		}
		for _, m := range model {
			if !holds(got, m.path) {
				t.Errorf("a referral was written without %s", m.path)
			}
		}
	}
	if written < 3 {
		t.Errorf("%d referrals were written", written)
	}
}

// referrals are our examples, what the cases become, and those with each
// resource left out.
func referrals(t *testing.T, e Entry) [][]byte {
	t.Helper()
	var out [][]byte
	names, _ := filepath.Glob("../../profiles/examples/prsb-referral-bundle/valid-*.json")
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	for _, doc := range inputs(t, e) {
		for _, rec := range e.Read(doc).Records {
			if rec.Bundle == nil {
				continue
			}
			out = append(out, rec.Bundle)
			var b map[string]any
			if err := json.Unmarshal(rec.Bundle, &b); err != nil {
				t.Fatal(err)
			}
			all, _ := b["entry"].([]any)
			for i := range all {
				b["entry"] = slices.Delete(slices.Clone(all), i, i+1)
				less, err := json.Marshal(b)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, less)
			}
		}
	}
	return out
}

// holds reports whether a document has the element of a path of the model: of
// every entry of a list that is there. An entry of a list that may be left out
// is asked only where there is one.
func holds(doc any, path string) bool {
	at := []any{doc}
	steps := strings.Split(path, " > ")
	for i, step := range steps {
		if strings.HasSuffix(step, "record entry") || i > 0 && step == steps[i-1] {
			continue
		}
		if step == "Problem list" && at[0].(map[string]any)["problemList"] == nil {
			return true
		}
		var next []any
		for _, v := range at {
			m, _ := v.(map[string]any)
			x, ok := m[camel(step)]
			if !ok || x == nil {
				return false
			}
			if list, isList := x.([]any); isList {
				if len(list) == 0 {
					return false
				}
				next = append(next, list...)
			} else {
				next = append(next, x)
			}
		}
		at = next
	}
	return !slices.Contains(at, any(""))
}

// camel is a name of the model as the format writes it.
func camel(name string) string {
	words := strings.Fields(strings.NewReplacer("'", "", "/", " ").Replace(name))
	for i, w := range words {
		if i == 0 {
			words[i] = strings.ToLower(w)
			continue
		}
		words[i] = strings.ToUpper(w[:1]) + strings.ToLower(w[1:])
	}
	out := strings.Join(words, "")
	if strings.HasPrefix(name, "GP ") {
		out = "gp" + out[2:]
	}
	return out
}

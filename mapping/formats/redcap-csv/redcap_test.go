package redcapcsv

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/csv"
)

const head = `Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"Choices, Calculations, OR Slider Labels",Field Note,Text Validation Type OR Show Slider Number,Text Validation Min,Text Validation Max,Identifier?,Branching Logic (Show field only if...),Required Field?,Custom Alignment,Question Number (surveys only),Matrix Group Name,Matrix Ranking?,Field Annotation` + "\n"

func format(t testing.TB, files fstest.MapFS) (*Format, error) {
	t.Helper()
	return New(files, mapping.Library{Codecs: map[string]codec.Syntax{"csv": csv.Syntax{}}})
}

func own(t testing.TB) *Format {
	t.Helper()
	b, err := os.ReadFile(Dictionary)
	if err != nil {
		t.Fatal(err)
	}
	f, err := format(t, fstest.MapFS{Dictionary: {Data: b}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBranching(t *testing.T) {
	tests := []struct {
		in   string
		want []condition
		all  bool
	}{
		{"[housing] = '1'", []condition{{"housing", "", "=", "1"}}, true},
		{`[age]>=65 and [alone] = "1"`, []condition{{"age", "", ">=", "65"}, {"alone", "", "=", "1"}}, true},
		{"[a] <> '2' OR [b] < 3", []condition{{"a", "", "!=", "2"}, {"b", "", "<", "3"}}, false},
		{"[needs(2)] = '1'", []condition{{"needs", "2", "=", "2"}}, true},
		{"[a] = ''", []condition{{"a", "", "exists", "false"}}, true},
		{"[a] <> ''", []condition{{"a", "", "exists", "true"}}, true},
		{"[needs(2)] = '0'", nil, false}, // an answer that is not among several has no simple form
		{"[a] = '1' and [b] = '1' or [c] = '1'", nil, false},
		{"([a] = '1')", nil, false},
		{"[event][a] = '1'", nil, false},
		{"datediff([a], 'today', 'd') > 3", nil, false},
		{"[a] + [b] > 3", nil, false},
		{"[a] > ''", nil, false},
	}
	for _, tt := range tests {
		got, all, ok := branching(tt.in)
		if ok != (tt.want != nil) || ok && (!reflect.DeepEqual(got, tt.want) || all != tt.all) {
			t.Errorf("%s: %v, %t, %t; want %v, %t", tt.in, got, all, ok, tt.want, tt.all)
		}
	}
}

// TestFaultyDictionaries holds that each fault is named with its row and
// column.
func TestFaultyDictionaries(t *testing.T) {
	tests := []struct{ name, rows, want string }{
		{"not a name", "Record ID,a,,text,x,,,,,,,,,,,,,\n", "row 1, Variable / Field Name"},
		{"twice", "id,a,,text,x,,,,,,,,,,,,,\nid,a,,text,x,,,,,,,,,,,,,\n", "row 2, Variable / Field Name"},
		{"no form", "id,,,text,x,,,,,,,,,,,,,\n", "row 1, Form Name"},
		{"no such type", "id,a,,essay,x,,,,,,,,,,,,,\n", "row 1, Field Type"},
		{"choices without labels", "id,a,,text,x,,,,,,,,,,,,,\nb,a,,radio,x,1 | 2,,,,,,,,,,,,\n", "row 2, Choices"},
		{"a code twice", "id,a,,text,x,,,,,,,,,,,,,\nb,a,,radio,x,\"1, Yes | 1, No\",,,,,,,,,,,,\n", "row 2, Choices"},
		{"nothing in it", "", "header"},
	}
	for _, tt := range tests {
		_, faults := readDictionary([]byte(head + tt.rows))
		if fhir.Faults(faults) == nil || !strings.HasPrefix(faults[0].Source, tt.want) {
			t.Errorf("%s: %v; want %s", tt.name, faults, tt.want)
		}
		if _, err := format(t, fstest.MapFS{Dictionary: {Data: []byte(head + tt.rows)}}); err == nil {
			t.Errorf("%s: a format was made of it", tt.name)
		}
	}
}

// TestWrongDictionary holds that an export of another project is refused whole,
// with each column that is missing or too many.
func TestWrongDictionary(t *testing.T) {
	f := own(t)
	res := f.Read([]byte("record_id,nhs_number,favourite_colour\n1,,blue\n"))
	var at []string
	for _, is := range res.Faults {
		at = append(at, is.Source)
	}
	for _, want := range []string{"header, favourite_colour", "header, happy", "header, visit_complete"} {
		if !slices.Contains(at, want) {
			t.Errorf("%s is not named: %v", want, at)
		}
	}
	if len(res.Records) > 0 || strings.Contains(string(res.AppendJSON(nil)), "blue") {
		t.Errorf("%d records were read, or a value shows", len(res.Records))
	}
}

// TestDictionaryAsDocument holds that a dictionary becomes a Questionnaire for
// each instrument and says what it loses.
func TestDictionaryAsDocument(t *testing.T) {
	f := own(t)
	rows := "id,a,,text,x,,,,,,,,,,,,,\nage,a,Age,text,How old?,,in years,integer,18,120,,,y,,1,,,\n" +
		"needs,a,,checkbox,Needs,\"1, Company | 2, Money\",,,,,,,,,,,,\nmore,a,,notes,More?,,,,,,,[needs(2)] = '1',,,,,,\n" +
		"score,a,,calc,Score,sum([age]),,,,,,\"round([age],0) = 3\",,,,,,@HIDDEN\nhello,b,,descriptive,Hello [name],,,,,,,,,,,,,\n"
	res := f.Read([]byte(head + rows))
	if fhir.Faults(res.Faults) != nil || len(res.Records) != 1 {
		t.Fatalf("%v", res.Faults)
	}
	b, err := fhir.DecodeLimit(res.Records[0].Bundle, maxTest)
	if err != nil || b.Root().Get("entry").Len() != 2 {
		t.Fatalf("%v: %s", err, res.Records[0].Bundle)
	}
	q := string(res.Records[0].Bundle)
	for _, want := range []string{`"linkId":"age.section"`, `"valueInteger":18`, `"required":true`, `"prefix":"1"`, `"repeats":true`, `"question":"needs","operator":"="`, `"readOnly":true`} {
		if !strings.Contains(q, want) {
			t.Errorf("no %s", want)
		}
	}
	var rules []string
	for _, l := range res.Records[0].Losses {
		rules = append(rules, l.Source+" "+l.Rule)
	}
	for _, want := range []string{"row 2, Field Note field-note", "row 5, " + colBranching + " branching", "row 5, " + colChoices + " calculation", "row 5, Field Annotation annotation", "row 6, Field Label piping"} {
		if !slices.Contains(rules, want) {
			t.Errorf("%s is not among the losses: %v", want, rules)
		}
	}
	if w := f.Write(res.Records[0].Bundle); fhir.Faults(w.Faults) == nil {
		t.Error("a Questionnaire was written as a dictionary")
	}
}

// maxTest is large enough for what the tests read.
const maxTest = 1 << 22

// TestPartnerFolder holds that a folder's map.yaml changes the map that its
// dictionary gives.
func TestPartnerFolder(t *testing.T) {
	files := fstest.MapFS{
		Dictionary: {Data: []byte(head + "id,a,,text,x,,,,,,,,,,,,,\nmood,a,,text,Mood,,,integer,1,5,,,,,,,,\n")},
		"map.yaml": {Data: []byte("id: garden-study\nversion: 2.1.0\nbase: redcap-csv\nrules:\n" +
			"  - {id: a-time-point, each: a, partner: redcap_event_name, resource: \"QuestionnaireResponse:a\", fhir: \"meta.tag[time]\", type: coding, table: events}\n")},
		"tables/events.yaml": {Data: []byte("id: events\nversion: 1.0.0\nsystem: https://trellis.example/fhir/CodeSystem/time-point\nrows:\n  - {partner: first_arm_1, code: baseline}\n")},
	}
	f, err := format(t, files)
	if err != nil {
		t.Fatal(err)
	}
	res := f.Read([]byte("id,redcap_event_name,mood,a_complete\n7,first_arm_1,4,2\n"))
	if !res.Accepted() {
		t.Fatalf("%v %v", res.Faults, res.Records)
	}
	for _, want := range []string{`Questionnaire/garden-study-a|2.1.0"`, `"code":"baseline"`, `"valueInteger":4`} {
		if !strings.Contains(string(res.Records[0].Bundle), want) {
			t.Errorf("no %s in %s", want, res.Records[0].Bundle)
		}
	}
	if f.Info().ID != "garden-study" {
		t.Errorf("the id is %s", f.Info().ID)
	}
}

// TestColumns holds that what is written has the columns of the dictionary, all
// and in its order.
func TestColumns(t *testing.T) {
	f := own(t)
	res := f.Read([]byte("visit_complete,record_id,nhs_number,referral_reference,life_satisfaction,worthwhile,happy,anxious,lives_alone,housing,housing_more,help_wanted___1,help_wanted___2,help_wanted___3,confidence,wellbeing_complete,visit_date,visit_minutes,visit_notes\n,5,,,1,2,3,4,,,,0,1,0,,2,,,\n"))
	if !res.Accepted() {
		t.Fatalf("%v %v", res.Faults, res.Records)
	}
	w := f.Write(res.Records[0].Bundle)
	header, _, _ := strings.Cut(w.Document, "\r\n")
	const want = "record_id,nhs_number,referral_reference,life_satisfaction,worthwhile,happy,anxious,lives_alone,housing,housing_more,help_wanted___1,help_wanted___2,help_wanted___3,confidence,wellbeing_complete,visit_date,visit_minutes,visit_notes,visit_complete"
	if header != want {
		t.Errorf("the header is %s", header)
	}
}

// FuzzDictionary holds for any bytes: no panic, no format of a faulty
// dictionary, and of a good one a map that compiles and Questionnaires that are
// strict JSON.
func FuzzDictionary(f *testing.F) {
	b, err := os.ReadFile(Dictionary)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(head + "id,a,,text,x,,,,,,,,,,,,,\n"))
	f.Add([]byte(head + "id,a,,text,x,,,,,,,,,,,,,\na_b,a,,checkbox,x,\"-1, A | 1, B\",,,,,,,,,,,,\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, faults := readDictionary(doc)
		if fhir.Faults(faults) != nil {
			return
		}
		p := project{d, formatID, version}
		files, err := makeMap(p)
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		for _, form := range d.forms {
			q, _ := p.questionnaire(form)
			b, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fhir.DecodeLimit(b, maxTest); err != nil {
				t.Errorf("the Questionnaire is not strict JSON: %v", err)
			}
		}
	})
}

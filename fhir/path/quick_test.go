package path

import (
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// odd are documents of shapes that quick tests must leave to evaluation, or
// decide as evaluation does.
var odd = []string{
	`{}`, `{"name":null}`, `{"name":[]}`, `{"name":[null]}`, `{"name":[{"family":"a"},{"given":["b",null]}]}`, `{"name":{"family":"a"}}`,
	`{"gender":"male"}`, `{"gender":["male"]}`, `{"gender":["male","male"]}`, `{"gender":1}`, `{"gender":{}}`, `{"gender":null}`, `{"gender":""}`,
	`{"_gender":{"id":"x"}}`, `{"gender":null,"_gender":{"id":"x"}}`, `{"_gender":[{"id":"x"}]}`, `{"_gender":"x"}`,
	`{"deceasedBoolean":true}`, `{"deceasedBoolean":null}`, `{"_deceasedDateTime":{"id":"x"}}`, `{"deceasedOther":1}`,
	`{"contact":[{"name":{"family":"male"},"gender":"male"},{"gender":"female"}]}`, `{"contact":[[{"gender":"male"}]]}`, `{"contact":"x"}`,
	`{"contact":[{"_gender":{"id":"x"}},{"gender":"male"}]}`, `{"contact":[{"gender":["male","male"]},{"gender":"male"}]}`,
	`{"maritalStatus":{"text":"male"}}`, `{"maritalStatus":[{"text":"male"},{"text":"x"}]}`, `{"maritalStatus":{"coding":[{"system":"s","code":"c"},{"code":"male"}]}}`,
	`{"contained":[{"resourceType":"Patient","gender":"male"}]}`, `{"contained":[{"resourceType":"None"}]}`, `{"gender":"male","contact":[{}],"name":[{}]}`,
}

// TestQuick holds that no shortcut differs from evaluation.
func TestQuick(t *testing.T) {
	expressions := []string{
		"name.exists()", "name.empty()", "name.family.exists() or gender.exists()", "name.given.exists() and gender = 'male'", "gender = 'male'", "gender != 'male'",
		"gender in ('male' | 'female')", "gender = 'male' implies name.exists()", "deceased.exists() or gender = 'male'", "deceased.empty() and contact.empty()",
		"gender.exists().not()", "gender.hasValue()", "gender.contains('a').not()", "gender.startsWith('m')", "(gender = 'x') or (name.exists() implies gender = 'male')",
		"contact.where(gender = 'male').exists()", "contact.where(gender = 'male' or name.exists()).empty()", "maritalStatus.coding.where(system = 's' and code = 'c').exists()",
		"maritalStatus.text = 'male'", "where(gender = 'male').empty()", "contained.gender.exists()", "contained.empty() and name.given.count() > 1",
		"contact.gender.select($this = 'male').empty()", "gender.exists() = name.exists()", "deceased.ofType(boolean).exists()", "gender = 'male' and (name | contact).exists()",
		"gender", "name", "contact.gender", "name.given", "maritalStatus.coding.code", "contained", "contained.id", "none.exists()", "gender.extension.exists()", "gender.id.empty()",
	}
	for _, expression := range expressions {
		p, err := Compile(expression, "Patient")
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		for _, doc := range odd {
			tree, err := fhir.Parse([]byte(doc), 1<<20)
			if err != nil {
				t.Fatalf("%s: %v", doc, err)
			}
			checkQuick(t, p, expression, tree.Root())
		}
	}
}

func checkQuick(t *testing.T, p *Path, expression string, v fhir.Value) {
	t.Helper()
	got, _ := p.Holds(v, Context{})
	want, _ := p.evaluate(v, Context{})
	if got != want {
		t.Errorf("%s on %s holds: %t, evaluated %t", expression, v.Raw(), got, want)
	}
	slow := &Path{root: p.root, table: p.table}
	slow.once.Do(func() {}) // neither quick nor a chain
	if got, want := p.Count(v), slow.Count(v); got != want {
		t.Errorf("%s on %s counts %d, evaluated %d", expression, v.Raw(), got, want)
	}
	var quick, evaluated []string
	collect := func(to *[]string) func(fhir.Value, string) bool {
		return func(v fhir.Value, typ string) bool { *to = append(*to, v.Path()+" "+typ); return true }
	}
	p.Eval(v, collect(&quick))
	slow.Eval(v, collect(&evaluated))
	if len(quick) != len(evaluated) {
		t.Fatalf("%s on %s selects %q, evaluated %q", expression, v.Raw(), quick, evaluated)
	}
	for i := range quick {
		if quick[i] != evaluated[i] {
			t.Errorf("%s on %s selects %q, evaluated %q", expression, v.Raw(), quick, evaluated)
		}
	}
}

// TestQuickConstraints tries R4's own invariants of a type on the odd
// documents.
func TestQuickConstraints(t *testing.T) {
	for _, typ := range []string{"Patient", "Observation", "Condition", "Bundle", "Consent", "Questionnaire"} {
		for _, c := range definitions.R4().Table(typ).Constraints {
			p, err := Compile(c.Expression, typ)
			if err != nil {
				t.Fatalf("%s: %v", c.Key, err)
			}
			for _, doc := range odd {
				tree, err := fhir.Parse([]byte(doc), 1<<20)
				if err != nil {
					t.Fatalf("%s: %v", doc, err)
				}
				checkQuick(t, p, c.Key, tree.Root())
			}
		}
	}
}

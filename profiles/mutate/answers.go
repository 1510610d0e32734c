package mutate

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// ourQuestionnaires is where the questionnaires are that a validator of Trellis
// knows.
const ourQuestionnaires = "https://trellis.example/fhir/Questionnaire/"

// scales are those of our questionnaires whose questions have one answer each,
// of a list, with the linkId of the total.
var scales = [...]struct{ name, total string }{{"phq-9", "44261-6"}, {"gad-7", "70274-6"}}

// answerKinds break what a Questionnaire asks of its answers.
func answerKinds() []kind {
	return []kind{
		answerKind("answer to a question that is not asked", false, func(_, item fhir.Value) []edit {
			id := item.Get("linkId")
			return []edit{{at: id, with: `"not-asked-1"`, path: id.Path(), rules: []string{"q-item"}}}
		}),
		answerKind("answer of another type", true, func(_, item fhir.Value) []edit {
			a := item.At("answer", 0)
			return []edit{{at: a, with: `{"valueBoolean":true}`, path: a.Path() + ".valueBoolean", rules: []string{"q-type"}}}
		}),
		answerKind("answer that is none of the options", true, func(_, item fhir.Value) []edit {
			v := item.At("answer", 0, "valueCoding")
			if !v.Exists() {
				return nil
			}
			return []edit{{at: v, with: `{"system":"http://example.org/none","code":"none"}`, path: v.Path(), rules: []string{"q-option"}}}
		}),
		answerKind("two answers where one is asked for", true, func(_, item fhir.Value) []edit {
			a := item.Get("answer")
			return []edit{{at: a, with: withItem(a, string(a.First().Raw())), path: a.Path(), rules: []string{"q-repeats"}}}
		}),
		answerKind("question answered twice", true, func(_, item fhir.Value) []edit {
			list := item.Parent()
			last := list.Path() + "[" + strconv.Itoa(list.Len()) + "]"
			return []edit{{at: list, with: withItem(list, string(item.Raw())), path: last, rules: []string{"q-twice", "q-order"}}}
		}),
		answerKind("total that the answers do not give", true, wrongTotal),
	}
}

// answerKind calls f with each answered item at the top of a response to one of
// our questionnaires, or of our scales alone.
func answerKind(name string, scale bool, f func(root, item fhir.Value) []edit) kind {
	return kind{name: name, document: func(_ *Generator, root fhir.Value) (out []edit) {
		q := root.Get("questionnaire").Text()
		if root.Get("resourceType").Text() != "QuestionnaireResponse" || !strings.HasPrefix(q, ourQuestionnaires) || scale && scaleOf(q) == "" {
			return nil
		}
		for item := range root.Get("item").All() {
			if item.Get("answer").Len() == 1 && item.Get("linkId").Exists() {
				out = append(out, f(root, item)...)
			}
		}
		for i := range out {
			out[i].unsaid, out[i].strict = true, true
		}
		return out
	}}
}

// scaleOf returns the linkId of a scale's total, or "".
func scaleOf(questionnaire string) string {
	for _, s := range scales {
		if strings.HasPrefix(questionnaire, ourQuestionnaires+s.name+"|") {
			return s.total
		}
	}
	return ""
}

func wrongTotal(root, item fhir.Value) []edit {
	v := item.At("answer", 0, "valueInteger")
	n, err := strconv.Atoi(v.Text())
	if item.Get("linkId").Text() != scaleOf(root.Get("questionnaire").Text()) || err != nil {
		return nil
	}
	return []edit{{at: v, with: strconv.Itoa(n + 1), path: v.Path(), rules: []string{"q-total"}}}
}

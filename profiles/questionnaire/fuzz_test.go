package questionnaire

import (
	"strings"
	"testing"

	"trellis.example/fhir"
)

// FuzzCompile checks what must hold for any Questionnaire: no panic, and Compile
// refuses exactly those in which Faults finds an error.
func FuzzCompile(f *testing.F) {
	wideForm, _ := wide()
	f.Add([]byte(wideForm))
	f.Add([]byte(form(`{"linkId":"a","type":"choice","answerValueSet":"#a","enableWhen":[{"question":"a","operator":">","answerInteger":1}]}`, "")))
	f.Add([]byte(form(`{"linkId":"a","type":"string",`+ext("regex", `"valueString":"(a{2}){3}"`)+`}`, `"contained":[{"resourceType":"ValueSet","id":"a"}]`)))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := fhir.Decode(in)
		if err != nil {
			return
		}
		errors := 0
		Faults(r.Root(), nil, func(_ fhir.Value, _ string, is fhir.Issue) {
			if is.IsError() {
				errors++
			}
		})
		if _, err := Compile(r, nil); (err != nil) != (errors > 0) {
			t.Errorf("Compile gives %v, Faults %d errors", err, errors)
		}
	})
}

// FuzzCheck checks what must hold for any response: no panic, issues at places
// of the response, and no value of it in their texts.
func FuzzCheck(f *testing.F) {
	wideForm, answers := wide()
	f.Add([]byte(wideForm), []byte(answers))
	f.Add([]byte(form(`{"linkId":"a","type":"string","repeats":true},{"linkId":"g","type":"group","repeats":true,"item":[{"linkId":"b","type":"integer","enableWhen":[{"question":"a","operator":"=","answerString":"x"}]}]}`, "")),
		[]byte(response(`{"linkId":"a","answer":[{"valueString":"secretword"}]},{"linkId":"g","item":[{"linkId":"b","answer":[{"valueInteger":1}]}]}`, "")))
	f.Fuzz(func(t *testing.T, form, answers []byte) {
		q, err := fhir.Decode(form)
		if err != nil {
			return
		}
		r, err := fhir.Decode(answers)
		if err != nil {
			return
		}
		c, err := Compile(q, nil)
		if err != nil {
			return
		}
		c.Check(r.Root(), Report{Emit: func(at fhir.Value, _ string, is fhir.Issue) {
			if !at.Exists() && is.Rule != "q-status" && is.Rule != "q-version" {
				t.Errorf("%s stands nowhere", is.Rule)
			}
			if strings.Contains(is.Text+is.Found, "secretword") && !strings.Contains(string(form), "secretword") {
				t.Errorf("%s quotes the response", is.Rule)
			}
		}})
	})
}

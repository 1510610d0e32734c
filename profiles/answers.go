package profiles

import "trellis.example/fhir"

// answers checks a QuestionnaireResponse against its Questionnaire.
func (w *walk) answers(fhir.Value) {}

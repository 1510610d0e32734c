package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

// dryRun answers what would become of the document, and stores nothing. With
// explain, each record of a format that is a map tells of every element of its
// bundle which rule, place and table row made it.
func (in *Intake) dryRun(ctx context.Context, s Sender, f mapping.Format, doc []byte, explain bool) Answer {
	body := Apply(Agreed(f, s.ImpliedConsent), doc, in.Validator, in.options(ctx, s)).AppendJSON(nil)
	if m := mapOf(f); explain && m != nil {
		body = explained(body, m, doc)
	}
	return Answer{Status: http.StatusOK, Type: JSON, Header: http.Header{}, Body: body}
}

// mapOf is the map that the format is made of; nil when there is none.
func mapOf(f mapping.Format) *mapping.Map {
	switch f := f.(type) {
	case *mapping.Map:
		return f
	case formats.Entry:
		return f.Map
	case interface{ Map() *mapping.Map }:
		return f.Map()
	}
	return nil
}

// explained adds the member "explain" to each record of a dry run's answer.
func explained(body []byte, m *mapping.Map, doc []byte) []byte {
	var answer struct {
		Accepted json.RawMessage   `json:"accepted"`
		Map      json.RawMessage   `json:"map"`
		Records  []json.RawMessage `json:"records"`
		Faults   json.RawMessage   `json:"faults"`
	}
	records, _ := m.Explain(doc)
	if json.Unmarshal(body, &answer) != nil || len(records) != len(answer.Records) {
		return body
	}
	for i, rec := range records {
		elements := rec.Elements
		if elements == nil {
			elements = []mapping.Explanation{}
		}
		open := bytes.TrimSuffix(answer.Records[i], []byte("}"))
		answer.Records[i] = append(append(append(open[:len(open):len(open)], `,"explain":`...), encode(elements)...), '}')
	}
	return encode(answer)
}

package intake

import (
	"encoding/json"
	"net/http"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/csvresult"
	"trellis.example/mapping/formats/itk3"
)

// The shapes of the acknowledgement over HTTP (mapping.Info.Receipt) that are
// made here. Others are a result file (csv) and an HL7 v2 acknowledgement (ack).
const (
	shapeFHIR    = "fhir"
	shapeJSONAPI = "jsonapi"
	shapeReceipt = "receipt"
	shapeITK3    = "itk3"
)

// JSONAPI is the media type of JSON:API (https://jsonapi.org/format/1.1/).
const JSONAPI = "application/vnd.api+json"

// A receipt makes the acknowledgement of one document.
type receipt struct {
	in         *Intake
	shape, url string
	doc        []byte
	losses     []mapping.Loss
}

// isOurs reports a shape that gives people a reference to quote.
func (k receipt) isOurs() bool { return k.shape == shapeJSONAPI || k.shape == shapeReceipt }

// answer acknowledges what became of the document. In a shape of its own a
// repeat gets the receipt that the first one got.
func (k receipt) answer(o Outcome) Answer {
	h := http.Header{"Location": {k.url + "/fhir/" + o.Referral.String()}}
	switch {
	case k.shape == shapeJSONAPI:
		return Answer{Status: http.StatusCreated, Type: JSONAPI, Header: h, Body: k.resource(o)}
	case k.shape == shapeReceipt:
		return Answer{Status: http.StatusCreated, Type: JSON, Header: h, Body: encode(k.paper(o))}
	case k.shape == shapeITK3:
		body, media := itk3.Receipt(k.doc, nil, o.Status == Unchanged, k.party(), k.in.now())
		return Answer{Status: http.StatusOK, Type: media, Header: h, Body: body}
	case o.Status == Unchanged:
		return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: h, Body: fhir.Outcome([]fhir.Issue{{Severity: fhir.SeverityInformation, Code: fhir.Information, Text: "this record was received before, just like this; nothing was changed"}})}
	}
	return Answer{Status: http.StatusCreated, Type: FHIRJSON, Header: h, Body: transactionResponse(k.url, o)}
}

// nothing acknowledges a document that was read and asks for nothing.
func (k receipt) nothing(why []fhir.Issue) Answer {
	a := Answer{Status: http.StatusOK, Header: http.Header{}}
	if k.isOurs() {
		a.Type, a.Body = JSON, encode(map[string]any{"status": csvresult.NotReferral, "warnings": notes(why)})
		return a
	}
	a.Type, a.Body = FHIRJSON, fhir.Outcome(why)
	return a
}

// party is who answers an ITK3 message.
func (k receipt) party() itk3.Party { return itk3.Party{ODS: strings.TrimPrefix(k.in.Service, "org/")} }

// A paper is the receipt as a portal shows it to the person who sent a form.
type paper struct {
	// Reference is ours, "ServiceRequest/<id>"; HumanReference the one that
	// people read to each other.
	Reference      string         `json:"reference"`
	HumanReference string         `json:"humanReference"`
	Status         string         `json:"status"`
	Warnings       []note         `json:"warnings"`
	Losses         []mapping.Loss `json:"losses"`
}

// A note is one issue at its place in the sender's document.
type note struct {
	Source     string `json:"source,omitempty"`
	Expression string `json:"expression,omitempty"`
	Rule       string `json:"rule,omitempty"`
	Text       string `json:"text"`
}

func (k receipt) paper(o Outcome) paper {
	p := paper{Reference: o.Referral.String(), HumanReference: k.in.humanReference(o.Referral.String()), Status: "received",
		Warnings: notes(warnings(o.Issues)), Losses: k.losses}
	if p.Losses == nil {
		p.Losses = []mapping.Loss{}
	}
	return p
}

func notes(issues []fhir.Issue) []note {
	out := []note{}
	for _, is := range issues {
		out = append(out, note{is.Source, is.Expression, is.Rule, is.Text})
	}
	return out
}

// resource is the JSON:API document of the resource that the sender's became:
// of the sender's type, under our id.
func (k receipt) resource(o Outcome) []byte {
	var doc struct {
		Data struct{ Type string }
	}
	typ := "referral"
	if json.Unmarshal(k.doc, &doc) == nil && fhir.SafeName(doc.Data.Type) == doc.Data.Type && doc.Data.Type != "" {
		typ = doc.Data.Type
	}
	type object = map[string]any
	return encode(object{"data": object{"type": typ, "id": o.Referral.ID, "attributes": k.paper(o),
		"links": object{"self": k.url + "/fhir/" + o.Referral.String()}}})
}

// encode marshals what always can be.
func encode(v any) []byte {
	b, _ := json.Marshal(v) // strings, and maps and lists of them: never fails
	return b
}

// Refusal renders an error in the shape that senders of the format expect; nil
// leaves it an OperationOutcome. All faults are told at once, each with its place
// in the sender's document and its FHIR expression, and no value.
func (in *Intake) Refusal(format string, e *fhir.Error) (body []byte, mediaType string) {
	f, ok := in.Formats(format)
	if !ok {
		return nil, ""
	}
	switch f.Info().Receipt {
	case shapeJSONAPI:
		return apiErrors(e), JSONAPI
	case shapeReceipt:
		return encode(map[string]any{"status": "refused", "errors": refusals(e.Issues)}), JSON
	}
	return nil, ""
}

func refusals(issues []fhir.Issue) []note {
	var faults []fhir.Issue
	for _, is := range issues {
		if is.IsError() {
			faults = append(faults, is)
		}
	}
	return notes(faults)
}

// apiErrors are the error objects of JSON:API (section "Error Objects"); meta
// says what has no member there.
func apiErrors(e *fhir.Error) []byte {
	type object = map[string]any
	errs := []object{}
	for _, is := range e.Issues {
		if !is.IsError() {
			continue
		}
		out := object{"status": itoa(e.HTTPStatus()), "code": string(is.Code), "title": http.StatusText(e.HTTPStatus()), "detail": is.Text}
		elsewhere := is.Source
		if strings.HasPrefix(is.Source, "/") {
			out["source"], elsewhere = object{"pointer": is.Source}, ""
		}
		meta := object{}
		for name, v := range map[string]string{"expression": is.Expression, "rule": is.Rule, "source": elsewhere} {
			if v != "" {
				meta[name] = v
			}
		}
		if len(meta) > 0 {
			out["meta"] = meta
		}
		errs = append(errs, out)
	}
	return encode(object{"errors": errs})
}

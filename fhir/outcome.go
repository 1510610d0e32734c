package fhir

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Outcome returns the issues as an OperationOutcome in JSON. What R4 has no
// element for stands in extensions whose URLs begin with
// https://trellis.example/fhir/StructureDefinition/: issue-source (the place in
// the sender's document), issue-rule, issue-expected, issue-found,
// issue-profile and issue-hint.
func Outcome(issues []Issue) []byte {
	b := append(make([]byte, 0, 256), `{"resourceType":"OperationOutcome","issue":[`...)
	if len(issues) == 0 {
		issues = []Issue{{Severity: SeverityInformation, Code: Information, Text: "all OK"}}
	}
	for i, is := range issues {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendIssue(b, is)
	}
	return append(b, `]}`...)
}

func appendIssue(b []byte, is Issue) []byte {
	if is.Severity == "" {
		is.Severity = SeverityError
	}
	b = append(b, '{')
	b = appendIssueExtensions(b, is)
	b = append(b, `"severity":`...)
	b = AppendString(b, string(is.Severity))
	b = append(b, `,"code":`...)
	b = AppendString(b, string(is.Code))
	if d := is.Details; d.Code != "" {
		b = append(b, `,"details":{"coding":[`...)
		b = AppendCoding(b, d)
		b = append(b, `]}`...)
	}
	if is.Text != "" {
		b = append(b, `,"diagnostics":`...)
		b = AppendString(b, is.Text)
	}
	if is.Expression != "" {
		b = append(b, `,"expression":[`...)
		b = AppendString(b, is.Expression)
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendIssueExtensions(b []byte, is Issue) []byte {
	sep := `"extension":[`
	for _, x := range [...][2]string{
		{"issue-source", is.Source}, {"issue-rule", is.Rule}, {"issue-expected", is.Expected},
		{"issue-found", is.Found}, {"issue-profile", is.Profile}, {"issue-hint", is.Hint},
	} {
		if x[1] == "" {
			continue
		}
		b = append(b, sep...)
		b = append(b, `{"url":"https://trellis.example/fhir/StructureDefinition/`...)
		b = append(b, x[0]...)
		b = append(b, `","valueString":`...)
		b = AppendString(b, x[1])
		b = append(b, '}')
		sep = ","
	}
	if sep != "," {
		return b
	}
	return append(b, `],`...)
}

// AppendCoding appends c as a FHIR Coding in JSON.
func AppendCoding(b []byte, c Coding) []byte {
	b = append(b, '{')
	sep := ""
	for _, m := range [3][2]string{{"system", c.System}, {"code", c.Code}, {"display", c.Display}} {
		if m[1] == "" {
			continue
		}
		b = append(b, sep...)
		b = append(b, '"')
		b = append(b, m[0]...)
		b = append(b, `":`...)
		b = AppendString(b, m[1])
		sep = ","
	}
	return append(b, '}')
}

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil { // invalid UTF-8 was replaced
		return out
	}
	return out
}

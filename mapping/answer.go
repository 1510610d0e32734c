package mapping

import (
	"cmp"

	"trellis.example/fhir"
)

// AppendJSON appends the answer of `trellis map apply` and of a dry run:
// {"accepted","map","records":[{"accepted","key","bundle","losses","faults"}],"faults"}.
// A refused record's bundle is null.
func (r Result) AppendJSON(b []byte) []byte {
	accepted := r.Accepted()
	b = appendBool(append(b, `{"accepted":`...), accepted)
	b = fhir.AppendString(append(b, `,"map":`...), r.Map)
	b = append(b, `,"records":[`...)
	for i, rec := range r.Records {
		if i > 0 {
			b = append(b, ',')
		}
		b = rec.appendJSON(b)
	}
	b = append(b, `],"faults":`...)
	return append(appendFaults(b, r.Faults), '}')
}

// Accepted reports whether neither the document nor any record of it is
// refused.
func (r Result) Accepted() bool {
	for _, rec := range r.Records {
		if rec.Refused() {
			return false
		}
	}
	return fhir.Faults(r.Faults) == nil
}

func (r Record) appendJSON(b []byte) []byte {
	refused := r.Refused()
	b = appendBool(append(b, `{"accepted":`...), !refused)
	b = fhir.AppendString(append(b, `,"key":`...), r.Key)
	b = append(b, `,"bundle":`...)
	if refused || r.Bundle == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, r.Bundle...)
	}
	b = appendLosses(append(b, `,"losses":`...), r.Losses)
	return append(appendFaults(append(b, `,"faults":`...), r.Faults), '}')
}

// AppendJSON appends the answer of `trellis map apply --reverse`:
// {"document","losses","faults"}.
func (w Written) AppendJSON(b []byte) []byte {
	b = fhir.AppendString(append(b, `{"document":`...), w.Document)
	b = appendLosses(append(b, `,"losses":`...), w.Losses)
	return append(appendFaults(append(b, `,"faults":`...), w.Faults), '}')
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

func appendLosses(b []byte, losses []Loss) []byte {
	b = append(b, '[')
	for i, l := range losses {
		if i > 0 {
			b = append(b, ',')
		}
		b = fhir.AppendString(append(b, `{"source":`...), l.Source)
		b = fhir.AppendString(append(b, `,"rule":`...), l.Rule)
		b = append(fhir.AppendString(append(b, `,"text":`...), l.Text), '}')
	}
	return append(b, ']')
}

func appendFaults(b []byte, faults []fhir.Issue) []byte {
	b = append(b, '[')
	for i, is := range faults {
		if i > 0 {
			b = append(b, ',')
		}
		b = fhir.AppendString(append(b, `{"severity":`...), string(cmp.Or(is.Severity, fhir.SeverityError)))
		b = fhir.AppendString(append(b, `,"source":`...), is.Source)
		b = fhir.AppendString(append(b, `,"expression":`...), is.Expression)
		b = fhir.AppendString(append(b, `,"rule":`...), is.Rule)
		b = append(fhir.AppendString(append(b, `,"text":`...), is.Text), '}')
	}
	return append(b, ']')
}

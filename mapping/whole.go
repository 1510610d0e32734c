package mapping

import (
	"io"

	"trellis.example/fhir"
)

// StreamWhole is ReadStream for a format whose document must be read whole: at
// most limit bytes and one more, so that read can tell what is too long.
func StreamWhole(r io.Reader, limit int64, read func([]byte) Result, yield func(Record) bool) []fhir.Issue {
	doc, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Invalid, Text: "the document could not be read to its end"}}
	}
	res := read(doc)
	for _, rec := range res.Records {
		if !yield(rec) {
			break
		}
	}
	return res.Faults
}

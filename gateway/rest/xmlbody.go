package rest

import (
	"bytes"
	"net/http"
	"slices"

	"trellis.example/fhir"
	"trellis.example/fhir/xml"
)

// An xmlBody stands in for the body of a request in XML. [Body] reads it as
// JSON: whatever serves the request sees no other format, and what is stored is
// the JSON.
type xmlBody struct {
	from     *http.Request // as it came
	received []byte        // the XML, once read
	json     []byte
	rest     *bytes.Reader
}

// declareJSON returns the request as one in JSON when its body is FHIR XML, else
// the request itself.
func declareJSON(r *http.Request) *http.Request {
	ct := r.Header["Content-Type"]
	if len(ct) != 1 || ct[0] == MediaType {
		return r
	}
	if f, ok := contentFormat(ct[0]); !ok || f != formatXML {
		return r
	}
	as := *r
	as.Header = r.Header.Clone()
	as.Header["Content-Type"] = []string{MediaType}
	as.Body = &xmlBody{from: r}
	return &as
}

// xmlGrowth is how much larger than its JSON a document in XML may be.
const xmlGrowth = 2

// read returns the body as JSON of at most limit bytes. Faults name the place in
// the XML and as FHIRPath.
func (x *xmlBody) read(limit int) ([]byte, error) {
	if x.json != nil {
		return x.json, nil
	}
	b, err := readBody(x.from, xmlGrowth*limit)
	if err != nil {
		return nil, err
	}
	x.received = b
	j, err := xml.Decode(b, xmlGrowth*limit)
	if err != nil {
		return nil, err
	}
	if len(j) > limit {
		return nil, tooLarge(limit)
	}
	x.json = j
	return j, nil
}

// Read is for who reads the body without [Body].
func (x *xmlBody) Read(p []byte) (int, error) {
	if x.rest == nil {
		b, err := x.read(fhir.MaxResource)
		if err != nil {
			return 0, err
		}
		x.rest = bytes.NewReader(b)
	}
	return x.rest.Read(p)
}

// Close closes the body that was received.
func (x *xmlBody) Close() error { return x.from.Body.Close() }

// receivedBytes returns the body as it was received, where body is what [Body]
// gave: one Idempotency-Key stands for the same bytes.
func receivedBytes(r *http.Request, body []byte) []byte {
	if x, ok := r.Body.(*xmlBody); ok && x.received != nil {
		return x.received
	}
	return body
}

// places adds to the issues of a document that came as XML where they stand in
// it.
func (q *Request) places(issues []fhir.Issue) []fhir.Issue {
	if q.Request == nil {
		return issues
	}
	x, ok := q.Body.(*xmlBody)
	if !ok || x.json == nil {
		return issues
	}
	tree, err := fhir.Parse(x.json, len(x.json))
	if err != nil {
		return issues
	}
	issues = slices.Clone(issues)
	for i := range issues {
		if is := &issues[i]; is.Source == "" {
			is.Source = xml.XPath(tree.Root(), is.Expression)
		}
	}
	return issues
}

// errNoXML is the answer when a resource cannot be written as XML.
func errNoXML(err error) error {
	return &fhir.Error{Status: http.StatusNotAcceptable, Issues: []fhir.Issue{{
		Code: fhir.NotSupported, Expression: fhir.AsError(err).Issues[0].Expression,
		Text: "the answer holds something that XML cannot carry here; ask for " + MediaType}}}
}

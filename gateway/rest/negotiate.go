package rest

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// The media types of FHIR answers.
const (
	MediaType    = "application/fhir+json"
	MediaTypeXML = "application/fhir+xml"
)

// A format is how a resource is written on the wire.
type format uint8

const (
	formatJSON format = iota
	formatXML
)

// formats are the names under which callers may ask for or send a format.
var formats = map[string]format{
	MediaType: formatJSON, "application/json": formatJSON, "application/json+fhir": formatJSON, "text/json": formatJSON, "json": formatJSON,
	MediaTypeXML: formatXML, "application/xml": formatXML, "application/xml+fhir": formatXML, "text/xml": formatXML, "xml": formatXML,
}

// negotiate chooses the format of the answer, and refuses a request whose answer
// could only be something other than FHIR R4 (R4 http, section 3.1.0.1.11).
// _format overrides Accept.
func (q *Request) negotiate() (err error) {
	if asked := q.Params["_format"]; len(asked) > 0 {
		q.format, err = named(asked[0])
		return err
	}
	if q.format, err = accepted(q.Header["Accept"]); err != nil && q.mayBeNative() {
		q.native, err = true, nil
	}
	return err
}

// named reads a _format.
func named(s string) (format, error) {
	// A "+" that was not escaped arrives as a space.
	name, params, err := mime.ParseMediaType(strings.Replace(s, " ", "+", 1))
	f, known := formats[name]
	if err != nil || !known || !r4(params) {
		return formatJSON, notAcceptable()
	}
	return f, nil
}

// accepted chooses by the Accept headers: the format of the greater weight, and
// JSON when both weigh the same (RFC 9110, section 12.5.1).
func accepted(accept []string) (format, error) {
	if len(accept) == 0 {
		return formatJSON, nil
	}
	if len(accept) == 1 {
		switch accept[0] {
		case MediaType, "*/*", "":
			return formatJSON, nil
		case MediaTypeXML:
			return formatXML, nil
		}
	}
	var w weights
	for _, h := range accept {
		for part := range strings.SplitSeq(h, ",") {
			w.add(part)
			if w[formatJSON][2].weight >= 1 { // nothing weighs more
				return formatJSON, nil
			}
		}
	}
	switch json, xml := w.of(formatJSON), w.of(formatXML); {
	case json > 0 && json >= xml:
		return formatJSON, nil
	case xml > 0:
		return formatXML, nil
	}
	return formatJSON, notAcceptable()
}

// weights are what the parts of an Accept header say of the two formats: by
// */*, by application/* and by name. A range says something only where a more
// precise one does not.
type weights [2][3]struct {
	given  bool
	weight float64
}

func (w *weights) add(part string) {
	name, params, err := mime.ParseMediaType(part)
	if err != nil || !r4(params) {
		return
	}
	weight := 1.0
	if s := params["q"]; s != "" {
		if weight, err = strconv.ParseFloat(s, 64); err != nil {
			return
		}
	}
	set := func(f format, precision int) {
		x := &w[f][precision]
		x.given, x.weight = true, max(x.weight, weight)
	}
	if f, known := formats[name]; known {
		set(f, 2)
		return
	}
	for precision, wild := range [...]string{"*/*", "application/*"} {
		if name == wild {
			set(formatJSON, precision)
			set(formatXML, precision)
		}
	}
}

func (w *weights) of(f format) float64 {
	for precision := 2; precision >= 0; precision-- {
		if x := w[f][precision]; x.given {
			return x.weight
		}
	}
	return 0
}

// r4 reports whether the fhirVersion parameter, if any, is ours.
func r4(params map[string]string) bool {
	v := params["fhirversion"]
	return v == "" || v == "4.0" || v == "4.0.1"
}

func notAcceptable() error {
	return fhir.StatusErrorf(http.StatusNotAcceptable, fhir.NotSupported, "answers are given as application/fhir+json or application/fhir+xml; fhirVersion=4.0 only")
}

// ContentType refuses a body that is not FHIR R4 JSON in UTF-8. Below /fhir an
// XML body has been declared JSON before, see [Body].
func ContentType(h http.Header) error {
	ct := h.Get("Content-Type")
	if ct == MediaType || ct == "application/json" {
		return nil
	}
	if f, ok := contentFormat(ct); !ok || f != formatJSON {
		return fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "send the body as application/fhir+json or application/fhir+xml; fhirVersion=4.0, in UTF-8")
	}
	return nil
}

// contentFormat returns the format that a Content-Type names; ok is false when
// it is not FHIR R4 in UTF-8.
func contentFormat(ct string) (f format, ok bool) {
	name, params, err := mime.ParseMediaType(ct)
	charset := params["charset"]
	if err != nil || !strings.Contains(name, "/") || !r4(params) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return f, false
	}
	f, ok = formats[name]
	return f, ok
}

// formatLink is what the links of an answer add, so that they lead to the same
// format: "" or parameters that begin with "&".
func (q *Request) formatLink() string {
	s := ""
	if len(q.Params["_format"]) > 0 && q.format == formatXML {
		s = "&_format=xml"
	}
	if q.pretty() {
		s += "&_pretty=true"
	}
	return s
}

// askedIn lets the form of a search ask for a format as the address does.
func (q *Request) askedIn(form url.Values) error {
	asked := false
	for _, name := range [...]string{"_format", "_pretty"} {
		if len(form[name]) == 0 || len(q.Params[name]) > 0 {
			continue
		}
		if q.Params == nil {
			q.Params = url.Values{}
		}
		q.Params[name], asked = form[name], true
	}
	if !asked {
		return nil
	}
	return q.negotiate()
}

// pretty reports _pretty=true.
func (q *Request) pretty() bool {
	p := q.Params["_pretty"]
	return len(p) > 0 && p[0] == "true"
}

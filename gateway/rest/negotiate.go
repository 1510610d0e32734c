package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// MediaType is the media type of every FHIR answer.
const MediaType = "application/fhir+json"

// jsonTypes are the names under which callers may ask for or send FHIR JSON.
var jsonTypes = map[string]bool{
	"application/fhir+json": true, "application/json": true, "application/json+fhir": true, "text/json": true, "json": true,
}

// negotiate refuses a request whose answer could only be something other than
// FHIR R4 JSON (R4 http, section 3.1.0.1.11). _format overrides Accept.
func (q *Request) negotiate() error {
	if f := q.Params["_format"]; len(f) > 0 {
		// A "+" that was not escaped arrives as a space.
		if name, params, err := mime.ParseMediaType(strings.Replace(f[0], " ", "+", 1)); err == nil && jsonTypes[name] && r4(params) {
			return nil
		}
		return notAcceptable()
	}
	accept := q.Header["Accept"]
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == MediaType || accept[0] == "*/*" || accept[0] == "") {
		return nil
	}
	for _, h := range accept {
		for part := range strings.SplitSeq(h, ",") {
			if acceptable(part) {
				return nil
			}
		}
	}
	return notAcceptable()
}

func acceptable(part string) bool {
	name, params, err := mime.ParseMediaType(part)
	if err != nil || !jsonTypes[name] && name != "*/*" && name != "application/*" {
		return false
	}
	weight, err := strconv.ParseFloat(params["q"], 64)
	return r4(params) && (params["q"] == "" || err == nil && weight > 0)
}

// r4 reports whether the fhirVersion parameter, if any, is ours.
func r4(params map[string]string) bool {
	v := params["fhirversion"]
	return v == "" || v == "4.0" || v == "4.0.1"
}

func notAcceptable() error {
	return fhir.StatusErrorf(http.StatusNotAcceptable, fhir.NotSupported, "answers are given as application/fhir+json; fhirVersion=4.0 only")
}

// ContentType refuses a body that is not FHIR R4 JSON in UTF-8.
func ContentType(h http.Header) error {
	ct := h.Get("Content-Type")
	if ct == MediaType || ct == "application/json" {
		return nil
	}
	name, params, err := mime.ParseMediaType(ct)
	charset := params["charset"]
	if err != nil || name == "json" || !jsonTypes[name] || !r4(params) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "send the body as application/fhir+json; fhirVersion=4.0, in UTF-8")
	}
	return nil
}

package rest

import (
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"trellis.example/fhir"
)

// mayBeNative reports whether a request that asks for no FHIR format may have
// the content of a Binary instead (R4 http, section 3.1.0.1.13).
func (q *Request) mayBeNative() bool {
	return q.Type == "Binary" && q.ID != "" && len(q.Params["_format"]) == 0 &&
		(q.Method == http.MethodGet || q.Method == http.MethodHead)
}

// native turns an answer with a Binary into its content, if the caller accepts
// that type. Refusals stay FHIR.
func (resp *Response) native(q *Request) error {
	if resp.Status >= http.StatusBadRequest || resp.Body == nil || resp.ContentType != "" {
		return nil
	}
	res, err := fhir.Decode(resp.Body)
	if err != nil || res.Type() != "Binary" {
		return notAcceptable()
	}
	name, params, err := mime.ParseMediaType(res.Root().Get("contentType").Text())
	if err != nil || !accepts(q.Header["Accept"], name) {
		return notAcceptable()
	}
	content, err := base64.StdEncoding.DecodeString(res.Root().Get("data").Text())
	if err != nil {
		return notAcceptable()
	}
	resp.Body, resp.ContentType = content, mime.FormatMediaType(name, params)
	if resp.Header = resp.Header.Clone(); resp.Header == nil {
		resp.Header = http.Header{}
	}
	// A browser keeps what partners sent as a file and shows none of it here.
	resp.Header["Content-Disposition"] = []string{"attachment"}
	resp.Header["Vary"] = []string{"Accept"}
	return nil
}

// accepts reports whether Accept headers name the media type or its kind, as in
// "image/*".
func accepts(accept []string, name string) bool {
	kind, _, _ := strings.Cut(name, "/")
	for _, h := range accept {
		for part := range strings.SplitSeq(h, ",") {
			asked, params, err := mime.ParseMediaType(part)
			refused := params["q"] != "" && strings.Trim(params["q"], "0.") == ""
			if err == nil && !refused && (asked == name || asked == kind+"/*") {
				return true
			}
		}
	}
	return false
}

package gateway

import (
	"mime"
	"net/http"

	"github.com/gorilla/mux"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/directory"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/rest"
	"trellis.example/mapping/formats/bars"
)

// handlers joins intake to the HTTP side.
type handlers struct {
	in  *intake.Intake
	dir *directory.Taker
	api *rest.API
	url string
}

// sender is who sends the request. Health care partners refer for direct care,
// where consent to the referral is implied unless the document says otherwise.
func sender(q *rest.Request) intake.Sender {
	return intake.Sender{Principal: q.Principal, ImpliedConsent: intake.DirectCare(q.Principal.Role)}
}

// messagesTaken are the definitions of the messages of $process-message.
func messagesTaken() []string {
	var urls []string
	for _, d := range bars.Definitions() {
		urls = append(urls, d.URL+"|"+bars.Newest())
	}
	return urls
}

func (h handlers) message() *rest.Operation {
	op := h.api.Custom(audit.Execute, "process-message", func(q *rest.Request) (rest.Response, error) {
		if !h.in.MaySend(sender(q), "bars") {
			return rest.Response{}, intake.NotYourFormat()
		}
		return response(h.in.ProcessMessage(q.Request, sender(q)))
	})
	op.Errors, op.JSONOnly = bars.Decorate, true // BaRS is JSON
	return op
}

// document takes documents of partners' formats. The format is the one that the
// address names, and nothing is guessed.
func (h handlers) document() *rest.Operation {
	op := h.api.Custom(audit.Execute, "intake", func(q *rest.Request) (rest.Response, error) {
		if format := mux.Vars(q.Request)["format"]; directory.Handles(format) && q.URL.RawQuery == "" {
			return response(h.service(q, format))
		}
		return response(h.in.Document(q.Request, sender(q), mux.Vars(q.Request)["format"], h.url))
	})
	op.Refusal = func(r *http.Request, e *fhir.Error) ([]byte, string) { return h.in.Refusal(mux.Vars(r)["format"], e) }
	return op
}

// results gives senders the result of a file again.
func (h handlers) results() http.Handler {
	return h.api.Custom(audit.Read, "intake-result", func(q *rest.Request) (rest.Response, error) {
		vars := mux.Vars(q.Request)
		return response(h.in.Result(q.Context(), sender(q), vars["format"], vars["digest"]))
	})
}

// service takes a service into the directory.
func (h handlers) service(q *rest.Request, format string) (intake.Answer, error) {
	if t, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return intake.Answer{}, fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "the Content-Type of this format is application/json")
	}
	body, err := rest.Body(q.Request, fhir.MaxResource)
	if err != nil {
		return intake.Answer{}, err
	}
	return h.dir.Push(q.Context(), sender(q), format, body, h.url)
}

func response(a intake.Answer, err error) (rest.Response, error) {
	r := rest.Response{Status: a.Status, Body: a.Body, ContentType: a.Type, Header: a.Header, Content: a.Content, Size: a.Size}
	if a.Type == intake.FHIRJSON {
		r.ContentType = ""
	}
	if l := a.Header.Get("Location"); l != "" {
		r.Location = l
	}
	return r, err
}

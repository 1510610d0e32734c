package gateway

import (
	"net/http"

	"github.com/gorilla/mux"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/rest"
	"trellis.example/mapping/formats/bars"
)

// handlers joins intake to the HTTP side.
type handlers struct {
	in  *intake.Intake
	api *rest.API
	url string
}

// sender is who sends the request. Health care partners refer for direct care,
// where consent to the referral is implied unless the document says otherwise.
func sender(q *rest.Request) intake.Sender {
	return intake.Sender{Principal: q.Principal, ImpliedConsent: intake.DirectCare(q.Principal.Role)}
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

package gateway

import (
	"net/http"

	"github.com/gorilla/mux"

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
		if !intake.MaySend(sender(q), "bars") {
			return rest.Response{}, intake.NotYourFormat()
		}
		return response(h.in.ProcessMessage(q.Request, sender(q)))
	})
	op.Errors, op.JSONOnly = bars.Decorate, true // BaRS is JSON
	return op
}

func (h handlers) document() http.Handler {
	return h.api.Custom(audit.Execute, "intake", func(q *rest.Request) (rest.Response, error) {
		return response(h.in.Document(q.Request, sender(q), mux.Vars(q.Request)["format"], h.url))
	})
}

func response(a intake.Answer, err error) (rest.Response, error) {
	r := rest.Response{Status: a.Status, Body: a.Body, ContentType: a.Type, Header: a.Header}
	if a.Type == intake.FHIRJSON {
		r.ContentType = ""
	}
	if l := a.Header.Get("Location"); l != "" {
		r.Location = l
	}
	return r, err
}

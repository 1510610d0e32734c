package intake

import (
	"fmt"
	"net/http"
	"strconv"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
)

const (
	// transactionLimit bounds a transaction's size in bytes.
	transactionLimit   = 16 << 20
	transactionEntries = 1000
)

// Transaction answers POST /fhir: a transaction Bundle whose entries are all
// new resources, of types that the sender may create, stored together or not at
// all. The answer is the transaction-response Bundle; the same Idempotency-Key
// with the same body gets the first answer.
func (in *Intake) Transaction(r *http.Request, s Sender, publicURL string) (Answer, error) {
	if err := rest.ContentType(r.Header); err != nil {
		return Answer{}, err
	}
	body, err := rest.Body(r, transactionLimit)
	if err != nil {
		return Answer{}, err
	}
	b, err := fhir.DecodeLimit(body, transactionLimit)
	if err != nil {
		return Answer{}, err
	}
	if err := transactionFaults(b, s); err != nil {
		return Answer{}, err
	}
	sub, err := in.literal(r.Context(), Submission{Sender: s, Format: "fhir", Bundle: b, Interaction: "transaction",
		Original: original(body, rest.MediaType)}, publicURL)
	if err != nil {
		return Answer{}, err
	}
	return in.submitOnce(r, body, sub, func(o Outcome) Answer {
		return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: http.Header{}, Body: transactionResponse(publicURL, o)}
	})
}

// entryLimit refuses a Bundle with more entries than one commit takes.
func entryLimit(b fhir.Resource) error {
	if b.Type() == "Bundle" && b.Root().Get("entry").Len() > transactionEntries {
		return fhir.StatusErrorf(http.StatusRequestEntityTooLarge, fhir.TooCostly, "a Bundle may have at most %d entries", transactionEntries)
	}
	return nil
}

// transactionFaults names every entry that asks for more than creating.
func transactionFaults(b fhir.Resource, s Sender) error {
	if err := entryLimit(b); err != nil {
		return err
	}
	root := b.Root()
	if b.Type() != "Bundle" {
		return fhir.Errorf(fhir.Invalid, "the base takes a Bundle of type transaction; other resources are posted to their own type")
	}
	if t := root.Get("type").Text(); t != "transaction" {
		return fhir.Errorf(fhir.NotSupported, "only a Bundle of type transaction is taken here")
	}
	var issues []fhir.Issue
	for i, e := range b.Entries() {
		at := fmt.Sprintf("Bundle.entry[%d]", i)
		switch {
		case e.Method != "POST" || !e.Resource.Exists():
			issues = append(issues, fhir.Issue{Code: fhir.NotSupported, Expression: at + ".request.method", Text: "only POST of a resource is taken in a transaction"})
		case e.URL != e.Type():
			issues = append(issues, fhir.Issue{Code: fhir.Invalid, Expression: at + ".request.url", Text: "expected the type of the entry's resource"})
		case e.IfNoneExist != "":
			issues = append(issues, fhir.Issue{Code: fhir.NotSupported, Expression: at + ".request.ifNoneExist", Text: "conditional create is not supported in a transaction"})
		default:
			if err := s.Require("create", e.Type()); err != nil {
				return err
			}
		}
	}
	return fhir.Faults(issues)
}

func transactionResponse(publicURL string, o Outcome) []byte {
	out := []byte(`{"resourceType":"Bundle","type":"transaction-response","entry":[`)
	for i, st := range o.Stored {
		if i > 0 {
			out = append(out, ',')
		}
		loc := publicURL + "/fhir/" + versionName(st.Key, st.Version)
		out = append(out, `{"fullUrl":`...)
		out = fhir.AppendString(out, publicURL+"/fhir/"+st.Key.String())
		out = append(out, `,"response":{"status":"201 Created","location":`...)
		out = fhir.AppendString(out, loc)
		out = append(out, `,"etag":"W/\"`+strconv.Itoa(st.Version)+`\"","lastModified":"`+fhir.Instant(o.At)+`"}}`...)
	}
	return append(out, `]}`...)
}

package intake

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

const (
	// transactionLimit bounds a transaction's size in bytes.
	transactionLimit   = 16 << 20
	transactionEntries = 1000
	// idempotencyKeep is how long an Idempotency-Key is remembered.
	idempotencyKeep = 30 * 24 * time.Hour
)

// Transaction answers POST /fhir: a transaction Bundle whose entries are all
// new resources, stored together or not at all. allow says whether the caller
// may create a type. The answer is the transaction-response Bundle; the same
// Idempotency-Key with the same body gets the first answer.
func (in *Intake) Transaction(r *http.Request, s Sender, publicURL string, allow func(typ string) error) (Answer, error) {
	body, err := readBody(r, transactionLimit)
	if err != nil {
		return Answer{}, err
	}
	b, err := fhir.DecodeLimit(body, transactionLimit)
	if err != nil {
		return Answer{}, err
	}
	if err := transactionFaults(b, allow); err != nil {
		return Answer{}, err
	}
	sub := Submission{Sender: s, Format: "fhir", Bundle: b, CheckRefs: true, Interaction: "transaction",
		Original: original(body, "application/fhir+json")}
	claim, first, err := in.idempotency(r, s, sub.Original.Hash)
	if err != nil || first != nil {
		return replay(first), err
	}
	var answer []byte
	sub.Finish = func(o Outcome) []byte {
		answer = transactionResponse(publicURL, o, in.Clock())
		return remember(sub.Original.Hash, answer)
	}
	if claim != nil {
		sub.Claims = []store.Claim{*claim}
	}
	out, err := in.Submit(r.Context(), sub)
	switch {
	case err != nil:
		return Answer{}, err
	case out.Taken != nil:
		return in.later(r.Context(), *out.Taken, sub.Original.Hash)
	case out.Status == Rejected:
		return Answer{}, &fhir.Error{Issues: out.Issues, Status: http.StatusUnprocessableEntity}
	}
	return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: http.Header{}, Body: answer}, nil
}

// transactionFaults names every entry that asks for more than creating.
func transactionFaults(b fhir.Resource, allow func(string) error) error {
	root := b.Root()
	if n := root.Get("entry").Len(); n > transactionEntries {
		return fhir.Errorf(fhir.TooCostly, "a transaction takes at most %d entries", transactionEntries)
	}
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
			if err := allow(e.Type()); err != nil {
				return err
			}
		}
	}
	return fhir.Faults(issues)
}

func transactionResponse(publicURL string, o Outcome, now time.Time) []byte {
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
		out = append(out, `,"etag":"W/\"`+strconv.Itoa(st.Version)+`\"","lastModified":"`+fhir.Instant(now)+`"}}`...)
	}
	return append(out, `]}`...)
}

// idempotency looks up the request's Idempotency-Key. With a key it returns
// the claim to take; when it was taken before with the same body, the first
// answer; with another body, an error.
func (in *Intake) idempotency(r *http.Request, s Sender, hash string) (*store.Claim, []byte, error) {
	k := r.Header.Get("Idempotency-Key")
	if k == "" {
		return nil, nil, nil
	}
	if len(k) > 255 {
		return nil, nil, fhir.Errorf(fhir.Invalid, "the Idempotency-Key is longer than 255 characters")
	}
	c := store.Claim{Scope: "idempotency/" + s.ClientID, Key: k, Expires: in.Clock().Add(idempotencyKeep)}
	held, taken, err := in.Store.Claimed(r.Context(), c.Scope, c.Key)
	if err != nil || !taken {
		return &c, nil, err
	}
	first, err := firstAnswer(held, hash)
	return nil, first, err
}

// later answers a submission that lost its claim to one at the same time.
func (in *Intake) later(_ context.Context, held store.Claim, hash string) (Answer, error) {
	first, err := firstAnswer(held, hash)
	return replay(first), err
}

func replay(first []byte) Answer {
	return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: http.Header{"Idempotent-Replayed": {"true"}}, Body: first}
}

// remember is what a claim keeps: the hash of the body and the answer.
func remember(hash string, answer []byte) []byte { return append([]byte(hash+"\n"), answer...) }

func firstAnswer(held store.Claim, hash string) ([]byte, error) {
	was, answer, _ := strings.Cut(string(held.Answer), "\n")
	if was != hash {
		return nil, fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.Duplicate, "this message id was used before with another body")
	}
	return []byte(answer), nil
}

package intake

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/mapping/formats/hl7v2"
)

// result takes ORU: scores and observations that belong to a referral. They are
// seen by those who see the referral. Of the person it stores nothing.
func (m *hl7Message) result(ctx context.Context) (Outcome, error) {
	facts := hl7v2.Answered(m.raw, m.a.Options)
	ver, unknown, err := m.referred(ctx, m.mayAttach, facts.Place, facts.Referral)
	if err != nil || unknown != nil {
		return m.orRefuse(unknown), err
	}
	sr, err := fhir.Decode(ver.Body)
	if err != nil {
		return Outcome{}, err
	}
	same, err := m.samePerson(ctx, sr.Root(), facts.NHSNumber)
	if err != nil {
		return Outcome{}, err
	}
	if !same {
		return m.refuse(fhir.Issue{Code: fhir.NotFound, Source: facts.Place, Text: unknownReferral}), nil
	}
	if m.sub.Bundle, err = attach(m.sub.Bundle, ver.Key, sr.Root().At("subject", "reference").Text()); err != nil {
		return Outcome{}, err
	}
	m.sub.Key = "result/" + m.sub.Key
	return m.in.Submit(ctx, m.sub)
}

// mayAttach reports whether results may be attached to what has that access: who
// may write about a referral need not be able to read it.
func (m *hl7Message) mayAttach(a auth.Access) bool {
	return m.sub.Sender.View("create").Sees("QuestionnaireResponse", a)
}

func (m *hl7Message) orRefuse(is *fhir.Issue) Outcome {
	if is == nil {
		return Outcome{}
	}
	return m.refuse(*is)
}

// attach puts the referral in the place of the conditional references to it, and
// its subject beside their logical one.
func attach(b fhir.Resource, request store.Key, subject string) (fhir.Resource, error) {
	ed := fhir.NewEditor(b.Root())
	whose := []byte(`"reference":` + strconv.Quote(subject))
	for e := range b.Root().Get("entry").Items() {
		r := e.Get("resource")
		for ref := range r.Get("basedOn").Items() {
			ed.SetString(ref.Get("reference"), request.String())
		}
		switch v := r.Get("subject"); {
		case subject == "":
		case v.Exists():
			ed.SetRaw(v, slices.Concat([]byte("{"), whose, []byte(","), bytes.TrimPrefix(v.Raw(), []byte("{"))))
		default:
			ed.Insert(r.Get("status"), "subject", slices.Concat([]byte("{"), whose, []byte("}")))
		}
	}
	return fhir.DecodeLimit(ed.Bytes(), transactionLimit)
}

package intake

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	"trellis.example/mapping/formats/bars"
)

const (
	documentLimit = 4 << 20
	// fileLimit bounds a batch file.
	fileLimit = 32 << 20
)

// senders says which roles may send which formats. A format that is not
// listed is taken from every role that may create a ServiceRequest.
var senders = map[string][]auth.Role{
	"ppn-csv": {"police", "importer", "sandbox"},
	"bars":    {"gp-practice", "pharmacy", "hospital-discharge", "link-worker", "service-manager", "community-provider", "importer", "sandbox"},
	"hl7v2":   {"gp-practice", "hospital-discharge", "pharmacy", "multi-disciplinary-team", "importer", "sandbox"},
}

// MaySend reports whether the sender may send documents of the format.
func MaySend(s Sender, format string) bool {
	if !s.Allow("create", "ServiceRequest") {
		return false
	}
	roles, listed := senders[format]
	return !listed || slices.Contains(roles, s.Role)
}

// NotYourFormat refuses a format that the caller's role does not send.
func NotYourFormat() error {
	return fhir.Errorf(fhir.Forbidden, "this client's role does not send this format")
}

// directCare are the roles whose referrals are direct care: consent to the
// referral itself is implied where their format has no place for it (standards:
// BaRS Consent policyRule IMPLIED).
var directCare = []auth.Role{"gp-practice", "pharmacy", "health-care-assistant", "hospital-discharge", "multi-disciplinary-team"}

// DirectCare reports whether the role's referrals are direct care.
func DirectCare(r auth.Role) bool { return slices.Contains(directCare, r) }

// Document answers POST /intake/{format}: 201 with the FHIR resources for one
// document, a result file for a batch, an ACK for HL7 v2; with dryRun=true
// what would be stored, and nothing is.
func (in *Intake) Document(r *http.Request, s Sender, id string, publicURL string) (Answer, error) {
	f, err := in.sent(s, id)
	if err != nil {
		return Answer{}, err
	}
	if err := mediaType(r, f.Info()); err != nil {
		return Answer{}, err
	}
	dry, err := dryRun(r)
	if err != nil {
		return Answer{}, err
	}
	if id == "bars" && !dry {
		a, err := in.ProcessMessage(r, s)
		if err != nil {
			err = bars.Decorate(rest.StoreError(err))
		}
		return a, err
	}
	body, err := readDocument(r, f.Info())
	if err != nil {
		return Answer{}, err
	}
	switch {
	case dry:
		return Answer{Status: http.StatusOK, Type: JSON, Header: http.Header{}, Body: Apply(Agreed(f, s.ImpliedConsent), body, in.Validator, in.options(r.Context(), s)).AppendJSON(nil)}, nil
	case id == "hl7v2":
		return in.hl7Answer(r.Context(), s, body)
	case f.Info().Batch:
		return in.file(r.Context(), s, f, body)
	}
	return in.single(r, s, f, body, publicURL)
}

// sent finds the format that the sender may send.
func (in *Intake) sent(s Sender, id string) (mapping.Format, error) {
	f, ok := in.Formats(id)
	if !ok || !f.Info().In {
		return nil, fhir.Errorf(fhir.NotFound, "there is no such format to send; trellis map list names them")
	}
	if !MaySend(s, id) {
		return nil, NotYourFormat()
	}
	return f, nil
}

// readDocument reads the body. A Bundle with too many entries is refused before
// anything looks into them.
func readDocument(r *http.Request, info mapping.Info) ([]byte, error) {
	limit := documentLimit
	if info.Batch {
		limit = fileLimit
	}
	body, err := rest.Body(r, limit)
	if err != nil || !slices.Contains(info.MediaTypes, rest.MediaType) {
		return body, err
	}
	b, err := fhir.DecodeLimit(body, documentLimit)
	if err != nil {
		return body, nil //nolint:nilerr // the format names the fault
	}
	return body, entryLimit(b)
}

// mediaType refuses a body that says it is something else. Nothing is guessed
// from the content.
func mediaType(r *http.Request, info mapping.Info) error {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && slices.Contains(info.MediaTypes, t) {
		return nil
	}
	return fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "the Content-Type of this format is %s", strings.Join(info.MediaTypes, " or "))
}

func dryRun(r *http.Request) (bool, error) {
	q := r.URL.Query()
	if len(q) == 0 {
		return false, nil
	}
	if v := q["dryRun"]; len(q) > 1 || len(v) != 1 {
		return false, fhir.Errorf(fhir.NotSupported, "the only parameter here is dryRun, once")
	}
	b, err := strconv.ParseBool(q.Get("dryRun"))
	if err != nil {
		return false, fhir.Errorf(fhir.BadValue, "dryRun is true or false")
	}
	return b, nil
}

// single takes one document in that is one record.
func (in *Intake) single(r *http.Request, s Sender, f mapping.Format, body []byte, publicURL string) (Answer, error) {
	sub, err := in.only(s, f, body)
	if err != nil {
		return Answer{}, err
	}
	if sub.Format == "fhir" { // nothing but its sender stands behind it, as with POST /fhir
		if err := mayCreate(s, sub.Bundle); err != nil {
			return Answer{}, err
		}
		if sub, err = in.literal(r.Context(), sub, publicURL); err != nil {
			return Answer{}, err
		}
	}
	return in.submitOnce(r, body, sub, func(o Outcome) Answer {
		h := http.Header{"Location": {publicURL + "/fhir/" + o.Referral.String()}}
		if o.Status == Unchanged {
			return Answer{Status: http.StatusOK, Type: FHIRJSON, Header: h, Body: fhir.Outcome([]fhir.Issue{{Severity: fhir.SeverityInformation, Code: fhir.Information, Text: "this record was received before, just like this; nothing was changed"}})}
		}
		return Answer{Status: http.StatusCreated, Type: FHIRJSON, Header: h, Body: transactionResponse(publicURL, o)}
	})
}

// only reads the document's one record.
func (in *Intake) only(s Sender, f mapping.Format, body []byte) (Submission, error) {
	res := f.Read(body)
	if err := fhir.Faults(res.Faults); err != nil {
		e := fhir.AsError(err)
		e.Status = http.StatusBadRequest
		return Submission{}, e
	}
	if len(res.Records) != 1 {
		return Submission{}, fhir.Errorf(fhir.Structure, "expected one record in the document")
	}
	return in.submission(s, f, res.Records[0], original(body, f.Info().MediaTypes[0]))
}

// mayCreate refuses a Bundle that holds a type which the sender's role or
// scopes do not create.
func mayCreate(s Sender, b fhir.Resource) error {
	for _, e := range b.Entries() {
		if err := s.Require("create", e.Type()); err != nil {
			return err
		}
	}
	return nil
}

// submission makes a submission of a record that a format read. A record
// without a bundle becomes one that only carries its faults.
func (in *Intake) submission(s Sender, f mapping.Format, rec mapping.Record, o store.Blob) (Submission, error) {
	info := f.Info()
	sub := Submission{Sender: s, Format: info.ID, Map: info.ID + " " + info.Version, Key: rec.Key, Issues: rec.Faults,
		Places: rec.Places, Original: o, Interaction: "intake-" + info.ID}
	if rec.Bundle == nil {
		return sub, nil
	}
	b, err := fhir.DecodeLimit(rec.Bundle, transactionLimit)
	sub.Bundle = b
	return sub, err
}

// refused reports that reading already refused the record.
func (s Submission) refused() bool { return s.Bundle.Type() == "" || fhir.Faults(s.Issues) != nil }

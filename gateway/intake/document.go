package intake

import (
	"context"
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
	"trellis.example/mapping/formats/itk3"
)

const (
	documentLimit = 4 << 20
	// wholeLimit bounds a batch that is read whole: in a dry run, and in formats
	// that are no CSV.
	wholeLimit = 32 << 20
)

// MaySend reports whether the sender may send documents of the format: its role
// must be one of those that the format names. A format that names none, or is
// not there, is nobody's.
func (in *Intake) MaySend(s Sender, format string) bool {
	f, ok := in.Formats(format)
	return ok && slices.Contains(f.Info().Senders, string(s.Role)) &&
		slices.ContainsFunc(brought, func(typ string) bool { return s.Allow("create", typ) })
}

// brought are the types of which a document brings at least one: a referral,
// outcomes of one, or the questionnaire for them.
var brought = []string{"ServiceRequest", "QuestionnaireResponse", "Observation", "Questionnaire"}

// definitions are the types by which other documents are judged.
var definitions = []string{"ActivityDefinition", "CodeSystem", "ConceptMap", "Library", "Measure", "PlanDefinition", "Questionnaire",
	"SearchParameter", "StructureDefinition", "StructureMap", "ValueSet"}

// mayBring refuses definitions that the sender's role and scopes do not let it
// make: they would judge the documents of others. What else a document brings is
// the affair of its format, which names the roles that may send it; for FHIR see
// mayCreate.
func mayBring(s Sender, b fhir.Resource) error {
	for _, e := range b.Entries() {
		if typ := e.Type(); slices.Contains(definitions, typ) {
			if err := s.Require("create", typ); err != nil {
				return err
			}
		}
	}
	return nil
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

// Document answers POST /intake/{format}: a receipt in the format's own shape
// for one document, a result file for a batch, an ACK for HL7 v2; with
// dryRun=true what would be stored, and nothing is.
func (in *Intake) Document(r *http.Request, s Sender, id string, publicURL string) (Answer, error) {
	f, err := in.sent(s, id)
	if err != nil {
		return Answer{}, err
	}
	if err := mediaType(r, f.Info()); err != nil {
		return Answer{}, err
	}
	ask, err := asked(r)
	if err != nil {
		return Answer{}, err
	}
	if err := in.guard.allow(s, in.Clock()); err != nil {
		return Answer{}, err
	}
	switch info := f.Info(); {
	case id == "bars" && !ask.dry:
		a, err := in.ProcessMessage(r, s)
		if err != nil {
			err = bars.Decorate(rest.StoreError(err))
		}
		return a, err
	case isFile(info) && !ask.dry:
		return in.file(r, s, f)
	}
	return in.document(r, s, f, ask, publicURL)
}

// isFile reports a format whose documents are read as a stream of rows.
func isFile(info mapping.Info) bool { return info.Batch && info.MediaTypes[0] == "text/csv" }

// document takes a document that is read whole.
func (in *Intake) document(r *http.Request, s Sender, f mapping.Format, ask asks, publicURL string) (Answer, error) {
	received, err := readDocument(r, f.Info())
	if err != nil {
		return Answer{}, err
	}
	d, err := form(r, received)
	switch {
	case err != nil:
		return Answer{}, err
	case ask.dry:
		return in.dryRun(r.Context(), s, f, d.read, ask.explain), nil
	case f.Info().ID == "hl7v2":
		return in.hl7Answer(r.Context(), s, received)
	}
	if f.Info().Batch {
		if res := f.Read(d.read); len(res.Records) != 1 || res.Records[0].Row > 0 {
			return in.rows(r.Context(), s, f, received)
		}
	}
	return in.single(r, s, f, d, publicURL)
}

// sent finds the format that the sender may send.
func (in *Intake) sent(s Sender, id string) (mapping.Format, error) {
	f, ok := in.Formats(id)
	if !ok || !f.Info().In {
		return nil, fhir.Errorf(fhir.NotFound, "there is no such format to send; trellis map list names them")
	}
	if !in.MaySend(s, id) {
		return nil, NotYourFormat()
	}
	return f, nil
}

// readDocument reads the body. A Bundle with too many entries is refused before
// anything looks into them.
func readDocument(r *http.Request, info mapping.Info) ([]byte, error) {
	limit := documentLimit
	if info.Batch {
		limit = wholeLimit
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

// asks are what the parameters of the address ask for.
type asks struct{ dry, explain bool }

func asked(r *http.Request) (asks, error) {
	var a asks
	for name, values := range r.URL.Query() {
		to := map[string]*bool{"dryRun": &a.dry, "explain": &a.explain}[name]
		if to == nil || len(values) != 1 {
			return a, fhir.Errorf(fhir.NotSupported, "the parameters here are dryRun and explain, each once")
		}
		b, err := strconv.ParseBool(values[0])
		if err != nil {
			return a, fhir.Errorf(fhir.BadValue, "%s is true or false", name)
		}
		*to = b
	}
	if a.explain && !a.dry {
		return a, fhir.Errorf(fhir.Invalid, "explain goes with dryRun=true: nothing is explained of what is stored")
	}
	return a, nil
}

// A received document, and what the format reads of it: the same bytes, but for
// forms that came as multipart.
type receivedDocument struct {
	body, read []byte
	mediaType  string
}

// single takes one document in that is one record.
func (in *Intake) single(r *http.Request, s Sender, f mapping.Format, d receivedDocument, publicURL string) (Answer, error) {
	rec, sub, err := in.only(s, f, d)
	if err != nil && f.Info().Receipt == shapeITK3 {
		return in.itk3Refusal(r.Context(), Submission{Sender: s, Interaction: "intake-" + f.Info().ID}, receipt{in: in, doc: d.body}, err)
	}
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
	k := receipt{in: in, shape: f.Info().Receipt, url: publicURL, doc: d.body, losses: rec.Losses}
	sub.Reference = k.isOurs()
	if rec.NotReferral {
		return k.nothing(rec.Faults), in.auditReplay(r.Context(), sub)
	}
	a, err := in.submitOnce(r, d.body, sub, k.answer)
	if err != nil && k.shape == shapeITK3 {
		return in.itk3Refusal(r.Context(), sub, k, err)
	}
	return a, err
}

// itk3Refusal answers a refused ITK3 message with its acknowledgement, audited;
// trouble on our side stays an error.
func (in *Intake) itk3Refusal(ctx context.Context, sub Submission, k receipt, err error) (Answer, error) {
	fault := fhir.AsError(rest.StoreError(err))
	body, media := itk3.Receipt(k.doc, fault, false, k.party(), in.now())
	if body == nil {
		return Answer{}, err
	}
	return Answer{Status: fault.HTTPStatus(), Type: media, Header: http.Header{}, Body: body}, in.auditRefusal(ctx, sub)
}

// only reads the document's one record.
func (in *Intake) only(s Sender, f mapping.Format, d receivedDocument) (mapping.Record, Submission, error) {
	res := Agreed(f, s.ImpliedConsent).Read(d.read)
	if err := fhir.Faults(res.Faults); err != nil {
		e := fhir.AsError(err)
		e.Status = http.StatusBadRequest
		return mapping.Record{}, Submission{}, e
	}
	if len(res.Records) != 1 {
		return mapping.Record{}, Submission{}, fhir.Errorf(fhir.Structure, "expected one record in the document")
	}
	sub, err := in.submission(s, f, res.Records[0], original(d.body, d.mediaType))
	return res.Records[0], sub, err
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
	if sub.Bundle = b; err != nil {
		return sub, err
	}
	return sub, mayBring(s, b)
}

// refused reports that reading already refused the record.
func (s Submission) refused() bool { return s.Bundle.Type() == "" || fhir.Faults(s.Issues) != nil }

package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
)

// A Taker stores services that a format reads.
type Taker struct {
	In *intake.Intake
	// Formats looks a partner format up by its id.
	Formats func(id string) (mapping.Format, bool)
}

// A Taken is what became of one service.
type Taken struct {
	intake.Outcome
	// Losses are what FHIR does not say of it.
	Losses []mapping.Loss
}

// shared remembers what parts that several services name were stored as, for
// the length of one pull.
type shared struct {
	mu    sync.Mutex
	known map[string]store.Key
}

// take stores one service: first what other services may name too, then the
// service itself, in a commit each.
func (t *Taker) take(ctx context.Context, from intake.Sender, format string, doc []byte, kept bool, seen *shared) (Taken, error) {
	f, ok := t.Formats(format)
	if !ok {
		return Taken{}, fhir.Errorf(fhir.NotFound, "there is no such format to send; trellis map list names them")
	}
	res := f.Read(doc)
	if err := fhir.Faults(res.Faults); err != nil {
		e := fhir.AsError(err)
		e.Status = http.StatusBadRequest
		return Taken{}, e
	}
	if len(res.Records) != 1 {
		return Taken{}, fhir.Errorf(fhir.Structure, "expected one service in the document")
	}
	rec := res.Records[0]
	if rec.Refused() {
		return Taken{Outcome: intake.Outcome{Status: intake.Rejected, Issues: rec.Faults}, Losses: rec.Losses}, nil
	}
	sub := intake.Submission{Sender: from, Format: f.Info().ID, Map: res.Map, Key: rec.Key, Issues: rec.Faults, Places: rec.Places,
		Interaction: "intake-" + f.Info().ID, Known: map[string]store.Key{}}
	if kept {
		sub.Original = blob(doc)
	}
	out, err := t.submit(ctx, sub, rec.Bundle, seen)
	return Taken{Outcome: out, Losses: rec.Losses}, err
}

func blob(doc []byte) store.Blob {
	sum := sha256.Sum256(doc)
	return store.Blob{Hash: hex.EncodeToString(sum[:]), Type: "application/json", Data: doc}
}

func (t *Taker) submit(ctx context.Context, sub intake.Submission, bundle []byte, seen *shared) (intake.Outcome, error) {
	b, err := fhir.DecodeLimit(bundle, 16<<20)
	if err != nil {
		return intake.Outcome{}, err
	}
	for _, e := range b.Entries() {
		if e.Type() == "HealthcareService" {
			continue
		}
		k, ok, err := t.part(ctx, sub, e, seen)
		if err != nil {
			return intake.Outcome{}, err
		}
		if ok {
			sub.Known[e.FullURL] = k
		}
	}
	sub.Bundle = b
	return t.In.Submit(ctx, sub)
}

// partURL is the full URL of a part in the Bundle of its own: the same whichever
// service brings it, so that the part gets the same id.
const partURL = "urn:uuid:5f6d0c0a-2f3e-4c57-8f0a-6d1c4b1a9e10"

// part stores an Organization or Location as a record of its own, under the id
// that the directory gives it, so that all services that name it share it. A
// part with faults is left to the service's own submission, which names them at
// their places.
func (t *Taker) part(ctx context.Context, sub intake.Submission, e fhir.Entry, seen *shared) (store.Key, bool, error) {
	id := e.Resource.At("identifier", 0, "value").Text()
	if id == "" || !strings.HasPrefix(e.Resource.At("identifier", 0, "system").Text(), idSystem) {
		return store.Key{}, false, nil
	}
	name := strings.ToLower(e.Type()) + "/" + e.Resource.At("identifier", 0, "system").Text() + "|" + id
	if k, ok := seen.get(name); ok {
		return k, true, nil
	}
	entry, err := json.Marshal(map[string]any{"fullUrl": partURL, "resource": json.RawMessage(e.Resource.Raw()), "request": map[string]string{"method": "POST", "url": e.Type()}})
	if err != nil {
		return store.Key{}, false, err
	}
	b, err := fhir.DecodeLimit(slices.Concat([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[`), entry, []byte(`]}`)), 16<<20)
	if err != nil {
		return store.Key{}, false, err
	}
	own := sub
	own.Key, own.Bundle, own.Issues, own.Places, own.Known = name, b, nil, nil, nil
	out, err := t.In.Submit(ctx, own)
	if err != nil || out.Status == intake.Rejected {
		return store.Key{}, false, err
	}
	seen.put(name, out.Referral)
	return out.Referral, true, nil
}

func (s *shared) get(name string) (store.Key, bool) {
	if s == nil {
		return store.Key{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known[name]
	return k, ok
}

func (s *shared) put(name string, k store.Key) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[name] = k
}

// idSystem begins the systems of the ids that directories give.
const idSystem = "https://trellis.example/fhir/Id/open-referral-"

// Handles reports whether documents of the format are services of a directory.
func Handles(format string) bool { return format == "oruk-v3" || format == "oruk-v1" }

// MayPublish reports whether the sender may put services of the format into the
// directory: a role that the format names, which may write all that a service
// is made of.
func MayPublish(p auth.Principal, info mapping.Info) bool {
	return slices.Contains(info.Senders, string(p.Role)) &&
		p.Allow("create", "HealthcareService") && p.Allow("create", "Organization") && p.Allow("create", "Location")
}

// Push takes one service from a sender: 201 for a new one, 200 for one that was
// known. The answer lists what FHIR does not say of it.
func (t *Taker) Push(ctx context.Context, from intake.Sender, format string, doc []byte, publicURL string) (intake.Answer, error) {
	f, ok := t.Formats(format)
	if !ok || !MayPublish(from.Principal, f.Info()) {
		return intake.Answer{}, intake.NotYourFormat()
	}
	got, err := t.take(ctx, from, format, doc, true, nil)
	if err != nil {
		return intake.Answer{}, err
	}
	if got.Status == intake.Rejected {
		return intake.Answer{}, &fhir.Error{Issues: got.Issues, Status: http.StatusUnprocessableEntity}
	}
	a := intake.Answer{Status: http.StatusCreated, Type: intake.FHIRJSON, Header: http.Header{"Location": {publicURL + "/fhir/" + got.Referral.String()}}}
	if got.Status != intake.Created {
		a.Status = http.StatusOK
	}
	issues := []fhir.Issue{{Severity: fhir.SeverityInformation, Code: fhir.Information, Text: "the service is " + string(got.Status)}}
	for _, l := range got.Losses {
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityInformation, Code: fhir.Information, Source: l.Source, Rule: l.Rule, Text: l.Text})
	}
	a.Body = fhir.Outcome(issues)
	return a, nil
}

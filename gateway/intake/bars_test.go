package intake_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
	"trellis.example/mapping/formats/bars"
)

// process sends a message as the surgery, or as the service.
func process(t *testing.T, in *intake.Intake, org, body string) (intake.Answer, error) {
	t.Helper()
	role := auth.Role("gp-practice")
	if org == "Z9D01" {
		role = "link-worker"
	}
	ctx, s := caller(t, org, role, org)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/fhir/$process-message", strings.NewReader(body))
	r.Header = http.Header{
		"Content-Type": {"application/fhir+json"}, "X-Request-Id": {uuid.NewString()}, "X-Correlation-Id": {uuid.NewString()},
		"Nhsd-Target-Identifier": {base64.StdEncoding.EncodeToString([]byte(`{"value":"9900000001","system":"https://fhir.nhs.uk/Id/dos-service-id"}`))},
	}
	return in.ProcessMessage(r, s)
}

const bundle = "0d4f0000-0000-4000-8000-000000000001"

func barsMessage(t *testing.T) string {
	t.Helper()
	return strings.ReplaceAll(demo(t, "message.json", "1"), "{{uuid}}", bundle)
}

// refusedWork is the service's word that it has ended the referral. It carries
// all that the referral did.
func refusedWork(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer(`"servicerequest-request"`, `"servicerequest-response"`, `"status": "active",
    "intent": "plan"`, `"status": "revoked", "intent": "plan"`, `servicerequest-request-referral"
   }`, `servicerequest-response-referral"
   }`, `"focus": [`, `"response": {"identifier": "`+bundle+`", "code": "ok"}, "focus": [`,
		`    "requester": {
     "reference": "urn:uuid:7c1d0000-0000-4000-8000-000000000009"
    },
`, "").Replace(barsMessage(t))
}

// A lacking store answers as if it had no resource or doc of that type or kind,
// or with an error.
type lacking struct {
	store.Store
	typ, kind string
	err       error
}

func (l lacking) Read(ctx context.Context, v auth.View, k store.Key) (store.Version, error) {
	if k.Type == l.typ {
		return store.Version{}, store.ErrNotFound
	}
	return l.Store.Read(ctx, v, k)
}

func (l lacking) Doc(ctx context.Context, kind, id string) (store.Doc, error) {
	if kind == l.kind {
		return store.Doc{}, l.err
	}
	return l.Store.Doc(ctx, kind, id)
}

// on returns the house's Intake on another store.
func (h *house) on(t *testing.T, s store.Store) *intake.Intake {
	t.Helper()
	d := h.Deps
	d.Store = s
	in, err := intake.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestBaRSResponseWithoutTask(t *testing.T) {
	h := newHouse(t)
	if _, err := process(t, h.Intake, "Y99001", barsMessage(t)); err != nil {
		t.Fatal(err)
	}
	a, err := process(t, h.on(t, lacking{Store: h, typ: "Task"}), "Z9D01", refusedWork(t))
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("a response to a referral without a Task: %d %v", a.Status, err)
	}
	last := h.commits[len(h.commits)-1]
	for _, w := range last.Writes {
		if w.Key.Type == "ServiceRequest" && strings.Contains(string(w.Body), `"revoked"`) {
			return
		}
	}
	t.Error("the referral was not ended")
}

// TestBaRSIndexOrNothing: a referral that could not be named in a response is
// not taken.
func TestBaRSIndexOrNothing(t *testing.T) {
	h := newHouse(t)
	away := errors.Join(store.ErrUnavailable, errors.New("on fire"))
	_, err := process(t, h.on(t, lacking{Store: h, kind: "bars-message", err: away}), "Y99001", barsMessage(t))
	if !errors.Is(err, store.ErrUnavailable) || len(h.commits) != 0 {
		t.Errorf("%d commits, %v; want the store's error and none", len(h.commits), err)
	}
	if a, err := process(t, h.Intake, "Y99001", barsMessage(t)); err != nil || a.Status != http.StatusOK {
		t.Errorf("once the store is back: %d %v", a.Status, err)
	}
}

// TestBaRSLosesARace: another message to the same service under the same id
// came in between; both are found afterwards.
func TestBaRSLosesARace(t *testing.T) {
	h := newHouse(t)
	lost := false
	h.fail = func(c store.Commit) error {
		if lost || len(c.Docs) < 2 {
			return nil
		}
		lost = true
		_, err := h.Store.Commit(t.Context(), store.Commit{Docs: []store.DocWrite{{Kind: c.Docs[0].Kind, ID: c.Docs[0].ID, Body: []byte(`{"referrals":["ServiceRequest/other"]}`)}}})
		return err
	}
	if _, err := process(t, h.Intake, "Y99001", barsMessage(t)); err != nil || !lost {
		t.Fatalf("lost %t: %v", lost, err)
	}
	if a, err := process(t, h.Intake, "Z9D01", refusedWork(t)); err != nil || a.Status != http.StatusOK {
		t.Errorf("response after the race: %d %v", a.Status, fhir.AsError(err))
	}
}

// again is a message that is sent with ids of its own, as often as wanted.
func again(t *testing.T, in *intake.Intake, body io.Reader) func() (intake.Answer, error) {
	t.Helper()
	id, conversation := uuid.NewString(), uuid.NewString()
	return func() (intake.Answer, error) {
		ctx, s := caller(t, "Y99001", "gp-practice", "Y99001")
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/fhir/$process-message", body)
		r.Header = http.Header{
			"Content-Type": {"application/fhir+json"}, "X-Request-Id": {id}, "X-Correlation-Id": {conversation},
			"Nhsd-Target-Identifier": {base64.StdEncoding.EncodeToString([]byte(`{"value":"9900000001","system":"https://fhir.nhs.uk/Id/dos-service-id"}`))},
		}
		a, err := in.ProcessMessage(r, s)
		if err != nil {
			err = bars.Decorate(rest.StoreError(err))
		}
		return a, err
	}
}

// refusal is a refusal as "status code issue-code"; it tells nothing of the
// document or of what is behind the store's error.
func refusal(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return "none"
	}
	e := fhir.AsError(err)
	for _, is := range e.Issues {
		for _, secret := range []string{"on fire", "Placeholder", "9991234039", "Robin"} {
			if strings.Contains(is.Text+is.Expression+is.Source, secret) {
				t.Errorf("an issue tells %q", secret)
			}
		}
	}
	return strconv.Itoa(e.HTTPStatus()) + " " + e.Issues[0].Details.Code + " " + string(e.Issues[0].Code)
}

// A slowBody never ends.
type slowBody struct{}

func (slowBody) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// TestBaRSTrouble: what goes wrong on our side has its code, and uses up no
// message id: the same message is taken when it is sent again.
func TestBaRSTrouble(t *testing.T) {
	fire := errors.New("on fire")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"the store is away", errors.Join(store.ErrUnavailable, fire), "503 REC_SERVICE_UNAVAILABLE transient"},
		{"something unheard of", fire, "500 REC_SERVER_ERROR exception"},
		{"another writer", &store.Conflict{}, "409 REC_CONFLICT conflict"},
		{"too large to keep", store.ErrTooLarge, "413 REC_BAD_REQUEST too-long"},
	}
	for _, tt := range tests {
		h := newHouse(t)
		h.fail = func(store.Commit) error { return tt.err }
		body := barsMessage(t)
		rd := strings.NewReader(body)
		send := again(t, h.Intake, rd)
		if _, err := send(); refusal(t, err) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, refusal(t, err), tt.want)
		}
		h.fail = nil
		rd.Reset(body)
		if a, err := send(); err != nil || a.Status != http.StatusOK {
			t.Errorf("%s, sent again: %s", tt.name, refusal(t, err))
		}
		rd.Reset(body)
		if _, err := send(); refusal(t, err) != "409 REC_CONFLICT duplicate" {
			t.Errorf("%s, sent a third time: %s", tt.name, refusal(t, err))
		}
	}
	h := newHouse(t)
	if _, err := again(t, h.Intake, slowBody{})(); refusal(t, err) != "408 REC_TIMEOUT timeout" {
		t.Errorf("a sender too slow: %s", refusal(t, err))
	}
	var refs []string
	for i := range 201 {
		refs = append(refs, `{"reference":"Condition/none-`+strconv.Itoa(i)+`"}`)
	}
	costly := strings.Replace(barsMessage(t), `"requester": {`, `"supportingInfo": [`+strings.Join(refs, ",")+`], "requester": {`, 1)
	if _, err := again(t, h.Intake, strings.NewReader(costly))(); refusal(t, err) != "422 REC_UNPROCESSABLE_ENTITY too-costly" {
		t.Errorf("too many references: %s", refusal(t, err))
	}
}

// TestBaRSTooEarly: while a message is in hand, the same is told to wait.
func TestBaRSTooEarly(t *testing.T) {
	h := newHouse(t)
	in, out := make(chan bool), make(chan bool)
	h.fail = func(store.Commit) error {
		in <- true
		<-out
		return nil
	}
	body := barsMessage(t)
	first := again(t, h.Intake, strings.NewReader(body))
	done := make(chan error)
	go func() {
		_, err := first()
		done <- err
	}()
	<-in
	if _, err := first(); refusal(t, err) != "425 REC_TOO_EARLY duplicate" {
		t.Errorf("meanwhile: %s", refusal(t, err))
	}
	out <- true
	if err := <-done; err != nil {
		t.Errorf("the first: %s", refusal(t, err))
	}
	h.fail = nil
	if _, err := first(); refusal(t, err) != "409 REC_CONFLICT duplicate" {
		t.Errorf("afterwards: %s", refusal(t, err))
	}
}

// takenBack is the cancellation of the message, all of whose resources it
// leaves out but those it may carry. patient changes the Patient.
func takenBack(t *testing.T, patient func(map[string]any)) string {
	t.Helper()
	var b map[string]any
	if err := json.Unmarshal([]byte(barsMessage(t)), &b); err != nil {
		t.Fatal(err)
	}
	var keep []any
	for _, e := range b["entry"].([]any) {
		r := e.(map[string]any)["resource"].(map[string]any)
		switch r["resourceType"] {
		case "MessageHeader":
			r["reason"] = map[string]any{"coding": []any{map[string]any{"system": bars.ReasonSystem, "code": "update"}}}
			r["definition"] = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-cancelled"
		case "ServiceRequest":
			r["status"] = "revoked"
			for _, name := range []string{"basedOn", "encounter", "requester", "performer"} {
				delete(r, name)
			}
			r["requester"] = map[string]any{"display": "referrer"}
		case "Patient":
			r["meta"].(map[string]any)["lastUpdated"] = "2026-03-05T08:00:00Z"
			r["telecom"] = []any{map[string]any{"system": "phone", "value": "07700900999"}}
			patient(map[string]any{"entry": e, "resource": r})
		case "Organization":
		default:
			continue
		}
		keep = append(keep, e)
	}
	b["entry"] = keep
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestBaRSMerge: of an update those resources are taken whose sender changed
// them since; what was changed here meanwhile is a conflict.
func TestBaRSMerge(t *testing.T) {
	nothing := func(string) func(map[string]any) { return func(map[string]any) {} }
	tests := []struct {
		name   string
		change func(id string) func(map[string]any)
		here   bool // the Patient is changed here in between
		want   string
		merged bool
	}{
		{"a later stamp", nothing, false, "none", true},
		{"the same stamp", func(string) func(map[string]any) {
			return func(p map[string]any) {
				p["resource"].(map[string]any)["meta"].(map[string]any)["lastUpdated"] = "2026-03-04T10:15:30Z"
			}
		}, false, "none", false},
		{"an earlier stamp with an offset", func(string) func(map[string]any) {
			return func(p map[string]any) {
				p["resource"].(map[string]any)["meta"].(map[string]any)["lastUpdated"] = "2026-03-04T11:15:29+01:00"
			}
		}, false, "none", false},
		{"found by id", func(id string) func(map[string]any) {
			return func(p map[string]any) {
				p["resource"].(map[string]any)["id"] = id
				p["entry"].(map[string]any)["fullUrl"] = "urn:uuid:7c1d0000-0000-4000-8000-0000000000ff"
			}
		}, false, "none", true},
		{"another's id", func(string) func(map[string]any) {
			return func(p map[string]any) {
				p["resource"].(map[string]any)["id"] = "not-ours"
				p["entry"].(map[string]any)["fullUrl"] = "urn:uuid:7c1d0000-0000-4000-8000-0000000000ff"
			}
		}, false, "none", false},
		{"changed here", nothing, true, "409 REC_CONFLICT conflict", false},
	}
	for _, tt := range tests {
		h := newHouse(t)
		if _, err := process(t, h.Intake, "Y99001", barsMessage(t)); err != nil {
			t.Fatal(err)
		}
		patient := h.written(t, "Patient")
		if tt.here {
			res, err := fhir.Decode([]byte(strings.Replace(string(patient.Body), `"gender": "female"`, `"gender": "other"`, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Store.Commit(t.Context(), store.Commit{Writes: []store.Write{{View: auth.SystemView(), Key: patient.Key, Expect: 1,
				Body: res.Stamp(patient.Key.ID, 2, patient.Updated), Updated: patient.Updated, Access: patient.Access}}}); err != nil {
				t.Fatal(err)
			}
		}
		doc := takenBack(t, tt.change(patient.Key.ID))
		if strings.Contains(doc, "0000000000ff") {
			doc = strings.ReplaceAll(doc, `"subject":{"reference":"urn:uuid:7c1d0000-0000-4000-8000-000000000003"}`, `"subject":{"reference":"urn:uuid:7c1d0000-0000-4000-8000-0000000000ff"}`)
		}
		_, err := process(t, h.Intake, "Y99001", doc)
		if err != nil {
			err = bars.Decorate(rest.StoreError(err))
		}
		if got := refusal(t, err); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		now, err := h.Read(t.Context(), auth.SystemView(), patient.Key)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(now.Body), "07700900999"); got != tt.merged {
			t.Errorf("%s: merged %t, want %t", tt.name, got, tt.merged)
		}
	}
}

// written is the last write of a type.
func (h *house) written(t *testing.T, typ string) store.Write {
	t.Helper()
	for _, c := range slices.Backward(h.commits) {
		for _, w := range c.Writes {
			if w.Key.Type == typ {
				return w
			}
		}
	}
	t.Fatalf("no %s was written", typ)
	return store.Write{}
}

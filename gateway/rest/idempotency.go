package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

const (
	idempotencyScope = "idempotency-key"
	idempotencyLife  = 30 * 24 * time.Hour
	maxIdempotency   = 255
)

// An Idempotency is the Idempotency-Key of a request and the request it stands
// for: method, address, conditions and body. Every door of the gateway uses it, so
// that one key means one request wherever it is sent. Zero when there is none.
type Idempotency struct{ key, hash string }

// NewIdempotency reads the header; body is what [Body] gave.
func NewIdempotency(r *http.Request, p auth.Principal, body []byte) (Idempotency, error) {
	keys := r.Header["Idempotency-Key"]
	if len(keys) == 0 {
		return Idempotency{}, nil
	}
	if len(keys) > 1 || !visible(keys[0]) {
		return Idempotency{}, fhir.StatusErrorf(400, fhir.BadValue, "Idempotency-Key is one value of 1 to %d visible ASCII characters", maxIdempotency)
	}
	h := sha256.New()
	h.Write([]byte(r.Method + " " + r.URL.Path + "\n" + r.Header.Get("If-Match") + "\n"))
	if r.URL.RawQuery != "" || r.Header.Get("If-None-Exist") != "" {
		h.Write([]byte("?" + r.URL.RawQuery + "\n" + r.Header.Get("If-None-Exist") + "\n"))
	}
	h.Write(receivedBytes(r, body))
	return Idempotency{key: p.ClientID + "\n" + keys[0], hash: hex.EncodeToString(h.Sum(nil))}, nil
}

// Given reports whether the request has the header.
func (i Idempotency) Given() bool { return i.key != "" }

// Hash identifies the request; the answer that a claim keeps begins with it, as
// the member "hash" of a JSON object.
func (i Idempotency) Hash() string { return i.hash }

// Held returns the claim of an earlier request with the key, if there is one.
func (i Idempotency) Held(ctx context.Context, s store.Store) (store.Claim, bool, error) {
	if !i.Given() {
		return store.Claim{}, false, nil
	}
	return s.Claimed(ctx, idempotencyScope, i.key)
}

// Claim takes the key for the answer; now is the time of the commit.
func (i Idempotency) Claim(answer []byte, now time.Time) store.Claim {
	return store.Claim{Scope: idempotencyScope, Key: i.key, Answer: answer, Expires: now.Add(idempotencyLife)}
}

// First reads the answer that a claim keeps into v. A key that was used for
// another request is 422.
func (i Idempotency) First(held store.Claim, v any) error {
	var first struct {
		Hash string `json:"hash"`
	}
	if err := json.Unmarshal(held.Answer, &first); err != nil {
		return err
	}
	if first.Hash != i.hash {
		return &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: []fhir.Issue{{
			Code: fhir.Duplicate, Text: "this Idempotency-Key was used for another request; use a new key for a new request"}}}
	}
	return json.Unmarshal(held.Answer, v)
}

// once decides a request with an Idempotency-Key. Without the header its
// methods do nothing.
type once struct {
	Idempotency
	q *Request
	// answered: an earlier request had the key, and its answer was returned.
	answered bool
}

// A firstAnswer is what the claim of an Idempotency-Key keeps: enough to give
// the first answer again, without a second copy of the document.
type firstAnswer struct {
	Hash     string    `json:"hash"`
	Status   int       `json:"status"`
	Location string    `json:"location,omitempty"`
	Type     string    `json:"type"`
	ID       string    `json:"id"`
	Version  int       `json:"version"`
	Updated  time.Time `json:"updated"`
}

// once reads the header; when an earlier request had the key, the answer to
// that one is returned.
func (q *Request) once(body []byte) (*once, Response, error) {
	i, err := NewIdempotency(q.Request, q.Principal, body)
	o := &once{Idempotency: i, q: q}
	if err != nil {
		return o, Response{}, err
	}
	claim, found, err := i.Held(q.Context(), q.api.Store)
	if err != nil || !found {
		return o, Response{}, err
	}
	o.answered = true
	resp, err := o.replay(claim)
	return o, resp, err
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxIdempotency
}

// claim takes the key in the commit, for the answer that it will be given.
func (o *once) claim(c *store.Commit, resp Response, k store.Key) {
	if !o.Given() {
		return
	}
	first := firstAnswer{Hash: o.hash, Status: resp.Status, Location: resp.Location, Type: k.Type, ID: k.ID}
	for _, w := range c.Writes {
		if w.Key == k {
			first.Version, first.Updated = w.Expect+1, w.Updated
		}
	}
	answer, _ := json.Marshal(first) // strings, numbers and a time: never fails
	c.Claims = append(c.Claims, o.Claim(answer, o.q.api.now()))
}

// replay gives the first answer again, read under today's view and audited; a
// different request under the same key is 422.
func (o *once) replay(claim store.Claim) (Response, error) {
	q := o.q
	var first firstAnswer
	if err := o.First(claim, &first); err != nil {
		return Response{}, err
	}
	k := store.Key{Type: first.Type, ID: first.ID}
	resp := Response{Status: first.Status, Location: first.Location, Version: first.Version, Updated: first.Updated}
	v, err := q.api.Store.ReadVersion(q.Context(), q.view(), k, first.Version)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Response{}, err
	}
	if err == nil && !v.Deleted {
		resp.Body = v.Body
		q.entry.Patients = q.patientsOf(k, v.Body)
	}
	q.entry.Entities = []string{versionName(k, first.Version)}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return q.preferred(resp, nil), nil
}

// view is what the request's interaction may see; operations that change a
// resource see what an update does.
func (q *Request) view() auth.View {
	if q.entry.Action == audit.Update {
		return q.Principal.View("update")
	}
	return q.Principal.View(q.entry.Interaction)
}

// record writes the request's audit entry before anything is answered.
func (q *Request) record() error {
	q.entry.Outcome = audit.Success
	if err := q.api.Recorder.Write(q.Context(), q.entry); err != nil {
		return auditDown(err)
	}
	return nil
}

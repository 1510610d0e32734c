package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

const (
	idempotencyScope = "idempotency-key"
	idempotencyLife  = 30 * 24 * time.Hour
	maxIdempotency   = 255
)

// once decides a request with an Idempotency-Key. Without the header its
// methods do nothing.
type once struct {
	q         *Request
	key, hash string
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
	o := &once{q: q}
	keys := q.Header["Idempotency-Key"]
	if len(keys) == 0 {
		return o, Response{}, nil
	}
	if len(keys) > 1 || !visible(keys[0]) {
		return o, Response{}, fhir.StatusErrorf(400, fhir.BadValue, "Idempotency-Key is one value of 1 to %d visible ASCII characters", maxIdempotency)
	}
	o.key = q.Principal.ClientID + "\n" + keys[0]
	h := sha256.New()
	h.Write([]byte(q.Method + " " + q.URL.Path + "\n" + q.Header.Get("If-Match") + "\n"))
	h.Write(body)
	o.hash = hex.EncodeToString(h.Sum(nil))
	claim, found, err := q.api.Store.Claimed(q.Context(), idempotencyScope, o.key)
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
	if o.key == "" {
		return
	}
	first := firstAnswer{Hash: o.hash, Status: resp.Status, Location: resp.Location, Type: k.Type, ID: k.ID}
	for _, w := range c.Writes {
		if w.Key == k {
			first.Version, first.Updated = w.Expect+1, w.Updated
		}
	}
	answer, _ := json.Marshal(first) // strings, numbers and a time: never fails
	c.Claims = append(c.Claims, store.Claim{
		Scope: idempotencyScope, Key: o.key, Answer: answer, Expires: o.q.api.now().Add(idempotencyLife),
	})
}

// replay gives the first answer again, read under today's view and audited; a
// different request under the same key is 422.
func (o *once) replay(claim store.Claim) (Response, error) {
	q := o.q
	var first firstAnswer
	if err := json.Unmarshal(claim.Answer, &first); err != nil {
		return Response{}, err
	}
	if first.Hash != o.hash {
		return Response{}, &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: []fhir.Issue{{
			Code: fhir.Duplicate, Text: "this Idempotency-Key was used for another request; use a new key for a new request"}}}
	}
	k := store.Key{Type: first.Type, ID: first.ID}
	resp := Response{Status: first.Status, Location: first.Location, Version: first.Version, Updated: first.Updated}
	v, err := q.api.Store.ReadVersion(q.Context(), q.Principal.View(q.entry.Interaction), k, first.Version)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Response{}, err
	}
	if err == nil && !v.Deleted {
		resp.Body = v.Body
		q.entry.Patients = Patients(k, v.Body)
	}
	q.entry.Entities = []string{versionName(k, first.Version)}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return q.preferred(resp, nil), nil
}

// record writes the request's audit entry before anything is answered.
func (q *Request) record() error {
	q.entry.Outcome = audit.Success
	if err := q.api.Recorder.Write(q.Context(), q.entry); err != nil {
		return auditDown(err)
	}
	return nil
}

package rest

import (
	"encoding/json"
	"net/http"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A firstBundle is what the claim of an Idempotency-Key keeps of a transaction:
// enough to answer again, without a second copy of any document.
type firstBundle struct {
	Hash    string       `json:"hash"`
	Entries []firstEntry `json:"entries"`
}

type firstEntry struct {
	Status  int       `json:"s,omitempty"` // 0: a read, which is done anew
	Type    string    `json:"t,omitempty"`
	ID      string    `json:"i,omitempty"`
	Version int       `json:"v,omitempty"`
	Updated time.Time `json:"u,omitzero"`
}

// first returns what the claim keeps.
func (tx *transaction) first() []byte {
	f := firstBundle{Hash: tx.once.Hash()}
	for _, e := range tx.entries {
		f.Entries = append(f.Entries, tx.became(e))
	}
	b, _ := json.Marshal(f) // strings, numbers and times: never fails
	return b
}

// became says what has become of an entry.
func (tx *transaction) became(e *txEntry) firstEntry {
	f := firstEntry{Type: e.key.Type, ID: e.key.ID, Status: http.StatusOK, Updated: tx.now}
	switch {
	case phase(e.Method) == len(phases)-1:
		return firstEntry{}
	case e.interaction == "delete":
		f.Status, f.Updated = http.StatusNoContent, time.Time{}
		if len(e.gone) == 1 {
			f.Version = e.gone[0].Number + 1
		}
	case e.found && e.old != nil:
		f.Version, f.Updated = e.old.Number, e.old.Updated
	case e.found: // what an entry before it makes
		f.Version = 1
	default:
		f.Version = e.write.Expect + 1
		if e.old == nil || e.old.Deleted {
			f.Status = http.StatusCreated
		}
	}
	return f
}

// answer gives the response of a transaction that was committed.
func (tx *transaction) answer() (Response, error) {
	answers := make([]entryAnswer, len(tx.entries))
	for i, e := range tx.entries {
		f := tx.became(e)
		if f.Status == 0 {
			answers[i] = tx.read(e)
			continue
		}
		var body []byte
		switch {
		case e.found && e.old != nil && tx.q.Principal.Allow("read", e.key.Type):
			body = e.old.Body
		case !e.found && e.write != nil:
			body = e.write.Body
		}
		answers[i] = tx.entryAnswer(f, body)
	}
	return Response{Body: responseBundle("transaction-response", answers)}, nil
}

// read does a read of the transaction once it is committed.
func (tx *transaction) read(e *txEntry) entryAnswer {
	r, err := tx.q.entryRequest(e.Entry)
	if err != nil {
		return failed(err)
	}
	return tx.api.perform(r)
}

// entryAnswer is the response entry of a change; documents are shown only when
// the caller asks for them.
func (tx *transaction) entryAnswer(f firstEntry, body []byte) entryAnswer {
	x := entryAnswer{Response: Response{Status: f.Status, Version: f.Version, Updated: f.Updated}}
	k := store.Key{Type: f.Type, ID: f.ID}
	if f.Status != http.StatusNoContent {
		x.fullURL = tx.api.base + "/" + k.String()
		x.Location = tx.api.location(k, f.Version)
	}
	switch tx.q.prefer("return") {
	case "representation":
		x.Body = body
	case "OperationOutcome":
		x.Body = fhir.Outcome(nil)
	}
	return x
}

// replay gives the first answer again, under today's view and audited.
func (tx *transaction) replay(held store.Claim) (Response, error) {
	var first firstBundle
	if err := tx.once.First(held, &first); err != nil {
		return Response{}, err
	}
	q := tx.q
	answers := make([]entryAnswer, len(first.Entries))
	q.entry.Entities = nil
	for i, f := range first.Entries {
		if f.Status == 0 {
			answers[i] = tx.read(tx.entries[i])
			continue
		}
		k := store.Key{Type: f.Type, ID: f.ID}
		body, err := tx.shown(k, f)
		if err != nil {
			return Response{}, err
		}
		if f.Version > 0 {
			q.entry.Entities = append(q.entry.Entities, versionName(k, f.Version))
		}
		if k.Type == "Patient" {
			q.addPatients([]string{k.String()})
		}
		answers[i] = tx.entryAnswer(f, body)
	}
	if err := q.record(); err != nil {
		return Response{}, err
	}
	return Response{Header: http.Header{"Idempotent-Replayed": {"true"}}, Body: responseBundle("transaction-response", answers)}, nil
}

// shown reads the document of an entry again, when it is to be shown.
func (tx *transaction) shown(k store.Key, f firstEntry) ([]byte, error) {
	if tx.q.prefer("return") != "representation" || f.Version == 0 {
		return nil, nil
	}
	v, err := tx.api.Store.ReadVersion(tx.q.Context(), tx.q.Principal.View("update"), k, f.Version)
	if isNotFound(err) {
		return nil, nil
	}
	return v.Body, err
}

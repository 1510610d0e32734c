package archive

import (
	"encoding/json"
	"errors"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// format is the version of the file's layout.
const format = 1

// A line is one line of the file; exactly one field is set.
type line struct {
	Header  *Header      `json:"header,omitempty"`
	Version *versionLine `json:"version,omitempty"`
	Audit   *auditLine   `json:"audit,omitempty"`
	Doc     *docLine     `json:"doc,omitempty"`
	Claim   *claimLine   `json:"claim,omitempty"`
	Event   *eventLine   `json:"event,omitempty"`
	Blob    *blobLine    `json:"blob,omitempty"`
	End     *Trailer     `json:"end,omitempty"`
}

// A Header begins a backup.
type Header struct {
	Format int `json:"format"`
	// Seq is the number of the last commit in it, At when it was made.
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	Software string    `json:"software,omitempty"`
}

// A Trailer ends a backup: without it the file was cut off.
type Trailer struct {
	Counts Counts `json:"counts"`
	// SHA256 is that of every byte before this line, uncompressed.
	SHA256 string `json:"sha256"`
}

// Counts says how much a store or a backup holds.
type Counts struct {
	Resources int `json:"resources"` // current and not deleted
	Versions  int `json:"versions"`
	Audit     int `json:"audit"`
	Originals int `json:"originals"`
	Docs      int `json:"docs"`
	Claims    int `json:"claims"`
	Events    int `json:"events"`
}

func (c *Counts) add(r store.Record) {
	switch {
	case r.Version != nil:
		c.Versions++
		if r.Version.Until == 0 && !r.Version.Deleted {
			c.Resources++
		}
	case r.Audit != nil:
		c.Audit++
	case r.Blob != nil:
		c.Originals++
	case r.Doc != nil:
		c.Docs++
	case r.Claim != nil:
		c.Claims++
	case r.Event != nil:
		c.Events++
	}
}

// Records returns the number of all records.
func (c Counts) Records() int {
	return c.Versions + c.Audit + c.Originals + c.Docs + c.Claims + c.Events
}

type versionLine struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	Number  int       `json:"n"`
	Seq     int64     `json:"seq"`
	Until   int64     `json:"until,omitempty"`
	Updated time.Time `json:"updated"`
	Deleted bool      `json:"deleted,omitempty"`
	Owner   string    `json:"owner"`
	Parties []string  `json:"parties"`
	Labels  []string  `json:"labels,omitempty"`
	Body    string    `json:"body,omitempty"` // JSON as text, so that its bytes stay
}

type auditLine struct {
	Seq int64 `json:"seq"`
	N   int   `json:"n"`
	audit.Entry
}

type docLine struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Version int    `json:"version"`
	Body    []byte `json:"body"`
}

type claimLine struct {
	Scope   string    `json:"scope"`
	Key     string    `json:"key"`
	Expires time.Time `json:"expires"`
	Answer  []byte    `json:"answer"`
}

type eventLine struct {
	ID        string    `json:"id"`
	Topic     string    `json:"topic"`
	Partition string    `json:"partition,omitempty"`
	Payload   []byte    `json:"payload"`
	Due       time.Time `json:"due"`
	Attempt   int       `json:"attempt,omitempty"`
}

type blobLine struct {
	Hash string    `json:"hash"`
	Type string    `json:"type"`
	Data []byte    `json:"data"`
	Refs []string  `json:"refs,omitempty"` // "Type/id"
	At   time.Time `json:"at"`
}

// toLine writes a record of any kind but a Mark.
func toLine(r store.Record) line {
	switch {
	case r.Version != nil:
		v := r.Version
		return line{Version: &versionLine{
			Type: v.Key.Type, ID: v.Key.ID, Number: v.Number, Seq: v.Seq, Until: v.Until, Updated: v.Updated, Deleted: v.Deleted,
			Owner: v.Access.Owner, Parties: v.Access.Parties, Labels: v.Access.Labels, Body: string(v.Body),
		}}
	case r.Audit != nil:
		return line{Audit: &auditLine{r.Audit.Seq, r.Audit.N, r.Audit.Entry}}
	case r.Doc != nil:
		return line{Doc: &docLine{r.Doc.Kind, r.Doc.ID, r.Doc.Version, r.Doc.Body}}
	case r.Claim != nil:
		return line{Claim: &claimLine{r.Claim.Scope, r.Claim.Key, r.Claim.Expires, r.Claim.Answer}}
	case r.Event != nil:
		e := r.Event
		return line{Event: &eventLine{e.ID, e.Topic, e.Partition, e.Payload, e.Due, e.Attempt}}
	case r.Blob != nil:
		return line{Blob: newBlobLine(r.Blob)}
	}
	return line{}
}

func newBlobLine(b *store.BlobRecord) *blobLine {
	out := &blobLine{Hash: b.Hash, Type: b.Type, Data: b.Data, At: b.At}
	for _, k := range b.Refs {
		out.Refs = append(out.Refs, k.String())
	}
	return out
}

var errNoRecord = errors.New("a line that is no record")

// record reads what toLine wrote.
func (l line) record() (store.Record, error) {
	switch {
	case l.Version != nil:
		return store.Record{Version: l.Version.record()}, nil
	case l.Audit != nil:
		return store.Record{Audit: &audit.Record{Seq: l.Audit.Seq, N: l.Audit.N, Entry: l.Audit.Entry}}, nil
	case l.Doc != nil:
		return store.Record{Doc: &store.Doc{Kind: l.Doc.Kind, ID: l.Doc.ID, Version: l.Doc.Version, Body: l.Doc.Body}}, nil
	case l.Claim != nil:
		return store.Record{Claim: &store.Claim{Scope: l.Claim.Scope, Key: l.Claim.Key, Expires: l.Claim.Expires, Answer: l.Claim.Answer}}, nil
	case l.Event != nil:
		e := l.Event
		return store.Record{Event: &store.EventRecord{Attempt: e.Attempt, Event: store.Event{
			ID: e.ID, Topic: e.Topic, Partition: e.Partition, Payload: e.Payload, Due: e.Due}}}, nil
	case l.Blob != nil:
		return l.Blob.record()
	}
	return store.Record{}, errNoRecord
}

func (v *versionLine) record() *store.VersionRecord {
	out := &store.VersionRecord{Until: v.Until, Version: store.Version{
		Key: store.Key{Type: v.Type, ID: v.ID}, Number: v.Number, Seq: v.Seq, Updated: v.Updated, Deleted: v.Deleted,
		Access: auth.Access{Owner: v.Owner, Parties: v.Parties, Labels: v.Labels},
	}}
	if !v.Deleted {
		out.Body = []byte(v.Body)
	}
	return out
}

func (b *blobLine) record() (store.Record, error) {
	out := &store.BlobRecord{At: b.At, Blob: store.Blob{Hash: b.Hash, Type: b.Type, Data: b.Data}}
	if out.Data == nil {
		out.Data = []byte{}
	}
	for _, s := range b.Refs {
		k, ok := parseKey(s)
		if !ok {
			return store.Record{}, errNoRecord
		}
		out.Refs = append(out.Refs, k)
	}
	return store.Record{Blob: out}, nil
}

func encode(l line) ([]byte, error) {
	b, err := json.Marshal(l)
	return append(b, '\n'), err
}

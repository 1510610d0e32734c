package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
)

const jobKind = "export"

// The states of a job.
const (
	running = "running"
	done    = "done"
)

// A job is one export: what was asked for and into which files it falls.
type job struct {
	ID      string    `json:"id"`
	Client  string    `json:"client"`
	Request string    `json:"request"`
	Created time.Time `json:"created"`
	// TransactionTime is where the next export may begin with _since.
	TransactionTime time.Time `json:"transactionTime"`
	Snapshot        int64     `json:"snapshot"`
	Types           []string  `json:"types"`
	Since           time.Time `json:"since,omitzero"`
	// Patients keeps what belongs to a patient; Members, when not nil, to one
	// of those of a Group.
	Patients bool     `json:"patients,omitempty"`
	Group    string   `json:"group,omitempty"`
	Members  []string `json:"members,omitempty"`

	State string `json:"state"`
	Parts []part `json:"parts,omitempty"`
	// Type and After are how far the preparation came: types before that one
	// are done.
	Type  int    `json:"type"`
	After string `json:"after,omitempty"`
	Turn  int    `json:"turn"`

	version int
	member  map[string]bool // Members, once they are asked for
}

// A part is one file: the pages of a scan between two positions.
type part struct {
	Type    string `json:"type"`
	From    string `json:"from,omitempty"` // position before the first page
	To      string `json:"to,omitempty"`   // position after the last page; "" is the end
	Count   int    `json:"count"`
	Deleted int    `json:"deleted,omitempty"`
}

func (j *job) event(due time.Time) store.Event {
	return store.Event{ID: "export/" + j.ID + "/" + strconv.Itoa(j.Turn), Topic: Topic, Payload: []byte(j.ID), Due: due}
}

func (j *job) progress() string {
	n := 0
	for _, p := range j.Parts {
		n += p.Count
	}
	return fmt.Sprintf("%d of %d types, %d resources", j.Type, len(j.Types), n)
}

// scan is the query of a part, or of the walk that makes parts.
func (j *job) scan(typ, after string) store.ScanQuery {
	return store.ScanQuery{Types: []string{typ}, Snapshot: j.Snapshot, Since: j.Since, Deleted: !j.Since.IsZero(), After: after, Limit: 1000}
}

// holds reports whether a version belongs to the export.
func (x *Exporter) holds(j *job, v store.Version) bool {
	if !j.Patients {
		return true
	}
	if v.Deleted { // its document is gone, and with it whose it was
		return j.Members == nil
	}
	whose := rest.Patients(x.API.Registry, v.Key, v.Body)
	if slices.ContainsFunc(whose, j.of) {
		return true
	}
	if bytes.Count(v.Body, []byte("Patient")) <= len(whose) { // it names no other
		return false
	}
	return slices.ContainsFunc(x.compartments(v), j.of)
}

// compartments returns the Patients to whose compartments a version belongs by
// any element (R4 compartmentdefinition-patient). A Group is left out: it names
// all its members.
func (x *Exporter) compartments(v store.Version) (out []string) {
	if v.Key.Type == "Group" {
		return nil
	}
	res, err := fhir.Decode(v.Body)
	if err != nil {
		return nil
	}
	for _, param := range definitions.R4().Compartment("Patient", v.Key.Type) {
		for _, ref := range x.API.Registry.References(res, param) {
			if strings.HasPrefix(ref, "Patient/") {
				out = append(out, ref)
			}
		}
	}
	return out
}

// of reports whether a Patient is one of those exported.
func (j *job) of(patient string) bool {
	if j.Members == nil {
		return true
	}
	if j.member == nil {
		j.member = make(map[string]bool, len(j.Members))
		for _, m := range j.Members {
			j.member[m] = true
		}
	}
	return j.member[patient]
}

// fileName is the last segment of a part's address.
func fileName(n int, deleted bool) string {
	if deleted {
		return strconv.Itoa(n) + ".deleted.ndjson"
	}
	return strconv.Itoa(n) + ".ndjson"
}

// file finds the part that a file name means.
func (j *job) file(name string) (p part, deleted, ok bool) {
	base, ok := strings.CutSuffix(name, ".ndjson")
	if !ok {
		return p, false, false
	}
	base, deleted = strings.CutSuffix(base, ".deleted")
	n, err := strconv.Atoi(base)
	if err != nil || n < 0 || n >= len(j.Parts) || strconv.Itoa(n) != base {
		return p, false, false
	}
	return j.Parts[n], deleted, true
}

// job reads a client's job. Another's is as absent.
func (x *Exporter) job(ctx context.Context, client, id string) (*job, error) {
	j, err := x.read(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (j.Client != client || x.Clock().After(j.Created.Add(keep))) {
		return nil, fhir.Errorf(fhir.NotFound, "there is no such export")
	}
	return j, err
}

func (x *Exporter) read(ctx context.Context, id string) (*job, error) {
	d, err := x.Store.Doc(ctx, jobKind, id)
	if err != nil {
		return nil, err
	}
	j := &job{version: d.Version}
	return j, json.Unmarshal(d.Body, j)
}

// put stores a job with what c has besides.
func (x *Exporter) put(ctx context.Context, j *job, c store.Commit) error {
	body, err := json.Marshal(j)
	if err != nil {
		return err
	}
	c.Docs = append(c.Docs, store.DocWrite{Kind: jobKind, ID: j.ID, Expect: j.version, Body: body})
	if _, err := x.Store.Commit(ctx, c); err != nil {
		return err
	}
	j.version++
	return nil
}

func (x *Exporter) remove(ctx context.Context, j *job, c store.Commit) error {
	c.Docs = append(c.Docs, store.DocWrite{Kind: jobKind, ID: j.ID, Expect: j.version, Delete: true})
	_, err := x.Store.Commit(ctx, c)
	return err
}

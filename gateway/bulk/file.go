package bulk

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
)

// pagePatience bounds how long a caller may take for one page.
const pagePatience = time.Minute

// File serves one file of an export as NDJSON, under what its client sees today.
func (x *Exporter) File() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := x.file(w, r); err != nil {
			entry := audit.NewEntry(r.Context(), x.Clock(), audit.Read, "export-file")
			entry.Outcome = audit.OutcomeOf(fhir.AsError(rest.StoreError(err)).HTTPStatus())
			entry.Entities = []string{"$export"}
			if aerr := x.Recorder.Write(r.Context(), entry); aerr != nil {
				err = fhir.Wrap(aerr, fhir.Transient, "the audit could not be written, so nothing is answered; try again")
			}
			rest.WriteError(w, r, err)
		}
	})
}

func (x *Exporter) file(w http.ResponseWriter, r *http.Request) error {
	vars, p := mux.Vars(r), auth.From(r.Context())
	j, err := x.job(r.Context(), p.ClientID, vars["job"])
	if err != nil {
		return err
	}
	part, deleted, ok := j.file(vars["file"])
	switch {
	case !ok || j.State == running:
		return fhir.Errorf(fhir.NotFound, "there is no such file")
	case !wants(r.Header):
		return fhir.StatusErrorf(http.StatusNotAcceptable, fhir.NotSupported, "files are given as application/fhir+ndjson")
	}
	if err := p.Require("search-type", part.Type); err != nil {
		return err
	}
	s := &sending{x: x, job: j, part: part, deleted: deleted, w: w, r: r, view: p.View("search-type")}
	return s.send()
}

// A sending is one file on its way.
type sending struct {
	x       *Exporter
	job     *job
	part    part
	deleted bool
	w       http.ResponseWriter
	r       *http.Request
	view    auth.View
	begun   bool
}

// send writes page by page. Once the answer has begun, a failure can only cut
// it off.
func (s *sending) send() error {
	for after := s.part.From; ; {
		next, err := s.page(after)
		if err != nil && s.begun {
			panic(http.ErrAbortHandler) // the server's way to cut an answer off
		}
		if err != nil {
			return err
		}
		if next == s.part.To || next == "" {
			return nil
		}
		after = next
	}
}

// page audits a page and sends it.
func (s *sending) page(after string) (next string, err error) {
	ctx := s.r.Context()
	q := s.job.scan(s.part.Type, after)
	q.View = s.view
	page, err := s.x.Store.Scan(ctx, q)
	if err != nil {
		return "", err
	}
	body, entry := s.lines(ctx, page.Versions)
	if err := s.x.Recorder.Write(ctx, entry); err != nil {
		return "", fhir.Wrap(err, fhir.Transient, "the audit could not be written, so nothing is answered; try again")
	}
	if !s.begun {
		h := s.w.Header()
		h.Set("Content-Type", "application/fhir+ndjson")
		h.Set("Cache-Control", "no-store")
		s.w.WriteHeader(http.StatusOK)
		s.begun = true
	}
	_ = http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(pagePatience))
	if s.r.Method != http.MethodHead {
		_, err = s.w.Write(body)
	}
	return page.Next, err
}

func (s *sending) lines(ctx context.Context, versions []store.Version) ([]byte, audit.Entry) {
	entry := audit.NewEntry(ctx, s.x.Clock(), audit.Read, "export-file")
	entry.Entities = []string{s.part.Type + "?$export", "$export/" + s.job.ID}
	size := 0
	for _, v := range versions {
		size += len(v.Body) + 1
	}
	body := make([]byte, 0, size)
	for _, v := range versions {
		if v.Deleted != s.deleted || !s.x.holds(s.job, v) {
			continue
		}
		if v.Deleted {
			body = appendDeletion(body, v.Key)
			entry.Entities = append(entry.Entities, v.Key.String())
			continue
		}
		body = appendLine(body, v.Body)
		for _, p := range rest.Patients(s.x.API.Registry, v.Key, v.Body) {
			entry.Patients = append(entry.Patients, strings.Clone(p))
		}
	}
	slices.Sort(entry.Patients)
	entry.Patients = slices.Compact(entry.Patients)
	return body, entry
}

// appendLine writes a document on one line. A line break in JSON can only stand
// between tokens: inside a string it is escaped.
func appendLine(b, doc []byte) []byte {
	at := len(b)
	b = append(b, doc...)
	line := b[at:]
	for _, c := range []byte("\n\r") { // each found at once: most documents have none
		for i := bytes.IndexByte(line, c); i >= 0; i = bytes.IndexByte(line, c) {
			line[i] = ' '
		}
	}
	return append(b, '\n')
}

// appendDeletion writes what Bulk Data gives for a deleted resource: a
// transaction that would delete it.
func appendDeletion(b []byte, k store.Key) []byte {
	b = append(b, `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"`...)
	b = append(b, k.String()...)
	return append(b, "\"}}]}\n"...)
}

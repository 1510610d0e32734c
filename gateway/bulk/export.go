package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// An Exporter serves bulk exports.
type Exporter struct {
	Store    store.Store
	API      *rest.API
	Recorder *audit.Recorder
	// PublicURL is the base that callers use, without a trailing slash and
	// without "/fhir".
	PublicURL string
	// Client returns a client with all that it may do.
	Client func(ctx context.Context, id string) (auth.Principal, error)
	Clock  func() time.Time
}

// Topic is the outbox topic of exports that are to be prepared.
const Topic = "export"

const (
	// keep is how long an export can be fetched.
	keep = 24 * time.Hour
	// settled is how long before its start an export's transactionTime lies: a
	// write that was on its way then is in the next export that begins there.
	settled = time.Minute
	// maxJobs bounds the exports that one client has at a time.
	maxJobs = 10
)

// Start serves the kick-off at system level and below Patient and Group.
func (x *Exporter) Start() *rest.Operation {
	return x.API.Custom(audit.Execute, "export", x.start)
}

func (x *Exporter) start(q *rest.Request) (rest.Response, error) {
	j, err := x.newJob(q)
	if err != nil {
		return rest.Response{}, err
	}
	if err := x.begin(q, j); err != nil {
		return rest.Response{}, err
	}
	return rest.Response{Status: http.StatusAccepted, Header: http.Header{"Content-Location": {x.statusURL(j.ID)}}}, nil
}

func (x *Exporter) statusURL(id string) string { return x.PublicURL + "/fhir/$export/" + id }

// newJob reads the request; every fault at once.
func (x *Exporter) newJob(q *rest.Request) (*job, error) {
	p, err := parameters(q)
	if err != nil {
		return nil, err
	}
	r := &request{q: q, lenient: strings.Contains(strings.Join(q.Header.Values("Prefer"), ","), "handling=lenient")}
	if !strings.Contains(strings.Join(q.Header.Values("Prefer"), ","), "respond-async") {
		r.fail("header Prefer", "an export is asynchronous: send Prefer: respond-async")
	}
	j := &job{ID: uuid.NewString(), Client: q.Principal.ClientID, Request: x.PublicURL + q.URL.RequestURI(), Created: x.Clock().UTC(), State: running}
	j.Group = mux.Vars(q.Request)["id"]
	j.Patients = j.Group != "" || strings.Contains(q.URL.Path, "/Patient/")
	r.read(j, p)
	if len(r.issues) > 0 {
		return nil, &fhir.Error{Status: http.StatusBadRequest, Issues: r.issues}
	}
	if len(j.Types) == 0 {
		return nil, fhir.Errorf(fhir.Forbidden, "this client's role and scopes do not allow to search any type that was asked for")
	}
	return j, x.members(q, j)
}

// parameters reads the address, or for POST a Parameters resource.
func parameters(q *rest.Request) (url.Values, error) {
	p := url.Values{}
	for n, v := range q.Params {
		p[n] = slices.Clone(v)
	}
	if q.Method != http.MethodPost {
		return p, nil
	}
	if err := rest.ContentType(q.Header); err != nil {
		return nil, err
	}
	b, err := rest.Body(q.Request, 64<<10)
	if err != nil {
		return nil, err
	}
	res, err := fhir.Decode(b)
	if err != nil {
		return nil, err
	}
	if res.Type() != "Parameters" {
		return nil, fhir.Errorf(fhir.Invalid, "POST takes a Parameters resource")
	}
	for part := range res.Root().Get("parameter").Items() {
		for m := range part.All() {
			if strings.HasPrefix(m.Key(), "value") {
				p.Add(part.Get("name").Text(), m.Text())
			}
		}
	}
	return p, nil
}

// A request is a kick-off being read.
type request struct {
	q       *rest.Request
	lenient bool
	issues  []fhir.Issue
}

func (r *request) fail(source, text string) {
	r.issues = append(r.issues, fhir.Issue{Code: fhir.BadValue, Text: text, Source: source})
}

func (r *request) read(j *job, p url.Values) {
	for name, values := range p {
		for _, v := range values {
			switch name {
			case "_outputFormat":
				if v = strings.Replace(v, " ", "+", 1); !slices.Contains([]string{"application/fhir+ndjson", "application/ndjson", "ndjson"}, v) {
					r.fail("parameter _outputFormat", "application/fhir+ndjson was expected")
				}
			case "_since":
				t, err := time.Parse(time.RFC3339, strings.Replace(v, " ", "+", 1))
				if err != nil {
					r.fail("parameter _since", "an instant was expected, such as 2026-11-23T09:30:00Z")
				}
				j.Since = t.UTC()
			case "_type":
				j.Types = append(j.Types, strings.Split(v, ",")...)
			case "_format", "_pretty":
			default:
				if !r.lenient {
					r.issues = append(r.issues, fhir.Issue{Code: fhir.NotSupported, Source: "parameter " + search.ShowName(name),
						Text: "this parameter is not supported; supported are _outputFormat, _since, _type"})
				}
			}
		}
	}
	j.Types = r.types(j)
}

// types returns those asked for that the client may search, or all such.
func (r *request) types(j *job) []string {
	var held []string
	for _, h := range search.HeldTypes() {
		if !j.Patients || h.Type == "Patient" || definitions.R4().Compartment("Patient", h.Type) != nil {
			held = append(held, h.Type)
		}
	}
	for _, t := range j.Types {
		if !slices.Contains(held, t) && !r.lenient {
			r.fail("parameter _type", "a type that is held here and belongs to this kind of export was expected")
		}
	}
	var out []string
	for _, t := range held {
		asked := len(j.Types) == 0 || slices.Contains(j.Types, t)
		if asked && r.q.Principal.Allow("search-type", t) && r.q.Principal.Allow("read", t) {
			out = append(out, t)
		}
	}
	return out
}

// members reads the patients of a Group that the client sees.
func (x *Exporter) members(q *rest.Request, j *job) error {
	if j.Group == "" {
		return nil
	}
	if err := q.Principal.Require("read", "Group"); err != nil {
		return err
	}
	v, err := x.Store.Read(q.Context(), q.Principal.View("read"), store.Key{Type: "Group", ID: j.Group})
	if err != nil {
		return err
	}
	if v.Deleted {
		return fhir.Errorf(fhir.Deleted, "the resource was deleted")
	}
	g, err := fhir.Decode(v.Body)
	if err != nil {
		return err
	}
	j.Members = []string{}
	for m := range g.Root().Get("member").Items() {
		ref, ok := fhir.ParseReference(m.At("entity", "reference").Text())
		ours := ref.Kind == fhir.RefRelative || ref.Kind == fhir.RefAbsolute && ref.Base == x.PublicURL+"/fhir"
		if ok && ours && ref.Type == "Patient" && m.Get("inactive").Text() != "true" {
			j.Members = append(j.Members, ref.Relative())
		}
	}
	return nil
}

// begin stores the job with the event that has it prepared.
func (x *Exporter) begin(q *rest.Request, j *job) error {
	if err := x.room(q, j.Client); err != nil {
		return err
	}
	page, err := x.Store.Scan(q.Context(), store.ScanQuery{View: q.Principal.View("search-type"), Types: j.Types[:1], Limit: 1})
	if err != nil {
		return err
	}
	j.Snapshot, j.TransactionTime = page.Snapshot, j.Created.Add(-settled)
	entry := audit.NewEntry(q.Context(), j.Created, audit.Execute, "export")
	entry.Entities = []string{"$export/" + j.ID}
	c := store.Commit{Audit: []audit.Entry{entry}, Events: []store.Event{j.event(j.Created)}}
	return x.put(q.Context(), j, c)
}

// room refuses a client that has many exports already, and removes old ones.
func (x *Exporter) room(q *rest.Request, client string) error {
	docs, err := x.Store.Docs(q.Context(), jobKind)
	if err != nil {
		return err
	}
	n := 0
	for _, d := range docs {
		var j job
		if err := json.Unmarshal(d.Body, &j); err != nil {
			return err
		}
		j.version = d.Version
		if x.Clock().After(j.Created.Add(keep)) {
			err := x.remove(q.Context(), &j, store.Commit{})
			if _, lost := errors.AsType[*store.Conflict](err); err != nil && !lost {
				return err
			}
			continue
		}
		if j.Client == client {
			n++
		}
	}
	if n >= maxJobs {
		return fhir.StatusErrorf(http.StatusTooManyRequests, fhir.Throttled, "this client has %d exports; delete one that is no longer needed", n)
	}
	return nil
}

// Status serves GET: 202 with X-Progress, or 200 with the manifest.
func (x *Exporter) Status() *rest.Operation {
	return x.API.Custom(audit.Execute, "export-status", func(q *rest.Request) (rest.Response, error) {
		j, err := x.job(q.Context(), q.Principal.ClientID, mux.Vars(q.Request)["job"])
		if err != nil {
			return rest.Response{}, err
		}
		if j.State == running {
			return rest.Response{Status: http.StatusAccepted, Header: http.Header{"X-Progress": {j.progress()}, "Retry-After": {"1"}}}, nil
		}
		body, err := json.Marshal(x.manifest(j))
		return rest.Response{Body: body, ContentType: "application/json", Header: http.Header{"Expires": {j.Created.Add(keep).Format(http.TimeFormat)}}}, err
	})
}

// Cancel serves DELETE: the export and its files are gone.
func (x *Exporter) Cancel() *rest.Operation {
	return x.API.Custom(audit.Delete, "export-cancel", func(q *rest.Request) (rest.Response, error) {
		for {
			j, err := x.job(q.Context(), q.Principal.ClientID, mux.Vars(q.Request)["job"])
			if err != nil {
				return rest.Response{}, err
			}
			entry := audit.NewEntry(q.Context(), x.Clock(), audit.Delete, "export-cancel")
			entry.Entities = []string{"$export/" + j.ID}
			err = x.remove(q.Context(), j, store.Commit{Audit: []audit.Entry{entry}})
			if _, lost := errors.AsType[*store.Conflict](err); lost {
				continue // it was just being prepared further
			}
			return rest.Response{Status: http.StatusAccepted}, err
		}
	})
}

type output struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count int    `json:"count"`
}

type manifest struct {
	TransactionTime     string   `json:"transactionTime"`
	Request             string   `json:"request"`
	RequiresAccessToken bool     `json:"requiresAccessToken"`
	Output              []output `json:"output"`
	Deleted             []output `json:"deleted"`
	Error               []output `json:"error"`
}

func (x *Exporter) manifest(j *job) manifest {
	m := manifest{TransactionTime: fhir.Instant(j.TransactionTime), Request: j.Request, RequiresAccessToken: true,
		Output: []output{}, Deleted: []output{}, Error: []output{}}
	for i, p := range j.Parts {
		if p.Count > 0 {
			m.Output = append(m.Output, output{p.Type, x.statusURL(j.ID) + "/" + fileName(i, false), p.Count})
		}
		if p.Deleted > 0 {
			m.Deleted = append(m.Deleted, output{"Bundle", x.statusURL(j.ID) + "/" + fileName(i, true), p.Deleted})
		}
	}
	return m
}

// wants reports whether a caller takes NDJSON.
func wants(h http.Header) bool {
	accept := h.Values("Accept")
	if len(accept) == 0 {
		return true
	}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, _, err := mime.ParseMediaType(part)
		if err == nil && slices.Contains([]string{"*/*", "application/*", "application/fhir+ndjson", "application/ndjson"}, name) {
			return true
		}
	}
	return false
}

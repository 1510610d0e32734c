package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
	oruk "trellis.example/mapping/formats/oruk-v3"
)

// Base is the path below which the directory is served.
const Base = "/openreferral/v3"

// version is what the root says of itself (HSDS-UK, "/").
const version = "HSDS-UK-3.0"

// profile is where that version is described.
const profile = "https://docs.openreferraluk.org/en/latest/"

var errNone = fhir.Errorf(fhir.NotFound, "there is no such thing in the directory")

// Paths are the addresses below [Base], with "{id}" for one thing of a list.
func Paths() []string {
	return []string{"", "/", "/services", "/services/{id}", "/organizations", "/organizations/{id}", "/service_at_locations", "/service_at_locations/{id}",
		"/taxonomies", "/taxonomies/{id}", "/taxonomy_terms", "/taxonomy_terms/{id}"}
}

// ServeHTTP answers GET and HEAD of everything below Base, without a token, to
// pages of every origin.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag, Last-Modified")
	h.Set("X-Content-Type-Options", "nosniff")
	body, updated, err := d.answer(r)
	if err != nil {
		d.problem(w, r, err)
		return
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "public, no-cache")
	h.Set("ETag", tag)
	if !updated.IsZero() {
		h.Set("Last-Modified", updated.UTC().Format(http.TimeFormat))
	}
	if fresh(r, tag, updated) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // JSON, said to be so; an error means that the caller is gone
	}
}

// fresh reports that the caller has the answer already (RFC 9110, 13.2.2).
func fresh(r *http.Request, tag string, updated time.Time) bool {
	if m := r.Header.Get("If-None-Match"); m != "" {
		return m == "*" || slices.ContainsFunc(strings.Split(m, ","), func(t string) bool { return strings.TrimPrefix(strings.TrimSpace(t), "W/") == tag })
	}
	t, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !updated.IsZero() && !updated.Truncate(time.Second).After(t)
}

// problem answers with a status and a small problem document (RFC 9457): the
// standard defines none.
func (d *Directory) problem(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		err = fhir.Errorf(fhir.Transient, "the directory cannot be read at the moment; try again")
	}
	e, status := fhir.AsError(err), statusOf(err)
	if n, ok := w.(interface{ Note(error) }); ok {
		n.Note(err)
	}
	body, _ := json.Marshal(map[string]any{"status": status, "title": http.StatusText(status), "detail": e.Issues[0].Text}) // strings and a number: never fails
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// answer makes the body, and says when what it shows was last changed.
func (d *Directory) answer(r *http.Request) ([]byte, time.Time, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, Base), "/")
	list, id, one := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return d.root(), time.Time{}, nil
	}
	if one && strings.Contains(id, "/") {
		return nil, time.Time{}, errNone
	}
	q, err := parse(r.URL.Query(), parameters(path))
	if err != nil && !one {
		e := fhir.AsError(err)
		e.Status = http.StatusBadRequest
		return nil, time.Time{}, e
	}
	x, err := d.current(r.Context())
	if err != nil {
		return nil, time.Time{}, err
	}
	s := shown{d, r.Context(), x, q, strings.ToLower(id)}
	f := map[string][2]func(shown) ([]byte, time.Time, error){
		"services":             {shown.services, shown.service},
		"organizations":        {shown.organizations, shown.organization},
		"service_at_locations": {shown.sites, shown.site},
		"taxonomies":           {shown.taxonomies, shown.taxonomy},
		"taxonomy_terms":       {shown.terms, shown.term},
	}[list]
	switch {
	case f[0] == nil:
		return nil, time.Time{}, errNone
	case one:
		return f[1](s)
	}
	return f[0](s)
}

func (d *Directory) root() []byte {
	return oruk.Encode(map[string]string{"version": version, "profile": profile, "openapi_url": d.PublicURL + "/openapi.json"})
}

// shown is one question and the index it is answered from.
type shown struct {
	d   *Directory
	ctx context.Context //nolint:containedctx // lives for one request
	x   *index
	q   query
	id  string
}

// envelope writes a page of n things.
func (s shown) envelope(n int, one func(i int) ([]byte, error)) ([]byte, error) {
	start, end := s.q.cut(n)
	pages := max(1, (n+s.q.perPage-1)/s.q.perPage)
	var b bytes.Buffer
	head, _ := json.Marshal(map[string]any{"total_items": n, "total_pages": pages, "page_number": s.q.page, "size": end - start,
		"first_page": s.q.page == 1, "last_page": s.q.page >= pages, "empty": end == start}) // numbers: never fails
	b.Write(head[:len(head)-1])
	b.WriteString(`,"contents":[`)
	for i := start; i < end; i++ {
		if i > start {
			b.WriteByte(',')
		}
		item, err := one(i)
		if err != nil {
			return nil, err
		}
		b.Write(item)
	}
	b.WriteString(`]}`)
	return b.Bytes(), nil
}

func (s shown) services() ([]byte, time.Time, error) {
	var found []*entry
	for _, e := range s.x.list {
		if s.q.matches(e) {
			found = append(found, e)
		}
	}
	b, err := s.envelope(len(found), func(i int) ([]byte, error) {
		switch {
		case s.q.full:
			doc, err := s.d.whole(s.ctx, found[i])
			return oruk.Encode(doc), err
		case s.q.minimal:
			return least(found[i].flat, "id", "name", "status"), nil
		}
		return found[i].flat, nil
	})
	return b, s.x.updated, err
}

// least keeps some members.
func least(flat []byte, names ...string) []byte {
	var in map[string]json.RawMessage
	_ = json.Unmarshal(flat, &in) // made here
	out := map[string]json.RawMessage{}
	for _, n := range names {
		if v, ok := in[n]; ok {
			out[n] = v
		}
	}
	return oruk.Encode(out)
}

// whole reads a service in full from the store: it may have changed or gone
// since the index was made.
func (d *Directory) whole(ctx context.Context, e *entry) (map[string]any, error) {
	v, err := d.Store.Read(ctx, public(), e.key)
	if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	var failed error
	doc, err := d.render(v, &entry{id: e.id, refs: e.refs}, d.reader(ctx, &failed))
	return doc, errors.Join(err, failed)
}

func (s shown) service() ([]byte, time.Time, error) {
	e := s.x.byID[s.id]
	if e == nil {
		return nil, time.Time{}, errNone
	}
	doc, err := s.d.whole(s.ctx, e)
	return oruk.Encode(doc), e.updated, err
}

func (s shown) organizations() ([]byte, time.Time, error) {
	found := s.x.orgs
	if len(s.q.words) > 0 {
		found = nil
		for _, g := range s.x.orgs {
			if o := fold(g.flat); !slices.ContainsFunc(s.q.words, func(w string) bool { return !strings.Contains(o, w) }) {
				found = append(found, g)
			}
		}
	}
	b, err := s.envelope(len(found), func(i int) ([]byte, error) { return []byte(found[i].flat), nil })
	return b, s.x.updated, err
}

func (s shown) organization() ([]byte, time.Time, error) {
	g := s.x.orgByID[s.id]
	if g == nil {
		return nil, time.Time{}, errNone
	}
	doc, err := s.d.whole(s.ctx, g.services[0])
	if err != nil {
		return nil, time.Time{}, err
	}
	o, ok := doc["organization"].(map[string]any)
	if !ok {
		return nil, time.Time{}, errNone
	}
	var services []json.RawMessage
	updated := g.services[0].updated
	for _, e := range g.services {
		services = append(services, without(e.flat, "organization"))
		if e.updated.After(updated) {
			updated = e.updated
		}
	}
	o["services"] = services
	return oruk.Encode(o), updated, nil
}

func without(flat []byte, name string) []byte {
	var in map[string]json.RawMessage
	_ = json.Unmarshal(flat, &in) // made here
	delete(in, name)
	return oruk.Encode(in)
}

func (s shown) sites() ([]byte, time.Time, error) {
	found, err := s.near()
	if err != nil {
		return nil, time.Time{}, err
	}
	b, err := s.envelope(len(found), func(i int) ([]byte, error) {
		p := found[i]
		return oruk.Encode(map[string]any{"id": p.id, "service_id": p.of.id, "location_id": p.place, "location": json.RawMessage(p.flat), "service": json.RawMessage(p.of.flat)}), nil
	})
	return b, s.x.updated, err
}

// near are the places of the services asked for; with a postcode those in reach,
// the nearest first.
func (s shown) near() ([]placed, error) {
	var lat, long float64
	if s.q.postcode != "" {
		var ok bool
		if lat, long, ok = s.x.where(s.q.postcode); !ok {
			return nil, fhir.StatusErrorf(http.StatusNotFound, fhir.NotFound, "the directory has no place near that postcode, and knows positions from its own places alone")
		}
	}
	type reached struct {
		placed
		away float64
	}
	var in []reached
	for _, p := range s.x.sites {
		if !s.q.matches(p.of) {
			continue
		}
		r := reached{placed: p}
		if s.q.postcode != "" {
			if r.away = metres(lat, long, p.lat, p.long); !p.known || r.away > s.q.metres {
				continue
			}
		}
		in = append(in, r)
	}
	slices.SortStableFunc(in, func(a, b reached) int {
		switch {
		case a.away < b.away:
			return -1
		case a.away > b.away:
			return 1
		}
		return 0
	})
	out := make([]placed, len(in))
	for i := range in {
		out[i] = in[i].placed
	}
	return out, nil
}

func (s shown) site() ([]byte, time.Time, error) {
	p, ok := s.x.siteByID[s.id]
	if !ok {
		return nil, time.Time{}, errNone
	}
	doc, err := s.d.whole(s.ctx, p.of)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, row := range rows(doc, "service_at_locations") {
		if lower(text(row, "id")) == s.id {
			delete(doc, "service_at_locations")
			row["service_id"], row["location_id"], row["service"] = p.of.id, p.place, doc
			return oruk.Encode(row), p.of.updated, nil
		}
	}
	return nil, time.Time{}, errNone
}

func (s shown) taxonomies() ([]byte, time.Time, error) { return s.uses(s.x.taxa, s.tax) }

func (s shown) taxonomy() ([]byte, time.Time, error) {
	u := s.x.taxByID[s.id]
	if u == nil {
		return nil, time.Time{}, errNone
	}
	out := s.tax(u)
	var terms []any
	for _, t := range u.terms {
		terms = append(terms, written(t))
	}
	out["taxonomy_terms"] = terms
	return oruk.Encode(out), s.x.updated, nil
}

func (s shown) tax(u *use) map[string]any {
	return map[string]any{"id": u.id, "name": u.name, "description": u.name}
}

func (s shown) terms() ([]byte, time.Time, error) {
	return s.uses(s.x.terms, func(u *use) map[string]any { return written(u) })
}

func (s shown) term() ([]byte, time.Time, error) {
	u := s.x.termByID[s.id]
	if u == nil {
		return nil, time.Time{}, errNone
	}
	return oruk.Encode(written(u)), u.updated, nil
}

func written(u *use) map[string]any {
	out := map[string]any{"id": u.id, "name": u.name, "description": u.description}
	for k, v := range map[string]string{"taxonomy": u.taxonomy, "parent_id": u.parent, "term_uri": u.uri} {
		if v != "" {
			out[k] = v
		}
	}
	if u.taxonomy != "" {
		out["taxonomy_id"] = taxonomyID(u.taxonomy)
	}
	return out
}

// uses lists taxonomies or terms by what is asked of their names.
func (s shown) uses(all []*use, write func(*use) map[string]any) ([]byte, time.Time, error) {
	var found []*use
	for _, u := range all {
		if s.q.tax != "" && (u.taxonomy == "" || taxonomyID(u.taxonomy) != s.q.tax) {
			continue
		}
		if name := fold(u.name); !slices.ContainsFunc(s.q.words, func(w string) bool { return !strings.Contains(name, w) }) {
			found = append(found, u)
		}
	}
	b, err := s.envelope(len(found), func(i int) ([]byte, error) { return oruk.Encode(write(found[i])), nil })
	return b, s.x.updated, err
}

package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
)

// types are what the directory is made of.
func types() []string { return []string{"HealthcareService", "Organization", "Location"} }

// public is the view of everybody without a token: directory entries, and of
// them those without a security label.
func public() auth.View { return auth.NewView(nil, types(), nil) }

// A Directory serves what is public as an Open Referral UK directory. It is safe
// for concurrent use.
type Directory struct {
	Store   store.Store
	Formats func(id string) (mapping.Format, bool)
	// PublicURL is the gateway's, without a trailing slash.
	PublicURL string
	Log       *slog.Logger

	mu   sync.Mutex // of whoever brings the index up to date
	held *held
	now  atomic.Pointer[index]
}

// held is what the index is made from; only the holder of mu touches it.
type held struct {
	seq     int64
	entries map[store.Key]*entry
	users   map[store.Key][]store.Key // services by what they refer to
}

// An index is the directory at one moment. It is immutable.
type index struct {
	list     []*entry // by name, then id
	byID     map[string]*entry
	orgs     []*group // by id
	orgByID  map[string]*group
	terms    []*use // by name, then id
	termByID map[string]*use
	taxa     []*use // taxonomies: name is theirs
	taxByID  map[string]*use
	sites    []placed
	siteByID map[string]placed
	centres  map[string]*centre // positions by postcode, sector and district
	updated  time.Time
}

// A group is an organisation with its services.
type group struct {
	organisation
	services []*entry
}

type use struct {
	term
	terms   []*use // of a taxonomy
	updated time.Time
}

type placed struct {
	*site
	of *entry
}

type centre struct {
	lat, long float64
	n         int
}

// maxChanges is how many changes are taken up one by one; beyond, everything is
// read anew.
const maxChanges = 5000

// current returns the index as of now: what was committed before the call is in
// it.
func (d *Directory) current(ctx context.Context) (*index, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		if err := d.rebuild(ctx); err != nil {
			return nil, err
		}
		return d.now.Load(), nil
	}
	changed, seq, all, err := d.changes(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case !all:
		err = d.rebuild(ctx)
	case len(changed) > 0:
		err = d.update(ctx, changed, seq)
	}
	return d.now.Load(), err
}

// changes are the keys that were written since the index was made; all is false
// when they are too many.
func (d *Directory) changes(ctx context.Context) (changed map[store.Key]bool, seq int64, all bool, err error) {
	changed, seq = map[store.Key]bool{}, d.held.seq
	q := store.HistoryQuery{View: auth.SystemView(), Types: types(), Limit: 1}
	for {
		page, err := d.Store.History(ctx, q)
		if err != nil {
			return nil, 0, false, err
		}
		for _, v := range page.Versions {
			if v.Seq <= d.held.seq {
				return changed, seq, true, nil
			}
			changed[v.Key] = true
			seq = max(seq, v.Seq)
		}
		if !page.More {
			return changed, seq, true, nil
		}
		if len(changed) > maxChanges {
			return changed, seq, false, nil
		}
		q.After, q.Limit = page.Next, 1000
	}
}

// rebuild reads everything anew, a page of services at a time.
func (d *Directory) rebuild(ctx context.Context) error {
	h := &held{entries: map[store.Key]*entry{}, users: map[store.Key][]store.Key{}}
	q := store.ScanQuery{View: public(), Types: types()[:1], Limit: 200}
	for {
		page, err := d.Store.Scan(ctx, q)
		if err != nil {
			return err
		}
		made, failed := make([]*entry, len(page.Versions)), make([]error, len(page.Versions))
		parallel(len(page.Versions), func(i int) {
			if v := page.Versions[i]; !v.Deleted {
				made[i] = d.entry(ctx, v, d.reader(ctx, &failed[i]))
			}
		})
		if err := errors.Join(failed...); err != nil {
			return err
		}
		for _, e := range made {
			h.put(e)
		}
		if h.seq = page.Snapshot; page.Next == "" {
			break
		}
		q.After, q.Snapshot = page.Next, page.Snapshot
	}
	d.held = h
	d.now.Store(h.index())
	return nil
}

// reader reads what is public; what goes wrong is kept in failed.
func (d *Directory) reader(ctx context.Context, failed *error) func(store.Key) (store.Version, bool) {
	return func(k store.Key) (store.Version, bool) {
		v, err := d.Store.Read(ctx, public(), k)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			*failed = err
		}
		return v, err == nil && !v.Deleted
	}
}

// Warm makes the index, so that nobody waits for it.
func (d *Directory) Warm(ctx context.Context) {
	if _, err := d.current(ctx); err != nil && ctx.Err() == nil {
		d.Log.LogAttrs(ctx, slog.LevelError, "the directory could not be read; its next reader tries again", slog.String("error", err.Error()))
	}
}

// parallel runs f for each number on all processors.
func parallel(n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// update takes up single changes.
func (d *Directory) update(ctx context.Context, changed map[store.Key]bool, seq int64) error {
	var failed error
	read := d.reader(ctx, &failed)
	services := map[store.Key]bool{}
	for k := range changed {
		if k.Type == "HealthcareService" {
			services[k] = true
		}
		for _, s := range d.held.users[k] {
			services[s] = true
		}
	}
	made := map[store.Key]*entry{}
	for k := range services {
		made[k] = nil
		if v, ok := read(k); ok {
			made[k] = d.entry(ctx, v, read)
		}
	}
	if failed != nil {
		return failed // the next request tries again
	}
	for k, e := range made {
		d.held.drop(k)
		d.held.put(e)
	}
	d.held.seq = seq
	if len(services) > 0 {
		d.now.Store(d.held.index())
	}
	return nil
}

func (h *held) put(e *entry) {
	if e == nil {
		return
	}
	for _, r := range e.refs {
		h.users[r] = append(h.users[r], e.key)
	}
	if e.flat != nil {
		h.entries[e.key] = e
	}
}

func (h *held) drop(k store.Key) {
	if e := h.entries[k]; e != nil {
		for _, r := range e.refs {
			if h.users[r] = slices.DeleteFunc(h.users[r], func(s store.Key) bool { return s == k }); len(h.users[r]) == 0 {
				delete(h.users, r)
			}
		}
	}
	delete(h.entries, k)
}

// entry makes the entry of a service; nil when it is not published. What cannot
// be written as the standard has it is not published either.
func (d *Directory) entry(ctx context.Context, v store.Version, read func(store.Key) (store.Version, bool)) *entry {
	r, err := fhir.Decode(v.Body)
	if err != nil || r.Root().Get("active").Text() != "true" {
		return nil
	}
	e := &entry{key: v.Key, id: publicID(r.Root(), v.Key), number: v.Number, updated: v.Updated, refs: neighbours(r.Root())}
	doc, err := d.render(v, e, read)
	if err != nil {
		d.Log.LogAttrs(ctx, slog.LevelWarn, "a service is not in the directory: it cannot be written as Open Referral UK", slog.String("service", v.Key.String()), slog.String("error", err.Error()))
		return nil
	}
	e.fill(doc)
	return e
}

// render writes a service with those of its neighbours that are public and kept
// by whoever keeps the service: nobody publishes somebody else's.
func (d *Directory) render(v store.Version, e *entry, read func(store.Key) (store.Version, bool)) (map[string]any, error) {
	var around []json.RawMessage
	for _, k := range e.refs {
		if n, ok := read(k); ok && n.Access.Owner == v.Access.Owner {
			around = append(around, n.Body)
			if n.Updated.After(e.updated) {
				e.updated = n.Updated
			}
		}
	}
	return d.document(v.Body, around, v.Key, e.id)
}

// index puts the entries in order.
func (h *held) index() *index {
	x := &index{byID: map[string]*entry{}, orgByID: map[string]*group{}, termByID: map[string]*use{}, taxByID: map[string]*use{}, siteByID: map[string]placed{}, centres: map[string]*centre{}}
	for _, e := range h.entries {
		x.list = append(x.list, e)
	}
	slices.SortFunc(x.list, func(a, b *entry) int {
		return cmp.Or(strings.Compare(a.words, b.words), strings.Compare(a.key.ID, b.key.ID))
	})
	for i, e := range x.list {
		if x.byID[lower(e.id)] != nil { // two feeds have the service: the second goes by its own id
			e = e.renamed()
			x.list[i] = e
		}
		x.add(e)
	}
	x.finish()
	return x
}

// renamed is the entry under its own id.
func (e *entry) renamed() *entry {
	out := *e
	out.id = ownID(e.key)
	var flat map[string]json.RawMessage
	if json.Unmarshal(e.flat, &flat) == nil {
		flat["id"], _ = json.Marshal(out.id)
		out.flat, _ = json.Marshal(flat)
	}
	return &out
}

func (x *index) add(e *entry) {
	x.byID[lower(e.id)] = e
	if e.updated.After(x.updated) {
		x.updated = e.updated
	}
	if e.org.id != "" {
		g := x.orgByID[lower(e.org.id)]
		if g == nil {
			g = &group{organisation: e.org}
			x.orgByID[lower(e.org.id)] = g
			x.orgs = append(x.orgs, g)
		}
		g.services = append(g.services, e)
	}
	for _, t := range e.terms {
		x.term(t, e.updated)
	}
	for i := range e.sites {
		p := placed{&e.sites[i], e}
		x.sites = append(x.sites, p)
		if _, twice := x.siteByID[lower(p.id)]; !twice {
			x.siteByID[lower(p.id)] = p
		}
		x.centre(p.site)
	}
}

func (x *index) term(t term, at time.Time) {
	u := x.termByID[lower(t.id)]
	if u == nil {
		u = &use{term: t}
		x.termByID[lower(t.id)] = u
		x.terms = append(x.terms, u)
		if t.taxonomy != "" {
			id := taxonomyID(t.taxonomy)
			tax := x.taxByID[id]
			if tax == nil {
				tax = &use{term: term{id: id, name: t.taxonomy}}
				x.taxByID[id] = tax
				x.taxa = append(x.taxa, tax)
			}
			tax.terms = append(tax.terms, u)
		}
	}
	if at.After(u.updated) {
		u.updated = at
	}
}

func (x *index) finish() {
	byName := func(a, b *use) int { return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.id, b.id)) }
	slices.SortFunc(x.terms, byName)
	slices.SortFunc(x.taxa, byName)
	slices.SortFunc(x.orgs, func(a, b *group) int { return strings.Compare(a.id, b.id) })
}

// lower is an id as it is looked up: UUIDs are the same in either case.
func lower(id string) string { return strings.ToLower(id) }

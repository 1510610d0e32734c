package rest

import (
	"net/http"
	"net/url"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// resolve finds the resource that each entry is about. A resource that two
// entries change refuses the whole.
func (tx *transaction) resolve() error {
	changed := map[store.Key]bool{}
	creates := map[string]*txEntry{} // by criteria
	return tx.inOrder(func(e *txEntry) error {
		e.key, e.old, e.gone, e.found, e.write, e.res = store.Key{}, nil, nil, false, nil, fhir.Resource{}
		if err := tx.resolveOne(e, creates); err != nil {
			return err
		}
		if e.interaction == "create" {
			return nil
		}
		keys := []store.Key{e.key}
		for i, v := range e.gone {
			if tx.deleted[v.Key] = true; i > 0 {
				keys = append(keys, v.Key)
			}
		}
		for _, k := range keys {
			if changed[k] && k.ID != "" {
				return e.fail(fhir.Duplicate, ".request", "another entry of the transaction changes the same resource")
			}
			changed[k] = true
		}
		return nil
	})
}

func (tx *transaction) resolveOne(e *txEntry, creates map[string]*txEntry) error {
	switch e.interaction {
	case "create":
		return tx.resolveCreate(e, creates)
	case "delete":
		return tx.resolveDelete(e)
	}
	return tx.resolveUpdate(e)
}

// resolveCreate: of two creates with the same criteria the second finds what the
// first makes.
func (tx *transaction) resolveCreate(e *txEntry, creates map[string]*txEntry) error {
	if e.crit != nil {
		if first := creates[e.crit.key]; first != nil {
			e.key, e.old, e.found = first.key, first.old, true
			return nil
		}
		creates[e.crit.key] = e
		old, err := tx.match("create", e.crit)
		if err != nil {
			return err
		}
		if old != nil {
			e.key, e.old, e.found = old.Key, old, true
			return nil
		}
	}
	e.key = store.Key{Type: e.typ, ID: newID()}
	return nil
}

func (tx *transaction) resolveUpdate(e *txEntry) error {
	sub := tx.request(e)
	k := store.Key{Type: e.typ, ID: e.id}
	var old *store.Version
	var err error
	if e.crit == nil {
		old, err = tx.api.replaced(sub, k)
	} else if old, err = tx.match("update", e.crit); old != nil {
		k = old.Key
	}
	if err != nil {
		return err
	}
	if old == nil && e.interaction == "patch" {
		return notFound()
	}
	if err := e.pre.judge(alive(old, e.pre)); err != nil {
		return err
	}
	if e.interaction == "update" {
		res, err := e.Decode()
		if err != nil {
			return err
		}
		if e.crit == nil && res.ID() != e.id {
			return otherID(e.typ)
		}
		if k, err = tx.api.key(sub, k, res); err != nil {
			return err
		}
	}
	e.key, e.old = k, old
	return nil
}

func (tx *transaction) resolveDelete(e *txEntry) error {
	d := &deletion{api: tx.api, q: tx.request(e), pre: e.pre, crit: e.crit, most: e.most}
	found, err := d.found()
	if err != nil {
		return err
	}
	e.key, e.gone = store.Key{Type: e.typ, ID: e.id}, found
	if len(found) > 0 {
		e.key = found[0].Key
	}
	return nil
}

// request is the entry as a request of its own, as far as finding its resource
// needs it.
func (tx *transaction) request(e *txEntry) *Request {
	return &Request{Request: tx.q.Request, Principal: tx.q.Principal, Type: e.typ, ID: e.id, api: tx.api,
		entry: audit.Entry{Interaction: e.interaction}}
}

// match returns the one resource that meets the criteria and that the
// transaction does not delete.
func (tx *transaction) match(interaction string, c *criteria) (*store.Version, error) {
	found, err := tx.api.matches(tx.q.Context(), tx.q.Principal.View(interaction), c, 2+len(tx.deleted))
	if err != nil {
		return nil, err
	}
	var one *store.Version
	for i := range found {
		switch {
		case tx.deleted[found[i].Key]:
		case one != nil:
			return nil, severalMatches()
		default:
			one = &found[i]
		}
	}
	return one, nil
}

// conditionalReferences resolves the references by search, against the store as
// it will be.
func (tx *transaction) conditionalReferences() error {
	if len(tx.links.conditional) > maxConditional {
		return fhir.StatusErrorf(http.StatusRequestEntityTooLarge, fhir.TooCostly, "a transaction may have at most %d different conditional references", maxConditional)
	}
	index := map[*txEntry][]store.Index{} // of what is written, read once for all references
	for text := range tx.links.conditional {
		ref, _ := fhir.ParseReference(text)
		k, err := tx.refersTo(ref, index)
		if err != nil {
			if err := tx.refusedReference(text, err); err != nil {
				return err
			}
			continue
		}
		tx.links.conditional[text] = k.String()
	}
	return nil
}

// maxConditional bounds the searches that one transaction's references make.
const maxConditional = 1000

func (tx *transaction) refersTo(ref fhir.Reference, index map[*txEntry][]store.Index) (store.Key, error) {
	c, err := tx.api.criteria(tx.q.Principal, ref.Type, ref.Query)
	if err != nil {
		return store.Key{}, err
	}
	view := tx.q.Principal.View("search-type")
	sq, err := tx.api.Registry.Resolve(tx.q.Context(), tx.api.Store, view, c.query, 0)
	if err != nil {
		return store.Key{}, err
	}
	found := tx.willMatch(ref.Type, sq, index)
	sq.Limit, sq.Total, sq.KeysOnly = min(2+len(tx.entries)+len(tx.deleted), search.MaxCount), false, true
	if view.SeesType(ref.Type) {
		page, err := tx.api.Store.Search(tx.q.Context(), sq)
		if err != nil {
			return store.Key{}, err
		}
		for _, v := range page.Versions {
			if !tx.deleted[v.Key] && !tx.changes(v.Key) {
				found = append(found, v.Key)
			}
		}
	}
	switch len(found) {
	case 0:
		return store.Key{}, fhir.StatusErrorf(http.StatusUnprocessableEntity, fhir.NotFound, "the search of the reference finds nothing")
	case 1:
		return found[0], nil
	}
	return store.Key{}, fhir.Errorf(fhir.MultipleHits, "the search of the reference finds more than one resource")
}

// willMatch returns what the transaction writes and the query would find.
func (tx *transaction) willMatch(typ string, sq store.Query, indexes map[*txEntry][]store.Index) (found []store.Key) {
	for _, e := range tx.entries {
		if !e.writes() || e.key.Type != typ || e.res.Type() == "" {
			continue
		}
		index, ok := indexes[e]
		if !ok {
			index = tx.api.Registry.Index(e.res)
			indexes[e] = index
		}
		for _, part := range sq.Parts() {
			if part.Type == typ && holdsAll(part.Where, e.key.ID, tx.now.UnixMilli(), index) {
				found = append(found, e.key)
				break
			}
		}
	}
	return found
}

func holdsAll(where []store.Clause, id string, updated int64, index []store.Index) bool {
	for _, c := range where {
		if !c.Holds(id, updated, index) {
			return false
		}
	}
	return true
}

// changes reports whether an entry stores a version of the key.
func (tx *transaction) changes(k store.Key) bool {
	for _, e := range tx.entries {
		if e.writes() && e.key == k {
			return true
		}
	}
	return false
}

// refusedReference notes the fault at each place where the reference stands.
func (tx *transaction) refusedReference(text string, err error) error {
	e := fhir.AsError(StoreError(err))
	if e.HTTPStatus() >= http.StatusInternalServerError {
		return err
	}
	for _, entry := range tx.entries {
		if !entry.writes() {
			continue
		}
		fhir.EachReference(entry.res.Root(), func(v fhir.Value) {
			if v.Text() != text {
				return
			}
			issues := make([]fhir.Issue, len(e.Issues))
			for i, is := range e.Issues {
				is.Expression = v.Path()
				issues[i] = is
			}
			tx.faults.note(entry.i, e.HTTPStatus(), issues)
		})
	}
	return nil
}

// reads checks before the commit that what the transaction reads can be read:
// afterwards nothing could be undone.
func (tx *transaction) reads() error {
	for _, e := range tx.entries {
		if phase(e.Method) != len(phases)-1 {
			continue
		}
		if err := tx.faults.add(e.i, tx.readable(e)); err != nil {
			return err
		}
	}
	return nil
}

func (tx *transaction) readable(e *txEntry) error {
	p := tx.q.Principal
	if e.typ == auditEvent { // not the store's to tell
		return nil
	}
	if e.interaction == "search-type" {
		params, err := url.ParseQuery(e.query)
		if err != nil {
			return e.fail(fhir.Invalid, ".request.url", "the query string is not well formed")
		}
		_, err = tx.api.Registry.Parse([]string{e.typ}, params, tx.q.lenient())
		return err
	}
	k := store.Key{Type: e.typ, ID: e.id}
	if tx.deleted[k] && e.interaction == "read" {
		return gone()
	}
	v, err := tx.overlay.Read(tx.q.Context(), p.View(e.interaction), k)
	if err == nil && v.Deleted && e.interaction == "read" {
		return gone()
	}
	return err
}

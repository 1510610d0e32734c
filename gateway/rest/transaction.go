package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// A Transaction is a transaction about to be committed: what OnTransaction may
// look at and add to.
type Transaction struct {
	Principal auth.Principal
	// Bundle is the document as received; Body its bytes.
	Bundle fhir.Resource
	Body   []byte
	// Changes are the creates and updates in the order of their entries.
	Changes []TransactionChange
	// Store is the store as it will be; a version that is to be written has the
	// number that it replaces.
	Store store.Store
	// Issues are the remarks of validation; what is added refuses the whole when
	// it is an error.
	Issues []fhir.Issue
	// Commit takes claims, events, originals and docs. Writes go through
	// [Transaction.Put].
	Commit store.Commit
	// Now is the time of all versions.
	Now time.Time

	overlay *overlay
}

// A TransactionChange is a create or update of a transaction.
type TransactionChange struct {
	Change
	// Entry is the number of its entry, FullURL what the entry is called.
	Entry   int
	FullURL string
}

// Put adds a write, or writes over one that is there: then Expect must be its
// Expect, as Store.Read gives it.
func (t *Transaction) Put(w store.Write) {
	kept := auth.Access{}
	if v, err := t.Store.Read(context.Background(), auth.SystemView(), w.Key); err == nil {
		kept = v.Access
	}
	t.overlay.put(w, kept)
}

// transaction stores all entries or none.
func (a *API) transaction(q *Request, b fhir.Resource, body []byte) (Response, error) {
	tx := &transaction{api: a, q: q, bundle: b, body: body}
	var f faults
	for i, e := range b.Entries() {
		te, err := a.txEntry(q.Principal, i, e)
		if err := f.add(i, err); err != nil {
			return Response{}, err
		}
		tx.entries = append(tx.entries, te)
	}
	if err := f.err(); err != nil {
		return Response{}, err
	}
	i, err := NewIdempotency(q.Request, q.Principal, body)
	if err != nil {
		return Response{}, err
	}
	tx.once = i
	if held, found, err := i.Held(q.Context(), a.Store); err != nil {
		return Response{}, err
	} else if found {
		return tx.replay(held)
	}
	return tx.run()
}

// A transaction is one request; everything below "what a try makes" is made anew
// when it lost a race.
type transaction struct {
	api     *API
	q       *Request
	bundle  fhir.Resource
	body    []byte
	entries []*txEntry
	once    Idempotency
	issues  []fhir.Issue // of validating the Bundle

	now     time.Time
	overlay *overlay
	links   *links
	deleted map[store.Key]bool
	// patchWork is how much the patches have made us read, in bytes.
	patchWork int
	faults    faults
	commit    store.Commit
}

func (tx *transaction) run() (Response, error) {
	tx.issues = tx.api.Validate(tx.q.Context(), tx.q.Principal, tx.bundle)
	for range sideTries {
		err := tx.try()
		if err == nil {
			return tx.answer()
		}
		if taken, ok := errors.AsType[*store.Taken](err); ok && taken.Claim.Scope == idempotencyScope {
			return tx.replay(taken.Claim)
		}
		if !tx.lost(err) {
			return Response{}, err
		}
	}
	return Response{}, fhir.Errorf(fhir.Conflict, "others are changing the same resources; send it again")
}

// lost reports whether the transaction lost a race that it may run again. What
// meant one state of a resource finds another then, and says so.
func (tx *transaction) lost(err error) bool {
	if _, ok := errors.AsType[*store.Conflict](err); ok {
		return true
	}
	for _, e := range tx.entries {
		if e.crit.lost(err) {
			return true
		}
	}
	return false
}

// try works everything out as the store now stands, and commits it.
func (tx *transaction) try() error {
	tx.now, tx.overlay, tx.links = tx.api.now(), newOverlay(tx.api.Store), newLinks(tx.q.Principal.Sandbox())
	tx.patchWork = 0
	tx.deleted, tx.faults, tx.commit = map[store.Key]bool{}, faults{}, store.Commit{}
	for _, is := range tx.issues {
		tx.faults.whole(http.StatusUnprocessableEntity, is)
	}
	for _, step := range []func() error{tx.resolve, tx.documents} {
		if err := step(); err != nil {
			return err
		}
	}
	defer tx.hold()()
	for _, step := range []func() error{tx.hook, tx.judge, tx.integrity, tx.reads} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := tx.faults.err(); err != nil {
		return err
	}
	tx.assemble()
	if len(tx.commit.Writes) == 0 && !tx.once.Given() {
		return tx.q.record()
	}
	if err := tx.bounded(); err != nil {
		return err
	}
	_, err := tx.api.Store.Commit(tx.q.Context(), tx.commit)
	return err
}

// maxTxIndex bounds the index entries of one transaction: it keeps the store's
// writer from everybody else.
const maxTxIndex = 200_000

func (tx *transaction) bounded() error {
	n := 0
	for _, w := range tx.commit.Writes {
		n += len(w.Index)
	}
	if n > maxTxIndex {
		return fhir.Errorf(fhir.TooLong, "the resources of the transaction would be found by more than %d values together; send it in parts", maxTxIndex)
	}
	return nil
}

// inOrder calls f for the entries that change something, in the order in which
// they are done.
func (tx *transaction) inOrder(f func(*txEntry) error) error {
	for p := range len(phases) - 1 {
		for _, e := range tx.entries {
			if phase(e.Method) != p {
				continue
			}
			if err := tx.faults.add(e.i, f(e)); err != nil {
				return err
			}
		}
	}
	return nil
}

// documents makes the document of each entry: links replaced, patches applied.
func (tx *transaction) documents() error {
	for _, e := range tx.entries {
		if e.FullURL != "" && e.key.ID != "" && e.interaction != "delete" {
			tx.links.keys[e.FullURL] = e.key
		}
	}
	if err := tx.inOrder(tx.patch); err != nil {
		return err
	}
	if err := tx.rewrite(); err != nil {
		return err
	}
	if len(tx.links.conditional) > 0 {
		if err := tx.conditionalReferences(); err != nil {
			return err
		}
		if err := tx.rewrite(); err != nil {
			return err
		}
	}
	return tx.inOrder(tx.store)
}

// rewrite replaces the links of every entry.
func (tx *transaction) rewrite() error {
	for _, e := range tx.entries {
		if !e.writes() || e.interaction == "patch" {
			continue
		}
		res, issues, err := tx.links.rewrite(e.Resource, e.FullURL)
		if e.res = res; err != nil {
			err = tx.faults.add(e.i, err)
			e.key = store.Key{} // it cannot be stored
		}
		if err != nil {
			return err
		}
		tx.faults.note(e.i, http.StatusUnprocessableEntity, issues)
	}
	return nil
}

// patch makes the document of a patch.
func (tx *transaction) patch(e *txEntry) error {
	if e.interaction != "patch" || e.key.ID == "" {
		return nil
	}
	apply, err := e.applier()
	if err == nil {
		err = tx.mayPatch(e)
	}
	if err == nil {
		e.res, err = patched(*e.old, apply)
	}
	if err != nil {
		e.key = store.Key{} // there is nothing to store
		return err
	}
	tx.faults.note(e.i, http.StatusUnprocessableEntity, tx.api.Validate(tx.q.Context(), tx.q.Principal, e.res))
	return nil
}

// maxPatchWork bounds what the patches of one transaction make the gateway read,
// in bytes: each operation reads its document again.
const maxPatchWork = 256 << 20

// mayPatch refuses more work than that.
func (tx *transaction) mayPatch(e *txEntry) error {
	n, err := e.operations()
	if tx.patchWork += n * len(e.old.Body); err == nil && tx.patchWork > maxPatchWork {
		err = fhir.StatusErrorf(http.StatusRequestEntityTooLarge, fhir.TooCostly, "the patches of this transaction have too many operations for the resources that they change; send fewer at once")
	}
	return err
}

// store notes the write of an entry.
func (tx *transaction) store(e *txEntry) error {
	if !e.writes() || e.key.ID == "" {
		return nil
	}
	w := tx.api.newWrite(tx.q.Principal, e.res, e.key, e.old, tx.now)
	kept := auth.Access{}
	if e.old != nil {
		kept = e.old.Access
	}
	e.write = tx.overlay.put(w, kept)
	return nil
}

// hold keeps what the documents refer to, and what is deleted, as it is.
func (tx *transaction) hold() func() {
	var refs, deleted []store.Key
	for _, e := range tx.entries {
		if e.write != nil && e.writes() {
			refs = append(refs, tx.api.targets(e.res)...)
		}
		deleted = append(deleted, keysOf(e.gone)...)
	}
	return tx.api.guard.hold(refs, deleted)
}

// hook lets OnTransaction add what belongs to the transaction.
func (tx *transaction) hook() error {
	if tx.api.OnTransaction == nil || tx.q.Principal.Sandbox() || tx.faults.status != 0 {
		return nil
	}
	t := &Transaction{Principal: tx.q.Principal, Bundle: tx.bundle, Body: tx.body, Store: tx.overlay, overlay: tx.overlay,
		Issues: slices.Clone(tx.issues), Now: tx.now}
	for _, e := range tx.entries {
		if e.write != nil && e.writes() {
			t.Changes = append(t.Changes, TransactionChange{Entry: e.i, FullURL: e.FullURL,
				Change: Change{Principal: tx.q.Principal, Old: e.old, Resource: e.res, Write: &e.write.Write}})
		}
	}
	if err := tx.api.OnTransaction(tx.q.Context(), t); err != nil {
		return err
	}
	for _, is := range t.Issues[len(tx.issues):] {
		tx.faults.whole(http.StatusUnprocessableEntity, is)
	}
	tx.commit = t.Commit
	return nil
}

// judge checks the documents against what the gateway knows.
func (tx *transaction) judge() error {
	return tx.inOrder(func(e *txEntry) error {
		if e.write == nil || !e.writes() {
			return nil
		}
		issues, err := tx.api.rulesOn(tx.overlay, tx.q, e.res, e.old)
		tx.faults.note(e.i, http.StatusUnprocessableEntity, issues)
		return err
	})
}

// integrity refuses to delete what will be referred to.
func (tx *transaction) integrity() error {
	var all []store.Version
	for _, e := range tx.entries {
		all = append(all, e.gone...)
	}
	if len(all) == 0 {
		return nil
	}
	for _, e := range tx.entries {
		if len(e.gone) == 0 {
			continue
		}
		if err := tx.faults.add(e.i, tx.api.unreferencedBut(tx.q.Context(), tx.q.Principal, e.gone, all, tx.overlay)); err != nil {
			return err
		}
	}
	return nil
}

// assemble completes the commit.
func (tx *transaction) assemble() {
	c := &tx.commit
	c.Writes = append(c.Writes, tx.overlay.list()...)
	for _, e := range tx.entries {
		for _, v := range e.gone {
			c.Writes = append(c.Writes, store.Write{View: tx.q.Principal.View("delete"), Key: v.Key, Expect: v.Number, Deleted: true, Updated: tx.now})
		}
		if e.crit != nil && e.old == nil && e.writes() {
			e.crit.claim(c, e.key.ID, tx.now)
		}
	}
	c.Audit = append(tx.audit(), c.Audit...)
	if tx.once.Given() {
		c.Claims = append(c.Claims, tx.once.Claim(tx.first(), tx.now))
	}
}

// audit returns an entry for each kind of change, with all that was changed so;
// and one that says what was found, or that nothing was changed.
func (tx *transaction) audit() []audit.Entry {
	kinds := []audit.Action{audit.Create, audit.Update, audit.Delete}
	entries := make([]audit.Entry, len(kinds))
	patients := make([]map[string]bool, len(kinds))
	for i, kind := range kinds {
		entries[i], patients[i] = tx.q.entry, map[string]bool{}
		entries[i].Action, entries[i].Outcome, entries[i].Entities, entries[i].Patients = kind, audit.Success, nil, nil
	}
	for _, w := range tx.commit.Writes {
		i, body := 1, w.Body
		switch {
		case w.Deleted:
			i, body = 2, tx.deletedBody(w.Key)
		case w.Expect == 0:
			i = 0
		}
		e := &entries[i]
		e.Entities = append(e.Entities, versionName(w.Key, w.Expect+1))
		for _, p := range Patients(tx.api.Registry, w.Key, body) {
			if !patients[i][p] {
				patients[i][p] = true
				e.Patients = append(e.Patients, p)
			}
		}
	}
	tx.q.entry.Entities, tx.q.entry.Patients = tx.foundNames()
	entries = slices.DeleteFunc(entries, func(e audit.Entry) bool { return len(e.Entities) == 0 })
	if len(entries) == 0 || len(tx.q.entry.Entities) > 0 {
		tx.q.entry.Outcome = audit.Success
		entries = append(entries, tx.q.entry)
	}
	return entries
}

// deletedBody returns the last document of what is deleted.
func (tx *transaction) deletedBody(k store.Key) []byte {
	for _, e := range tx.entries {
		for _, v := range e.gone {
			if v.Key == k {
				return v.Body
			}
		}
	}
	return nil
}

// foundNames are the resources that conditional creates found, and whose they
// are.
func (tx *transaction) foundNames() (out, patients []string) {
	for _, e := range tx.entries {
		if e.found && e.old != nil {
			out = append(out, versionName(e.key, e.old.Number))
			patients = append(patients, Patients(tx.api.Registry, e.key, e.old.Body)...)
		}
	}
	slices.Sort(patients)
	return out, slices.Compact(patients)
}

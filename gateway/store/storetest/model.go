package storetest

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// A Model is what a store should hold, kept as simply as possible: every
// version in one slice. It takes one commit at a time and is told the commit
// number that the store gave it.
type Model struct {
	versions []modelVersion
	access   map[store.Key]auth.Access
	claims   map[[2]string]store.Claim
	docs     map[[2]string]store.Doc
}

type modelVersion struct {
	store.Version
	index []store.Index
	to    int64       // the commit that replaced it; 0: current
	then  auth.Access // the key's access when it was written
}

// NewModel returns an empty Model.
func NewModel() *Model {
	return &Model{access: map[store.Key]auth.Access{}, claims: map[[2]string]store.Claim{}, docs: map[[2]string]store.Doc{}}
}

// Check returns the error with which a store must answer the commit at that
// time, or nil.
func (m *Model) Check(c store.Commit, now time.Time) error {
	for _, cl := range c.Claims {
		if held, ok := m.claims[[2]string{cl.Scope, cl.Key}]; ok && held.Expires.After(now) {
			return &store.Taken{Claim: held}
		}
	}
	for _, w := range c.Writes {
		if err := m.checkWrite(w); err != nil {
			return err
		}
	}
	for _, d := range c.Docs {
		if have := m.docs[[2]string{d.Kind, d.ID}].Version; have != d.Expect {
			return &store.Conflict{Key: store.Key{Type: d.Kind, ID: d.ID}, Current: have}
		}
	}
	return nil
}

func (m *Model) checkWrite(w store.Write) error {
	cur := m.current(w.Key)
	sees := cur != nil && w.View.Sees(w.Key.Type, cur.Access)
	switch {
	case w.Expect == 0 && cur == nil:
		return nil
	case w.Expect == 0 && !sees:
		return &store.Conflict{Key: w.Key}
	case w.Expect == 0:
		return &store.Conflict{Key: w.Key, Current: cur.Number}
	case !sees:
		return store.ErrNotFound
	case !w.View.Changes(w.Key.Type, cur.Access):
		return store.ErrForbidden
	case cur.Number != w.Expect:
		return &store.Conflict{Key: w.Key, Current: cur.Number}
	}
	return nil
}

// Apply makes the commit, which must have passed Check, happen as seq.
func (m *Model) Apply(c store.Commit, seq int64) {
	for _, cl := range c.Claims {
		m.claims[[2]string{cl.Scope, cl.Key}] = cl
	}
	for _, w := range c.Writes {
		m.applyWrite(w, seq)
	}
	for _, d := range c.Docs {
		k := [2]string{d.Kind, d.ID}
		if d.Delete {
			delete(m.docs, k)
			continue
		}
		m.docs[k] = store.Doc{Kind: d.Kind, ID: d.ID, Version: d.Expect + 1, Body: d.Body}
	}
}

func (m *Model) applyWrite(w store.Write, seq int64) {
	for i := range m.versions {
		if m.versions[i].Key == w.Key && m.versions[i].to == 0 {
			m.versions[i].to = seq
		}
	}
	if a := w.Access; w.Expect == 0 || a.Owner != "" || a.Parties != nil || a.Labels != nil {
		m.access[w.Key] = a
	}
	v := modelVersion{then: m.access[w.Key], Version: store.Version{
		Key: w.Key, Number: w.Expect + 1, Updated: w.Updated.UTC().Truncate(time.Millisecond), Deleted: w.Deleted, Seq: seq,
	}}
	if !w.Deleted {
		v.Body, v.index = w.Body, w.Index
	}
	m.versions = append(m.versions, v)
}

// current returns the newest version of a key under today's access, or nil.
func (m *Model) current(k store.Key) *store.Version {
	if vs := m.History(k); len(vs) > 0 {
		return &vs[0]
	}
	return nil
}

// History returns all versions of a key, newest first.
func (m *Model) History(k store.Key) []store.Version {
	var vs []store.Version
	for _, v := range slices.Backward(m.versions) {
		if v.Key == k {
			v.Access = m.access[k]
			vs = append(vs, v.Version)
		}
	}
	return vs
}

// Search returns all that the query finds at the snapshot, in order, without
// regard to Limit and After.
func (m *Model) Search(q store.Query, snapshot int64) []store.Version {
	var found []modelVersion
	for _, v := range m.versions {
		v.Access = m.access[v.Key]
		if v.currentAt(snapshot) && !v.Deleted && q.View.Sees(v.Key.Type, v.Access) && slices.ContainsFunc(q.Parts(), v.meets) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b modelVersion) int {
		return cmp.Or(bytes.Compare(a.sortKey(q.Sort), b.sortKey(q.Sort)), pageOrder(a.Version, b.Version))
	})
	out := make([]store.Version, len(found))
	for i, v := range found {
		out[i] = v.answer(q)
	}
	return out
}

// Histories returns what a history of types finds, newest first, without
// regard to Limit and After. Of these a view may miss those that it could not
// see when they were current; sure tells which it may not.
func (m *Model) Histories(q store.HistoryQuery) (found []store.Version, sure []bool) {
	var all []modelVersion
	for i, v := range m.versions {
		v.Access = m.access[v.Key]
		if slices.Contains(q.Types, v.Key.Type) && q.View.Sees(v.Key.Type, v.Access) && within(q, v, m.successor(i)) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b modelVersion) int { return pageOrder(a.Version, b.Version) })
	for _, v := range all {
		found, sure = append(found, v.Version), append(sure, q.View.Sees(v.Key.Type, v.then))
	}
	return found, sure
}

// successor returns the version that replaced the i-th; nil when it is current.
func (m *Model) successor(i int) *modelVersion {
	for n := range m.versions {
		if v := &m.versions[n]; v.Key == m.versions[i].Key && v.Number == m.versions[i].Number+1 {
			return v
		}
	}
	return nil
}

// within reports whether a version is of the times that the query asks for. It
// is current from its time on until the moment before its successor's.
func within(q store.HistoryQuery, v modelVersion, next *modelVersion) bool {
	if v.Updated.Before(q.Since) {
		return false
	}
	if q.AtFrom.IsZero() {
		return true
	}
	return !v.Updated.After(q.AtTo) && (next == nil || next.Updated.After(q.AtFrom))
}

// Scan returns all that the scan finds at the snapshot, in the order of a page.
func (m *Model) Scan(q store.ScanQuery, snapshot int64) []store.Version {
	var found []store.Version
	for _, v := range m.versions {
		v.Access = m.access[v.Key]
		if v.currentAt(snapshot) && slices.Contains(q.Types, v.Key.Type) && q.View.Sees(v.Key.Type, v.Access) &&
			(q.Deleted || !v.Deleted) && (q.Since.IsZero() || v.Updated.After(q.Since)) {
			found = append(found, v.Version)
		}
	}
	slices.SortFunc(found, pageOrder)
	return found
}

// pageOrder compares by the order of a page.
func pageOrder(a, b store.Version) int {
	return cmp.Or(cmp.Compare(b.Seq, a.Seq), cmp.Compare(a.Key.ID, b.Key.ID), cmp.Compare(a.Key.Type, b.Key.Type),
		cmp.Compare(b.Number, a.Number))
}

func (v modelVersion) currentAt(snapshot int64) bool {
	return v.Seq <= snapshot && (v.to == 0 || snapshot < v.to)
}

func (v modelVersion) meets(p store.Part) bool {
	if v.Key.Type != p.Type {
		return false
	}
	for _, c := range p.Where {
		if !c.Holds(v.Key.ID, v.Updated.UnixMilli(), v.index) {
			return false
		}
	}
	return true
}

func (v modelVersion) sortKey(orders []store.Order) []byte {
	return store.SortKey(orders, v.Key.ID, v.Updated.UnixMilli(), v.index)
}

// answer is the version as the query asks for it.
func (v modelVersion) answer(q store.Query) store.Version {
	if q.KeysOnly {
		v.Body = nil
	}
	for _, e := range v.index {
		if q.Values != "" && e.Param == q.Values && e.Kind == store.Reference {
			v.Values = append(v.Values, e.Value)
		}
	}
	return v.Version
}

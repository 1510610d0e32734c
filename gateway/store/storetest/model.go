package storetest

import (
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
	to    int64 // the commit that replaced it; 0: current
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
	v := modelVersion{Version: store.Version{
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
	var found []store.Version
	for _, v := range m.versions {
		v.Access = m.access[v.Key]
		current := v.Seq <= snapshot && (v.to == 0 || snapshot < v.to)
		if current && !v.Deleted && v.Key.Type == q.Type && q.View.Sees(q.Type, v.Access) && holdsAll(q.Where, v) {
			found = append(found, v.Version)
		}
	}
	slices.SortFunc(found, func(a, b store.Version) int {
		return cmp.Or(cmp.Compare(b.Seq, a.Seq), cmp.Compare(a.Key.ID, b.Key.ID))
	})
	return found
}

func holdsAll(where []store.Clause, v modelVersion) bool {
	for _, c := range where {
		if !holdsOne(c, v) {
			return false
		}
	}
	return true
}

func holdsOne(c store.Clause, v modelVersion) bool {
	at := v.Updated.UnixMilli()
	entries := append([]store.Index{
		{Param: "_id", Kind: c.Kind, Value: v.Key.ID},
		{Param: "_lastUpdated", Kind: store.Date, Low: at, High: at},
	}, v.index...)
	for _, e := range entries {
		for _, m := range c.Any {
			if c.Param == "_id" {
				m.AnySystem = true
			}
			if e.Param == c.Param && e.Kind == c.Kind && m.Holds(c.Kind, e) {
				return true
			}
		}
	}
	return false
}

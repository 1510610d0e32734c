package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A Searcher answers the searches that a chain needs; a store is one.
type Searcher interface {
	Search(ctx context.Context, q store.Query) (store.Page, error)
}

// maxParts is how many alternatives a store is asked for at once: room for all
// types with a few each.
const maxParts = 512

// maxKeys is how many resources one step of a chain may find.
const maxKeys = 1000

// Resolve turns q into what a store answers under the view. Chains and _has are
// answered by searches of their own under the same view, all at one snapshot (0:
// now); the query's Snapshot is set when one was made. A chain that would find
// too much is an error that says what to add.
func (r *Registry) Resolve(ctx context.Context, s Searcher, v auth.View, q *Query, snapshot int64) (store.Query, error) {
	rs := &resolver{ctx: ctx, store: s, view: v, snapshot: snapshot}
	var parts []store.Part
	for _, t := range q.types {
		if t.none || !v.SeesType(t.typ) {
			continue
		}
		ps, ok, err := rs.parts(t)
		if err != nil {
			return store.Query{}, err
		}
		if !ok {
			return store.Query{}, tooMany(rs.tooMuch)
		}
		parts = append(parts, ps...)
	}
	if len(parts) > maxParts {
		return store.Query{}, fhir.StatusErrorf(400, fhir.TooCostly, "the types that are searched and the alternatives of the conditions combine to more than %d; name fewer types with _type", maxParts)
	}
	sq := rs.query(parts)
	if len(parts) == 0 && len(q.Types) > 0 {
		sq.Type, sq.Where = q.Types[0], []store.Clause{nothing()}
	}
	sq.Sort, sq.Limit, sq.Total = q.Sort, max(q.Count, 1), q.Counts()
	return sq, nil
}

// nothing is a clause that never holds.
func nothing() store.Clause { return store.Clause{Param: "_id", Kind: store.Token} }

// A resolver answers the links of one query.
type resolver struct {
	ctx      context.Context
	store    Searcher
	view     auth.View
	snapshot int64
	// tooMuch names the condition that found too much.
	tooMuch string
}

func (rs *resolver) query(parts []store.Part) store.Query {
	q := store.Query{View: rs.view, Snapshot: rs.snapshot}
	if len(parts) > 0 {
		q.Type, q.Where, q.Or = parts[0].Type, parts[0].Where, parts[1:]
	}
	return q
}

// parts returns the alternatives of one type with its links answered. A link
// whose own search finds too much is tried the other way round: on what the
// rest of the query finds. ok is false when that is too much as well; tooMuch
// then names the condition.
func (rs *resolver) parts(t *typeQuery) (parts []store.Part, ok bool, err error) {
	var done, late []condition
	for _, c := range t.where {
		if c.link == nil {
			done = append(done, c)
			continue
		}
		a, ok, err := rs.forward(c.link)
		if err != nil {
			return nil, false, err
		}
		if ok {
			done = append(done, c.or(a))
		} else {
			late = append(late, c)
		}
	}
	for _, c := range late {
		rs.tooMuch = c.name
		if !slices.ContainsFunc(done, condition.leads) {
			return nil, false, nil
		}
		a, ok, err := rs.backward(t.typ, done, c.link)
		if err != nil || !ok {
			rs.tooMuch = c.name
			return nil, false, err
		}
		done = append(done, c.or(a))
	}
	return partsOf(t.typ, done), true, nil
}

func tooMany(name string) error {
	return fhir.Faults([]fhir.Issue{{
		Code: fhir.TooCostly, Source: "parameter " + ShowName(name),
		Text: fmt.Sprintf("this condition matches more than %d resources, or too many have to be looked at; make it narrower, or add a condition that few resources meet, such as patient or identifier", maxKeys),
	}})
}

// partsOf combines the alternatives of all conditions.
func partsOf(typ string, where []condition) []store.Part {
	parts := []store.Part{{Type: typ}}
	for _, c := range where {
		next := make([]store.Part, 0, len(parts)*len(c.any))
		for _, p := range parts {
			for _, a := range c.any {
				next = append(next, store.Part{Type: typ, Where: slices.Concat(p.Where, a)})
			}
		}
		parts = next
	}
	return parts
}

// find searches for keys, with the values of a reference when it is named; ok
// is false when there are too many.
func (rs *resolver) find(parts []store.Part, values string) (found []store.Version, ok bool, err error) {
	if len(parts) == 0 {
		return nil, true, nil
	}
	q := rs.query(parts)
	q.Limit, q.KeysOnly, q.Values = maxKeys, true, values
	page, err := rs.store.Search(rs.ctx, q)
	if errors.Is(err, store.ErrTooCostly) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	rs.snapshot = page.Snapshot
	return page.Versions, !page.More, nil
}

// inner searches for the other resources of a link; ok is false when there are
// too many, there or further on.
func (rs *resolver) inner(t *typeQuery, values string) (found []store.Version, ok bool, err error) {
	parts, ok, err := rs.parts(t)
	if err != nil || !ok {
		return nil, false, err
	}
	return rs.find(parts, values)
}

// forward searches for the other resources first.
func (rs *resolver) forward(l *link) (a alternative, ok bool, err error) {
	var keys []string
	for _, in := range l.inner {
		if !rs.view.SeesType(in.typ) {
			continue
		}
		found, ok, err := rs.inner(in, l.values())
		if err != nil || !ok {
			return nil, false, err
		}
		keys = l.keys(keys, found)
	}
	if len(keys) > maxKeys {
		return nil, false, nil
	}
	return l.clauses(keys), true, nil
}

// values names the index whose entries a search for the other resources is to
// carry: with back, what points here.
func (l *link) values() string {
	if l.back {
		return l.ref.stored
	}
	return ""
}

// keys adds what the other resources stand for: themselves, or what they point
// to.
func (l *link) keys(keys []string, found []store.Version) []string {
	for _, v := range found {
		if l.back {
			keys = append(keys, v.Values...)
		} else {
			keys = append(keys, v.Key.String())
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// clauses looks for the resources that the keys are about: those that refer to
// them, or with back those that bear them.
func (l *link) clauses(keys []string) alternative {
	ms := make([]store.Match, 0, len(keys))
	for _, k := range keys {
		ms = append(ms, store.Match{Value: k})
	}
	if l.back {
		return alternative{idClause(keys)}
	}
	a := alternative{l.ref.clause(ms)}
	if led := l.ref.led(ms); led != nil {
		a = append(a, store.Clause{Param: anyReference, Kind: store.Reference, Any: led})
	}
	return a
}

// idClause looks for ids; the type of the part that it stands in does the rest.
func idClause(keys []string) store.Clause {
	c := nothing()
	for _, k := range keys {
		if _, id, ok := strings.Cut(k, "/"); ok && fhir.IsID(id) {
			c.Any = append(c.Any, store.Match{Value: id, AnySystem: true})
		}
	}
	return c
}

// backward answers a link for what the other conditions find: it asks which of
// the resources that they are linked with meet the link's condition.
func (rs *resolver) backward(typ string, done []condition, l *link) (a alternative, ok bool, err error) {
	values := l.ref.stored
	if l.back {
		values = ""
	}
	candidates, ok, err := rs.find(partsOf(typ, done), values)
	if err != nil || !ok {
		return nil, false, err
	}
	var keys []string
	for _, in := range l.inner {
		found, ok, err := rs.inner(l.narrow(in, candidates), l.values())
		if err != nil || !ok {
			return nil, false, err
		}
		keys = l.keys(keys, found)
	}
	return l.clauses(keys), true, nil
}

// narrow limits a link's search to what the candidates are linked with.
func (l *link) narrow(in *typeQuery, candidates []store.Version) *typeQuery {
	var keys []string
	for _, v := range candidates {
		if l.back {
			keys = append(keys, v.Key.String())
			continue
		}
		for _, k := range v.Values {
			if typ, _, _ := strings.Cut(k, "/"); typ == in.typ {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	only := condition{any: []alternative{{idClause(keys)}}}
	if l.back {
		other := link{ref: l.ref}
		only.any = []alternative{other.clauses(keys)}
	}
	return &typeQuery{typ: in.typ, where: append([]condition{only}, in.where...)}
}

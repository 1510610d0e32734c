package mongostore

import (
	"cmp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// A part is one alternative of a query with the ways to find its candidates,
// best first; the last one is all of its type.
type part struct {
	store.Part
	ways []condition
}

func newPart(v auth.View, p store.Part) part {
	out := part{Part: p}
	for _, b := range bundles(p.Where) {
		out.ways = append(out.ways, compile(v, p.Type, b))
	}
	out.ways = append(out.ways, byViewers(v, p.Type))
	slices.SortStableFunc(out.ways, func(a, b condition) int { return cmp.Compare(a.rank, b.rank) })
	return out
}

// holds reports whether the version, whose entries these are, is what the part
// asks for.
func (p *part) holds(d *versionDoc, entries []store.Index) bool {
	if p.Type != d.Type {
		return false
	}
	for _, c := range p.Where {
		if !c.Holds(d.Logical, d.Updated, entries) {
			return false
		}
	}
	return true
}

// A group is one part, or several whose candidates one lookup finds.
type group struct {
	parts []part
	ways  []condition
}

// whole reports whether all that the way finds is asked for.
func (g *group) whole(way *condition) bool {
	for i := range g.parts {
		if !way.whole(len(g.parts[i].Where)) {
			return false
		}
	}
	return true
}

func (g *group) holds(d *versionDoc, entries []store.Index) bool {
	return slices.ContainsFunc(g.parts, func(p part) bool { return p.holds(d, entries) })
}

// groups sorts the parts that the view may see at all into those that equal
// entries lead to, those of whole types, and the rest one by one.
func groups(q *store.Query) []*group {
	var out []*group
	var byTerm, byKind *group
	for _, p := range q.Parts() {
		if !q.View.SeesType(p.Type) {
			continue
		}
		next := newPart(q.View, p)
		shared := &byTerm
		if next.ways[0].rank == byType {
			shared = &byKind
		}
		switch {
		case next.ways[0].terms == nil:
			out = append(out, &group{parts: []part{next}, ways: next.ways})
		case *shared == nil:
			*shared = &group{parts: []part{next}, ways: next.ways}
			out = append(out, *shared)
		default:
			(*shared).join(next)
		}
	}
	return out
}

// join adds a part to the one lookup of the group.
func (g *group) join(p part) {
	first, more := g.ways[0], p.ways[0]
	field := "sp"
	if first.rank == byType {
		field = "viewers"
	}
	both := condition{rank: max(first.rank, more.rank), terms: slices.Clone(first.terms)}
	for _, t := range more.terms {
		both.terms = appendNew(both.terms, t)
	}
	both.lookup = bson.D{{Key: field, Value: oneOf(both.terms)}}
	both.sharp, both.answers = first.sharp && more.sharp, min(first.answers, more.answers)
	if first.exact != nil || more.exact != nil || first.answers != more.answers {
		both.sharp = false
	}
	g.parts, g.ways = append(g.parts, p), []condition{both}
}

// filter is what the way leaves open and the database can say of one part's
// candidates; open reports whether the entries must be asked besides.
func (g *group) filter(v auth.View, way *condition) (rest bson.D, open bool) {
	if len(g.parts) > 1 {
		return nil, !g.whole(way)
	}
	p := &g.parts[0]
	all, answered := []bson.D{}, 0
	for i := range p.ways {
		w := &p.ways[i]
		if w.rank == byType {
			continue
		}
		all = append(all, w.lookup, w.exact)
		if w.sharp {
			answered += w.answers
		}
	}
	if !v.All() {
		all = append(all, viewers(v, p.Type))
	}
	return allOf(all...), answered < len(p.Where)
}

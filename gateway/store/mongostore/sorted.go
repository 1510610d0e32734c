package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/gateway/store"
)

// maxDetour is how many candidates are rather sorted here than found one by one
// in the order of their time.
const maxDetour = 1000

// sorted returns the rows of a page in the order asked for: by time by the
// index, else of all that match, which must not be more than maxExamined.
func (x *search) sorted(ctx context.Context) (rows []*versionDoc, total int, err error) {
	if way, ok, err := x.byTime(ctx); ok || err != nil {
		if err != nil {
			return nil, -1, err
		}
		rows, err = x.walkTime(ctx, way)
		return rows, -1, err
	}
	if rows, err = x.everything(ctx, true); err != nil {
		return nil, -1, err
	}
	total = len(rows)
	for _, d := range rows {
		x.setSort(d)
	}
	return x.tidy(rows), total, nil
}

func (x *search) setSort(d *versionDoc) {
	d.sort = store.SortKey(x.q.Sort, d.Logical, d.Updated, d.unpacked)
}

// tidy sorts rows, drops those up to the position, and cuts them to the page.
func (x *search) tidy(rows []*versionDoc) []*versionDoc {
	order := func(a, b *versionDoc) int {
		return cmp.Or(bytes.Compare(a.sort, b.sort), newestFirst(a, b))
	}
	slices.SortFunc(rows, order)
	if p := x.q.After; p != nil {
		last := &versionDoc{From: p.Seq, Logical: p.ID, Type: p.Type, sort: p.Sort}
		if p.Type == "" {
			last.Type = endOfText
		}
		rows = slices.DeleteFunc(rows, func(d *versionDoc) bool { return order(d, last) <= 0 })
	}
	return rows[:min(x.want, len(rows))]
}

// total counts what the view sees of the matches.
func (x *search) total(ctx context.Context, page *store.Page) (int, error) {
	if x.q.After == nil && !page.More {
		return len(page.Versions), nil
	}
	rows, err := x.everything(ctx, false)
	return len(rows), err
}

// everything returns all that matches, in no order, each once.
func (x *search) everything(ctx context.Context, sorting bool) ([]*versionDoc, error) {
	var out []*versionDoc
	seen := map[string]bool{}
	for _, g := range x.groups {
		rows, err := x.allOf(ctx, g, sorting)
		if err != nil {
			return nil, err
		}
		for _, d := range rows {
			if !seen[d.ID] {
				seen[d.ID] = true
				out = append(out, d)
			}
		}
	}
	if len(out) > maxExamined {
		return nil, store.ErrTooCostly
	}
	return out, nil
}

// allOf returns what matches of a group, by the first way that does not have
// too many candidates.
func (x *search) allOf(ctx context.Context, g *group, sorting bool) ([]*versionDoc, error) {
	for i := range g.ways {
		w := &g.ways[i]
		n, err := x.count(ctx, allOf(w.lookup, x.since(nil)), maxExamined+1)
		if err != nil {
			return nil, err
		}
		if n > maxExamined {
			continue
		}
		rest, isOpen := g.filter(x.q.View, w)
		rows, err := x.s.read(ctx, mongo.Pipeline{
			stage("$match", allOf(w.lookup, x.since(nil), x.bounded(), rest)),
			stage("$project", x.fields(isOpen || sorting, false)),
		})
		if err != nil {
			return nil, err
		}
		return x.keep(ctx, rows, g, isOpen)
	}
	return nil, store.ErrTooCostly
}

// byTime returns the way to all that the view may see of the types, when the
// answer is to be in the order of time and nothing leads to so few that they
// are better sorted here.
func (x *search) byTime(ctx context.Context) (bson.D, bool, error) {
	if len(x.q.Sort) != 1 || x.q.Sort[0].Param != ownTime || len(x.groups) != 1 {
		return nil, false, nil
	}
	g := x.groups[0]
	for i := range g.ways {
		w := &g.ways[i]
		if w.rank == byType {
			continue
		}
		n, err := x.count(ctx, allOf(w.lookup, x.since(nil)), maxDetour+1)
		if err != nil || n <= maxDetour {
			return nil, false, err
		}
	}
	var terms []string
	for i := range g.parts {
		for _, t := range viewerTerms(x.q.View, g.parts[i].Type) {
			terms = appendNew(terms, t)
		}
	}
	return bson.D{{Key: "viewers", Value: oneOf(terms)}}, true, nil
}

// walkTime reads candidates in the order of their time. Those of one time come
// in no order: a chunk's last ones are only looked at when the chunk after them
// has shown that they are all there.
func (x *search) walkTime(ctx context.Context, way bson.D) ([]*versionDoc, error) {
	var out []*versionDoc
	bound, n := x.timeBound(), 2*x.want
	for seen := 0; seen <= maxExamined; {
		rows, err := x.s.read(ctx, x.timeChunk(way, bound, n))
		if err != nil {
			return nil, err
		}
		seen += len(rows)
		last := len(rows) < n
		if !last {
			at := rows[len(rows)-1].Updated
			rows = slices.DeleteFunc(rows, func(d *versionDoc) bool { return d.Updated == at })
			bound = &at
		}
		kept, err := x.keep(ctx, rows, x.groups[0], true)
		if err != nil {
			return nil, err
		}
		for _, d := range kept {
			x.setSort(d)
		}
		if out = append(out, x.tidy(kept)...); last || len(out) >= x.want {
			return out[:min(x.want, len(out))], nil
		}
		n = min(4*n, maxExamined)
	}
	return nil, store.ErrTooCostly
}

func (x *search) timeChunk(way bson.D, bound *int64, n int) mongo.Pipeline {
	direction, beyond := 1, "$gte"
	if x.q.Sort[0].Descending {
		direction, beyond = -1, "$lte"
	}
	match := allOf(way, x.since(nil), x.bounded())
	if bound != nil {
		match = allOf(way, bson.D{{Key: "updated", Value: bson.D{{Key: beyond, Value: *bound}}}}, x.since(nil), x.bounded())
	}
	return mongo.Pipeline{
		stage("$match", match),
		stage("$sort", bson.D{{Key: "updated", Value: direction}}),
		stage("$limit", n),
		stage("$project", x.fields(true, false)),
	}
}

// timeBound reads the time at which the page before ended from its sort key.
func (x *search) timeBound() *int64 {
	if x.q.After == nil || len(x.q.After.Sort) < 9 {
		return nil
	}
	n := binary.BigEndian.Uint64(x.q.After.Sort[1:])
	if x.q.Sort[0].Descending {
		n = ^n
	}
	at := int64(n ^ 1<<63)
	return &at
}

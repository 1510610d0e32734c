package mongostore

import (
	"cmp"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// A search is one page being answered.
type search struct {
	s        *Store
	q        store.Query
	limit    int
	snapshot int64
	// drivers are the conditions, each a way to find candidates, best first.
	drivers []condition
}

// Search returns current versions as they were at the query's snapshot.
func (s *Store) Search(ctx context.Context, q store.Query) (store.Page, error) {
	page := store.Page{Snapshot: q.Snapshot, Total: -1}
	if q.Snapshot == 0 {
		now, err := s.seq(ctx)
		if err != nil {
			return page, err
		}
		page.Snapshot = now
	}
	if err := s.fill(ctx, q, &page); err != nil {
		return store.Page{}, err
	}
	if q.Snapshot != 0 {
		// Checked last: entries swept while the page was read are missing.
		if err := s.stillShown(ctx, q.Snapshot); err != nil {
			return store.Page{}, err
		}
	}
	return page, nil
}

func (s *Store) fill(ctx context.Context, q store.Query, page *store.Page) (err error) {
	if !q.View.SeesType(q.Type) {
		if q.Total {
			page.Total = 0
		}
		return nil
	}
	x := newSearch(s, q, page.Snapshot)
	if page.Versions, page.More, err = x.page(ctx); err != nil {
		return err
	}
	if q.Total {
		page.Total, err = x.total(ctx)
	}
	return err
}

func newSearch(s *Store, q store.Query, snapshot int64) *search {
	x := &search{s: s, q: q, snapshot: snapshot, limit: clamp(q.Limit, 1, 1000)}
	for _, c := range q.Where {
		x.drivers = append(x.drivers, compile(q.View, q.Type, c))
	}
	x.drivers = append(x.drivers, condition{lookup: viewers(q.View, q.Type), rank: byType, viewed: true})
	slices.SortStableFunc(x.drivers, func(a, b condition) int { return cmp.Compare(a.rank, b.rank) })
	return x
}

func clamp(n, low, high int) int { return min(max(n, low), high) }

// page reads rows until the page is full: rows that the view may not see
// today, by label or because access changed, are passed over.
func (x *search) page(ctx context.Context) (out []store.Version, more bool, err error) {
	after := x.q.After
	for seen := 0; ; {
		rows, err := x.rows(ctx, after)
		if err != nil {
			return nil, false, err
		}
		for _, r := range rows {
			v, ok, err := x.show(ctx, r)
			if err != nil {
				return nil, false, err
			}
			if ok && len(out) == x.limit {
				return out, true, nil
			}
			if ok {
				out = append(out, v)
			}
		}
		if len(rows) <= x.limit {
			return out, false, nil
		}
		if seen += len(rows); seen > maxExamined {
			return nil, false, store.ErrTooCostly
		}
		last := rows[len(rows)-1]
		after = &store.Position{Seq: last.From, ID: last.Logical}
	}
}

// show applies today's view: the access of a version closed since the snapshot
// is that of the one current now.
func (x *search) show(ctx context.Context, d *versionDoc) (store.Version, bool, error) {
	access := d.Access
	if d.To != open {
		now, err := x.s.current(ctx, store.Key{Type: d.Type, ID: d.Logical})
		if err != nil {
			return store.Version{}, false, err
		}
		access = now.Access
	}
	return d.version(access), x.q.View.Sees(d.Type, access.access()), nil
}

// rows returns up to limit+1 rows after the position, by the first driver that
// does not have to look at more than maxExamined candidates.
func (x *search) rows(ctx context.Context, after *store.Position) ([]*versionDoc, error) {
	for i, d := range x.drivers {
		rows, ok, err := x.drive(ctx, i, d, after)
		if err != nil || ok {
			return rows, err
		}
	}
	return nil, store.ErrTooCostly
}

func (x *search) drive(ctx context.Context, i int, d condition, after *store.Position) ([]*versionDoc, bool, error) {
	probe := allOf(d.lookup, x.since(after))
	if d.rank == byRange {
		if many, err := x.tooMany(ctx, probe); err != nil || many {
			return nil, false, err
		}
	}
	rest := x.rest(i, d)
	rows, err := x.read(ctx, x.pipeline(d, rest, after))
	if err != nil {
		return nil, false, err
	}
	if len(rest) > 0 && d.rank.inOrder() && len(rows) <= x.limit {
		// A short page is the last one only if no candidate was left out.
		if many, err := x.tooMany(ctx, probe); err != nil || many {
			return nil, false, err
		}
	}
	return rows, true, nil
}

// pipeline reads the driver's candidates in the page's order, at most
// maxExamined of them, and lets through those that meet the rest.
func (x *search) pipeline(d condition, rest bson.D, after *store.Position) mongo.Pipeline {
	stage := func(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }
	p := mongo.Pipeline{
		stage("$match", allOf(d.lookup, x.since(after), x.beyond(after), bson.D{{Key: "to", Value: bson.D{{Key: "$gt", Value: x.snapshot}}}})),
		stage("$sort", bson.D{{Key: "from", Value: -1}, {Key: "id", Value: 1}}),
	}
	if len(rest) > 0 {
		p = append(p, stage("$limit", maxExamined), stage("$match", rest))
	}
	return append(p, stage("$limit", x.limit+1), stage("$project", withoutEntries()))
}

// rest is what the driver leaves open.
func (x *search) rest(i int, d condition) bson.D {
	parts := []bson.D{}
	for j, c := range x.drivers {
		if j != i && c.rank != byType {
			parts = append(parts, c.lookup)
		}
		if c.exact != nil {
			parts = append(parts, c.exact)
		}
	}
	if !d.viewed && !x.q.View.All() {
		parts = append(parts, viewers(x.q.View, x.q.Type))
	}
	if len(parts) == 0 {
		return nil
	}
	return allOf(parts...)
}

// since bounds the index scan to what had been written at the snapshot, and
// below the position's commit.
func (x *search) since(after *store.Position) bson.D {
	upTo := x.snapshot
	if after != nil {
		upTo = min(upTo, after.Seq)
	}
	return bson.D{{Key: "from", Value: bson.D{{Key: "$lte", Value: upTo}}}}
}

// beyond leaves out what the position's own commit has already shown.
func (x *search) beyond(after *store.Position) bson.D {
	if after == nil {
		return nil
	}
	shown := bson.D{{Key: "from", Value: after.Seq}, {Key: "id", Value: bson.D{{Key: "$lte", Value: after.ID}}}}
	return bson.D{{Key: "$nor", Value: bson.A{shown}}}
}

func (x *search) read(ctx context.Context, p mongo.Pipeline) ([]*versionDoc, error) {
	cur, err := x.s.versions.Aggregate(ctx, p, options.Aggregate().SetAllowDiskUse(true))
	if err != nil {
		return nil, unavailable(ctx, "searching", err)
	}
	var rows []*versionDoc
	if err := cur.All(ctx, &rows); err != nil {
		return nil, unavailable(ctx, "searching", err)
	}
	return rows, nil
}

// tooMany reports whether more than maxExamined candidates meet the filter.
func (x *search) tooMany(ctx context.Context, filter bson.D) (bool, error) {
	n, err := x.s.versions.CountDocuments(ctx, filter, options.Count().SetLimit(maxExamined+1))
	if err != nil {
		return false, unavailable(ctx, "counting candidates", err)
	}
	return n > maxExamined, nil
}

// total counts what the view sees of the matches.
func (x *search) total(ctx context.Context) (int, error) {
	for i, d := range x.drivers {
		many, err := x.tooMany(ctx, allOf(d.lookup, x.since(nil)))
		if err != nil {
			return 0, err
		}
		if !many {
			return x.count(ctx, allOf(d.lookup, x.since(nil), x.rest(i, d), bson.D{{Key: "to", Value: bson.D{{Key: "$gt", Value: x.snapshot}}}}))
		}
	}
	return 0, store.ErrTooCostly
}

func (x *search) count(ctx context.Context, filter bson.D) (int, error) {
	cur, err := x.s.versions.Find(ctx, filter, options.Find().SetProjection(bson.D{
		{Key: "type", Value: 1}, {Key: "id", Value: 1}, {Key: "to", Value: 1}, {Key: "access", Value: 1}}))
	if err != nil {
		return 0, unavailable(ctx, "counting", err)
	}
	defer release(ctx, cur)
	n := 0
	for cur.Next(ctx) {
		d := new(versionDoc)
		if err := cur.Decode(d); err != nil {
			return 0, unavailable(ctx, "counting", err)
		}
		_, ok, err := x.show(ctx, d)
		if err != nil {
			return 0, err
		}
		if ok {
			n++
		}
	}
	if err := cur.Err(); err != nil {
		return 0, unavailable(ctx, "counting", err)
	}
	return n, nil
}

// stillShown reports ErrExpired when versions closed after the snapshot have
// lost their entries, or when it is a number from nowhere.
func (s *Store) stillShown(ctx context.Context, snapshot int64) error {
	cur, err := s.meta.Find(ctx, bson.D{{Key: "_id", Value: in([]string{"seq", "horizon"})}})
	if err != nil {
		return unavailable(ctx, "reading the horizon", err)
	}
	var all []counter
	if err := cur.All(ctx, &all); err != nil {
		return unavailable(ctx, "reading the horizon", err)
	}
	for _, c := range all {
		if c.ID == "horizon" && snapshot < c.N || c.ID == "seq" && snapshot > c.N {
			return store.ErrExpired
		}
	}
	return nil
}

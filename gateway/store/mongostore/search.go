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

// A search is one page being answered. The database finds candidates by one
// index, in the page's order where the index has it; what they mean is decided
// here, by store.Clause.Holds and the view.
type search struct {
	s        *Store
	q        store.Query
	want     int // one more than the page holds
	snapshot int64
	groups   []*group
}

// Search returns current versions as they were at the query's snapshot.
func (s *Store) Search(ctx context.Context, q store.Query) (store.Page, error) {
	x, err := s.newSearch(ctx, q)
	if err != nil {
		return store.Page{}, err
	}
	page, err := x.answer(ctx)
	if err != nil {
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

func (s *Store) newSearch(ctx context.Context, q store.Query) (*search, error) {
	x := &search{s: s, q: q, want: pageSize(q.Limit) + 1, snapshot: q.Snapshot, groups: groups(&q)}
	if q.Snapshot == 0 {
		now, err := s.seq(ctx)
		if err != nil {
			return nil, err
		}
		x.snapshot = now
	}
	return x, nil
}

// pageSize brings the size of a page inside what is allowed.
func pageSize(n int) int { return min(max(n, 1), 1000) }

func (x *search) answer(ctx context.Context) (store.Page, error) {
	page := store.Page{Snapshot: x.snapshot, Total: -1}
	rows, total, err := x.rows(ctx)
	if err != nil {
		return page, err
	}
	if page.More = len(rows) == x.want; page.More {
		rows = rows[:x.want-1]
	}
	if err := x.bodies(ctx, rows); err != nil {
		return page, err
	}
	for _, d := range rows {
		v := d.version()
		if x.q.Values != "" {
			v.Values = d.values(x.q.Values)
		}
		page.Versions = append(page.Versions, v)
	}
	if page.More {
		page.Next = x.positionOf(rows[len(rows)-1])
	}
	if x.q.Total {
		if page.Total = total; total < 0 {
			page.Total, err = x.total(ctx, &page)
		}
	}
	return page, err
}

// rows returns the page's rows and one more if there is one; total is how many
// there are in all, or -1 when that is not known.
func (x *search) rows(ctx context.Context) (rows []*versionDoc, total int, err error) {
	switch {
	case len(x.groups) == 0:
		return nil, 0, nil
	case len(x.q.Sort) > 0:
		return x.sorted(ctx)
	}
	for _, g := range x.groups {
		some, err := x.walk(ctx, g)
		if err != nil {
			return nil, -1, err
		}
		rows = append(rows, some...)
	}
	if len(x.groups) > 1 {
		slices.SortFunc(rows, newestFirst)
		rows = slices.CompactFunc(rows, func(a, b *versionDoc) bool { return a.ID == b.ID })
	}
	return rows[:min(x.want, len(rows))], -1, nil
}

// newestFirst is the order of a page.
func newestFirst(a, b *versionDoc) int {
	return cmp.Or(cmp.Compare(b.From, a.From), cmp.Compare(a.Logical, b.Logical), cmp.Compare(a.Type, b.Type))
}

func (x *search) positionOf(d *versionDoc) *store.Position {
	return &store.Position{Seq: d.From, Type: d.Type, ID: d.Logical, Number: d.Number, Sort: d.sort}
}

// bodies adds the bodies of those that were read without.
func (x *search) bodies(ctx context.Context, rows []*versionDoc) error {
	if x.q.KeysOnly {
		for _, d := range rows {
			d.Body = nil
		}
		return nil
	}
	return x.s.addBodies(ctx, rows)
}

func (s *Store) addBodies(ctx context.Context, rows []*versionDoc) error {
	lean := map[string]*versionDoc{}
	var ids []string
	for _, d := range rows {
		if len(d.Body) == 0 && !d.Deleted {
			ids = append(ids, d.ID)
			lean[d.ID] = d
		}
	}
	err := each(ctx, s.versions, ids, []string{"body"}, func(d *versionDoc) { lean[d.ID].Body = d.Body })
	if err != nil {
		return unavailable(ctx, "reading bodies", err)
	}
	return nil
}

func (d *versionDoc) values(param string) []string {
	var out []string
	for _, e := range d.unpacked {
		if e.Param == param && e.Kind == store.Reference {
			out = append(out, e.Value)
		}
	}
	return out
}

// bounded says that the version was current at the snapshot.
func (x *search) bounded() bson.D {
	return bson.D{{Key: "to", Value: bson.D{{Key: "$gt", Value: x.snapshot}}}}
}

// since bounds the index scan to what had been written at the snapshot, and
// below the position's commit. Of the present's first page the few that are
// newer are left out by keep: the less is asked, the better a server chooses
// its index.
func (x *search) since(after *store.Position) bson.D {
	if after == nil && x.q.Snapshot == 0 {
		return nil
	}
	upTo := x.snapshot
	if after != nil {
		upTo = min(upTo, after.Seq)
	}
	return bson.D{{Key: "from", Value: bson.D{{Key: "$lte", Value: upTo}}}}
}

// beyond leaves out what the position's own commit has already shown: nothing
// when the position is the commit itself.
func beyond(after *store.Position) bson.D {
	if after == nil || after.ID == "" {
		return nil
	}
	shown := bson.D{{Key: "from", Value: after.Seq}, {Key: "id", Value: bson.D{{Key: "$lte", Value: after.ID}}}}
	if after.Type == "" {
		return bson.D{{Key: "$nor", Value: bson.A{shown}}}
	}
	shown[1].Value = bson.D{{Key: "$lt", Value: after.ID}}
	same := bson.D{{Key: "from", Value: after.Seq}, {Key: "id", Value: after.ID}, {Key: "type", Value: bson.D{{Key: "$lte", Value: after.Type}}}}
	return bson.D{{Key: "$nor", Value: bson.A{shown, same}}}
}

// fields is what is read of a candidate: everything but what only indexes need,
// and the entries and the body only where they are looked at.
func (x *search) fields(entries, body bool) bson.D {
	out := bson.D{{Key: "viewers", Value: 0}, {Key: "sp", Value: 0}, {Key: "exact", Value: 0}, {Key: "dates", Value: 0}}
	if !entries && x.q.Values == "" {
		out = append(out, bson.E{Key: "entries", Value: 0})
	}
	if !body {
		out = append(out, bson.E{Key: "body", Value: 0})
	}
	return out
}

func stage(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }

func (s *Store) read(ctx context.Context, p mongo.Pipeline) ([]*versionDoc, error) {
	cur, err := s.versions.Aggregate(ctx, p, options.Aggregate().SetAllowDiskUse(true))
	if err != nil {
		return nil, unavailable(ctx, "searching", err)
	}
	var rows []*versionDoc
	if err := cur.All(ctx, &rows); err != nil {
		return nil, unavailable(ctx, "searching", err)
	}
	return rows, nil
}

// count counts the candidates of a lookup, up to the limit.
func (x *search) count(ctx context.Context, lookup bson.D, limit int) (int, error) {
	n, err := x.s.versions.CountDocuments(ctx, lookup, options.Count().SetLimit(int64(limit)))
	if err != nil {
		return 0, unavailable(ctx, "counting candidates", err)
	}
	return int(n), nil
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

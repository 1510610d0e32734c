package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/gateway/store"
)

// walk reads candidates in the page's order until the page and one more are
// found, there are none left, or more than maxExamined have been looked at.
// When the first ones are mostly not what is asked for, a way with fewer
// candidates takes over.
func (x *search) walk(ctx context.Context, g *group) ([]*versionDoc, error) {
	way, err := x.choose(ctx, g)
	if err != nil {
		return nil, err
	}
	var out []*versionDoc
	after, n, seen, settled := x.q.After, x.want, 0, false
	for {
		rows, err := x.s.read(ctx, x.chunk(g, way, after, n, len(x.groups) == 1 && seen == 0))
		if err != nil {
			return nil, err
		}
		kept, err := x.keep(ctx, rows, g, !g.whole(way))
		if err != nil {
			return nil, err
		}
		out, seen = append(out, kept...), seen+len(rows)
		if len(out) >= x.want || len(rows) < n {
			return out[:min(len(out), x.want)], nil
		}
		last := rows[len(rows)-1]
		after = &store.Position{Seq: last.From, ID: last.Logical, Type: last.Type}
		if !settled && seen > x.few() {
			settled = true
			if way, err = x.fewer(ctx, g, way, after); err != nil {
				return nil, err
			}
		}
		if n = min(4*n, maxExamined+1-seen); n <= 0 {
			return nil, store.ErrTooCostly
		}
	}
}

// few is how many candidates are not worth looking for another way.
func (x *search) few() int { return 3*x.want + 30 }

// choose returns the way to begin with: the first one when its index gives the
// page's order; else, since all candidates of a range must be looked at, the
// first one that has few, or not too many.
func (x *search) choose(ctx context.Context, g *group) (*condition, error) {
	if g.ways[0].rank != byRange {
		return &g.ways[0], nil
	}
	if way, err := x.fewer(ctx, g, nil, x.q.After); way != nil || err != nil {
		return way, err
	}
	for i := range g.ways {
		w := &g.ways[i]
		if w.rank != byRange {
			return w, nil
		}
		if n, err := x.count(ctx, allOf(w.lookup, x.since(x.q.After)), maxExamined+1); err != nil || n <= maxExamined {
			return w, err
		}
	}
	return nil, store.ErrTooCostly
}

// fewer returns the first other way that has few candidates left, or the
// present one. Ways that find nothing but what the view's parties share are
// tried first: a range over everyone's is dear to count where the view is
// narrow.
func (x *search) fewer(ctx context.Context, g *group, now *condition, after *store.Position) (*condition, error) {
	for _, own := range []bool{true, false} {
		for i := range g.ways {
			w := &g.ways[i]
			if w == now || (w.viewed || x.q.View.All()) != own {
				continue
			}
			n, err := x.count(ctx, allOf(w.lookup, x.since(after)), x.few()+1)
			if err != nil {
				return nil, err
			}
			if n <= x.few() {
				return w, nil
			}
		}
	}
	return now, nil
}

// chunk reads n candidates of a way in the page's order.
func (x *search) chunk(g *group, way *condition, after *store.Position, n int, body bool) mongo.Pipeline {
	order := bson.D{{Key: "from", Value: -1}, {Key: "id", Value: 1}}
	if len(g.parts) > 1 {
		order = append(order, bson.E{Key: "type", Value: 1})
	}
	return mongo.Pipeline{
		stage("$match", allOf(way.lookup, x.since(after), beyond(after), x.bounded())),
		stage("$sort", order),
		stage("$limit", n),
		stage("$project", x.fields(!g.whole(way), body && !x.q.KeysOnly)),
	}
}

// keep returns the rows of the snapshot that the view sees today and, when that is open, for
// which a part of the group holds.
func (x *search) keep(ctx context.Context, rows []*versionDoc, g *group, open bool) ([]*versionDoc, error) {
	if err := x.s.today(ctx, rows); err != nil {
		return nil, err
	}
	var out []*versionDoc
	for _, d := range rows {
		if d.From > x.snapshot || !x.q.View.Sees(d.Type, d.Access.access()) {
			continue
		}
		if err := d.unpack(); err != nil {
			return nil, err
		}
		if !open || g.holds(d, d.unpacked) {
			out = append(out, d)
		}
	}
	return out, nil
}

func (d *versionDoc) unpack() (err error) {
	d.unpacked, err = unpackEntries(d.Entries)
	return err
}

// today gives versions that have been closed the access that their keys have
// now.
func (s *Store) today(ctx context.Context, rows []*versionDoc) error {
	closed := map[store.Key][]*versionDoc{}
	var terms []string
	for _, d := range rows {
		if d.To == open {
			continue
		}
		if len(closed[d.key()]) == 0 {
			terms = append(terms, idTerm(d.key()), goneTerm(d.key()))
		}
		closed[d.key()] = append(closed[d.key()], d)
	}
	if len(closed) == 0 {
		return nil
	}
	now, err := s.read(ctx, mongo.Pipeline{
		stage("$match", bson.D{{Key: "sp", Value: in(terms)}, {Key: "to", Value: int64(open)}}),
		stage("$project", bson.D{{Key: "type", Value: 1}, {Key: "id", Value: 1}, {Key: "access", Value: 1}}),
	})
	if err != nil {
		return err
	}
	for _, d := range now {
		for _, old := range closed[d.key()] {
			old.Access = d.Access
		}
		delete(closed, d.key())
	}
	return s.todayAlone(ctx, closed)
}

// todayAlone looks up keys that were being written just now.
func (s *Store) todayAlone(ctx context.Context, closed map[store.Key][]*versionDoc) error {
	for k, olds := range closed {
		d, err := s.current(ctx, k)
		if err != nil {
			return err
		}
		for _, old := range olds {
			old.Access = d.Access
		}
	}
	return nil
}

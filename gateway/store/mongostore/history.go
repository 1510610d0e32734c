package mongostore

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// maxHistory is how many versions one page of a history of types may look at.
const maxHistory = 2000

// History returns the versions of a key, or of all keys of some types, newest
// first.
func (s *Store) History(ctx context.Context, q store.HistoryQuery) (store.Page, error) {
	if len(q.Types) > 0 {
		return s.historyOfTypes(ctx, q)
	}
	now, err := s.visible(ctx, q.View, q.Key)
	if err != nil {
		return store.Page{}, err
	}
	page := store.Page{Snapshot: now.From, Total: -1}
	want, before := pageSize(q.Limit)+1, q.Before
	var found []*versionDoc
	for n := want; ; n = min(4*n, maxHistory) {
		rows, err := s.read(ctx, mongo.Pipeline{
			stage("$match", allOf(versionsOf(q.Key, before), timesOf(&q))),
			stage("$sort", bson.D{{Key: "_id", Value: -1}}),
			stage("$limit", n),
			stage("$project", append(withoutEntries(), bson.E{Key: "body", Value: 0})),
		})
		if err != nil {
			return store.Page{}, err
		}
		isLast := len(rows) < n
		if !isLast {
			before = rows[n-1].Number
		}
		if rows, err = s.currentThen(ctx, &q, rows); err != nil {
			return store.Page{}, err
		}
		if found = append(found, rows...); len(found) >= want || isLast {
			break
		}
	}
	for _, d := range found {
		d.Access = now.Access
	}
	return s.historyPage(ctx, page, found, want, nil)
}

// historyPage makes a page of the versions found. On is where to go on when
// they are not all.
func (s *Store) historyPage(ctx context.Context, page store.Page, found []*versionDoc, want int, on *store.Position) (store.Page, error) {
	if len(found) >= want {
		found = found[:want-1]
		last := found[want-2]
		on = &store.Position{Seq: last.From, Type: last.Type, ID: last.Logical, Number: last.Number}
	}
	page.More, page.Next = on != nil, on
	if err := s.addBodies(ctx, found); err != nil {
		return store.Page{}, err
	}
	for _, d := range found {
		page.Versions = append(page.Versions, d.version())
	}
	return page, nil
}

// timesOf is what the database can say of the times asked for.
func timesOf(q *store.HistoryQuery) bson.D {
	at := anywhere()
	if !q.Since.IsZero() {
		at.from = roundedUp(q.Since)
	}
	if !q.AtTo.IsZero() {
		at.to = q.AtTo.UnixMilli()
	}
	return at.of("updated")
}

// roundedUp returns the first millisecond that is not before t.
func roundedUp(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// currentThen keeps the versions that were not yet replaced at AtFrom: whose
// next version, if there is one, is later.
func (s *Store) currentThen(ctx context.Context, q *store.HistoryQuery, rows []*versionDoc) ([]*versionDoc, error) {
	if q.AtFrom.IsZero() {
		return rows, nil
	}
	var nexts []string
	for _, d := range rows {
		if d.To != open {
			nexts = append(nexts, versionID(d.key(), d.Number+1))
		}
	}
	ended := map[string]bool{}
	err := each(ctx, s.versions, nexts, []string{"updated"}, func(d *versionDoc) {
		ended[d.ID] = !time.UnixMilli(d.Updated).After(q.AtFrom)
	})
	if err != nil {
		return nil, unavailable(ctx, "reading the history", err)
	}
	return slices.DeleteFunc(rows, func(d *versionDoc) bool { return ended[versionID(d.key(), d.Number+1)] }), nil
}

// historyOfTypes walks down what the view's parties may see of the types, until
// the page is full or it has looked at maxHistory versions.
func (s *Store) historyOfTypes(ctx context.Context, q store.HistoryQuery) (store.Page, error) {
	seq, err := s.seq(ctx)
	if err != nil {
		return store.Page{}, err
	}
	page := store.Page{Snapshot: seq, Total: -1}
	terms := pastAndPresent(q.View, q.Types)
	if terms == nil {
		return page, nil
	}
	way := byAny(terms)
	inTime, err := s.fewInTime(ctx, way, &q)
	if err != nil {
		return page, err
	}
	want, after, seen := pageSize(q.Limit)+1, q.After, 0
	var found []*versionDoc
	for n := want; seen < maxHistory; n = min(4*n, maxHistory) {
		rows, err := s.read(ctx, historyChunk(allOf(way, inTime), after, n))
		if err != nil {
			return page, err
		}
		if len(rows) > 0 {
			last := rows[len(rows)-1]
			after = &store.Position{Seq: last.From, Type: last.Type, ID: last.Logical, Number: last.Number}
		}
		isLast := len(rows) < n
		seen += len(rows)
		if rows, err = s.shown(ctx, &q, rows); err != nil {
			return page, err
		}
		if found = append(found, rows...); len(found) >= want || isLast {
			return s.historyPage(ctx, page, found, want, nil)
		}
	}
	return s.historyPage(ctx, page, found, want, after)
}

// pastAndPresent returns the viewers of every version of the types that the
// view's parties could see when it was current; nil when there is no type.
func pastAndPresent(v auth.View, types []string) []string {
	var terms []string
	for _, t := range types {
		if !v.SeesType(t) {
			continue
		}
		for _, viewer := range viewerTerms(v, t) {
			terms = appendNew(appendNew(terms, viewer), viewer+pastMark)
		}
	}
	return terms
}

func byAny(viewers []string) bson.D { return bson.D{{Key: "viewers", Value: in(viewers)}} }

// fewInTime returns the times asked for when the database finds few versions by
// them: few enough to be put in order every time. Else they are compared as the
// walk goes.
func (s *Store) fewInTime(ctx context.Context, way bson.D, q *store.HistoryQuery) (bson.D, error) {
	times := timesOf(q)
	if times == nil {
		return nil, nil
	}
	x := search{s: s}
	n, err := x.count(ctx, allOf(way, times), maxExamined+1)
	if err != nil || n > maxExamined {
		return nil, err
	}
	return times, nil
}

func historyChunk(way bson.D, after *store.Position, n int) mongo.Pipeline {
	if after != nil {
		way = allOf(way, bson.D{{Key: "from", Value: bson.D{{Key: "$lte", Value: after.Seq}}}}, beyond(after))
	}
	return mongo.Pipeline{
		stage("$match", way),
		stage("$sort", bson.D{{Key: "from", Value: -1}, {Key: "id", Value: 1}, {Key: "type", Value: 1}}),
		stage("$limit", n),
		stage("$project", append(withoutEntries(), bson.E{Key: "body", Value: 0})),
	}
}

// shown keeps the versions that the view sees today, of the times asked for.
func (s *Store) shown(ctx context.Context, q *store.HistoryQuery, rows []*versionDoc) ([]*versionDoc, error) {
	rows = slices.DeleteFunc(rows, func(d *versionDoc) bool {
		at := time.UnixMilli(d.Updated)
		return !q.Since.IsZero() && at.Before(q.Since) || !q.AtTo.IsZero() && at.After(q.AtTo)
	})
	if err := s.today(ctx, rows); err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(d *versionDoc) bool { return !q.View.Sees(d.Type, d.Access.access()) })
	return s.currentThen(ctx, q, rows)
}

package mongostore

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/gateway/store"
)

// A scan is one page of a walk over everything, from the newest commit of the
// snapshot down. It reads commit numbers in windows that grow and shrink to hold
// about a page, so that no server has to put more than that in order.
//
// Versions are found by the parties that saw them when they were current. When
// the walk is at its end, keys that have been written since the snapshot are
// looked at once more, for those that the view has come to see only since.
type scan struct {
	s     *Store
	q     store.ScanQuery
	limit int
	terms []string // the viewers looked for
	few   bson.D   // the times asked for, when few versions meet them
	at    scanPosition
	out   []*versionDoc
}

// A scanPosition is how far a scan has come.
type scanPosition struct {
	snapshot int64
	late     bool  // the second look
	upTo     int64 // the second look's own snapshot
	window   int64 // how many commit numbers are read at once
	after    *store.Position
}

// firstWindow is how many commit numbers a scan begins with.
const firstWindow = 16

// Scan returns versions current at the snapshot, of any age.
func (s *Store) Scan(ctx context.Context, q store.ScanQuery) (store.ScanPage, error) {
	seq, err := s.seq(ctx)
	if err != nil {
		return store.ScanPage{}, err
	}
	x := &scan{s: s, q: q, limit: pageSize(q.Limit), terms: pastAndPresent(q.View, q.Types), at: parseScan(q.After)}
	if x.at.snapshot = cmp.Or(q.Snapshot, x.at.snapshot, seq); x.at.snapshot > seq {
		return store.ScanPage{}, store.ErrExpired
	}
	page := store.ScanPage{Snapshot: x.at.snapshot}
	if len(x.terms) == 0 {
		return page, nil
	}
	if err := x.lookAtTimes(ctx); err != nil {
		return page, err
	}
	more, err := x.fill(ctx, seq)
	if err != nil {
		return page, err
	}
	if more {
		page.Next = x.at.String()
	}
	for _, d := range x.out {
		page.Versions = append(page.Versions, d.version())
	}
	return page, nil
}

// lookAtTimes finds out whether few versions are of the times asked for.
func (x *scan) lookAtTimes(ctx context.Context) error {
	if x.q.Since.IsZero() {
		return nil
	}
	times := anywhere().above(x.q.Since.UnixMilli()).of("updated")
	n, err := (&search{s: x.s}).count(ctx, allOf(x.way(), times), maxExamined+1)
	if err == nil && n <= maxExamined {
		x.few, x.at.window = times, x.at.snapshot+1
	}
	return err
}

func (x *scan) way() bson.D { return byAny(x.terms) }

// fill reads windows until the page is full, and reports whether there is more.
func (x *scan) fill(ctx context.Context, seq int64) (bool, error) {
	for seen := 0; seen < maxExamined; {
		lower, upper := x.bounds()
		floor := max(lower, upper-x.at.window)
		rows, err := x.window(ctx, floor, upper)
		if err != nil {
			return false, err
		}
		cut := len(rows) > x.limit
		rows, seen = rows[:min(len(rows), x.limit)], seen+len(rows)
		if full, err := x.take(ctx, rows); full || err != nil {
			return true, err
		}
		switch {
		case cut:
			x.at.window = max(1, x.at.window/2)
		case floor > lower:
			if len(rows) < x.limit/4 {
				x.at.window *= 4
			}
			x.at.after = &store.Position{Seq: floor}
		case x.at.late || x.q.View.All() || seq == x.at.snapshot:
			return false, nil
		default:
			x.at = scanPosition{snapshot: x.at.snapshot, late: true, window: firstWindow, upTo: seq}
		}
		if len(x.out) == x.limit {
			return true, nil
		}
	}
	return true, nil
}

// bounds returns the commit numbers between which the present look lies: all
// that it reads are above lower, and at most upper.
func (x *scan) bounds() (lower, upper int64) {
	if upper = x.at.snapshot; x.at.late {
		lower, upper = x.at.snapshot, x.at.upTo
	}
	if x.at.after != nil {
		upper = x.at.after.Seq
	}
	return lower, upper
}

// window reads what lies above floor, one more than the page has room for.
func (x *scan) window(ctx context.Context, floor, upper int64) ([]*versionDoc, error) {
	snapshot, few := x.at.snapshot, x.few
	if x.at.late {
		snapshot, few = x.at.upTo, nil
	}
	return x.s.read(ctx, mongo.Pipeline{
		stage("$match", allOf(x.way(),
			bson.D{{Key: "from", Value: bson.D{{Key: "$gt", Value: floor}, {Key: "$lte", Value: upper}}}},
			bson.D{{Key: "to", Value: bson.D{{Key: "$gt", Value: snapshot}}}},
			beyond(x.at.after), few)),
		stage("$sort", bson.D{{Key: "from", Value: -1}, {Key: "id", Value: 1}, {Key: "type", Value: 1}}),
		stage("$limit", x.limit+1),
		stage("$project", withoutEntries()),
	})
}

// take puts what is asked for of the rows on the page; full reports that there
// was no room for all of them.
func (x *scan) take(ctx context.Context, rows []*versionDoc) (full bool, err error) {
	if err := x.s.today(ctx, rows); err != nil {
		return false, err
	}
	for _, d := range rows {
		if len(x.out) == x.limit {
			return true, nil
		}
		x.at.after = &store.Position{Seq: d.From, Type: d.Type, ID: d.Logical}
		if !x.q.View.Sees(d.Type, d.Access.access()) {
			continue
		}
		if x.at.late {
			if d, err = x.earlier(ctx, d); err != nil {
				return false, err
			}
		}
		if d != nil && x.asked(d) {
			x.out = append(x.out, d)
		}
	}
	return false, nil
}

func (x *scan) asked(d *versionDoc) bool {
	return (x.q.Deleted || !d.Deleted) && (x.q.Since.IsZero() || d.Updated > x.q.Since.UnixMilli())
}

// earlier returns the version of the key at the snapshot, under its access of
// today; nil when there is none or the first look has found it.
func (x *scan) earlier(ctx context.Context, now *versionDoc) (*versionDoc, error) {
	rows, err := x.s.read(ctx, mongo.Pipeline{stage("$match", allOf(versionsOf(now.key(), now.Number), bson.D{
		{Key: "from", Value: bson.D{{Key: "$lte", Value: x.at.snapshot}}}, {Key: "to", Value: bson.D{{Key: "$gt", Value: x.at.snapshot}}}}))})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	d := rows[0]
	for _, v := range d.Viewers {
		if slices.Contains(x.terms, v) {
			return nil, nil
		}
	}
	d.Access = now.Access
	return d, nil
}

// String writes the position for [parseScan].
func (p *scanPosition) String() string {
	look := "early"
	if p.late {
		look = "late"
	}
	s := fmt.Sprintf("%s|%d|%d|%d", look, p.snapshot, p.upTo, p.window)
	if a := p.after; a != nil {
		s += fmt.Sprintf("|%d|%s|%s", a.Seq, url.QueryEscape(a.Type), url.QueryEscape(a.ID))
	}
	return s
}

// parseScan reads a position; what is none begins anew.
func parseScan(s string) scanPosition {
	first := scanPosition{window: firstWindow}
	parts := strings.Split(s, "|")
	if len(parts) != 4 && len(parts) != 7 {
		return first
	}
	var numbers [4]int64
	for i, at := range []int{1, 2, 3, 4} {
		if at == len(parts) {
			break
		}
		n, err := strconv.ParseInt(parts[at], 10, 64)
		if err != nil {
			return first
		}
		numbers[i] = n
	}
	p := scanPosition{late: parts[0] == "late", snapshot: numbers[0], upTo: numbers[1], window: max(1, numbers[2])}
	if len(parts) == 7 {
		typ, err1 := url.QueryUnescape(parts[5])
		id, err2 := url.QueryUnescape(parts[6])
		if err1 != nil || err2 != nil {
			return first
		}
		p.after = &store.Position{Seq: numbers[3], Type: typ, ID: id}
	}
	return p
}

package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// An indexer gives the entries of a document.
type indexer func(typ string, body []byte) ([]store.Index, error)

// A place is a version in the order of a reindexing: by commit, then by id. So
// it comes to what is written meanwhile as well.
type place struct {
	from int64
	id   string
}

func (p place) String() string { return strconv.FormatInt(p.from, 10) + "/" + p.id }

// parsePlace reads a place; what is none is the beginning.
func parsePlace(s string) place {
	from, id, _ := strings.Cut(s, "/")
	n, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return place{}
	}
	return place{n, id}
}

// Reindex computes the entries of current versions anew, in the order of their
// commits. Each is replaced by itself and only while it is current, so that a
// commit is never undone and a search sees old entries or new ones.
func (s *Store) Reindex(ctx context.Context, after string, n int, index func(typ string, body []byte) ([]store.Index, error)) (string, int, error) {
	last, err := s.seq(ctx)
	if err != nil {
		return after, 0, err
	}
	r := &reindexing{s: s, index: index, at: parsePlace(after)}
	n = max(n, 1)
	for size := int64(n); r.looked < n; size *= 4 {
		upTo := min(r.at.from+size, last)
		found, err := r.page(ctx, upTo, n-r.looked)
		if err == nil {
			err = r.flush(ctx)
		}
		if err != nil {
			return r.at.String(), r.looked, err
		}
		if r.looked == n && found > 0 {
			break
		}
		if r.at = (place{from: upTo, id: endOfText}); upTo == last {
			return "", r.looked, nil
		}
		if found > 0 {
			break
		}
	}
	return r.at.String(), r.looked, nil
}

type reindexing struct {
	s      *Store
	index  indexer
	at     place // the last version that was dealt with
	looked int
	models []mongo.WriteModel
}

// page deals with at most n versions after the place, as far as upTo.
func (r *reindexing) page(ctx context.Context, upTo int64, n int) (found int, err error) {
	cur, err := r.s.versions.Find(ctx, bson.D{
		{Key: "from", Value: bson.D{{Key: "$gte", Value: r.at.from}, {Key: "$lte", Value: upTo}}},
		{Key: "to", Value: int64(open)}, {Key: "deleted", Value: false},
		{Key: "$or", Value: bson.A{
			bson.D{{Key: "from", Value: bson.D{{Key: "$gt", Value: r.at.from}}}},
			bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: r.at.id}}}},
		}},
	}, options.Find().SetSort(bson.D{{Key: "from", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(n)).SetAllowDiskUse(true))
	return drain(ctx, cur, err, func(some []*versionDoc) error {
		for _, d := range some {
			if err := r.one(d); err != nil {
				// Those before it are done with, and it is not.
				return errors.Join(err, r.flush(ctx))
			}
		}
		return r.flush(ctx)
	})
}

func (r *reindexing) one(d *versionDoc) error {
	entries, err := r.index(d.Type, d.Body)
	if err != nil {
		return err
	}
	again := &versionDoc{Type: d.Type, Logical: d.Logical, Access: d.Access}
	again.index(entries)
	if again.size()+len(d.Body) > maxDocument {
		return store.ErrTooLarge
	}
	if !sameIndexes(d, again) {
		r.models = append(r.models, mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: d.ID}, {Key: "to", Value: int64(open)}}).
			SetUpdate(again.indexUpdate()))
	}
	r.at, r.looked = place{d.From, d.ID}, r.looked+1
	return nil
}

// indexUpdate replaces everything that a version is found by.
func (d *versionDoc) indexUpdate() bson.D {
	set, unset := bson.D{{Key: "viewers", Value: d.Viewers}, {Key: "sp", Value: d.Terms}, {Key: "entries", Value: d.Entries}}, bson.D{}
	put := func(field string, there bool, value any) {
		if there {
			set = append(set, bson.E{Key: field, Value: value})
		} else {
			unset = append(unset, bson.E{Key: field, Value: ""})
		}
	}
	put("exact", len(d.Exact) > 0, d.Exact)
	put("dates", len(d.Dates) > 0, d.Dates)
	update := bson.D{{Key: "$set", Value: set}}
	if len(unset) > 0 {
		update = append(update, bson.E{Key: "$unset", Value: unset})
	}
	return update
}

func (r *reindexing) flush(ctx context.Context) error {
	if len(r.models) == 0 {
		return nil
	}
	err := retryPlain(ctx, func() error {
		_, err := r.s.versions.BulkWrite(ctx, r.models, options.BulkWrite().SetOrdered(false))
		return err
	})
	if err != nil {
		return unavailable(ctx, "writing index entries", err)
	}
	r.models = nil
	return nil
}

// sameIndexes reports whether two versions are found by the same, in whatever
// order it lies there.
func sameIndexes(a, b *versionDoc) bool {
	return sameStrings(a.Viewers, b.Viewers) && sameStrings(a.Terms, b.Terms) && sameStrings(a.Exact, b.Exact) &&
		sameRanges(a.Dates, b.Dates) && sameEntries(a.Entries, b.Entries)
}

func sameStrings(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func sameRanges(a, b []rangeDoc) bool {
	by := func(x, y rangeDoc) int {
		return cmp.Or(cmp.Compare(x.Param, y.Param), cmp.Compare(x.Low, y.Low), cmp.Compare(x.High, y.High))
	}
	return slices.Equal(slices.SortedFunc(slices.Values(a), by), slices.SortedFunc(slices.Values(b), by))
}

func sameEntries(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err1 := unpackEntries(a)
	y, err2 := unpackEntries(b)
	if err1 != nil || err2 != nil || len(x) != len(y) {
		return false
	}
	slices.SortFunc(x, compareEntries)
	slices.SortFunc(y, compareEntries)
	return slices.Equal(x, y)
}

func compareEntries(a, b store.Index) int {
	return cmp.Or(cmp.Compare(a.Param, b.Param), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.System, b.System), cmp.Compare(a.Value, b.Value),
		cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High), cmp.Compare(a.Group, b.Group))
}

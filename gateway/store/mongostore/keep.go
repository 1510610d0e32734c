package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Count returns how many current versions there are: exactly while they are
// few, else by the share that a sample of all versions has.
func (s *Store) Count(ctx context.Context) (int, error) {
	current := bson.D{{Key: "to", Value: int64(open)}}
	n, err := s.versions.CountDocuments(ctx, current, options.Count().SetLimit(maxExamined))
	if err != nil {
		return 0, unavailable(ctx, "counting", err)
	}
	if n < maxExamined {
		return int(n), nil
	}
	all, err := s.versions.EstimatedDocumentCount(ctx)
	if err != nil {
		return 0, unavailable(ctx, "counting", err)
	}
	const sample = 1000
	rows, err := s.read(ctx, mongo.Pipeline{
		stage("$sample", bson.D{{Key: "size", Value: sample}}), stage("$project", bson.D{{Key: "to", Value: 1}})})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	found := 0
	for _, d := range rows {
		if d.To == open {
			found++
		}
	}
	return max(int(n), int(all)*found/len(rows)), nil
}

// Schema returns the layout of the database and the newest that is known.
func (s *Store) Schema(ctx context.Context) (has, newest int, err error) {
	has, err = s.schema(ctx)
	return has, newestSchema, err
}

// windows calls read for one range of commit numbers after the other, above the
// first and up to the second, until last is reached. They grow and shrink so
// that each holds some hundred documents: no server has to put more than that
// in order, whether or not its indexes keep one.
func windows(last int64, read func(above, upTo int64) (docs int, err error)) error {
	const few, many = 250, 1000
	size := int64(firstWindow)
	for above := int64(-1); above < last; {
		upTo := min(above+size, last)
		n, err := read(above, upTo)
		if err != nil {
			return err
		}
		switch {
		case n < few:
			size = min(4*size, last+1)
		case n > many:
			size = max(1, size/2)
		}
		above = upTo
	}
	return nil
}

func between(field string, above, upTo int64) bson.D {
	return bson.D{{Key: field, Value: bson.D{{Key: "$gt", Value: above}, {Key: "$lte", Value: upTo}}}}
}

// inOrder sorts by the fields.
func inOrder(fields ...string) *options.FindOptionsBuilder {
	sort := bson.D{}
	for _, f := range fields {
		sort = append(sort, bson.E{Key: f, Value: 1})
	}
	return options.Find().SetSort(sort)
}

// How much of a cursor is held at once.
const (
	chunkDocs  = 200
	chunkBytes = 8 << 20
)

// drain hands what the cursor yields to do, some at a time, and closes it. It
// returns how many documents there were. An error of do is returned as it is.
func drain[T any](ctx context.Context, cur *mongo.Cursor, err error, do func([]*T) error) (n int, _ error) {
	if err != nil {
		return 0, unavailable(ctx, "reading everything", err)
	}
	defer release(ctx, cur)
	var some []*T
	bytes := 0
	for cur.Next(ctx) {
		d := new(T)
		if err := cur.Decode(d); err != nil {
			return n, unavailable(ctx, "reading everything", err)
		}
		some, bytes, n = append(some, d), bytes+len(cur.Current), n+1
		if len(some) < chunkDocs && bytes < chunkBytes {
			continue
		}
		if err := do(some); err != nil {
			return n, err
		}
		some, bytes = nil, 0
	}
	if err := cur.Err(); err != nil {
		return n, unavailable(ctx, "reading everything", err)
	}
	if len(some) > 0 {
		return n, do(some)
	}
	return n, nil
}

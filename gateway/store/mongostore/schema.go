package mongostore

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// The layouts of the database. Each change to what lies there has its number:
//
//	1  the first one, which noted no number
//	2  entries beside each version, ranges by party and kind, viewers of the
//	   past, indexes that part pages by type as well
const (
	firstSchema  = 1
	newestSchema = 2
	schemaNote   = "schema"
)

// schema returns the number of the database's layout; 0 when it is empty.
func (s *Store) schema(ctx context.Context) (int, error) {
	n, err := s.position(ctx, schemaNote)
	if err != nil || n > 0 {
		return int(n), err
	}
	seq, err := s.position(ctx, "seq")
	if err != nil || seq == 0 {
		return 0, err
	}
	return firstSchema, nil
}

// admit refuses a database that a newer program has laid out.
func (s *Store) admit(ctx context.Context) (has int, err error) {
	if has, err = s.schema(ctx); err == nil && has > newestSchema {
		err = fmt.Errorf("the database has layout %d and this program knows layouts up to %d; start a newer release of trellis", has, newestSchema)
	}
	return has, err
}

// upgrade brings a database of an older layout up to date. It may be cut short
// and run again. Gateways of the older release must have been stopped.
func (s *Store) upgrade(ctx context.Context, has int) error {
	if has == firstSchema {
		if err := s.upgradeVersions(ctx); err != nil {
			return unavailable(ctx, "bringing the database up to date", err)
		}
		if err := s.upgradeBlobs(ctx); err != nil {
			return unavailable(ctx, "bringing the database up to date", err)
		}
		for _, name := range []string{"viewers_newest", "sp_newest"} {
			const indexNotFound = 27
			if err := s.versions.Indexes().DropOne(ctx, name); err != nil && !hasCode(err, indexNotFound) {
				return unavailable(ctx, "removing an index", err)
			}
		}
	}
	if has < newestSchema {
		return s.advance(ctx, schemaNote, newestSchema)
	}
	return nil
}

// upgradeVersions gives every version of the first layout what it is found by
// in the second. What the first one did not note (silent entries, groups, texts
// as they were written) is missing until the entries are computed anew.
func (s *Store) upgradeVersions(ctx context.Context) error {
	cur, err := s.versions.Find(ctx, bson.D{{Key: "entries", Value: bson.D{{Key: "$exists", Value: false}}}},
		options.Find().SetProjection(bson.D{{Key: "body", Value: 0}}))
	if err != nil {
		return err
	}
	defer release(ctx, cur)
	var models []mongo.WriteModel
	for cur.Next(ctx) {
		d := new(versionDoc)
		if err := cur.Decode(d); err != nil {
			return err
		}
		if set := d.upgraded(); set != nil {
			models = append(models, mongo.NewUpdateOneModel().
				SetFilter(bson.D{{Key: "_id", Value: d.ID}, {Key: "to", Value: d.To}}).
				SetUpdate(bson.D{{Key: "$set", Value: set}}))
		}
		if len(models) == maxGroupDocs {
			if err := write(ctx, s.versions, models); err != nil {
				return err
			}
			models = nil
		}
	}
	if err := cur.Err(); err != nil {
		return err
	}
	return write(ctx, s.versions, models)
}

// upgraded returns what a version of the first layout lacks; nil for nothing.
func (d *versionDoc) upgraded() bson.D {
	if len(d.Terms) > 0 && !d.Deleted { // it is searched for
		entries := d.guessEntries()
		again := versionDoc{Type: d.Type, Logical: d.Logical, Access: d.Access}
		again.index(entries)
		return bson.D{{Key: "dates", Value: again.Dates}, {Key: "entries", Value: packEntries(entries)}}
	}
	if len(d.Viewers) > 0 {
		return nil
	}
	past := versionDoc{Type: d.Type, Logical: d.Logical, Access: d.Access, Deleted: true}
	past.index(nil)
	set := bson.D{{Key: "viewers", Value: past.Viewers}}
	if d.Deleted && d.To == open {
		set = append(set, bson.E{Key: "sp", Value: past.Terms})
	}
	return set
}

// guessEntries makes index entries of what the first layout kept of them. Of a
// date it did not keep whether it was common: the date is entered as both.
func (d *versionDoc) guessEntries() []store.Index {
	var out []store.Index
	for _, e := range d.Exact {
		if p := strings.SplitN(e, "|", 3); len(p) == 3 {
			out = append(out, store.Index{Param: unescape(p[0]), Kind: store.Token, System: unescape(p[1]), Value: p[2]})
		}
	}
	for _, t := range d.Terms {
		p := strings.SplitN(t, "|", 5)
		if len(p) != 5 || p[0] != "" && p[0] != everyone {
			continue
		}
		e := store.Index{Param: unescape(p[2]), Value: p[4], Common: p[0] == everyone}
		switch p[3] {
		case kindName(store.Reference):
			e.Kind = store.Reference
		case kindName(store.Text):
			e.Kind, e.System = store.Text, e.Value
		case kindName(store.URI):
			e.Kind = store.URI
		default:
			continue
		}
		out = append(out, e)
	}
	for _, r := range d.Dates {
		if typ, param, ok := strings.Cut(r.Param, "|"); ok && typ == escape(d.Type) {
			e := store.Index{Param: unescape(param), Kind: store.Date, Low: r.Low, High: r.High}
			out = append(out, e)
			e.Common = true
			out = append(out, e)
		}
	}
	return out
}

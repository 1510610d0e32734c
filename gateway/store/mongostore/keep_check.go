package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/gateway/store"
)

// Check looks for what the database cannot see itself: an index that is not
// there, versions that do not follow one another, entries that are not those of
// their content, gaps in the audit log, originals whose bytes have changed. Each
// kind of fault is reported once, with the type and how often it was found. It
// may run beside commits, and sees what was committed when it began.
func (s *Store) Check(ctx context.Context, index func(typ string, body []byte) ([]store.Index, error), report func(fault string)) error {
	seq, err := s.seq(ctx)
	if err != nil {
		return err
	}
	c := &checking{s: s, index: index, seq: seq, found: map[string]int{}}
	for _, step := range []func(context.Context) error{c.indexes, c.versions, c.log, c.blobs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, fault := range c.order {
		report(fmt.Sprintf("%s (%d)", fault, c.found[fault]))
	}
	return nil
}

type checking struct {
	s     *Store
	index indexer
	seq   int64
	found map[string]int
	order []string
}

func (c *checking) fault(format string, args ...any) {
	fault := fmt.Sprintf(format, args...)
	if c.found[fault]++; c.found[fault] == 1 {
		c.order = append(c.order, fault)
	}
}

// indexes looks for those that Open creates.
func (c *checking) indexes(ctx context.Context) error {
	for _, group := range groupByCollection(c.s.indexes()) {
		there, err := group[0].coll.Indexes().ListSpecifications(ctx)
		if err != nil {
			return unavailable(ctx, "listing indexes", err)
		}
		names := map[string]bool{}
		for _, spec := range there {
			names[spec.Name] = true
		}
		for _, ix := range group {
			if !names[ix.name] {
				c.fault("index %s of %s is not there", ix.name, ix.coll.Name())
			}
		}
	}
	return nil
}

func (c *checking) versions(ctx context.Context) error {
	err := windows(c.seq, func(above, upTo int64) (int, error) {
		cur, err := c.s.versions.Find(ctx, between("from", above, upTo), inOrder("from"))
		return drain(ctx, cur, err, func(some []*versionDoc) error { return c.some(ctx, some) })
	})
	if err != nil {
		return err
	}
	return c.beyond(ctx)
}

// beyond looks for versions of a commit that has not been. What a commit writes
// is there together with its number, so the number is read last.
func (c *checking) beyond(ctx context.Context) error {
	rows, err := c.s.read(ctx, mongo.Pipeline{
		stage("$match", bson.D{{Key: "from", Value: bson.D{{Key: "$gt", Value: c.seq}}}}),
		stage("$sort", bson.D{{Key: "from", Value: -1}}), stage("$limit", 1), stage("$project", bson.D{{Key: "from", Value: 1}}),
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	now, err := c.s.seq(ctx)
	if err == nil && rows[0].From > now {
		c.fault("versions of a commit that has not been, as of a load that was not ended")
	}
	return err
}

// some checks versions by themselves and with their neighbours.
func (c *checking) some(ctx context.Context, rows []*versionDoc) error {
	var ids []string
	for _, d := range rows {
		ids = append(ids, versionID(d.key(), d.Number-1), versionID(d.key(), d.Number+1))
	}
	have := map[string]*versionDoc{}
	if err := each(ctx, c.s.versions, ids, []string{"from", "to"}, func(d *versionDoc) { have[d.ID] = d }); err != nil {
		return unavailable(ctx, "checking versions", err)
	}
	for _, d := range rows {
		c.chain(d, have)
		c.alone(d)
	}
	return nil
}

// chain checks that a version begins where the one before it ends, and ends
// where the next begins.
func (c *checking) chain(d *versionDoc, have map[string]*versionDoc) {
	before, next := have[versionID(d.key(), d.Number-1)], have[versionID(d.key(), d.Number+1)]
	switch {
	case d.ID != versionID(d.key(), d.Number):
		c.fault("%s: version under another's name", d.Type)
	case d.Number > 1 && before == nil:
		c.fault("%s: version without the one before it", d.Type)
	case d.Number > 1 && before.To != d.From:
		c.fault("%s: version that does not begin where the one before it ends", d.Type)
	case d.To <= c.seq && next == nil:
		c.fault("%s: closed version without a next one", d.Type)
	case d.To <= c.seq && next.From != d.To, d.To > c.seq && next != nil && next.From <= c.seq:
		c.fault("%s: version that does not end where the next begins", d.Type)
	}
}

// alone checks what a version says of itself.
func (c *checking) alone(d *versionDoc) {
	switch {
	case d.Deleted && len(d.Body) > 0:
		c.fault("%s: deletion with a content", d.Type)
	case !d.Deleted && len(d.Body) == 0:
		c.fault("%s: version without its content", d.Type)
	case len(d.Viewers) == 0:
		c.fault("%s: version that no history finds", d.Type)
	case d.To == open:
		c.entries(d)
	}
}

func (c *checking) entries(d *versionDoc) {
	var entries []store.Index
	if !d.Deleted {
		var err error
		if entries, err = c.index(d.Type, d.Body); err != nil {
			c.fault("%s: content that cannot be indexed", d.Type)
			return
		}
	}
	again := &versionDoc{Type: d.Type, Logical: d.Logical, Access: d.Access, Deleted: d.Deleted}
	again.index(entries)
	if !sameIndexes(d, again) {
		c.fault("%s: index entries that differ from those of the content; run a reindex", d.Type)
	}
}

// log checks that the audit records of each commit are numbered without a gap,
// and that those behind the index's position are in it.
func (c *checking) log(ctx context.Context) error {
	indexed, err := c.s.position(ctx, "auditindex")
	if err != nil {
		return err
	}
	seq, next := int64(0), 0
	return windows(c.seq, func(above, upTo int64) (int, error) {
		var wanted []string
		n, err := c.s.readLog(ctx, above, upTo, func(d *logDoc) error {
			if d.Seq != seq {
				seq, next = d.Seq, 0
			}
			if d.First != next {
				c.fault("audit log: commit with records missing")
			}
			next = d.First + len(d.Audit)
			if len(d.Audit) > 0 && d.Seq <= indexed {
				wanted = append(wanted, d.ID)
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		return n, c.indexed(ctx, wanted)
	})
}

func (c *checking) indexed(ctx context.Context, wanted []string) error {
	for ids := range slices.Chunk(wanted, maxGroupDocs) {
		n := 0
		if err := each(ctx, c.s.auditIndex, ids, []string{"_id"}, func(*auditIndexDoc) { n++ }); err != nil {
			return unavailable(ctx, "checking the audit index", err)
		}
		if n < len(ids) {
			c.fault("audit log: records that a search does not find")
		}
	}
	return nil
}

// blobs reads every original and compares it with its hash.
func (c *checking) blobs(ctx context.Context) error {
	cur, err := c.s.blobs.Find(ctx, upTo(c.seq))
	_, err = drain(ctx, cur, err, func(some []*blobDoc) error {
		for _, d := range some {
			if _, err := c.s.original(ctx, d); errors.Is(err, errDamaged) {
				c.fault("originals: bytes that are not those of their hash")
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

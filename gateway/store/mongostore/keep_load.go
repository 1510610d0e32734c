package mongostore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// Load puts records into a store that has none but those of the same dump, in
// one transaction; the bytes of large originals go before it, as with a commit.
func (s *Store) Load(ctx context.Context, records []store.Record) error {
	l := &loading{s: s}
	for i := range records {
		if err := l.add(&records[i]); err != nil {
			return err
		}
	}
	if err := l.upload(ctx); err != nil {
		return err
	}
	t := transactor{s: s}
	defer t.end()
	for n := 0; ; n++ {
		// A transaction whose outcome is not known is run again: it finds its
		// records there, or not.
		err := t.within(ctx, l.write)
		if err == nil {
			s.askForIndex()
			return nil
		}
		if differs, ok := errors.AsType[*store.Conflict](err); ok {
			return differs
		}
		if n == keepTries || !t.again(err) || !pause(ctx, n) {
			return unavailable(ctx, "loading", err)
		}
	}
}

// A loading is one call of Load.
type loading struct {
	s        *Store
	mark     *store.Mark
	versions []*versionDoc
	audit    []*audit.Record
	docs     []*docDoc
	claims   []*claimDoc
	events   []*eventDoc
	blobs    []*blobDoc
	large    []upload
}

func (l *loading) add(r *store.Record) error {
	switch {
	case r.Mark != nil:
		l.mark = r.Mark
	case r.Version != nil:
		d := loadedVersion(r.Version)
		if d.size() > maxDocument {
			return store.ErrTooLarge
		}
		l.versions = append(l.versions, d)
	case r.Audit != nil:
		l.audit = append(l.audit, r.Audit)
	case r.Doc != nil:
		d := r.Doc
		l.docs = append(l.docs, &docDoc{ID: docID(d.Kind, d.ID), Kind: d.Kind, Name: d.ID, Version: d.Version, Body: d.Body})
	case r.Claim != nil:
		l.claims = append(l.claims, newClaimDoc(r.Claim, 0))
	case r.Event != nil:
		d := newEventDoc(&r.Event.Event, 0, 0)
		d.Attempt = r.Event.Attempt
		l.events = append(l.events, d)
	case r.Blob != nil:
		return l.addBlob(r.Blob)
	}
	return nil
}

// loadedVersion returns the document of a version that was written elsewhere. A
// closed one is found like one that has been swept.
func loadedVersion(r *store.VersionRecord) *versionDoc {
	d := &versionDoc{
		ID: versionID(r.Key, r.Number), Type: r.Key.Type, Logical: r.Key.ID, Number: r.Number,
		From: r.Seq, To: open, Updated: r.Updated.UnixMilli(), Deleted: r.Deleted, Access: newAccessDoc(r.Access),
	}
	if !r.Deleted {
		d.Body = r.Body
	}
	d.index(r.Index)
	if r.Until != 0 {
		d.To = r.Until
		if !d.Deleted {
			d.past()
		}
		d.Terms, d.Exact, d.Dates, d.Entries = nil, nil, nil, nil
	}
	return d
}

func (l *loading) addBlob(r *store.BlobRecord) error {
	if sum := sha256.Sum256(r.Data); hex.EncodeToString(sum[:]) != r.Hash {
		return errors.New("an original's hash is not that of its bytes")
	}
	// Whether something holds it, the first sweep finds out.
	d := &blobDoc{ID: r.Hash, Type: r.Type, Size: len(r.Data), Refs: make([]blobRef, len(r.Refs)), Loose: true, At: r.At.UnixMilli()}
	for i, k := range r.Refs {
		d.Refs[i] = blobRef{k.Type, k.ID}
	}
	if len(r.Data) <= chunkSize {
		d.Data = r.Data
	} else {
		l.large = append(l.large, upload{blob: &r.Blob})
	}
	l.blobs = append(l.blobs, d)
	return nil
}

// upload stores the chunks of large originals that are not there.
func (l *loading) upload(ctx context.Context) error {
	var hashes []string
	for _, u := range l.large {
		hashes = append(hashes, u.blob.Hash)
	}
	there := map[string]bool{}
	err := each(ctx, l.s.blobs, hashes, []string{"seq"}, func(d *blobDoc) { there[d.ID] = d.Seq != open })
	if err != nil {
		return unavailable(ctx, "looking for originals", err)
	}
	l.large = slices.DeleteFunc(l.large, func(u upload) bool { return there[u.blob.Hash] })
	if err := l.s.putChunks(ctx, l.large); err != nil {
		return err
	}
	for _, u := range l.large {
		for _, d := range l.blobs {
			if d.ID == u.blob.Hash {
				d.Upload = u.id
			}
		}
	}
	return nil
}

// write does everything inside the transaction.
func (l *loading) write(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		l.writeVersions, l.writeAudit, l.writeRest, l.writeEvents, l.writeBlobs, l.writeMark,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *loading) writeVersions(ctx context.Context) error {
	return insertMissing(ctx, l.s.versions, l.versions)
}

func (l *loading) writeRest(ctx context.Context) error {
	if err := insertMissing(ctx, l.s.docs, l.docs); err != nil {
		return err
	}
	return insertMissing(ctx, l.s.claims, l.claims)
}

// writeEvents gives the events that are not there a place before every commit's
// and behind those loaded before them.
func (l *loading) writeEvents(ctx context.Context) error {
	rest, err := missing(ctx, l.s.outbox, l.events)
	if err != nil || len(rest) == 0 {
		return err
	}
	cur, err := l.s.outbox.Find(ctx, bson.D{{Key: "seq", Value: int64(0)}},
		options.Find().SetSort(bson.D{{Key: "pos", Value: -1}}).SetLimit(1).SetProjection(bson.D{{Key: "pos", Value: 1}}))
	if err != nil {
		return err
	}
	var last []eventDoc
	if err := cur.All(ctx, &last); err != nil {
		return err
	}
	for i, d := range rest {
		d.Pos = i
		if len(last) > 0 {
			d.Pos += last[0].Pos + 1
		}
	}
	return insert(ctx, l.s.outbox, anys(rest))
}

// writeBlobs takes an original that no commit and no load has named yet for
// one that is not there.
func (l *loading) writeBlobs(ctx context.Context) error {
	given, err := missing(ctx, l.s.blobs, slices.DeleteFunc(slices.Clone(l.blobs), func(d *blobDoc) bool { return d.Upload != "" }))
	if err != nil {
		return err
	}
	var models []mongo.WriteModel
	for _, d := range given {
		models = append(models, replace(d.ID, d))
	}
	for _, d := range l.blobs {
		if d.Upload != "" {
			models = append(models, replace(d.ID, d))
		}
	}
	return write(ctx, l.s.blobs, models)
}

// writeAudit packs the records that are not there, each run of one commit into
// one document of the log.
func (l *loading) writeAudit(ctx context.Context) error {
	if len(l.audit) == 0 {
		return nil
	}
	have, err := l.presentAudit(ctx)
	if err != nil {
		return err
	}
	var docs []any
	var last *logDoc
	for _, r := range l.audit {
		at, e := store.AuditPosition{Seq: r.Seq, N: r.N}, newEntryDoc(&r.Entry)
		if there, ok := have[at]; ok {
			if !e.same(&there) {
				return &store.Conflict{Key: store.Key{Type: "audit", ID: fmt.Sprintf("%d/%d", r.Seq, r.N)}}
			}
			continue
		}
		have[at] = e
		if last == nil || last.Seq != r.Seq || last.First+len(last.Audit) != r.N || len(last.Audit) == packSize {
			last = &logDoc{ID: fmt.Sprintf("load/%d/%d", r.Seq, r.N), Seq: r.Seq, First: r.N, At: l.s.now().UnixMilli()}
			docs = append(docs, last)
		}
		last.Audit = append(last.Audit, e)
	}
	return insert(ctx, l.s.journal, docs)
}

// presentAudit returns the records that are there of the commits of those to
// load.
func (l *loading) presentAudit(ctx context.Context) (map[store.AuditPosition]entryDoc, error) {
	var commits []int64
	for _, r := range l.audit {
		commits = append(commits, r.Seq)
	}
	slices.Sort(commits)
	have := map[store.AuditPosition]entryDoc{}
	cur, err := l.s.journal.Find(ctx, bson.D{{Key: "seq", Value: in(slices.Compact(commits))}})
	if err != nil {
		return nil, err
	}
	var rows []logDoc
	if err := cur.All(ctx, &rows); err != nil {
		return nil, err
	}
	for _, d := range rows {
		for i := range d.Audit {
			have[store.AuditPosition{Seq: d.Seq, N: d.First + i}] = d.Audit[i]
		}
	}
	return have, nil
}

// writeMark sets the counter, and the horizon with it: versions closed before
// have no entries here.
func (l *loading) writeMark(ctx context.Context) error {
	if l.mark == nil {
		return nil
	}
	for _, name := range []string{"horizon", "seq"} {
		_, err := l.s.meta.UpdateOne(ctx, byID(name), bson.D{{Key: "$max", Value: bson.D{{Key: "n", Value: l.mark.Seq}}}},
			options.UpdateOne().SetUpsert(true))
		if err != nil {
			return err
		}
	}
	return nil
}

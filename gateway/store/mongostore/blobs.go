package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// A blobDoc is an original. Up to chunkSize its bytes are in it and it is
// written by the transaction; a larger one has them in `chunks`, under an
// upload id of its own, written before the transaction that refers to it.
type blobDoc struct {
	ID     string    `bson:"_id"`
	Type   string    `bson:"type"`
	Size   int       `bson:"size"`
	Data   []byte    `bson:"data,omitempty"`
	Upload string    `bson:"upload,omitempty"`
	Refs   []blobRef `bson:"refs"`
	// Loose: no resource is known to hold it. At is when it was last stored.
	Loose bool  `bson:"loose"`
	At    int64 `bson:"at"`
	// Seq is the first commit that named it; open while none has.
	Seq int64 `bson:"seq"`
}

type blobRef struct {
	Type string `bson:"type"`
	ID   string `bson:"id"`
}

type chunkDoc struct {
	ID     string `bson:"_id"`
	Upload string `bson:"upload"`
	N      int    `bson:"n"`
	Data   []byte `bson:"data"`
}

// An upload is a large original whose chunks are stored under id.
type upload struct {
	blob *store.Blob
	id   string
}

// putChunks stores what is too large for the transaction. It changes nothing
// that anyone can see: without a reference it is swept.
func (s *Store) putChunks(ctx context.Context, all []upload) error {
	for i := range all {
		u := &all[i]
		for n := 0; u.id == ""; n++ {
			if err := s.putLarge(ctx, u); err != nil && (!hasCode(err, codeDuplicate, codeWriteConflict) || !pause(ctx, n)) {
				return unavailable(ctx, "storing an original", err)
			}
		}
	}
	return nil
}

// putLarge finds the original stored already, and keeps it from being swept,
// or stores it.
func (s *Store) putLarge(ctx context.Context, u *upload) error {
	var have blobDoc
	err := s.blobs.FindOneAndUpdate(ctx, byID(u.blob.Hash),
		bson.D{{Key: "$set", Value: bson.D{{Key: "at", Value: s.now().UnixMilli()}}}},
		options.FindOneAndUpdate().SetProjection(bson.D{{Key: "upload", Value: 1}})).Decode(&have)
	if err == nil {
		u.id = have.Upload
		return nil
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	id := rand.Text()
	// The note is what a sweep finds when this process ends half-way.
	if _, err := s.meta.InsertOne(ctx, bson.D{{Key: "_id", Value: uploadNote + id}, {Key: "at", Value: s.now().UnixMilli()}}); err != nil {
		return err
	}
	if err := insert(ctx, s.chunks, chunksOf(id, u.blob.Data)); err != nil {
		return err
	}
	_, err = s.blobs.InsertOne(ctx, blobDoc{
		ID: u.blob.Hash, Type: u.blob.Type, Size: len(u.blob.Data), Upload: id, Refs: []blobRef{},
		Loose: true, At: s.now().UnixMilli(), Seq: open,
	})
	if err != nil {
		return err
	}
	u.id = id
	_, _ = s.meta.DeleteOne(ctx, byID(uploadNote+id))
	return nil
}

const uploadNote = "upload/"

func chunksOf(id string, data []byte) (out []any) {
	n := 0
	for part := range slices.Chunk(data, chunkSize) {
		out = append(out, chunkDoc{ID: fmt.Sprintf("%s/%d", id, n), Upload: id, N: n, Data: part})
		n++
	}
	return out
}

// blobWrites is what the transaction writes about the commit's originals.
func (p *pending) blobWrites(now time.Time, seq int64) (out []mongo.WriteModel) {
	for i := range p.Originals {
		b := &p.Originals[i]
		refs, isHeld := make([]blobRef, len(b.Refs)), false
		for j, k := range b.Refs {
			refs[j] = blobRef{k.Type, k.ID}
			isHeld = isHeld || slices.ContainsFunc(p.Writes, func(w store.Write) bool { return w.Key == k })
		}
		set := bson.D{{Key: "at", Value: now.UnixMilli()}}
		fresh := bson.D{{Key: "type", Value: b.Type}, {Key: "size", Value: len(b.Data)}, {Key: "data", Value: b.Data}}
		if isHeld {
			set = append(set, bson.E{Key: "loose", Value: false})
		} else {
			fresh = append(fresh, bson.E{Key: "loose", Value: true})
		}
		update := bson.D{
			{Key: "$set", Value: set},
			{Key: "$min", Value: bson.D{{Key: "seq", Value: seq}}},
			{Key: "$addToSet", Value: bson.D{{Key: "refs", Value: bson.D{{Key: "$each", Value: refs}}}}},
		}
		inline := b.Data != nil && len(b.Data) <= chunkSize
		if inline {
			update = append(update, bson.E{Key: "$setOnInsert", Value: fresh})
		}
		out = append(out, mongo.NewUpdateOneModel().SetFilter(byID(b.Hash)).SetUpdate(update).SetUpsert(inline))
	}
	return out
}

// writeBlobs refuses the transaction when an original that should be there is
// not.
func (b *batch) writeBlobs(ctx context.Context) error {
	if len(b.blobs) == 0 {
		return nil
	}
	r, err := b.s.blobs.BulkWrite(ctx, b.blobs)
	if err == nil && r.MatchedCount+r.UpsertedCount != int64(len(b.blobs)) {
		return fmt.Errorf("%w: an original is missing", errUnsettled)
	}
	return err
}

// upgradeBlobs notes that the originals of the first layout were stored before
// every commit to come.
func (s *Store) upgradeBlobs(ctx context.Context) error {
	_, err := s.blobs.UpdateMany(ctx, bson.D{{Key: "seq", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: int64(0)}}}})
	return err
}

// Blob returns an original by its hash.
func (s *Store) Blob(ctx context.Context, hash string) (store.Blob, error) {
	var d blobDoc
	err := s.blobs.FindOne(ctx, byID(hash)).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.Blob{}, store.ErrNotFound
	case err != nil:
		return store.Blob{}, unavailable(ctx, "reading an original", err)
	}
	return s.original(ctx, &d)
}

// errDamaged: an original is not what its hash says.
var errDamaged = fmt.Errorf("%w: a stored original is damaged", store.ErrUnavailable)

// original returns the original that the document is of, its bytes checked.
func (s *Store) original(ctx context.Context, d *blobDoc) (_ store.Blob, err error) {
	if d.Upload != "" {
		if d.Data, err = s.joinChunks(ctx, d); err != nil {
			return store.Blob{}, err
		}
	}
	if sum := sha256.Sum256(d.Data); hex.EncodeToString(sum[:]) != d.ID {
		return store.Blob{}, errDamaged
	}
	b := store.Blob{Hash: d.ID, Type: d.Type, Data: d.Data}
	if b.Data == nil {
		b.Data = []byte{} // nil would say that the bytes are stored already
	}
	for _, r := range d.Refs {
		b.Refs = append(b.Refs, store.Key{Type: r.Type, ID: r.ID})
	}
	slices.SortFunc(b.Refs, func(x, y store.Key) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.ID, y.ID))
	})
	return b, nil
}

func (s *Store) joinChunks(ctx context.Context, d *blobDoc) ([]byte, error) {
	cur, err := s.chunks.Find(ctx, bson.D{{Key: "upload", Value: d.Upload}}, options.Find().SetSort(bson.D{{Key: "n", Value: 1}}))
	if err != nil {
		return nil, unavailable(ctx, "reading an original", err)
	}
	defer release(ctx, cur)
	out := bytes.NewBuffer(make([]byte, 0, d.Size))
	for cur.Next(ctx) {
		var c chunkDoc
		if err := cur.Decode(&c); err != nil {
			return nil, unavailable(ctx, "reading an original", err)
		}
		out.Write(c.Data)
	}
	if err := cur.Err(); err != nil {
		return nil, unavailable(ctx, "reading an original", err)
	}
	return out.Bytes(), nil
}

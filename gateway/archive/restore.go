package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"trellis.example/gateway/store"
)

// A Point is a moment within a backup. The zero Point is its end.
type Point struct {
	// Seq is the number of the last commit that counts, or At its time; at most
	// one of them is set.
	Seq int64
	At  time.Time
}

// Restore checks the whole backup and loads it into an empty store, as it was
// at the point. Access is that of the backup's moment. What names a resource
// that did not exist at the point (an event, a remembered answer, the link from
// an original) is left out, and what speaks of later commits: how far imports
// came, exports, and the key of page cursors.
func Restore(ctx context.Context, r io.ReadSeeker, to store.Keeper, p Point, index Indexer, progress func(int)) (Counts, error) {
	c := &cut{keys: map[store.Key]bool{}, gone: map[string]bool{}}
	seq, err := c.survey(ctx, r, p)
	if err != nil {
		return Counts{}, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Counts{}, fmt.Errorf("read the backup again: %w", err)
	}
	in, err := NewReader(r)
	if err != nil {
		return Counts{}, err
	}
	defer in.Close()
	l := &loader{ctx: ctx, to: to, index: index, progress: progress}
	var counts Counts
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return counts, l.end(store.Mark{Seq: seq, At: in.Header.At})
		}
		if err != nil {
			return counts, err
		}
		if rec, ok := c.keep(rec, seq); ok {
			counts.add(rec)
			if err := l.add(rec); err != nil {
				return counts, err
			}
		}
	}
}

// A cut is what a restore to an earlier point leaves out.
type cut struct {
	// keys are the resources that did not exist at the point, gone their ids.
	keys map[store.Key]bool
	gone map[string]bool
	// earlier: the point lies before the end of the backup.
	earlier bool
}

// survey reads the whole backup, which proves it, and returns the commit that
// the point means.
func (c *cut) survey(ctx context.Context, r io.Reader, p Point) (int64, error) {
	in, err := NewReader(r)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	seq := in.Header.Seq
	if p.Seq > seq || p.At.After(in.Header.At) {
		return 0, fmt.Errorf("the backup ends with commit %d of %s, before the point asked for", seq, in.Header.At.Format(time.RFC3339))
	}
	if p.Seq > 0 {
		seq = p.Seq
	}
	first := map[store.Key]int64{} // commit that made the key
	byTime := int64(0)
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		switch {
		case rec.Version != nil && rec.Version.Number == 1:
			first[rec.Version.Key] = rec.Version.Seq
		case rec.Audit != nil && !rec.Audit.At.After(p.At):
			byTime = max(byTime, rec.Audit.Seq)
		}
	}
	if !p.At.IsZero() {
		seq = byTime
	}
	if seq == 0 && !p.At.IsZero() {
		return 0, fmt.Errorf("the backup has no commit as early as %s", p.At.Format(time.RFC3339))
	}
	for k, made := range first {
		if made > seq {
			c.keys[k], c.gone[k.ID] = true, true
		}
	}
	c.earlier = seq < in.Header.Seq
	return seq, nil
}

// keep returns the record as it was at the commit, or that it was not.
func (c *cut) keep(r store.Record, seq int64) (store.Record, bool) {
	switch {
	case r.Version != nil:
		if r.Version.Seq > seq {
			return r, false
		}
		if r.Version.Until > seq {
			r.Version.Until = 0
		}
	case r.Audit != nil:
		return r, r.Audit.Seq <= seq
	case r.Claim != nil:
		return r, !c.names(string(r.Claim.Answer))
	case r.Event != nil:
		return r, !c.names(string(r.Event.Payload))
	case r.Blob != nil:
		r.Blob.Refs = slices.DeleteFunc(r.Blob.Refs, func(k store.Key) bool { return c.keys[k] })
	case r.Doc != nil:
		return r, !c.earlier || !passing(r.Doc)
	}
	return r, true
}

// passing reports whether a document speaks of commits: after a restore to an
// earlier point an import would pass over what is no longer there, and an export
// or a page go on at a commit that is yet to come.
func passing(d *store.Doc) bool {
	return d.Kind == "import" || d.Kind == "export" || d.Kind == "gateway-key" && d.ID == "cursor"
}

// names reports whether the text names a resource that is gone. Ids are long
// and random; a chance likeness leaves out a remembered answer, no record.
func (c *cut) names(text string) bool {
	if len(c.gone) == 0 {
		return false
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		if c.gone[word] {
			return true
		}
	}
	return false
}

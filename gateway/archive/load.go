package archive

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"trellis.example/gateway/store"
)

// An Indexer returns what a document is found by.
type Indexer func(typ string, body []byte) ([]store.Index, error)

// The size of one load.
const (
	batchRecords = 2000
	batchBytes   = 16 << 20
)

// A loader fills a store.
type loader struct {
	ctx      context.Context //nolint:containedctx // lives for one load
	to       store.Keeper
	index    Indexer
	progress func(int)
	batch    []store.Record
	bytes    int
	done     int
}

func (l *loader) add(r store.Record) error {
	l.batch = append(l.batch, r)
	l.bytes += size(r)
	if len(l.batch) >= batchRecords || l.bytes >= batchBytes {
		return l.flush()
	}
	return nil
}

func size(r store.Record) int {
	switch {
	case r.Version != nil:
		return len(r.Version.Body)
	case r.Blob != nil:
		return len(r.Blob.Data)
	}
	return 256
}

func (l *loader) flush() error {
	if len(l.batch) == 0 {
		return nil
	}
	if err := l.indexAll(); err != nil {
		return err
	}
	if err := l.to.Load(l.ctx, l.batch); err != nil {
		return fmt.Errorf("load records %d to %d: %w", l.done+1, l.done+len(l.batch), err)
	}
	l.done += len(l.batch)
	if l.progress != nil {
		l.progress(l.done)
	}
	l.batch, l.bytes = nil, 0
	return nil
}

// indexAll computes the entries of the batch's current versions, on all
// processors.
func (l *loader) indexAll() error {
	g, ctx := errgroup.WithContext(l.ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	const part = 100
	for from := 0; from < len(l.batch); from += part {
		records := l.batch[from:min(from+part, len(l.batch))]
		g.Go(func() error {
			for _, r := range records {
				if err := errors.Join(ctx.Err(), l.indexOne(r.Version)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (l *loader) indexOne(v *store.VersionRecord) (err error) {
	if v == nil || v.Deleted || v.Until != 0 {
		return nil
	}
	if v.Index, err = l.index(v.Key.Type, v.Body); err != nil {
		return fmt.Errorf("index %s: %w", v.Key, err)
	}
	return nil
}

// end loads what is left and the mark.
func (l *loader) end(m store.Mark) error {
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.to.Load(l.ctx, []store.Record{{Mark: &m}}); err != nil {
		return fmt.Errorf("end the load: %w", err)
	}
	return nil
}

// Copy puts everything that from holds into to, which is empty or holds the
// beginning of an earlier copy of the same store.
func Copy(ctx context.Context, from, to store.Keeper, index Indexer, progress func(int)) (Counts, error) {
	l := &loader{ctx: ctx, to: to, index: index, progress: progress}
	var mark store.Mark
	var counts Counts
	err := from.Dump(ctx, func(r store.Record) error {
		if r.Mark != nil {
			mark = *r.Mark
			return nil
		}
		counts.add(r)
		return l.add(r)
	})
	if err != nil {
		return counts, err
	}
	return counts, l.end(mark)
}

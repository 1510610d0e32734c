package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"trellis.example/gateway/store"
)

// Backup writes everything that s holds to w. progress, if not nil, is called
// with the number of records written so far.
func Backup(ctx context.Context, s store.Keeper, w io.Writer, software string, progress func(int)) (Trailer, error) {
	out, err := NewWriter(w)
	if err != nil {
		return Trailer{}, err
	}
	err = s.Dump(ctx, func(r store.Record) error {
		if r.Mark != nil {
			return out.Begin(*r.Mark, software)
		}
		if progress != nil {
			progress(out.counts.Records() + 1)
		}
		return out.Add(r)
	})
	if err != nil {
		return Trailer{}, err
	}
	return out.End()
}

// Verify reads a whole backup and looks at every record. The error is about the
// file; what is wrong with its records is reported.
func Verify(ctx context.Context, r io.Reader, i *Inspector, progress func(int)) (Header, error) {
	in, err := NewReader(r)
	if err != nil {
		return Header{}, err
	}
	defer in.Close()
	i.Look(store.Record{Mark: &store.Mark{Seq: in.Header.Seq, At: in.Header.At}})
	for n := 1; ; n++ {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			i.End()
			return in.Header, nil
		}
		if err != nil {
			return in.Header, err
		}
		if err := ctx.Err(); err != nil {
			return in.Header, err
		}
		i.Look(rec)
		if progress != nil {
			progress(n)
		}
	}
}

// Inspect looks at every record of a store.
func Inspect(ctx context.Context, s store.Keeper, i *Inspector, progress func(int)) error {
	err := s.Dump(ctx, func(r store.Record) error {
		i.Look(r)
		if progress != nil {
			progress(i.Counts.Records())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	i.End()
	return nil
}

package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"trellis.example/fhir"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
)

const (
	// microTime is how long one part is measured.
	microTime = time.Second
	// microLimit bounds the repetitions.
	microLimit = 1_000_000
)

// repeat measures f alone in this process: processor time, which other
// programs do not disturb, and allocations per call; the garbage collector's
// work is part of it. Where processor time is not known it is the time that
// passed. The first call is not counted, because tables are compiled in it.
func repeat(ctx context.Context, row *Row, f func() error) error {
	if err := f(); err != nil {
		return err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu, n := time.Now(), ownCPU(), 0
	for ; n < microLimit && (n%64 != 0 || time.Since(began) < microTime); n++ {
		if n%64 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f(); err != nil {
			return err
		}
	}
	elapsed, used := time.Since(began), ownCPU()-cpu
	runtime.ReadMemStats(&after)
	row.Unit, row.Done = "µs", n
	row.Value = 1e3 * perOp(cmp.Or(used, elapsed), n)
	row.Allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
	return nil
}

func perOp(d time.Duration, n int) float64 {
	return float64(d.Nanoseconds()) / 1e6 / float64(max(n, 1))
}

// measureMapping reads one of a format's worked examples, syntax and map; the time is
// that of one record.
func measureMapping(format, example string) runner {
	return func(ctx context.Context, _ *session, row *Row) error {
		f, ok, err := formats.Lookup(format)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("the format %s is not there", format)
		}
		names, err := fs.Glob(f.Files, "testdata/"+example+"/in.*")
		if err != nil || len(names) != 1 {
			return fmt.Errorf("format %s: %d examples called %s: %w", format, len(names), example, err)
		}
		doc, err := fs.ReadFile(f.Files, names[0])
		if err != nil {
			return err
		}
		records := len(f.Read(doc).Records)
		err = repeat(ctx, row, func() error {
			res := f.Read(doc)
			if len(res.Records) != records || records == 0 {
				return errors.New("the document did not become records")
			}
			return fhir.Faults(res.Records[0].Faults)
		})
		row.Value /= float64(records)
		row.Allocs /= float64(records)
		return err
	}
}

// measureMap reads one document of a partner format and judges the bundle it
// becomes.
func measureMap(format, file string) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		f, ok, err := formats.Lookup(format)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("the format %s is not there", format)
		}
		doc, err := filled(file)
		if err != nil {
			return err
		}
		v, err := s.validator()
		if err != nil {
			return err
		}
		return repeat(ctx, row, func() error {
			res := f.Read(doc)
			if err := fhir.Faults(res.Faults); err != nil {
				return err
			}
			if len(res.Records) != 1 {
				return errors.New("the document did not become one record")
			}
			rec := res.Records[0]
			if err := fhir.Faults(rec.Faults); err != nil {
				return err
			}
			b, err := fhir.DecodeLimit(rec.Bundle, answerLimit)
			if err != nil {
				return err
			}
			return fhir.Faults(v.Validate(b, profiles.Options{}))
		})
	}
}

// validator compiles the profiles once for all parts.
func (s *session) validator() (*profiles.Validator, error) {
	if s.profiles == nil {
		v, err := profiles.New()
		if err != nil {
			return nil, fmt.Errorf("compile the profiles: %w", err)
		}
		s.profiles = v
	}
	return s.profiles, nil
}

package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trellis.example/fhir"
	"trellis.example/profiles"
)

// measureValidate decodes a referral and judges it by our profile, as a create
// does.
func measureValidate(ctx context.Context, s *session, row *Row) error {
	doc, err := filled("referral.json")
	if err != nil {
		return err
	}
	v, err := s.validator()
	if err != nil {
		return err
	}
	return repeat(ctx, row, func() error {
		r, err := fhir.Decode(doc)
		if err != nil {
			return err
		}
		return fhir.Faults(v.Validate(r, profiles.Options{}))
	})
}

// measureDocument judges a document, decoded once, by the profiles of its type
// and those it claims.
func measureDocument(name string) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		doc, err := filled(name)
		if err != nil {
			return err
		}
		v, err := s.validator()
		if err != nil {
			return err
		}
		r, err := fhir.Decode(doc)
		if err != nil {
			return err
		}
		return repeat(ctx, row, func() error { return fhir.Faults(v.Validate(r, profiles.Options{})) })
	}
}

// measureProfiles loads and compiles all that comes with the gateway.
func measureProfiles(ctx context.Context, _ *session, row *Row) error {
	err := repeat(ctx, row, func() error {
		v, err := profiles.New()
		if err != nil {
			return err
		}
		return v.Compile()
	})
	row.Value, row.Unit = row.Value/1e3, "ms"
	return err
}

// measureProfileMemory is what a validator keeps once all is compiled, beside
// R4's own tables, which every part of the gateway shares.
func measureProfileMemory(ctx context.Context, _ *session, row *Row) error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v, err := profiles.New()
	if err == nil {
		err = v.Compile()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	row.Value = float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20)
	runtime.KeepAlive(v)
	return errors.Join(err, context.Cause(ctx))
}

// measureExamples decodes and judges the official R4 examples, with all
// processors. Reading the files is not part of it.
func measureExamples(ctx context.Context, s *session, row *Row) error {
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		row.Missing = "make r4-examples fetches the documents, TRELLIS_R4_EXAMPLES names their folder"
		return nil
	}
	v, err := s.validator()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	var docs [][]byte
	for _, f := range files {
		b, err := os.ReadFile(f) //nolint:gosec // the folder that the user names
		if err != nil {
			return err
		}
		docs = append(docs, b)
	}
	// The largest first, as one of them is a tenth of the work.
	slices.SortFunc(docs, func(a, b []byte) int { return len(b) - len(a) })
	judgeAll(v, docs) // compiles what is compiled when first needed
	began, cpu := time.Now(), ownCPU()
	row.Done = judgeAll(v, docs)
	row.Value, row.OwnCPU = time.Since(began).Seconds(), float64((ownCPU()-cpu).Microseconds())/1e3
	return context.Cause(ctx)
}

// judgeAll returns how many of the documents are resources.
func judgeAll(v *profiles.Validator, docs [][]byte) int {
	var next, resources atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(docs); i = next.Add(1) - 1 {
				r, err := fhir.DecodeLimit(docs[i], len(docs[i]))
				if err != nil {
					continue
				}
				v.Validate(r, profiles.Options{BaseOnly: true})
				resources.Add(1)
			}
		})
	}
	all.Wait()
	return int(resources.Load())
}

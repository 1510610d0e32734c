package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Sizes of stores that are filled by import, in resources.
const (
	small  = 10_000
	medium = 100_000
	large  = 1_000_000
)

// heldURL is what the index of a filled store depends on: the gateway that
// serves it must have the same.
const heldURL = "http://gateway.example"

// sizeName is how ids and titles show a size.
func sizeName(size int) string {
	if size >= 1_000_000 {
		return fmt.Sprintf("%dm", size/1_000_000)
	}
	return fmt.Sprintf("%dk", size/1000)
}

// An imported store is what it cost to fill it.
type imported struct {
	resources int
	elapsed   time.Duration
	cpu       time.Duration
}

// fill imports existing records of several organisations, once for each size.
func (s *session) fill(ctx context.Context, size int) error {
	if _, is := s.imports[size]; is || size == 0 {
		return nil
	}
	dir := filepath.Join(s.dir, "records-"+sizeName(size))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the whole run's folder is removed too
	if n := size / len(heldTypes()); n > len(s.persons) {
		s.persons = nhsNumbers(n)
	}
	counts, err := writeRecords(dir, s.persons[:size/len(heldTypes())])
	if err != nil {
		return fmt.Errorf("write the records: %w", err)
	}
	var total imported
	for _, org := range holders() {
		one, err := s.importFile(ctx, recordsFile(dir, org), org)
		if err != nil {
			return err
		}
		total.resources += counts[org]
		total.elapsed += one.elapsed
		total.cpu += one.cpu
	}
	s.imports[size] = total
	return nil
}

// importFile runs `trellis import` as an operator would. Its exit code says
// that every line was stored.
func (s *session) importFile(ctx context.Context, file, org string) (imported, error) {
	cmd := exec.CommandContext(ctx, s.cfg.Exe, "import", file, "--org", org, "--data", s.data(), "--public-url", heldURL) //nolint:gosec // our own program
	cmd.Env = environment(s.mongo())
	cmd.SysProcAttr = childAttr()
	log := newChildLog("nothing")
	cmd.Stderr = log
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return imported{}, errors.Join(context.Cause(ctx), fmt.Errorf("import records: %w: %s", err, log.last()))
	}
	return imported{elapsed: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// at moves the session to the store of a size; 0 is the one that requests fill.
// A gateway serves one at a time, so that no two measures disturb each other.
func (s *session) at(size int) {
	if s.size == size {
		return
	}
	s.stop()
	s.size = size
	s.practice, s.police, s.loader = client{}, client{}, client{}
	s.tokens = map[string]grant{}
}

// mongo is the URI of the current store's own database, or "".
func (s *session) mongo() string {
	if s.cfg.Mongo == "" || s.size == 0 {
		return s.cfg.Mongo
	}
	return withDatabase(s.cfg.Mongo, filepath.Base(s.dir)+"-"+sizeName(s.size))
}

func measureImport(size int) runner {
	return func(_ context.Context, s *session, row *Row) error {
		t := s.imports[size]
		row.Value, row.Done = float64(t.resources)/max(t.elapsed.Seconds(), 1e-9), t.resources
		row.CPU = perOp(t.cpu, t.resources)
		return nil
	}
}

// measureGrowth sets a measure's processor time in the larger store beside that
// in the smaller one.
func measureGrowth(id string, from, to int) runner {
	return func(_ context.Context, s *session, row *Row) error {
		before, after := s.cpus[id+"-"+sizeName(from)], s.cpus[id+"-"+sizeName(to)]
		if before == 0 || after == 0 {
			row.Missing = "run " + id + "-" + sizeName(from) + " and " + id + "-" + sizeName(to) + " too"
			return nil
		}
		row.Value = after / before
		return nil
	}
}

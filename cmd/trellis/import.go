package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/bulk"
	"trellis.example/gateway/published"
	"trellis.example/gateway/store"
	"trellis.example/profiles"
)

func newImport() *cobra.Command {
	var org string
	var base bool
	cmd := &cobra.Command{
		Use: "import FILE.ndjson…", Short: "Load existing records with their ids", Args: cobra.MinimumNArgs(1),
		Long: `Load existing records, one FHIR resource a line, with their ids and history of
versions from here on. Each is validated, indexed and audited; a line with faults
is reported by its number and left out. Nothing else happens: no Task is made and
nobody is told.

An import that was stopped goes on where it was when it is called again with the
same file. A resource that is there already and the same is left alone; one that
differs becomes a new version. No gateway may serve an embedded store meanwhile; a
gateway that serves takes the same files at POST /fhir/$import.

Exit 0: all lines stored, 1: some were left out, 2: could not run.`,
		Example: "  trellis import Patient.ndjson ServiceRequest.ndjson --org Y99001 --data data",
		RunE: func(cmd *cobra.Command, args []string) error {
			if org == "" {
				return errors.New("say whose records they are: --org with the ODS code")
			}
			tuneCollector()
			return withStore(cmd, true, func(cfg gateway.Config, s store.Store) error {
				if cfg.FreePort() {
					return errors.New("the index depends on the public URL; name it with --public-url")
				}
				if _, err := gateway.Indexed(cmd.Context(), s, cfg.Registry()); err != nil {
					return err
				}
				return importFiles(cmd, cfg, s, org, base, args)
			})
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	cmd.Flags().StringVar(&org, "org", "", "ODS code of the organisation that the records belong to")
	cmd.Flags().BoolVar(&base, "base", false, "judge by base R4 only, not by our profiles")
	return cmd
}

func importFiles(cmd *cobra.Command, cfg gateway.Config, s store.Store, org string, base bool, files []string) error {
	v, err := profiles.New()
	if err != nil {
		return err
	}
	s = published.New(definitions.R4(), cfg.Registry(), v, cfg.PublicURL+"/fhir").Over(s) // keeps its own definitions
	refused, shown := 0, 0
	for _, path := range files {
		im := &bulk.Importer{
			Store: s, Registry: cfg.Registry(), Owner: auth.OrgParty(org), Clock: time.Now,
			Validate: func(r fhir.Resource) []fhir.Issue { return v.Validate(r, profiles.Options{BaseOnly: base}) },
			Entry:    audit.Entry{Client: "trellis import", Party: auth.OrgParty(org), Role: string(auth.RoleImporter)},
			Fault: func(f bulk.Fault) {
				if shown++; shown > maxShown {
					return
				}
				for _, is := range f.Issues {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: line %d: %s\n", path, f.Line, strings.TrimPrefix(is.Expression+": "+is.Text, ": "))
				}
			},
		}
		count, err := importFile(cmd, im, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		refused += count.Refused
		if err := printLine(cmd, struct {
			File string `json:"file"`
			bulk.Count
		}{path, count}); err != nil {
			return err
		}
	}
	if shown > maxShown {
		fmt.Fprintf(cmd.ErrOrStderr(), "and %d more lines; mend these kinds first\n", shown-maxShown)
	}
	if refused > 0 {
		return errFaults
	}
	return nil
}

// maxShown is how many faulty lines are printed.
const maxShown = 100

func importFile(cmd *cobra.Command, im *bulk.Importer, path string) (bulk.Count, error) {
	f, err := os.Open(path) //nolint:gosec // the file that the operator names
	if err != nil {
		return bulk.Count{}, err
	}
	defer closeFile(f)
	// The same file for the same owner is the same import.
	h := sha256.New()
	h.Write([]byte(im.Owner + "\n"))
	size, err := io.Copy(h, f)
	if err != nil {
		return bulk.Count{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return bulk.Count{}, err
	}
	im.Checkpoint = hex.EncodeToString(h.Sum(nil))
	m := newMeter(cmd, int(size), path)
	progressbar.OptionShowBytes(true)(m.bar)
	im.Progress = func(_ int, bytes int64) { m.at(int(bytes)) }
	defer m.end()
	return im.Import(cmd.Context(), f)
}

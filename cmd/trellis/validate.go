package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"trellis.example/fhir"
	"trellis.example/profiles"
)

// validateLimit bounds one document in bytes; a Bundle may be larger than a
// resource that is stored.
const validateLimit = 64 << 20

func newValidate() *cobra.Command {
	var profile []string
	var asJSON, asJUnit bool
	cmd := &cobra.Command{
		Use:   "validate PATH…",
		Short: "Check FHIR JSON: files, folders, .ndjson files, or - for standard input",
		Long: `Check FHIR JSON against base R4, the profiles it claims and those given by
--profile. Exit code 0: all valid; 1: faults found; 2: could not run.`,
		Example: `  trellis validate referral.json
  trellis validate --profile https://trellis.example/fhir/StructureDefinition/ServiceRequest exports/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := profiles.New()
			if err != nil {
				return err
			}
			if err := knownProfiles(v, profile); err != nil {
				return err
			}
			c := &checker{v: v, options: profiles.Options{BaseOnly: true, Profiles: profile}}
			for _, path := range args {
				if err := c.path(cmd, path); err != nil {
					return err
				}
			}
			return c.report(cmd.OutOrStdout(), asJSON, asJUnit)
		},
	}
	cmd.Flags().StringSliceVar(&profile, "profile", nil, "canonical of a profile that every document must follow")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asJUnit, "junit", false, "print JUnit XML")
	cmd.MarkFlagsMutuallyExclusive("json", "junit")
	return cmd
}

func knownProfiles(v *profiles.Validator, want []string) error {
	known := map[string]bool{}
	var list []string
	for _, p := range v.Profiles() {
		known[p.URL] = true
		list = append(list, p.URL)
	}
	for _, w := range want {
		if url, _, _ := strings.Cut(w, "|"); !known[url] {
			return fmt.Errorf("there is no profile %s; known are\n  %s", w, strings.Join(list, "\n  "))
		}
	}
	return nil
}

// A fault is an issue as commands print it.
type fault struct {
	Severity   fhir.Severity `json:"severity"`
	Source     string        `json:"source"`
	Expression string        `json:"expression"`
	Rule       string        `json:"rule"`
	Text       string        `json:"text"`
}

func newFaults(issues []fhir.Issue) []fault {
	out := make([]fault, 0, len(issues))
	for _, is := range issues {
		out = append(out, fault{cmp.Or(is.Severity, fhir.SeverityError), is.Source, is.Expression, cmp.Or(is.Rule, string(is.Code)), is.Text})
	}
	return out
}

// A checked document is one that was examined.
type checked struct {
	File   string  `json:"file"`
	Valid  bool    `json:"valid"`
	Faults []fault `json:"faults"`
}

type checker struct {
	v       *profiles.Validator
	options profiles.Options
	done    []checked
}

func (c *checker) path(cmd *cobra.Command, path string) error {
	if path == "-" {
		b, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return err
		}
		c.document("standard input", b)
		return nil
	}
	found := len(c.done)
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || file != path && filepath.Ext(file) != ".json" && filepath.Ext(file) != ".ndjson" {
			return err
		}
		b, err := os.ReadFile(file) //nolint:gosec // the file that the user names
		if err != nil {
			return err
		}
		c.file(file, b)
		return nil
	})
	if err == nil && len(c.done) == found {
		err = errors.New(path + " holds no .json or .ndjson file")
	}
	return err
}

func (c *checker) file(name string, b []byte) {
	if filepath.Ext(name) != ".ndjson" {
		c.document(name, b)
		return
	}
	line := 0
	for doc := range bytes.Lines(b) {
		line++
		if doc = bytes.TrimSpace(doc); len(doc) > 0 {
			c.document(fmt.Sprintf("%s:%d", name, line), doc)
		}
	}
}

func (c *checker) document(name string, b []byte) {
	var issues []fhir.Issue
	r, err := fhir.DecodeLimit(b, validateLimit)
	if err != nil {
		issues = fhir.AsError(err).Issues
	} else {
		issues = c.v.Validate(r, c.options)
	}
	c.done = append(c.done, checked{name, fhir.Faults(issues) == nil, newFaults(issues)})
}

func (c *checker) report(w io.Writer, asJSON, asJUnit bool) error {
	bad := 0
	for _, d := range c.done {
		if !d.Valid {
			bad++
		}
	}
	var err error
	switch {
	case asJSON:
		err = printJSON(w, c.done)
	case asJUnit:
		err = c.junit(w, bad)
	default:
		c.table(w, bad)
	}
	if err == nil && bad > 0 {
		err = errFaults
	}
	return err
}

func (c *checker) table(w io.Writer, bad int) {
	for _, d := range c.done {
		for _, f := range d.Faults {
			at := f.Expression
			if at == "" {
				at = f.Source
			}
			fmt.Fprintf(w, "%s: %s at %s: %s [%s]\n", d.File, f.Severity, at, f.Text, f.Rule)
		}
	}
	fmt.Fprintf(w, "%d examined, %d valid, %d with faults\n", len(c.done), len(c.done)-bad, bad)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (c *checker) junit(w io.Writer, bad int) error {
	s := junitSuite{Name: "trellis validate", Tests: len(c.done), Failures: bad}
	for _, d := range c.done {
		jc := junitCase{Name: d.File}
		if !d.Valid {
			jc.Failure = &junitFailure{Message: fmt.Sprintf("%d issues", len(d.Faults))}
			for _, f := range d.Faults {
				jc.Failure.Text += fmt.Sprintf("%s at %s: %s [%s]\n", f.Severity, f.Expression, f.Text, f.Rule)
			}
		}
		s.Cases = append(s.Cases, jc)
	}
	b, err := xml.MarshalIndent(s, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/mapping/page"
)

// formatHelp says what a person may name.
const formatHelp = `FORMAT is a format's id (trellis map list), an id with an earlier version of its
map (ppn-csv@1.0.0), or a folder with a map.yaml of your own.`

// findFormat finds a format by its id, version or folder.
func findFormat(name string) (formats.Entry, error) {
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		path, err := filepath.Abs(name)
		if err != nil {
			return formats.Entry{}, err
		}
		return formats.OpenOne(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	}
	return formats.BuiltIn().Find(name)
}

// findMap finds a format that is made from a map.
func findMap(name string) (formats.Entry, error) {
	e, err := findFormat(name)
	if err == nil && e.Map == nil {
		return e, fmt.Errorf("the format %s has no map: it is FHIR already", name)
	}
	return e, err
}

// mapTool makes a command that works on the map of one format.
func mapTool(use, short string, args int, run func(cmd *cobra.Command, e formats.Entry, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: short + ".\n\n" + formatHelp, Args: cobra.RangeArgs(1, args),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := findMap(args[0])
			if err != nil {
				return err
			}
			return run(cmd, e, args[1:])
		},
	}
}

// withJSON adds --json to a command that lists things: one JSON document for
// programs in the place of the lines.
func withJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "print one JSON document for programs")
	return cmd
}

// asJSON prints v and reports true when --json was given.
func asJSON(cmd *cobra.Command, v any) (bool, error) {
	if on, err := cmd.Flags().GetBool("json"); err != nil || !on {
		return false, err
	}
	return true, json.NewEncoder(cmd.OutOrStdout()).Encode(v)
}

func newMapLint() *cobra.Command {
	return withJSON(mapTool("lint FORMAT", "Find what is wrong or odd in a map: fields without a rule, rules that never apply, unused tables, what is never written back", 1,
		func(cmd *cobra.Command, e formats.Entry, _ []string) error {
			findings := e.Map.Lint()
			bad := false
			for _, f := range findings {
				bad = bad || f.Error
			}
			done, err := asJSON(cmd, findings)
			if err != nil {
				return err
			}
			if !done {
				printFindings(cmd.OutOrStdout(), findings)
			}
			if bad {
				return errFaults
			}
			return nil
		}))
}

func printFindings(w io.Writer, list []mapping.Finding) {
	for _, f := range list {
		word := "note"
		if f.Error {
			word = "error"
		}
		fmt.Fprintf(w, "%-5s %s: %s\n", word, f.Place, f.Text)
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing to say against it")
	}
}

func newMapTest() *cobra.Command {
	var update bool
	cmd := withJSON(mapTool("test FORMAT", "Run a map's worked examples: testdata/<case>/in.* and the expected files beside it", 1,
		func(cmd *cobra.Command, e formats.Entry, _ []string) error {
			if update {
				return updateCases(cmd, e)
			}
			results, err := mapping.RunCases(e.Format, e.Files)
			if err != nil {
				return err
			}
			done, err := asJSON(cmd, results)
			if err != nil {
				return err
			}
			bad := false
			for _, r := range results {
				word := "ok"
				if len(r.Wrong) > 0 {
					word, bad = "differs: "+strings.Join(r.Wrong, ", "), true
				}
				if !done {
					fmt.Fprintf(cmd.OutOrStdout(), "%-24s %s\n", r.Name, word)
				}
			}
			if bad {
				return errFaults
			}
			return nil
		}))
	cmd.Flags().BoolVar(&update, "update", false, "write the expected files from what the map does now; FORMAT is a folder of yours")
	return cmd
}

// updateCases writes the expected half of the examples in the folder named.
func updateCases(cmd *cobra.Command, e formats.Entry) error {
	dir := cmd.Flags().Arg(0)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return fmt.Errorf("--update writes into a folder; %q is none", dir)
	}
	inputs, err := filepath.Glob(filepath.Join(dir, "testdata", "*", "in.*"))
	if err != nil {
		return err
	}
	for _, in := range inputs {
		doc, err := os.ReadFile(in) //nolint:gosec // the folder the user names
		if err != nil {
			return err
		}
		for name, b := range mapping.CaseFiles(e.Format, doc, filepath.Ext(in)) {
			if err := os.WriteFile(filepath.Join(filepath.Dir(in), name), b, 0o600); err != nil {
				return err
			}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%-24s written; read it before you keep it\n", filepath.Base(filepath.Dir(in)))
	}
	return nil
}

func newMapCoverage() *cobra.Command {
	return withJSON(mapTool("coverage FORMAT", "List the format's fields with the rules that carry them", 1,
		func(cmd *cobra.Command, e formats.Entry, _ []string) error {
			c := e.Map.Coverage()
			if done, err := asJSON(cmd, c); done || err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "FIELD\tREAD BY\tWRITTEN BY\tDROPPED OR ASKED BY")
			for _, f := range c.Fields {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, few(f.In), few(f.Out), few(append(f.Dropped, f.Asked...)))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d fields, %d carried into FHIR, %d written back\n", len(c.Fields), c.In, c.Out)
			return nil
		}))
}

// few names the first rules of a list.
func few(ids []string) string {
	const most = 3
	if n := len(ids) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), n)
	}
	return strings.Join(ids, ", ")
}

func newMapDiff() *cobra.Command {
	cmd := withJSON(&cobra.Command{
		Use: "diff FORMAT FORMAT", Short: "Say what changed between two maps: fields, rules, tables", Args: cobra.ExactArgs(2),
		Long: `Say what changed between two maps, bases resolved: fields and what becomes of
them, groups, rules, tables and their rows. Exit code 1 when they differ.

` + formatHelp,
		Example: `  trellis map diff ppn-csv@1.0.0 ppn-csv
  trellis map diff ppn-csv ./northshire-csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := findMap(args[0])
			if err != nil {
				return err
			}
			to, err := findMap(args[1])
			if err != nil {
				return err
			}
			changes := mapping.Diff(from.Map, to.Map)
			done, err := asJSON(cmd, changes)
			if err != nil {
				return err
			}
			if !done {
				printChanges(cmd.OutOrStdout(), changes)
			}
			if len(changes) > 0 {
				return errFaults
			}
			return nil
		},
	})
	return cmd
}

func printChanges(w io.Writer, changes []mapping.Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "%-7s %-7s %s\n", c.What, c.Kind, c.Name)
		for _, k := range c.Keys {
			fmt.Fprintf(w, "          %s: %s -> %s\n", k.Key, oneLine(k.From), oneLine(k.To))
		}
	}
	if len(changes) == 0 {
		fmt.Fprintln(w, "the maps are the same")
	}
}

func oneLine(s string) string {
	if s == "" {
		return "nothing"
	}
	return strings.Join(strings.Fields(s), " ")
}

func newMapExplain() *cobra.Command {
	var html string
	cmd := mapTool("explain FORMAT [FILE|-]", "Say for each FHIR element which rule and which place of the document made it", 2,
		func(cmd *cobra.Command, e formats.Entry, args []string) error {
			doc, err := readInput(cmd, args)
			if err != nil {
				return err
			}
			records, faults := e.Map.Explain(doc)
			if html != "" {
				return explainPage(cmd, html, page.Document{Format: e.Info(), Text: string(doc), Faults: faults, Records: records})
			}
			if err := fhir.Faults(faults); err != nil {
				return err
			}
			for i, r := range records {
				printExplained(cmd.OutOrStdout(), i+1, r)
			}
			return nil
		})
	cmd.Flags().StringVar(&html, "html", "", "write a page for a browser to this file (- for standard output); it shows the document's values")
	cmd.Example = `  trellis map explain ppn-csv notices.csv
  trellis map explain hl7v2 referral.hl7 --html explained.html`
	return cmd
}

func printExplained(w io.Writer, n int, r mapping.Explained) {
	fmt.Fprintf(w, "record %d\n", n)
	for _, x := range r.Elements {
		where := x.Source
		if x.Table != "" {
			where += fmt.Sprintf(" (table %s, row %d)", x.Table, x.Row)
		}
		fmt.Fprintf(w, "  %-70s %-24s %s\n", x.Expression, x.Rule, where)
	}
	for _, l := range r.Losses {
		fmt.Fprintf(w, "  lost   %s: %s (%s)\n", l.Source, l.Text, l.Rule)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "  fault  %s: %s (%s)\n", f.Source, f.Text, f.Rule)
	}
}

// explainPage writes the page, readable by its owner only.
func explainPage(cmd *cobra.Command, to string, d page.Document) error {
	if to == "-" {
		return page.Write(cmd.OutOrStdout(), d)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // the file the user names
	if err != nil {
		return err
	}
	if err := page.Write(f, d); err != nil {
		_ = f.Close() // the first error is the one to tell
		return err
	}
	return f.Close()
}

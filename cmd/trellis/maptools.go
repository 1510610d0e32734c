package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

// mapTool makes a command that works on the map of one format.
func mapTool(use, short string, args int, run func(cmd *cobra.Command, e formats.Entry, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.RangeArgs(1, args),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, ok, err := formats.Lookup(args[0])
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("there is no format %q; trellis map list names them", args[0])
			}
			if e.Map == nil {
				return fmt.Errorf("the format %s has no map: it is FHIR already", args[0])
			}
			return run(cmd, e, args[1:])
		},
	}
}

func newMapLint() *cobra.Command {
	return mapTool("lint FORMAT", "Find fields without a rule, unused tables and what is never written back", 1,
		func(cmd *cobra.Command, e formats.Entry, _ []string) error {
			bad := false
			for _, f := range e.Map.Lint() {
				word := "note"
				if f.Error {
					word, bad = "error", true
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-5s %s: %s\n", word, f.Place, f.Text)
			}
			if bad {
				return errFaults
			}
			return nil
		})
}

func newMapTest() *cobra.Command {
	return mapTool("test FORMAT", "Run the format's worked examples", 1,
		func(cmd *cobra.Command, e formats.Entry, _ []string) error {
			results, err := mapping.RunCases(e.Format, e.Files)
			if err != nil {
				return err
			}
			bad := false
			for _, r := range results {
				word := "ok"
				if len(r.Wrong) > 0 {
					word, bad = "differs: "+strings.Join(r.Wrong, ", "), true
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-20s %s\n", r.Name, word)
			}
			if bad {
				return errFaults
			}
			return nil
		})
}

func newMapCoverage() *cobra.Command {
	return mapTool("coverage FORMAT", "List the format's fields with the rules that carry them", 1,
		func(cmd *cobra.Command, e formats.Entry, _ []string) error {
			c := e.Map.Coverage()
			for _, f := range c.Fields {
				fmt.Fprintf(cmd.OutOrStdout(), "%-28s in: %-40s out: %s\n", f.Name, strings.Join(f.In, " "), strings.Join(f.Out, " "))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d fields, %d carried into FHIR, %d written back\n", len(c.Fields), c.In, c.Out)
			return nil
		})
}

func newMapExplain() *cobra.Command {
	return mapTool("explain FORMAT [FILE|-]", "Say for each FHIR element which rule and which place of the document made it", 2,
		func(cmd *cobra.Command, e formats.Entry, args []string) error {
			doc, err := readInput(cmd, args)
			if err != nil {
				return err
			}
			records, faults := e.Map.Explain(doc)
			if err := fhir.Faults(faults); err != nil {
				return err
			}
			for i, r := range records {
				fmt.Fprintf(cmd.OutOrStdout(), "record %d\n", i+1)
				for _, x := range r.Elements {
					fmt.Fprintf(cmd.OutOrStdout(), "  %-70s %-24s %s\n", x.Expression, x.Source, x.Rule)
				}
			}
			return nil
		})
}

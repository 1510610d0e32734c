package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"trellis.example/gateway/intake"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
)

func newMap() *cobra.Command {
	c := &cobra.Command{Use: "map", Short: "Try and inspect the maps between partner formats and FHIR"}
	c.AddCommand(newMapList(), newMapApply())
	return c
}

func newMapList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the formats, their versions and directions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			all, err := formats.All()
			if err != nil {
				return err
			}
			if asJSON {
				var infos []mapping.Info
				for _, f := range all {
					infos = append(infos, f.Info())
				}
				return json.NewEncoder(out).Encode(infos)
			}
			fmt.Fprintf(out, "%-12s %-8s %-7s %s\n", "FORMAT", "VERSION", "WAYS", "PARTNER")
			for _, f := range all {
				i := f.Info()
				fmt.Fprintf(out, "%-12s %-8s %-7s %s\n", i.ID, i.Version, ways(i), i.Partner)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func ways(i mapping.Info) string {
	switch {
	case i.In && i.Out:
		return "in, out"
	case i.In:
		return "in"
	}
	return "out"
}

func newMapApply() *cobra.Command {
	var reverse, asJSON bool
	cmd := &cobra.Command{
		Use:   "apply FORMAT [FILE|-]",
		Short: "Read a partner's document as FHIR, or write FHIR as theirs; nothing is stored",
		Long: `Read a partner's document as FHIR, or with --reverse write FHIR JSON as theirs.
Nothing is stored. What is lost and what is wrong is listed with its place in
the document. Exit code 0: accepted; 1: refused in whole or in part.`,
		Example: `  trellis map apply ppn-csv notices.csv
  trellis map apply hl7v2 --reverse bundle.json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, ok, err := formats.Lookup(args[0])
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("there is no format %q; trellis map list names them", args[0])
			}
			doc, err := readInput(cmd, args[1:])
			if err != nil {
				return err
			}
			if reverse {
				return applyReverse(cmd, f, doc, asJSON)
			}
			return apply(cmd, f, doc, asJSON)
		},
	}
	cmd.Flags().BoolVar(&reverse, "reverse", false, "write FHIR JSON in the partner's format")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document for programs")
	return cmd
}

func readInput(cmd *cobra.Command, args []string) ([]byte, error) {
	if len(args) == 0 || args[0] == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(args[0])
}

func apply(cmd *cobra.Command, f mapping.Format, doc []byte, asJSON bool) error {
	v, err := profiles.New()
	if err != nil {
		return err
	}
	a := intake.Apply(f, doc, v)
	if err := printJSON(cmd.OutOrStdout(), a, !asJSON); err != nil {
		return err
	}
	if !a.Accepted {
		return errFaults
	}
	return nil
}

// written is the answer of --reverse.
type written struct {
	Document string         `json:"document"`
	Losses   []mapping.Loss `json:"losses"`
	Faults   []intake.Fault `json:"faults"`
}

func applyReverse(cmd *cobra.Command, f mapping.Format, doc []byte, asJSON bool) error {
	w := f.Write(doc)
	out := written{w.Document, w.Losses, intake.NewFaults(w.Faults)}
	if out.Losses == nil {
		out.Losses = []mapping.Loss{}
	}
	if err := printJSON(cmd.OutOrStdout(), out, !asJSON); err != nil {
		return err
	}
	if intake.HasErrors(w.Faults) {
		return errFaults
	}
	return nil
}

func printJSON(w io.Writer, v any, pretty bool) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if pretty {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

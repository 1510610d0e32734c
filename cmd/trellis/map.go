package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
)

func newMap() *cobra.Command {
	c := &cobra.Command{Use: "map", Short: "Try and inspect the maps between partner formats and FHIR"}
	c.AddCommand(newMapList(), newMapApply(), newMapLint(), newMapTest(), newMapExplain(), newMapCoverage(), newMapDiff())
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
			fmt.Fprintf(out, "%-19s %-8s %-7s %s\n", "FORMAT", "VERSION", "WAYS", "PARTNER")
			for _, f := range all {
				i := f.Info()
				fmt.Fprintf(out, "%-19s %-8s %-7s %s\n", i.ID, i.Version, ways(i), i.Partner)
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
the document. HL7 v2 is read as from a sender whose referrals are direct care.
Exit code 0: accepted; 1: refused in whole or in part.

` + formatHelp,
		Example: `  trellis map apply ppn-csv notices.csv
  trellis map apply hl7v2 --reverse bundle.json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := findFormat(args[0])
			if err != nil {
				return err
			}
			doc, err := readInput(cmd, args[1:])
			if err != nil {
				return err
			}
			if reverse {
				return applyReverse(cmd, f, doc, asJSON)
			}
			return apply(cmd, intake.Agreed(f.Format, true), doc, asJSON)
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
	a := intake.Apply(f, doc, v, profiles.Options{})
	if err := printRaw(cmd.OutOrStdout(), a.AppendJSON(nil), asJSON); err != nil {
		return err
	}
	if !a.Accepted() {
		return errFaults
	}
	return nil
}

func applyReverse(cmd *cobra.Command, f mapping.Format, doc []byte, asJSON bool) error {
	w := f.Write(doc)
	if err := printRaw(cmd.OutOrStdout(), w.AppendJSON(nil), asJSON); err != nil {
		return err
	}
	if fhir.Faults(w.Faults) != nil {
		return errFaults
	}
	return nil
}

// printRaw prints a JSON document on one line, or indented for people.
func printRaw(w io.Writer, doc []byte, compact bool) error {
	if !compact {
		var b bytes.Buffer
		if err := json.Indent(&b, doc, "", "  "); err != nil {
			return err
		}
		doc = b.Bytes()
	}
	_, err := fmt.Fprintf(w, "%s\n", doc)
	return err
}

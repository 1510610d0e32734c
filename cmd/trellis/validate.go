package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"trellis.example/cmd/trellis/internal/check"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/terminology"
	"trellis.example/profiles"
)

// validateFlags are what trellis validate may be told.
type validateFlags struct {
	profile, definitions                            []string
	asJSON, asJUnit, explain, references, asGateway bool
	terminologyURL, terminologyTokenFile            string
}

func newValidate() *cobra.Command {
	var f validateFlags
	cmd := &cobra.Command{
		Use:   "validate PATH…",
		Short: "Check FHIR JSON or XML: files, folders, .ndjson files, or - for standard input",
		Long: `Check FHIR R4 documents, in JSON or XML, against base R4, the profiles they
claim and those given by --profile; with --gateway also against all that the
gateway asks of a document of that type.

Every fault is printed with its place, what was expected, the class of what was
found and the profile line that asks for it; values of the document are not.
Exit code 0: all valid (warnings may be printed); 1: faults found; 2: could not
run.`,
		Example: `  trellis validate referral.json
  trellis validate --gateway --explain referral.json
  trellis validate --profile https://trellis.example/fhir/StructureDefinition/referral exports/
  trellis validate --definitions my-profiles/ --references --junit bundle.ndjson > report.xml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.profile, "profile", nil, "canonical of a profile that every document of its type must follow")
	flags.StringSliceVar(&f.definitions, "definitions", nil, "files or folders of profiles, value sets and questionnaires of your own")
	flags.BoolVar(&f.references, "references", false, "follow references between the documents; one that leads nowhere is a fault")
	flags.StringVar(&f.terminologyURL, "terminology-url", "", "FHIR base URL of a terminology server to ask about codes that are not held here")
	flags.StringVar(&f.terminologyTokenFile, "terminology-token-file", "", "file with the bearer token for --terminology-url")
	flags.BoolVar(&f.asGateway, "gateway", false, "judge as the gateway does: our profile of each type too")
	flags.BoolVar(&f.explain, "explain", false, "print which profile line each element was held against")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	flags.BoolVar(&f.asJUnit, "junit", false, "print JUnit XML")
	cmd.MarkFlagsMutuallyExclusive("json", "junit")
	return cmd
}

func (f *validateFlags) run(cmd *cobra.Command, paths []string) error {
	v, err := f.validator()
	if err != nil {
		return err
	}
	if err := knownProfiles(v, f.profile); err != nil {
		return err
	}
	source, err := check.NewSource(paths, cmd.InOrStdin())
	if err != nil {
		return err
	}
	judge := check.Judge{Validator: v, Explain: f.explain, Options: profiles.Options{BaseOnly: !f.asGateway, Profiles: f.profile, Context: cmd.Context()}}
	if f.terminologyURL != "" {
		c, err := gateway.TerminologyServer(f.terminologyURL, f.terminologyTokenFile, terminology.ClientConfig{Service: v.Terminology()})
		if err != nil {
			return err
		}
		judge.Options.Remote = c
	}
	if f.references {
		if judge.Options.Resolve, err = resolver(paths); err != nil {
			return err
		}
	}
	return validate(cmd, source, judge, f.output(cmd.OutOrStdout()))
}

// validator returns our definitions and the user's.
func (f *validateFlags) validator() (*profiles.Validator, error) {
	if len(f.definitions) == 0 {
		return profiles.New()
	}
	source, err := check.NewSource(f.definitions, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	extra, err := check.Definitions(source)
	if err != nil {
		return nil, err
	}
	v, err := profiles.NewWith(extra...)
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		return nil, faultyDefinitions(e)
	}
	return v, err
}

// faultyDefinitions lists what is wrong with a user's definitions, a line each,
// with the line of the definition.
func faultyDefinitions(e *fhir.Error) error {
	var b strings.Builder
	b.WriteString("these definitions cannot be used:")
	for _, is := range e.Issues {
		b.WriteString("\n  ")
		if is.Profile != "" {
			b.WriteString(is.Profile + ": ")
		} else if is.Expression != "" {
			b.WriteString(is.Expression + ": ")
		}
		b.WriteString(is.Text)
	}
	return errors.New(b.String())
}

// resolver reads the documents once before they are judged, because one may
// refer to a later one.
func resolver(paths []string) (func(string) (fhir.Resource, bool), error) {
	for _, p := range paths {
		if p == "-" {
			return nil, fmt.Errorf("--references reads the documents twice, which standard input does not allow; name a file")
		}
	}
	source, err := check.NewSource(paths, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	refs, err := check.NewReferences(source)
	if err != nil {
		return nil, err
	}
	return refs.Resolve, nil
}

func (f *validateFlags) output(w io.Writer) check.Output {
	switch {
	case f.asJSON:
		return check.NewJSON(w)
	case f.asJUnit:
		return check.NewJUnit(w)
	}
	return check.NewTable(w)
}

func validate(cmd *cobra.Command, source *check.Source, judge check.Judge, out check.Output) error {
	m := newMeter(cmd, int(source.Size), "documents")
	progressbar.OptionShowBytes(true)(m.bar)
	var sum check.Summary
	err := check.Run(source, judge.Judge, func(c check.Checked) error {
		sum.Count(c)
		return out.Add(c)
	}, func(n int64) { m.at(int(n)) })
	m.end()
	if err == nil {
		err = out.End(&sum)
	}
	if err == nil && sum.Refused > 0 {
		err = errFaults
	}
	return err
}

func knownProfiles(v *profiles.Validator, want []string) error {
	for _, w := range want {
		if v.Knows(w) {
			continue
		}
		var list []string
		for _, p := range v.Profiles() {
			list = append(list, p.URL+"|"+p.Version)
		}
		return fmt.Errorf("there is no profile %s; known are\n  %s", w, strings.Join(list, "\n  "))
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

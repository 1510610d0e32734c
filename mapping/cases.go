package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A CaseResult is the outcome of one worked example of a format.
type CaseResult struct {
	Name string `json:"name"`
	// Wrong names the expected files that differ or are missing; empty when the
	// case passes.
	Wrong []string `json:"wrong"`
}

// RunCases runs the worked examples testdata/<case>/in.* of a format and
// compares the outcome with the files beside it.
func RunCases(f Format, fsys fs.FS) ([]CaseResult, error) {
	inputs, err := fs.Glob(fsys, "testdata/*/in.*")
	if err != nil || len(inputs) == 0 {
		return nil, fmt.Errorf("format %s: no cases below testdata (%w)", f.Info().ID, fs.ErrNotExist)
	}
	var out []CaseResult
	for _, in := range inputs {
		doc, err := fs.ReadFile(fsys, in)
		if err != nil {
			return nil, err
		}
		res := CaseResult{Name: path.Base(path.Dir(in))}
		for name, want := range CaseFiles(f, doc, path.Ext(in)) {
			got, err := fs.ReadFile(fsys, path.Dir(in)+"/"+name)
			if err != nil || !bytes.Equal(got, want) {
				res.Wrong = append(res.Wrong, name)
			}
		}
		slices.Sort(res.Wrong)
		out = append(out, res)
	}
	return out, nil
}

// CaseFiles makes the expected files of a case: fhir.json, the bundles;
// return.<ext>, what the bundles become again; losses.json and faults.json.
func CaseFiles(f Format, doc []byte, ext string) map[string][]byte {
	res := f.Read(doc)
	files := map[string][]byte{}
	var bundles, losses, faults []json.RawMessage
	var back strings.Builder
	faults = append(faults, appendFaults(nil, res.Faults))
	for _, rec := range res.Records {
		faults = append(faults, appendFaults(nil, rec.Faults))
		losses = append(losses, appendLosses(nil, rec.Losses))
		if rec.Bundle == nil {
			bundles = append(bundles, json.RawMessage("null"))
			continue
		}
		bundles = append(bundles, rec.Bundle)
		if f.Info().Out {
			w := f.Write(rec.Bundle)
			back.WriteString(w.Document)
			losses = append(losses, appendLosses(nil, w.Losses))
			faults = append(faults, appendFaults(nil, w.Faults))
		}
	}
	files["fhir.json"], files["losses.json"], files["faults.json"] = indent(bundles), indent(losses), indent(faults)
	if f.Info().Out {
		files["return"+ext] = []byte(back.String())
	}
	return files
}

// indent lays out a list for a reader; it changes white space only.
func indent(list []json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteString("[")
	for i, j := range list {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n")
		_ = json.Indent(&b, j, "", "  ") // what the package wrote is JSON
	}
	b.WriteString("\n]\n")
	return b.Bytes()
}

// Package redcapcsv is the format redcap-csv: exports of a REDCap project, read
// by its data dictionary.
//
// A REDCap project has the columns that its dictionary says, so no map written
// beforehand fits two projects. The package makes the map from the dictionary,
// by the rules in README.md; everything after that (rules, tables, losses, the
// way back) is the engine's. What the package promises:
//
//   - A dictionary that is not read is an error that names every fault with its
//     row and column.
//   - An export whose columns are not the dictionary's is refused whole, with
//     every missing and every extra column.
//   - A dictionary sent as a document becomes Questionnaires, one for each
//     instrument; what they do not carry (calculations, piping, logic that is
//     more than simple comparisons) is listed as lost.
package redcapcsv

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"

	"gopkg.in/yaml.v3"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

const (
	formatID = "redcap-csv"
	version  = "1.0.0"
	// Dictionary is the file in a format's folder that holds the data
	// dictionary.
	Dictionary = "dictionary.csv"
	// maxDictionary is the largest dictionary in bytes.
	maxDictionary = 4 << 20
)

// A Format reads and writes the exports of one project, and reads data
// dictionaries.
type Format struct {
	*mapping.Map
	id, version string
}

var _ mapping.Format = (*Format)(nil)

// New makes the format of a folder with the file [Dictionary]. The folder may
// have a map.yaml with "base: redcap-csv", whose rules and tables then change
// the map that the dictionary gives; without one the dictionary is all.
func New(files fs.FS, lib mapping.Library) (*Format, error) {
	p, err := open(files)
	if err != nil {
		return nil, err
	}
	made, err := makeMap(p)
	if err != nil {
		return nil, err
	}
	lib.Codecs = maps.Clone(lib.Codecs)
	lib.Codecs["csv"] = newSyntax(p.dictionary)
	from := fs.FS(made)
	if _, err := fs.Stat(files, "map.yaml"); err == nil {
		from, lib.Folder = files, folder(made, lib.Folder)
	}
	m, err := mapping.Compile(from, lib)
	if err != nil {
		return nil, fmt.Errorf("the map made from %s: %w", Dictionary, err)
	}
	return &Format{Map: m, id: p.id, version: p.version}, nil
}

// folder opens the map that was made where a map names it as its base.
func folder(made fs.FS, others func(string) (fs.FS, error)) func(string) (fs.FS, error) {
	return func(id string) (fs.FS, error) {
		if id == formatID || others == nil {
			return made, nil
		}
		return others(id)
	}
}

// open reads the dictionary and the name and version of the format.
func open(files fs.FS) (project, error) {
	p := project{id: formatID, version: version}
	doc, err := fs.ReadFile(files, Dictionary)
	if err != nil {
		return p, err
	}
	d, faults := readDictionary(doc)
	if err := fhir.Faults(faults); err != nil {
		return p, fmt.Errorf("%s: %w", Dictionary, err)
	}
	p.dictionary = d
	b, err := fs.ReadFile(files, "map.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	var own struct {
		ID      string `yaml:"id"`
		Version string `yaml:"version"`
	}
	if err == nil {
		err = yaml.Unmarshal(b, &own)
	}
	p.id, p.version = own.ID, own.Version
	return p, err
}

// Read reads an export or a data dictionary.
func (f *Format) Read(doc []byte) mapping.Result {
	if !isDictionary(doc) {
		return f.Map.Read(doc)
	}
	rec, faults := f.dictionary(doc)
	res := mapping.Result{Map: f.Name(), Faults: faults}
	if fhir.Faults(faults) == nil {
		res.Records = []mapping.Record{rec}
	}
	return res
}

// ReadStream reads an export row by row, or a data dictionary at once.
func (f *Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	in := bufio.NewReader(r)
	start, _ := in.Peek(len(colName) + 4) // a fault of the reader shows below
	if !isDictionary(start) {
		return f.Map.ReadStream(in, yield)
	}
	doc, err := io.ReadAll(io.LimitReader(in, maxDictionary+1))
	if err != nil || len(doc) > maxDictionary {
		return []fhir.Issue{fault(fhir.TooLong, "header", "the dictionary could not be read to its end: expected at most 4 MB")}
	}
	rec, faults := f.dictionary(doc)
	if fhir.Faults(faults) == nil {
		yield(rec)
	}
	return faults
}

// Write writes QuestionnaireResponses as one row of an export. A Questionnaire
// is no answer: the dictionary is REDCap's own, and what it loses on the way in
// cannot be made up.
func (f *Format) Write(resource []byte) mapping.Written {
	if res, err := fhir.DecodeLimit(resource, maxDictionary); err == nil && asks(res) {
		return mapping.Written{Faults: []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.NotSupported, Rule: "answers",
			Text: "expected QuestionnaireResponses to the instruments of the data dictionary: a Questionnaire is not written as a dictionary"}}}
	}
	return f.Map.Write(resource)
}

// asks reports whether there is a Questionnaire in the document.
func asks(res fhir.Resource) bool {
	if res.Type() == "Questionnaire" {
		return true
	}
	for _, e := range res.Entries() {
		if e.Type() == "Questionnaire" {
			return true
		}
	}
	return false
}

// dictionary turns a data dictionary into Questionnaires of this format's name
// and version.
func (f *Format) dictionary(doc []byte) (mapping.Record, []fhir.Issue) {
	d, faults := readDictionary(doc)
	if fhir.Faults(faults) != nil {
		return mapping.Record{}, faults
	}
	p := project{d, f.id, f.version}
	rec := mapping.Record{Row: 1, Key: "dictionary/" + f.id + "/" + f.version}
	b := bytes.NewBufferString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i, form := range d.forms {
		q, losses := p.questionnaire(form)
		rec.Losses = append(rec.Losses, losses...)
		if i > 0 {
			b.WriteByte(',')
		}
		body, err := json.Marshal(q)
		if err != nil {
			return rec, []fhir.Issue{fault(fhir.Exception, "header", "the Questionnaire could not be written")}
		}
		fmt.Fprintf(b, `{"fullUrl":%q,"resource":%s,"request":{"method":"POST","url":"Questionnaire"}}`, mapping.URN(f.id, []string{"dictionary", form}, 0), body)
	}
	b.WriteString(`]}`)
	rec.Bundle = b.Bytes()
	return rec, faults
}

// memory is a folder in memory: the map that was made.
type memory map[string][]byte

var (
	_ fs.ReadFileFS = memory{}
	_ fs.GlobFS     = memory{}
)

// Open refuses: what is here is read whole.
func (m memory) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Glob lists the files that a pattern means.
func (m memory) Glob(pattern string) ([]string, error) {
	var out []string
	for name := range m {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// ReadFile returns a file.
func (m memory) ReadFile(name string) ([]byte, error) {
	b, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return b, nil
}

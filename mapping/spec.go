package mapping

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"

	"trellis.example/mapping/codec"
)

// A spec is a map file as written.
type spec struct {
	ID             string            `yaml:"id"`
	Version        string            `yaml:"version"`
	Partner        string            `yaml:"partner"`
	PartnerVersion string            `yaml:"partner_version"`
	Status         string            `yaml:"status"`
	Since          string            `yaml:"since"`
	Codec          string            `yaml:"codec"`
	MediaTypes     []string          `yaml:"media_types"`
	Senders        []string          `yaml:"senders"`
	Receipt        string            `yaml:"receipt"`
	Batch          bool              `yaml:"batch"`
	Record         string            `yaml:"record"`
	Namespaces     map[string]string `yaml:"namespaces"`
	Base           string            `yaml:"base"`
	Paths          map[string]string `yaml:"paths"`
	Without        []string          `yaml:"without"`
	Key            []string          `yaml:"key"`
	RecordKey      string            `yaml:"record_key"`
	Fields         []string          `yaml:"fields"`
	Groups         map[string]group  `yaml:"groups"`
	Rules          []ruleSpec        `yaml:"rules"`
	NotReferral    []checkSpec       `yaml:"not_referral"`
	Checks         []checkSpec       `yaml:"checks"`
	Wide           *wideSpec         `yaml:"wide"`
}

// A wideSpec is [codec.Wide] as a map file says it.
type wideSpec struct {
	Column string            `yaml:"column"`
	Points []codec.WidePoint `yaml:"points"`
}

type group struct {
	Partner string      `yaml:"partner"`
	In      string      `yaml:"in"`
	Split   string      `yaml:"split"`
	All     bool        `yaml:"all"`
	Names   []string    `yaml:"names"`
	When    []condition `yaml:"when"`
	Note    string      `yaml:"note"`
}

type condition struct {
	Partner string   `yaml:"partner"`
	In      []string `yaml:"in"`
	Not     []string `yaml:"not"`
	Present *bool    `yaml:"present"`
}

// A checkSpec is a condition on the partner's side that no FHIR element holds.
// Of the entries of not_referral only ID, When and Text are used.
type checkSpec struct {
	ID        string      `yaml:"id"`
	Each      string      `yaml:"each"`
	When      []condition `yaml:"when"`
	condition `yaml:",inline"`
	Severity  string `yaml:"severity"`
	Text      string `yaml:"text"`
}

type ruleSpec struct {
	ID       string      `yaml:"id"`
	Partner  string      `yaml:"partner"`
	Sources  []string    `yaml:"sources"`
	Each     string      `yaml:"each"`
	Resource string      `yaml:"resource"`
	FHIR     string      `yaml:"fhir"`
	Value    any         `yaml:"value"`
	Dir      string      `yaml:"dir"`
	Type     string      `yaml:"type"`
	Table    string      `yaml:"table"`
	Required bool        `yaml:"required"`
	Default  string      `yaml:"default"`
	Min      *float64    `yaml:"min"`
	Max      *float64    `yaml:"max"`
	Sum      []string    `yaml:"sum"`
	When     []condition `yaml:"when"`
	Loss     string      `yaml:"loss"`
	Note     string      `yaml:"note"`
}

// paths are the partner paths the rule reads.
func (r *ruleSpec) paths() []string {
	if r.Partner != "" {
		return []string{r.Partner}
	}
	if len(r.Sources) == 0 && len(r.Sum) > 0 {
		return r.Sum
	}
	return r.Sources
}

type tableSpec struct {
	ID         string     `yaml:"id"`
	Version    string     `yaml:"version"`
	System     string     `yaml:"system"`
	IgnoreCase bool       `yaml:"ignore_case"`
	Open       bool       `yaml:"open"`
	Until      string     `yaml:"until"`
	Note       string     `yaml:"note"`
	Rows       []tableRow `yaml:"rows"`
}

type tableRow struct {
	Partner string `yaml:"partner"`
	Code    string `yaml:"code"`
	System  string `yaml:"system"`
	Display string `yaml:"display"`
	Reverse *bool  `yaml:"reverse"`
	Loss    string `yaml:"loss"`
}

// MapSchema is the published JSON Schema (2020-12) of map files.
//
//go:embed map.schema.json
var MapSchema string

// TableSchema is the published JSON Schema (2020-12) of code tables.
//
//go:embed table.schema.json
var TableSchema string

// schemas compiles the two schemas once. References outside them are refused.
var schemas = sync.OnceValues(func() ([2]*jsonschema.Schema, error) {
	var out [2]*jsonschema.Schema
	for i, src := range []string{MapSchema, TableSchema} {
		c := jsonschema.NewCompiler()
		c.Draft, c.AssertFormat = jsonschema.Draft2020, true
		c.LoadURL = func(string) (io.ReadCloser, error) {
			return nil, errors.New("references outside the schema are not loaded")
		}
		const at = "https://trellis.example/schemas/this.json"
		if err := c.AddResource(at, strings.NewReader(src)); err != nil {
			return out, err
		}
		s, err := c.Compile(at)
		if err != nil {
			return out, err
		}
		out[i] = s
	}
	return out, nil
})

// loadSpec reads map.yaml of fsys and checks it against its schema unless it is
// known to be right.
func loadSpec(fsys fs.FS, known bool) (*spec, error) {
	schema, err := schemaOf(0, known)
	if err != nil {
		return nil, err
	}
	m := &spec{}
	return m, loadYAML(fsys, "map.yaml", schema, m)
}

// loadTable reads a code table.
func loadTable(fsys fs.FS, name string, known bool) (*tableSpec, error) {
	schema, err := schemaOf(1, known)
	if err != nil {
		return nil, err
	}
	t := &tableSpec{}
	if err := loadYAML(fsys, name, schema, t); err != nil {
		return nil, err
	}
	if want := strings.TrimSuffix(path.Base(name), ".yaml"); t.ID != want {
		return nil, fmt.Errorf("%s: the id must be the file's name", name)
	}
	return t, nil
}

// schemaOf returns the schema of maps (0) or tables (1); nil when the file is
// known to follow it.
func schemaOf(i int, known bool) (*jsonschema.Schema, error) {
	if known {
		return nil, nil //nolint:nilnil // no schema is no error
	}
	s, err := schemas()
	return s[i], err
}

func loadYAML(fsys fs.FS, name string, schema *jsonschema.Schema, into any) error {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if schema != nil {
		if err := checkYAML(b, schema); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// checkYAML validates the document as the JSON it stands for.
func checkYAML(b []byte, schema *jsonschema.Schema) error {
	var doc any
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return err
	}
	j, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(j))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return err
	}
	err = schema.Validate(doc)
	ve, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	var errs []error
	leaves(ve, &errs)
	return errors.Join(errs...)
}

// leaves collects the innermost faults: place in the file and broken keyword.
func leaves(ve *jsonschema.ValidationError, errs *[]error) {
	if len(ve.Causes) == 0 {
		*errs = append(*errs, fmt.Errorf("%s: %s (breaks the schema at %s)", cmp.Or(ve.InstanceLocation, "the file"), ve.Message, ve.KeywordLocation))
	}
	for _, c := range ve.Causes {
		leaves(c, errs)
	}
}

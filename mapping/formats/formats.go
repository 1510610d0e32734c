// Package formats lists the partner formats. Each is a folder with its map,
// tables, worked examples and README; nearly all are nothing else. To add one,
// write its folder here, or give the program a folder of such folders
// ([Open]).
package formats

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"trellis.example/mapping"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/csv"
	"trellis.example/mapping/codec/form"
	hl7codec "trellis.example/mapping/codec/hl7v2"
	"trellis.example/mapping/codec/json"
	"trellis.example/mapping/codec/xml"
	"trellis.example/mapping/formats/bars"
	ersjson "trellis.example/mapping/formats/ers-json"
	"trellis.example/mapping/formats/fhir"
	"trellis.example/mapping/formats/hl7v2"
	itk3json "trellis.example/mapping/formats/itk3-json"
	itk3xml "trellis.example/mapping/formats/itk3-xml"
	oruk "trellis.example/mapping/formats/oruk-v3"
	redcapcsv "trellis.example/mapping/formats/redcap-csv"
	sdohcc "trellis.example/mapping/formats/sdohcc-json"
	"trellis.example/mapping/tables"
)

//go:embed */map.yaml */dictionary.csv */tables/*.yaml */testdata/*/*.* */README.md */versions/*/map.yaml */versions/*/tables/*.yaml
var folders embed.FS

// An Entry is a format with what the tools know about it.
type Entry struct {
	mapping.Format
	// Map is the compiled map; nil when the format is not made from a map.
	Map *mapping.Map
	// Files is the format's folder: README.md, and where there are such,
	// map.yaml, tables and the worked examples below "testdata".
	Files fs.FS
}

// HasCases reports whether the folder holds worked examples.
func (e Entry) HasCases() bool {
	found, err := fs.Glob(e.Files, "testdata/*/in.*")
	return err == nil && len(found) > 0
}

// written are the formats that are more than a map, by id.
var written = map[string]func(lib mapping.Library, files fs.FS) (Entry, error){
	"fhir":      func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: fhir.Format{}}, nil },
	"bars":      func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: bars.New()}, nil },
	"ers-json":  func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: ersjson.New()}, nil },
	"itk3-xml":  func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: itk3xml.New()}, nil },
	"itk3-json": func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: itk3json.New()}, nil },
	"hl7v2": func(lib mapping.Library, files fs.FS) (Entry, error) {
		f, err := hl7v2.New(files, lib)
		if err != nil {
			return Entry{}, err
		}
		return Entry{Format: f, Map: f.Map()}, nil
	},
	"oruk-v1":     openReferral(1),
	"oruk-v3":     openReferral(3),
	"redcap-csv":  fromDictionary,
	"sdohcc-json": func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: sdohcc.New()}, nil },
	"bser-json":   func(mapping.Library, fs.FS) (Entry, error) { return Entry{Format: sdohcc.NewBSeR()}, nil },
}

// openReferral compiles a version of Open Referral UK.
func openReferral(version int) func(mapping.Library, fs.FS) (Entry, error) {
	return func(lib mapping.Library, files fs.FS) (Entry, error) {
		f, err := oruk.New(version, files, lib)
		if err != nil {
			return Entry{}, err
		}
		return Entry{Format: f, Map: f.Map()}, nil
	}
}

// A Set is the formats that a program knows. Each is compiled at its first use.
// It is immutable and safe for concurrent use.
type Set struct {
	byID map[string]func() (Entry, error)
}

// builtIn are the formats of the program itself.
var builtIn = sync.OnceValue(func() *Set {
	s := &Set{byID: map[string]func() (Entry, error){}}
	ids := slices.Collect(maps.Keys(written))
	found, _ := fs.Glob(folders, "*/map.yaml") // the pattern is right
	for _, name := range found {
		ids = append(ids, path.Dir(name))
	}
	for _, id := range ids {
		if files, err := fs.Sub(folders, id); err == nil {
			s.add(id, files, library(true))
		}
	}
	return s
})

func (s *Set) add(id string, files fs.FS, lib mapping.Library) {
	s.byID[id] = sync.OnceValues(func() (Entry, error) { return compile(id, files, lib) })
}

// BuiltIn returns the formats of the program itself.
func BuiltIn() *Set { return builtIn() }

// Open returns the program's formats and those of a user's folder: each folder
// in it that holds a map.yaml is a format of that name. They are compiled at
// once, so that a fault of a map shows at the start. They may build on the
// program's formats and on each other, and cannot take the place of one.
func Open(dir fs.FS) (*Set, error) {
	s := &Set{byID: maps.Clone(builtIn().byID)}
	found, err := fs.Glob(dir, "*/map.yaml")
	if err != nil {
		return nil, err
	}
	lib := libraryOf(dir)
	var errs []error
	for _, name := range found {
		id := path.Dir(name)
		if _, taken := builtIn().byID[id]; taken {
			errs = append(errs, fmt.Errorf("format %s: the program has one of this name; call yours something else", id))
			continue
		}
		files, err := fs.Sub(dir, id)
		if err == nil {
			s.add(id, files, lib)
			_, err = s.byID[id]()
		}
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// OpenOne compiles the one format of a user's folder that is called id.
func OpenOne(dir fs.FS, id string) (Entry, error) {
	files, err := fs.Sub(dir, id)
	if err != nil {
		return Entry{}, err
	}
	return compile(id, files, libraryOf(dir))
}

// libraryOf finds bases in the user's folder first.
func libraryOf(dir fs.FS) mapping.Library {
	lib := library(false)
	lib.Folder = func(id string) (fs.FS, error) {
		if _, err := fs.Stat(dir, id+"/map.yaml"); err == nil {
			return fs.Sub(dir, id)
		}
		return Folder(id)
	}
	return lib
}

// All returns the formats in the order of their ids.
func (s *Set) All() ([]Entry, error) {
	var out []Entry
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		e, err := s.byID[id]()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Lookup returns the format with the id; false when there is none.
func (s *Set) Lookup(id string) (Entry, bool, error) {
	f, ok := s.byID[id]
	if !ok {
		return Entry{}, false, nil
	}
	e, err := f()
	return e, err == nil, err
}

// Find returns what a person names: a format ("ppn-csv"), or an earlier version
// of its map ("ppn-csv@1.0.0"), so that a document of then can be explained
// again.
func (s *Set) Find(name string) (Entry, error) {
	id, version, old := strings.Cut(name, "@")
	e, ok, err := s.Lookup(id)
	switch {
	case err != nil:
		return Entry{}, err
	case !ok:
		return Entry{}, fmt.Errorf("there is no format %q; trellis map list names them", id)
	case !old || e.Info().Version == version:
		return e, nil
	}
	files, err := fs.Sub(e.Files, "versions/"+version)
	if _, missing := fs.Stat(files, "map.yaml"); err != nil || missing != nil {
		return Entry{}, fmt.Errorf("format %s has no version %s; it has %s", id, version, strings.Join(e.Versions(), ", "))
	}
	return compile(id, files, library(false))
}

// Versions lists the versions of the format's map, the one in force first.
func (e Entry) Versions() []string {
	out := []string{e.Info().Version}
	old, _ := fs.Glob(e.Files, "versions/*/map.yaml") // the pattern is right
	slices.Reverse(old)
	for _, name := range old {
		out = append(out, strings.Split(name, "/")[1])
	}
	return out
}

// All returns the program's formats. An error is a fault of a map that was
// compiled in.
func All() ([]Entry, error) { return builtIn().All() }

// Lookup returns the program's format with the id; false when there is none.
func Lookup(id string) (Entry, bool, error) { return builtIn().Lookup(id) }

// Folder opens the folder of one of the program's formats, or of an earlier
// version of it ("ppn-csv@1.0.0").
func Folder(name string) (fs.FS, error) {
	id, version, old := strings.Cut(name, "@")
	if old {
		id += "/versions/" + version
	}
	if _, err := fs.Stat(folders, id+"/map.yaml"); err != nil {
		return nil, fmt.Errorf("there is no map of the name %s", name)
	}
	return fs.Sub(folders, id)
}

func library(known bool) mapping.Library {
	return mapping.Library{Codecs: codecs(), Folder: Folder, Tables: tables.Files(), Known: known}
}

func codecs() map[string]codec.Syntax {
	return map[string]codec.Syntax{"csv": csv.Syntax{}, "form": form.Syntax{}, "hl7v2": hl7codec.Syntax{}, "json": json.Syntax{}, "jsonapi": json.API{}, "xml": xml.Syntax{}}
}

func compile(id string, files fs.FS, lib mapping.Library) (Entry, error) {
	make, ok := written[id]
	if !ok {
		make = fromMap
	}
	if _, err := fs.Stat(files, redcapcsv.Dictionary); err == nil {
		make = fromDictionary
	}
	e, err := make(lib, files)
	if err != nil {
		return Entry{}, err
	}
	if got := e.Info().ID; id != "" && got != id {
		return Entry{}, fmt.Errorf("map %s: the id must be the folder's name, %s", got, id)
	}
	e.Files = files
	return e, nil
}

// fromDictionary makes the format of a folder that holds a data dictionary.
func fromDictionary(lib mapping.Library, files fs.FS) (Entry, error) {
	f, err := redcapcsv.New(files, lib)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Format: f, Map: f.Map}, nil
}

func fromMap(lib mapping.Library, files fs.FS) (Entry, error) {
	m, err := mapping.Compile(files, lib)
	return Entry{Format: m, Map: m}, err
}

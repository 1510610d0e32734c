// Package formats lists the partner formats. To add one, write its folder and
// add a line to [All].
package formats

import (
	"io/fs"
	"sync"

	"trellis.example/mapping"
	"trellis.example/mapping/formats/bars"
	"trellis.example/mapping/formats/fhir"
	"trellis.example/mapping/formats/hl7v2"
	ppncsv "trellis.example/mapping/formats/ppn-csv"
)

// An Entry is a format with what the tools know about it.
type Entry struct {
	mapping.Format
	// Map is the compiled map; nil when the format is not made from a map.
	Map *mapping.Map
	// Cases holds the worked examples below "testdata"; nil when there are none.
	Cases fs.FS
}

// All returns the formats, compiled once for the process. The caller must not
// modify the slice. An error is a fault of a map that was compiled in.
func All() ([]Entry, error) { return compiled() }

var compiled = sync.OnceValues(func() ([]Entry, error) {
	ppn, err := ppncsv.New()
	if err != nil {
		return nil, err
	}
	hl7, err := hl7v2.New()
	if err != nil {
		return nil, err
	}
	return []Entry{
		{Format: fhir.Format{}},
		{Format: bars.New()},
		{Format: hl7, Map: hl7.Map(), Cases: hl7v2.Cases()},
		{Format: ppn, Map: ppn, Cases: ppncsv.Cases()},
	}, nil
})

// Lookup returns the format with the id; false when there is none.
func Lookup(id string) (Entry, bool, error) {
	all, err := All()
	for _, e := range all {
		if e.Info().ID == id {
			return e, true, nil
		}
	}
	return Entry{}, false, err
}

// Package ppncsv is the format ppn-csv: Public Protection Notices that police
// forces extract from their record systems as CSV, one notice a row. The map
// and its tables are data; README.md explains the choices.
package ppncsv

import (
	"embed"
	"io/fs"

	"trellis.example/mapping"
	"trellis.example/mapping/codec/csv"
)

//go:embed map.yaml tables
var files embed.FS

//go:embed testdata
var cases embed.FS

// New compiles the format.
func New() (*mapping.Map, error) { return mapping.CompileBuiltIn(files, csv.Syntax{}, "text/csv") }

// Files holds the map and its tables.
func Files() fs.FS { return files }

// Cases holds the format's worked examples.
func Cases() fs.FS { return cases }

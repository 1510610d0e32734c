// Package tables holds the code tables that several formats share. A format's
// own table of the same name wins.
package tables

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Files holds one file per table: <id>.yaml.
func Files() fs.FS { return files }

package hl7v2

import (
	"embed"
	"io/fs"
)

//go:embed testdata/*/*.hl7 testdata/*/*.json
var cases embed.FS

// Cases holds the format's worked examples.
func Cases() fs.FS { return cases }

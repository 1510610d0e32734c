// Command gen trims the official FHIR R4 definitions to the tables that
// package definitions embeds: element trees, search parameters, required value
// sets, compartments; code systems and how value sets are composed; extensions.
//
//	go run ./fhir/definitions/gen -from DIR [-to DIR]
//
// DIR is the unpacked package hl7.fhir.r4.examples 4.0.1. The text written is a
// function of the package alone; its layout is described in format.go, codes.go
// and extension.go of package definitions.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	from := flag.String("from", "", "directory of the unpacked FHIR package")
	to := flag.String("to", "fhir/definitions", "directory to write to")
	flag.Parse()
	if err := run(*from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	texts, err := Generate(from)
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(to, "r4.txt.gz"), texts.Types),
		write(filepath.Join(to, "r4codes.txt.gz"), texts.Codes),
		write(filepath.Join(to, "r4extensions.txt.gz"), texts.Extensions),
	)
}

func write(to string, text []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes of text, %d compressed\n", to, len(text), b.Len())
	return os.WriteFile(to, b.Bytes(), 0o644)
}

package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// Limit bounds one document in bytes; a Bundle may be larger than a resource
// that is stored.
const Limit = 64 << 20

// A Document is one resource to judge. Name is the file, or file:line in an
// NDJSON file.
type Document struct {
	Name string
	JSON []byte // or XML
	XML  bool
	// Read is how many bytes of the source it took.
	Read int64
}

// A Source is the documents below some paths: files (.json, .ndjson, .xml or any
// other name, then taken as JSON), folders (their .json, .ndjson and FHIR .xml
// files) and "-" for standard input.
type Source struct {
	files []string
	stdin io.Reader
	// Size is the number of bytes of all files, standard input not counted.
	Size int64
}

// NewSource finds the files below the paths. A path without any is an error.
func NewSource(paths []string, stdin io.Reader) (*Source, error) {
	s := &Source{stdin: stdin}
	for _, p := range paths {
		if p == "-" {
			s.files = append(s.files, p)
			continue
		}
		found := len(s.files)
		if err := s.walk(p); err != nil {
			return nil, err
		}
		if len(s.files) == found {
			return nil, errors.New(p + " holds no .json, .ndjson or FHIR .xml file")
		}
	}
	return s, nil
}

func (s *Source) walk(path string) error {
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || file != path && !isDocument(file) {
			return err
		}
		if info, err := os.Stat(file); err == nil {
			s.Size += info.Size()
		}
		s.files = append(s.files, file)
		return nil
	})
}

// isDocument reports whether a file found in a folder is one to judge: XML of
// other kinds lies about in many folders.
func isDocument(file string) bool {
	switch filepath.Ext(file) {
	case ".json", ".ndjson":
		return true
	case ".xml":
		f, err := os.Open(file) //nolint:gosec // below the folder that the user names
		if err != nil {
			return true // reading it will say why
		}
		defer f.Close() //nolint:errcheck // read only
		head := make([]byte, 1024)
		n, _ := io.ReadFull(f, head)
		return bytes.Contains(head[:n], []byte("http://hl7.org/fhir"))
	}
	return false
}

// All yields the documents in the order of the paths, of the files' names and of
// the lines.
func (s *Source) All() iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for _, file := range s.files {
			if !s.file(file, yield) {
				return
			}
		}
	}
}

func (s *Source) file(name string, yield func(Document, error) bool) bool {
	switch {
	case name == "-":
		b, err := io.ReadAll(io.LimitReader(s.stdin, Limit+1))
		return yield(Document{Name: "standard input", JSON: b, XML: looksXML(b)}, err)
	case filepath.Ext(name) == ".ndjson":
		return lines(name, yield)
	}
	b, err := os.ReadFile(name) //nolint:gosec // the file that the user names
	return yield(Document{Name: name, JSON: b, XML: looksXML(b), Read: int64(len(b))}, err)
}

func looksXML(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	return strings.HasPrefix(string(bytes.TrimLeft(b[:min(len(b), 64)], " \t\r\n")), "<")
}

func lines(name string, yield func(Document, error) bool) bool {
	f, err := os.Open(name) //nolint:gosec // the file that the user names
	if err != nil {
		return yield(Document{}, err)
	}
	defer f.Close() //nolint:errcheck // read only
	scan := bufio.NewScanner(f)
	scan.Buffer(make([]byte, 64<<10), Limit)
	for n := 1; scan.Scan(); n++ {
		read := int64(len(scan.Bytes()) + 1)
		doc := bytes.Clone(bytes.TrimSpace(scan.Bytes()))
		if len(doc) > 0 && !yield(Document{Name: fmt.Sprintf("%s:%d", name, n), JSON: doc, Read: read}, nil) {
			return false
		}
	}
	if err := scan.Err(); err != nil {
		return yield(Document{}, fmt.Errorf("%s: %w", name, err))
	}
	return true
}

package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
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
// files) and "-" for standard input: one document, or one a line.
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
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(file)
		if file != path && (err == nil && !info.Mode().IsRegular() || !isDocument(file)) {
			return nil // also a pipe or a device, which may never end
		}
		if err == nil {
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
		return standardInput(s.stdin, yield)
	case filepath.Ext(name) == ".ndjson":
		f, err := os.Open(name) //nolint:gosec // the file that the user names
		if err != nil {
			return yield(Document{}, err)
		}
		defer f.Close() //nolint:errcheck // read only
		return lines(name, f, yield)
	}
	b, err := read(name)
	return yield(Document{Name: name, JSON: b, XML: looksXML(b), Read: int64(len(b))}, err)
}

// read returns a file, of one that is too large as much as shows it.
func read(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(f, Limit+1))
}

// standardInput yields the one document of in, or that of each line when the
// first line is a whole one and more follow.
func standardInput(in io.Reader, yield func(Document, error) bool) bool {
	const name = "standard input"
	first := &io.LimitedReader{R: in, N: Limit + 1}
	r := bufio.NewReader(first)
	var head []byte
	for {
		line, err := r.ReadBytes('\n')
		head = append(head, line...)
		if err != nil {
			return yield(Document{Name: name, JSON: head, XML: looksXML(head)}, eof(err))
		}
		if len(bytes.TrimSpace(line)) > 0 {
			break
		}
	}
	if json.Valid(bytes.TrimPrefix(head, []byte("\ufeff"))) {
		for c, err := r.ReadByte(); ; c, err = r.ReadByte() {
			if err != nil {
				return yield(Document{Name: name, JSON: head}, eof(err))
			}
			head = append(head, c)
			if !strings.ContainsRune(" \t\r\n", rune(c)) {
				break
			}
		}
		first.N = math.MaxInt64
		return lines(name, io.MultiReader(bytes.NewReader(head), r), yield)
	}
	rest, err := io.ReadAll(r)
	head = append(head, rest...)
	return yield(Document{Name: name, JSON: head, XML: looksXML(head)}, err)
}

func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func looksXML(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	return strings.HasPrefix(string(bytes.TrimLeft(b[:min(len(b), 64)], " \t\r\n")), "<")
}

func lines(name string, r io.Reader, yield func(Document, error) bool) bool {
	scan := bufio.NewScanner(r)
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

package xml

import (
	"bytes"
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"trellis.example/fhir"
)

// examples returns the files of the official R4 package, or skips.
func examples(tb testing.TB) []string {
	tb.Helper()
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		dir = "../../build/r4-examples/package"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		tb.Skip("the official R4 examples are not here: set TRELLIS_R4_EXAMPLES or run make definitions; unproven is that XML keeps all of them")
	}
	return files
}

func forEach(t *testing.T, f func(name string, body []byte)) {
	files := examples(t)
	work := make(chan string)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for file := range work {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Error(err)
					continue
				}
				f(filepath.Base(file), b)
			}
		})
	}
	every := 1
	if testing.Short() {
		every = 20
		t.Log("only one in twenty of the examples, because of -short")
	}
	for i, file := range files {
		if filepath.Base(file) != "package.json" && i%every == 0 {
			work <- file
		}
	}
	close(work)
	wg.Wait()
}

// TestExamples: every official example survives JSON to XML to JSON, its XML is
// well-formed for another parser, and XML to JSON to XML is stable.
func TestExamples(t *testing.T) {
	forEach(t, func(name string, body []byte) {
		x, err := Encode(body)
		if err != nil {
			t.Errorf("%s: to XML: %v", name, err)
			return
		}
		if err := wellFormed(x); err != nil {
			t.Errorf("%s: not well-formed: %v", name, err)
		}
		back, err := Decode(x, len(x))
		if err != nil {
			t.Errorf("%s: to JSON: %v", name, describe(err))
			return
		}
		if diff := compare(parse(t, body), parse(t, back)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if again, err := Encode(back); err != nil || !bytes.Equal(again, x) {
			t.Errorf("%s: the XML is not stable: %v", name, err)
		}
		indented, err := EncodeIndent(body)
		if err != nil {
			t.Errorf("%s: indented: %v", name, err)
			return
		}
		if same, err := Decode(indented, len(indented)); err != nil || !bytes.Equal(same, back) {
			t.Errorf("%s: indented, it reads otherwise: %v", name, err)
		}
	})
}

func parse(t *testing.T, b []byte) fhir.Value {
	tree, err := fhir.Parse(b, len(b))
	if err != nil {
		t.Errorf("%v in %.300s", err, b)
		return fhir.Value{}
	}
	return tree.Root()
}

// describe shows where each fault stands.
func describe(err error) string {
	var b strings.Builder
	for _, is := range fhir.AsError(err).Issues {
		fmt.Fprintf(&b, "%s (%s): %s; ", is.Expression, is.Source, is.Text)
	}
	return b.String()
}

// wellFormed reads XML to its end with another parser.
func wellFormed(b []byte) error {
	d := stdxml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// compare returns the first difference between two documents: members in any
// order, arrays in order, values by their text.
func compare(a, b fhir.Value) string {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return fmt.Sprintf("%s: %.80s became %.80s", a.Path(), a.Raw(), b.Raw())
	}
	switch a.Kind() {
	case fhir.Object:
		for m := range a.All() {
			if diff := compare(m, b.Get(m.Key())); diff != "" {
				return diff
			}
		}
	case fhir.Array:
		for x, y := a.First(), b.First(); x.Exists(); x, y = x.Next(), y.Next() {
			if diff := compare(x, y); diff != "" {
				return diff
			}
		}
	default:
		if a.Text() != b.Text() {
			return fmt.Sprintf("%s: %.80q became %.80q", a.Path(), a.Text(), b.Text())
		}
	}
	return ""
}

// TestXMLLint has a second parser of another make read some of the examples.
func TestXMLLint(t *testing.T) {
	lint, err := exec.LookPath("xmllint")
	args := []string{"--noout", "-"}
	if err != nil {
		if lint, err = exec.LookPath("python3"); err != nil {
			t.Skip("neither xmllint nor python3 is here: only encoding/xml proves that the XML is well-formed")
		}
		args = []string{"-c", "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.stdin.buffer)"}
	}
	for i, file := range examples(t) {
		if i%250 != 0 || testing.Short() && i%1000 != 0 {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		x, err := Encode(body)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		cmd := exec.Command(lint, args...)
		cmd.Stdin = bytes.NewReader(x)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

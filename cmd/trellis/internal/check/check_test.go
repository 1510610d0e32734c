package check

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/profiles"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func validator(t *testing.T) *profiles.Validator {
	t.Helper()
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// run judges all documents below the paths and prints them with out.
func run(t *testing.T, j Judge, out func(*bytes.Buffer) Output, paths ...string) (string, Summary) {
	t.Helper()
	s, err := NewSource(paths, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	var sum Summary
	var read int64
	o := out(&b)
	err = Run(s, j.Judge, func(c Checked) error {
		sum.Count(c)
		return o.Add(c)
	}, func(n int64) { read = n })
	if err == nil {
		err = o.End(&sum)
	}
	if err != nil {
		t.Fatal(err)
	}
	if read != s.Size {
		t.Errorf("%d bytes read of %d", read, s.Size)
	}
	return b.String(), sum
}

func TestFindsDocuments(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", `{"resourceType":"Patient"}`)
	write(t, dir, "b/c.ndjson", "{\"resourceType\":\"Patient\"}\n\n{\"resourceType\":\"Patient\"}\n")
	write(t, dir, "d.xml", `<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>`)
	write(t, dir, "pom.xml", `<project/>`)
	write(t, dir, "notes.txt", `not a document`)
	s, err := NewSource([]string{dir, "-"}, strings.NewReader(`{"resourceType":"Patient"}`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for d, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resource(); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		names = append(names, strings.TrimPrefix(filepath.ToSlash(d.Name), filepath.ToSlash(dir)))
	}
	if got, want := strings.Join(names, " "), "/a.json /b/c.ndjson:1 /b/c.ndjson:3 /d.xml standard input"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if _, err := NewSource([]string{t.TempDir()}, nil); err == nil {
		t.Error("a folder without documents must be an error")
	}
	if _, err := NewSource([]string{filepath.Join(dir, "absent")}, nil); err == nil {
		t.Error("a path that is not there must be an error")
	}
}

// TestOrder checks that verdicts come in the order of the lines, and that a
// broken line stops nothing.
func TestOrder(t *testing.T) {
	var lines strings.Builder
	for i := range 500 {
		if i%3 == 0 {
			fmt.Fprintf(&lines, "{\"resourceType\":\"Patient\",\"gender\":%d}\n", i)
		} else {
			lines.WriteString("{\"resourceType\":\"Patient\"}\n")
		}
	}
	file := write(t, t.TempDir(), "all.ndjson", lines.String()+"{\n")
	out, sum := run(t, Judge{Validator: validator(t)}, func(b *bytes.Buffer) Output { return NewJSON(b) }, file)
	var got []Checked
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if sum.Documents != 501 || sum.Refused != 168 || len(got) != 501 {
		t.Fatalf("%d examined, %d refused, %d printed", sum.Documents, sum.Refused, len(got))
	}
	for i, c := range got {
		if want := fmt.Sprintf("%s:%d", file, i+1); c.File != want || c.Valid != (i%3 != 0 && i < 500) {
			t.Errorf("%d: %s valid %t, want %s", i, c.File, c.Valid, want)
		}
	}
}

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.json", `{"resourceType":"Patient"}`)
	bad := write(t, dir, "bad.xml", `<Patient xmlns="http://hl7.org/fhir"><gender value="woman"/></Patient>`)
	j := Judge{Validator: validator(t), Options: profiles.Options{BaseOnly: true}}

	out, _ := run(t, j, func(b *bytes.Buffer) Output { return NewTable(b) }, good, bad)
	for _, want := range []string{"bad.xml: error at Patient.gender (/Patient/gender): ", "[binding]", "2 examined, 1 valid, 1 with faults"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "woman") {
		t.Error("the table shows a value of the document")
	}

	out, _ = run(t, j, func(b *bytes.Buffer) Output { return NewJUnit(b) }, good, bad)
	var suite junitSuite
	if err := xml.Unmarshal([]byte(out), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 2 || suite.Failures != 1 || suite.Cases[0].Failure != nil || suite.Cases[1].Failure == nil || suite.Cases[1].Failure.Type != "binding" {
		t.Errorf("JUnit: %+v", suite)
	}

	empty := write(t, dir, "none.ndjson", "\n")
	s, err := NewSource([]string{empty}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	o := NewJSON(&b)
	if err := errors.Join(Run(s, j.Judge, o.Add, func(int64) {}), o.End(&Summary{})); err != nil || b.String() != "[]\n" {
		t.Errorf("no document: %v %q", err, b.String())
	}
}

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "p.json", `{"resourceType":"Patient","id":"p"}`)
	write(t, dir, "b.json", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:8b9f5b0e-54a4-4b7e-9c5a-0d2b6c6f0c11","resource":{"resourceType":"Organization","id":"o","name":"O"}}]}`)
	s, err := NewSource([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReferences(s)
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]bool{
		"Patient/p": true, "https://x.example/fhir/Patient/p": true, "Patient/p/_history/1": true, "Organization/o": true,
		"urn:uuid:8b9f5b0e-54a4-4b7e-9c5a-0d2b6c6f0c11": true, "Patient/q": false, "": false, "urn:uuid:1": false,
	} {
		if _, ok := r.Resolve(ref); ok != want {
			t.Errorf("%s: found %t, want %t", ref, ok, want)
		}
	}
}

func TestStopsAtTheFirstErrorOfTheOutput(t *testing.T) {
	file := write(t, t.TempDir(), "all.ndjson", strings.Repeat("{\"resourceType\":\"Patient\"}\n", 1000))
	s, err := NewSource([]string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	n := 0
	err = Run(s, Judge{Validator: validator(t)}.Judge, func(Checked) error {
		if n++; n == 3 {
			return full
		}
		return nil
	}, func(int64) {})
	if !errors.Is(err, full) || n != 3 {
		t.Errorf("got %v after %d", err, n)
	}
}

func names(t *testing.T, stdin string, paths ...string) string {
	t.Helper()
	s, err := NewSource(paths, strings.NewReader(stdin))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for d, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resource(); err != nil {
			d.Name += "!"
		}
		out = append(out, filepath.Base(d.Name))
	}
	return strings.Join(out, " ")
}

func TestStandardInput(t *testing.T) {
	const doc = `{"resourceType":"Patient"}`
	for in, want := range map[string]string{
		doc:                                  "standard input",
		doc + "\n":                           "standard input",
		"\n" + doc + "\r\n \n":               "standard input",
		"{\n\"resourceType\":\"Patient\"\n}": "standard input",
		doc + "\n" + doc:                     "standard input:1 standard input:2",
		"\n" + doc + "\r\n\r\n{bad\n" + doc + "\n": "standard input:2 standard input:4! standard input:5",
		"":             "standard input!",
		doc + " x":     "standard input!",
		"{\n}\n" + doc: "standard input!",
		`<Patient xmlns="http://hl7.org/fhir">` + "\n</Patient>\n": "standard input",
	} {
		if got := names(t, in, "-"); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// A document is never read further than what is taken, and a folder is not waited
// for: what stands in it may be a pipe.
func TestEndlessFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", `{"resourceType":"Patient"}`)
	for name, target := range map[string]string{"device.json": "/dev/zero", "loop": ".", "device.xml": "/dev/zero", "folder.json": "."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here: " + err.Error())
		}
	}
	if got := names(t, "", dir); got != "a.json" {
		t.Errorf("found %s", got)
	}
	if got := names(t, "", "/dev/zero"); got != "zero!" {
		t.Errorf("an endless file: %s", got)
	}
}

// A package of definitions is taken as it is unpacked.
func TestDefinitionsOfAPackage(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "package.json", `{"name":"a.package","version":"1.0.0"}`)
	write(t, dir, ".index.json", `{"index-version":1,"files":[]}`)
	write(t, dir, "ValueSet-a.json", `{"resourceType":"ValueSet","url":"https://a.example/v","status":"active"}`)
	write(t, dir, "examples/Patient-a.json", `{"resourceType":"Patient"}`)
	definitions := func() (int, error) {
		s, err := NewSource([]string{dir}, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		list, err := Definitions(s)
		return len(list), err
	}
	if n, err := definitions(); n != 1 || err != nil {
		t.Errorf("%d definitions, %v", n, err)
	}
	write(t, dir, "odd.json", `{"name":"nothing of FHIR"}`)
	if _, err := definitions(); err == nil || !strings.Contains(err.Error(), "odd.json") {
		t.Errorf("a file that is no resource: %v", err)
	}
}

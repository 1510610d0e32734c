package check

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
)

// An Output prints verdicts as they come.
type Output interface {
	// Add prints one verdict.
	Add(c Checked) error
	// End prints what stands after the last.
	End(s *Summary) error
}

// NewTable prints a line for each fault, what was expected and what to do below
// it, and a summary.
func NewTable(w io.Writer) Output { return table{bufio.NewWriter(w)} }

type table struct{ w *bufio.Writer }

func (t table) Add(c Checked) error {
	for _, l := range c.Explained {
		fmt.Fprintf(t.w, "%s: %s\n", c.File, l)
	}
	for _, f := range c.Faults {
		t.fault(c.File, f)
	}
	return t.w.Flush()
}

func (t table) fault(file string, f Fault) {
	at := f.Expression
	if f.Source != "" && at != "" {
		at += " (" + f.Source + ")"
	} else {
		at += f.Source
	}
	if at != "" {
		at = " at " + at
	}
	fmt.Fprintf(t.w, "%s: %s%s: %s [%s]\n", file, f.Severity, at, f.Text, f.Rule)
	for _, more := range [...][2]string{{"expected", f.Expected}, {"found", f.Found}, {"hint", f.Hint}, {"line", f.Profile}} {
		if more[1] != "" {
			fmt.Fprintf(t.w, "    %-8s  %s\n", more[0], more[1])
		}
	}
}

func (t table) End(s *Summary) error {
	s.print(t.w)
	return t.w.Flush()
}

// NewJSON prints an array with one object for each document.
func NewJSON(w io.Writer) Output { return &array{w: bufio.NewWriter(w)} }

type array struct {
	w    *bufio.Writer
	some bool
}

func (a *array) Add(c Checked) error {
	b, err := marshal(c)
	if err != nil {
		return err
	}
	sep := "[\n  "
	if a.some {
		sep = ",\n  "
	}
	a.some = true
	_, err = fmt.Fprintf(a.w, "%s%s", sep, b)
	return err
}

func marshal(c Checked) ([]byte, error) {
	var b jsonBuffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("  ", "  ")
	if err := e.Encode(c); err != nil {
		return nil, err
	}
	return b[:len(b)-1], nil // without the line end
}

type jsonBuffer []byte

func (b *jsonBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func (a *array) End(*Summary) error {
	end := "\n]\n"
	if !a.some {
		end = "[]\n"
	}
	_, _ = a.w.WriteString(end)
	return a.w.Flush()
}

// NewJUnit prints one test case for each document, for CI servers. It is written
// at the end, because its first line counts the failures.
func NewJUnit(w io.Writer) Output { return &junit{w: w} }

type junit struct {
	w     io.Writer
	cases []junitCase
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func (j *junit) Add(c Checked) error {
	var text jsonBuffer
	t := table{bufio.NewWriter(&text)}
	if err := t.Add(c); err != nil {
		return err
	}
	jc := junitCase{Class: "trellis.validate", Name: c.File}
	if c.Valid {
		jc.Output = string(text) // warnings
	} else {
		jc.Failure = &junitFailure{Message: fmt.Sprintf("%d issues", len(c.Faults)), Type: c.Faults[0].Rule, Text: string(text)}
	}
	j.cases = append(j.cases, jc)
	return nil
}

func (j *junit) End(s *Summary) error {
	b, err := xml.MarshalIndent(junitSuite{Name: "trellis validate", Tests: s.Documents, Failures: s.Refused, Cases: j.cases}, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(j.w, "%s%s\n", xml.Header, b)
	}
	return err
}

package json

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// batch reads a document whose records stand at a path.
func batch(r io.Reader, record string) (out []string, issues []fhir.Issue) {
	issues = Syntax{}.Read(r, codec.Shape{Record: record}, func(d *codec.Doc, faults []fhir.Issue) bool {
		text := "!"
		if len(faults) == 0 {
			b, _ := Syntax{}.Write(d)
			text = strings.TrimSpace(string(b))
		}
		out = append(out, text)
		return true
	})
	return out, issues
}

func TestRecords(t *testing.T) {
	tests := []struct {
		record, in string
		want       []string
		issues     string // a text or place that the issues must hold; "" for none
	}{
		{"/items", `{"items":[{"a":1},{"b":[2]}]}`, []string{`{"a":1}`, `{"b":[2]}`}, ""},
		{"/data/items", ` {"data" : {"items" : [ {"a":1} ] } } `, []string{`{"a":1}`}, ""},
		{"/items", `{"items":[]}`, nil, ""},
		{"/items", `{"sender":"x","items":[{"a":1},{"sender":"y"}],"n":null}`, []string{`{"a":1,"sender":"x"}`, `{"sender":"y"}`}, ""},
		{"/d/items", `{"s":"x","d":{"t":[1],"items":[{"a":1}]}}`, []string{`{"a":1,"s":"x","d":{"t":[1]}}`}, ""},
		{"/items", `{"s":{"u":1},"a":[2]}`, []string{`{"s":{"u":1},"a":[2]}`}, ""},
		{"/items", `{"s":"x","items":null}`, []string{`{"s":"x"}`}, ""},
		{"/items", `[{"a":1}]`, []string{`{"a":1}`}, ""},
		{"/items", `{"items":[{"a":1},3,[],{"a":2}]}`, []string{`{"a":1}`, "!", "!", `{"a":2}`}, ""},
		{"/items", `{"items":[{"a":1},{"a":1,"a":2}]}`, []string{`{"a":1}`}, "not strict JSON"},
		{"/items", `{"items":[{"a":1},{"a":`, []string{`{"a":1}`}, "not strict JSON"},
		{"/items", `{"items":[{"a":1}]`, []string{`{"a":1}`}, "strict JSON"},
		{"/items", `{"items":[{"a":1}]} x`, []string{`{"a":1}`}, "strict JSON"},
		{"/items", `{"items":[{"a":1}]} {}`, []string{`{"a":1}`}, "after the end"},
		{"/items", `{"items":[{"a":1}],"items":[{"a":2}]}`, []string{`{"a":1}`}, "strict JSON"},
		{"/items", `{"items":{"a":1}}`, nil, "array of objects"},
		{"/items", `"x"`, nil, "expected a JSON object"},
		{"/items", ``, nil, "empty"},
		{"", "\xef\xbb\xbf[{\"a\":1}]", []string{`{"a":1}`}, ""},
		{"", "\xef\xbb\xbf {\"a\":1}", []string{`{"a":1}`}, ""},
		{"", `[{"a":1}`, []string{`{"a":1}`}, "strict JSON"},
		{"", `[{"a":1},{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}]`, []string{`{"a":1}`, "!"}, ""},
	}
	for _, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, issues := batch(r, tt.record)
			if text := fmt.Sprint(issues); !slices.Equal(got, tt.want) || !strings.Contains(text, tt.issues) || (tt.issues == "") != (len(issues) == 0) {
				t.Errorf("%s at %s: %q, %s; want %q, %q", tt.in, tt.record, got, text, tt.want, tt.issues)
			}
		}
	}
}

// TestBehind: what stands behind the records reaches them where the document
// can be read twice, and is a fault where it cannot.
func TestBehind(t *testing.T) {
	const in = "\xef\xbb\xbf" + `{"items":[{"a":1}],"s":"x"}`
	if got, issues := batch(strings.NewReader(in), "/items"); !slices.Equal(got, []string{`{"a":1,"s":"x"}`}) || len(issues) > 0 {
		t.Errorf("%q, %v", got, issues)
	}
	if got, issues := batch(iotest.OneByteReader(strings.NewReader(in)), "/items"); len(got) != 1 || fhir.Faults(issues) == nil {
		t.Errorf("%q, %v", got, issues)
	}
}

// TestNothingShows holds that faults show no content.
func TestNothingShows(t *testing.T) {
	for _, in := range []string{`{"items":[{"a":"Secret"},{"Secret":1,"Secret":2}]}`, `{"Mrs Secret":{"x":1},"items":[{"a":Secret}]}`} {
		_, issues := batch(strings.NewReader(in), "/items")
		if text := fmt.Sprint(issues); len(issues) == 0 || strings.Contains(text, "Secret") {
			t.Errorf("%s: %s", in, text)
		}
	}
}

// endless yields a batch that never ends.
type endless struct{ head, body string }

func (e *endless) Read(p []byte) (int, error) {
	if e.head == "" {
		e.head = e.body
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	return n, nil
}

// TestStreams holds that records come before the document ends, and that one
// record cannot fill the memory.
func TestStreams(t *testing.T) {
	n := 0
	Syntax{}.Read(&endless{`{"items":[`, `{"a":"x"},`}, codec.Shape{Record: "/items"}, func(*codec.Doc, []fhir.Issue) bool { n++; return n < 10_000 })
	if n != 10_000 {
		t.Errorf("%d records", n)
	}
	for _, e := range []*endless{{`{"items":[{"a":"`, "x"}, {`{"items":[{"a":[`, "1,"}, {`{"`, "x"}, {`{"other":"`, "x"}} {
		_, issues := batch(e, "/items")
		if fhir.Faults(issues) == nil || !strings.Contains(fmt.Sprint(issues), "larger") {
			t.Errorf("%s…: %v", e.head, issues)
		}
	}
	_, issues := batch(io.MultiReader(strings.NewReader(`{"items":[{"a":1},`), iotest.ErrReader(errors.New("cut"))), "/items")
	if !strings.Contains(fmt.Sprint(issues), "reading the document failed") {
		t.Errorf("a cut connection: %v", issues)
	}
}

// counted counts the reads.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	c.n++
	return c.Reader.Read(p)
}

// TestDrip: a sender that drips one long record byte by byte does not make it be
// read anew for each of them.
func TestDrip(t *testing.T) {
	long := `[{"a":"` + strings.Repeat("x", 1<<20) + `"}]`
	rows := 0
	s := newStream(iotest.OneByteReader(strings.NewReader(long)), nil, func(*codec.Doc, []fhir.Issue) bool { rows++; return true })
	c := &counted{Reader: s.in}
	s.dec.Reset(c)
	if s.run(); rows != 1 || len(s.issues) > 0 || c.n > 50 {
		t.Errorf("%d rows in %d reads, %v", rows, c.n, s.issues)
	}
}

// TestOrder holds that members are written in the order of the format's fields
// whatever order they were made in, the elements of a list together.
func TestOrder(t *testing.T) {
	shape := codec.Shape{Fields: []string{"/ref", "/person/name", "/person/dob", "/tags/-", "/things/-/id", "/things/-/size"}, Record: "/items"}
	d := Syntax{}.Blank(shape)
	set := func(at codec.ID, path, text string) {
		steps, err := Syntax{}.Path(path)
		if err != nil {
			t.Fatal(err)
		}
		d.Set(d.Make(at, steps), text, codec.Text)
	}
	list := func(name string) codec.ID { return d.Add(codec.Root, codec.Step{Name: name, Repeats: true}, "") }
	set(list("things"), "/size", "1")
	d.Set(list("tags"), "only", codec.Text)
	second := list("things")
	set(second, "/size", "2")
	set(second, "/id", "b")
	set(codec.Root, "/other", "z")
	set(codec.Root, "/person/dob", "2000")
	set(codec.Root, "/person/name", "n")
	set(codec.Root, "/ref", "r")
	list("hollow")
	out, err := Syntax{}.Write(d)
	want := `{"ref":"r","person":{"name":"n","dob":"2000"},"tags":["only"],"things":[{"size":"1"},{"id":"b","size":"2"}],"other":"z"}`
	if strings.TrimSpace(string(out)) != want || err != nil {
		t.Errorf("got %s, %v\nwant %s", out, err, want)
	}
}

// FuzzRecords holds for any bytes: no panic, and every record that was read is
// read again as it is written.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"x":1,"items":[{"a":"x","b":[1,null,[true,[]],{"c":-1.50e3}]},4,{}]}`))
	f.Add([]byte(`[{"a":1},{}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, record := range []string{"", "/items"} {
			got, _ := batch(bytes.NewReader(in), record)
			for _, doc := range got {
				if doc == "!" {
					continue
				}
				again, issues := batch(strings.NewReader(doc), "")
				if len(again) != 1 || again[0] != doc || len(issues) > 0 {
					t.Errorf("%q became %q (%v)", doc, again, issues)
				}
			}
		}
	})
}

// BenchmarkRead reads one record of a usual size.
func BenchmarkRead(b *testing.B) {
	doc := []byte(`{"ref":"A-1","person":{"name":"Sample Person","dob":"1970-01-01","contacts":[{"system":"phone","value":"01632 960000"},{"system":"email","value":"a@example.org"}]},"reasons":["loneliness","money"],"consent":true,"text":"` + strings.Repeat("some words ", 60) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		Syntax{}.Read(bytes.NewReader(doc), codec.Shape{}, func(*codec.Doc, []fhir.Issue) bool { return true })
	}
}

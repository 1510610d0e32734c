package xml

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// leaves reads a document into "place=text", records apart by "--".
func leaves(r io.Reader, shape codec.Shape) (out []string, issues []fhir.Issue) {
	issues = Syntax{}.Read(r, shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		out = append(out, "--")
		for id := range d.Len() {
			if n := codec.ID(id); d.Text(n) != "" {
				out = append(out, Syntax{}.Place(d, n, nil)+"="+d.Text(n))
			}
		}
		return true
	})
	return out, issues
}

func list(s ...string) []string { return append([]string{"--"}, s...) }

func TestRead(t *testing.T) {
	spaces := map[string]string{"": "urn:a", "b": "urn:b"}
	tests := []struct {
		name, in string
		spaces   map[string]string
		want     []string
		issues   string // texts or places must hold this; "" for none
	}{
		{"elements", `<N><A>x</A><B> y </B><C/></N>`, nil, list("/N/A=x", "/N/B= y "), ""},
		{"declaration and white space", "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<N>\n  <A>x</A>\n</N>\n", nil, list("/N/A=x"), ""},
		{"byte order mark", "\xef\xbb\xbf<N>é</N>", nil, list("/N=é"), ""},
		{"attributes", `<N id="1" k='a "b"'><A c="2">x</A></N>`, nil, list("/N/@id=1", "/N/@k=a \"b\"", "/N/A/@c=2", "/N/A/text()=x"), ""},
		{"positions", `<N><F>a</F><G>g</G><F>b</F><F><H>c</H></F></N>`, nil, list("/N/F[1]=a", "/N/G=g", "/N/F[2]=b", "/N/F[3]/H=c"), ""},
		{"references", `<N a="&lt;&#x41;&quot;">&amp;&#233;&gt;&apos;</N>`, nil, list("/N/@a=<A\"", "/N/text()=&é>'"), ""},
		{"CDATA", `<N>a<![CDATA[<b>&amp;]]>c</N>`, nil, list("/N=a<b>&amp;c"), ""},
		{"comments and instructions", `<?p x?><N><!-- no --><A>x<!-- - -->y</A><?q?></N><!-- end -->`, nil, list("/N/A=xy"), ""},
		{"mixed", `<N><P>one <B>two</B> three</P></N>`, nil, list("/N/P/text()[1]=one ", "/N/P/B=two", "/N/P/text()[2]= three"), ""},
		{"mixed keeps its blanks", `<N>a<B>b</B> <B>c</B></N>`, nil, list("/N/text()[1]=a", "/N/B[1]=b", "/N/text()[2]= ", "/N/B[2]=c"), ""},
		{"line ends", "<N>a\r\nb&#13;</N>", nil, list("/N=a\nb\r"), ""},
		{"any namespace", `<x:N xmlns:x="urn:z"><x:A>1</x:A></x:N>`, nil, list("/N/A=1"), ""},
		{"namespaces of the map", `<N xmlns="urn:a" xmlns:q="urn:b" xmlns:z="urn:z"><A q:at="0">1</A><q:A>2</q:A><z:A>3</z:A></N>`, spaces, list("/N/A/@b:at=0", "/N/A/text()=1", "/N/b:A=2", "/N/*:A=3"), ""},
		{"no namespace will do", `<N><A>1</A></N>`, spaces, list("/N/A=1"), ""},
		{"scopes end", `<N xmlns="urn:a"><A xmlns="urn:b">1</A><A>2</A></N>`, spaces, list("/N/b:A=1", "/N/A=2"), ""},
		{"xml and xsi", `<N xmlns:s="http://www.w3.org/2001/XMLSchema-instance" s:schemaLocation="a b" xml:lang="cy"><A s:nil="true"/></N>`, spaces, list("/N/@xml:lang=cy", "/N/A/@xsi:nil=true"), ""},
		{"another format's namespace", `<N xmlns="urn:z"/>`, spaces, nil, "not in the namespace"},
		{"Windows-1252", "<?xml version='1.0' encoding='windows-1252'?><N>\x93Zo\xeb\x94</N>", nil, list("/N=“Zoë”"), "read as Windows-1252"},
		{"ISO-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?><N>Zo\xeb</N>", nil, list("/N=Zoë"), "read as Windows-1252"},
		{"UTF-16", wide("<?xml version='1.0' encoding='UTF-16'?><N>Zoë 😀</N>", false), nil, list("/N=Zoë 😀"), "read as UTF-16"},
		{"UTF-16, big end first", wide("<N>Zoë</N>", true), nil, list("/N=Zoë"), "read as UTF-16"},
		{"Latin-1 undeclared", "<N>Zo\xeb</N>", nil, nil, "well-formed"},
		{"unassigned byte", "<?xml version='1.0' encoding='windows-1252'?><N>\x81</N>", nil, nil, "no meaning"},
		{"half a surrogate", "\xff\xfe<\x00N\x00>\x00\x00\xd8<\x00/\x00N\x00>\x00", nil, nil, "no meaning"},
		{"UTF-16 that is not", "<?xml version='1.0' encoding='UTF-16'?><N/>", nil, nil, "declared encoding"},
		{"unknown encoding", "<?xml version='1.0' encoding='EBCDIC'?><N/>", nil, nil, "declared encoding"},
		{"entity", `<N>&nbsp;</N>`, nil, nil, "well-formed"},
		{"external entity", `<!DOCTYPE N [<!ENTITY e SYSTEM "file:///etc/passwd">]><N>&e;</N>`, nil, nil, "document type"},
		{"control character", "<N>\x01</N>", nil, nil, "well-formed"},
		{"not nested", `<N><A></N></A>`, nil, nil, "nested"},
		{"prefix of the end tag", `<N><A></b:A></N>`, nil, nil, "nested"},
		{"two elements", `<N/><M/>`, nil, []string{"--"}, "after the end"},
		{"text behind", `<N/>x`, nil, []string{"--"}, "outside"},
		{"ends early", `<N><A>`, nil, nil, "well-formed"},
		{"empty", ``, nil, nil, "well-formed"},
		{"undeclared prefix", `<p:N/>`, nil, nil, "not declared"},
		{"undeclared prefix of an attribute", `<N p:a="1"/>`, nil, nil, "not declared"},
		{"attribute twice", `<N a="1" a="1"/>`, nil, nil, "once"},
		{"attribute twice by namespace", `<N xmlns:p="u" xmlns:q="u" p:a="1" q:a="2"/>`, nil, nil, "once"},
		{"late declaration", "<N/><?xml version='1.0'?>", nil, []string{"--"}, "start of the document"},
		{"change of encoding", "<N>a<?xml version='1.0' encoding='windows-1252'?>\xeb</N>", nil, nil, "start of the document"},
		{"deep", strings.Repeat("<N>", 65), nil, nil, "deeper"},
	}
	for _, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, issues := leaves(r, codec.Shape{Namespaces: tt.spaces})
			if text := fmt.Sprint(issues); !slices.Equal(got, tt.want) || !strings.Contains(text, tt.issues) || (tt.issues == "") != (len(issues) == 0) {
				t.Errorf("%s: %q, %s; want %q, %q", tt.name, got, text, tt.want, tt.issues)
			}
		}
	}
}

// wide is a text in UTF-16 with a byte order mark.
func wide(s string, big bool) string {
	var b []byte
	for _, u := range append([]uint16{0xfeff}, utf16.Encode([]rune(s))...) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

func TestRecords(t *testing.T) {
	tests := []struct {
		in     string
		want   []string
		issues string
	}{
		{`<L><H><R><A>1</A></R><R n="2"/></H></L>`, []string{"--", "row 1, /R/A=1", "--", "row 2, /R/@n=2"}, ""},
		{`<L><H><R><R>1</R></R></H><H><R>2</R></H></L>`, []string{"--", "row 1, /R/R=1", "--", "row 2, /R=2"}, ""},
		{`<R><A>1</A></R>`, []string{"--", "/R/A=1"}, ""},
		{`<L n="1"><H><R>1</R></H></L>`, []string{"--", "row 1, /R=1"}, "/L/@n"},
		{`<L><X><R>1</R></X><H>t<R>2</R></H></L>`, []string{"--", "row 1, /R=2"}, "/L/X"},
		{`<L><H>t<R>2</R></H></L>`, []string{"--", "row 1, /R=2"}, "/L/H/text()"},
		{`<L><H><R>1</R><R></H></L>`, []string{"--", "row 1, /R=1"}, "nested"},
		{`<X/>`, nil, "begins with the element L"},
	}
	for _, tt := range tests {
		got, issues := leaves(strings.NewReader(tt.in), codec.Shape{Record: "/L/H/R"})
		if text := fmt.Sprint(issues); !slices.Equal(got, tt.want) || !strings.Contains(text, tt.issues) || (tt.issues == "") != (len(issues) == 0) {
			t.Errorf("%s: %q, %s; want %q, %q", tt.in, got, text, tt.want, tt.issues)
		}
	}
}

// endless yields a document that never ends.
type endless struct{ head, body string }

func (e *endless) Read(p []byte) (int, error) {
	if e.head == "" {
		e.head = e.body
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	return n, nil
}

// TestLimits holds that records come before the document ends, and that no
// record fills the memory.
func TestLimits(t *testing.T) {
	n := 0
	Syntax{}.Read(&endless{"<L>", "<R>x</R>"}, codec.Shape{Record: "/L/R"}, func(*codec.Doc, []fhir.Issue) bool { n++; return n < 10_000 })
	if n != 10_000 {
		t.Errorf("%d records", n)
	}
	for _, e := range []*endless{{"<L><R>", "x"}, {"<L><R>", "<A/>"}, {"<L><R ", "a='1' "}, {"<", "x"}, {"<L>", "x"}, {"<!--", "x"}, {"<L><X>", "<A></A>"}} {
		got, issues := leaves(e, codec.Shape{Record: "/L/R"})
		if fhir.Faults(issues) == nil || len(got) > 0 {
			t.Errorf("%s…: %q, %v", e.head, got, issues)
		}
	}
}

// TestNothingShows holds that faults show no content.
func TestNothingShows(t *testing.T) {
	for _, in := range []string{`<N Secret="1" Secret="1"/>`, `<N>Secret&Secret;</N>`, `<N><Secret></N>`, `<N>Secret`, `<?xml version="Secret"?><N/>`, `<?xml version="1.0" encoding="Secret"?><N/>`} {
		_, issues := leaves(strings.NewReader(in), codec.Shape{})
		if text := fmt.Sprint(issues); len(issues) == 0 || strings.Contains(text, "Secret") {
			t.Errorf("%s: %s", in, text)
		}
	}
}

func TestPath(t *testing.T) {
	tests := map[string]string{
		"/N":           "[{N false}]",
		"/N/A/@id":     "[{N false} {A false} {@id false}]",
		"/N/x:A":       "[{N false} {x:A false}]",
		"/N/A/text()":  "[{N false} {A false} {text() false}]",
		"/N/@xml:lang": "[{N false} {@xml:lang false}]",
	}
	for in, want := range tests {
		got, err := Syntax{}.Path(in)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("Path(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "N", "/", "/@id", "/text()", "/N/@id/A", "/N/text()/A", "/N/a:b:c", "/N/1", "/N//A", "/N/A[1]"} {
		if _, err := (Syntax{}).Path(bad); err == nil {
			t.Errorf("Path(%q) is accepted", bad)
		}
	}
}

// TestWrite makes a record as the engine does.
func TestWrite(t *testing.T) {
	shape := codec.Shape{Fields: []string{"/N/@ref", "/N/A", "/N/A/@code", "/N/F", "/N/b:G/H"}, Namespaces: map[string]string{"": "urn:a", "b": "urn:b"}}
	d := Syntax{}.Blank(shape)
	set := func(path, text string) {
		steps, err := Syntax{}.Path(path)
		if err != nil {
			t.Fatal(err)
		}
		d.Set(d.Make(codec.Root, steps), text, codec.Text)
	}
	set("/N/b:G/H", "h ]]> <&>\r\"")
	set("/N/A", "text")
	set("/N/A/@code", "a \"b\"\n<&")
	n := d.Child(codec.Root, "N")
	d.Set(d.Add(n, codec.Step{Name: "F"}, ""), "1", codec.Text)
	d.Set(d.Add(n, codec.Step{Name: "F"}, ""), " 2 ", codec.Text)
	set("/N/@ref", "r")
	d.Add(n, codec.Step{Name: "Hollow"}, "")
	out, err := Syntax{}.Write(d)
	want := `<?xml version="1.0" encoding="UTF-8"?>
<N xmlns="urn:a" xmlns:b="urn:b" ref="r">
  <A code="a &quot;b&quot;&#xA;&lt;&amp;">text</A>
  <F>1</F>
  <F> 2 </F>
  <b:G>
    <H>h ]]&gt; &lt;&amp;&gt;&#xD;"</H>
  </b:G>
</N>
`
	if err != nil || string(out) != want {
		t.Errorf("got %s, %v\nwant %s", out, err, want)
	}
	for _, path := range []string{"/N/A", "/N/*:x", "/N/q:x"} {
		d := Syntax{}.Blank(shape)
		text := "x"
		if path == "/N/A" {
			text = "\x01"
		}
		steps, err := Syntax{}.Path(path)
		if err != nil {
			t.Fatal(err)
		}
		d.Set(d.Make(codec.Root, steps), text, codec.Text)
		if _, err := (Syntax{}).Write(d); err == nil {
			t.Errorf("%s is written with %q", path, text)
		}
	}
	if _, err := (Syntax{}).Write(Syntax{}.Blank(shape)); err == nil {
		t.Error("a document without an element is written")
	}
}

// FuzzRead holds for any bytes: no panic, and a record that was read has the
// same leaves when it is written and read again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0"?><N xmlns="urn:a" xmlns:q="urn:b" id="1"><A q:at="&lt;">x &amp; <B>y</B> z</A><q:A><![CDATA[<>]]></q:A><A/></N>`,
		"<?xml version='1.0' encoding='windows-1252'?><L><R>\x93Zo\xeb\x94</R><R xml:lang='cy'/></L>",
		wide("<N><A>Zoë 😀</A></N>", true), `<!DOCTYPE N><N/>`, "<N>\r\n a<!-- b -->\t</N>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, shape := range []codec.Shape{{}, {Record: "/L/R"}, {Namespaces: map[string]string{"": "urn:a", "b": "urn:b"}}} {
			Syntax{}.Read(bytes.NewReader(in), shape, func(d *codec.Doc, _ []fhir.Issue) bool {
				d.Shape = codec.Shape{Namespaces: shape.Namespaces}
				d.Row = 0
				var want []string
				for id := range d.Len() {
					if n := codec.ID(id); d.Text(n) != "" {
						want = append(want, Syntax{}.Place(d, n, nil)+"="+d.Text(n))
					}
				}
				want = unnumbered(want)
				out, err := Syntax{}.Write(d)
				if err != nil || len(want) == 0 {
					return true
				}
				got, issues := leaves(bytes.NewReader(out), d.Shape)
				if !slices.Equal(unnumbered(got[min(1, len(got)):]), want) || fhir.Faults(issues) != nil {
					t.Errorf("%q became %q: %q, want %q (%v)", in, out, got, want, issues)
				}
				return true
			})
		}
	})
}

var position = regexp.MustCompile(`^[^=]*`)

// unnumbered leaves the positions out: empty siblings are not written, nor are
// empty attributes, beside which an element's text is a leaf of its own.
func unnumbered(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = position.ReplaceAllStringFunc(s, func(place string) string { return number.ReplaceAllString(place, "") })
	}
	return out
}

var number = regexp.MustCompile(`\[\d+\]|/text\(\)`)

// BenchmarkRead reads one document of a usual size.
func BenchmarkRead(b *testing.B) {
	doc := []byte(`<N xmlns="urn:a" ref="A-1"><Person><Name>Sample Person</Name><Dob>1970-01-01</Dob></Person>` + strings.Repeat(`<F code="1">some words of text</F>`, 30) + `</N>`)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		Syntax{}.Read(bytes.NewReader(doc), codec.Shape{}, func(*codec.Doc, []fhir.Issue) bool { return true })
	}
}

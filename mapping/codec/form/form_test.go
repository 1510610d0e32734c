package form

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

// values reads a submission into "place=text".
func values(r io.Reader) (out []string, issues []fhir.Issue) {
	issues = Syntax{}.Read(r, codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
		for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
			mark := "="
			if d.Repeats(c) {
				mark = "[]="
			}
			out = append(out, Syntax{}.Place(d, c, nil)+mark+d.Text(c))
		}
		return true
	})
	return out, issues
}

func TestURLEncoded(t *testing.T) {
	tests := []struct {
		in     string
		want   []string
		issues string // a text or place; "" for none
	}{
		{"a=1&b=two+words&c=%C3%A9%26%3D%2B", []string{"a=1", "b=two words", "c=é&=+"}, ""},
		{"a=1\n", []string{"a=1"}, ""},
		{"a=x=y&b&&c=", []string{"a=x=y", "b=", "c="}, ""},
		{"r=1&x=0&r=2", []string{"r, value 1=1", "x=0", "r, value 2=2"}, ""},
		{"r%5B%5D=1&r[]=2&s[]=3&t[0]=4", []string{"r, value 1[]=1", "r, value 2[]=2", "s[]=3", "t[]=4"}, ""},
		{"a[b]=1&a.b=2", []string{"a[b]=1", "a.b=2"}, ""},
		{"line=a%0D%0Ab", []string{"line=a\r\nb"}, ""},
		{"_charset_=UTF-8&a=1", []string{"a=1"}, ""},
		{"Mrs+Secret=1", []string{"?=1"}, ""},
		{"", nil, ""},
		{"_charset_=iso-8859-1&a=1", nil, "_charset_"},
		{"a=%", nil, "{error invalid {  } the value cannot be read"},
		{"a=%4", nil, " a "},
		{"first_name=%zz&b=%e9&%=1", nil, " first_name "},
		{"first_name=%zz&b=%e9&%=1", nil, " b "},
		{"first_name=%zz&b=%e9&%=1", nil, " field 3 "},
		{"=1", nil, "field 1"},
		{"a=1\r\nb=2", nil, "one line"},
		{strings.Repeat("n", MaxName+1) + "=1", nil, "field name"},
		{strings.Repeat("a=1&", MaxFields+1), nil, "more than"},
		{"a=" + strings.Repeat("x", MaxDocument), nil, "larger"},
	}
	for _, tt := range tests {
		check(t, tt.in, tt.want, tt.issues)
	}
}

func check(t *testing.T, in string, want []string, issue string) {
	t.Helper()
	got, issues := values(strings.NewReader(in))
	if text := fmt.Sprint(issues); !slices.Equal(got, want) || !strings.Contains(text, issue) || (issue == "") != (len(issues) == 0) {
		t.Errorf("%.80q: %q, %s; want %q, %q", in, got, text, want, issue)
	}
}

// part is one part of a multipart document.
func part(headers, value string) string {
	return "--XyZ\r\n" + strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n\r\n" + value + "\r\n"
}

func TestMultipart(t *testing.T) {
	const a = "Content-Disposition: form-data; name=\"a\""
	tests := []struct {
		in     string
		want   []string
		issues string
	}{
		{part(a, "1\r\n2") + part("Content-Disposition: form-data; name=\"r[]\"", "é") + "--XyZ--\r\n", []string{"a=1\r\n2", "r[]=é"}, ""},
		{strings.ReplaceAll(part(a, "1")+"--XyZ--", "\r\n", "\n"), []string{"a=1"}, ""},
		{part(a+"\nContent-Type: text/plain; charset=UTF-8", "1") + "--XyZ--", []string{"a=1"}, ""},
		{part(a+"; filename=\"\"\nContent-Type: application/octet-stream", "") + part(a, "1") + "--XyZ--", []string{"a=1"}, ""},
		{part(a+"; filename=\"letter.pdf\"", "%PDF") + "--XyZ--", nil, "files are not accepted"},
		{part(a+"\nContent-Type: application/json", "1") + "--XyZ--", nil, "text/plain"},
		{part(a+"\nContent-Type: text/plain; charset=utf-16", "1") + "--XyZ--", nil, "text/plain"},
		{part(a+"\nContent-Transfer-Encoding: base64", "MQ==") + "--XyZ--", nil, "text/plain"},
		{part(a, "\xe9") + "--XyZ--", nil, "UTF-8"},
		{part("Content-Disposition: form-data", "1") + "--XyZ--", nil, "field 1"},
		{part("Content-Disposition: attachment; name=a", "1") + "--XyZ--", nil, "field 1"},
		{part("no header", "1") + "--XyZ--", nil, "cannot be read"},
		{part(a, "1"), nil, "cannot be read"},
		{part(a, "1") + "--XyZ--\r\nmore", nil, "behind"},
		{"--\r\n", nil, "boundary"},
		{"--" + strings.Repeat("x", maxBoundary+1) + "\r\n", nil, "boundary"},
		{strings.Repeat(part(a, "1"), MaxFields+1) + "--XyZ--", nil, "more than"},
	}
	for _, tt := range tests {
		check(t, tt.in, tt.want, tt.issues)
	}
}

func TestCutOff(t *testing.T) {
	if got, issues := values(io.MultiReader(strings.NewReader("a=1&b="), iotest.ErrReader(errors.New("cut")))); len(got) > 0 || fhir.Faults(issues) == nil {
		t.Errorf("%q, %v", got, issues)
	}
}

// TestNothingShows holds that faults show no content.
func TestNothingShows(t *testing.T) {
	for _, in := range []string{"a=Secret%", "Mrs Secret=%", "Secret Name%=1", part("Content-Disposition: form-data; name=\"a b Secret\"; filename=\"Secret.pdf\"", "Secret") + "--XyZ--"} {
		if _, issues := values(strings.NewReader(in)); len(issues) == 0 || strings.Contains(fmt.Sprint(issues), "Secret") {
			t.Errorf("%q: %v", in, issues)
		}
	}
}

func TestPath(t *testing.T) {
	for in, want := range map[string]string{"a": "[{a false}]", "r[]": "[{r true}]", "r[3]": "[{r true}]", "a[b]": "[{a[b] false}]"} {
		if got, err := (Syntax{}).Path(in); err != nil || fmt.Sprint(got) != want {
			t.Errorf("Path(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", " a", "a=b", "a&b", "a\n", strings.Repeat("x", MaxName+1)} {
		if _, err := (Syntax{}).Path(bad); err == nil {
			t.Errorf("Path(%q) is accepted", bad)
		}
	}
}

// TestWrite makes a record as the engine does.
func TestWrite(t *testing.T) {
	d := Syntax{}.Blank(codec.Shape{Fields: []string{"a", "r[]", "b"}})
	d.Set(d.Make(codec.Root, []codec.Step{{Name: "b"}}), "x & é\r\n", codec.Text)
	d.Add(codec.Root, codec.Step{Name: "r", Repeats: true}, "1")
	d.Set(d.Make(codec.Root, []codec.Step{{Name: "a"}}), "+", codec.Literal)
	d.Add(codec.Root, codec.Step{Name: "r", Repeats: true}, "2")
	d.Add(codec.Root, codec.Step{Name: "hollow"}, "")
	out, err := Syntax{}.Write(d)
	if want := "a=%2B&r%5B%5D=1&r%5B%5D=2&b=x+%26+%C3%A9%0D%0A"; err != nil || string(out) != want {
		t.Errorf("got %s, %v; want %s", out, err, want)
	}
	d.Add(d.Child(codec.Root, "a"), codec.Step{Name: "x"}, "y")
	if _, err := (Syntax{}).Write(d); err == nil {
		t.Error("a tree is written")
	}
}

// FuzzRead holds for any bytes: no panic, and a submission that was read has
// the same values when it is written and read again.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a=1&r%5B%5D=two+words&r[]=%C3%A9&b"))
	f.Add([]byte(part("Content-Disposition: form-data; name=\"a\"", "1\r\n2") + "--XyZ--\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		Syntax{}.Read(bytes.NewReader(in), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
			want := map[string][]string{}
			for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
				if d.Text(c) != "" {
					want[d.Name(c)] = append(want[d.Name(c)], d.Text(c))
				}
			}
			out, err := Syntax{}.Write(d)
			if err != nil {
				t.Fatal(err)
			}
			if len(out) > MaxDocument {
				return true
			}
			got := map[string][]string{}
			issues := Syntax{}.Read(bytes.NewReader(out), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
				for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
					got[d.Name(c)] = append(got[d.Name(c)], d.Text(c))
				}
				return true
			})
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q became %q: %q, want %q (%v)", in, out, got, want, issues)
			}
			return true
		})
	})
}

package csv

import (
	"bufio"
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

var shape = codec.Shape{Fields: []string{"id", "name", "note"}, Required: []string{"id"}}

// rows reads a file into "cell|cell" per row, or "!" for a faulty one.
func rows(in io.Reader) (out []string, issues []fhir.Issue) {
	issues = Syntax{}.Read(in, shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		if len(faults) > 0 {
			out = append(out, "!")
			return true
		}
		var cells []string
		for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
			cells = append(cells, d.Text(c))
		}
		out = append(out, strings.Join(cells, "|"))
		return true
	})
	return out, issues
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		issues   string // texts must hold this
	}{
		{"plain", "id,name\n1,a\n2,b\n", []string{"1|a", "2|b"}, ""},
		{"CRLF, no last line end", "id,name\r\n1,a\r\n2,b", []string{"1|a", "2|b"}, ""},
		{"byte order mark", "\xef\xbb\xbfid,name\n1,é\n", []string{"1|é"}, ""},
		{"quotes", "id,name\n1,\"a, \"\"b\"\"\r\nc\"\n", []string{"1|a, \"b\"\r\nc"}, ""},
		{"quoted empty and last", "id,name\n\"\",\"\"\n1,\"x\"", []string{"|", "1|x"}, ""},
		{"blank lines", "\n\nid,name\n\n1,a\n\r\n\n", []string{"1|a"}, ""},
		{"blanks are kept", "id,name\n1, a \n", []string{"1| a "}, ""},
		{"formula characters are kept", "id,name\n1,=A1\n", []string{"1|=A1"}, ""},
		{"case and spaces in names", " ID , N ame\n1,a\n", []string{"1|a"}, ""},
		{"other order", "note,id\nx,1\n", []string{"x|1"}, ""},
		{"unknown column", "id,shoe\n1,a\n", []string{"1|a"}, "no such column"},
		{"Windows-1252", "id,name\n1,\x93Zo\xeb\x94 \x80\n", []string{"1|“Zoë” €"}, "Windows-1252"},
		{"undefined byte", "id,name\n1,\x81\n2,b\n", []string{"!", "2|b"}, ""},
		{"mixed encodings", "id,name\n1,é\n2,\xeb\n3,c\n", []string{"1|é", "!", "3|c"}, ""},
		{"bad rows among good", "id,name\n1,a\"b\n2,\"b\"x,\n3\n4,d,e\n5,e\n", []string{"!", "!", "!", "!", "5|e"}, ""},
		{"open quote", "id,name\n1,a\n2,\"b\n", []string{"1|a", "!"}, ""},
		{"empty", "", nil, "empty"},
		{"only blank lines", "\n\n", nil, "empty"},
		{"missing column", "name,note\na,b\n", nil, "missing"},
		{"same column twice", "id,name,I d\n1,a,2\n", nil, "same name as column 1"},
		{"semicolons", "id;name\n1;a\n", nil, "missing"},
		{"header broken", "id,\"na\"me\n1,a\n", nil, "header row cannot be read"},
	}
	for _, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, issues := rows(r)
			text := fmt.Sprint(issues)
			if !slices.Equal(got, tt.want) || !strings.Contains(text, tt.issues) || (tt.issues == "") != (len(issues) == 0) {
				t.Errorf("%s: %q, %s; want %q, %q", tt.name, got, text, tt.want, tt.issues)
			}
		}
	}
}

// TestHeaderShowsNothing holds that a file without a header does not leak its
// first row.
func TestHeaderShowsNothing(t *testing.T) {
	_, issues := rows(strings.NewReader("1,Secret,Secret\n2,b,c\n"))
	if strings.Contains(strings.ToLower(fmt.Sprint(issues)), "secret") {
		t.Errorf("%v", issues)
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", MaxRow+1)
	got, _ := rows(strings.NewReader("id,name\n1," + long + "\n2,\"" + long + "\"\n3,c\n"))
	if !slices.Equal(got, []string{"!", "!", "3|c"}) {
		t.Errorf("%d rows", len(got))
	}
	if got, issues := rows(strings.NewReader("id" + strings.Repeat(",", MaxColumns+1) + "\n1\n")); len(got) > 0 || len(issues) == 0 {
		t.Errorf("a header with too many columns: %d rows, %v", len(got), issues)
	}
}

// TestReaderFails holds that rows before a broken connection stand, and that
// the file is not taken for complete.
func TestReaderFails(t *testing.T) {
	r := io.MultiReader(strings.NewReader("id,name\n1,a\n2,"), iotest.ErrReader(errors.New("cut")))
	got, issues := rows(r)
	if !slices.Equal(got, []string{"1|a"}) || fhir.Faults(issues) == nil {
		t.Errorf("%q, %v", got, issues)
	}
}

func TestPlace(t *testing.T) {
	d := Syntax{}.Blank(shape)
	if got := (Syntax{}).Place(d, d.Child(codec.Root, "name"), nil); got != "name" {
		t.Errorf("got %q", got)
	}
	d.Row = 4
	if got := (Syntax{}).Place(d, codec.Root, []codec.Step{{Name: "id"}}); got != "row 4, id" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", " a", "a\nb"} {
		if _, err := (Syntax{}).Path(bad); err == nil {
			t.Errorf("Path(%q) is accepted", bad)
		}
	}
}

// FuzzRead holds for any bytes: no panic, and rows that were read without fault
// are the same when they are written and read again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"id,name\n1,a\n", "id,name\r\n\"1\",\"a\"\"b\r\n\"\r\n", "\xef\xbb\xbfid\n1\n", "id,name\n1,\x93\n2,\"x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		Syntax{}.Read(bytes.NewReader(in), shape, func(d *codec.Doc, faults []fhir.Issue) bool {
			if len(faults) > 0 {
				return true
			}
			var cells []string
			for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
				cells = append(cells, d.Text(c))
			}
			s := scanner{r: bufio.NewReader(bytes.NewReader(AppendRow(nil, cells)))}
			if err := s.next(); err != nil {
				if strings.Join(cells, "") == "" {
					return true
				}
				t.Fatalf("cannot read what was written: %v", err)
			}
			var dec decoder
			again, err := dec.decode(s.row, s.ends)
			if err != nil || !slices.Equal(again, cells) {
				t.Errorf("%q became %q (%v)", cells, again, err)
			}
			return true
		})
	})
}

func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	file.WriteString("id,name,note\n")
	for range 1000 {
		file.WriteString("12345,\"Name, quoted\",some free text of a usual length in a cell\n")
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		Syntax{}.Read(bytes.NewReader(file.Bytes()), shape, func(*codec.Doc, []fhir.Issue) bool { return true })
	}
}

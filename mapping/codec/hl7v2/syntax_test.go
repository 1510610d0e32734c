package hl7v2

import (
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

func TestSyntaxPath(t *testing.T) {
	tests := []struct{ in, want string }{
		{"PID", "PID"}, {"PID-5", "PID 5"}, {"PID-5.1.2", "PID 5 1 2"}, {"OBX/NTE-3", "OBX NTE 3"}, {"@-1", "@ 1"},
		{"", ""}, {"pid-5", ""}, {"PID-0", ""}, {"PID-5.", ""}, {"PID-5.1.2.3", ""}, {"PID-x", ""}, {"OB/NTE-3", ""}, {"PID[2]-5", ""},
	}
	for _, tt := range tests {
		steps, err := Syntax{}.Path(tt.in)
		names := make([]string, len(steps))
		for i, s := range steps {
			names[i] = s.Name
		}
		if got := strings.Join(names, " "); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("Path(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

// tree reads a message and lists its leaves: place and text.
func leaves(t *testing.T, msg string, facts ...string) (map[string]string, []fhir.Issue) {
	t.Helper()
	d := codec.NewDoc()
	issues := Record(d, mustParse(t, msg), facts...)
	out := map[string]string{}
	for id := codec.ID(1); int(id) < d.Len(); id++ {
		if d.First(id) == codec.None && d.Text(id) != "" {
			out[Syntax{}.Place(d, id, nil)] = d.Text(id)
		}
	}
	return out, issues
}

func TestRecord(t *testing.T) {
	got, issues := leaves(t, "MSH|^~\\&|APP|FAC\r"+
		"NTE|1||of the message\r"+
		"PID|1||A^^^B&C~~D^\"\"|\"\"|x\\F\\y\r"+
		"OBX|1|FT|T||one~two~\\.br\\three\rNTE|1||of the value\rNTE|2||more\r"+
		"OBX|2|NM|T||1~2\rPV1|1|O\rNTE|1||first~second\r", "implied", "REF")
	want := map[string]string{
		"MSH-3": "APP", "MSH-4": "FAC", "NTE-1": "1", "NTE-3": "of the message",
		"PID-1": "1", "PID-3.1": "A", "PID-3.4.1": "B", "PID-3.4.2": "C", "PID-3[3].1": "D", "PID-5": "x|y",
		"OBX-1": "1", "OBX-2": "FT", "OBX-3": "T", "OBX-5": "one\ntwo\n\nthree",
		"NTE[2]-1": "1", "NTE[2]-3": "of the value", "NTE[3]-1": "2", "NTE[3]-3": "more",
		"OBX[2]-1": "2", "OBX[2]-2": "NM", "OBX[2]-3": "T", "OBX[2]-5": "1", "OBX[2]-5[2]": "2",
		"PV1-1": "1", "PV1-2": "O", "NTE[4]-1": "1", "NTE[4]-3": "first\nsecond", "@-1": "implied", "@-2": "REF",
	}
	for place, text := range want {
		if got[place] != text {
			t.Errorf("%s = %q, want %q", place, got[place], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d leaves, want %d: %q", len(got), len(want), got)
	}
	if len(issues) != 2 || issues[0].Source != "PID-3[3].2" || issues[1].Source != "PID-4" || issues[0].IsError() {
		t.Errorf("explicit nulls: %v", issues)
	}
}

func TestNoteBelongsToItsValue(t *testing.T) {
	d := codec.NewDoc()
	Record(d, mustParse(t, "MSH|^~\\&|A|B\rOBX|1\rNTE|1||x\rPV1|1\rNTE|1||y\r"))
	for path, want := range map[string]string{"OBX/NTE-3": "x", "NTE-3": "y"} {
		steps, err := Syntax{}.Path(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Text(d.Find(codec.Root, steps)); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

func TestSyntaxRead(t *testing.T) {
	n := 0
	issues := Syntax{}.Read(strings.NewReader(sample), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
		n++
		return d.Len() > 10
	})
	if n != 1 || len(issues) > 0 {
		t.Errorf("%d records, %v", n, issues)
	}
	issues = Syntax{}.Read(strings.NewReader("hello"), codec.Shape{}, func(*codec.Doc, []fhir.Issue) bool { n++; return true })
	if n != 1 || len(issues) != 1 {
		t.Errorf("a broken document: %d records, %v", n, issues)
	}
}

// TestSyntaxWrite writes what was read and reads the same.
func TestSyntaxWrite(t *testing.T) {
	in := "MSH|^~\\&|APP|FAC||||||||||||||UNICODE UTF-8\rPID|1||A^^^B&C~D|x\\F\\y\rOBX|1\rNTE|1||of the value\rPV1|1|O\rNTE|1||last\r"
	var out []byte
	Syntax{}.Read(strings.NewReader(in), codec.Shape{}, func(d *codec.Doc, _ []fhir.Issue) bool {
		var err error
		if out, err = (Syntax{}).Write(d); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if string(out) != in {
		t.Errorf("Write = %q, want %q", out, in)
	}
}

func TestWriteOrdersSegments(t *testing.T) {
	d := Syntax{}.Blank(codec.Shape{})
	for _, p := range []string{"NTE-3", "@-1", "PID-3", "ZZZ-1", "RF1-1", "OBX-1"} {
		steps, _ := Syntax{}.Path(p)
		d.Set(d.Make(codec.Root, steps), p, codec.Text)
	}
	out, err := Syntax{}.Write(d)
	// Without the PV1 the note would be read as one of the OBX.
	want := "MSH|^~\\&||||||||||||||||UNICODE UTF-8\rRF1|RF1-1\rPID|||PID-3\rOBX|OBX-1\rPV1|1|N\rNTE|||NTE-3\rZZZ|ZZZ-1\r"
	if err != nil || string(out) != want {
		t.Errorf("Write = %q, %v; want %q", out, err, want)
	}
}

func TestHead(t *testing.T) {
	tests := []struct{ in, id string }{
		{sample, "GPS0000123"},
		{"MSH|^~\\&|A|B|C|D|||REF^I12|X1|P|2.4||||||ISO IR87\rPID|\xff", "X1"},
		{"MSH|^~\\&|\xff\x01|B|C|D|||REF^I12|X2", "X2"},
		{"MSH|^~\\&|A" + strings.Repeat("x", 9000), ""},
	}
	for _, tt := range tests {
		m, err := Head([]byte(tt.in))
		if err != nil || m.Get("MSH-10") != tt.id {
			t.Errorf("Head(%.30q): %q, %v", tt.in, m.Get("MSH-10"), err)
		}
	}
	for _, in := range []string{"", "MSH", "hello", "MSH|^~"} {
		if m, err := ReadAny([]byte(in)); m != nil || err == nil {
			t.Errorf("ReadAny(%q) = %v, %v", in, m, err)
		}
	}
	m, err := ReadAny([]byte("MSH|^~\\&|A|B|C|D|||REF^I12|X1|P|2.4\rpid\r"))
	if m == nil || err == nil || m.Get("MSH-10") != "X1" {
		t.Error("a broken message has a head and a fault")
	}
}

func BenchmarkRecord(b *testing.B) {
	m, d := mustParse(b, sample), codec.NewDoc()
	b.ReportAllocs()
	for b.Loop() {
		Record(d, m)
	}
}

// One segment of millions of values is given up as soon as the limit is passed:
// a message costs memory by what is read of it, not by what it claims.
func TestRecordStopsAtLimit(t *testing.T) {
	head := "MSH|^~\\&|A|B|C|D|20260101||REF^I12|1|P|2.5\rPID|"
	for name, values := range map[string]string{
		"repetitions":   strings.Repeat("~", 2*MaxValues),
		"components":    strings.Repeat("a^", 2*MaxValues),
		"subcomponents": strings.Repeat("a&", 2*MaxValues),
		"both":          strings.Repeat("a&a^", 2*MaxValues),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse([]byte(head + values + "a\r"))
			if err != nil {
				t.Fatal(err)
			}
			d := codec.NewDoc()
			issues := Record(d, m)
			if len(issues) != 1 || issues[0].Code != fhir.TooLong || issues[0].Source != "PID" {
				t.Errorf("issues %v, want one of code too-long at PID", issues)
			}
			if d.Len() > MaxValues+10 {
				t.Errorf("%d values were read, want no more than about %d", d.Len(), MaxValues)
			}
		})
	}
}

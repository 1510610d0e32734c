package hl7v2

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestUnescape(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		{`a\F\b\S\c\T\d\R\e\E\f`, `a|b^c&d~e\f`},
		{`\E\F\E\`, `\F\`}, // an escaped escape opens nothing
		{`one\.br\two`, "one\ntwo"},
		{`one\.sp\two\.sp2\three\.sp+3\four`, "one\ntwo\n\nthree\n\n\nfour"},
		{`a\.sk3\b`, "a   b"},
		{`\.in+4\a\.ti-2\b\.fi\c\.nf\d\.ce\e`, "abcd\ne"},
		{`\H\bold\N\ plain`, "bold plain"},
		{`\X48656C6C6F\`, "Hello"},
		{`\X0D0A\x\X0D\y\X0A\`, "\nx\ny\n"},
		{`\XC3A9\`, "é"},
		{`\XE9\`, `\XE9\`}, // not text by itself: kept as written
		{`\X00\`, `\X00\`}, // a control character cannot be text
		{`\X4\`, `\X4\`},   // odd digits
		{`\Zlocal\`, `\Zlocal\`},
		{`\C2842\`, `\C2842\`}, // a switch of character set
		{`\.xx\`, `\.xx\`},
		{`\.sp999999\`, `\.sp999999\`},
		{`100\`, `100\`},
		{`C:\temp`, `C:\temp`},
		{`a\ b \T\ c`, `a\ b & c`}, // a stray escape before a good one
		{`\\`, `\\`},
		{`\P\`, `\P\`}, // no truncation character was declared
	}
	for _, tt := range tests {
		if got := unescape([]byte(tt.in), Standard()); got != tt.want {
			t.Errorf("unescape(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestAppendEscaped(t *testing.T) {
	tests := []struct{ in, want string }{
		{`a|b^c&d~e\f`, `a\F\b\S\c\T\d\R\e\E\f`},
		{"one\ntwo\r\nthree", `one\.br\two\.br\three`},
		{"tab\tstays", "tab\tstays"},
		{"é", "é"},
		{"\x01", `\X01\`},
	}
	for _, tt := range tests {
		if got := string(AppendEscaped(nil, tt.in, Standard())); got != tt.want {
			t.Errorf("AppendEscaped(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestWriteReadSame builds messages of random texts with random separators
// and reads the same texts back.
func TestWriteReadSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		sep := randomSeparators(r)
		w := NewWriter(sep, UTF8)
		w.Segment("MSH")
		w.Put(18, string(UTF8))
		w.Segment("ZZZ")
		type place struct{ f, rep, c, s int }
		want := map[place]string{}
		for range 8 {
			p := place{1 + r.IntN(5), 1 + r.IntN(3), 1 + r.IntN(4), 1 + r.IntN(3)}
			if text := randomText(r); text != "" {
				want[p] = text
				w.Set(p.f, p.rep, p.c, p.s, text)
			}
		}
		b := w.Bytes()
		m, err := Parse(b)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		for p, text := range want {
			if got := m.First("ZZZ").Field(p.f).Rep(p.rep - 1).Component(p.c).Sub(p.s).Text(); got != text {
				t.Fatalf("%q at %+v: %q, want %q", b, p, got, text)
			}
		}
	}
}

func randomSeparators(r *rand.Rand) Separators {
	marks := []byte("|^~\\&#!?%*;:@$")
	r.Shuffle(len(marks), func(i, j int) { marks[i], marks[j] = marks[j], marks[i] })
	s := Separators{Field: marks[0], Component: marks[1], Repetition: marks[2], Escape: marks[3], Subcomponent: marks[4]}
	if r.IntN(2) == 0 {
		s.Truncation = marks[5]
	}
	return s
}

func randomText(r *rand.Rand) string {
	const runes = "abXFSTRE01é€😀|^~\\&#!?%*.\"\n\t "
	all := []rune(runes)
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteRune(all[r.IntN(len(all))])
	}
	return b.String()
}

func TestWriterNull(t *testing.T) {
	w := NewWriter(Standard(), ASCII)
	w.Segment("MSH")
	w.Put(3, "APP")
	w.Segment("PID")
	w.SetNull(2)
	w.Set(3, 1, 1, 1, `""`)
	b := w.Bytes()
	p := mustParse(t, string(b)).First("PID")
	if !p.Field(2).Rep(0).IsNull() || p.Field(3).Rep(0).IsNull() || p.Field(3).Rep(0).Text() != `""` {
		t.Errorf("null and two quotation marks are mixed up: %q", b)
	}
}

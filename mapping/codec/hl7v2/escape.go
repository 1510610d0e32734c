package hl7v2

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape resolves the escape sequences of chapter 2, section 2.7. Line
// breaks (\.br\, \.sp\, \.ce\, \X0D\, \X0A\) become "\n"; \.sk n\ becomes n
// spaces; highlighting (\H\, \N\) and indents say nothing about content and
// vanish. A sequence it does not know, or hexadecimal data that is not text,
// stays as written: losing it would be silent.
func unescape(b []byte, sep Separators) string {
	if bytes.IndexByte(b, sep.Escape) < 0 {
		return view(b)
	}
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, sep.Escape)
		if i < 0 {
			return view(append(out, b...))
		}
		out, b = append(out, b[:i]...), b[i:]
		n := bytes.IndexByte(b[1:], sep.Escape)
		if n < 0 { // no closing escape: a stray character
			return view(append(out, b...))
		}
		plain, ok := sequence(b[1:n+1], sep)
		if !ok { // the second escape may open the next sequence
			out, b = append(out, b[:n+1]...), b[n+1:]
			continue
		}
		out, b = append(out, plain...), b[n+2:]
	}
}

// sequence returns the text of one escape sequence, without its delimiters.
func sequence(s []byte, sep Separators) (string, bool) {
	if len(s) == 1 {
		switch s[0] {
		case 'F':
			return string(sep.Field), true
		case 'S':
			return string(sep.Component), true
		case 'T':
			return string(sep.Subcomponent), true
		case 'R':
			return string(sep.Repetition), true
		case 'E':
			return string(sep.Escape), true
		case 'P':
			return string(sep.Truncation), sep.Truncation != 0
		case 'H', 'N':
			return "", true
		}
		return "", false
	}
	switch {
	case len(s) > 1 && s[0] == 'X':
		return hexText(s[1:])
	case len(s) > 2 && s[0] == '.':
		return formatting(string(s[1:]))
	}
	return "", false
}

func hexText(s []byte) (string, bool) {
	b := make([]byte, hex.DecodedLen(len(s)))
	if _, err := hex.Decode(b, s); err != nil || !utf8.Valid(b) {
		return "", false
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\r", "\n")
	for _, r := range text {
		if r < 0x20 && r != '\t' && r != '\n' {
			return "", false
		}
	}
	return text, true
}

// formatting resolves the commands of formatted text (FT, section 2.7.6).
func formatting(s string) (string, bool) {
	n := 1
	if len(s) > 2 {
		v, err := strconv.Atoi(strings.TrimLeft(s[2:], "+ "))
		if err != nil || v < 0 || v > 100 {
			if s[:2] != "in" && s[:2] != "ti" {
				return "", false
			}
		}
		n = v
	}
	switch s[:2] {
	case "br", "ce":
		return "\n", true
	case "sp":
		return strings.Repeat("\n", max(n, 1)), true
	case "sk":
		return strings.Repeat(" ", n), true
	case "fi", "nf", "in", "ti":
		return "", true
	}
	return "", false
}

// AppendEscaped appends text as it is written inside a value: separators and
// line breaks escaped, other control characters as hexadecimal.
func AppendEscaped(b []byte, text string, sep Separators) []byte {
	for i := range len(text) {
		c := text[i]
		name := byte(0)
		switch c {
		case sep.Field:
			name = 'F'
		case sep.Component:
			name = 'S'
		case sep.Subcomponent:
			name = 'T'
		case sep.Repetition:
			name = 'R'
		case sep.Escape:
			name = 'E'
		}
		switch {
		case name != 0:
			b = append(b, sep.Escape, name, sep.Escape)
		case c == '\n':
			b = append(append(append(b, sep.Escape), ".br"...), sep.Escape)
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			// one line break, written by the \n
		case c < 0x20 && c != '\t':
			b = append(b, sep.Escape, 'X')
			b = append(b, "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
			b = append(b, sep.Escape)
		default:
			b = append(b, c)
		}
	}
	return b
}

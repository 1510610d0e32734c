package xml

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"

	"trellis.example/fhir"
)

// reference reads the reference that b begins with, one of XML's own or a
// character number, and its size; 0 when there is none.
func reference(b []byte) (r rune, size int) {
	end := 1
	for end < len(b) && end < 12 && b[end] != ';' {
		end++
	}
	if end >= len(b) || b[end] != ';' {
		return 0, 0
	}
	name := text(b[1:end])
	switch name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	digits, isNumber := strings.CutPrefix(name, "#")
	if !isNumber {
		return 0, 0
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !isChar(rune(n)) {
		return 0, 0
	}
	return rune(n), end + 1
}

// isChar reports whether XML 1.0 allows the character.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= ' ' && r < 0xD800 || r > 0xDFFF && r < 0xFFFE || r > 0xFFFF && r <= utf8.MaxRune
}

// plain marks the bytes that an attribute and a JSON string write alike.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\' && c != '&' && c != '<'
	}
	return t
}()

// appendJSON appends an attribute's value as a JSON string. References are
// replaced and white space is normalised (XML 1.0, section 3.3.3); the
// references were checked.
func appendJSON(out, raw []byte) []byte {
	for i := range raw {
		if !plain[raw[i]] {
			return fhir.AppendString(out, unescape(raw))
		}
	}
	out = append(out, '"')
	out = append(out, raw...)
	return append(out, '"')
}

func unescape(raw []byte) string {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '&':
			r, n := reference(raw[i:])
			b.WriteRune(r)
			i += n
			continue
		case c == '\r' && i+1 < len(raw) && raw[i+1] == '\n': // one line end
		case isSpace(c):
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
		i++
	}
	return b.String()
}

// verbatim marks the bytes that an attribute value holds as they are.
var verbatim = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '&' && c != '<' && c != '>' && c != 0xEF
	}
	return t
}()

// appendAttribute appends s as the content of an attribute in double quotes.
// White space other than the blank is written by number, so that it survives.
// ok is false when s has a character that XML does not allow.
func appendAttribute(out []byte, s string) (_ []byte, ok bool) {
	from := 0
	for i := range len(s) {
		c := s[i]
		if verbatim[c] {
			continue
		}
		var with string
		switch c {
		case '"':
			with = "&quot;"
		case '&':
			with = "&amp;"
		case '<':
			with = "&lt;"
		case '>':
			with = "&gt;"
		case '\n':
			with = "&#xA;"
		case '\r':
			with = "&#xD;"
		case '\t':
			with = "&#x9;"
		case 0xEF:
			if !strings.HasPrefix(s[i:], "\uFFFE") && !strings.HasPrefix(s[i:], "\uFFFF") {
				continue
			}
			return out, false
		default:
			return out, false
		}
		out = append(append(out, s[from:i]...), with...)
		from = i + 1
	}
	return append(out, s[from:]...), true
}

// htmlEntity returns the characters that a named entity of HTML stands for, and
// its size in s; 0 when it is none.
func htmlEntity(s string) (string, int) {
	end := strings.IndexByte(s[:min(len(s), 40)], ';')
	if end < 2 {
		return "", 0
	}
	chars := html.UnescapeString(s[:end+1])
	if chars == s[:end+1] || strings.HasSuffix(chars, ";") { // HTML takes some without their ";"
		return "", 0
	}
	return chars, end + 1
}

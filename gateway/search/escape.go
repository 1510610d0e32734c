package search

import "strings"

// splitEscaped splits at sep unless a backslash stands before it; the parts
// keep their escapes.
func splitEscaped(s string, sep byte) []string {
	if strings.IndexByte(s, sep) < 0 {
		return []string{s}
	}
	var out []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[from:])
}

// unescape removes the backslashes of R4 search, section 3.1.1.4.5.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return escapes.Replace(s)
}

var escapes = strings.NewReplacer(`\\`, `\`, `\,`, `,`, `\|`, `|`, `\$`, `$`)

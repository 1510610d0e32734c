package mapping

import (
	"net/url"
	"strings"

	"trellis.example/fhir"
)

// headedType writes "Heading: text", so that free text keeps the name of the
// field it came from.
func headedType(r *rule) (converter, error) {
	return prefixing(r.constText+": ", checkText, func(s string) (string, bool) { return s, true }), nil
}

// prefixedType writes the rule's value with the partner's text behind it. In a
// conditional reference ("ServiceRequest?identifier=system|") the text is
// escaped as a search value, so that it cannot ask for anything else.
func prefixedType(r *rule) (converter, error) {
	if strings.Contains(r.constText, "?") {
		return prefixing(r.constText, escapeSearch, unescapeSearch), nil
	}
	return prefixing(r.constText, checkText, func(s string) (string, bool) { return s, true }), nil
}

// prefixing is a type that puts a text before the partner's and takes it off
// again.
func prefixing(prefix string, in func(string) (string, *problem), out func(string) (string, bool)) converter {
	return converter{
		in: func(dst []byte, s string) ([]byte, verdict) {
			s, p := in(s)
			if p != nil {
				return dst, verdict{fault: p}
			}
			return fhir.AppendString(dst, prefix+s), verdict{}
		},
		out: func(v fhir.Value) (string, bool) {
			s, ok := strings.CutPrefix(v.Text(), prefix)
			if !ok {
				return "", false
			}
			return out(s)
		},
	}
}

// escapeSearch escapes what separates values and parameters of a FHIR search
// (R4, section 3.1.1.3.1, and RFC 3986).
func escapeSearch(s string) (string, *problem) {
	s, p := checkText(s)
	if p != nil {
		return "", p
	}
	s = strings.NewReplacer(`\`, `\\`, `|`, `\|`, `,`, `\,`, `$`, `\$`).Replace(s)
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), nil
}

func unescapeSearch(s string) (string, bool) {
	s, err := url.QueryUnescape(s)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

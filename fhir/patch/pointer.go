package patch

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A pointer is a JSON pointer (RFC 6901), split and unescaped.
type pointer []string

func parsePointer(s string) (pointer, bool) {
	if s == "" {
		return nil, true
	}
	if s[0] != '/' || strings.Count(s, "/") > fhir.MaxDepth+1 {
		return nil, false
	}
	p := strings.Split(s[1:], "/")
	for i, part := range p {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(part), "~") {
			return nil, false
		}
		p[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return p, true
}

// find returns the value at the pointer; the zero Value when nothing is there.
func (p pointer) find(v fhir.Value) fhir.Value {
	for _, part := range p {
		v = child(v, part)
	}
	return v
}

func child(v fhir.Value, part string) fhir.Value {
	if v.Kind() != fhir.Array {
		return v.Get(part)
	}
	i, ok := index(part, v.Len()-1)
	if !ok {
		return fhir.Value{}
	}
	return v.At(i)
}

// index reads an array index of 0 to last, as RFC 6901 writes it: no sign and no
// leading zero.
func index(s string, last int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= last && strconv.Itoa(n) == s
}

// within reports whether p lies below q.
func (p pointer) within(q pointer) bool {
	if len(p) <= len(q) {
		return false
	}
	for i := range q {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

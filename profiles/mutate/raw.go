package mutate

import (
	"strings"

	"trellis.example/fhir"
)

// without returns the object's JSON with a member taken out.
func without(o fhir.Value, name string) string {
	return rebuild(o, func(c fhir.Value) string {
		if c.Key() == name {
			return ""
		}
		return member(c.Key(), string(c.Raw()))
	})
}

// renamed returns the object's JSON with a member under another name.
func renamed(o fhir.Value, name, to string) string {
	return rebuild(o, func(c fhir.Value) string {
		if c.Key() == name {
			return member(to, string(c.Raw()))
		}
		return member(c.Key(), string(c.Raw()))
	})
}

// with returns the object's JSON with a member more.
func with(o fhir.Value, name, raw string) string {
	s := strings.TrimSuffix(string(o.Raw()), "}")
	if o.Len() > 0 {
		s += ","
	}
	return s + member(name, raw) + "}"
}

// withItem returns an array's JSON with an element more.
func withItem(list fhir.Value, raw string) string {
	s := strings.TrimSuffix(string(list.Raw()), "]")
	if list.Len() > 0 {
		s += ","
	}
	return s + raw + "]"
}

func rebuild(o fhir.Value, f func(fhir.Value) string) string {
	var parts []string
	for c := range o.All() {
		if s := f(c); s != "" {
			parts = append(parts, s)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func member(name, raw string) string { return quoted(name) + ":" + raw }

func quoted(s string) string { return string(fhir.AppendString(nil, s)) }

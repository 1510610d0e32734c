package fhir

import "strings"

// A Canonical is a parsed canonical reference: url|version#fragment (R4
// datatypes, canonical). Its strings share the memory of the string parsed.
type Canonical struct{ URL, Version, Fragment string }

// ParseCanonical splits a canonical. It accepts any string; whether the URL is
// one is for the validator. It does not allocate.
func ParseCanonical(s string) Canonical {
	var c Canonical
	s, c.Fragment, _ = strings.Cut(s, "#")
	c.URL, c.Version, _ = strings.Cut(s, "|")
	return c
}

// String returns url|version#fragment with the parts that are set.
func (c Canonical) String() string {
	s := c.URL
	if c.Version != "" {
		s += "|" + c.Version
	}
	if c.Fragment != "" {
		s += "#" + c.Fragment
	}
	return s
}

// Matches reports whether c, as written in a document, means the artefact with
// that URL and version: a canonical without a version means any version.
func (c Canonical) Matches(url, version string) bool {
	return c.URL == url && (c.Version == "" || c.Version == version)
}

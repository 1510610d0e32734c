package hl7v2

// Separators are the characters of MSH-1 and MSH-2.
type Separators struct {
	Field, Component, Repetition, Escape, Subcomponent byte
	// Truncation is the fifth character of MSH-2 (v2.7 and later), 0 when it
	// is not given. It is kept so that an answer repeats it.
	Truncation byte
}

// Standard returns the separators that HL7 recommends: |^~\&.
func Standard() Separators {
	return Separators{Field: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&'}
}

// Encoding returns MSH-2 as it is written.
func (s Separators) Encoding() string {
	b := []byte{s.Component, s.Repetition, s.Escape, s.Subcomponent}
	if s.Truncation != 0 {
		b = append(b, s.Truncation)
	}
	return string(b)
}

// valid reports whether the separators are printable punctuation and distinct.
func (s Separators) valid() bool {
	all := []byte{s.Field, s.Component, s.Repetition, s.Escape, s.Subcomponent}
	if s.Truncation != 0 {
		all = append(all, s.Truncation)
	}
	for i, c := range all {
		if c <= ' ' || c >= 0x7f || isAlphanumeric(c) || c == '"' {
			return false
		}
		for _, d := range all[:i] {
			if c == d {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

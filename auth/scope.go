package auth

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Limits on what one token request may ask for.
const (
	maxScopeText = 4096
	maxScopes    = 128
)

// Letters is a set of SMART v2 permissions: c, r, u, d, s.
type Letters uint8

// The permissions of SMART App Launch 2, section "Scopes for requesting FHIR
// resources".
const (
	LetterCreate Letters = 1 << iota
	LetterRead
	LetterUpdate
	LetterDelete
	LetterSearch
)

const allLetters = LetterCreate | LetterRead | LetterUpdate | LetterDelete | LetterSearch

const letterOrder = "cruds"

// String returns the letters in the order of the standard, such as "rs".
func (l Letters) String() string {
	var b strings.Builder
	for i := range len(letterOrder) {
		if l&(1<<i) != 0 {
			b.WriteByte(letterOrder[i])
		}
	}
	return b.String()
}

// A Scope is one permission that a client holds or asks for.
type Scope struct {
	// Type is a resource type, or "*".
	Type    string
	Letters Letters
	// Constraints are the sorted search parameters after "?", as
	// "name=value". None can be enforced yet, so a scope that has any is
	// neither registered nor granted.
	Constraints []string
	text        string
}

// Scopes is what a client holds or asks for.
type Scopes []Scope

var (
	scopeTail      = regexp.MustCompile(`^(\*|[A-Z][A-Za-z]{1,63})\.(\*|[a-z]+)(\?.*)?$`)
	constraintName = regexp.MustCompile(`^[_A-Za-z][A-Za-z0-9_.:-]{0,63}$`)
	oldPermissions = map[string]Letters{
		"read":  LetterRead | LetterSearch,
		"write": LetterCreate | LetterUpdate | LetterDelete,
		"*":     allLetters,
	}
)

// ParseScope reads one scope: "system/ServiceRequest.rs", with the v1 forms
// ".read", ".write" and ".*". Scopes of a user or a patient are refused,
// because no person logs in here.
func ParseScope(text string) (Scope, error) {
	tail, ok := strings.CutPrefix(text, "system/")
	if !ok {
		return Scope{}, fmt.Errorf(`must begin with "system/"`)
	}
	m := scopeTail.FindStringSubmatch(tail)
	if m == nil {
		return Scope{}, fmt.Errorf("must be system/Type.cruds, with * for every type")
	}
	s := Scope{Type: m[1], text: text}
	if old, ok := oldPermissions[m[2]]; ok {
		if m[3] != "" {
			return Scope{}, fmt.Errorf("constraints need the permissions c, r, u, d, s")
		}
		s.Letters = old
		return s, nil
	}
	var err error
	if s.Letters, err = parseLetters(m[2]); err != nil {
		return Scope{}, err
	}
	s.Constraints, err = parseConstraints(m[3])
	return s, err
}

// parseLetters reads a non-empty run of c, r, u, d, s, each at most once and
// in that order, as SMART requires.
func parseLetters(text string) (Letters, error) {
	var l Letters
	next := 0
	for _, r := range text {
		i := strings.IndexRune(letterOrder[next:], r)
		if i < 0 {
			return 0, fmt.Errorf("permissions must be some of c, r, u, d, s in that order")
		}
		l |= 1 << (next + i)
		next += i + 1
	}
	return l, nil
}

func parseConstraints(query string) ([]string, error) {
	if query == "" {
		return nil, nil
	}
	var out []string
	for pair := range strings.SplitSeq(query[1:], "&") {
		name, value, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(value)
		if err != nil || value == "" || !constraintName.MatchString(name) {
			return nil, fmt.Errorf("constraints must be name=value, joined by &")
		}
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ParseScopes reads scopes separated by spaces (RFC 6749, section 3.3). Its
// error names the first bad scope by its place, not by its text.
func ParseScopes(text string) (Scopes, error) {
	if len(text) > maxScopeText {
		return nil, fmt.Errorf("scope is longer than %d bytes", maxScopeText)
	}
	var out Scopes
	for i, word := range strings.Fields(text) {
		s, err := ParseScope(word)
		if err != nil {
			return nil, fmt.Errorf("scope %d: %w", i+1, err)
		}
		if !slices.ContainsFunc(out, func(o Scope) bool { return o.text == s.text }) {
			out = append(out, s)
		}
	}
	if len(out) > maxScopes {
		return nil, fmt.Errorf("more than %d scopes", maxScopes)
	}
	return out, nil
}

// String returns the scopes as they were written, separated by spaces.
func (ss Scopes) String() string { return strings.Join(ss.Texts(), " ") }

// Texts returns each scope as it was written.
func (ss Scopes) Texts() []string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = s.String()
	}
	return out
}

// String returns the scope as it was written, or in the v2 form when it was
// built in code.
func (s Scope) String() string {
	if s.text != "" {
		return s.text
	}
	out := "system/" + s.Type + "." + s.Letters.String()
	for i, c := range s.Constraints {
		name, value, _ := strings.Cut(c, "=")
		out += string("?&"[min(i, 1)]) + name + "=" + url.QueryEscape(value)
	}
	return out
}

// Cover reports whether the scopes together give all that want asks for.
// Asking for more types, letters or results than they give is not covered; a
// scope with constraints covers only what keeps every one of them.
func (ss Scopes) Cover(want Scope) bool {
	var have Letters
	for _, s := range ss {
		if (s.Type == "*" || s.Type == want.Type) && includesAll(want.Constraints, s.Constraints) {
			have |= s.Letters
		}
	}
	return want.Letters != 0 && want.Letters&^have == 0
}

// letters returns what the scopes allow on a type. A scope with constraints
// allows nothing, because nothing would enforce them.
func (ss Scopes) letters(typ string) Letters {
	var l Letters
	for _, s := range ss {
		if (s.Type == "*" || s.Type == typ) && len(s.Constraints) == 0 {
			l |= s.Letters
		}
	}
	return l
}

func includesAll(all, some []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

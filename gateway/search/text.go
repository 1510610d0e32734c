package search

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits, in bytes, of what is indexed as it stands: a value that leads, and a
// text that is only compared with.
const (
	maxValue  = 255
	maxSilent = 16 << 10
)

// normalText returns s in lower case, without accents and outer space, cut to
// limit bytes: how strings are compared.
func normalText(s string, limit int) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if !isASCII(s) {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(s))
	}
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// clip replaces a long value by its hash: it is still found by equality, and
// the index stays narrow.
func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// soundClasses are the digits of Soundex for the letters a to z; 0 for vowels,
// which part equal digits, and . for h and w, which do not.
const soundClasses = "0123012.02245501262301.202"

// soundex returns the American Soundex of a word, such as "r163"; "" when it
// has no letter.
func soundex(word string) string {
	var out []byte
	last := byte('0')
	for _, c := range []byte(normalText(word, maxValue)) {
		if c < 'a' || c > 'z' {
			continue
		}
		class := soundClasses[c-'a']
		switch {
		case len(out) == 0:
			out = append(out, c)
		case class == '.':
			continue
		case class != '0' && class != last:
			out = append(out, class)
		}
		if last = class; len(out) == 4 {
			return string(out)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return string(append(out, "000"[:4-len(out)]...))
}

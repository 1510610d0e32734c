package path

import (
	"fmt"
	"strings"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokQuotedName // `div`: never a keyword
	tokString
	tokNumber
	tokOp // punctuation and operators
	tokVar
	tokDate // @2026-01-31, without the @
)

type token struct {
	kind tokenKind
	text string
}

// lex splits an expression into tokens.
func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case isLetter(c):
			n := span(s[i:], isWord)
			out = append(out, token{tokName, s[i : i+n]})
			i += n
		case c >= '0' && c <= '9':
			n := span(s[i:], func(c byte) bool { return c >= '0' && c <= '9' || c == '.' })
			out = append(out, token{tokNumber, s[i : i+n]})
			i += n
		case c == '\'' || c == '`':
			text, n, err := quoted(s[i:])
			if err != nil {
				return nil, err
			}
			kind := tokString
			if c == '`' {
				kind = tokQuotedName
			}
			out = append(out, token{kind, text})
			i += n
		case c == '@':
			n := 1 + span(s[i+1:], isDateByte)
			if n < 5 || s[i+1] == 'T' {
				return nil, fmt.Errorf("not a date at %d", i)
			}
			out = append(out, token{tokDate, strings.TrimSuffix(s[i+1:i+n], "T")})
			i += n
		case c == '%' || c == '$':
			n := 1 + span(s[i+1:], isWord)
			out = append(out, token{tokVar, s[i : i+n]})
			i += n
		default:
			n := operator(s[i:])
			if n == 0 {
				return nil, fmt.Errorf("unexpected character at %d", i)
			}
			out = append(out, token{tokOp, s[i : i+n]})
			i += n
		}
	}
	return append(out, token{}), nil
}

func operator(s string) int {
	for _, op := range [...]string{"!=", "<=", ">="} {
		if strings.HasPrefix(s, op) {
			return 2
		}
	}
	if strings.IndexByte(".,()[]{}|=<>+-*/&", s[0]) >= 0 {
		return 1
	}
	return 0
}

// quoted reads a string or delimited name with its escapes.
func quoted(s string) (text string, n int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), i + 1, nil
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("unterminated %c", s[0])
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}

func span(s string, ok func(byte) bool) int {
	n := 0
	for n < len(s) && ok(s[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func isWord(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }

func isDateByte(c byte) bool {
	return c >= '0' && c <= '9' || strings.IndexByte("-:T+Z.", c) >= 0
}

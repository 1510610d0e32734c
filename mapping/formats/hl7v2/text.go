package hl7v2

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

// or returns s, or otherwise when s is empty.
func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// cut shortens a text of ours to n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}

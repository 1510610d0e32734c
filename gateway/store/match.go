package store

import "strings"

// Holds reports whether the match holds for an index entry of that kind. It is
// the meaning of a search in every store. Dates follow FHIR R4 search 3.1.1.5.9
// (prefixes), where both sides are ranges:
//
//	eq  the match's range contains the entry's
//	ne  it does not
//	gt  the entry reaches above the match's range
//	lt  the entry reaches below it
//	ge  gt or eq
//	le  lt or eq
//	sa  the entry lies wholly above it
//	eb  the entry lies wholly below it
//	ap  the ranges overlap; the caller widens the match as it sees fit
func (m Match) Holds(kind Kind, e Index) bool {
	switch kind {
	case Token:
		return m.Value == e.Value && (m.AnySystem || m.System == e.System)
	case Reference, URI:
		return m.Value == e.Value
	case Text:
		return strings.HasPrefix(e.Value, m.Value)
	case Date:
		return m.holdsDate(e.Low, e.High)
	}
	return false
}

func (m Match) holdsDate(low, high int64) bool {
	within := m.Low <= low && high <= m.High
	switch m.Op {
	case "", "eq":
		return within
	case "ne":
		return !within
	case "gt":
		return high > m.High
	case "lt":
		return low < m.Low
	case "ge":
		return high > m.High || within
	case "le":
		return low < m.Low || within
	case "sa":
		return low > m.High
	case "eb":
		return high < m.Low
	case "ap":
		return low <= m.High && high >= m.Low
	}
	return false
}

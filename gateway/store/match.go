package store

import "strings"

// Holds reports whether the match holds for an index entry of that kind. It is
// the meaning of a search in every store. Dates, numbers and quantities follow
// FHIR R4 search 3.1.1.5.9 (prefixes), where both sides are ranges:
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
		return m.holdsToken(e)
	case Reference:
		return m.Value == e.Value && m.Op == "" || m.Op == OpType && strings.HasPrefix(e.Value, m.Value+"/")
	case URI:
		return m.Value == e.Value || m.Op == OpBelow && strings.HasPrefix(e.Value, strings.TrimSuffix(m.Value, "/")+"/")
	case Text:
		return m.holdsText(e)
	case Date, Number:
		return m.holdsRange(e.Low, e.High)
	case Quantity:
		return m.holdsUnit(e) && m.holdsRange(e.Low, e.High)
	case Point:
		return m.holdsPoint(e)
	}
	return false
}

func (m Match) holdsToken(e Index) bool {
	if m.Op == OpSystem {
		return m.System == e.System
	}
	return m.Value == e.Value && (m.AnySystem || m.System == e.System)
}

// holdsUnit: no unit asked for is any unit.
func (m Match) holdsUnit(e Index) bool {
	return m.Value == "" || m.Value == e.Value && (m.AnySystem || m.System == e.System)
}

func (m Match) holdsText(e Index) bool {
	switch m.Op {
	case OpExact:
		return m.System == e.System
	case OpContains:
		return strings.Contains(e.Value, m.Value)
	}
	return strings.HasPrefix(e.Value, m.Value)
}

func (m Match) holdsRange(low, high int64) bool {
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

// Holds reports whether the clause holds for a version with that id, time of
// update (Unix milliseconds) and index.
func (c Clause) Holds(id string, updated int64, index []Index) bool {
	switch {
	case len(c.Together) > 0:
		return c.holdsTogether(index)
	case c.Param == "_id":
		return c.ownHolds(Index{Value: id}, Token) != c.Not
	case c.Param == "_lastUpdated":
		return c.ownHolds(Index{Low: updated, High: updated}, Date) != c.Not
	case c.Absent || c.Present:
		return c.has(index) == c.Present
	}
	for _, e := range index {
		if c.holdsFor(e) {
			return !c.Not
		}
	}
	return c.Not
}

func (c Clause) ownHolds(own Index, kind Kind) bool {
	for _, m := range c.Any {
		if kind == Token {
			m.AnySystem = true
		}
		if m.Holds(kind, own) {
			return true
		}
	}
	return false
}

func (c Clause) has(index []Index) bool {
	for _, e := range index {
		if e.Param == c.Param && e.Kind == c.Kind {
			return true
		}
	}
	return false
}

func (c Clause) holdsFor(e Index) bool {
	if e.Param != c.Param || e.Kind != c.Kind {
		return false
	}
	for _, m := range c.Any {
		if m.Holds(c.Kind, e) {
			return true
		}
	}
	return false
}

// holdsTogether looks for a group in which every clause holds.
func (c Clause) holdsTogether(index []Index) bool {
	first := c.Together[0]
	for _, e := range index {
		if e.Group != 0 && first.holdsFor(e) && allHoldIn(c.Together[1:], e.Group, index) {
			return true
		}
	}
	return false
}

func allHoldIn(clauses []Clause, group int, index []Index) bool {
	for _, c := range clauses {
		found := false
		for _, e := range index {
			found = found || e.Group == group && c.holdsFor(e)
		}
		if !found {
			return false
		}
	}
	return true
}

// Leads reports whether a store can find all candidates of the clause by its
// indexes alone: whether it can drive a query. One that cannot is compared with
// the candidates of one that can, or of the type.
func (c Clause) Leads() bool {
	if len(c.Together) > 0 {
		for _, t := range c.Together {
			if t.Leads() {
				return true
			}
		}
		return false
	}
	if c.Silent || c.Not || c.Absent || c.Present {
		return false
	}
	for _, m := range c.Any {
		if !m.leads(c.Kind) {
			return false
		}
	}
	return true
}

func (m Match) leads(kind Kind) bool {
	switch m.Op {
	case OpSystem, OpContains, OpBelow, OpType:
		return false
	}
	return kind != Point || len(m.Cells()) > 0
}

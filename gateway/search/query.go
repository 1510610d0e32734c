package search

import (
	"net/url"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// Page sizes, in resources.
const (
	DefaultCount = 50
	MaxCount     = 1000
)

// Limits on one request: conditions, values of one condition, codes of a value
// set, alternatives that a store is asked for, steps of a chain, and includes.
const (
	maxClauses      = 32
	maxValues       = 200
	maxCodes        = 1000
	maxAlternatives = 64
	maxChain        = 2
	maxIncludes     = 64
)

// A Query is a search request read: what is searched for and how the answer is
// to be shaped. [Registry.Resolve] turns it into what a store answers.
type Query struct {
	// Types are those searched, sorted.
	Types []string
	// Count is the page's size; 0 asks for the total alone.
	Count int
	// Total says whether the number of matches is asked for.
	Total Total
	// Cursor is the _cursor of a page link, or "".
	Cursor string
	// Sort is empty for the usual order, newest first.
	Sort []store.Order
	// Summary and Elements say which elements are shown; nil is all.
	Summary  Summary
	Elements []string
	// Includes are what the answer is to carry beside the matches, in the order
	// of the request.
	Includes []Include
	// Applied are the parameters that were understood, in a stable order: what
	// the self link says.
	Applied url.Values
	// Warnings name the parameters that lenient handling ignored.
	Warnings []fhir.Issue

	types []*typeQuery
}

// A Total says whether a search counts its matches.
type Total uint8

// Counting looks at every match, so it is done only where it costs little or is
// asked for.
const (
	// TotalAuto gives the total if one page holds everything, and else none:
	// counting looks at every match.
	TotalAuto Total = iota
	// TotalNone does not count (_total=none).
	TotalNone
	// TotalAccurate counts (_total=accurate or estimate, _summary=count,
	// _count=0).
	TotalAccurate
)

// A Summary says how much of each resource is shown (R4 search, _summary).
type Summary uint8

// The values of _summary.
const (
	SummaryFalse Summary = iota // all of it
	SummaryTrue                 // the elements that R4 marks as summary
	SummaryText                 // text, id, meta and the mandatory elements
	SummaryData                 // all but text
	SummaryCount                // nothing but the total
)

// An Include asks for what a match refers to, or with Reverse for what refers
// to a match (R4 search, _include and _revinclude).
type Include struct {
	// Type is the type that has the parameter, "*" for each match's own.
	Type string
	// Param is a reference parameter of Type; "*" is all.
	Param string
	// Target limits the types referred to; "" is any.
	Target string
	// Reverse: _revinclude. Iterate: also for what was included.
	Reverse, Iterate bool
}

// A typeQuery is the part of a query about one type: all conditions must hold.
type typeQuery struct {
	typ   string
	where []condition
	// none: no resource of the type can match.
	none bool
}

// A condition is one parameter of a request: one alternative must hold.
type condition struct {
	name string
	any  []alternative
	// link, when set, is answered by searches of its own, which make one more
	// alternative.
	link *link
}

// or is the condition with its link answered.
func (c condition) or(a alternative) condition {
	return condition{name: c.name, any: append(slices.Clip(c.any), a)}
}

// An alternative holds when all its clauses do.
type alternative []store.Clause

// Conditions returns the number of search parameters applied: controls such as
// _count are none.
func (q *Query) Conditions() int {
	n := 0
	for _, t := range q.types {
		n = max(n, len(t.where))
	}
	return n
}

// Counts reports whether the store is to count the matches.
func (q *Query) Counts() bool { return q.Total == TotalAccurate }

// leads reports whether an index finds everything that the condition can match.
func (c condition) leads() bool {
	return !slices.ContainsFunc(c.any, func(a alternative) bool { return !slices.ContainsFunc(a, store.Clause.Leads) })
}

// Names returns the names of the parameters applied, sorted, without values:
// "identifier,status".
func (q *Query) Names() string {
	names := make([]string, 0, len(q.Applied))
	for n := range q.Applied {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

package redcapcsv

import (
	"regexp"
	"strings"
)

// A condition is one comparison of branching logic.
type condition struct {
	field, choice string // choice: of a checkbox, [needs(2)]
	operator      string // FHIR's
	value         string
}

var comparison = regexp.MustCompile(`^\[([a-z][a-z0-9_]*)(?:\(([^()\[\]]+)\))?\]\s*(=|<>|!=|>=|<=|>|<)\s*(?:'([^'"]*)'|"([^'"]*)"|(-?[0-9]+(?:\.[0-9]+)?))$`)

// branching reads logic that is made of simple comparisons joined by "and"
// alone or by "or" alone. Everything else (functions, other events, brackets,
// arithmetic) is not read: half of a condition shows questions to the wrong
// people.
func branching(logic string) (conds []condition, all, ok bool) {
	text := strings.Join(strings.Fields(logic), " ")
	ands, ors := split(text, " and "), split(text, " or ")
	if len(ands) > 1 && len(ors) > 1 {
		return nil, false, false
	}
	parts := ands
	if len(ors) > 1 {
		parts = ors
	}
	for _, p := range parts {
		c, ok := compare(strings.TrimSpace(p))
		if !ok {
			return nil, false, false
		}
		conds = append(conds, c)
	}
	return conds, len(ors) <= 1, true
}

// split cuts at a word, whatever its case.
func split(text, word string) []string {
	var out []string
	lower := strings.ToLower(text)
	for {
		i := strings.Index(lower, word)
		if i < 0 {
			return append(out, text)
		}
		out = append(out, text[:i])
		text, lower = text[i+len(word):], lower[i+len(word):]
	}
}

func compare(text string) (condition, bool) {
	if len(text) != len(strings.ToLower(text)) {
		return condition{}, false
	}
	m := comparison.FindStringSubmatch(text)
	if m == nil {
		return condition{}, false
	}
	c := condition{field: m[1], choice: strings.TrimSpace(m[2]), operator: m[3], value: m[4] + m[5] + m[6]}
	if c.operator == "<>" {
		c.operator = "!="
	}
	if c.choice != "" { // [needs(2)] = '1' is an answer; = '0' has no simple form
		if c.operator != "=" || c.value != "1" {
			return condition{}, false
		}
		c.value = c.choice
	}
	if c.value == "" {
		switch c.operator {
		case "=":
			c.operator, c.value = "exists", "false"
		case "!=":
			c.operator, c.value = "exists", "true"
		default:
			return condition{}, false
		}
	}
	return c, true
}
